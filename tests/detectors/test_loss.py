"""Losses against limits: each reason, each exception, each boundary; and equal to the slow oracle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Breach, Level, Result
from detectors.loss import Loss, LossSettings
from tests.desk import DAY, MS, SECOND, START, SYMBOLS, Told
from tests.detectors.recorded import BOTH, day, loud, recorded
from tests.detectors.tell import Telling, side_by_side
from tests.oracle.loss import Loss as Oracle
from tests.streams import MESSY, WILD, merged, order_streams


class Book:
    """A conversation with the family: what happens, and what it says to that."""

    def __init__(self, *limits: Told, **settings: Any) -> None:
        self.telling = Telling(Loss, {"limit": limits or (daily(1_000),), **settings})
        self.at, self.ids = START, 0

    def after(self, ns: int) -> Book:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> list[str]:
        self.at += MS
        told = {"kind": kind, "ts": self.at, "arrival_ts": self.at, "host": "h1", "session": "s1"} | fields
        return words(self.telling.tell([{k: v for k, v in told.items() if v is not None}]))

    def trade(self, side: str, qty: float, price: float, **more: Any) -> list[str]:
        """An order and its fill at once."""
        self.ids += 1
        fields = {"account": "A", "symbol": "X", "side": side, "qty": qty, "price": price, "strategy": "st"}
        said = self.say("order_new", order_id=f"O{self.ids}", **(fields | more))
        return said + self.say(
            "fill", exec_id=f"E{self.ids}", order_id=f"O{self.ids}", last_qty=qty, last_px=price
        )

    def bust(self, fill: int | None = None) -> list[str]:
        return self.say("fill_bust", exec_ref_id=f"E{fill or self.ids}")

    def correct(self, qty: float, price: float) -> list[str]:
        return self.say("fill_correct", exec_ref_id=f"E{self.ids}", last_qty=qty, last_px=price)

    def mark(self, price: float, symbol: str = "X") -> list[str]:
        return self.say("mark", symbol=symbol, price=price, source="market", host="md", session=None)

    def wait(self, seconds: float) -> list[str]:
        self.at += round(seconds * SECOND)
        return words(self.telling.wait(self.at))

    def lost(self, scope: str = "account=A") -> float:
        return -self.made(scope)

    def made(self, scope: str = "account=A") -> float:
        detector = self.telling.detector
        for s in range(1, len(detector.snapshot()["scopes"])):
            if detector.scope(s).text == scope:
                row = detector.tables["scopes"][s]
                return (int(row[9]) - int(row[10])) / 1e4
        return 0.0

    @property
    def results(self) -> dict[str, Result]:
        return dict(self.telling.detector.results())


def words(breaches: list[Breach]) -> list[str]:
    return [
        f"{b.severity.word} {b.reason} {b.scope}: {b.measured:g} > {b.limit:g}{' by mark' * b.by_mark}"
        for b in breaches
    ]


def daily(limit: float, scope: str = "account=*", **more: Any) -> Told:
    return {"scope": scope, "daily": limit, **more}


# -- what is lost ----------------------------------------------------------------------------------


def test_realised_and_marked_are_one_number():
    book = Book(daily(1e9))
    book.mark(10)
    book.trade("buy", 100, 11)
    assert book.made() == -100
    book.trade("sell", 50, 9)
    assert book.made() == -100 - 50
    book.mark(12)
    assert book.made() == -1_100 + 450 + 50 * 12
    book.trade("sell", 50, 12)
    assert book.made() == -50
    book.mark(13)
    assert book.made() == -50  # flat: no mark moves it


def test_a_short_position_loses_when_the_mark_rises():
    book = Book(daily(1e9))
    book.mark(10)
    book.trade("sell_short", 100, 10)
    book.mark(11.5)
    assert book.made() == -150


def test_without_a_mark_its_own_last_fill_is_the_reference():
    book = Book(daily(1e9))
    book.trade("buy", 100, 11)
    assert book.made() == 0
    book.trade("sell", 40, 10)
    assert book.made() == -100
    book.bust()
    assert book.made() == 0  # the busted price is a reference no more


def test_busts_and_corrections_leave_exactly_what_is_true():
    book = Book(daily(1e9))
    book.mark(10)
    book.trade("buy", 0.3, 11.1)
    book.bust()
    assert book.made() == 0
    book.trade("buy", 100, 12)
    book.correct(100, 10.5)
    assert book.made() == -50
    book.correct(40, 10)
    assert book.made() == 0
    book.bust()
    assert book.made() == 0


def test_a_multiplier_and_a_currency_count():
    book = Book(daily(1e9))
    book.say("fx", currency="JPY", usd=0.01, source="market", host="md")
    book.say("instrument", symbol="X", multiplier=50, currency="JPY", source="market", host="md")
    book.mark(1_000)
    book.trade("buy", 2, 1_100)
    assert book.made() == -100
    book.say("fx", currency="JPY", usd=0.02, source="market", host="md")
    assert book.made() == -200


def test_what_a_statement_brings_in_costs_what_it_is_worth_then():
    book = Book(daily(1e9))
    book.mark(10)
    book.say("position", account="A", symbol="X", qty=1_000, as_of=book.at, price=4, source="oms", host="oms")
    assert book.made() == 0
    book.mark(9)
    assert book.made() == -1_000
    book.trade("sell", 1_000, 9)
    book.mark(10)
    assert book.made() == -1_000


def test_a_statement_before_any_price_waits_for_one_and_says_so():
    book = Book(daily(1e9))
    book.say("position", account="A", symbol="X", qty=1_000, as_of=book.at, source="oms", host="oms")
    assert book.results == {"daily account=A": Result.STALE}
    book.mark(10)
    assert book.results == {}
    assert book.made() == 0
    book.mark(11)
    assert book.made() == 1_000


def test_a_currency_without_a_rate_is_stale():
    book = Book(daily(1e9))
    book.say("instrument", symbol="X", currency="JPY", source="market", host="md")
    book.trade("buy", 10, 1_000)
    assert book.results == {"daily account=A": Result.STALE}
    book.say("fx", currency="JPY", usd=0.01, source="market", host="md")
    assert book.results == {}


def test_a_late_order_takes_its_fills_losses_along():
    book = Book(daily(1e9), daily(1e9, "strategy=*"), daily(1e9, "*"))
    book.mark(10)
    book.say("fill", exec_id="E1", order_id="O9", last_qty=100, last_px=12, symbol="X", side="buy", venue="V")
    assert (book.made("account=%3F"), book.made("*")) == (-200, -200)
    book.say(
        "order_new", order_id="O9", account="A", symbol="X", side="buy", qty=100, strategy="st", venue="V"
    )
    assert [book.made(s) for s in ("account=%3F", "account=A", "strategy=st", "*")] == [0, -200, -200, -200]


# -- daily -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "says"),
    [
        (15, []),
        (15.01, ["warn daily account=A: 501 > 500"]),
        (18, ["warn daily account=A: 800 > 500"]),
        (18.01, ["high daily account=A: 801 > 800"]),
        (20, ["high daily account=A: 1000 > 800"]),
        (20.01, ["halt daily account=A: 1001 > 1000"]),
    ],
)
def test_what_a_fill_loses_trips_at_once(price, says):
    book = Book()
    book.mark(10)
    assert book.trade("buy", 100, price) == says


def test_what_a_mark_loses_must_stand_for_three_seconds():
    book = Book()
    book.mark(100)
    book.trade("buy", 100, 100)
    assert book.mark(89) == book.wait(2) == []
    assert book.wait(1) == ["halt daily account=A: 1100 > 1000 by mark"]


def test_a_mark_that_recovers_in_time_says_nothing():
    book = Book()
    book.mark(100)
    book.trade("buy", 100, 100)
    assert book.mark(89) == book.wait(2) == book.mark(100) == book.wait(20) == []


def test_one_bad_mark_loses_nothing_until_another_confirms_it():
    book = Book()
    book.mark(100)
    book.trade("buy", 100, 100)
    assert book.mark(50) == book.wait(20) == []
    assert book.made() == 0
    book.mark(51)
    assert book.wait(3) == ["halt daily account=A: 4900 > 1000 by mark"]


def test_what_was_lost_before_the_trade_date_is_over():
    book = Book()
    book.mark(10)
    assert book.trade("buy", 100, 19) == ["high daily account=A: 900 > 800"]
    book.after(DAY).mark(10)
    assert book.trade("buy", 100, 14) == []
    assert book.made() == -400
    assert book.bust(1) == []  # yesterday's fill is busted today: nothing of today is better
    assert book.made() == -400


def test_a_rung_is_said_again_when_it_was_left_for_a_second():
    book = Book(daily(1e9, velocity=1e9), daily(1_000, "strategy=*", velocity=1e9))
    book.mark(10)
    assert book.trade("buy", 100, 16) == ["warn daily strategy=st: 600 > 500"]
    assert book.trade("buy", 1, 16) == []
    assert book.bust(1) == book.wait(2) == []
    assert book.trade("buy", 100, 16) == ["warn daily strategy=st: 606 > 500"]


def test_the_nearest_row_wins_key_by_key():
    book = Book(daily(1_000), daily(50, "account=A"), daily(9_000, "*"))
    book.mark(10)
    assert book.trade("buy", 10, 20) == ["halt daily account=A: 100 > 50"]
    assert book.trade("buy", 10, 20, account="B") == []


# -- velocity --------------------------------------------------------------------------------------


def test_a_quarter_of_the_limit_lost_by_fills_in_a_minute_halts_after_three_seconds():
    book = Book(daily(10_000))
    book.mark(10)
    assert book.trade("buy", 100, 35.01) == book.wait(2) == []
    assert book.wait(1) == ["halt velocity account=A: 2501 > 2500"]
    assert book.wait(100) == []


@pytest.mark.parametrize(
    ("price", "says"),
    [
        (22.5, []),
        (22.51, ["warn velocity account=A: 1251 > 1250"]),
        (30.01, ["high velocity account=A: 2001 > 2000"]),
        (35, ["high velocity account=A: 2500 > 2000"]),
    ],
)
def test_half_and_four_fifths_of_that_are_said(price, says):
    book = Book(daily(10_000))
    book.mark(10)
    book.trade("buy", 100, price)
    assert book.wait(4) == says


def test_marks_alone_are_nobodys_velocity():
    book = Book(daily(1e6, velocity=100))
    book.mark(100)
    book.trade("buy", 100, 100)
    assert book.mark(85) == book.wait(10) == []


def test_a_minute_is_sixty_seconds_of_which_all_count():
    book = Book({"scope": "*", "velocity": 100})
    book.mark(10)
    book.trade("buy", 10, 16)
    assert book.wait(50) == ["warn velocity *: 60 > 50"]
    book.mark(10)
    book.trade("buy", 10, 15)
    assert book.wait(3) == ["halt velocity *: 110 > 100"]
    book = Book({"scope": "*", "velocity": 100})
    book.mark(10)
    book.trade("buy", 10, 16)
    assert book.wait(61) == ["warn velocity *: 60 > 50"]
    book.mark(10)
    book.trade("buy", 10, 14.9)
    assert book.wait(100) == []


def test_a_loss_counts_once_the_gain_before_it_is_over():
    book = Book({"scope": "*", "velocity": 100})
    book.mark(10)
    book.trade("sell", 20, 16)
    book.wait(40)
    book.mark(10)
    assert book.trade("buy", 20, 15.5) == book.wait(10) == []
    assert book.wait(20) == ["halt velocity *: 110 > 100"]


NINE = ("account", "strategy", "host", "desk", "trader", "client", "algo", "session", "entity")

# -- settings, reasons -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"limit": (daily(1, "side=buy"),)}, "loss is not kept by side"),
        ({"warn_share": 0.9}, "write 0 < warn <= high <= 1"),
        ({"running_count": 0}, "running_count is from 1"),
        ({"limit": tuple(daily(1, f"{kind}=*&symbol=*") for kind in NINE)}, "sorts of scope"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        LossSettings(**settings)


def test_a_snapshot_for_other_kinds_of_scope_is_refused():
    one, other = Telling(Loss, {"limit": (daily(1),)}), Telling(Loss, {"limit": (daily(1, "host=*"),)})
    with pytest.raises(ValueError, match="other kinds of scope"):
        other.detector.restore(one.detector.snapshot())


def test_what_it_stops_may_still_reduce():
    assert [reason.level for reason in Loss.reasons] == [Level.REDUCE_ONLY] * 2


def test_evidence_is_what_lost():
    telling = Telling(Loss, {"limit": (daily(100),)})
    mark = {"kind": "mark", "ts": START, "symbol": "X", "price": 10}
    fields = {"ts": START, "account": "A", "symbol": "X", "side": "buy", "order_id": "O1", "venue": "V"}
    order = {"kind": "order_new", "qty": 100, **fields}
    fill = {"kind": "fill", "exec_id": "E1", "last_qty": 100, "last_px": 12, **fields}
    (said,) = telling.tell([mark, order, fill])
    assert said.evidence.ranges == ((0, 2, 2),)
    assert said.exposed_usd == 200


# -- against the oracle ----------------------------------------------------------------------------

LIMITS = (
    daily(2_000),
    {"scope": "account=a-33", "daily": 300, "velocity": 200},
    daily(900, "account=*&symbol=*"),
    {"scope": "symbol=*", "velocity": 500},
    daily(5_000, "*", velocity=1_000),
    daily(700, "strategy=*"),
    daily(40, "host=*&venue=*"),
    daily(1e12, "session=a-s1"),
)


def marks() -> st.SearchStrategy[list[Told]]:
    """Prices that wander, and jump, for a minute."""
    one = st.tuples(
        st.integers(0, 60_000), st.sampled_from(SYMBOLS), st.sampled_from((9, 10, 11, 12, 14, 99))
    )
    return st.lists(one, max_size=30).map(
        lambda drawn: [
            {"kind": "mark", "ts": START + at * MS, "arrival_ts": START + at * MS, "source": "market", "symbol": symbol, "price": px}
            for at, symbol, px in sorted(drawn)
        ]
    )  # fmt: skip


@pytest.mark.parametrize("moves", [MESSY, WILD], ids=["messy", "wild"])
@given(
    data=st.data(),
    limits=st.sets(st.integers(0, len(LIMITS) - 1), min_size=1),
    running=st.sampled_from((3, 1)),
)
def test_it_says_what_the_slow_oracle_says(moves, data, limits, running):
    stream = merged(data.draw(marks()), data.draw(order_streams(moves, size_max=40)))
    telling = Telling(Loss, {"limit": tuple(LIMITS[n] for n in sorted(limits)), "running_count": running})
    oracle = Oracle(telling.settings)
    for ours, theirs in side_by_side(telling, oracle, stream, wait_ns=90 * SECOND):
        assert sorted(map(plain, ours)) == sorted(map(of_oracle, theirs))


def plain(b: Breach) -> tuple[Any, ...]:
    limit = float(b.limit or 0)
    return (b.at_ns, b.reason, int(b.severity), b.scope.text, float(b.measured), limit, b.row, b.by_mark)


def of_oracle(said: dict[str, Any]) -> tuple[Any, ...]:
    most = 9e10  # what a hit can say
    said = said | {"measured": min(said["measured"], most), "limit": min(said["limit"], most)}
    return tuple(
        said[k] for k in ("at_ns", "reason", "severity", "scope", "measured", "limit", "row", "by_mark")
    )


# -- real and simulated days -----------------------------------------------------------------------


@BOTH
def test_a_recorded_day_within_wide_limits_is_silent(name):
    telling = Telling(Loss, {"limit": (daily(10_000_000), daily(100_000_000, "*"))})
    assert loud(day(telling, recorded(name))) == []
    assert len(telling.detector.snapshot()["scopes"]) > 2
