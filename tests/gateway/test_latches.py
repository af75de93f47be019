"""Hearing more only ever stops more; nothing but a valid resume opens."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Level
from monitor.core.envelope import Why, encode
from monitor.core.messages import parse
from monitor.gateway import Action, Effect, Latches
from monitor.gateway import latches as latches_module
from tests.gateway.words import (
    ANNA,
    BORIS,
    BORIS_AGAIN,
    CARLA,
    GW,
    KW1,
    NOW,
    STAGES,
    STRANGER,
    S,
    a_gate,
    a_halt,
    a_resume,
    a_state,
    an_order,
    sealed,
)

LEVELS = ["throttle", "reduce_only", "halt_new", "halt_cancel", "disconnect"]
SCOPES = [{}, {"host": "smars-8"}, {"account": "33"}, {"account": "7"}, {"host": "smars-8", "symbol": "NOK"}]


@st.composite
def halts(draw):
    level = draw(st.sampled_from(LEVELS))
    more = {}
    if level == "throttle":
        more["params"] = {"messages_per_s": draw(st.integers(0, 50))}
        more["not_after"] = draw(st.sampled_from([None, NOW + 5 * S, NOW + 60 * S]))
    return a_halt(
        draw(st.sampled_from(SCOPES)),
        level,
        n=draw(st.integers(0, 2)),
        issuer=draw(st.sampled_from(["kw-1", "kw-2", "anna", "boris"])),
        event_ts=NOW - draw(st.integers(0, 3)) * S,
        mode=draw(st.sampled_from(["live", "live", "drill"])),
        **more,
    )


def after(heard, now=NOW):
    gate = a_gate()
    for payload in heard:
        assert gate.hear(sealed(payload), now).effect is not Effect.IGNORED
    return frozenset(gate.open(now))


def levels(gate, now):
    """The level of every kind of order that the tests know."""
    orders = [
        an_order(host=host, account=account)
        for host in ("smars-8", "a", None)
        for account in ("33", "7", None)
    ]
    return [gate.decide(Action.NEW, order, now).level or 0 for order in orders]


@given(st.lists(halts(), max_size=4))
def test_the_order_of_halts_changes_nothing(heard):
    assert len({after(order) for order in permutations(heard)}) == 1


@given(st.lists(halts(), max_size=6))
def test_a_halt_heard_again_changes_nothing(heard):
    assert after(heard) == after(heard + heard) == after([h for h in heard for _ in range(2)])


@given(st.lists(halts(), max_size=4), st.lists(halts(), max_size=4))
def test_a_state_is_the_same_as_its_halts(some, others):
    assert after([*some, a_state(*others)]) == after([a_state(*some, *others)]) == after(some + others)


@given(st.lists(halts(), max_size=5), halts())
def test_no_message_that_tightens_lowers_a_level(heard, more):
    gate = a_gate()
    for payload in heard:
        gate.hear(sealed(payload), NOW)
    before = levels(gate, NOW)
    gate.hear(sealed(more), NOW)
    assert all(a >= b for a, b in zip(levels(gate, NOW), before, strict=True))


@given(
    st.lists(halts().filter(lambda h: h["level"] != "throttle"), min_size=1, max_size=4),
    st.integers(0, 10**18),
)
def test_no_clock_lifts_a_latch(heard, later):
    gate = a_gate()
    for payload in heard:
        gate.hear(sealed(payload), NOW)
    before = gate.open(NOW)
    gate.hear(sealed(a_state(at=NOW + later)), NOW + later)  # and no state that does not know it
    assert gate.open(NOW + later) == before


def test_a_throttle_ends_by_itself_and_a_latch_has_no_end():
    gate = a_gate()
    gate.hear(sealed(a_halt(level="throttle", params={"messages_per_s": 5}, not_after=NOW + S)), NOW)
    gate.hear(sealed(a_halt({"account": "7"}, "halt_new", not_after=NOW + S)), NOW)
    assert [held.level for held in gate.open(NOW + 2 * S)] == [Level.HALT_NEW]


def test_the_same_id_again_at_a_higher_level_counts():
    gate = a_gate()
    assert gate.hear(sealed(a_halt(level="halt_new")), NOW).effect is Effect.TIGHTENED
    assert gate.hear(sealed(a_halt(level="reduce_only")), NOW).effect is Effect.NOTED
    assert gate.hear(sealed(a_halt(level="halt_cancel")), NOW).halts[0].level is Level.HALT_CANCEL


def test_the_same_id_with_another_scope_narrows_nothing():
    wide = a_halt({})
    gate = a_gate()
    gate.hear(sealed(wide), NOW)
    gate.hear(sealed({**wide, "scope": {"host": "other"}}), NOW)
    assert not gate.decide(Action.NEW, an_order(), NOW).allowed


RESUMES = {
    "one person": ([ANNA], Why.NOT_TWO_PEOPLE),
    "two keys of one person": ([BORIS, BORIS_AGAIN], Why.SAME_PERSON_TWICE),
    "one key twice": ([BORIS, BORIS], Why.SAME_PERSON_TWICE),
    "nobody of risk": ([ANNA, CARLA], Why.NOT_TWO_PEOPLE),
    "a stranger beside one": ([ANNA, STRANGER], Why.NOT_TWO_PEOPLE),
    "a monitor beside risk": ([KW1, BORIS], Why.NOT_ALLOWED),
    "a gateway beside two": ([ANNA, BORIS, GW], Why.NOT_ALLOWED),
    "a monitor alone": ([KW1], Why.NOT_ALLOWED),
    "strangers": ([STRANGER], Why.UNKNOWN_KEY),
}


@pytest.mark.parametrize("case", RESUMES)
def test_a_latch_stays_shut_for(case):
    signers, why = RESUMES[case]
    halt = a_halt()
    gate = a_gate()
    gate.hear(sealed(halt), NOW)
    heard = gate.hear(sealed(a_resume([halt["halt_id"]]), *signers), NOW + S)
    assert heard.ignored.why is why
    assert not gate.decide(Action.NEW, an_order(), NOW + 3600 * S).allowed


def test_two_people_open_what_they_name_and_nothing_else():
    named, other = a_halt(), a_halt({"account": "7"})
    gate = a_gate()
    for halt in (named, other):
        gate.hear(sealed(halt), NOW)
    assert gate.hear(sealed(a_resume([named["halt_id"]]), ANNA, BORIS), NOW + S).effect is Effect.LOOSENED
    assert [held.halt_id for held in gate.open(NOW + S)] == [other["halt_id"]]


def test_a_halt_that_a_resume_closed_stays_closed_however_often_it_is_heard():
    halt = a_halt()
    gate = a_gate()
    gate.hear(sealed(halt), NOW)
    gate.hear(sealed(a_resume([halt["halt_id"]]), ANNA, BORIS), NOW + S)
    assert gate.hear(sealed(halt), NOW + 2 * S).halts == ()
    assert gate.hear(sealed(a_state(halt, issuer="kw-2", at=NOW + 2 * S)), NOW + 2 * S).effect is Effect.NOTED
    assert gate.open(NOW + 2 * S) == ()
    again = {**halt, "event_ts": NOW + 5 * S}  # it happened again after the approval
    assert gate.hear(sealed(again), NOW + 5 * S).effect is Effect.TIGHTENED


def test_a_resume_opens_stage_by_stage():
    halt = a_halt()
    gate = a_gate()
    gate.hear(sealed(halt), NOW)
    gate.hear(sealed(a_resume([halt["halt_id"]], NOW, STAGES), ANNA, BORIS), NOW)
    seen = [
        [(held.level, held.messages_per_s) for held in gate.open(NOW + s * S)] for s in (0, 59, 60, 119, 120)
    ]
    assert seen[0] == seen[1] == [(Level.REDUCE_ONLY, 0.0)]
    assert seen[2] == seen[3] == [(Level.THROTTLE, 10.0)]
    assert seen[4] == []


def test_before_its_first_stage_a_resume_changes_nothing_and_a_stage_never_raises():
    halt = a_halt(level="throttle", params={"messages_per_s": 3})
    gate = a_gate()
    gate.hear(sealed(halt), NOW)
    gate.hear(
        sealed(
            a_resume(
                [halt["halt_id"]], NOW, [{**stage, "after_s": stage["after_s"] + 9} for stage in STAGES]
            ),
            ANNA,
            BORIS,
        ),
        NOW,
    )
    assert [(h.level, h.messages_per_s) for h in gate.open(NOW)] == [(Level.THROTTLE, 3.0)]
    assert [(h.level, h.messages_per_s) for h in gate.open(NOW + 10 * S)] == [(Level.THROTTLE, 3.0)]
    assert [(h.level, h.messages_per_s) for h in gate.open(NOW + 70 * S)] == [(Level.THROTTLE, 10.0)]


@pytest.mark.parametrize("news", [{"scope": {"account": "7"}}, {"level": "disconnect"}])
def test_a_new_halt_ends_an_approval_in_its_stages(news):
    halt = a_halt()
    resume = sealed(a_resume([halt["halt_id"]], NOW, STAGES), ANNA, BORIS)
    gate = a_gate()
    gate.hear(sealed(halt), NOW)
    gate.hear(resume, NOW)
    gate.hear(sealed(a_halt(**{"scope": {"host": "smars-8"}, **news})), NOW + S)
    assert gate.hear(resume, NOW + 2 * S).detail == "seen before"
    assert not gate.decide(Action.NEW, an_order(), NOW + 3600 * S).allowed
    assert gate.decide(Action.NEW, an_order(), NOW + 3600 * S).level >= Level.HALT_CANCEL


def test_a_halt_that_the_approval_names_may_come_after_it():
    halt = a_halt()
    gate = a_gate()
    gate.hear(sealed(a_resume([halt["halt_id"]], NOW, STAGES), ANNA, BORIS), NOW)
    gate.hear(sealed(halt), NOW + S)
    assert [held.level for held in gate.open(NOW + S)] == [Level.REDUCE_ONLY]
    assert gate.open(NOW + 121 * S) == ()


REFUSED = {
    "expired": ({"at": NOW - 700 * S}, "expired"),
    "expires too far ahead": ({"at": NOW - 901 * S, "expires": NOW + 9_000 * S}, "expired"),
    "issued in the future": ({"at": NOW + 60 * S}, "future"),
    "older than an open halt": ({"at": NOW - S}, "newer than the approval"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_resume_is_not_accepted_when(case):
    fields, why = REFUSED[case]
    halt = a_halt()
    gate = a_gate()
    gate.hear(sealed(halt), NOW)
    heard = gate.hear(sealed(a_resume([halt["halt_id"]], **fields), ANNA, BORIS), NOW)
    assert heard.effect is Effect.NOTED
    assert why in heard.detail
    assert gate.open(NOW)


def test_more_halts_than_can_be_held_halt_everything(monkeypatch):
    monkeypatch.setattr(latches_module, "HELD_MAX", 3)
    gate = a_gate()
    for n in range(5):
        heard = gate.hear(sealed(a_halt({"account": str(n)}, "reduce_only", n=n)), NOW)
        assert heard.effect is Effect.TIGHTENED
    assert gate.decide(Action.NEW, an_order(account="99"), NOW).level is Level.HALT_NEW
    assert heard.halts[0].scope.text == "*"


def test_what_is_remembered_of_closed_halts_is_bounded(monkeypatch):
    monkeypatch.setattr(latches_module, "CLOSED_MAX", 3)
    gate = a_gate()
    halts_ = [a_halt({"account": str(n)}) for n in range(5)]
    for n, halt in enumerate(halts_):
        gate.hear(sealed(halt), NOW)
        gate.hear(sealed(a_resume([halt["halt_id"]], NOW + n), ANNA, BORIS), NOW + n)
    assert gate.open(NOW + 9) == ()
    assert gate.hear(sealed(halts_[0]), NOW + 9).effect is Effect.TIGHTENED  # forgotten: it halts again
    assert gate.hear(sealed(halts_[4]), NOW + 9).effect is Effect.NOTED


def test_so_many_resumes_are_no_resumes(monkeypatch):
    monkeypatch.setattr(latches_module, "RESUMES_MAX", 2)
    halt = a_halt()
    gate = a_gate()
    details = [gate.hear(sealed(a_resume([halt["halt_id"]]), ANNA, BORIS), NOW + S).detail for _ in range(3)]
    assert details[:2] == ["", ""]
    assert "wait" in details[2]


def test_latches_alone_start_halted():
    assert not Latches().started


ids = st.sampled_from([None, "", "a", "b"])


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["host", "account", "parent"]), st.sampled_from(["a", "b"])),
        max_size=6,
    ),
    st.fixed_dictionaries({"host": ids, "account": ids, "parent": ids}),
)
def test_an_order_meets_each_halt_whose_scope_holds_for_it(scopes, attributes):
    latches = Latches()
    for scope in scopes:
        latches.hear_halt(parse(encode(a_halt(scope))), NOW)
    holds = {held for held in latches.open(NOW) if held.scope.holds_for(attributes)}
    assert set(latches.matching(attributes, NOW)) == holds


def test_time_that_steps_back_gives_nothing_back():
    gate = a_gate()
    halt = a_halt()
    gate.hear(sealed(halt), NOW)
    gate.hear(sealed(a_resume([halt["halt_id"]], NOW, STAGES), ANNA, BORIS), NOW)
    assert [held.level for held in gate.open(NOW + 60 * S)] == [Level.THROTTLE]
    assert [held.level for held in gate.open(NOW + 59 * S)] == [Level.REDUCE_ONLY]


def test_a_closing_halt_that_happens_again_is_at_its_level_again():
    halt = a_halt()
    gate = a_gate()
    gate.hear(sealed(halt), NOW)
    gate.hear(sealed(a_resume([halt["halt_id"]], NOW, STAGES), ANNA, BORIS), NOW)
    again = gate.hear(sealed({**halt, "event_ts": NOW + S}), NOW + S)
    assert (again.effect, again.halts[0].level) == (Effect.TIGHTENED, Level.HALT_CANCEL)
    assert gate.open(NOW + 3600 * S) == again.halts


def test_more_than_can_be_held_is_held_at_the_highest_level_of_them(monkeypatch):
    monkeypatch.setattr(latches_module, "HELD_MAX", 0)
    gate = a_gate()
    for level in ("disconnect", "throttle"):
        gate.hear(sealed(a_halt(level=level)), NOW)
    assert [(held.level, held.scope.text) for held in gate.open(NOW)] == [(Level.DISCONNECT, "*")]


def test_a_drill_ends_no_approval():
    halt = a_halt()
    gate = a_gate()
    gate.hear(sealed(halt), NOW)
    gate.hear(sealed(a_resume([halt["halt_id"]], NOW, STAGES), ANNA, BORIS), NOW)
    gate.hear(sealed(a_halt({"account": "7"}, mode="drill")), NOW + S)
    assert gate.decide(Action.NEW, an_order(), NOW + 120 * S).allowed


def test_what_was_closed_may_be_closed_again_by_a_later_approval():
    halt = a_halt()
    gate = a_gate()
    gate.hear(sealed(halt), NOW)
    gate.hear(sealed(a_resume([halt["halt_id"]]), ANNA, BORIS), NOW + S)
    assert gate.hear(sealed(a_resume([halt["halt_id"]]), ANNA, BORIS), NOW + 1000 * S).detail.startswith(
        "expired"
    )
    late = a_resume([halt["halt_id"]], at=NOW + 1000 * S, resume_id="later")
    assert gate.hear(sealed(late, ANNA, BORIS), NOW + 1000 * S).effect is Effect.LOOSENED
    assert gate.hear(sealed({**halt, "event_ts": NOW + 1000 * S}), NOW + 1000 * S).effect is Effect.NOTED


def test_an_older_state_after_a_newer_one_counts_for_nothing_but_its_halts():
    gate = a_gate(started=False)
    gate.hear(sealed(a_state(part=1, parts=2, at=NOW + 2)), NOW + 2)
    gate.hear(sealed(a_state(a_halt(), part=2, parts=2, at=NOW + 1)), NOW + 2)
    assert not gate.started
    assert gate.open(NOW + 2)
