"""Prices meet the published sums at every seed."""

import numpy as np
import pytest

from monitor.scenarios.day import END_NS, OPEN_NS
from monitor.scenarios.market import BOUGHT, KNIGHT_SYMBOLS, SYMBOLS, market, wrong_rate


def test_the_pace_adds_up_to_four_million_executions():
    assert wrong_rate(np.arange(-10, 3000)).sum() == 4_224_500
    assert wrong_rate(np.array([0, 1, 9, 10, 1199, 1200, 2699, 2700])).tolist() == [
        0, 100, 900, 1000, 1000, 2020, 2020, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3, 42])
def test_75_stocks_move_over_5_percent_and_37_of_them_over_10(seed):
    of = market(seed)
    symbols = np.arange(SYMBOLS)
    before = of.mid(symbols, np.full(SYMBOLS, OPEN_NS))
    moved = np.abs(of.mid(symbols, np.full(SYMBOLS, END_NS)) / before - 1)
    assert np.count_nonzero(moved > 0.05) == 75
    assert np.count_nonzero(moved > 0.10) == 37
    assert moved.max() < 0.6
    assert np.count_nonzero(of.move > 0) == BOUGHT
    assert np.count_nonzero(of.weight) == KNIGHT_SYMBOLS
    assert of.reference.min() >= 3
    assert of.reference.max() <= 90


def test_tickers_are_distinct():
    assert len(set(market(1).names)) == SYMBOLS
