"""Halts that do not hold: each level, each exception, each boundary; and equal to the slow oracle."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.leak import Leak, LeakSettings, tables
from tests.desk import MS, SECOND, START, Told
from tests.detectors.tell import Telling
from tests.oracle.leak import Leak as Oracle
from tests.streams import MESSY, ORDERLY, order_streams

BOUND: Final = 100 * MS  # of a host that says none
HOST: Final = {"host": "h1"}


class Story:
    """One line an event; time moves by hand."""

    def __init__(self) -> None:
        self.telling = Telling(Leak)
        self.at, self.orders = START, 0
        self.heard: list[str] = []

    def after(self, ns: int) -> Story:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> Story:
        told: Told = {"kind": kind, "ts": self.at, "arrival_ts": self.at, "host": "h1"} | fields
        found = self.telling.tell([{k: v for k, v in told.items() if v is not None}])
        self.heard += [in_one_line(breach) for breach in found]
        return self

    def send(self, **more: Any) -> Story:
        self.orders += 1
        fields = {"order_id": f"O{self.orders}", "account": "A", "session": "s1", "symbol": "NOK", "side": "buy", "qty": 100, "price": 10}  # fmt: skip
        return self.say("order_new", **(fields | more))

    def ack(self, order: int | None = None, **more: Any) -> Story:
        return self.say("order_ack", order_id=f"O{order or self.orders}", session="s1", **more)

    def cancel(self, order: int | None = None, **more: Any) -> Story:
        return self.say("order_cancel", order_id=f"O{order or self.orders}", session="s1", **more)

    def reject(self, **more: Any) -> Story:
        return self.say("order_reject", order_id=f"O{self.orders}", session="s1", reason="no", **more)

    def fill(self, qty: int = 100, **more: Any) -> Story:
        fields = {"exec_id": f"E{self.at}", "order_id": f"O{self.orders}", "last_qty": qty, "last_px": 10}
        return self.say("fill", **(fields | {"session": "s1", "venue": "X"} | more))

    def replace(self, *, asked: bool = True, took: int = MS, order: int | None = None, **more: Any) -> Story:
        name, old = f"R{self.at}", f"O{order or self.orders}"
        fields = {"order_id": name, "orig_order_id": old, "session": "s1"} | more
        if asked:
            self.say("replace_request", **fields)
        return self.after(took).say("order_replace", **fields)

    def halt(self, scope: dict[str, str], level: str = "halt_new", **more: Any) -> Story:
        self.telling.halt(scope, level, self.at, **more)
        return self

    def wait(self, ns: int) -> Story:
        self.at += ns
        self.heard += [in_one_line(breach) for breach in self.telling.wait(self.at)]
        return self

    def restart(self) -> Story:
        self.telling.restart()
        return self


def in_one_line(breach: Any) -> str:
    assert breach.detector == "leak"
    assert breach.reason == "after_halt"
    return f"{breach.severity.word} {breach.scope.text} {breach.measured} {breach.leaks.word}"


def leaks(story: Story) -> bool:
    return bool(story.heard)


# -- a halt for everything new ---------------------------------------------------------------------


def test_an_order_that_the_market_takes_after_a_halt_leaks():
    story = Story().halt(HOST).after(BOUND + 1).send()
    assert not leaks(story)
    assert story.ack().heard == ["halt host=h1 1 halt_new"]


@pytest.mark.parametrize(("later", "expected"), [(BOUND, False), (BOUND + 1, True)])
def test_it_must_be_sent_later_than_applied_and_the_clock_bound(later, expected):
    assert leaks(Story().halt(HOST).after(later).send().ack()) is expected


def test_a_host_says_how_far_its_clock_may_be_off_also_while_nothing_is_halted():
    beaten = Story().say("heartbeat", build="b", source="fleet", clock_bound_ns=MS)
    assert leaks(beaten.halt(HOST).after(2 * MS).send().ack())
    loose = Story().halt(HOST).say("heartbeat", build="b", source="fleet", clock_bound_ns=SECOND)
    assert not leaks(loose.after(SECOND).send().ack())


def test_an_order_sent_before_and_taken_afterwards_is_none():
    assert not leaks(Story().send().halt(HOST).after(10 * SECOND).ack().fill())


@pytest.mark.parametrize("answer", ["ack", "fill", "ioc"])
def test_whatever_the_market_answers_but_a_reject_shows_that_it_took_it(answer):
    story = Story().halt(HOST).after(SECOND).send().after(MS)
    {"ack": story.ack, "fill": story.fill, "ioc": lambda: story.cancel(reason_class="ioc")}[answer]()
    assert story.heard == ["halt host=h1 1 halt_new"]


def test_what_is_refused_is_none():
    assert not leaks(Story().halt(HOST).after(SECOND).send().reject(source="gateway"))
    assert not leaks(Story().halt(HOST).after(SECOND).send().reject())
    assert not leaks(Story().halt(HOST).after(SECOND).send().cancel(reason_class="risk"))


def test_an_order_leaks_once_and_the_next_is_counted():
    story = Story().halt(HOST).after(SECOND).send().ack().fill().cancel()
    assert story.heard == ["halt host=h1 1 halt_new"]
    story.after(500 * MS).send().ack()
    assert len(story.heard) == 1
    story.after(SECOND).send().ack()  # said again when it was quiet for a second
    assert story.heard[1:] == ["halt host=h1 3 halt_new"]


def test_thresholds_are_settings():
    story = Story()
    story.telling = Telling(Leak, {"high_count": 2, "halt_count": 3})
    story.halt(HOST).after(SECOND)
    for _ in range(3):
        story.send().ack()
    assert story.heard == ["high host=h1 2 halt_new", "halt host=h1 3 halt_new"]


def test_a_late_order_leaks_when_it_works_or_its_fills_move_to_it():
    filled = Story().halt(HOST).after(SECOND)
    filled.orders = 1
    filled.fill(account="A", symbol="NOK", side="buy")
    filled.orders = 0
    assert not leaks(filled)
    assert filled.send().heard == ["halt host=h1 1 halt_new"]
    acked = Story().halt(HOST).after(SECOND).ack(1).send()
    assert acked.heard == ["halt host=h1 1 halt_new"]
    rejected = Story().halt(HOST).after(SECOND)
    rejected.orders = 1
    rejected.reject()
    rejected.orders = 0
    assert not leaks(rejected.send())


def test_a_drill_stops_nobody():
    assert not leaks(Story().halt(HOST, mode="drill").after(SECOND).send().ack())


def test_a_halt_that_nobody_applied_yet_cannot_leak():
    assert not leaks(Story().halt(HOST, by=()).after(SECOND).send().ack())


# -- whom it holds ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({}, True),
        ({"host": "h2"}, False),
        ({"account": "A", "symbol": "NOK"}, True),
        ({"account": "A", "symbol": "ES"}, False),
        ({"side": "buy"}, True),
        ({"side": "sell"}, False),
        ({"venue": "XNYS"}, True),  # an order that does not carry an attribute is inside
        ({"strategy": "x"}, True),
        ({"parent": "P"}, False),  # but an order without a parent is not that parent's
        ({"session": "s1", "host": "h1"}, True),
        ({"session": "s1", "host": "h2"}, False),
    ],
)
def test_an_order_is_inside_as_the_contract_says(scope, expected):
    assert leaks(Story().halt(scope).after(SECOND).send().ack()) is expected


def test_a_halt_of_a_parent_holds_its_children():
    story = Story().halt({"parent": "P"}).after(SECOND)
    story.say("parent_new", parent_id="P", account="A", symbol="NOK", side="buy", qty=100, source="oms")
    assert not leaks(story.send(parent_id="Q").ack())
    assert leaks(story.send(parent_id="P").ack())


def test_it_counts_from_when_its_own_gateway_obeys():
    story = Story()
    for gateway in ("g1", "g2"):
        story.telling.halts.hear_hello(gateway)
    story.halt({"account": "A"}, by=("g1",)).after(SECOND)
    assert not leaks(story.send(gateway="g2").ack())
    assert not leaks(story.send().ack())  # it may have left by either
    assert leaks(story.send(gateway="g1").ack())


def test_a_host_that_is_a_gateway_is_the_gateway_of_its_orders():
    story = Story()
    for gateway in ("h1", "h2"):
        story.telling.halts.hear_hello(gateway)
    story.halt({"account": "A"}, by=("h1",)).after(SECOND)
    assert not leaks(story.send(host="h2").ack(host="h2"))
    assert leaks(story.send().ack())


def test_a_halt_raised_for_one_gateway_holds_its_orders_only():
    story = Story()
    for gateway in ("h1", "h2"):
        story.telling.halts.hear_hello(gateway)
    story.halt({"account": "A", "gateway": "h2"}, by=("h2",)).after(SECOND)
    assert not leaks(story.send().ack())
    assert story.send(host="h2").ack(host="h2").heard == ["halt account=A&gateway=h2 1 halt_new"]


def test_halts_of_several_leak_each():
    story = Story().halt(HOST).halt({"account": "A"}, "halt_cancel").after(SECOND).send().ack()
    assert sorted(story.heard) == ["halt account=A 1 halt_cancel", "halt host=h1 1 halt_new"]


def test_a_closed_halt_is_forgotten_with_what_it_counted():
    story = Story().halt(HOST).after(SECOND).send().ack()
    story.telling.open_halts.clear()
    story.telling.halts.tell({})
    story.telling.detector.on_halts()
    assert story.send().ack().heard == ["halt host=h1 1 halt_new"]
    assert story.halt(HOST).after(2 * SECOND).send().ack().heard[1:] == ["halt host=h1 1 halt_new"]


# -- replaces --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "change", "expected"),
    [
        ("buy", {"qty": 100, "price": 10}, False),
        ("buy", {"qty": 101, "price": 10}, True),
        ("buy", {"qty": 100, "price": 10.01}, True),
        ("buy", {"qty": 50, "price": 9}, False),
        ("buy", {"qty": 50}, False),
        ("sell", {"qty": 100, "price": 9.99}, True),
        ("sell", {"qty": 100, "price": 11}, False),
    ],
)
def test_a_replace_for_more_or_at_a_worse_price_leaks(side, change, expected):
    story = Story().send(side=side).ack().halt(HOST).after(SECOND).replace(**change)
    assert leaks(story) is expected


def test_a_limit_where_there_was_none_is_calmer():
    story = Story().send(order_type="market", price=None).ack().halt(HOST).after(SECOND)
    assert not leaks(story.replace(qty=100, price=99))


def test_a_replace_is_judged_by_when_it_was_asked_for():
    story = Story().send().ack()
    story.halt(HOST, by=()).say("replace_request", order_id="R", orig_order_id="O1", session="s1", qty=500)
    story.after(MS).halt(HOST).after(10 * SECOND)
    story.say("order_replace", order_id="R", orig_order_id="O1", session="s1", qty=500)
    assert not leaks(story)


@pytest.mark.parametrize(("later", "expected"), [(BOUND + 2 * SECOND, False), (BOUND + 2 * SECOND + 1, True)])
def test_one_that_nobody_saw_asked_for_was_in_flight_at_most_two_seconds(later, expected):
    story = Story().send().ack().halt(HOST).replace(asked=False, took=later, qty=500)
    assert leaks(story) is expected


# -- reduce only -----------------------------------------------------------------------------------


def long(qty: int = 300) -> Story:
    """Bought before the halt."""
    return Story().send(qty=qty).ack().fill(qty).halt({"account": "A"}, "reduce_only").after(SECOND)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"side": "buy", "qty": 1}, True),
        ({"side": "sell", "qty": 300}, False),
        ({"side": "sell", "qty": 600}, False),  # as far on the other side: not further from nothing
        ({"side": "sell", "qty": 601}, True),
        ({"side": "sell", "qty": 601, "conditional": True}, False),  # nothing of it works
    ],
)
def test_an_order_that_brings_a_position_further_from_nothing_leaks(order, expected):
    assert leaks(long().send(**order).ack()) is expected


def test_what_works_counts_and_what_was_stated_too():
    assert leaks(long().send(side="sell", qty=500).ack().send(side="sell", qty=101).ack())
    stated = Story().say("position", account="A", symbol="NOK", qty=200, as_of=START - SECOND, source="oms")
    stated.halt({"account": "A"}, "reduce_only").after(SECOND)
    assert not leaks(stated.send(side="sell", qty=200).ack())
    assert leaks(stated.send(side="buy", qty=1).ack())


def test_a_replace_for_more_leaks_only_where_it_raises():
    story = long().send(side="sell", qty=100).ack()
    assert not leaks(story.replace(qty=300))
    assert not leaks(story.replace(qty=300, price=9))  # a worse price brings no position further
    assert leaks(story.replace(qty=700))


# -- throttles -------------------------------------------------------------------------------------


def throttled(
    per_s: list[int], cap: float | None = 2, by: tuple[str, ...] = ("g",), **more: Any
) -> list[str]:
    params = {} if cap is None else {"params": {"messages_per_s": cap}}
    story = Story().halt(HOST, "throttle", by=by, **params, **more).after(SECOND)
    for count in per_s:
        for _ in range(count):
            story.after(MS).send().ack()
        story.after(SECOND - count * MS)
    return story.heard


def test_over_the_cap_for_two_seconds_leaks():
    assert throttled([3, 2, 3, 2]) == []
    assert throttled([2, 3, 3]) == ["halt host=h1 1 throttle"]


def test_each_gateway_counts_for_itself():
    assert throttled([4, 4], by=("g1", "g2")) == []
    assert throttled([5, 5], by=("g1", "g2")) == ["halt host=h1 1 throttle"]


def test_a_throttle_without_a_rate_lets_nothing_through_and_ends_when_it_says():
    assert throttled([1, 1], cap=None) == ["halt host=h1 1 throttle"]
    assert throttled([9, 9], not_after=START + SECOND) == []


def test_replaces_count_and_cancels_do_not():
    story = Story().send().ack().halt(HOST, "throttle", params={"messages_per_s": 1}).after(SECOND)
    for _ in range(2):
        story.replace(qty=90, order=1).replace(qty=80, order=1).after(SECOND - 2 * MS)
    assert story.heard == ["halt host=h1 1 throttle"]


# -- what still works ------------------------------------------------------------------------------

DUE: Final = BOUND + 2 * SECOND


def working(**more: Any) -> Story:
    return Story().send().ack().send().ack().send(host="h2").ack().halt(HOST, "halt_cancel", **more)


def test_what_still_works_two_seconds_after_all_obey_leaks():
    story = working().wait(DUE - 1)
    assert not leaks(story)
    assert story.wait(1).heard == ["halt host=h1 2 halt_cancel"]
    assert story.wait(100 * SECOND).telling.detector.wake_at_ns() is None


def test_what_was_cancelled_or_filled_or_survives_does_not():
    assert not leaks(working().after(MS).cancel(1).cancel(2).wait(DUE))
    assert working(survivors=("O1",)).wait(DUE).heard == ["halt host=h1 1 halt_cancel"]
    assert not leaks(working(survivors=("O1", "O2")).wait(DUE))


def test_a_survivor_that_is_listed_later_is_one_too():
    story = working().after(SECOND)
    story.telling.halts.hear_applied("0", "gateway", 4, story.at, ("O1", "O2"))
    story.telling.detector.on_halts()
    assert not leaks(story.wait(DUE))


def test_an_order_on_its_way_when_all_obeyed_must_be_cancelled_too():
    story = Story().halt(HOST, "halt_cancel").after(MS).send().ack()
    assert story.wait(DUE).heard == ["halt host=h1 1 halt_cancel"]
    assert not leaks(Story().halt(HOST, "halt_cancel", survivors=("O1",)).after(MS).send().ack().wait(DUE))


def test_what_works_is_not_asked_while_somebody_does_not_obey_or_at_lower_levels():
    story = Story()
    for gateway in ("g1", "g2"):
        story.telling.halts.hear_hello(gateway)
    assert not leaks(story.send().ack().halt(HOST, "halt_cancel", by=("g1",)).wait(100 * SECOND))
    assert not leaks(Story().send().ack().halt(HOST).wait(100 * SECOND))


# -- the whole -------------------------------------------------------------------------------------


def test_a_restart_in_the_middle_forgets_nothing():
    story = working().restart().after(MS).cancel(1).restart().wait(DUE)
    assert story.heard == ["halt host=h1 1 halt_cancel"]
    story = long().restart().send(side="sell", qty=500).restart().ack()
    assert not leaks(story)
    assert leaks(story.send(side="sell", qty=101).restart().ack())


def test_without_a_halt_nothing_is_kept_nor_woken():
    story = Story().send().ack().fill()
    assert story.telling.detector.wake_at_ns() is None
    assert not story.telling.detector.tables["orders"].any()
    assert len(story.telling.detector.snapshot()["orders"]) == 0


def test_settings_that_could_never_be_reached_are_refused():
    with pytest.raises(ValueError, match="throttle_running_count 9; at least 1, at most 8"):
        LeakSettings(throttle_running_count=9)
    with pytest.raises(ValueError, match="halt_count 0"):
        LeakSettings(halt_count=0)


def test_the_kernels_read_every_setting_and_then_the_clock_bound():
    assert len(LeakSettings().fixed()) == tables.T_CLOCK_BOUND


HALTS: Final = st.lists(
    st.tuples(
        st.sampled_from((
            {"host": "a-gw-1"}, {"account": "a-33"}, {"session": "a-s2", "symbol": "NOK"}, {"side": "buy"}, {},
            {"strategy": "a-st0"}, {"parent": "aP1"}, {"host": "a-gw-2", "gateway": "a-gw-2"},
        )),
        st.sampled_from(("throttle", "reduce_only", "halt_new", "halt_cancel")),
        st.sampled_from((("a-gw-1",), ("g",), ("a-gw-1", "g"))),
        st.lists(st.integers(1, 9).map(lambda n: f"aO{n}"), max_size=3),
    ),
    min_size=1, max_size=3,
)  # fmt: skip
TIGHT: Final = st.fixed_dictionaries(
    {
        "high_count": st.sampled_from((1, 2)),
        "halt_count": st.sampled_from((1, 3)),
        "throttle_running_count": st.sampled_from((1, 2)),
        "in_flight_ns": st.sampled_from((0, 2 * SECOND)),
        "cancelled_within_ns": st.sampled_from((0, 2 * SECOND)),
    }
)


@pytest.mark.parametrize("moves", [MESSY, ORDERLY], ids=["messy", "orderly"])
@given(data=st.data(), settings=TIGHT, halts=HALTS)
def test_it_says_what_the_slow_oracle_says(moves, data, settings, halts):
    stream = data.draw(order_streams(moves, size_max=40))
    eighths = data.draw(st.lists(st.sampled_from((5, 0, 2, 3, 4, 6, 7)), min_size=3, max_size=3).map(sorted))
    at = [len(stream) * n // 8 for n in eighths]
    telling = Telling(Leak, settings, scale=1 << 10)
    oracle = Oracle(telling.settings, telling.view)
    waiting = list(zip(at, halts, strict=False))
    for position, told in enumerate(stream):
        while waiting and waiting[0][0] <= position:
            _, (scope, level, by, survivors) = waiting.pop(0)
            since = max(telling.ledger.low_ns, START)
            telling.halt(scope, level, since, by=by, survivors=survivors, params={"messages_per_s": 1})
            oracle.halt(scope, level, since, by, survivors, cap=1)
        for run in telling.ledger.post(telling.decode([told])):
            assert in_words(telling.detector.on_postings(run)) == in_words(oracle.hear(run))
    end = telling.ledger.low_ns + 30 * SECOND
    assert in_words(telling.wait(end)) == in_words(oracle.pass_time(end))


def in_words(said: Any) -> list[Any]:
    """What one moment brought; in which order two halts are looked at is nobody's business."""
    return sorted(
        b if isinstance(b, tuple) else (int(b.severity), b.scope.text, b.measured, b.at_ns, b.row)
        for b in said
    )
