"""Reference prices: what is told of a symbol, and the mark that cannot be.

    bad   a mark of zero or less where none was declared possible, or ten times the last one, until another
          mark, or a fill, confirms it

A bad mark is recorded; one of a symbol in use that stands for three evaluations pages.  It values nothing:
where a price is asked for, the one before it counts, as long as that is not too old.
"""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.evidence import BEGUN, COUNT, found, remember
from detectors.kernel import SECOND_NS, compiled, inlined
from detectors.posting import PostingKind
from detectors.pricing import Y_MARK, Y_WAITING, filled_at, instrument_told, marked, rate_told
from detectors.rungs import HIGH, WARN, hold, rises
from detectors.sanity import tables as tb
from detectors.sanity.reasons import BAD_REFERENCE

SYMBOL_KIND = nm.SYMBOL + 1


@inlined
def now_of(postings, i):
    """When something happened, as windows see it: never before what is over."""
    return max(postings[i, po.AT], postings[i, po.LOW])


@inlined
def class_asked(t, postings, i, rows):
    """A class of instruments that nobody said yet what it is; 0 if there is none in this reference."""
    if postings[i, po.KIND] != PostingKind.INSTRUMENT:
        return 0
    said = rows[postings[i, po.ROW], ev.ASSET_CLASS]
    return said if said > nm.OTHER and t.classes[said] == 0 else 0


@compiled
def hear_reference(t, postings, i, rows, n):
    """A price, a rate or an instrument; returns the next free hit."""
    kind, symbol, row = postings[i, po.KIND], postings[i, po.SYMBOL], postings[i, po.ROW]
    if kind == PostingKind.RATED:
        rate_told(t.currencies, postings, i)
        return n
    if symbol <= nm.OTHER:
        return n
    for column, told in ((tb.F_ADV, rows[row, ev.ADV]), (tb.F_SHARES_OUT, rows[row, ev.SHARES_OUT])):
        if told != ev.NONE:
            t.facts[symbol, column] = told
    if kind == PostingKind.INSTRUMENT:
        instrument_told(t.symbols, postings, i, rows)
        tick, asset_class = rows[row, ev.TICK], rows[row, ev.ASSET_CLASS]
        t.facts[symbol, tb.F_TICK] = max(tick, 0)
        t.facts[symbol, tb.F_CLASS] = max(t.classes[asset_class] - 1, 0)
        t.facts[symbol, tb.F_NEGATIVE_OK] = np.int64(rows[row, ev.BITS] & ev.Bit.NEGATIVE_PRICE_OK != 0)
        return n
    return _hear_mark(t, postings, i, symbol, n)


@inlined
def _hear_mark(t, postings, i, symbol, n):
    px, at, last = postings[i, po.PX], postings[i, po.AT], t.symbols[symbol, Y_MARK]
    cannot_be = px <= 0 and t.facts[symbol, tb.F_NEGATIVE_OK] == 0
    is_confirmed = False
    if not cannot_be:
        is_confirmed = marked(t.symbols, symbol, px, t.shares[tb.R_NEAR])
        if is_confirmed:
            t.facts[symbol, tb.F_MARKED_AT] = at
        elif t.symbols[symbol, Y_WAITING] != 0:
            t.facts[symbol, tb.F_WAITING_AT] = at
    if is_confirmed or not (cannot_be or _is_times(px, last, t.shares[tb.R_TIMES])):
        t.facts[symbol, tb.F_BAD] = tb.NOT_BAD
        return n
    t.facts[symbol, tb.F_BAD] = px
    t.facts[symbol, tb.F_LAST] = last
    t.facts[symbol, tb.F_PART] = postings[i, po.PART]
    t.facts[symbol, tb.F_OFFSET] = postings[i, po.OFFSET]
    if t.facts[symbol, tb.F_LISTED] == 0:
        t.facts[symbol, tb.F_LISTED] = 1
        t.facts[symbol, tb.F_RUNS] = 0
        t.bad[t.state[tb.ST_BAD]] = symbol
        t.state[tb.ST_BAD] += 1
    now = now_of(postings, i)
    is_said = rises(t.held, symbol, WARN, now)
    hold(t.held, symbol, WARN, now)
    return _say(t, symbol, WARN, postings[i, po.ROW], at, n) if is_said else n


@inlined
def _is_times(px, last, times):
    """Whether a price is so many times another one, or less than that part of it; a zero may be declared."""
    if last == 0 or px == 0:
        return False
    ratio = float(px) / float(last)
    return ratio >= times or ratio <= 1.0 / times


@inlined
def hear_fill(t, postings, i):
    """A fill: its symbol is in use, and a mark that waited may be confirmed by it."""
    symbol, px = postings[i, po.SYMBOL], postings[i, po.PX]
    if symbol <= nm.OTHER or postings[i, po.POS] == 0:
        return
    t.facts[symbol, tb.F_USED_AT] = max(now_of(postings, i), t.facts[symbol, tb.F_USED_AT])
    if px != 0 and px != ev.NONE and filled_at(t.symbols, symbol, px, t.shares[tb.R_NEAR]):
        t.facts[symbol, tb.F_MARKED_AT] = t.facts[symbol, tb.F_WAITING_AT]
        t.facts[symbol, tb.F_BAD] = tb.NOT_BAD


@compiled
def tick(t, low, row, n):
    """The evaluations that are due by `low`; returns (hits, whether there was room for all)."""
    target = low // SECOND_NS
    if t.state[tb.ST_TICKED] == 0:
        t.state[tb.ST_TICKED] = target  # the first time that is known
    last = t.state[tb.ST_TICKED] + t.limits[tb.L_RUNNING] + 1  # after so many nothing new is said in silence
    while t.state[tb.ST_TICKED] < target:
        if t.state[tb.ST_BAD] == 0:
            t.state[tb.ST_TICKED] = target
            break
        second = t.state[tb.ST_TICKED] + 1 if t.state[tb.ST_TICKED] < last else target
        while t.state[tb.ST_CURSOR] < t.state[tb.ST_BAD]:
            if n >= t.hits.shape[0]:
                return n, False
            symbol = t.bad[t.state[tb.ST_CURSOR]]
            n = _evaluate(t, symbol, second * SECOND_NS, row, n)
            if t.facts[symbol, tb.F_LISTED] != 0:
                t.bad[t.state[tb.ST_KEPT]] = symbol
                t.state[tb.ST_KEPT] += 1
            t.state[tb.ST_CURSOR] += 1
        t.state[tb.ST_BAD] = t.state[tb.ST_KEPT]
        t.state[tb.ST_CURSOR] = 0
        t.state[tb.ST_KEPT] = 0
        t.state[tb.ST_TICKED] = second
    t.state[tb.ST_NEXT_NS] = (t.state[tb.ST_TICKED] + 1) * SECOND_NS
    return n, True


@inlined
def _evaluate(t, symbol, at, row, n):
    """One bad reference at one second."""
    if t.facts[symbol, tb.F_BAD] == tb.NOT_BAD:
        t.facts[symbol, tb.F_LISTED] = 0
        return n
    used = t.facts[symbol, tb.F_USED_AT]
    if used == 0 or at - used > t.limits[tb.L_IN_USE]:
        t.facts[symbol, tb.F_RUNS] = 0
        return n
    stood, running = t.facts[symbol, tb.F_RUNS] >= t.limits[tb.L_RUNNING], t.limits[tb.L_RUNNING]
    t.facts[symbol, tb.F_RUNS] = min(t.facts[symbol, tb.F_RUNS] + 1, running)
    if t.facts[symbol, tb.F_RUNS] < running:
        return n
    is_said = not stood and rises(t.held, symbol, HIGH, at)
    hold(t.held, symbol, HIGH, at + SECOND_NS)  # until the next evaluation
    return _say(t, symbol, HIGH, row, at, n) if is_said else n


@compiled
def _say(t, symbol, rung, row, at, n):
    """The bad mark itself is the evidence."""
    px, last = t.facts[symbol, tb.F_BAD], t.facts[symbol, tb.F_LAST]
    t.rings[0, COUNT] = 0
    t.rings[0, BEGUN] = 0
    remember(t.rings, 0, t.facts[symbol, tb.F_PART], t.facts[symbol, tb.F_OFFSET], at, 0)
    limit = last if last != 0 else ev.NONE
    return found(
        t.hits, n, BAD_REFERENCE, rung, row, at, SYMBOL_KIND, symbol, px, limit, 0, ev.NONE, t.rings, 0
    )
