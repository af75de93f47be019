"""Exposure against limits: each measure, each exception, each boundary; and equal to the slow oracle."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Result
from detectors.exposure import Exposure, ExposureSettings
from detectors.exposure import tables as tb
from detectors.exposure.limits import grain_of
from detectors.limits import conditions_of
from tests.desk import DAY, MS, SECOND, START, SYMBOLS, Told
from tests.detectors.recorded import BOTH, day, loud, recorded
from tests.detectors.tell import Telling, side_by_side
from tests.oracle.exposure import Exposure as Oracle
from tests.streams import MESSY, WILD, merged, order_streams

if TYPE_CHECKING:
    from detectors.contract import Breach


class Book:
    """A conversation with the family: what happens, and what it says to that."""

    def __init__(self, *limits: Told, **settings: Any) -> None:
        self.telling = Telling(Exposure, {"limit": limits, **settings})
        self.at, self.ids = START, 0

    def after(self, ns: int) -> Book:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> list[str]:
        self.at += MS
        told = {"kind": kind, "ts": self.at, "arrival_ts": self.at, "host": "h1", "session": "s1"} | fields
        return words(self.telling.tell([{k: v for k, v in told.items() if v is not None}]))

    def id(self, letter: str) -> str:
        self.ids += 1
        return f"{letter}{self.ids}"

    def order(self, side: str, qty: float, price: float | None = 10, **more: Any) -> list[str]:
        self.order_id = more.pop("order_id", None) or self.id("O")
        fields = {"account": "A", "symbol": "X", "side": side, "qty": qty, "price": price, "tif": "gtc"}
        return self.say("order_new", order_id=self.order_id, **(fields | more))

    def fill(self, qty: float, price: float, **more: Any) -> list[str]:
        self.exec_id = more.pop("exec_id", None) or self.id("E")
        fields = {"order_id": self.order_id, "last_qty": qty, "last_px": price}
        return self.say("fill", exec_id=self.exec_id, **(fields | more))

    def trade(self, side: str, qty: float, price: float, **more: Any) -> list[str]:
        """An order and its fill at once."""
        return self.order(side, qty, price, **more) + self.fill(qty, price)

    def mark(self, price: float, symbol: str = "X") -> list[str]:
        return self.say("mark", symbol=symbol, price=price, source="market", host="md", session=None)

    def wait(self, seconds: float) -> list[str]:
        self.at += round(seconds * SECOND)
        return words(self.telling.wait(self.at))

    def of(self, scope: str = "account=A") -> dict[str, float]:
        """What a scope's cells sum to now."""
        detector = self.telling.detector
        for s in range(1, int(detector.tables["state"][tb.ST_SCOPES]) + 1):
            if detector.scope(s).text == scope:
                row = detector.tables["scopes"][s, tb.S_VALUES :]
                gross, long, short, qty = (int(value) for value in row[:4])
                return {"gross": gross / 1e4, "net": max(abs(long), abs(short)) / 1e4, "quantity": qty / 1e8}
        return {}

    def gross(self, scope: str = "account=A") -> float:
        return self.of(scope)["gross"]


def words(breaches: list[Breach]) -> list[str]:
    return [
        f"{b.severity.word} {b.reason} {b.scope}: {b.measured:g} > {b.limit:g}{' by mark' * b.by_mark}"
        for b in breaches
        if b.reason != "time_to_limit"
    ]


def gross(limit: float, scope: str = "account=*", **more: Any) -> Told:
    return {"scope": scope, "gross": limit, **more}


# -- what counts -----------------------------------------------------------------------------------


def test_working_orders_count_on_the_worse_side():
    book = Book(gross(1e9))
    book.order("buy", 100)
    assert book.gross() == 1_000
    book.order("sell", 300)
    assert book.gross() == 3_000  # not 4,000: only one side can come true at the cost of the other
    book.fill(300, 10)
    assert book.gross() == 3_000
    book.order("buy", 300)
    assert book.of() == {"gross": 3_000, "net": 3_000, "quantity": 300}


def test_a_flat_position_has_no_exposure_whatever_was_traded():
    book = Book(gross(1e9))
    book.trade("buy", 1_000, 10)
    book.trade("sell", 1_000, 90)
    assert book.of() == {"gross": 0, "net": 0, "quantity": 0}


def test_a_position_flips_through_zero():
    book = Book(gross(1e9))
    book.trade("buy", 100, 10)
    book.order("sell", 300)
    assert book.gross() == 2_000
    book.fill(300, 10)
    assert book.of() == {"gross": 2_000, "net": 2_000, "quantity": 200}


@pytest.mark.parametrize("side", ["sell", "sell_short", "sell_short_exempt"])
def test_a_short_sale_is_exposure(side):
    book = Book(gross(1_999))
    assert book.trade(side, 200, 10) == ["halt gross account=A: 2000 > 1999"]


def test_net_lets_two_symbols_offset_each_other_and_gross_does_not():
    book = Book(gross(1e9), {"scope": "*", "net": 1e9})
    book.trade("buy", 100, 10)
    book.trade("sell", 100, 8, symbol="Y")
    assert book.of() == {"gross": 1_800, "net": 200, "quantity": 200}
    book.order("sell", 500, 8, symbol="Y")
    assert book.of("*")["net"] == 3_800  # the worse side: what works may all be filled


def test_the_firm_is_the_sum_of_its_accounts():
    book = Book(gross(1e9, "*"), gross(1e9))
    book.trade("buy", 100, 10)
    book.trade("sell", 100, 10, account="B")
    assert (book.gross("*"), book.gross("account=A"), book.gross("account=B")) == (2_000, 1_000, 1_000)


def test_multiplier_and_currency_come_from_the_instrument_and_the_rate_from_fx():
    book = Book(gross(1e9))
    book.say("instrument", symbol="X", multiplier=50, currency="JPY")
    book.trade("buy", 2, 10_000)
    assert book.telling.detector.results() == {"gross account=A": Result.STALE}
    assert book.gross() == 1_000_000  # nobody said what a yen is: `unpriced_notional`
    book.say("fx", currency="JPY", usd=0.01)
    assert book.gross() == 10_000
    assert book.telling.detector.results() == {}
    book.say("fx", currency="JPY", usd=0.02)
    assert book.gross() == 20_000
    book.say("instrument", symbol="X", multiplier=5, currency="USD")
    assert book.gross() == 100_000


def test_the_dollar_is_a_dollar_whatever_fx_says():
    book = Book(gross(1e9))
    book.say("instrument", symbol="X", currency="USD")
    book.say("fx", currency="USD", usd=7)
    book.trade("buy", 2, 10)
    assert book.gross() == 20


def test_fractions_leave_no_residue():
    book = Book(gross(1e9))
    for _ in range(7):
        book.trade("buy", 0.1, 236.47)
    for _ in range(7):
        book.trade("sell", 0.1, 211.13)
    assert book.of() == {"gross": 0, "net": 0, "quantity": 0}


def test_a_package_is_not_booked_and_a_conditional_order_does_not_work():
    book = Book(gross(1e9))
    book.order("buy", 100, multileg="package")
    book.order("buy", 100, conditional=True)
    assert book.of() == {} or book.gross() == 0
    book.trade("buy", 100, 10, multileg="leg")
    assert book.gross() == 1_000


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("order_cancel", {}),
        ("order_reject", {"reason": "no"}),
        ("order_replace", {"qty": 40}),
        ("order_restate", {"leaves_qty": 40}),
    ],
)
def test_what_no_longer_works_no_longer_counts(kind, more):
    book = Book(gross(1e9))
    book.order("buy", 100)
    name = (
        {"order_id": "R", "orig_order_id": book.order_id}
        if kind == "order_replace"
        else {"order_id": book.order_id}
    )
    book.say(kind, **name, **more)
    assert book.gross() == (400 if more.get("qty") or more.get("leaves_qty") else 0)


@pytest.mark.parametrize("kind", ["order_cancel", "order_reject", "fill"])
def test_an_order_works_whatever_became_of_yesterdays_that_had_its_id(kind):
    """Of which the stream told the end alone: it began in the middle of that day."""
    book = Book(gross(1e9))
    more = {"exec_id": "E", "last_qty": 100, "last_px": 10, "account": "B", "symbol": "X", "side": "buy"}
    book.say(kind, order_id="O1", **(more if kind == "fill" else {}))
    book.after(DAY).order("buy", 100)
    assert book.order_id == "O1"
    assert book.gross() == 1_000


@pytest.mark.parametrize(("reason_class", "works"), [("ioc", 0), ("expired", 1_000), (None, 1_000)])
def test_an_end_that_is_told_the_next_morning_is_of_the_order_before_unless_it_was_ioc(reason_class, works):
    """The id comes back: a venue may tell once more that a day order ended, and an IOC's end may come first."""
    book = Book(gross(1e9))
    book.order("buy", 100, tif="day")
    book.say("order_cancel", order_id="O1")
    book.after(DAY).say("order_cancel", order_id="O1", reason_class=reason_class)
    book.order("buy", 100, order_id="O1")
    assert book.gross() == works


# -- prices ----------------------------------------------------------------------------------------


def test_the_price_is_the_mark_else_the_own_last_fill_else_the_limit():
    book = Book(gross(1e9))
    book.order("buy", 100, 10)
    assert book.gross() == 1_000
    book.fill(50, 12)
    assert book.gross() == 1_200
    book.trade("buy", 100, 13, account="B")
    assert book.gross() == 1_200  # another account's fill is not its own
    book.mark(11)
    assert book.gross() == 1_100


def test_without_any_price_it_counts_at_a_price_of_its_own_and_is_stale():
    book = Book(gross(400_000), unpriced_notional=500_000)
    assert book.order("buy", 1, None, order_type="market") == ["halt gross account=A: 500000 > 400000"]
    assert book.telling.detector.results() == {"gross account=A": Result.STALE}
    book.fill(1, 10)
    assert book.gross() == 10
    assert book.telling.detector.results() == {}


def test_a_negative_price_counts_by_its_size():
    book = Book(gross(1e9))
    book.trade("buy", 100, -37)
    assert book.gross() == 3_700


def test_one_bad_mark_moves_nothing_and_a_second_one_confirms_it():
    book = Book(gross(1e9))
    book.trade("buy", 100, 10)
    book.mark(10)
    book.mark(12)
    assert book.gross() == 1_200  # 20 % away: near enough
    book.mark(500)
    assert book.gross() == 1_200
    book.mark(12.5)
    book.mark(500)
    assert book.gross() == 1_250
    book.mark(450)
    assert book.gross() == 45_000


def test_a_fill_near_it_confirms_a_mark_that_waits_for_everybody():
    book = Book(gross(1e9))
    book.trade("buy", 100, 10)
    book.mark(10)
    book.mark(20)
    assert book.gross() == 1_000
    book.trade("buy", 1, 19, account="B")
    assert (book.gross(), book.gross("account=B")) == (2_000, 20)


def test_the_first_mark_of_a_symbol_counts_and_a_mark_of_zero_never_does():
    book = Book(gross(1e9))
    book.mark(0)
    book.mark(15)
    book.order("buy", 100, None, order_type="market")
    assert book.gross() == 1_500
    book.mark(0)
    book.mark(0)
    assert book.gross() == 1_500


def test_a_mark_of_one_symbol_leaves_the_others_alone():
    book = Book(gross(1e9))
    book.trade("buy", 100, 10)
    book.trade("buy", 100, 10, symbol="Y")
    book.mark(11, "Y")
    assert book.gross() == 2_100


# -- busts, late orders, give-ups ------------------------------------------------------------------


def test_busts_leave_exactly_what_was_before():
    book = Book(gross(1e9), gross(1e9, "*"), {"scope": "session=*", "net": 1e9})
    book.trade("buy", 70, 10)
    before = [book.of(scope) for scope in ("account=A", "*", "session=s1")]
    busted = []
    for side, qty, price in (("buy", 0.3, 99), ("sell", 1_000, 3), ("sell_short", 12.5, 20)):
        book.trade(side, qty, price)
        busted.append(book.exec_id)
    assert book.of() != before[0]
    for name in busted:
        book.say("fill_bust", exec_ref_id=name)
    assert [book.of(scope) for scope in ("account=A", "*", "session=s1")] == before


def test_a_correction_moves_quantity_and_price():
    book = Book(gross(1e9))
    book.trade("buy", 100, 10)
    book.say("fill_correct", exec_ref_id=book.exec_id, last_qty=60, last_px=20)
    assert book.gross() == 1_200


def test_a_correction_of_the_price_alone_is_another_price():
    book = Book(gross(10_000))
    book.trade("buy", 100, 10)
    assert book.say("fill_correct", exec_ref_id=book.exec_id, last_qty=100, last_px=150) == [
        "halt gross account=A: 15000 > 10000"
    ]


@pytest.mark.parametrize("prices", [(10, 90), (90, 10)])
def test_of_two_prices_of_one_execution_the_larger_counts(prices):
    book = Book(gross(1e9))
    book.trade("buy", 100, prices[0])
    book.fill(100, prices[1], exec_id=book.exec_id)
    assert book.gross() == 9_000


@pytest.mark.parametrize(
    ("last", "more", "held"),
    [("fill_bust", {}, 0), ("fill_correct", {"exec_id": "K3", "last_qty": 30, "last_px": 20}, 30)],
)
def test_an_execution_its_corrections_and_what_undoes_the_last_may_come_in_any_order(last, more, held):
    numbers = {
        "last_qty": 60,
        "last_px": 15,
    }  # of both corrections: the second one changes what we do not know
    told = (
        ("fill", {"order_id": "O1", "exec_id": "E", "last_qty": 50, "last_px": 10}),
        ("fill_correct", {"exec_ref_id": "E", "exec_id": "K1", **numbers}),
        ("fill_correct", {"exec_ref_id": "K1", "exec_id": "K2", **numbers}),
        (last, {"exec_ref_id": "K2", **more}),
    )
    for arrived in permutations(told):
        book = Book(gross(1e9))
        book.order("buy", 100, 10)
        for kind, fields in arrived:
            book.say(kind, **fields)
        book.say("order_cancel", order_id="O1")
        assert book.of()["quantity"] == held, arrived


def test_a_chain_of_replaces_its_fill_and_its_cancel_may_come_in_any_order():
    told = (
        ("fill", {"order_id": "O2", "exec_id": "E", "last_qty": 9, "last_px": 10}),
        ("order_replace", {"order_id": "O2", "orig_order_id": "O1", "qty": 200, "price": 10}),
        ("order_replace", {"order_id": "O3", "orig_order_id": "O2", "qty": 300, "price": 10}),
        (
            "order_new",
            {"order_id": "O1", "account": "A", "symbol": "X", "side": "buy", "qty": 100, "price": 10},
        ),
    )
    for arrived in permutations(told):
        book = Book(gross(1e9), gross(1e9, "*"))
        for kind, fields in arrived:
            book.say(kind, **fields)
        assert (book.of()["quantity"], book.of("*")["quantity"]) == (300, 300), arrived
        book.say("order_cancel", order_id="O3")
        assert (book.of()["quantity"], book.of("*")["quantity"]) == (9, 9), arrived
    for arrived in permutations((*told, ("order_cancel", {"order_id": "O3"}))):
        book = Book(gross(1e9), gross(1e9, "*"))
        for kind, fields in arrived:
            book.say(kind, **fields)
        assert (book.of()["quantity"], book.of("*")["quantity"]) == (9, 9), arrived


@pytest.mark.parametrize(
    ("bust", "held"),
    [({}, 0), ({"session": None, "venue": "V"}, 0), ({"session": "s2"}, 60), ({"venue": "W"}, 60)],
)
@pytest.mark.parametrize("fill", [{}, {"venue": "V"}, {"session": None}])
def test_a_bust_names_the_session_or_the_venue_of_its_execution(bust, held, fill):
    for is_late in (False, True):
        book = Book(gross(1e9))
        if not is_late:
            book.order("buy", 60, 10, venue="V", order_id="O")
        book.order_id = "O"
        book.fill(60, 10, exec_id="E", **fill)
        if is_late:
            book.order("buy", 60, 10, venue="V", order_id="O")
        book.say("fill_bust", exec_ref_id="E", **bust)
        assert book.of()["quantity"] == held


def test_a_bust_that_names_only_the_session_may_come_before_a_fill_at_a_venue():
    book = Book(gross(1e9))
    book.say("fill_bust", exec_ref_id="E")
    book.order("buy", 60, 10, venue="V")
    book.fill(60, 10, exec_id="E")
    assert book.of()["quantity"] == 0


def test_a_mass_bust_trips_nothing():
    book = Book(gross(10_000), gross(10_000, "*"))
    names = []
    for n in range(40):
        book.trade("buy" if n % 2 else "sell", 100, 10)
        names.append(book.exec_id)
    assert [said for name in reversed(names) for said in book.say("fill_bust", exec_ref_id=name)] == []


def test_a_fill_before_its_order_moves_to_its_account_when_the_order_comes():
    book = Book(gross(1e9), gross(2_500, "*"))
    book.order_id = "late"
    book.fill(100, 10, symbol="X", side="buy")
    assert (book.gross("account=%3F"), book.gross("*")) == (1_000, 1_000)
    book.order("buy", 250, 10, order_id="late")
    assert (book.gross("account=%3F"), book.gross(), book.gross("*")) == (0, 2_500, 2_500)


def test_moving_an_execution_raises_nothing_that_a_mark_had_raised():
    book = Book(gross(1_500, "*"))
    book.order_id = "late"
    book.fill(100, 10, symbol="X", side="buy")
    book.mark(11)
    book.mark(13)
    book.mark(15.5)
    assert book.gross("*") == 1_550
    assert book.order("buy", 100, 10, order_id="late") == []
    assert book.wait(5) == ["halt gross *: 1550 > 1500 by mark"]


def test_working_quantity_stays_with_the_order_when_its_fill_is_booked_elsewhere():
    book = Book(gross(1e9))
    book.order("buy", 100)
    book.fill(60, 10, account="B")
    assert (book.gross("account=A"), book.gross("account=B")) == (400, 600)
    book.say("order_cancel", order_id=book.order_id)
    assert (book.gross("account=A"), book.gross("account=B")) == (0, 600)


# -- rungs -----------------------------------------------------------------------------------------


def test_above_means_more_than():
    book = Book(gross(1_000))
    assert book.order("buy", 75) == []
    assert book.order("buy", 1) == ["warn gross account=A: 760 > 750"]
    assert book.order("buy", 14) == []
    assert book.order("buy", 1) == ["high gross account=A: 910 > 900"]
    assert book.order("buy", 9) == []
    assert book.order("buy", 0.01) == ["halt gross account=A: 1000.1 > 1000"]


def test_an_order_that_jumps_over_all_rungs_says_the_highest():
    book = Book({"scope": "account=*", "gross": 1_000, "net": 900, "quantity": 50})
    assert book.order("sell", 200) == [
        "halt gross account=A: 2000 > 1000",
        "halt net account=A: 2000 > 900",
        "halt quantity account=A: 200 > 50",
    ]


def test_people_are_paged_once_a_day_for_a_scope():
    book = Book(gross(1_000))
    said = []
    for n in range(4):
        book.after(2 * SECOND if n < 3 else DAY)
        said += book.order("buy", 95)
        book.after(2 * SECOND)
        said += book.say("order_cancel", order_id=book.order_id)
    assert said == ["high gross account=A: 950 > 900"] * 2


def test_people_are_paged_once_a_day_for_a_scope_whichever_symbol_it_is():
    book = Book({"scope": "account=*", "quantity": 100})
    assert book.order("buy", 95) == ["high quantity account=A: 95 > 90"]
    assert book.order("buy", 95, symbol="Y") == []
    assert book.order("buy", 101, symbol="Z") == ["halt quantity account=A: 101 > 100"]
    assert book.order("buy", 95, account="B") == ["high quantity account=B: 95 > 90"]
    assert book.after(DAY).order("buy", 95, symbol="W") == ["high quantity account=A: 95 > 90"]


def test_a_limit_halts_again_only_after_a_second_below_it():
    book = Book(gross(1_000))
    assert book.order("buy", 101)
    first = book.order_id
    book.say("order_cancel", order_id=first)
    assert book.order("buy", 101) == []
    book.say("order_cancel", order_id=book.order_id)
    book.after(1_100 * MS)
    assert book.order("buy", 101) == ["halt gross account=A: 1010 > 1000"]


def test_what_lowers_an_exposure_never_halts_it():
    book = Book(gross(1_000))
    book.trade("buy", 90, 10)
    book.mark(10)
    book.mark(11.5)
    assert book.gross() == 1_035
    assert book.order("sell", 1) == []
    assert book.fill(1, 11.5) == []
    assert book.gross() > 1_000
    assert book.order("buy", 1) == ["halt gross account=A: 1035 > 1000"]


def test_what_a_mark_alone_moves_must_stand_for_three_evaluations():
    book = Book(gross(1_000))
    book.trade("buy", 90, 10)
    book.mark(10)
    book.mark(11.5)
    assert book.wait(2) == []
    assert book.wait(1) == ["halt gross account=A: 1035 > 1000 by mark"]
    assert book.wait(60) == []


def test_a_mark_that_goes_back_in_time_halts_nobody():
    book = Book(gross(1_000))
    book.trade("buy", 90, 10)
    book.mark(10)
    book.mark(11.5)
    assert book.wait(2) == []
    book.mark(10)
    assert book.wait(60) == []


def test_an_order_trips_at_once_what_a_mark_had_raised():
    book = Book(gross(1_000))
    book.trade("buy", 90, 10)
    book.mark(10)
    book.mark(11.5)
    assert book.order("buy", 0.1) == ["halt gross account=A: 1036.15 > 1000"]


def test_a_breach_says_what_is_at_stake_and_where_to_look():
    book = Book(gross(1_000))
    for _ in range(9):
        book.order("buy", 10)
    book.at += MS
    told = {"kind": "order_new", "ts": book.at, "arrival_ts": book.at, "order_id": "last", "account": "A", "symbol": "X",
            "side": "buy", "qty": 15, "price": 10}  # fmt: skip
    (breach,) = book.telling.tell([told])
    assert (breach.exposed_usd, breach.at_ns, breach.row, breach.unit) == (1_050, book.at, 0, "USD")
    assert breach.evidence.ranges == ((0, 5, 9),)  # those that brought it beyond half of its limit
    assert breach.evidence.count == 5


# -- scopes ----------------------------------------------------------------------------------------


def test_a_named_id_overrides_the_default_and_inherits_the_rest():
    book = Book(
        {"scope": "account=*", "gross": 1_000, "quantity": 500}, {"scope": "account=33", "gross": 2_000}
    )
    assert book.order("buy", 150) == ["halt gross account=A: 1500 > 1000"]
    assert book.order("buy", 150, account="33") == []
    assert book.order("buy", 400, 1, account="33") == ["halt quantity account=33: 550 > 500"]


def test_only_a_named_id_may_have_a_limit():
    book = Book(gross(1_000, "account=33"))
    assert book.order("buy", 10_000) == []
    assert book.order("buy", 101, account="33") == ["halt gross account=33: 1010 > 1000"]


def test_a_conjunction_is_a_scope_of_its_own():
    book = Book(gross(1_000, "account=33&symbol=NOK"), gross(5_000, "account=*&symbol=*"))
    assert book.order("buy", 101, account="33", symbol="NOK") == [
        "halt gross account=33&symbol=NOK: 1010 > 1000"
    ]
    assert book.order("buy", 101, account="33", symbol="ES") == []
    assert book.order("buy", 401, account="33", symbol="ES") == [
        "halt gross account=33&symbol=ES: 5020 > 5000"
    ]


@pytest.mark.parametrize(
    "kind", ["strategy", "host", "trader", "desk", "venue", "gateway", "entity", "client", "algo", "build"]
)
def test_a_position_belongs_to_the_flow_that_carries_the_attribute(kind):
    book = Book(gross(1_500, f"{kind}=*"))
    assert book.order("buy", 100, **{kind: "one"}) == []
    assert book.order("buy", 100, **{kind: "two"}) == []
    assert book.order("sell", 250, **{kind: "one"}) == [f"halt gross {kind}=one: 2500 > 1500"]
    assert book.order("buy", 9_000, **({kind: None})) == []  # carries none: it is no one's


def test_a_scope_of_attribute_and_symbol_sums_over_accounts():
    book = Book(gross(1_500, "strategy=*&symbol=*"), {"scope": "strategy=a", "net": 800})
    assert book.order("buy", 100, strategy="b") == []
    assert book.order("buy", 100, strategy="b", account="B") == [
        "halt gross strategy=b&symbol=X: 2000 > 1500"
    ]
    assert book.order("sell", 81, strategy="a", symbol="Z") == ["halt net strategy=a: 810 > 800"]


def test_both_sides_have_a_limit_each():
    book = Book(gross(1_000, "side=sell"))
    assert book.order("buy", 500) == []
    assert book.order("sell_short", 101) == ["halt gross side=sell: 1010 > 1000"]


def test_a_quantity_without_a_symbol_is_asked_of_each_symbol():
    book = Book({"scope": "account=*", "quantity": 100}, {"scope": "*", "quantity": 150})
    assert book.order("buy", 74) == []
    assert book.order("buy", 74, symbol="Y") == []
    assert book.order("buy", 74, account="B") == ["high quantity *: 148 > 135"]
    assert book.order("buy", 27) == ["halt quantity account=A: 101 > 100", "halt quantity *: 175 > 150"]


def test_pairs_over_the_bound_still_count_for_the_firm(monkeypatch):
    monkeypatch.setattr(tb, "CELLS_MAX", 4)
    book = Book(gross(10_000), gross(4_000, "*"))
    for symbol in "ABCDE":
        assert book.order("buy", 50, symbol=symbol) == []
    first = book.order_id
    assert book.gross("*") == 2_500
    book.fill(20, 10)
    assert book.gross("*") == 2_500
    book.say("order_cancel", order_id=first)
    assert book.gross("*") == 2_200
    assert book.order("buy", 250, symbol="F")[0].startswith("halt gross *")


# -- days and stated positions ---------------------------------------------------------------------


def position(book: Book, qty: float, **more: Any) -> list[str]:
    return book.say("position", source="oms", account="A", symbol="X", qty=qty, as_of=book.at, **more)


def test_intraday_ignores_what_was_held_before_and_total_counts_it():
    book = Book(gross(1e9), gross(1e9, "account=*&symbol=*", basis="total"))
    position(book, 500, price=10)
    book.trade("sell", 200, 10)
    assert book.gross("account=A") == 2_000
    assert book.gross("account=A&symbol=X") == 3_000
    position(book, 0)
    assert book.gross("account=A&symbol=X") == 0
    assert book.gross("account=A") == 2_000


def test_total_without_a_stated_position_is_stale_and_judged_all_the_same():
    book = Book(gross(1_000, basis="total"))
    assert book.order("buy", 101) == ["halt gross account=A: 1010 > 1000"]
    assert book.telling.detector.results() == {"gross account=A": Result.STALE}
    position(book, 5)
    assert book.telling.detector.results() == {}


def test_a_position_that_was_stated_is_no_order_and_must_stand():
    book = Book(gross(1_000, basis="total"))
    assert position(book, 500, price=10) == []
    assert book.wait(4) == ["halt gross account=A: 5000 > 1000 by mark"]


def test_a_new_trade_date_begins_at_the_position_that_is_held():
    book = Book(gross(1e9))
    book.trade("buy", 100, 10)
    book.trade("buy", 100, 10, symbol="Y")
    yesterday = book.exec_id
    book.after(DAY)
    book.order("sell", 30)
    assert book.gross() == 300  # of both symbols, though only one has traded today
    book.fill(30, 10)
    assert book.gross() == 300
    book.say("fill_bust", exec_ref_id=yesterday)  # yesterday's: today has nothing to do with it
    assert book.gross() == 300


def test_an_event_dated_a_day_ahead_begins_no_day():
    book = Book(gross(1e9))
    book.trade("buy", 100, 10)
    book.at += MS
    wild = {"kind": "order_new", "ts": book.at + DAY, "arrival_ts": book.at, "order_id": "wild", "account": "A",
            "symbol": "X", "side": "buy", "qty": 1, "price": 10}  # fmt: skip
    book.telling.tell([wild])
    assert book.gross() == 1_010


# -- time to the limit -----------------------------------------------------------------------------


def growing(book: Book, shares: list[float]) -> list[str]:
    said = []
    for qty in shares:
        book.at = (book.at // SECOND + 1) * SECOND
        book.order("buy", qty)
        said += [
            b for b in book.telling.wait((book.at // SECOND + 1) * SECOND) if b.reason == "time_to_limit"
        ]
    return [f"{b.severity.word} {b.measured:.0f} < {b.limit:.0f}" for b in said]


def test_growth_towards_the_limit_warns_and_pages_and_never_halts():
    said = growing(Book(gross(100_000)), [300] * 30)
    assert said[0].startswith("warn")
    assert sum(each.startswith("high") for each in said) == 1
    assert not any(each.startswith("halt") for each in said)


def test_slow_growth_a_jump_and_shrinking_say_nothing_of_time():
    assert growing(Book(gross(1e9)), [10] * 15) == []
    book = Book(gross(100_000))
    book.order("buy", 7_000)
    first = book.order_id
    growing(book, [1])
    book.wait(30)
    book.at += MS
    book.telling.tell([{"kind": "order_cancel", "ts": book.at, "arrival_ts": book.at, "order_id": first}])
    assert [b for b in book.telling.wait(book.at + 30 * SECOND) if b.reason == "time_to_limit"] == []


# -- caps ------------------------------------------------------------------------------------------


def test_one_order_against_its_cap():
    book = Book({"scope": "account=*", "order_notional": 1_000, "order_quantity": 500})
    assert book.order("buy", 75) == []
    assert book.order("buy", 76) == ["warn order_notional account=A: 760 > 750"]
    book.after(2 * SECOND)
    assert book.order("buy", 101) == ["high order_notional account=A: 1010 > 1000"]
    book.after(2 * SECOND)
    assert book.order("buy", 300) == ["high order_notional account=A: 3000 > 1000"]
    book.after(2 * SECOND)
    assert book.order("buy", 301) == ["halt order_notional session=s1: 3010 > 3000"]
    book.after(2 * SECOND)
    assert book.order("buy", 1_501, 0.01, symbol="Y", session="s2") == [
        "halt order_quantity session=s2: 1501 > 1500"
    ]


def test_five_orders_over_their_cap_in_ten_seconds_stop_the_session():
    book = Book({"scope": "account=*", "order_quantity": 100})
    said = []
    for _ in range(5):
        book.after(2_400 * MS)
        said += book.order("buy", 150)
    assert said == ["high order_quantity account=A: 150 > 100"] * 4 + [
        "halt order_quantity session=s1: 150 > 100"
    ]
    slow = Book({"scope": "account=*", "order_quantity": 100})
    for _ in range(12):
        slow.after(2_600 * MS)
        assert slow.order("buy", 150) == ["high order_quantity account=A: 150 > 100"]


def test_a_burst_by_several_sessions_stops_the_scope_that_has_the_cap():
    book = Book({"scope": "account=*", "order_quantity": 100})
    said = [line for n in range(5) for line in book.after(SECOND + MS).order("buy", 150, session=f"s{n}")]
    assert said[-1] == "halt order_quantity account=A: 150 > 100"


def test_a_replace_that_raises_an_order_is_held_against_the_cap():
    book = Book({"scope": "account=*", "order_quantity": 100})
    book.order("buy", 10)
    assert book.say("order_replace", order_id="R", orig_order_id=book.order_id, qty=90) == [
        "warn order_quantity account=A: 90 > 75"
    ]
    book.after(2 * SECOND)
    assert book.say("order_replace", order_id="R2", orig_order_id="R", qty=80) == []


def test_a_days_orders_page_at_their_cap_and_halt_at_a_hard_one_only():
    book = Book({"scope": "session=*", "session_orders": 4, "hard_orders": 6})
    said = [line for _ in range(8) for line in book.order("buy", 1)]
    assert said == [
        "warn session_orders session=s1: 4 > 3",
        "high session_orders session=s1: 5 > 4",
        "halt session_orders session=s1: 7 > 6",
    ]
    book.after(DAY)
    assert [line for _ in range(4) for line in book.after(SECOND).order("buy", 1)] == [
        "warn session_orders session=s1: 4 > 3"
    ]
    soft = Book({"scope": "session=*", "session_orders": 4})
    assert not any(line.startswith("halt") for _ in range(40) for line in soft.order("buy", 1))


def test_a_days_notional_counts_what_was_sent_not_what_is_left():
    book = Book({"scope": "*", "session_notional": 1_000, "hard_notional": 2_000})
    said = []
    for _ in range(21):
        said += book.order("buy", 10)
        said += book.say("order_cancel", order_id=book.order_id)
    assert said == [
        "warn session_notional *: 800 > 750",
        "high session_notional *: 1100 > 1000",
        "halt session_notional *: 2100 > 2000",
    ]


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"limit": ({"scope": "parent=*", "gross": 1},)}, "not kept by parent"),
        ({"limit": ({"scope": "side=sell_short", "gross": 1},)}, "write side=buy or side=sell"),
        ({"limit": ({"scope": "host=*", "gross": 1, "basis": "total"},)}, "a position names account and symbol"),
        ({"limit": tuple({"scope": f"{kind}=*", "gross": 1} for kind in ("host", "desk", "algo", "venue", "side"))}, "sorts of scope"),
        ({"warn_share": 0.95}, "write 0 < warn <= high <= 1"),
        ({"orders_over_count": 9}, "orders_over_count is from 1 to 8"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_kept_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        ExposureSettings(**settings)


def test_a_snapshot_of_other_kinds_of_limits_is_refused_and_the_limits_are_the_settings():
    book = Book(gross(1_000))
    book.order("buy", 95)
    state = book.telling.detector.snapshot()
    other = Exposure(ExposureSettings(limit=(gross(1, "host=*"),)), book.telling.view)
    with pytest.raises(ValueError, match="other kinds of scope"):
        other.restore(state)
    tighter = Exposure(ExposureSettings(limit=(gross(960),)), book.telling.view)
    tighter.restore(state)
    book.telling.detector = tighter
    assert book.order("buy", 2) == ["halt gross account=A: 970 > 960"]


def test_what_fell_while_nobody_looked_grows_from_where_it_fell_to():
    """A scope that stands still is looked at no more; it is again as soon as it moves, downwards too."""
    book = Book(gross(4_000))
    book.order("buy", 300)
    book.wait(30)
    book.say("order_cancel", order_id=book.order_id)
    book.wait(30)
    book.order("buy", 300)
    book.at += 2 * SECOND
    assert [b.reason for b in book.telling.wait(book.at)] == ["time_to_limit"]


# -- against the oracle ----------------------------------------------------------------------------

LIMITS = (
    {"scope": "account=*", "gross": 20_000, "net": 9_000, "order_notional": 3_000, "session_orders": 4},
    {"scope": "account=a-33", "gross": 3_000, "hard_orders": 9},
    {"scope": "account=*&symbol=NOK", "net": 4_000, "basis": "total", "quantity": 300},
    {"scope": "symbol=*", "gross": 50_000, "basis": "total"},
    {"scope": "*", "gross": 90_000, "quantity": 5_000, "session_notional": 100_000, "hard_notional": 400_000},
    {"scope": "strategy=*", "gross": 10_000, "order_quantity": 200},
    {"scope": "host=*&symbol=*", "net": 8_000},
    {"scope": "session=a-s1", "quantity": 1_000, "gross": 60_000},
    {"scope": "side=*", "net": 30_000},
    {"scope": "account=*&symbol=*", "gross": 1_100},
    {"scope": "symbol=*", "net": 3_300},
)


def marks() -> st.SearchStrategy[list[Told]]:
    """Prices that wander, and jump, for a minute."""
    one = st.tuples(
        st.integers(0, 60_000), st.sampled_from(SYMBOLS), st.sampled_from((9, 10, 11, 12, 14, 99))
    )
    told = st.lists(one, max_size=30).map(sorted)
    return told.map(lambda drawn: [marked(START + at * MS, symbol, price) for at, symbol, price in drawn])


def marked(at: int, symbol: str, price: float) -> Told:
    return {"kind": "mark", "ts": at, "arrival_ts": at, "source": "market", "symbol": symbol, "price": price}


@pytest.mark.parametrize("moves", [MESSY, WILD], ids=["messy", "wild"])
@given(
    data=st.data(),
    limits=st.sets(st.sampled_from(range(len(LIMITS))), min_size=1),
    unpriced=st.sampled_from((1_000, 1_000_000)),
    running=st.sampled_from((1, 3)),
)
def test_it_says_what_the_slow_oracle_says(moves, data, limits, unpriced, running):
    chosen: dict[str, Told] = {}
    for n in sorted(limits):
        chosen[LIMITS[n]["scope"]] = LIMITS[n]
    while len({grain_of(frozenset(k for k, _ in conditions_of(s))) for s in chosen} | {()}) > tb.GRAINS_MAX:
        chosen.popitem()
    stream = merged(data.draw(marks()), data.draw(order_streams(moves, size_max=40)))
    telling = Telling(
        Exposure, {"limit": tuple(chosen.values()), "unpriced_notional": unpriced, "running_count": running}
    )
    oracle = Oracle(telling.settings)
    for ours, theirs in side_by_side(telling, oracle, stream, wait_ns=20 * SECOND):
        assert sorted(map(plain, ours)) == sorted(map(of_oracle, theirs))


def plain(b: Breach) -> tuple[Any, ...]:
    return (
        b.at_ns,
        b.reason,
        int(b.severity),
        b.scope.text,
        float(b.measured),
        float(b.limit or 0),
        b.row,
        b.by_mark,
        b.exposed_usd,
    )


def of_oracle(said: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        said[k]
        for k in ("at_ns", "reason", "severity", "scope", "measured", "limit", "row", "by_mark", "usd")
    )


# -- real and simulated days -----------------------------------------------------------------------


@BOTH
def test_a_recorded_day_within_wide_limits_is_silent(name):
    limits = (gross(1e12, net=1e12), gross(1e12, "*"))
    telling = Telling(Exposure, {"limit": limits})
    assert loud(day(telling, recorded(name))) == []
    assert int(telling.detector.tables["scopes"][1, tb.S_VALUES]) > 0
