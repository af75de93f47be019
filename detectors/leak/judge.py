"""The one pass over postings: clock bounds always; orders and positions while a halt is in force."""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import posting as po
from detectors.event import Kind, ReasonClass
from detectors.kernel import compiled, inlined
from detectors.leak import tables as tb
from detectors.leak.orders import begin, is_known, work
from detectors.leak.rules import judge_order, judge_replace, judge_working, watch_late
from detectors.posting import Note, PostingKind


@compiled
def judge(postings, start, rows, now_ns, *tables):  # noqa: ANN002  Tables
    """Judge from `start`, then silence until `now_ns`; returns (next posting, hits)."""
    t = tb.Tables(*tables)
    n, nobody = np.int64(0), np.int64(-1)  # as all rows and counts are: each type would be compiled apart
    for i in range(start, postings.shape[0]):
        if not t.state[tb.S_FOLLOWS]:
            if postings[i, po.KIND] == PostingKind.EVENT:
                _hear_bound(t, rows[postings[i, po.ROW]])
            continue
        if n + 2 * t.in_force[0] > t.hits.shape[0]:
            return i, n
        p = postings[i]
        if 0 < t.state[tb.S_NEXT_DUE] <= p[po.LOW]:
            n = judge_working(t, p[po.LOW], p[po.ROW], n)
        row = rows[p[po.ROW]]
        kind = p[po.KIND]
        if kind == PostingKind.EVENT:
            _hear_bound(t, row)
        elif kind == PostingKind.ORDER_SENT and p[po.ORDER] > 0:
            begin(t, p, row)
        t.pairs[p[po.PAIR], tb.A_POSITION] += p[po.POS] + p[po.BASE]
        if not is_known(t, p):
            continue
        work(t, p)
        if kind == PostingKind.ORDER_SENT:
            if t.state[tb.S_NEXT_DUE] != 0:
                watch_late(t, p[po.ORDER], row[ev.ORDER_HI], row[ev.ORDER_LO])
        elif kind == PostingKind.ORDER_ANSWERED:
            if _is_accepted(t, p, row):
                n = judge_order(t, p, n)
        elif kind == PostingKind.MOVED_IN:
            n = judge_order(t, p, n)
        elif kind == PostingKind.REQUESTED and row[ev.KIND] == Kind.REPLACE_REQUEST:
            t.orders[p[po.ORDER], tb.O_ASKED] = p[po.AT]
            t.orders[p[po.ORDER], tb.O_ASKED_ID] = row[ev.ORDER_LO]
        elif kind == PostingKind.ORDER_CHANGED:
            if p[po.BITS] & Note.REPLACED:
                n = judge_replace(t, p, row[ev.ORDER_LO], n)
                t.orders[p[po.ORDER], tb.O_PX] = p[po.PX]
            t.orders[p[po.ORDER], tb.O_QTY] = p[po.QTY]
    if 0 < t.state[tb.S_NEXT_DUE] <= now_ns:
        n = judge_working(t, now_ns, nobody, n)
    return postings.shape[0], n


@inlined
def _hear_bound(t, row):
    """A heartbeat says how far its host's clock may be off."""
    if row[ev.KIND] == Kind.HEARTBEAT and row[ev.CLOCK_BOUND] != ev.NONE:
        t.bounds[row[ev.HOST]] = row[ev.CLOCK_BOUND] + 1


@inlined
def _is_accepted(t, p, row):
    """Whether the first answer shows that the market has the order; of one announced late: that it works."""
    told = row[ev.KIND]
    if told == Kind.ORDER_NEW:
        return t.orders[p[po.ORDER], tb.O_WORK] > 0
    is_by_risk = told == Kind.ORDER_CANCEL and row[ev.REASON_CLASS] == ReasonClass.RISK
    return told != Kind.ORDER_REJECT and not is_by_risk
