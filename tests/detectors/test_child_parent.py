"""Children against their parent: each reason, each exception, each boundary; and equal to the slow oracle."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.child_parent import ChildParent, ChildParentSettings, tables
from detectors.contract import Severity
from monitor.scenarios import registry
from monitor.scenarios.day import ONSET_NS
from monitor.scenarios.files import simulate
from tests.desk import DAY, MS, SECOND, START, Told
from tests.detectors.recorded import BOTH, day, loud, recorded
from tests.detectors.tell import Telling, tell
from tests.oracle.child_parent import ChildParent as Oracle
from tests.streams import MESSY, WILD, order_streams

if TYPE_CHECKING:
    from collections.abc import Iterable

PARENTED = ({"hosts": ("h*",), "strategies": ("*",)},)


class Story:
    """One line an event; time moves by hand."""

    def __init__(self, host: str = "h1") -> None:
        self.told: list[Told] = []
        self.at, self.host, self.orders = START, host, 0

    def after(self, ns: int) -> Story:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> Story:
        told = {"kind": kind, "ts": self.at, "arrival_ts": self.at, "host": self.host} | fields
        self.told.append({k: v for k, v in told.items() if v is not None})
        return self

    def parent(self, name: str = "P", qty: float = 300, **more: Any) -> Story:
        return self.say("parent_new", source="oms", host="oms", parent_id=name, account="A", symbol="NOK", side="buy", qty=qty, **more)  # fmt: skip

    def amend(self, name: str = "P", qty: float = 300) -> Story:
        return self.say("parent_replace", source="oms", host="oms", parent_id=name, qty=qty)

    def done(self, name: str = "P", **more: Any) -> Story:
        return self.say("parent_done", **({"source": "oms", "host": "oms", "parent_id": name} | more))

    def book(self, name: str = "P", qty: float = 100, cum: float | None = None) -> Story:
        return self.say("parent_fill", source="oms", host="oms", parent_id=name, last_qty=qty, cum_qty=cum)

    def child(self, name: str | None = "P", qty: float = 100, price: float | None = 10, **more: Any) -> Story:
        self.orders += 1
        fields = {"order_id": f"O{self.orders}", "parent_id": name, "account": "A", "session": "s1", "strategy": "st", "symbol": "NOK", "side": "buy", "qty": qty, "price": price}  # fmt: skip
        return self.say("order_new", **(fields | more))

    def fill(self, order: int | None = None, qty: float = 100, px: float = 10, **more: Any) -> Story:
        order = order or self.orders
        fields = {"exec_id": f"E{len(self.told)}", "order_id": f"O{order}", "venue": "X", "last_qty": qty, "last_px": px}  # fmt: skip
        return self.say("fill", **(fields | more))

    def bust(self, exec_id: str) -> Story:
        return self.say("fill_bust", exec_ref_id=exec_id, venue="X")

    def cancel(self, order: int | None = None) -> Story:
        return self.say("order_cancel", order_id=f"O{order or self.orders}", session="s1")

    def replace(self, qty: float, order: int = 1, new: str | None = None) -> Story:
        return self.say("order_replace", order_id=new or f"R{len(self.told)}", orig_order_id=f"O{order}", session="s1", qty=qty)  # fmt: skip

    def beat(self, host: str | None = None, build: str = "b1", bound: int | None = None) -> Story:
        return self.say(
            "heartbeat", source="fleet", host=host or self.host, build=build, clock_bound_ns=bound
        )


def heard(story: Story, settings: dict[str, Any] | None = None, wait: int = 0, **view: Any) -> list[str]:
    """What the family says of a story, and then of silence."""
    telling = Telling(ChildParent, settings, **view)
    said = telling.tell(story.told)
    said += telling.wait(story.at + wait) if wait else []
    return [f"{b.severity.word} {b.reason} {b.scope} {b.measured:g}" for b in said]


def only(reason: str, said: list[str]) -> list[str]:
    return [s for s in said if f" {reason} " in s]


def wronged(*names: str, gap: int = SECOND, host: str = "h1") -> Story:
    """Parents that are done, then a child of each, so far apart."""
    story = Story(host)
    for name in names:
        story.parent(name).child(name).fill().done(name)
    for name in names:
        story.after(gap).child(name)
    return story


# -- child_after_done ------------------------------------------------------------------------------


def test_a_child_of_a_done_parent_is_recorded_two_page_three_in_a_second_halt_its_host():
    story = wronged("P").after(2 * MS).child().after(2 * MS).child()
    assert heard(story) == [
        "warn child_after_done host=h1 1",
        "high child_after_done host=h1 2",
        "halt child_after_done host=h1 3",
    ]


def test_a_breach_shows_the_parents_end_and_its_children():
    [*_, halt] = tell(ChildParent, wronged("P").child().child().told)
    assert halt.evidence.count == 3
    assert halt.evidence.ranges == ((0, 3, 6),)  # parent_done, and the three children that follow it
    assert halt.exposed_usd == 3_000
    assert (halt.limit, halt.unit, halt.row) == (3, "children", 6)


@pytest.mark.parametrize(("late_ns", "says"), [(250 * MS, 0), (250 * MS + 1, 1)])
def test_within_the_grace_a_child_crossed_its_parents_end(late_ns, says):
    story = Story().parent().child().fill().done().after(late_ns).child()
    assert len(heard(story)) == says


@pytest.mark.parametrize("host", ["h1", "oms"])
@pytest.mark.parametrize(("late_ns", "says"), [(800 * MS, 0), (800 * MS + 1, 1)])
def test_the_grace_is_twice_the_larger_clock_bound_of_the_two_hosts(host, late_ns, says):
    story = Story().beat(host, bound=400 * MS).parent().child().fill().done().after(late_ns).child()
    assert len(heard(story)) == says


def test_a_child_that_arrives_before_the_end_of_its_parent_is_not_late():
    story = Story().parent().child().fill().child(ts=START + 3 * SECOND).done()
    assert heard(story) == []


def test_three_of_one_parent_over_more_than_a_second_only_page():
    story = wronged("P").after(500 * MS).child().after(500 * MS).child()
    assert [s.split()[0] for s in heard(story)] == ["warn", "high"]
    just_within = wronged("P").after(500 * MS).child().after(500 * MS - 1).child()
    assert [s.split()[0] for s in heard(just_within)] == ["warn", "high", "halt"]


def test_the_tenth_child_of_one_parent_halts_however_slow():
    story = wronged("P")
    for _ in range(8):
        story.after(20 * SECOND).child()
    assert not any(s.startswith("halt") for s in heard(story))
    assert heard(story.after(20 * SECOND).child())[-1] == "halt child_after_done host=h1 10"


def test_three_distinct_parents_on_one_host_in_five_seconds_halt_it():
    assert heard(wronged("P", "Q", "R", gap=2 * SECOND))[-1] == "halt child_after_done host=h1 3"
    assert not any(s.startswith("halt") for s in heard(wronged("P", "Q", "R", gap=2_500 * MS)))


def test_a_parent_filled_over_its_quantity_counts_as_one_of_the_three_also_if_nobody_said_done():
    story = Story()
    for name in "PQR":
        story.parent(name, 100).child(name, 201).fill(qty=201)
    for name in "PQR":
        story.after(MS).child(name, 1)
    assert "halt child_after_done host=h1 3" in heard(story)
    exact = Story()
    for name in "PQR":
        exact.parent(name, 100).child(name, 200).fill(qty=200)
    for name in "PQR":
        exact.after(MS).child(name, 1)
    assert not any("child_after_done" in s for s in heard(exact))


@pytest.mark.parametrize("by", ["replace", "bust", "booking taken back"])
def test_a_parent_that_is_opened_again_voids_what_was_counted(by):
    story = wronged("P").after(MS).child()
    exec_id = next(told["exec_id"] for told in story.told if told["kind"] == "fill")
    {"replace": lambda: story.amend(qty=600), "bust": lambda: story.bust(exec_id), "booking taken back": lambda: story.book(qty=50, cum=50).book(qty=1, cum=0)}[by]()  # fmt: skip
    before = only("child_after_done", heard(story))
    assert only("child_after_done", heard(story.after(MS).child().after(MS).child())) == before
    again = only("child_after_done", heard(story.done().after(SECOND).child()))
    assert again == [*before, "warn child_after_done host=h1 1"]


def test_a_parent_opened_again_is_none_of_the_three():
    story = wronged("P", "Q", gap=MS * 600).amend("Q", 600)
    story.parent("R").child("R").fill().done("R").after(600 * MS).child("R")
    assert not any(s.startswith("halt") for s in heard(story))


def test_the_bust_of_a_late_childs_own_fill_opens_nothing():
    story = wronged("P").fill()
    story.bust(story.told[-1]["exec_id"]).after(MS).child().after(MS).child()
    assert only("child_after_done", heard(story))[-1] == "halt child_after_done host=h1 3"


def test_an_order_told_after_its_fill_counts_like_one_told_before():
    story = wronged("P").child().child()
    first = story.told.index(
        next(t for t in story.told if t["kind"] == "order_new" and t["order_id"] == "O4")
    )
    early = Story()
    early.told, early.at = list(story.told), story.at
    early.told.insert(first, {"kind": "fill", "ts": story.at, "host": "dc", "source": "drop_copy", "exec_id": "E", "order_id": "O4", "session": "s1", "last_qty": 100, "last_px": 10})  # fmt: skip
    late = Story()
    late.told, late.at = list(story.told), story.at
    late.told.insert(first + 1, early.told[first])
    assert heard(early) == heard(late)


def three_hosts(builds: str, strategies: str) -> list[str]:
    story = Story()
    for host, build in zip("123", builds, strict=True):
        story.beat(f"h{host}", build=build)
    for name in "123":
        story.parent(name).child(name).fill().done(name)
    story.after(SECOND)
    for host, strategy in zip("123", strategies, strict=True):
        for _ in range(3):
            story.after(MS).child(host, host=f"h{host}", strategy=strategy)
    return [s for s in heard(story) if s.startswith("halt")]


@pytest.mark.parametrize(("builds", "strategies", "scope"), [("xxx", "abc", "build=x"), ("xyx", "aaa", "strategy=a"), ("xyx", "aba", "*")])  # fmt: skip
def test_three_hosts_at_once_stop_what_they_share(builds, strategies, scope):
    assert three_hosts(builds, strategies) == [
        "halt child_after_done host=h1 3",
        "halt child_after_done host=h2 3",
        f"halt child_after_done {scope} 3",
    ]


@pytest.mark.parametrize(("absent", "scope"), [(("host",), "session=s1"), (("host", "session"), "account=A")])
def test_an_order_without_a_host_is_its_sessions_or_else_its_accounts(absent, scope):
    story = wronged("P").child().child()
    for told in story.told:
        if told["kind"] == "order_new":
            for name in absent:
                del told[name]
    assert heard(story)[-1] == f"halt child_after_done {scope} 3"


def test_a_host_that_goes_on_after_a_pause_trips_again():
    story = wronged("P").child().child().after(3 * SECOND).child().child().child()
    assert [s.split()[0] for s in heard(story)].count("halt") == 2


# -- overcommit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("qty", "says"), [(400, []), (401, ["warn overcommit host=h1 401"])])
def test_working_beyond_the_quantity_and_a_hundred_shares_is_recorded(qty, says):
    assert heard(Story().parent(qty=300).child(qty=qty)) == says


def test_overcommitted_for_a_second_pages():
    story = Story().parent(qty=300).child(qty=401)
    assert heard(story, wait=SECOND - 1) == ["warn overcommit host=h1 401"]
    assert heard(story, wait=SECOND) == ["warn overcommit host=h1 401", "high overcommit host=h1 401"]
    assert heard(story.after(MS).cancel(), wait=SECOND) == ["warn overcommit host=h1 401"]


@pytest.mark.parametrize(
    ("qty", "px", "halts"),
    [(6_000, 51, True), (6_000, 50, False), (5_500, 1_000, False), (5_501, 1_000, True)],
)
def test_fills_over_a_tenth_and_fifty_thousand_dollars_over_halt(qty, px, halts):
    story = Story().parent(qty=5_000).child(qty=5_000, price=px).fill(qty=qty, px=px)
    assert any(s.startswith("halt overcommit host=h1") for s in heard(story)) is halts


def test_the_highest_quantity_accepted_so_far_counts():
    assert heard(Story().parent(qty=300).amend(qty=900).amend(qty=100).child(qty=1_000)) == []
    assert heard(Story().parent(qty=300).child(qty=1_000).amend(qty=900), wait=SECOND) == [
        "warn overcommit host=h1 1000"
    ]


@pytest.mark.parametrize("other", [{"symbol": "ES"}, {"side": "sell"}, {"conditional": True}, {"multileg": "package"}])  # fmt: skip
def test_only_own_symbol_and_side_that_is_not_conditional_counts(other):
    assert heard(Story().parent(qty=300).child(qty=9_000, **other), wait=SECOND) == []


def test_a_bust_takes_back_what_was_filled():
    story = Story().parent(qty=300).child(qty=500).fill(qty=500)
    story.bust(story.told[-1]["exec_id"])
    assert heard(story, wait=SECOND) == ["warn overcommit host=h1 500"]


def test_children_before_their_parent_are_judged_when_it_is_announced():
    story = Story().child(qty=401).after(MS).parent(qty=300)
    assert heard(story) == ["warn overcommit host=h1 401"]


def test_the_host_that_took_more_is_accused_not_the_one_that_fills_later():
    story = Story().parent(qty=1_000).child(qty=1_000, price=100)
    story.after(MS).child(qty=1_000, price=100, host="h2").fill(qty=1_000, px=100)
    assert heard(story.after(MS).fill(order=1, qty=1_000, px=100))[-1] == "halt overcommit host=h2 2000"


def test_a_quantity_below_one_share_is_held_to_its_own_measure():
    story = Story().parent(qty=0.5).child(qty=3, price=60_000).fill(qty=3, px=60_000)
    assert heard(story) == ["halt overcommit host=h1 3"]


# -- orphan_child ----------------------------------------------------------------------------------


def orphans(count: int, gap: int = 10 * MS, **child: Any) -> Story:
    story = Story()
    for _ in range(count):
        story.after(gap).child(**({"name": None} | child))
    return story


@pytest.mark.parametrize(("count", "says"), [(4, []), (5, ["warn orphan_child host=h1 5"])])
def test_five_orders_without_a_parent_in_ten_seconds_are_recorded(count, says):
    assert heard(orphans(count), wait=SECOND, parented=PARENTED) == says


def test_a_declaration_that_came_between_two_lives_counts_for_hosts_that_were_known_before():
    story = orphans(11).told
    telling = Telling(ChildParent, parented=())
    assert telling.tell(story[:5]) == []
    telling.view = replace(telling.view, parented=PARENTED)
    telling.restart()
    said = [*telling.tell(story[5:]), *telling.wait(START + 3 * SECOND)]
    assert [(breach.reason, breach.measured) for breach in said] == [("orphan_child", 6)]


def test_nobody_must_name_a_parent_who_is_not_declared():
    assert heard(orphans(300, price=1_000), wait=SECOND) == []
    assert heard(orphans(300, price=1_000, host="x1"), wait=SECOND, parented=PARENTED) == []


def test_fifty_page_and_so_do_a_quarter_million_dollars():
    assert heard(orphans(50, price=1), wait=SECOND, parented=PARENTED)[-1] == "high orphan_child host=h1 50"
    dear = orphans(1, price=2_500)
    assert heard(dear, wait=SECOND, parented=PARENTED) == ["high orphan_child host=h1 250000"]


@pytest.mark.parametrize(
    ("count", "price", "halts"), [(199, 100, False), (200, 50, True), (200, 49.99, False)]
)
def test_two_hundred_and_a_million_dollars_halt(count, price, halts):
    said = heard(orphans(count, price=price), wait=SECOND, parented=PARENTED)
    assert ("halt orphan_child host=h1 200" in said) is halts


def test_after_a_cold_start_orphans_page_at_most():
    said = heard(orphans(300, price=1_000), wait=SECOND, parented=PARENTED, cold=True)
    assert [s.split()[0] for s in said] == ["high"]
    opened = orphans(300, price=1_000)
    opened.told.insert(0, {"kind": "session_phase", "ts": START, "source": "market", "venue": "X", "phase": "pre_open"})  # fmt: skip
    assert any(s.startswith("halt") for s in heard(opened, wait=SECOND, parented=PARENTED, cold=True))


def test_a_parent_may_be_announced_two_seconds_after_its_child():
    story = orphans(300, gap=5 * MS, name="P", price=1_000)
    said = heard(story.parent(qty=10**6), wait=4 * SECOND, parented=PARENTED)
    assert only("orphan_child", said) == []
    never = orphans(300, name="P", price=1_000)
    said = heard(never, wait=6 * SECOND, parented=PARENTED)
    assert [s.split()[0] for s in only("orphan_child", said)] == ["high", "halt"]


def test_orphans_spread_over_more_than_ten_seconds_are_forgotten():
    assert heard(orphans(20, gap=3 * SECOND), wait=SECOND, parented=PARENTED) == []


# -- ids come back the next day --------------------------------------------------------------------


def test_a_parent_that_was_done_before_anybody_announced_it_is_not_todays_of_that_id():
    """The stream began in the middle of a session, after the parent was announced."""
    story = Story().done().after(DAY).parent().after(SECOND).child().child().child()
    assert heard(story, cold=True) == []


def test_what_was_filled_for_a_parent_that_nobody_announced_is_not_filled_for_todays_of_that_id():
    story = Story().child(qty=300).fill(qty=300).after(DAY).parent()
    story.child(qty=300).fill(qty=300, px=2_000)
    assert heard(story, cold=True) == []


@pytest.mark.parametrize("booked", [300, 299])
def test_a_parent_that_was_booked_in_full_yesterday_is_over_though_nobody_said_done(booked):
    story = Story().parent().child(qty=300).fill(qty=300).book(qty=booked).after(DAY).parent()
    said = heard(story.child(qty=300).fill(qty=300, px=2_000))
    assert ("halt overcommit host=h1 600" in said) is (booked < 300)  # else it still works: it is the same


def test_children_that_come_before_their_parent_are_not_late_for_yesterdays_of_that_id():
    story = Story().parent().child(qty=300).fill(qty=300).done().after(DAY)
    story.child().child().child().after(5 * MS).parent()
    assert heard(story) == []
    story.fill(1 + 1, qty=100).fill(3, qty=100).fill(4, qty=100).child(qty=101)
    assert heard(story) == ["warn overcommit host=h1 401"]  # of today's


def test_a_fill_that_comes_before_its_order_is_not_of_yesterdays_order_of_that_id():
    story = Story().parent().child(qty=300).fill(qty=300).done().after(DAY).parent("Q")
    story.fill(qty=300, px=2_000).after(10 * MS)
    story.orders = 0
    assert heard(story.child("Q", qty=300)) == []
    assert heard(story.child("Q", qty=101)) == ["warn overcommit host=h1 401"]  # it was moved to its order


def test_children_of_a_done_parent_are_late_over_midnight_too():
    story = Story().parent().child(qty=300).fill(qty=300).done()
    for _ in range(3):
        story.after(4 * 60 * SECOND).child(trade_date="2012-08-02")
    assert heard(story)[-1] == "high child_after_done host=h1 3"


# -- dollars ---------------------------------------------------------------------------------------


def quoted(**instrument: Any) -> Story:
    yen = Story().say("fx", source="market", currency="JPY", usd=0.01)
    return yen.say("instrument", source="market", symbol="NOK", **instrument)


def test_dollars_over_a_parent_are_dollars_in_yen_and_of_a_future_too():
    def over(story: Story, px: float) -> bool:
        said = heard(story.parent(qty=10).child(qty=12, price=px).fill(qty=12, px=px))
        return said == ["halt overcommit host=h1 12"]

    assert over(quoted(), 25_001)
    assert not over(quoted(), 25_000)
    assert not over(quoted(currency="JPY"), 25_001)
    assert over(quoted(currency="JPY"), 2_500_001)
    assert over(quoted(multiplier=50), 501)
    assert not over(quoted(multiplier=50), 500)


def test_dollars_of_orphans_and_of_a_chain_are_dollars_too():
    for currency, rungs in (("USD", ["high"]), ("JPY", [])):
        story = quoted(currency=currency).child(None, price=2_500)
        assert [s.split()[0] for s in heard(story, wait=SECOND, parented=PARENTED)] == rungs
        story = quoted(currency=currency).child(None, qty=100, price=2_000).replace(qty=500)
        assert [s.split()[0] for s in heard(story)] == (["halt"] if rungs else ["warn"])


# -- ratio -----------------------------------------------------------------------------------------


def sliced(children: int, seconds: int, parents: int = 2, qty: float = 1, wanted: float = 10**6) -> Story:
    """So many children a second for so many parents."""
    story = Story()
    story.at = START + MS
    for n in range(parents):
        story.parent(f"P{n}", wanted)
    for n in range(children * seconds):
        story.child(f"P{n % parents}", qty).after(SECOND // children)
    return story


def test_ten_children_a_parent_are_recorded_and_one_less_is_not():
    assert heard(sliced(20, 1), wait=SECOND) == ["warn ratio host=h1 10"]
    assert heard(sliced(19, 1), wait=SECOND) == []


def test_twice_that_pages_at_the_third_evaluation_running():
    story = sliced(40, 1)
    assert [s.split()[0] for s in heard(story, wait=SECOND)] == ["warn"]
    assert [s.split()[0] for s in heard(story, wait=2 * SECOND)] == ["warn", "high"]


def test_four_times_that_halts_only_when_parents_are_filled_and_working_beyond_their_quantity():
    within = heard(sliced(80, 4), wait=SECOND)
    assert [s.split()[:2] for s in within] == [["warn", "ratio"], ["high", "ratio"]]
    beyond = heard(sliced(80, 4, qty=50, wanted=1_000), wait=SECOND)
    assert [s.split()[0] for s in beyond if " ratio host=h1" in s] == ["warn", "halt"]


def test_orders_without_a_parent_and_replaces_are_no_children():
    story = sliced(9, 1, parents=1)
    for _ in range(30):
        story.after(MS).child(None).replace(1)
    assert heard(story, wait=SECOND) == []


# -- chain_growth ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "price", "says"),
    [
        (199, 10, []),
        (200, 10, ["warn chain_growth session=s1 2"]),
        (300, 833, ["warn chain_growth session=s1 3"]),
        (300, 833.34, ["high chain_growth session=s1 3"]),
        (500, 1_999, ["high chain_growth session=s1 5"]),
        (500, 2_000, ["halt chain_growth session=s1 5"]),
        (499, 9_000, ["high chain_growth session=s1 4.99"]),
    ],
)
def test_a_chain_is_held_to_its_first_order(total, price, says):
    assert heard(Story().child(None, 100, price).replace(total)) == says


def test_a_chain_that_creeps_up_by_many_replaces_is_one_chain():
    story = Story().child(None, 100, 2_000)
    for n in range(1, 5):
        story.after(MS).replace(100 + 100 * n)
    assert [s.split()[0] for s in heard(story)] == ["warn", "high", "halt"]


def test_a_replace_told_before_its_order_counts_when_the_order_comes():
    story = Story()
    story.replace(500, order=1).child(None, 100, 2_000)
    assert heard(story) == ["halt chain_growth session=s1 5"]


# -- the whole -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["after_done_halt_count", "after_done_parents_count"])
def test_a_count_beyond_what_is_remembered_is_refused(name):
    for count in (1, 16):
        assert getattr(ChildParentSettings(**{name: count}), name) == count
    for count in (0, 17):
        with pytest.raises(ValueError, match=f"{name} {count}; write 1 to 16"):
            ChildParentSettings(**{name: count})


def test_counts_beyond_what_is_remembered_are_refused_together():
    with pytest.raises(ValueError, match="halt_count 17 and after_done_parents_count 0; write 1 to 16"):
        ChildParentSettings(after_done_halt_count=17, after_done_parents_count=0)


def test_the_kernels_read_every_setting_and_then_the_clock_bound():
    assert len(ChildParentSettings().fixed()) == tables.L_CLOCK_BOUND


def test_every_setting_explains_itself_and_names_its_unit():
    for name, setting in ChildParentSettings.__dataclass_fields__.items():
        assert setting.metadata["doc"].endswith((".", "..."))
        assert {"ns", "count", "qty", "times", "usd"} & set(name.split("_"))


TIGHT = st.fixed_dictionaries(
    {
        "after_done_halt_count": st.sampled_from((1, 2, 3)),
        "after_done_parents_count": st.sampled_from((2, 3)),
        "after_done_grace_ns_min": st.sampled_from((0, 250 * MS)),
        "overcommit_slack_qty": st.sampled_from((0, 100)),
        "overcommit_halt_usd": st.sampled_from((0, 50_000)),
        "orphan_warn_count": st.just(1),
        "orphan_high_count": st.sampled_from((2, 5)),
        "orphan_halt_count": st.sampled_from((3, 8)),
        "orphan_halt_usd": st.sampled_from((0, 10_000)),
        "ratio_warn_times": st.sampled_from((1, 3)),
        "ratio_running_count": st.sampled_from((1, 3)),
        "chain_halt_usd": st.sampled_from((0, 1_000_000)),
    }
)
EVERYBODY = ({"hosts": ("*",), "strategies": ("*",)},)


@pytest.mark.parametrize("moves", [MESSY, WILD], ids=["messy", "wild"])
@given(data=st.data(), settings=TIGHT, cold=st.booleans())
def test_it_says_what_the_slow_oracle_says(moves, data, settings, cold):
    stream = data.draw(order_streams(moves, size_max=40))
    telling = Telling(ChildParent, settings, cold=cold, scale=1 << 10, parented=EVERYBODY)
    oracle = Oracle(telling.settings, telling.view)
    for told in stream:
        batch = telling.decode([told])
        for run in telling.ledger.post(batch):
            assert in_words(telling.detector.on_postings(run)) == in_words(oracle.hear(run))
    end = telling.ledger.low_ns + 20 * SECOND
    assert in_words(telling.wait(end)) == in_words(oracle.pass_time(end))


def in_words(said: Iterable[Any]) -> list[tuple[Any, ...]]:
    """What one moment brought; in which order two hosts are looked at is nobody's business."""
    return sorted((tuple(map(rounded, plain(b))) for b in said), key=str)


def plain(b: Any) -> tuple[Any, ...]:
    if isinstance(b, tuple):
        return b
    return (
        b.reason,
        int(b.severity),
        b.scope.text,
        b.measured,
        b.limit,
        b.unit,
        b.at_ns,
        b.row,
        b.exposed_usd,
    )


def rounded(value: Any) -> Any:
    """Dollars and quotients to eight digits: one side adds them up in another order, or cuts off the rest."""
    return float(f"{value:.8g}") if isinstance(value, int | float) and abs(value) < 1e15 else value


@given(stream=order_streams(WILD, size_max=40), settings=TIGHT, cuts=st.sets(st.integers(0, 60)))
def test_cutting_the_stream_and_starting_again_from_a_snapshot_change_nothing(stream, settings, cuts):
    whole = Telling(ChildParent, settings, parented=EVERYBODY)
    pieces = Telling(ChildParent, settings, parented=EVERYBODY)
    end = START + 100 * SECOND
    expected = [*whole.tell(stream), *whole.wait(end)]
    bounds = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    said = []
    for first, last in pairwise(bounds):
        said += pieces.tell(stream[first:last])
        pieces.restart()
    said += pieces.wait(end)
    assert [replace(b, row=0) for b in said] == [replace(b, row=0) for b in expected]


# -- days ------------------------------------------------------------------------------------------


@BOTH
def test_a_clean_recording_pages_nobody(name):
    assert loud(day(Telling(ChildParent), recorded(name))) == []


def test_knights_first_seconds_halt_the_one_host_at_its_third_wrong_parent(tmp_path):
    simulate(registry()["knight"], seed=1, scale=0.2, out=tmp_path / "knight.ndjson", until=ONSET_NS + SECOND)
    parented = ({"hosts": ("smars-*",), "strategies": ("*",)},)
    lines = (tmp_path / "knight.ndjson").read_bytes().splitlines()
    said = day(Telling(ChildParent, parented=parented), lines)
    assert min(b.at_ns for b in said) >= ONSET_NS
    assert {b.scope.text for b in said} == {"host=smars-8"}
    halt = next(b for b in said if b.severity is Severity.HALT)
    assert (halt.reason, halt.measured) == ("child_after_done", 3)
    assert halt.evidence.count == 3
    assert halt.at_ns - ONSET_NS < SECOND
