"""Trading in circles: each reason, each exception, each side of each threshold; and equal to the oracle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Breach, Level, Severity
from detectors.self_cycle import SelfCycle, SelfCycleSettings
from detectors.self_cycle.tables import W_USD
from tests.desk import MS, SECOND, START, Told
from tests.detectors.recorded import BOTH, day, loud, recorded
from tests.detectors.tell import Telling, side_by_side
from tests.oracle.self_cycle import SelfCycle as Oracle
from tests.streams import MESSY, WILD, order_streams


class Desk:
    """A conversation with the family: what happens, and what it says to that."""

    def __init__(self, **settings: Any) -> None:
        self.telling = Telling(SelfCycle, settings)
        self.at, self.ids = START, 0

    def after(self, ns: int) -> Desk:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> list[str]:
        told = {"kind": kind, "ts": self.at, "arrival_ts": self.at, "host": "h1", "session": "s1"} | fields
        return words(self.telling.tell([{k: v for k, v in told.items() if v is not None}]))

    def trade(self, side: str, px: float, qty: float = 1, match: str | None = None, **more: Any) -> list[str]:
        """An order and its fill, a millisecond later."""
        self.ids += 1
        self.at += MS
        fields = {"account": "A", "symbol": "X", "side": side, "qty": qty, "strategy": "st", "venue": "V"}
        said = self.say("order_new", order_id=f"O{self.ids}", **(fields | more))
        return said + self.fill(px, qty, match, venue=(fields | more)["venue"])

    def fill(self, px: float, qty: float = 1, match: str | None = None, **more: Any) -> list[str]:
        told = {"exec_id": f"E{self.ids}", "order_id": f"O{self.ids}", "last_qty": qty, "last_px": px, "match_id": match}  # fmt: skip
        return self.say("fill", **(told | more))

    def trips(self, count: int, loss: float = 1, **more: Any) -> list[str]:
        said: list[str] = []
        for _ in range(count):
            said += self.trade("buy", 1_000 + loss, **more) + self.trade("sell", 1_000, **more)
        return said

    def crosses(self, count: int, buyer: str = "x", seller: str = "y", **more: Any) -> list[str]:
        said: list[str] = []
        for _ in range(count):
            match = f"M{self.ids}"
            said += self.trade("buy", 10, match=match, strategy=buyer, **more)
            said += self.trade("sell", 10, match=match, strategy=seller, **more)
        return said


def words(breaches: list[Breach]) -> list[str]:
    return [f"{b.severity.word} {b.reason} {b.scope}: {b.measured:g} > {b.limit:g}" for b in breaches]


# -- round_trips -----------------------------------------------------------------------------------


def test_fifty_losing_round_trips_in_a_minute_are_recorded_and_a_hundred_page():
    desk = Desk()
    assert desk.trips(49) == []
    assert desk.trips(1) == ["warn round_trips strategy=st: 50 > 50"]
    assert desk.trips(49) == []
    assert desk.trips(1) == ["high round_trips strategy=st: 100 > 100"]
    assert desk.trips(200) == []


def test_two_hundred_that_lost_a_hundred_thousand_dollars_stop_the_strategy():
    assert Desk().trips(200, loss=500)[-1] == "halt round_trips strategy=st: 200 > 200"
    assert Desk().trips(199, loss=600)[-1] == "high round_trips strategy=st: 100 > 100"
    desk = Desk()
    assert desk.trips(200, loss=499)[-1] == "high round_trips strategy=st: 100 > 100"
    assert desk.trips(1, loss=200) == ["halt round_trips strategy=st: 201 > 200"]


def test_a_trip_that_earns_or_breaks_even_is_none():
    assert Desk(round_trips_warn_count=1).trips(5, loss=0) == []
    assert Desk(round_trips_warn_count=1).trips(5, loss=-1) == []


@pytest.mark.parametrize(("gap", "says"), [(60 * SECOND - 2 * MS, 1), (60 * SECOND, 0)])
def test_only_what_was_opened_within_the_minute_is_closed(gap, says):
    desk = Desk(round_trips_warn_count=1)
    desk.trade("buy", 11)
    assert len(desk.after(gap).trade("sell", 10)) == says


def test_a_trip_is_over_when_nothing_of_it_is_open_and_counts_once():
    desk = Desk(round_trips_warn_count=1, round_trips_high_count=2)
    desk.trade("sell_short", 10, 5)
    desk.trade("sell_short", 12, 5)
    assert desk.trade("buy", 11.5, 7) == []  # 3 are still open
    assert desk.trade("buy", 11, 4) == ["warn round_trips strategy=st: 1 > 1"]  # closes 3 and opens 1
    assert desk.trade("sell", 10, 1) == ["high round_trips strategy=st: 2 > 2"]
    desk.trade("buy", 11, 2)
    desk.trade("sell", 10, 1)
    assert desk.trade("sell", 12.5, 1) == []  # in sum it has earned


def test_what_is_older_than_the_minute_is_no_part_of_the_trip():
    desk = Desk(round_trips_warn_count=1)
    desk.trade("buy", 20, 5)
    desk.after(30 * SECOND).trade("buy", 10, 5)
    assert desk.after(30 * SECOND).trade("sell", 10.5, 5) == []
    desk.trade("buy", 10, 5)
    assert desk.trade("sell", 9, 5) == ["warn round_trips strategy=st: 1 > 1"]


def test_more_lots_than_there_is_room_for_lose_no_quantity():
    desk = Desk(round_trips_warn_count=1)
    for n in range(40):
        desk.trade("buy", 20 + n)
    assert desk.trade("sell", 19, 39) == []
    assert desk.trade("sell", 58, 1) == ["warn round_trips strategy=st: 1 > 1"]
    assert desk.telling.detector.tables["trips"][1, W_USD] == 781 * 10_000


def test_strategies_symbols_and_accounts_are_each_their_own_circle():
    desk = Desk(round_trips_warn_count=1)
    desk.trade("buy", 11)
    assert desk.trade("sell", 10, strategy="other") == desk.trade("sell", 10, symbol="Y") == []
    assert desk.trade("sell", 10, account="B") == []
    assert desk.trade("sell", 10, strategy=None) == []
    assert desk.trade("buy", 11, strategy=None) == ["warn round_trips host=h1: 1 > 1"]


def test_a_multiplier_and_a_currency_count():
    desk = Desk(round_trips_halt_count=1)
    desk.say("instrument", symbol="X", multiplier=50, currency="JPY")
    desk.say("fx", currency="JPY", usd=0.01)
    desk.trade("buy", 201_000)
    assert desk.trade("sell", 1_000) == ["halt round_trips strategy=st: 1 > 1"]
    desk = Desk(round_trips_halt_count=1)
    desk.say("instrument", symbol="X", currency="JPY")
    desk.trade("buy", 101_000)
    assert desk.trade("sell", 1_000) == ["halt round_trips strategy=st: 1 > 1"]  # no rate: one for one


def test_it_is_said_again_when_the_minute_was_below_it_for_a_second():
    desk = Desk(round_trips_warn_count=1)
    assert len(desk.trips(1)) == 1
    assert len(desk.after(60 * SECOND).trips(1)) == 0
    assert len(desk.after(61 * SECOND).trips(1)) == 1


def test_a_late_order_says_whose_its_fills_were():
    desk = Desk(round_trips_warn_count=1)
    for side, px in (("buy", 11), ("sell", 10)):
        desk.ids += 1
        assert desk.fill(px, symbol="X", side=side, source="drop_copy", host="dc", session=None) == []
        said = desk.say("order_new", order_id=f"O{desk.ids}", account="A", symbol="X", side=side, qty=1, strategy="st")  # fmt: skip
    assert said == ["warn round_trips strategy=st: 1 > 1"]


# -- own_trades ------------------------------------------------------------------------------------


def test_own_against_own_accuses_both():
    desk = Desk()
    assert desk.crosses(49) == []
    assert desk.crosses(1) == ["warn own_trades strategy=x: 50 > 50", "warn own_trades strategy=y: 50 > 50"]
    assert desk.crosses(149) == []
    assert desk.crosses(1) == [
        "high own_trades strategy=x: 200 > 200",
        "high own_trades strategy=y: 200 > 200",
    ]
    assert desk.crosses(299) == []
    assert desk.crosses(1) == [
        "halt own_trades strategy=x: 500 > 500",
        "halt own_trades strategy=y: 500 > 500",
    ]


def test_one_strategy_with_itself_is_accused_once_and_other_pairs_count_by_themselves():
    desk = Desk(own_trades_warn_count=2)
    assert desk.crosses(1) == desk.crosses(1, "x", "z") == desk.crosses(1, "x", "x") == []
    assert desk.crosses(1, "x", "x") == ["warn own_trades strategy=x: 2 > 2"]
    assert desk.crosses(1, "y", "x") == [
        "warn own_trades strategy=x: 2 > 2",
        "warn own_trades strategy=y: 2 > 2",
    ]


def test_two_entities_are_two_firms_and_one_that_nobody_named_is_ours():
    desk = Desk(own_trades_warn_count=1)
    desk.trade("buy", 10, match="M1", entity="E1")
    assert desk.trade("sell", 10, match="M1", entity="E2") == []
    desk.trade("buy", 10, match="M2", entity="E1")
    assert desk.trade("sell", 10, match="M2", entity="E1") == ["warn own_trades strategy=st: 1 > 1"]
    desk = Desk(own_trades_warn_count=1)
    desk.trade("buy", 10, match="M1", entity="E1")
    assert desk.trade("sell", 10, match="M1") == ["warn own_trades strategy=st: 1 > 1"]


@pytest.mark.parametrize(
    "more", [{"match": "M2"}, {"match": None}, {"venue": "W"}, {"side": "buy"}, {"after": 61 * SECOND}]
)
def test_another_match_another_venue_one_side_twice_or_long_ago_is_no_own_trade(more):
    desk = Desk(own_trades_warn_count=1)
    desk.trade("buy", 10, match="M1")
    desk.after(more.pop("after", 0))
    assert desk.trade(**({"side": "sell", "px": 10, "match": "M1"} | more)) == []


def test_a_match_counts_once():
    desk = Desk(own_trades_warn_count=1, own_trades_high_count=2)
    desk.trade("buy", 10, match="M1")
    assert len(desk.trade("sell", 10, match="M1")) == 1
    assert desk.trade("sell", 10, match="M1") == desk.trade("buy", 10, match="M1") == []


def test_evidence_is_both_sides():
    desk = Desk(own_trades_warn_count=1)
    desk.trade("buy", 10, match="M1")
    desk.say("heartbeat", build="b", source="fleet")
    told = {"ts": desk.at, "order_id": "O9", "symbol": "X", "side": "sell", "account": "A", "venue": "V"}
    (said,) = desk.telling.tell(
        [
            {
                "kind": "fill",
                "exec_id": "E9",
                "last_qty": 1,
                "last_px": 9,
                "match_id": "M1",
                "strategy": "st",
                **told,
            }
        ]
    )
    assert said.evidence.ranges == ((0, 1, 1), (0, 3, 3))


def test_a_late_order_brings_its_match_along():
    desk = Desk(own_trades_warn_count=1)
    desk.trade("buy", 10, match="M1", strategy="x")
    desk.ids += 1
    assert desk.fill(10, match="M1", symbol="X", side="sell", venue="V", host="dc", source="drop_copy") == []
    said = desk.say(
        "order_new", order_id=f"O{desk.ids}", account="A", symbol="X", side="sell", qty=1, strategy="y"
    )
    assert said == ["warn own_trades strategy=x: 1 > 1", "warn own_trades strategy=y: 1 > 1"]


# -- settings, reasons -----------------------------------------------------------------------------


def test_a_window_that_no_ring_holds_is_refused():
    with pytest.raises(ValueError, match="window_s is from 1 to 60, not 61"):
        SelfCycleSettings(window_s=61)


def test_a_snapshot_of_another_window_is_refused():
    one, other = Telling(SelfCycle), Telling(SelfCycle, {"window_s": 30})
    with pytest.raises(ValueError, match="windows of another length"):
        other.detector.restore(one.detector.snapshot())


def test_what_halts_cancels_too():
    assert [reason.level for reason in SelfCycle.reasons] == [Level.HALT_CANCEL] * 2


# -- against the oracle ----------------------------------------------------------------------------


@st.composite
def matched(draw: st.DrawFn, stream: list[Told]) -> list[Told]:
    """Some fills name a match, and some orders an entity."""
    told = []
    for event in stream:
        more: Told = {}
        if event["kind"] == "fill" and draw(st.booleans()):
            more = {"match_id": draw(st.sampled_from(("M1", "M2", "M3")))}
        if event["kind"] == "order_new" and not draw(st.integers(0, 3)):
            more = {"entity": draw(st.sampled_from(("E1", "E2")))}
        told.append(event | more)
    return told


@pytest.mark.parametrize("moves", [MESSY, WILD], ids=["messy", "wild"])
@given(
    data=st.data(),
    trips=st.sampled_from(((1, 2, 3), (2, 1, 2))),
    window_s=st.sampled_from((60, 1, 5)),
    usd=st.sampled_from((0.01, 1_000)),
)
def test_it_says_what_the_slow_oracle_says(moves, data, trips, window_s, usd):
    stream = data.draw(matched(data.draw(order_streams(moves, size_max=40))))
    warn, high, halt = trips
    telling = Telling(
        SelfCycle,
        {
            "window_s": window_s, "round_trips_halt_usd": usd,
            "round_trips_warn_count": warn, "round_trips_high_count": high, "round_trips_halt_count": halt,
            "own_trades_warn_count": 1, "own_trades_high_count": 2, "own_trades_halt_count": 3,
        },
    )  # fmt: skip
    oracle = Oracle(telling.settings)
    for ours, theirs in side_by_side(telling, oracle, stream):
        assert sorted(map(plain, ours)) == sorted(map(of_oracle, theirs))


def plain(b: Breach) -> tuple[Any, ...]:
    usd = -1.0 if b.exposed_usd is None else b.exposed_usd
    return (b.at_ns, b.reason, int(b.severity), b.scope.text, b.measured, b.limit, b.row, usd)


def of_oracle(said: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(said[k] for k in ("at_ns", "reason", "severity", "scope", "measured", "limit", "row", "usd"))


# -- real and simulated days -----------------------------------------------------------------------


@BOTH
def test_a_recorded_day_halts_nobody_and_pages_once_an_hour_at_most(name):
    telling = Telling(SelfCycle)
    said = loud(day(telling, recorded(name)))
    assert [b for b in said if b.severity is Severity.HALT] == []
    assert len(said) <= 1
