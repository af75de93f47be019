"""The loop over postings: which of them is a fill that somebody made, and who made it.

A fill counts when it is known whose it is: at once if its order was announced, or if it names a strategy
itself; else when its order is, and moves it.
"""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.kernel import compiled, inlined
from detectors.places import strategy_of
from detectors.posting import Note, PostingKind
from detectors.pricing import currency_asked, instrument_told, rate_told
from detectors.self_cycle import tables as tb
from detectors.self_cycle.own_trades import judge_match
from detectors.self_cycle.tables import Tables
from detectors.self_cycle.trips import judge_trip


@compiled
def judge(postings, start, rows, *tables):  # noqa: ANN002  Tables
    """Judge postings from `start`; returns (next posting, hits); stops where hits are full or it must ask."""
    t = Tables(*tables)
    n = np.int64(0)
    for i in range(start, postings.shape[0]):
        kind = postings[i, po.KIND]
        if kind == PostingKind.EXECUTED or kind == PostingKind.MOVED_IN:
            if n + tb.HITS_OF_ONE > t.hits.shape[0]:
                return i, n
            n = _hear_fill(t, postings, i, rows, n)
        elif kind == PostingKind.MOVED_OUT:
            t.state[tb.ST_OUT_COUNTED] = np.int64(postings[i, po.STRATEGY] > nm.OTHER)
        elif kind == PostingKind.RATED or kind == PostingKind.INSTRUMENT:
            t.state[tb.ST_CURRENCY] = currency_asked(t.currencies, postings, i, rows)
            if t.state[tb.ST_CURRENCY] != 0:
                return i, n
            if kind == PostingKind.RATED:
                rate_told(t.currencies, postings, i)
            else:
                instrument_told(t.symbols, postings, i, rows)
    return postings.shape[0], n


@inlined
def _hear_fill(t, postings, i, rows, n):
    """An execution, or one that a late order moves to where it belongs."""
    x, match = postings[i, po.EXEC], np.int64(0)
    slot = x % tb.EXECS_MAX
    if postings[i, po.POS] == 0:
        return n
    if postings[i, po.KIND] == PostingKind.EXECUTED:
        match = rows[postings[i, po.ROW], ev.MATCH]
        is_nobodys = postings[i, po.BITS] & Note.ORDER_UNKNOWN != 0 and postings[i, po.STRATEGY] <= nm.OTHER
        if is_nobodys:
            t.execs[slot, tb.X_EXEC] = x + 1
            t.execs[slot, tb.X_MATCH] = match
            return n
    else:
        if t.state[tb.ST_OUT_COUNTED] != 0:
            return n
        if t.execs[slot, tb.X_EXEC] == x + 1:
            match = t.execs[slot, tb.X_MATCH]
    place, now = strategy_of(postings, i, t.places, t.codes), max(postings[i, po.AT], postings[i, po.LOW])
    n = judge_trip(t, postings, i, place, now, n)
    return judge_match(t, postings, i, match, place, now, n) if match != 0 else n
