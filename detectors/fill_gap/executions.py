"""Executions: one that is told by no drop copy, and one whose order nobody announced, wait from here.

What is said of them later ends the waiting, or changes what it is about.
"""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.evidence import dollars
from detectors.fill_gap import tables as tb
from detectors.fill_gap.clock import judge_until, now_of, since_of
from detectors.fill_gap.orphans import count_orphan
from detectors.fill_gap.prices import price_of
from detectors.fill_gap.waiting import wait
from detectors.fill_gap.witnesses import DROP_COPY, ask, hear
from detectors.kernel import compiled, inlined
from detectors.posting import Note, PostingKind


@inlined
def executed(t, p, row, place):
    """An execution seen for the first time: the drop copy should tell it too, and somebody its order."""
    limits, x = t.limits, p[po.EXEC]
    m = t.execs[x & (tb.EXECS_MAX - 1)]
    since, now = since_of(t, p, row), now_of(p)
    is_copy = p[po.BITS] & Note.DROP_COPY != 0
    if limits[tb.L_HAS_COPY] != 0 and is_copy:
        hear(t, DROP_COPY, p[po.PART], now)
    if m[tb.X_EXEC] != 0 and m[tb.X_COPY] > 0:
        t.waiting[m[tb.X_COPY] - 1, tb.W_END] = 1  # a quarter of a million executions ago: lost
    m[tb.X_EXEC] = 0
    if x <= 0 or p[po.FILL] == 0 or p[po.BITS] & Note.MANUAL:
        return
    is_orphan = p[po.BITS] & Note.ORDER_UNKNOWN != 0
    must_be_told = limits[tb.L_HAS_COPY] != 0 and not is_copy
    if not is_orphan and not must_be_told:
        return
    usd = dollars(p[po.QTY], price_of(t, p))
    t.state[tb.S_EXECS] = max((x & (tb.EXECS_MAX - 1)) + 1, t.state[tb.S_EXECS])
    m[tb.X_EXEC] = x + 1
    m[tb.X_COPY] = 0
    m[tb.X_ORPHAN] = 0
    m[tb.X_PLACE] = place
    m[tb.X_USD] = usd
    if must_be_told:
        m[tb.X_COPY] = wait(t, p, tb.COPY, x, since, place, usd)
        judge_until(t, place, now + limits[tb.L_ALLOWANCE] + limits[tb.L_HALT_NS])
        ask(t, DROP_COPY, p[po.PART], since, p[po.OFFSET])
    if is_orphan:
        entry = wait(t, p, tb.ORPHAN, x, since, place, usd)
        m[tb.X_ORPHAN] = entry
        m[tb.X_COLD] = p[po.BITS] & Note.BEFORE_START
        if entry > 0:
            t.waiting[entry - 1, tb.W_DAY] = row[ev.TRADE_DATE]
            t.waiting[entry - 1, tb.W_COLD] = m[tb.X_COLD]
            judge_until(t, place, now + limits[tb.L_ANNOUNCE])


@compiled
def told_more(t, p):
    """More was said of an execution: by the drop copy, by its order, or that it is another or none."""
    kind, m = p[po.KIND], t.execs[p[po.EXEC] & (tb.EXECS_MAX - 1)]
    is_gone, is_moved = kind == PostingKind.BUSTED, kind == PostingKind.MOVED_OUT
    is_told = p[po.BITS] & Note.DROP_COPY != 0 and not is_moved
    now = now_of(p)
    if is_moved:
        now = max(
            p[po.CLOCK], p[po.LOW]
        )  # it keeps the time of its execution; now is when its order was told
    if is_told and t.limits[tb.L_HAS_COPY] != 0 and (is_gone or kind == PostingKind.CORRECTED):
        hear(t, DROP_COPY, p[po.PART], now)
    if m[tb.X_EXEC] != p[po.EXEC] + 1:
        return
    if m[tb.X_COPY] > 0:
        _copy_told(t, p, m, now, is_told, is_gone)
    if is_gone or is_moved:
        _orphan_gone(t, m, now)
    elif kind in (PostingKind.CORRECTED, PostingKind.CONFLICT):
        _revalue(t, m, now, dollars(p[po.QTY], price_of(t, p)))


@inlined
def _copy_told(t, p, m, now, is_told, is_gone):
    """The drop copy has told it, or nobody needs to any more."""
    e = t.waiting[m[tb.X_COPY] - 1]
    is_lost = now - e[tb.W_SINCE] > t.limits[tb.L_LOST]
    if not (is_lost or is_told or is_gone):
        return
    e[tb.W_END] = now
    m[tb.X_COPY] = 0
    if is_lost:
        return
    if is_told:
        hear(t, DROP_COPY, e[tb.W_PART], now)
        if p[po.PART] != e[tb.W_PART]:
            hear(t, DROP_COPY, p[po.PART], now)
    judge_until(t, m[tb.X_PLACE], now)


@inlined
def _orphan_gone(t, m, now):
    """It has an order now, or it was none."""
    entry = m[tb.X_ORPHAN]
    if entry == 0:
        return
    if entry == tb.COUNTED:
        count_orphan(t.places[m[tb.X_PLACE]], -1, -m[tb.X_USD], m[tb.X_DAY], m[tb.X_COLD])
    else:
        t.waiting[entry - 1, tb.W_END] = now
    m[tb.X_ORPHAN] = 0
    judge_until(t, m[tb.X_PLACE], now)


@inlined
def _revalue(t, m, now, usd):
    """It is worth something else."""
    if m[tb.X_COPY] > 0:
        t.waiting[m[tb.X_COPY] - 1, tb.W_USD] = usd
    if m[tb.X_ORPHAN] > 0:
        t.waiting[m[tb.X_ORPHAN] - 1, tb.W_USD] = usd
    elif m[tb.X_ORPHAN] == tb.COUNTED:
        count_orphan(t.places[m[tb.X_PLACE]], 0, usd - m[tb.X_USD], m[tb.X_DAY], m[tb.X_COLD])
        judge_until(t, m[tb.X_PLACE], now)
    m[tb.X_USD] = usd
