"""What waits for a confirmation: each reason, each exception, each boundary; and equal to the slow oracle."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Level, Result
from detectors.fill_gap import FillGap, FillGapSettings
from detectors.fill_gap.tables import S_FULL_AT
from tests.desk import DAY, MS, SECOND, START, Told
from tests.detectors.tell import Telling
from tests.oracle.fill_gap import FillGap as Oracle
from tests.streams import MESSY, WILD, order_streams

EVERY: Final = frozenset({"parent_fill", "order_ack", "drop_copy"})


class Story:
    """One line an event; time moves by hand."""

    def __init__(self, at: int = START) -> None:
        self.told: list[Told] = []
        self.at, self.orders, self.fills = at, 0, 0

    def after(self, ns: int) -> Story:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> Story:
        told = {"kind": kind, "ts": self.at, "arrival_ts": self.at, "host": "h1"} | fields
        self.told.append({k: v for k, v in told.items() if v is not None})
        return self

    def parent(self, name: str = "P", **more: Any) -> Story:
        return self.say("parent_new", source="oms", host="oms", parent_id=name, account="A", symbol="NOK", side="buy", qty=1e6, **more)  # fmt: skip

    def send(self, count: int = 1, gap: int = 0, **more: Any) -> Story:
        for _ in range(count):
            self.after(gap)
            self.orders += 1
            fields = {"order_id": f"O{self.orders}", "account": "A", "session": "s1", "strategy": "st", "symbol": "NOK", "side": "buy", "qty": 100, "price": 10}  # fmt: skip
            self.say("order_new", **(fields | more))
        return self

    def ack(self, *orders: int) -> Story:
        for order in orders or (self.orders,):
            self.say("order_ack", order_id=f"O{order}", session="s1")
        return self

    def fill(self, order: int | None = None, qty: float = 100, px: float = 10, **more: Any) -> Story:
        self.fills += 1
        fields = {"exec_id": f"E{self.fills}", "order_id": f"O{order or self.orders}", "session": "s1", "venue": "X", "last_qty": qty, "last_px": px}  # fmt: skip
        return self.say("fill", **(fields | more))

    def copy(self, fill: int | None = None, qty: float = 100, px: float = 10, order: int | None = None) -> Story:  # fmt: skip
        return self.say("fill", source="drop_copy", host="dc", exec_id=f"E{fill or self.fills}", order_id=f"O{order or self.orders}", venue="X", last_qty=qty, last_px=px)  # fmt: skip

    def book(self, name: str = "P", qty: float = 100, cum: float | None = None) -> Story:
        return self.say("parent_fill", source="oms", host="oms", parent_id=name, last_qty=qty, cum_qty=cum)

    def beat(self) -> Story:
        return self.say("heartbeat", source="fleet", build="b1")


def heard(story: Story, settings: dict[str, Any] | None = None, wait: int = 0, **view: Any) -> list[str]:
    """What the family says of a story, and then of silence."""
    telling = Telling(FillGap, settings, **({"witnesses": EVERY} | view))
    said = telling.tell(story.told)
    said += telling.wait(story.at + wait) if wait else []
    return [f"{b.severity.word} {b.reason} {b.scope} {b.measured:g}" for b in said]


def only(reason: str, said: list[str]) -> list[str]:
    return [s for s in said if f" {reason} " in s]


# -- ack_gap ---------------------------------------------------------------------------------------


def test_one_order_without_an_answer_for_half_a_second_is_recorded_and_never_more():
    assert only("ack_gap", heard(Story().send(), wait=600 * MS)) == ["warn ack_gap session=s1 1"]
    lost = Story().send().send(300, gap=200 * MS)
    for order in range(2, 302):
        lost.told.append(
            {"kind": "order_ack", "order_id": f"O{order}", "session": "s1", "host": "h1"} | _at(lost, order)
        )
    lost.told.sort(key=lambda told: told["ts"])
    assert only("ack_gap", heard(lost)) == ["warn ack_gap session=s1 1"]


def _at(story: Story, order: int) -> Told:
    sent = next(told["ts"] for told in story.told if told.get("order_id") == f"O{order}")
    return {"ts": sent + MS, "arrival_ts": sent + MS}


@pytest.mark.parametrize(("answered_ns", "says"), [(500 * MS - 1, 0), (500 * MS, 1)])
def test_an_answer_within_half_a_second_is_in_time(answered_ns, says):
    """The tick at which it would trip comes first; what ended by then does not wait any more."""
    assert len(heard(Story().send().after(answered_ns).ack().after(SECOND).beat())) == says


@pytest.mark.parametrize("answer", ["order_ack", "order_reject", "order_cancel", "fill"])
def test_whatever_answers_an_order_first_is_its_answer(answer):
    story = Story().send().after(MS)
    if answer == "fill":
        story.fill(source="drop_copy")
    else:
        story.say(answer, order_id="O1", session="s1", reason="no" if answer == "order_reject" else None)
    assert heard(story, wait=3 * SECOND) == []


def test_a_replace_chain_waits_for_its_first_answer_once():
    story = (
        Story().send().after(MS).say("order_replace", order_id="R1", orig_order_id="O1", session="s1", qty=50)
    )
    assert heard(story, wait=3 * SECOND) == []


def test_five_unanswered_for_two_seconds_page():
    said = only("ack_gap", heard(Story().send(5), wait=2 * SECOND))
    assert said == ["warn ack_gap session=s1 5", "high ack_gap session=s1 5"]
    assert only("ack_gap", heard(Story().send(5), wait=2 * SECOND - MS)) == said[:1]
    assert only("ack_gap", heard(Story().send(4), wait=20 * SECOND)) == ["warn ack_gap session=s1 4"]


@pytest.mark.parametrize(("unanswered", "word"), [(49, "high"), (50, "halt")])
def test_fifty_unanswered_while_it_goes_on_sending_stop_the_session(unanswered, word):
    story = Story().send(1_000).after(MS).ack(*range(unanswered + 1, 1_001)).after(1_900 * MS)
    said = only("ack_gap", heard(story.send().ack().after(200 * MS).beat()))
    assert said[-1] == f"{word} ack_gap session=s1 {unanswered}"


def test_who_has_stopped_sending_is_not_stopped():
    assert [s.split()[0] for s in only("ack_gap", heard(Story().send(60), wait=30 * SECOND))] == [
        "warn",
        "high",
    ]


def test_half_of_twenty_unanswered_stop_the_session_and_fewer_do_not():
    def story(unanswered: int, sent: int = 20) -> Story:
        story = Story().send(sent)
        story.after(MS).ack(*range(unanswered + 1, sent + 1))
        return story.after(1_900 * MS).send().ack().after(300 * MS).beat()

    assert only("ack_gap", heard(story(10)))[-1] == "halt ack_gap session=s1 10"
    assert only("ack_gap", heard(story(9)))[-1] == "high ack_gap session=s1 9"
    assert only("ack_gap", heard(story(10, 19)))[-1] == "high ack_gap session=s1 10"


def test_a_slow_venue_is_given_five_times_its_p99():
    slow = Story()
    for _ in range(100):
        slow.send().after(600 * MS).ack()
    slow.send(60).after(2_500 * MS).send().ack().after(300 * MS)
    assert only("ack_gap", heard(slow.beat()))[-1].startswith("high")
    slow.after(800 * MS).send().ack().after(300 * MS).beat()  # 5 x 0.7 s are over
    assert only("ack_gap", heard(slow))[-1].startswith("halt ack_gap session=s1")


def test_in_a_file_an_order_after_a_long_silence_waits_from_when_its_time_is_believed():
    story = Story().send().ack().after(20 * SECOND).send().after(MS).ack().after(MS).beat().after(MS).beat()
    story.told = [{k: v for k, v in told.items() if k != "arrival_ts"} for told in story.told]
    assert heard(story) == []


def test_without_the_witness_nobody_is_judged_by_answers():
    assert heard(Story().send(60, gap=50 * MS), wait=SECOND, witnesses=frozenset({"parent_fill"})) == []


def test_an_order_entered_by_hand_is_not_acknowledged_by_wire():
    assert heard(Story().send(60, origin="manual"), wait=5 * SECOND) == []


def test_an_order_without_a_session_is_its_hosts_else_its_accounts():
    assert only("ack_gap", heard(Story().send(session=None), wait=SECOND)) == ["warn ack_gap host=h1 1"]
    nameless = Story().send(session=None, host=None)
    assert only("ack_gap", heard(nameless, wait=SECOND)) == ["warn ack_gap account=A 1"]


def test_a_day_order_that_just_ends_waits_no_more():
    story = Story().send(venue="X").after(100 * MS)
    story.say("session_phase", source="market", venue="X", phase="closed")
    assert only("ack_gap", heard(story, wait=3 * SECOND)) == []


def test_a_lost_order_counts_no_more_after_a_minute():
    story = Story().send(5).after(61 * SECOND).send().after(MS).ack().after(3 * SECOND).beat()
    story.send(5).after(2_100 * MS).beat()
    assert [s.split()[0] for s in only("ack_gap", heard(story))] == ["warn", "high", "warn", "high"]


def test_an_ack_gap_shows_its_unanswered_orders_and_what_they_are_worth():
    telling = Telling(FillGap, witnesses=EVERY)
    telling.tell(Story().send(2).ack(1).send(4).told)
    high = next(b for b in telling.wait(START + 3 * SECOND) if b.severity.word == "high")
    assert high.evidence.count == 5
    assert high.evidence.ranges == ((0, 1, 1), (0, 3, 6))
    assert (high.exposed_usd, high.limit, high.unit) == (5_000, 5, "orders")


def test_facebooks_opening_orders_entered_again_while_unconfirmed_are_stopped():
    """UBS, 18 May 2012: nothing answers, and the orders are sent again and again."""
    story = Story()
    for _ in range(40):
        story.send(10).after(100 * MS)
    said = heard(story)
    assert [s.split()[:3] for s in said if s.startswith("halt")] == [["halt", "ack_gap", "session=s1"]]
    assert FillGap.reason("ack_gap").level is Level.HALT_NEW


# -- unconfirmed: what the order system books ------------------------------------------------------


def runaway(name: str = "P", qty: float = 1_000, seconds: int = 20, other: str = "Q") -> Story:
    """A parent's child is filled each second and nothing is booked on it; another parent is booked."""
    story = Story().parent(name).parent(other)
    for _ in range(seconds):
        story.send(parent_id=name).after(MS).fill(qty=qty, px=100, source="drop_copy")
        story.after(999 * MS).book(other, 1)
    return story


def test_an_execution_not_booked_for_a_second_beyond_the_allowance_is_recorded_five_page():
    story = Story().parent().send(parent_id="P").fill(source="drop_copy")
    assert only("unconfirmed", heard(story, wait=3 * SECOND - MS)) == []
    assert only("unconfirmed", heard(story, wait=3 * SECOND)) == ["warn unconfirmed parent=P 1"]
    assert only("unconfirmed", heard(story, wait=8 * SECOND))[-1] == "high unconfirmed parent=P 5"


def test_fifteen_seconds_and_a_million_unbooked_stop_the_parent():
    said = only("unconfirmed", heard(runaway()))
    assert said == [f"{word} unconfirmed parent=P {age}" for word, age in (("warn", 1.099), ("high", 5.099), ("halt", 15.099))]  # fmt: skip


def test_a_million_is_not_more_than_a_million():
    for px, word in ((1_000, "high"), (1_000.01, "halt")):
        story = Story().parent().parent("Q").send(parent_id="P").fill(qty=1_000, px=px, source="drop_copy")
        for _ in range(20):
            story.after(SECOND).send(parent_id="P").ack().book("Q", 1)
        assert only("unconfirmed", heard(story))[-1].startswith(word)


@pytest.mark.parametrize(
    ("instrument", "px", "word"),
    [({"currency": "JPY"}, 100_000, "high"), ({"currency": "JPY"}, 100_001, "halt"), ({"multiplier": 50}, 20, "high"), ({"multiplier": 50}, 20.01, "halt")],
)  # fmt: skip
def test_a_million_is_dollars_in_yen_and_of_a_future_too(instrument, px, word):
    story = Story().say("fx", source="market", currency="JPY", usd=0.01)
    story.say("instrument", source="market", symbol="NOK", **instrument)
    story.parent().parent("Q").send(parent_id="P").fill(qty=1_000, px=px, source="drop_copy")
    for _ in range(20):
        story.after(SECOND).send(parent_id="P").ack().book("Q", 1)
    assert only("unconfirmed", heard(story))[-1].startswith(word)


def test_dollars_without_an_order_are_dollars_in_yen_too():
    story = Story().say("fx", source="market", currency="JPY", usd=0.01)
    story.say("instrument", source="market", symbol="NOK", currency="JPY")
    for px, word in ((5_000, "warn"), (245_000, "high"), (750_000, "halt")):  # of a hundred each
        story.fill(order=99, px=px, symbol="NOK", source="drop_copy").after(3 * SECOND).beat()
        assert heard(story)[-1].startswith(f"{word} orphan_fill session=s1")


def test_who_has_stopped_sending_is_not_stopped_for_what_is_not_booked():
    story = runaway(seconds=12)
    for _ in range(10):
        story.after(SECOND).book("Q", 1)
    assert only("unconfirmed", heard(story))[-1].startswith("high")


def test_a_silent_witness_only_pages():
    story = Story().parent()
    for _ in range(20):
        story.send(parent_id="P").after(MS).fill(qty=1_000, px=100, source="drop_copy").after(SECOND)
    said = heard(story)
    assert not any(s.startswith("halt") for s in said)
    assert any(s.startswith("high unconfirmed parent=P") for s in said)
    assert any(s.startswith("high witness_missing * 5") for s in said)


def test_a_booking_lag_of_seconds_at_the_open_does_not_halt():
    story = Story().parent()
    for second in range(60):
        story.send(parent_id="P").ack().fill(qty=5_000, px=100, source="drop_copy").after(500 * MS)
        if second >= 10:
            story.book(qty=5_000)
        story.after(500 * MS)
    assert not any(s.startswith("halt") for s in heard(story))
    prompt = Story().parent()
    for _ in range(60):
        prompt.send(parent_id="P").ack().fill(qty=5_000, px=100, source="drop_copy").after(2_900 * MS)
        prompt.book(qty=5_000)
    assert heard(prompt) == []


def test_a_booking_that_reaches_the_gaps_level_ends_it_and_the_next_begins():
    story = Story().parent().send(parent_id="P").fill(source="drop_copy").after(2 * SECOND)
    story.fill(source="drop_copy").after(900 * MS).book(qty=100)
    assert only("unconfirmed", heard(story, wait=2_000 * MS)) == []
    assert only("unconfirmed", heard(story, wait=2_100 * MS)) == ["warn unconfirmed parent=P 1"]


@pytest.mark.parametrize(("gap", "warned_ns"), [(1_999 * MS, 5_100 * MS), (2_000 * MS, 3_100 * MS)])
def test_what_is_filled_within_two_seconds_is_as_young_as_its_last(gap, warned_ns):
    story = Story().parent().send(parent_id="P").fill(source="drop_copy").after(100 * MS)
    story.fill(source="drop_copy").after(gap).fill(source="drop_copy").after(2_800 * MS - gap)
    story.book(qty=100).after(3_500 * MS).beat()
    said = Telling(FillGap, witnesses=EVERY).tell(story.told)
    assert [b.at_ns - START for b in said if b.reason == "unconfirmed"] == [warned_ns]


def test_a_booking_that_comes_late_does_not_make_what_is_still_missing_younger():
    story = Story().parent().parent("Q").send(parent_id="P").fill(source="drop_copy").after(SECOND)
    story.send(parent_id="P").fill(qty=20_000, px=100, source="drop_copy")
    for second in range(1, 18):
        story.after(SECOND).send(parent_id="P").ack().book("Q", 1)
        if second == 13:
            story.book(qty=100)
    [*_, high, halt] = only("unconfirmed", heard(story))
    assert (high, halt) == ("high unconfirmed parent=P 5", "halt unconfirmed parent=P 15")


def test_a_bust_takes_the_gap_away():
    story = Story().parent().send(parent_id="P").fill(source="drop_copy").after(SECOND)
    story.say("fill_bust", source="drop_copy", exec_ref_id="E1", venue="X")
    assert only("unconfirmed", heard(story, wait=10 * SECOND)) == []


def test_a_booking_taken_back_opens_a_gap():
    story = (
        Story().parent().send(parent_id="P").fill(source="drop_copy").book(cum=100).after(SECOND).book(cum=0)
    )
    assert only("unconfirmed", heard(story, wait=4 * SECOND)) == ["warn unconfirmed parent=P 1"]


def test_three_parents_of_one_strategy_are_the_strategys():
    story = Story().parent("P").parent("Q").parent("R").parent("booked")
    for _ in range(20):
        for name in "PQR":
            story.send(parent_id=name).fill(qty=1_000, px=100, source="drop_copy")
        story.after(SECOND).book("booked", 1)
    halts = [s for s in only("unconfirmed", heard(story)) if s.startswith("halt")]
    assert [s.split()[2] for s in halts] == ["parent=P", "parent=Q", "strategy=st"]


def test_a_parent_that_the_order_system_never_spoke_of_is_recorded_only():
    story = Story().parent("other")
    for _ in range(20):
        story.send(parent_id="P").fill(qty=1_000, px=100, source="drop_copy").after(SECOND).book("other", 1)
    assert only("unconfirmed", heard(story)) == ["warn unconfirmed parent=P 1"]


def test_a_fill_of_another_symbol_than_its_parents_is_not_booked_on_it():
    story = Story().parent().send(parent_id="P", symbol="HEDGE").fill(source="drop_copy", symbol="HEDGE")
    assert only("unconfirmed", heard(story, wait=10 * SECOND)) == []


def test_an_order_told_after_its_fill_owes_its_parent_the_booking_too():
    story = Story().parent()
    story.orders = 1
    story.fill(source="drop_copy").after(10 * MS)
    story.orders = 0
    story.send(parent_id="P")
    assert only("unconfirmed", heard(story, wait=4 * SECOND)) == ["warn unconfirmed parent=P 1.09"]


def test_a_gap_shows_its_first_and_its_last_execution():
    telling = Telling(FillGap, witnesses=frozenset({"parent_fill"}))
    story = (
        Story()
        .parent()
        .send(parent_id="P")
        .fill(source="drop_copy")
        .send(parent_id="P")
        .fill(source="drop_copy")
    )
    telling.tell(story.told)
    [warn] = telling.wait(START + 4 * SECOND)
    assert (warn.evidence.ranges, warn.evidence.count) == (((0, 2, 2), (0, 4, 4)), 2)
    assert (warn.exposed_usd, warn.limit, warn.unit, warn.row) == (2_000, 1, "s", -1)


# -- unconfirmed: what the drop copy tells ---------------------------------------------------------


def test_an_execution_that_the_drop_copy_does_not_tell_is_recorded_and_pages():
    story = Story().send().fill()
    assert only("unconfirmed", heard(story, wait=8 * SECOND)) == [
        "warn unconfirmed session=s1 1",
        "high unconfirmed session=s1 5",
    ]
    assert only("unconfirmed", heard(story.after(2_900 * MS).copy(), wait=8 * SECOND)) == []


def test_the_drop_copy_that_leads_confirms():
    assert only("unconfirmed", heard(Story().send().fill(source="drop_copy"), wait=8 * SECOND)) == []


def test_a_million_that_a_living_drop_copy_does_not_tell_stops_the_session():
    def story(*, is_alive: bool) -> Story:
        story = Story()
        for second in range(20):
            story.send().fill(qty=3_000, px=100)
            if is_alive and second % 2:
                story.copy(qty=3_000, px=100)
            story.after(SECOND)
        return story

    assert only("unconfirmed", heard(story(is_alive=True)))[-1] == "halt unconfirmed session=s1 15"
    assert only("unconfirmed", heard(story(is_alive=False)))[-1] == "high unconfirmed session=s1 5"


def test_a_busted_execution_needs_no_drop_copy():
    story = Story().send().fill().after(SECOND).say("fill_bust", exec_ref_id="E1", venue="X")
    assert only("unconfirmed", heard(story, wait=8 * SECOND)) == []


# -- witness_missing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "witness"),
    [
        (Story().send(), "order_ack"),
        (Story().parent().send(parent_id="P").fill(source="drop_copy"), "parent_fill"),
        (Story().send().fill(), "drop_copy"),
    ],
)
def test_a_declared_witness_silent_for_five_seconds_pages(story, witness):
    declared = {"witnesses": frozenset({witness})}
    assert only("witness_missing", heard(story, wait=5 * SECOND - MS, **declared)) == []
    assert only("witness_missing", heard(story, wait=5 * SECOND, **declared)) == ["high witness_missing * 5"]
    assert only("witness_missing", heard(story, wait=60 * SECOND, **declared)) == ["high witness_missing * 5"]
    assert heard(story, wait=60 * SECOND, witnesses=frozenset()) == []


def test_a_witness_that_speaks_again_and_falls_silent_again_pages_again():
    story = Story().send().after(7 * SECOND).ack().after(2 * SECOND).send()
    said = only("witness_missing", heard(story, wait=6 * SECOND))
    assert said == ["high witness_missing * 5", "high witness_missing * 5"]


def test_silence_is_of_a_partition():
    telling = Telling(FillGap, witnesses=EVERY)
    story = Story().send().send()
    for _ in range(7):
        story.after(SECOND).send().ack()
    parts = [0, *[1] * (len(story.told) - 1)]
    assert [b.evidence.ranges for b in telling.tell(story.told, parts) if b.reason == "witness_missing"] == [((0, 0, 0),)]  # fmt: skip


# -- orphan_fill -----------------------------------------------------------------------------------


def orphan(qty: float = 100, px: float = 10, **more: Any) -> Story:
    return Story().fill(order=99, qty=qty, px=px, source="drop_copy", **more)


def test_a_fill_whose_order_nobody_announces_within_two_seconds_is_recorded():
    assert heard(orphan(), wait=2 * SECOND - MS) == []
    assert heard(orphan(), wait=2 * SECOND) == ["warn orphan_fill session=s1 1"]


def test_an_order_announced_in_time_takes_its_fill_with_it():
    story = orphan()
    story.orders = 98
    assert only("orphan_fill", heard(story.after(2 * SECOND - MS).send(), wait=9 * SECOND)) == []


def test_an_order_announced_late_takes_the_dollars_back():
    story = orphan(qty=300, px=1_000)
    assert heard(story, wait=3 * SECOND) == ["high orphan_fill session=s1 300000"]
    story.orders = 98
    story.after(5 * SECOND).send().after(2 * SECOND).fill(order=77, source="drop_copy")
    said = only("orphan_fill", heard(story, wait=5 * SECOND))
    assert said == ["high orphan_fill session=s1 300000", "warn orphan_fill session=s1 1"]


@pytest.mark.parametrize(("qty", "word"), [(249, "warn"), (250, "high"), (999, "high"), (1_000, "halt")])
def test_dollars_without_an_order_page_and_stop_the_session(qty, word):
    [said] = heard(orphan(qty=qty, px=1_000), wait=3 * SECOND)
    assert said.startswith(f"{word} orphan_fill session=s1")


def test_a_session_that_is_not_declared_electronic_is_not_stopped():
    for sessions, word in ((("fix-*",), "high"), (("fix-*", "s*"), "halt"), ((), "high")):
        said = heard(orphan(qty=5_000, px=1_000), {"orphan_fill_sessions": sessions}, wait=3 * SECOND)
        assert said == [f"{word} orphan_fill session=s1 5e+06"]


def test_a_session_declared_electronic_between_two_lives_is_stopped():
    telling = Telling(FillGap, {"orphan_fill_sessions": ()}, witnesses=EVERY)
    telling.tell(orphan(qty=5_000, px=1_000).told)
    telling.settings = replace(telling.settings, orphan_fill_sessions=("*",))
    telling.restart()
    said = telling.wait(telling.ledger.low_ns + 3 * SECOND)
    assert "halt" in [breach.severity.word for breach in said if breach.reason == "orphan_fill"]


@pytest.mark.parametrize("origin", ["manual", "external"])
def test_what_people_did_by_hand_needs_no_order(origin):
    assert heard(orphan(qty=5_000, px=1_000, origin=origin), wait=3 * SECOND) == []


def test_before_the_stream_began_there_may_have_been_orders_so_it_only_pages():
    said = heard(orphan(qty=5_000, px=1_000), wait=3 * SECOND, cold=True)
    assert said == ["high orphan_fill session=s1 5e+06"]


def test_a_bust_and_a_correction_change_what_an_orphan_is_worth():
    story = orphan(qty=300, px=1_000).after(3 * SECOND)
    story.say("fill_correct", source="drop_copy", exec_ref_id="E1", exec_id="K", last_qty=2_000, last_px=1_000, venue="X")  # fmt: skip
    said = heard(story, wait=SECOND)
    assert said == ["high orphan_fill session=s1 300000", "halt orphan_fill session=s1 2e+06"]
    bust = orphan(qty=300, px=1_000).after(SECOND)
    bust.say("fill_bust", source="drop_copy", exec_ref_id="E1", venue="X")
    assert heard(bust, wait=5 * SECOND) == []


def test_the_sum_of_a_session_is_of_a_trade_date():
    story = orphan(qty=800, px=1_000).after(DAY)
    story.fill(order=98, qty=800, px=1_000, source="drop_copy")
    said = heard(story, wait=5 * SECOND)
    assert said == ["high orphan_fill session=s1 800000"]


# -- the whole -------------------------------------------------------------------------------------


def test_after_a_long_silence_time_jumps():
    telling = Telling(FillGap, witnesses=EVERY)
    telling.tell(Story().send().told)
    assert [b.reason for b in telling.wait(START + 10 * SECOND)] == ["ack_gap", "witness_missing"]
    assert telling.detector.wake_at_ns() is None
    assert telling.wait(START + 300 * DAY) == []


def test_what_finds_no_room_is_said_to_be_unknown():
    telling = Telling(FillGap, witnesses=EVERY)
    telling.tell(Story().send().told)
    assert telling.detector.results() == {}
    telling.detector.tables["state"][S_FULL_AT] = START
    assert set(telling.detector.results().values()) == {Result.STALE}


def test_a_setting_that_no_table_can_hold_is_refused():
    with pytest.raises(ValueError, match="lost_after_ns is up to 60000000000, not 60000000001"):
        FillGapSettings(lost_after_ns=60 * SECOND + 1)


def test_every_setting_explains_itself_and_names_its_unit():
    for name, setting in FillGapSettings.__dataclass_fields__.items():
        assert setting.metadata["doc"].endswith((".", "..."))
        assert name.rpartition("_")[2] in {"ns", "count", "usd", "times", "share", "sessions"}


TIGHT = st.fixed_dictionaries(
    {
        "ack_warn_ns": st.sampled_from((100 * MS, 500 * MS)),
        "ack_high_ns": st.sampled_from((200 * MS, 2 * SECOND)),
        "ack_high_count": st.sampled_from((1, 5)),
        "ack_halt_ns": st.sampled_from((200 * MS, 2 * SECOND)),
        "ack_halt_count": st.sampled_from((3, 50)),
        "ack_halt_sent_count": st.sampled_from((2, 20)),
        "lost_after_ns": st.sampled_from((5 * SECOND, 60 * SECOND)),
        "sending_ns": st.sampled_from((SECOND, 5 * SECOND)),
        "unconfirmed_allowance_ns": st.sampled_from((0, 300 * MS, 2 * SECOND)),
        "unconfirmed_warn_ns": st.sampled_from((100 * MS, SECOND)),
        "unconfirmed_high_ns": st.sampled_from((300 * MS, 5 * SECOND)),
        "unconfirmed_halt_ns": st.sampled_from((500 * MS, 15 * SECOND)),
        "unconfirmed_halt_usd": st.sampled_from((0, 1_000, 1_000_000)),
        "unconfirmed_alive_ns": st.sampled_from((SECOND, 60 * SECOND)),
        "unconfirmed_widen_count": st.sampled_from((1, 2, 3)),
        "witness_missing_ns": st.sampled_from((500 * MS, 5 * SECOND)),
        "orphan_fill_announce_ns": st.sampled_from((5 * MS, 100 * MS, 2 * SECOND)),
        "orphan_fill_high_usd": st.sampled_from((1_000, 250_000)),
        "orphan_fill_halt_usd": st.sampled_from((2_000, 1_000_000)),
        "orphan_fill_sessions": st.sampled_from((("*",), ("a-s*",), ())),
    }
)


@pytest.mark.parametrize("moves", [MESSY, WILD], ids=["messy", "wild"])
@given(data=st.data(), settings=TIGHT, cold=st.booleans(), arrival=st.booleans())
def test_it_says_what_the_slow_oracle_says(moves, data, settings, cold, arrival):
    """Also where no arrival is known, as in a file: then a jump in time is doubted first."""
    stream = data.draw(order_streams(moves, size_max=40))
    if not arrival:
        stream = [{k: v for k, v in told.items() if k != "arrival_ts"} for told in stream]
    agree(Telling(FillGap, settings, cold=cold, witnesses=EVERY), stream)


@pytest.mark.parametrize("seed", range(8))
def test_a_booking_that_lags_at_random_says_what_the_slow_oracle_says(seed):
    dice, story, owed = Random(seed), Story().parent().parent("Q"), deque[int]()
    for _ in range(120):
        story.after(dice.choice((100, 400, 900, 1_500)) * MS).book("Q", 1)
        if dice.random() < 0.5:
            owed.append(dice.choice((100, 300, 9_000)))
            story.send(parent_id="P").ack().fill(qty=owed[-1], px=100, source="drop_copy")
        if owed and dice.random() < 0.45:
            story.book(qty=owed.popleft())
    said = agree(Telling(FillGap, witnesses=EVERY), story.told)
    assert any("unconfirmed" in str(breach) for breach in said)


def agree(telling: Telling, stream: list[Told]) -> list[Any]:
    """What both say of a stream, and then of silence."""
    oracle, both = Oracle(telling.settings, telling.view), []
    for told in stream:
        for run in telling.ledger.post(telling.decode([told])):
            ours = [plain(b) for b in telling.detector.on_postings(run)]
            assert ours == [tuple(map(rounded, said)) for said in oracle.hear(run)]
            both += ours
    end = telling.ledger.low_ns + 30 * SECOND
    ours = [plain(b) for b in telling.wait(end)]
    assert ours == [tuple(map(rounded, said)) for said in oracle.pass_time(end)]
    return both + ours


def plain(b: Any) -> tuple[Any, ...]:
    said = (b.reason, int(b.severity), b.scope.text, b.measured, b.limit, b.unit, b.at_ns, b.row, b.exposed_usd)  # fmt: skip
    return tuple(map(rounded, said))


def rounded(value: Any) -> Any:
    """Dollars and seconds to nine digits: one side adds them up in another order."""
    return float(f"{value:.9g}") if isinstance(value, float) else value


@given(stream=order_streams(WILD, size_max=40), settings=TIGHT, cuts=st.sets(st.integers(0, 60)))
def test_cutting_the_stream_and_starting_again_from_a_snapshot_change_nothing(stream, settings, cuts):
    whole, pieces = (Telling(FillGap, settings, witnesses=EVERY) for _ in range(2))
    end = START + 100 * SECOND
    expected = [*whole.tell(stream), *whole.wait(end)]
    bounds = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    said = []
    for first, last in pairwise(bounds):
        said += pieces.tell(stream[first:last])
        pieces.restart()
    said += pieces.wait(end)
    assert [replace(b, row=0) for b in said] == [replace(b, row=0) for b in expected]
