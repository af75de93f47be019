"""The loop: one posting after another, each after the ticks that come before it."""

from __future__ import annotations

import numpy as np

from detectors import posting as po
from detectors.fill_gap.clock import note_clock
from detectors.fill_gap.executions import executed, told_more
from detectors.fill_gap.orders import answered, sent
from detectors.fill_gap.parents import of_parent
from detectors.fill_gap.places import place_of
from detectors.fill_gap.tables import L_HAS_BOOKED, S_ASKED, S_CURRENCY, S_NEXT_NS, Tables
from detectors.fill_gap.ticks import pass_time
from detectors.kernel import compiled
from detectors.posting import PostingKind
from detectors.pricing import units_told


@compiled
def judge(
    postings, start, rows, now_ns, limits, state, orders, execs, parents, places, sends, cross, rings, watch,
    codes, symbols, currencies, waiting, hits,
):  # fmt: skip
    """Judge from `start`, then silence until `now_ns`; returns (next posting, hits, whether that is all).

    Stops where hits are full or it must ask.
    """
    t = Tables(
        limits, state, orders, execs, parents, places, sends, cross, rings, watch, codes, symbols, currencies,
        waiting, hits,
    )  # fmt: skip
    n, nobody = np.int64(0), np.int64(-1)  # as all rows and counts are: each type would be compiled apart
    for i in range(start, postings.shape[0]):
        p = postings[i]
        if p[po.LOW] >= state[S_NEXT_NS]:
            n, done = pass_time(t, p[po.LOW], p[po.ROW], n)
            if not done:
                return i, n, False
        kind, place, strategy = p[po.KIND], 0, 0
        if kind in (PostingKind.ORDER_SENT, PostingKind.EXECUTED, PostingKind.MOVED_IN):
            place = place_of(t, p, False)
            if state[S_ASKED] == 0:
                strategy = place_of(t, p, True)
            if state[S_ASKED] != 0:
                return i, n, False
        if kind in (PostingKind.RATED, PostingKind.INSTRUMENT):
            state[S_CURRENCY] = units_told(symbols, currencies, postings, i, rows)
            if state[S_CURRENCY] != 0:
                return i, n, False
        elif kind == PostingKind.ORDER_SENT:
            sent(t, p, rows[p[po.ROW]], place, strategy)
        elif kind in (PostingKind.ORDER_ANSWERED, PostingKind.ORDER_OUT):
            if p[po.ORDER] > 0:
                answered(t, p)
        elif kind == PostingKind.EXECUTED:
            executed(t, p, rows[p[po.ROW]], place)
        elif kind >= PostingKind.BUSTED and p[po.EXEC] > 0 and kind != PostingKind.MOVED_IN:
            told_more(t, p)
        if p[po.PARENT] > 0 and limits[L_HAS_BOOKED] != 0:
            if p[po.FILL] != 0 or PostingKind.PARENT_OPENED <= kind <= PostingKind.PARENT_DONE:
                of_parent(t, p, rows[p[po.ROW]], strategy)
        note_clock(t, p)
    n, done = pass_time(t, now_ns, nobody, n)
    return postings.shape[0], n, done
