"""Which replace is calmer, and which amount can be read."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from monitor.gateway.order import Code
from tests.gateway.words import (
    a_gate,
    halted,
    new,
    replaced,
)

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


@pytest.mark.parametrize(
    "amount",
    [0, -1, math.nan, math.inf, "100", None, True, Decimal("NaN"), Decimal("sNaN"), -Decimal("Infinity")],
)
def test_an_amount_that_cannot_be_read_is_refused(amount):
    assert new(a_gate(), qty=amount).code is Code.AMOUNT_UNREADABLE
