"""Which cells a posting moves: for each grain where its order works, and where its position is.

Working quantity belongs to the order's own cell, also where an execution was booked elsewhere.
"""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import posting as po
from detectors.exposure import tables as tb
from detectors.exposure.cells import cell_of
from detectors.exposure.worth import apply, is_restated
from detectors.kernel import inlined
from detectors.ledger import tables as lt
from detectors.posting import Note, PostingKind


@inlined
def is_idle(postings, i):
    """Whether a posting moves neither a position nor a working quantity."""
    kind = postings[i, po.KIND]
    return (
        postings[i, po.POS] == 0
        and postings[i, po.WORK] == 0
        and postings[i, po.BASE] == 0
        and kind != PostingKind.ORDER_SENT
        and kind != PostingKind.ORDER_CHANGED
        and kind != PostingKind.POSITION_SET
        and not is_restated(postings, i)
    )


@inlined
def find_legs(t, postings, i):
    """Write `legs`, -1 where there is no cell; returns whether the order sells.  Again changes nothing."""
    kind, order = postings[i, po.KIND], postings[i, po.ORDER]
    is_sent = kind == PostingKind.ORDER_SENT
    has_position = (
        is_sent
        or kind == PostingKind.POSITION_SET
        or postings[i, po.POS] != 0
        or postings[i, po.BASE] != 0
        or is_restated(postings, i)
    )
    has_work = postings[i, po.WORK] != 0 or kind == PostingKind.ORDER_CHANGED
    is_unknown = kind == PostingKind.ORDER_CHANGED and postings[i, po.BITS] & Note.ORDER_UNKNOWN != 0
    has_work = has_work and order > 0 and not is_sent and not is_unknown
    sells = np.int64(postings[i, po.SIGN] < 0)
    for grain in range(t.plan.shape[0]):
        work, position = np.int64(-1), np.int64(-1)
        if t.plan[grain, tb.G_SHAPES] != 0:
            if has_position:
                position = cell_of(t, postings, i, grain)
            if has_work and t.orders[order, grain] != 0:
                work = np.int64(t.orders[order, grain] - 1) >> 1
                sells = np.int64(t.orders[order, grain] - 1) & 1
            if is_sent and order > 0:
                t.orders[order, grain] = 2 * position + sells + 1 if position >= 0 else 0
        t.legs[2 * grain] = work
        t.legs[2 * grain + 1] = position
    if is_sent and order > 0:
        t.state[tb.ST_ORDERS] = max(order + 1, t.state[tb.ST_ORDERS])
    return sells


@inlined
def book(t, postings, i, rows, sells):
    """Apply a posting to all of its cells."""
    date = _date_of(t.x32, postings, i, rows)
    for grain in range(t.plan.shape[0]):
        work, position = t.legs[2 * grain], t.legs[2 * grain + 1]
        for leg in range(2):
            c = t.legs[2 * grain + leg]
            if c < 0 or (leg == 0 and work == position):
                continue
            has_work = leg == 0 or work == position or postings[i, po.KIND] == PostingKind.ORDER_SENT
            apply(t, postings, i, c, leg == 1, has_work, sells, date)


@inlined
def _date_of(x32, postings, i, rows):
    """The trade date that an execution belongs to, or else an order."""
    if postings[i, po.EXEC] >= 0 and postings[i, po.KIND] != PostingKind.EXECUTED:
        return np.int64(x32[postings[i, po.EXEC], lt.X_DATE])
    return rows[postings[i, po.ROW], ev.TRADE_DATE]
