"""One order's price against the mark: through it on the aggressive side, further than its class allows.

    a buy above    mark + max(share x |mark|, ticks x tick)
    a sell below   mark - the same

An order that waits for an auction, for a condition or for a price is not asked, nor is a package, whose
price is no symbol's.  A replace is asked where it says a price.  No mark, or an old one: the question is
stale (`results`).
"""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.event import NONE, UNIT, OrderType
from detectors.evidence import remember
from detectors.kernel import compiled, inlined
from detectors.posting import Note, PostingKind
from detectors.pricing import Y_CURRENCY, Y_MARK, dollars_for_one
from detectors.rungs import HALT, HIGH, WARN, hold, rises
from detectors.sanity import tables as tb
from detectors.sanity.places import say, worth_of
from detectors.sanity.reasons import COLLAR

WAITS = Note.CONDITIONAL | Note.AUCTION | Note.PACKAGE


@inlined
def note_stop(t, postings, i, rows):
    """Whether an order waits for a price is remembered: its replaces do not say so again."""
    order, order_type = postings[i, po.ORDER], rows[postings[i, po.ROW], ev.ORDER_TYPE]
    if order > 0:
        t.stops[order] = order_type == OrderType.STOP or order_type == OrderType.STOP_LIMIT
        t.state[tb.ST_ORDERS] = max(order + 1, t.state[tb.ST_ORDERS])


@inlined
def judge_price(t, postings, i, rows, place, now, n):
    """An order that is new, or was given another price."""
    symbol, px, sign = postings[i, po.SYMBOL], postings[i, po.PX], postings[i, po.SIGN]
    if px == NONE or sign == 0 or symbol <= nm.OTHER or postings[i, po.BITS] & WAITS != 0:
        return n
    order, row = postings[i, po.ORDER], postings[i, po.ROW]
    if order > 0 and t.stops[order] != 0:
        return n
    if postings[i, po.KIND] != PostingKind.ORDER_SENT and rows[row, ev.PRICE] == NONE:
        return n
    mark = t.symbols[symbol, Y_MARK]
    if mark == 0 or postings[i, po.AT] - t.facts[symbol, tb.F_MARKED_AT] > t.limits[tb.L_AGE]:
        t.facts[symbol, tb.F_STALE_AT] = now
        return n
    t.facts[symbol, tb.F_STALE_AT] = 0
    if sign * (px - mark) <= _collar_of(t, symbol, mark):
        return n
    return _count(t, postings, i, place, now, n)


@inlined
def _collar_of(t, symbol, mark):
    """How far through the mark an order of this symbol may be, 1e-8."""
    share = t.shares[t.facts[symbol, tb.F_CLASS]]
    if t.facts[symbol, tb.F_CLASS] == tb.R_EQUITY:
        usd = dollars_for_one(t.symbols, symbol, t.currencies)
        rate = float(usd) / UNIT if usd != 0 and t.symbols[symbol, Y_CURRENCY] != 0 else 1.0
        if abs(float(mark)) * rate < t.shares[tb.R_LOW_PX]:
            share = t.shares[tb.R_LOW]
    ticks = t.shares[tb.R_TICKS] * float(t.facts[symbol, tb.F_TICK])
    return np.int64(max(share * abs(float(mark)), ticks))


@compiled
def _count(t, postings, i, place, now, n):
    """One more order through the collar: how many of its session there were within the window."""
    window, seen = t.limits[tb.L_COLLAR_WINDOW], t.times[place, 0]
    if seen > 0:  # the ring stays in the order of time
        now = max(now, t.times[place, 1 + (seen - 1) % tb.TIMES_MAX])
    t.times[place, 1 + seen % tb.TIMES_MAX] = now
    t.times[place, 0] = seen + 1
    ring = 1 + place * tb.LANES + tb.LANE_COLLAR
    remember(t.rings, ring, postings[i, po.PART], postings[i, po.OFFSET], now, window)
    count = np.int64(0)
    while count <= min(seen, tb.TIMES_MAX - 1) and _nth(t, place, count) > now - window:
        count += 1
    rung, limit = np.int64(0), np.int64(0)
    key = place * tb.LANES + tb.LANE_COLLAR
    for each in (WARN, HIGH, HALT):
        needed = t.limits[tb.L_COLLAR_WARN + each - WARN]
        if count >= needed:
            rung, limit = np.int64(each), needed
    is_said = rises(t.until, key, rung, now)
    for each in (WARN, HIGH, HALT):
        needed = t.limits[tb.L_COLLAR_WARN + each - WARN]
        if count >= needed:
            hold(t.until, key, each, _nth(t, place, needed - 1) + window)
    if not is_said:
        return n
    usd = worth_of(t, postings, i)
    return say(t, postings, i, n, COLLAR, tb.LANE_COLLAR, rung, place, count * UNIT, limit * UNIT, usd)


@inlined
def _nth(t, place, back):
    """When the order was sent that came so many before the last one."""
    return t.times[place, 1 + (t.times[place, 0] - 1 - back) % tb.TIMES_MAX]
