"""The gate obeys what is signed, contract-true, of its site and authorised; and nothing else."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Level
from monitor.core.envelope import ENVELOPE_BYTES_MAX, Why
from monitor.gateway import Action, Effect, LeasePolicy, Position
from monitor.gateway import gate as gate_module
from monitor.gateway.order import Code
from tests.gateway.words import (
    ANNA,
    BORIS,
    GW,
    KW1,
    NOW,
    STRANGER,
    S,
    a_gate,
    a_halt,
    a_lease,
    a_state,
    an_order,
    said,
    sealed,
)


def new(gate, now=NOW, **order):
    return gate.decide(Action.NEW, an_order(**order), now)


def halted(level, scope=None, **options):
    gate = a_gate(**options)
    gate.hear(sealed(a_halt(scope, level, params={"messages_per_s": 3})), NOW)
    return gate


def replaced(gate, now=NOW, before=None, **after):
    return gate.decide(Action.REPLACE, an_order(**after), now, replaces=an_order(**(before or {})))


def test_a_gate_starts_halted_and_cancels_are_free():
    gate = a_gate(started=False)
    answer = new(gate)
    assert (answer.allowed, answer.code, answer.level, answer.halt_id) == (
        False,
        Code.STALE_STATE,
        Level.HALT_NEW,
        None,
    )
    assert gate.decide(Action.CANCEL, an_order(), NOW).allowed
    assert [alarm.code for alarm in gate.alarms(NOW)] == ["not_started"]


STARTS = {
    "a state of this moment": (a_state(), [KW1], True),
    "a state of ten seconds ago": (a_state(at=NOW - 10 * S), [KW1], True),
    "an older state": (a_state(at=NOW - 10 * S - 1), [KW1], False),
    "a state from the future": (a_state(at=NOW + 11 * S), [KW1], False),
    "a lease": (a_lease(), [KW1], False),
    "a halt": (a_halt({"host": "other"}), [KW1], False),
    "a stranger's state": (a_state(), [STRANGER], False),
    "a state that a person signed": (a_state(issuer="anna"), [ANNA], False),
    "a state in another's name": (a_state(issuer="kw-2"), [KW1], False),
    "another site's state": (a_state(site="other"), [KW1], False),
    "another environment's state": (a_state(env="prod"), [KW1], False),
    "one part of two": (a_state(part=1, parts=2), [KW1], False),
}


@pytest.mark.parametrize("case", STARTS)
def test_what_starts_a_gate(case):
    payload, signers, starts = STARTS[case]
    gate = a_gate(started=False)
    gate.hear(sealed(payload, *signers), NOW)
    assert gate.started is starts
    assert new(gate).allowed is starts


def test_a_state_in_parts_starts_a_gate_when_all_of_one_moment_are_there():
    gate = a_gate(started=False)
    gate.hear(sealed(a_state(part=1, parts=2)), NOW)
    gate.hear(sealed(a_state(part=2, parts=2, at=NOW + 1)), NOW)
    assert not gate.started
    gate.hear(sealed(a_state(a_halt(), part=1, parts=2, at=NOW + 1)), NOW)
    assert gate.started
    assert not new(gate).allowed


def test_a_halt_in_the_first_state_holds_when_the_gate_opens():
    gate = a_gate(started=False)
    heard = gate.hear(sealed(a_state(a_halt(), a_halt({"account": "7"}, issuer="boris"))), NOW)
    assert (heard.effect, len(heard.halts)) == (Effect.TIGHTENED, 2)
    assert not new(gate).allowed
    assert new(gate, host="other").allowed


NO_EFFECT = {
    "a stranger": ((STRANGER,), {}, Why.UNKNOWN_KEY),
    "a gateway": ((GW,), {"issuer": "gw-1"}, Why.NOT_ALLOWED),
    "another's name": ((KW1,), {"issuer": "kw-2"}, Why.NOT_ALLOWED),
    "another site": ((KW1,), {"site": "x"}, Why.FOREIGN),
    "another environment": ((KW1,), {"env": "prod"}, Why.FOREIGN),
    "an unknown level": ((KW1,), {"level": "off"}, Why.BAD_MESSAGE),
    "an unknown kind of scope": ((KW1,), {"scope": {"planet": "mars"}}, Why.BAD_MESSAGE),
}


@pytest.mark.parametrize("case", NO_EFFECT)
def test_a_halt_without_effect_by(case):
    signers, fields, why = NO_EFFECT[case]
    gate = a_gate()
    heard = gate.hear(sealed({**a_halt(), **fields}, *signers), NOW)
    assert (heard.effect, heard.ignored.why) == (Effect.IGNORED, why)
    assert gate.open(NOW) == ()


WHOLE = sealed(a_halt())


@given(st.data())
def test_a_halt_with_any_byte_changed_is_the_same_halt_or_none(data):
    raw = bytearray(WHOLE)
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[at]))
    gate = a_gate()
    heard = gate.hear(bytes(raw), NOW)
    whole = a_gate()
    whole.hear(WHOLE, NOW)
    assert gate.open(NOW) == (() if heard.effect is Effect.IGNORED else whole.open(NOW))


@given(st.binary(max_size=300))
def test_no_bytes_disturb_a_gate(raw):
    gate = a_gate()
    assert gate.hear(raw, NOW).effect is Effect.IGNORED
    assert new(gate).allowed


def test_what_is_too_large_is_not_even_read():
    heard = a_gate().hear(b" " * (ENVELOPE_BYTES_MAX + 1), NOW)
    assert heard.ignored.why is Why.OVERSIZE


#                     new    cancel  calmer replace  larger replace
TABLE = {
    None: (True, True, True, True),
    "throttle": (True, True, True, True),
    "reduce_only": (False, True, True, False),
    "halt_new": (False, True, True, False),
    "halt_cancel": (False, True, True, False),
    "disconnect": (False, False, False, False),
}


@pytest.mark.parametrize("level", TABLE)
def test_each_level_lets_through_what_the_contract_says(level):
    gate = halted(level) if level else a_gate()
    answers = (
        new(gate).allowed,
        gate.decide(Action.CANCEL, an_order(), NOW).allowed,
        replaced(gate, qty=99).allowed,
        replaced(gate, qty=101).allowed,
    )
    assert answers == TABLE[level]


CALM = {
    "less": ({}, {"qty": 50}, True),
    "the same": ({}, {}, True),
    "more": ({}, {"qty": 101}, False),
    "a buy for less": ({}, {"price": 19}, True),
    "a buy for more": ({}, {"price": 21}, False),
    "a sell for more": ({"side": "sell"}, {"side": "sell", "price": 21}, True),
    "a sell for less": ({"side": "sell_short"}, {"side": "sell_short", "price": 19}, False),
    "limit to market": ({}, {"price": None}, False),
    "market to limit": ({"price": None}, {}, True),
    "market to market": ({"price": None}, {"price": None}, True),
    "another stop": ({"stop_price": 1}, {"stop_price": 2}, False),
    "another account": ({}, {"account": "34"}, False),
    "no side": ({"side": None}, {"side": None, "price": 19}, False),
    "no side, same price": ({"side": None}, {"side": None}, True),
}


@pytest.mark.parametrize("case", CALM)
def test_under_halt_new_a_replace_by(case):
    before, after, allowed = CALM[case]
    assert replaced(halted("halt_new"), before=before, **after).allowed is allowed


#                  position, working buys, working sells, side, qty, allowed
REDUCING = [
    (100, 0, 0, "sell", 100, True),
    (100, 0, 0, "sell", 101, False),  # never through zero
    (100, 0, 50, "sell", 51, False),  # what works already counts
    (100, 50, 50, "sell", 50, True),  # buys that work may never fill
    (100, 0, 0, "buy", 1, False),
    (0, 0, 0, "buy", 1, False),  # from flat nothing
    (0, 0, 0, "sell", 1, False),
    (0, 100, 0, "sell", 1, False),
    (-100, 0, 0, "buy", 100, True),
    (-100, 1, 0, "buy", 100, False),
    (-100, 0, 0, "sell", 1, False),
    (100, 0, 0, "sell_short", 1, False),
    (100, 0, 0, "sell_short_exempt", 1, False),
    (0.3, 0, 0.1, "sell", 0.2, True),  # exactly, not as floats
    (Decimal("0.3"), 0, Decimal("0.1"), "sell", Decimal("0.2000001"), False),
]


@pytest.mark.parametrize(("qty", "buys", "sells", "side", "wanted", "allowed"), REDUCING)
def test_reduce_only_by_own_positions(qty, buys, sells, side, wanted, allowed):
    gate = halted("reduce_only", positions=lambda account, symbol: Position(qty, buys, sells))
    answer = new(gate, side=side, qty=wanted)
    assert (answer.allowed, answer.degraded, answer.level) == (allowed, None, Level.REDUCE_ONLY)


@given(
    *[st.integers(-30, 30)],
    *[st.integers(0, 30)] * 2,
    st.sampled_from(["buy", "sell", "sell_short"]),
    st.integers(1, 40),
)
def test_what_reduce_only_lets_out_never_makes_anything_larger(qty, buys, sells, side, wanted):
    gate = halted("reduce_only", positions=lambda account, symbol: Position(qty, buys, sells))
    if new(gate, side=side, qty=wanted).allowed:
        sign = 1 if side == "buy" else -1
        net = qty + buys - sells
        assert abs(net + sign * wanted) < abs(net) or sign * net < 0
        # whatever of the working orders fills, on this order's side the position does not pass zero
        assert abs(qty) - (buys if sign > 0 else sells) >= wanted
        assert (qty > 0) is (sign < 0)


def test_reduce_only_judges_a_replace_by_what_it_adds():
    gate = halted("reduce_only", positions=lambda account, symbol: Position(100, 0, 60))
    works = {"side": "sell", "qty": 80, "leaves": 60}  # 20 of it are filled
    assert replaced(gate, before=works, side="sell", qty=120).allowed  # leaves 100 of 100
    assert not replaced(gate, before=works, side="sell", qty=121).allowed


def test_reduce_only_without_positions_is_halt_new_and_says_so():
    gate = halted("reduce_only")
    assert (new(gate, side="sell").allowed, new(gate, side="sell").degraded) == (False, "no_position")
    assert gate.degraded(gate.open(NOW)[0], NOW) == "no_position"
    unknown = halted("reduce_only", positions=lambda account, symbol: None)
    assert new(unknown, side="sell").degraded == "no_position"


def allowance(at=NOW, qty=100, gateway="gw-1", expires=5 * S, side="sell"):
    allowed = [{"account": "33", "symbol": "NOK", "side": side, "qty": qty}]
    return sealed(said("allowance", at=at, gateway=gateway, allowed=allowed, expires=at + expires))


def test_an_allowance_is_spent_once_and_ends():
    gate = halted("reduce_only")
    gate.hear(allowance(), NOW)
    assert gate.degraded(gate.open(NOW)[0], NOW) is None
    assert [new(gate, side="sell", qty=60).allowed for _ in range(2)] == [True, False]
    assert new(gate, side="sell", qty=40).allowed
    assert not new(gate, side="buy", qty=1).allowed
    assert new(gate, NOW + 5 * S, side="sell", qty=1).degraded == "no_position"


def test_a_new_allowance_does_not_give_again_what_it_cannot_have_seen():
    gate = halted("reduce_only")
    gate.hear(allowance(), NOW)
    assert new(gate, side="sell", qty=100).allowed
    gate.hear(allowance(NOW + S), NOW + S)
    assert not new(gate, NOW + S, side="sell", qty=1).allowed
    gate.hear(allowance(NOW + 3 * S), NOW + 3 * S)
    assert new(gate, NOW + 3 * S, side="sell", qty=1).allowed


@pytest.mark.parametrize(
    "given_",
    [allowance(gateway="gw-2"), allowance(at=NOW - 6 * S), allowance(at=NOW - 6 * S, expires=3600 * S)],
    ids=["another gateway's", "an old one", "one that claims to last an hour"],
)
def test_an_allowance_that_allows_nothing(given_):
    gate = halted("reduce_only")
    gate.hear(given_, NOW)
    assert new(gate, side="sell", qty=1).degraded == "no_position"


def test_an_older_allowance_does_not_come_back():
    gate = halted("reduce_only")
    gate.hear(allowance(NOW, qty=1), NOW)
    gate.hear(allowance(NOW - S, qty=100), NOW)
    assert not new(gate, side="sell", qty=2).allowed


@given(st.lists(st.integers(0, S), min_size=1, max_size=60), st.sampled_from([0, 0.5, 1, 3, 7.5]))
def test_a_throttle_lets_no_more_through_in_any_second(gaps, rate):
    gate = a_gate()
    gate.hear(sealed(a_halt(level="throttle", params={"messages_per_s": rate})), NOW)
    now, sent = NOW, []
    for gap in gaps:
        now += gap
        answer = new(gate, now)
        if answer.allowed:
            sent.append(now)
        else:
            assert (answer.code, answer.limit) == (Code.LIMIT_VIOLATION, rate)
        assert gate.decide(Action.CANCEL, an_order(), now).allowed
    assert all(sum(at - S < other <= at for other in sent) <= max(rate, 1) for at in sent)
    assert bool(sent) is (rate > 0)


def test_a_throttle_counts_one_second_and_no_more():
    gate = a_gate()
    gate.hear(sealed(a_halt(level="throttle", params={"messages_per_s": 2})), NOW)
    times = [0, 1, S - 1, S, S + 1, S + 2]
    assert [new(gate, NOW + at).allowed for at in times] == [True, True, False, True, True, False]


def test_a_throttle_without_a_rate_lets_nothing_new_through():
    gate = a_gate()
    gate.hear(sealed(a_halt(level="throttle")), NOW)
    assert not new(gate).allowed


def test_of_two_throttles_both_must_have_room_and_ended_ones_are_forgotten(monkeypatch):
    monkeypatch.setattr(gate_module, "WINDOWS_MAX", 0)
    gate = a_gate()
    gate.hear(sealed(a_halt(level="throttle", params={"messages_per_s": 5})), NOW)
    gate.hear(sealed(a_halt({"account": "33"}, "throttle", params={"messages_per_s": 2})), NOW)
    assert [new(gate, account="33").allowed for _ in range(3)] == [True, True, False]
    assert [new(gate, account="7").allowed for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(
    "amount",
    [0, -1, math.nan, math.inf, "100", None, True, Decimal("NaN"), Decimal("sNaN"), -Decimal("Infinity")],
)
def test_an_amount_that_cannot_be_read_is_refused(amount):
    assert new(a_gate(), qty=amount).code is Code.AMOUNT_UNREADABLE


def test_a_replace_must_say_what_it_replaces():
    gate = a_gate()
    assert gate.decide(Action.REPLACE, an_order(), NOW).code is Code.AMOUNT_UNREADABLE
    assert gate.decide(Action.NEW, an_order(), NOW, replaces=an_order()).code is Code.AMOUNT_UNREADABLE
    assert replaced(gate, before={"price": math.nan}).code is Code.AMOUNT_UNREADABLE


def test_an_order_that_does_not_say_its_host_is_inside_and_one_without_a_parent_is_not():
    assert not new(halted("halt_new"), host=None).allowed
    assert new(halted("halt_new", {"parent": "P1"}), parent=None).allowed
    assert not new(halted("halt_new", {"parent": "P1"}), parent="P1").allowed


def test_a_drill_is_acknowledged_and_stops_nothing():
    gate = a_gate()
    heard = gate.hear(sealed(a_halt(mode="drill")), NOW)
    assert (heard.effect, len(heard.halts)) == (Effect.TIGHTENED, 1)
    assert new(gate).allowed


def test_one_person_may_halt_alone():
    gate = a_gate()
    assert gate.hear(sealed(a_halt(issuer="anna")), NOW).effect is Effect.TIGHTENED
    assert gate.hear(sealed(a_halt({}, "disconnect", issuer="boris"), BORIS), NOW).effect is Effect.TIGHTENED


def test_messages_for_others_are_noted():
    gate = a_gate()
    hello = said("hello", "gw-1", gateway="gw-1", scopes=[], levels=[], kinds=[], cod=True, key_id=GW.keyid)
    assert gate.hear(sealed(hello), NOW).effect is Effect.NOTED


def codes(gate, now):
    return [(alarm.code, alarm.about, alarm.page) for alarm in gate.alarms(now)]


def test_a_silent_lease_alarms_and_stops_nothing_by_itself():
    gate = a_gate()
    gate.hear(sealed(a_lease()), NOW)
    assert codes(gate, NOW + 2 * S) == []
    assert codes(gate, NOW + 3 * S) == [("lease_silent", "kw-1", False)]
    assert codes(gate, NOW + 10 * S) == [("lease_silent", "kw-1", True)]
    assert new(gate, NOW + 3600 * S).allowed
    assert codes(a_gate(), NOW + 10 * S) == [("lease_silent", "*", True)]


def test_degraded_and_blind_alarm():
    gate = a_gate()
    gate.hear(sealed(a_lease("degraded")), NOW)
    assert codes(gate, NOW) == [("lease_degraded", "kw-1", False)]
    gate.hear(sealed(a_lease("blind", NOW + 1)), NOW + 1)
    assert codes(gate, NOW + 2) == [("lease_blind", "kw-1", False)]


STOP = LeasePolicy(stop_after_ns=5 * S)


def test_a_gateway_that_chose_it_stops_on_silence_and_goes_on_when_watched_again():
    gate = a_gate(lease=STOP)
    gate.hear(sealed(a_lease()), NOW)
    assert new(gate, NOW + 5 * S).allowed
    assert new(gate, NOW + 6 * S).code is Code.STALE_STATE
    gate.hear(sealed(a_lease(at=NOW + 6 * S)), NOW + 6 * S)
    assert new(gate, NOW + 6 * S).allowed


def test_a_lease_heard_again_is_no_life():
    gate = a_gate(lease=STOP)
    lease = sealed(a_lease())
    gate.hear(lease, NOW)
    gate.hear(lease, NOW + 4 * S)
    assert not new(gate, NOW + 6 * S).allowed
    old = a_gate(lease=STOP)
    old.hear(lease, NOW + 11 * S)
    assert not new(old, NOW + 11 * S).allowed


def test_blind_is_silence_for_what_it_names_unless_another_monitor_sees_it():
    gate = a_gate(lease=STOP)
    for second in range(8):
        now = NOW + second * S
        gate.hear(sealed(a_lease("blind", now, blind_of=[{"account": "33"}])), now)
    assert not new(gate, NOW + 7 * S, account="33").allowed
    assert new(gate, NOW + 7 * S, account="7").allowed
    gate.hear(sealed(a_lease(at=NOW + 7 * S, issuer="kw-2")), NOW + 7 * S)
    assert new(gate, NOW + 7 * S, account="33").allowed


def test_the_last_will_counts_however_old_but_not_of_another_life():
    gate = a_gate(lease=STOP)
    will = a_lease("blind", NOW - 3600 * S, blind_of=[{}])
    gate.hear(sealed(a_lease()), NOW)
    gate.hear(sealed({**will, "boot": "b0"}), NOW + S)
    assert codes(gate, NOW + S) == []
    gate.hear(sealed(will), NOW + S)
    assert codes(gate, NOW + S) == [("lease_blind", "kw-1", False)]
    gate.hear(sealed(a_lease(at=NOW + 2 * S)), NOW + 2 * S)
    assert codes(gate, NOW + 2 * S) == []


def test_two_people_waive_a_lease_policy_for_a_while():
    gate = a_gate(lease=STOP)
    gate.hear(sealed(a_lease()), NOW)
    waiver = said(
        "waiver", "anna", waiver_id="w1", gateway="gw-1", reason="monitor moves", expires=NOW + 60 * S
    )
    gate.hear(sealed(waiver, ANNA), NOW)
    assert not new(gate, NOW + 30 * S).allowed
    gate.hear(sealed({**waiver, "gateway": "gw-2"}, ANNA, BORIS), NOW)
    assert not new(gate, NOW + 30 * S).allowed
    gate.hear(sealed(waiver, ANNA, BORIS), NOW)
    assert new(gate, NOW + 30 * S).allowed
    assert not new(gate, NOW + 60 * S).allowed
