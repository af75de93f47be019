"""The loop over postings: seconds that are due, then what each posting moves, then whom that concerns."""

from __future__ import annotations

import numpy as np

from detectors import posting as po
from detectors.exposure import tables as tb
from detectors.exposure.after_posting import judge_scope
from detectors.exposure.caps import judge_caps
from detectors.exposure.each_second import tick
from detectors.exposure.legs import book, find_legs, is_idle
from detectors.exposure.many_cells import hear_reference, prepare
from detectors.exposure.tables import Tables
from detectors.kernel import compiled, inlined
from detectors.posting import Note, PostingKind
from detectors.pricing import currency_asked, is_reference


@compiled
def judge(postings, start, rows, *tables):  # noqa: ANN002  Tables
    """Judge postings from `start`; returns (next posting, hits); stops where hits are full or it must ask."""
    t = Tables(*tables)
    n = np.int64(0)
    for i in range(start, postings.shape[0]):
        if postings[i, po.LOW] >= t.state[tb.ST_NEXT_NS] and postings[i, po.LOW] > 0:
            n, done = tick(t, postings[i, po.LOW], postings[i, po.ROW], n)
            if not done:
                return i, n
        if is_reference(postings[i, po.KIND]):
            t.state[tb.ST_CURRENCY] = currency_asked(t.currencies, postings, i, rows)
            if t.state[tb.ST_CURRENCY] != 0:
                return i, n
            hear_reference(t, postings, i, rows)
        elif not is_idle(postings, i):
            if n + tb.HITS_OF_ONE > t.hits.shape[0]:
                return i, n
            sells = find_legs(t, postings, i)
            if t.state[tb.ST_ANSWERED] < t.state[tb.ST_SCOPES]:
                return i, n
            prepare(t, postings, i, rows)
            if postings[i, po.KIND] != PostingKind.MOVED_IN:  # it is one with the MOVED_OUT before it
                t.state[tb.ST_STAMP] += 1
            book(t, postings, i, rows, sells)
            n = _judge_legs(t, postings, i, n)
    return postings.shape[0], n


@inlined
def _judge_legs(t, postings, i, n):
    """The scopes of all cells that a posting moved, and the caps of its order."""
    kind, date = postings[i, po.KIND], t.accounts[postings[i, po.ACCOUNT], tb.A_DATE]
    may_rise = kind != PostingKind.POSITION_SET
    was_raised = postings[i, po.WORK] > 0 and postings[i, po.BITS] & Note.REPLACED != 0
    is_capped = kind == PostingKind.ORDER_SENT or (kind == PostingKind.ORDER_CHANGED and was_raised)
    for leg in range(2 * t.plan.shape[0]):
        c = t.legs[leg]
        if c < 0:
            continue
        for j in range(t.plan[t.cells[c, tb.C_GRAIN], tb.G_SHAPES]):
            s = t.cells[c, tb.C_SCOPES + j]
            if s != 0:
                n = judge_scope(t, postings, i, s, date, may_rise, n)
        if c > 0 and is_capped and t.limits[tb.L_HAS_CAPS]:
            n = judge_caps(t, postings, i, c, date, n)
    return n


@compiled
def judge_silence(now_ns, *tables):  # noqa: ANN002  Tables
    """Time has passed; returns (hits, whether there was room for all)."""
    return tick(Tables(*tables), now_ns, np.int64(-1), np.int64(0))
