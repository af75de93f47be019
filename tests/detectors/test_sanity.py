"""Orders that cannot be meant: each reason, each exception, each side of each threshold; and equal to the oracle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import ANY_FAMILY, Breach, Level, Result, Severity
from detectors.sanity import NAMED_MAX, Sanity, SanitySettings
from tests.desk import MS, SECOND, START, SYMBOLS, Told
from tests.detectors.recorded import BOTH, day, loud, recorded
from tests.detectors.tell import Telling, side_by_side
from tests.oracle.sanity import Sanity as Oracle
from tests.streams import MESSY, WILD, merged, order_streams


class Talk:
    """A conversation with the family: what happens, and what it says to that."""

    def __init__(self, **settings: Any) -> None:
        self.telling = Telling(Sanity, settings)
        self.at, self.ids = START, 0

    def after(self, ns: int) -> Talk:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> list[str]:
        self.at += MS
        told = {"kind": kind, "ts": self.at, "arrival_ts": self.at, "host": "h1", "session": "s1"} | fields
        return words(self.telling.tell([{k: v for k, v in told.items() if v is not None}]))

    def order(self, price: float | None, side: str = "buy", qty: float = 100, **more: Any) -> list[str]:
        self.ids += 1
        fields = {"account": "A", "symbol": "X", "side": side, "qty": qty, "price": price}
        return self.say("order_new", order_id=f"O{self.ids}", **(fields | more))

    def fill(self, price: float, order: int | None = None) -> list[str]:
        order_id = f"O{order or self.ids}"
        return self.say("fill", exec_id=f"E{self.at}", order_id=order_id, last_qty=1, last_px=price)

    def parent(self, qty: float, **more: Any) -> list[str]:
        self.ids += 1
        fields = {"account": "A", "symbol": "X", "side": "buy", "qty": qty, "session": None}
        return self.say("parent_new", parent_id=f"P{self.ids}", **(fields | more))

    def mark(self, price: float, symbol: str = "X", **more: Any) -> list[str]:
        return self.say("mark", symbol=symbol, price=price, source="market", host="md", session=None, **more)

    def instrument(self, symbol: str = "X", **more: Any) -> Talk:
        assert self.say("instrument", symbol=symbol, source="market", host="md", session=None, **more) == []
        return self

    def wait(self, seconds: float) -> list[str]:
        self.at += round(seconds * SECOND)
        return words(self.telling.wait(self.at))

    @property
    def results(self) -> dict[str, Result]:
        return dict(self.telling.detector.results())


def words(breaches: list[Breach]) -> list[str]:
    return [
        f"{b.severity.word} {b.reason} {b.scope}: {b.measured:g} > {b.limit if b.limit is None else round(b.limit, 4)}"
        for b in breaches
    ]


# -- collar ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asset_class", "mark", "within"),
    [
        ("equity", 100, 110),
        ("equity", 2.99, 3.588),
        ("equity", 3, 3.3),
        ("future", 100, 105),
        ("fx", 100, 105),
        ("option", 100, 150),
        ("bond", 100, 120),
        (None, 100, 120),
        ("Equity", 100, 110),
    ],
)
def test_each_class_has_its_own_collar(asset_class, mark, within):
    talk = Talk().instrument(asset_class=asset_class)
    talk.mark(mark)
    assert talk.order(within) == []
    assert talk.order(within + 0.001) == ["warn collar session=s1: 1 > 1"]


def test_a_sell_is_through_the_reference_below_it_and_each_side_may_be_as_passive_as_it_likes():
    talk = Talk()
    talk.mark(100)
    assert talk.order(1) == talk.order(100_000, "sell") == talk.order(80, "sell_short") == []
    assert talk.order(79.99, "sell_short") == ["warn collar session=s1: 1 > 1"]


def test_five_ticks_are_within_every_collar():
    talk = Talk().instrument(asset_class="future", tick=0.25)
    talk.mark(2)
    assert talk.order(3.25) == []
    assert talk.order(3.26) == ["warn collar session=s1: 1 > 1"]


def test_a_low_price_is_so_many_dollars_of_whatever_currency():
    talk = Talk().instrument(asset_class="equity", currency="JPY")
    talk.say("fx", currency="JPY", usd=0.01, source="market", host="md", session=None)
    talk.mark(299)
    assert talk.order(358) == []
    assert talk.order(359) == ["warn collar session=s1: 1 > 1"]
    talk.mark(301)
    assert talk.after(11 * SECOND).mark(301) == []
    assert talk.order(332) == ["warn collar session=s1: 1 > 1"]


def test_three_in_ten_seconds_page_and_five_stop_the_session():
    talk = Talk()
    talk.mark(10)
    said = [talk.order(20) for _ in range(6)]
    assert said == [
        ["warn collar session=s1: 1 > 1"],
        [],
        ["high collar session=s1: 3 > 3"],
        [],
        ["halt collar session=s1: 5 > 5"],
        [],
    ]


@pytest.mark.parametrize(("gap_ms", "says"), [(2_498, True), (2_500, False)])
def test_the_window_is_ten_seconds_long(gap_ms, says):
    talk = Talk()
    said = []
    for _ in range(5):
        talk.mark(10)
        said += talk.order(20)
        talk.after(gap_ms * MS - 2 * MS)
    assert ("halt collar session=s1: 5 > 5" in said) == says


def test_a_rung_is_said_again_when_the_window_was_below_it_for_a_second():
    talk = Talk()
    talk.mark(10)
    assert talk.order(20) == ["warn collar session=s1: 1 > 1"]
    talk.after(10 * SECOND + 990 * MS).mark(10)
    assert talk.order(20) == []
    talk.after(11 * SECOND).mark(10)
    assert talk.order(20) == ["warn collar session=s1: 1 > 1"]


@pytest.mark.parametrize(
    "more",
    [
        {"conditional": True},
        {"tif": "opg"},
        {"tif": "cls"},
        {"multileg": "package"},
        {"order_type": "stop"},
        {"order_type": "stop_limit"},
        {"price": None, "order_type": "market"},
        {"symbol": "Y"},
    ],
)
def test_who_waits_for_an_auction_or_a_condition_or_has_no_price_is_not_asked(more):
    talk = Talk()
    talk.mark(10)
    assert talk.order(**({"price": 99} | more)) == []
    assert talk.order(99) == ["warn collar session=s1: 1 > 1"]


def test_a_replace_is_asked_for_its_price_and_a_stops_is_not():
    talk = Talk()
    talk.mark(10)
    talk.order(10)
    replace = {"orig_order_id": "O1", "qty": 100}
    assert talk.say("order_replace", order_id="R1", **replace) == []
    assert talk.say("order_replace", order_id="R2", price=99, **replace) == ["warn collar session=s1: 1 > 1"]
    talk.order(99, order_type="stop_limit")
    talk.after(11 * SECOND).mark(10)
    assert talk.say("order_replace", order_id="R3", orig_order_id="O2", qty=100, price=99) == []


def test_without_a_session_the_host_is_accused_and_then_the_account():
    talk = Talk()
    talk.mark(10)
    assert talk.order(99, session=None) == ["warn collar host=h1: 1 > 1"]
    assert talk.order(99, session=None, host=None) == ["warn collar account=A: 1 > 1"]


@pytest.mark.parametrize(("age_ns", "is_known"), [(10 * SECOND, True), (10 * SECOND + MS, False)])
def test_a_mark_of_more_than_ten_seconds_is_no_reference(age_ns, is_known):
    talk = Talk()
    talk.mark(10)
    assert bool(talk.after(age_ns - MS).order(99)) == is_known
    assert talk.results == ({} if is_known else {"collar symbol=X": Result.STALE})
    talk.mark(10)
    talk.order(10)
    assert talk.results == {}


def test_stale_is_the_question_while_orders_ask_it():
    talk = Talk()
    talk.order(10)
    assert talk.results == {"collar symbol=X": Result.STALE}
    talk.wait(11)
    assert talk.results == {}
    for n in range(NAMED_MAX + 1):
        talk.order(10, symbol=f"X{n}")
    assert talk.results == {"collar *": Result.STALE}


def test_one_bad_mark_is_no_reference():
    talk = Talk()
    talk.mark(10)
    talk.mark(25)
    assert talk.order(13) == ["warn collar session=s1: 1 > 1"]
    talk.mark(24)
    assert talk.after(12 * SECOND).mark(24) == talk.order(28) == []


# -- size ------------------------------------------------------------------------------------------


def test_an_order_for_five_percent_of_a_days_volume_is_recorded():
    talk = Talk().instrument(adv=10_000)
    assert talk.order(10, qty=500) == []
    assert talk.order(10, qty=501) == ["warn adv session=s1: 0.0501 > 0.05"]
    assert talk.order(10, qty=501) == []
    assert talk.after(2 * SECOND).order(10, qty=501) == ["warn adv session=s1: 0.0501 > 0.05"]


def test_a_parent_for_a_quarter_of_a_days_volume_pages_also_when_it_is_amended():
    talk = Talk()
    talk.mark(10, adv=10_000)
    assert talk.parent(2_500) == ["warn adv host=h1: 0.25 > 0.05"]
    assert talk.parent(2_501) == ["high adv host=h1: 0.2501 > 0.25"]
    talk.after(2 * SECOND)
    assert talk.say("parent_replace", parent_id="P1", qty=9_000, session=None) == [
        "high adv host=h1: 0.9 > 0.25"
    ]


def test_a_child_for_a_quarter_of_it_stops_its_session_above_a_million_dollars():
    talk = Talk().instrument(adv=10_000)
    assert talk.order(399, qty=2_500) == ["warn adv session=s1: 0.25 > 0.05"]
    assert talk.order(399, qty=2_501, session="s2") == ["warn adv session=s2: 0.2501 > 0.05"]
    assert talk.order(400, qty=2_501, session="s3") == ["halt adv session=s3: 0.2501 > 0.25"]


def test_what_nobody_can_value_counts_as_dear():
    talk = Talk().instrument(adv=100)
    assert talk.order(None, qty=26, order_type="market") == ["halt adv session=s1: 0.26 > 0.25"]
    talk = Talk().instrument(adv=100, currency="JPY")
    assert talk.order(1, qty=26) == ["halt adv session=s1: 0.26 > 0.25"]


def test_a_multiplier_makes_an_order_dear():
    talk = Talk().instrument(adv=100, multiplier=50)
    assert talk.order(800, qty=25, session="s2") == ["warn adv session=s2: 0.25 > 0.05"]
    assert talk.order(800, qty=26) == ["halt adv session=s1: 0.26 > 0.25"]


def test_a_replace_is_asked_for_its_quantity():
    talk = Talk().instrument(adv=100)
    talk.order(10, qty=1)
    said = talk.say("order_replace", order_id="R1", orig_order_id="O1", qty=10)
    assert said == ["warn adv session=s1: 0.1 > 0.05"]


def test_nobody_may_order_more_than_there_is():
    talk = Talk().instrument(shares_out=14_500)
    assert talk.order(1, qty=14_500) == []
    assert talk.order(1, qty=610_000) == ["halt shares_out session=s1: 42.069 > 1"]
    assert talk.parent(14_501) == ["halt shares_out host=h1: 1.00007 > 1"]


def test_of_what_nobody_said_nothing_is_asked():
    talk = Talk().instrument(adv=0, shares_out=0)
    talk.mark(10)
    assert talk.order(10, qty=1e9) == talk.order(10, qty=1e9, symbol="Y") == []
    talk.instrument(adv=10, shares_out=10)
    assert talk.order(10, qty=1e9, multileg="package") == []


# -- bad_reference ---------------------------------------------------------------------------------


@pytest.mark.parametrize("price", [0, -1])
def test_a_mark_that_cannot_be_is_recorded_and_of_a_symbol_in_use_pages_after_three_seconds(price):
    talk = Talk()
    assert talk.mark(price) == [f"warn bad_reference symbol=X: {price} > None"]
    assert talk.wait(60) == []
    talk.order(10)
    assert talk.wait(3) == [f"high bad_reference symbol=X: {price} > None"]
    assert talk.wait(60) == []


def test_ten_times_the_last_mark_is_bad_until_another_one_confirms_it():
    talk = Talk()
    talk.mark(10)
    talk.order(10)
    assert talk.mark(99) == talk.mark(1.1) == []
    assert talk.mark(100) == ["warn bad_reference symbol=X: 100 > 10"]
    assert talk.wait(2) == []
    assert talk.mark(101) == talk.wait(10) == []
    assert talk.mark(10.1) == ["warn bad_reference symbol=X: 10.1 > 101"]
    assert talk.fill(9.5) == talk.wait(10) == []


def test_a_price_may_be_declared_to_be_negative_or_zero():
    talk = Talk().instrument(negative_price_ok=True)
    assert talk.mark(-1) == talk.mark(0) == talk.mark(-1.1) == []


def test_a_symbol_that_nobody_trades_any_more_pages_nobody():
    talk = Talk()
    talk.order(10)
    talk.wait(601)
    assert talk.mark(0) == ["warn bad_reference symbol=X: 0 > None"]
    assert talk.wait(20) == []


def test_a_mark_alone_moved_it_so_no_scope_widens():
    telling = Telling(Sanity)
    (said,) = telling.tell([{"kind": "mark", "ts": START, "symbol": "X", "price": 0}])
    assert said.by_mark
    assert said.evidence.ranges == ((0, 0, 0),)


# -- one_price -------------------------------------------------------------------------------------


def test_many_symbols_at_exactly_one_price_are_recorded_and_then_page():
    talk = Talk()
    said = [talk.order(1, symbol=f"OPT{n % 25}") for n in range(40)]
    heard = {n: lines for n, lines in enumerate(said) if lines}
    assert heard == {9: ["warn one_price session=s1: 10 > 10"], 19: ["high one_price session=s1: 20 > 20"]}


def test_other_prices_and_other_sessions_are_other_questions():
    talk = Talk()
    for n in range(18):
        assert talk.order(1 + n % 2, symbol=f"OPT{n}") == []
        assert talk.order(1, symbol=f"OPT{n}", session=f"s{2 + n % 2}") == []
        assert talk.order(3, symbol="OPT") == talk.order(3, symbol=f"OPT{n}", multileg="package") == []


def test_only_the_last_ten_seconds_count():
    talk = Talk()
    for n in range(9):
        talk.order(1, symbol=f"OPT{n}")
    assert talk.after(10 * SECOND).order(1, symbol="OPT9") == []


def test_a_price_that_is_in_use_is_never_the_one_that_is_forgotten():
    talk = Talk()
    said = []
    for n in range(20):
        said += talk.order(1, symbol=f"OPT{n}")
        talk.telling.tell([
            {"kind": "order_new", "ts": talk.at, "host": "h1", "session": "s1", "order_id": f"N{n}-{k}", "account": "A",
             "symbol": "N", "side": "buy", "qty": 1, "price": 50 + (n * 200 + k) / 100}
            for k in range(200)
        ])  # fmt: skip
    assert said[-1] == "high one_price session=s1: 20 > 20"


# -- settings, reasons -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["collar_halt_count", "one_price_high_count"])
@pytest.mark.parametrize("count", [0, 65])
def test_a_count_that_no_ring_holds_is_refused(name, count):
    with pytest.raises(ValueError, match=f"{name} is from 1 to"):
        SanitySettings(**{name: count})


def test_what_halts_cancels_too():
    levels = [reason.level for reason in Sanity.reasons]
    assert levels == [Level.HALT_CANCEL] * 3 + [None, Level.HALT_CANCEL]
    assert Sanity.reason("one_price").second == ANY_FAMILY


# -- against the oracle ----------------------------------------------------------------------------

CLASSES = ("equity", "future", "fx", "option", "bond", None)


@st.composite
def references(draw: st.DrawFn) -> list[Told]:
    """Marks that wander, jump and cannot be, and what instruments are, for a minute."""
    told: list[Told] = []
    for at in sorted(draw(st.lists(st.integers(0, 60_000), max_size=25))):
        one = {"ts": START + at * MS, "arrival_ts": START + at * MS, "source": "market", "symbol": draw(st.sampled_from(SYMBOLS))}  # fmt: skip
        sizes = {"adv": draw(st.sampled_from((None, 0, 90, 20_000))), "shares_out": draw(st.sampled_from((None, 250, 10**6)))}  # fmt: skip
        if draw(st.integers(0, 3)):
            price = draw(st.sampled_from((9, 10, 11, 8, 12, 99.99, 21, 19, 0, -3, 250)))
            one |= {"kind": "mark", "price": price, **sizes}
        else:
            one |= {"kind": "instrument", "tick": draw(st.sampled_from((None, 0.01, 3))), **sizes}
            one |= {"asset_class": draw(st.sampled_from(CLASSES)), "negative_price_ok": draw(st.booleans())}
            one |= {"currency": draw(st.sampled_from((None, "USD", "JPY"))), "multiplier": draw(st.sampled_from((None, 50)))}  # fmt: skip
        told.append({k: v for k, v in one.items() if v is not None})
    return told


@pytest.mark.parametrize("moves", [MESSY, WILD], ids=["messy", "wild"])
@given(
    data=st.data(),
    counts=st.sampled_from(((1, 3, 5), (2, 2, 3), (1, 4, 2))),
    window_s=st.sampled_from((10, 1, 0.3)),
    symbols=st.sampled_from(((10, 20), (1, 2), (2, 1), (2, 3))),
    running=st.sampled_from((3, 1)),
    in_use_s=st.sampled_from((600, 3)),
)
def test_it_says_what_the_slow_oracle_says(moves, data, counts, window_s, symbols, running, in_use_s):
    stream = merged(data.draw(references()), data.draw(order_streams(moves, size_max=40)))
    warn, high, halt = counts
    telling = Telling(
        Sanity,
        {
            "collar_warn_count": warn, "collar_high_count": high, "collar_halt_count": halt, "collar_window_s": window_s,
            "one_price_warn_count": symbols[0], "one_price_high_count": symbols[1], "one_price_window_s": window_s,
            "bad_reference_running_count": running, "in_use_s": in_use_s, "adv_halt_usd": 5_000,
        },
    )  # fmt: skip
    oracle = Oracle(telling.settings)
    for ours, theirs in side_by_side(telling, oracle, stream, wait_ns=20 * SECOND):
        assert sorted(map(plain, ours)) == sorted(map(of_oracle, theirs))


def plain(b: Breach) -> tuple[Any, ...]:
    told = (
        b.at_ns,
        b.reason,
        int(b.severity),
        b.scope.text,
        float(b.measured),
        b.limit,
        b.row,
        b.exposed_usd,
    )
    return tuple(repr(each) if each is None else each for each in told)


def of_oracle(said: dict[str, Any]) -> tuple[Any, ...]:
    keys = ("at_ns", "reason", "severity", "scope", "measured", "limit", "row", "usd")
    return tuple(repr(said[k]) if said[k] is None else said[k] for k in keys)


# -- real and simulated days -----------------------------------------------------------------------


@BOTH
def test_a_recorded_day_halts_nobody_and_pages_once_an_hour_at_most(name):
    telling = Telling(Sanity)
    said = loud(day(telling, recorded(name)))
    assert [b for b in said if b.severity is Severity.HALT] == []
    assert len(said) <= 1
