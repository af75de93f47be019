"""Many symbols ordered at exactly one price: a price that came from nowhere, and not from their markets.

Of each price at which a session sent orders the latest symbols are remembered, each with its latest time;
how many of these are within the window is what counts.
"""

from __future__ import annotations

import numpy as np

from detectors import names as nm
from detectors import posting as po
from detectors.event import NONE, UNIT
from detectors.evidence import remember
from detectors.kernel import compiled, inlined
from detectors.ledger.index import mix
from detectors.posting import Note
from detectors.rungs import HIGH, RUNGS, WARN, hold, rises
from detectors.sanity import tables as tb
from detectors.sanity.places import say, worth_of
from detectors.sanity.reasons import ONE_PRICE


@inlined
def judge_one_price(t, postings, i, place, now, n):
    """An order that is new and has a price."""
    symbol, px = postings[i, po.SYMBOL], postings[i, po.PX]
    if px == NONE or symbol <= nm.OTHER or postings[i, po.BITS] & Note.PACKAGE != 0:
        return n
    q = _find(t, place, px)
    return _count(t, postings, i, q, place, symbol, now, n)


@inlined
def _find(t, place, px):
    """The row of a price of a place; of four, what was quiet longest gives way to a new one."""
    first = (mix(px, place) & (tb.PRICES_MAX // tb.WAYS - 1)) * tb.WAYS
    quietest = first
    for q in range(first, first + tb.WAYS):
        if t.prices[q, tb.Q_COUNT] != 0 and t.prices[q, tb.Q_PX] == px and t.prices[q, tb.Q_PLACE] == place:
            return q
        if t.prices[q, tb.Q_PAIRS] < t.prices[quietest, tb.Q_PAIRS]:
            quietest = q
    t.prices[quietest, tb.Q_PLACE] = place
    t.prices[quietest, tb.Q_PX] = px
    t.prices[quietest, tb.Q_COUNT] = 0
    for rung in range(RUNGS):
        t.priced[quietest, rung] = 0
    return quietest


@inlined
def _count(t, postings, i, q, place, symbol, now, n):
    """The symbol comes to the front; it counts once if it was not there within the window."""
    now = max(now, t.prices[q, tb.Q_PAIRS]) if t.prices[q, tb.Q_COUNT] > 0 else now
    if t.prices[q, tb.Q_COUNT] > 0 and t.prices[q, tb.Q_PAIRS + 1] == symbol:
        t.prices[q, tb.Q_PAIRS] = now  # by far most orders: the same symbol at the same price
        if t.prices[q, tb.Q_COUNT] < min(t.limits[tb.L_PRICE_WARN], t.limits[tb.L_PRICE_HIGH]):
            return n
    else:
        _bring_to_front(t.prices, q, symbol, now)
    return _judge(t, postings, i, q, place, now, n)


@compiled
def _bring_to_front(prices, q, symbol, now):
    count = prices[q, tb.Q_COUNT]
    last = 0
    while last < count and prices[q, tb.Q_PAIRS + 2 * last + 1] != symbol:
        last += 1
    if last == count:
        prices[q, tb.Q_COUNT] = min(count + 1, tb.SYMBOLS_OF_PRICE)
        last = min(last, tb.SYMBOLS_OF_PRICE - 1)
    for back in range(last, 0, -1):
        prices[q, tb.Q_PAIRS + 2 * back] = prices[q, tb.Q_PAIRS + 2 * back - 2]
        prices[q, tb.Q_PAIRS + 2 * back + 1] = prices[q, tb.Q_PAIRS + 2 * back - 1]
    prices[q, tb.Q_PAIRS] = now
    prices[q, tb.Q_PAIRS + 1] = symbol


@compiled
def _judge(t, postings, i, q, place, now, n):
    """How many symbols stand within the window, and until when so many do."""
    window, key = t.limits[tb.L_PRICE_WINDOW], 1 + place * tb.LANES + tb.LANE_PRICE
    count = np.int64(0)
    while count < t.prices[q, tb.Q_COUNT] and t.prices[q, tb.Q_PAIRS + 2 * count] > now - window:
        count += 1
    if count < t.limits[tb.L_PRICE_WARN] and count < t.limits[tb.L_PRICE_HIGH]:
        return n
    remember(t.rings, key, postings[i, po.PART], postings[i, po.OFFSET], now, window)
    is_high = count >= t.limits[tb.L_PRICE_HIGH]
    rung = np.int64(HIGH if is_high else WARN)
    limit = t.limits[tb.L_PRICE_HIGH if is_high else tb.L_PRICE_WARN]
    is_said = rises(t.priced, q, rung, now)
    for each in (WARN, HIGH):
        needed = t.limits[tb.L_PRICE_WARN + each - WARN]
        if count >= needed:
            hold(t.priced, q, each, t.prices[q, tb.Q_PAIRS + 2 * (needed - 1)] + window)
    if not is_said:
        return n
    usd = worth_of(t, postings, i)
    return say(t, postings, i, n, ONE_PRICE, tb.LANE_PRICE, rung, place, count * UNIT, limit * UNIT, usd)
