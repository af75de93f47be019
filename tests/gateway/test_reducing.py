"""Under reduce_only nothing leaves that could make a position larger."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Level
from monitor.gateway import Position
from tests.gateway.words import (
    NOW,
    S,
    halted,
    new,
    replaced,
    said,
    sealed,
)

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
