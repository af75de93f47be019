"""rejects and cancels: shares of a session's orders in ten seconds, judged each second of LOW.

Everything counts in the second in which it happened.  Of how many it is a share: of the orders sent or of the
orders answered in the window, whichever are more, so that a burst whose answers come late is no storm.
"""

from __future__ import annotations

from detectors import posting as po
from detectors.event import NONE, UNIT
from detectors.evidence import found, remember
from detectors.kernel import SECOND_NS, compiled, crossed, inlined
from detectors.places import scope_code, scope_kind
from detectors.posting import Note
from detectors.storm import tables as tb
from detectors.storm.reasons import CANCELS, REJECTS
from detectors.storm.rungs import CLEAR, HALT, HIGH, WARN

EARLY_NS = 10 * SECOND_NS  # what is told of an order this long before the order is of another one


@compiled
def add(t, place, at, column):
    """Count something of a place in its second; what is older than the window counts no more."""
    now, second = t.state[tb.S_TICKED], at // SECOND_NS
    if second <= now - tb.WINDOW:
        return
    second = min(second, now + tb.AHEAD)
    bucket = tb.Q_BUCKETS + tb.BUCKET * (second % tb.BUCKETS)
    q = t.counts[place]
    if q[bucket] != second:
        for each in range(tb.BUCKET):
            q[bucket + each] = 0
        q[bucket] = second
    q[bucket + column] += 1
    q[tb.Q_UNTIL] = max(second + tb.WINDOW + tb.SETTLING, q[tb.Q_UNTIL])
    t.state[tb.S_UNTIL] = max(q[tb.Q_UNTIL], t.state[tb.S_UNTIL])


@inlined
def is_quick(since_sent, limits):
    """Whether it ended as soon as it was sent; clocks of two machines may tell it the other way round."""
    return -limits[tb.L_WITHIN] <= since_sent <= limits[tb.L_WITHIN]


@compiled
def ended(t, p, place):
    """An order was rejected by the venue, or cancelled on request; perhaps before we know of it."""
    is_reject = p[po.BITS] & Note.REJECTED != 0
    if p[po.BITS] & Note.ORDER_UNKNOWN:
        if p[po.ORDER] > 0:
            t.state[tb.S_ORDERS] = max(p[po.ORDER] + 1, t.state[tb.S_ORDERS])
            t.early[p[po.ORDER]] = (p[po.AT] << 1) | (0 if is_reject else 1)
        return
    if is_reject:
        _count(t, p, place, tb.B_REJECTED, REJECTS)
    elif is_quick(p[po.AT] - p[po.SENT_AT], t.limits):
        _count(t, p, place, tb.B_QUICK, CANCELS)


@compiled
def was_ended(t, p, place):
    """An order is told late: what was told of it before counts now."""
    early = t.early[p[po.ORDER]]
    t.early[p[po.ORDER]] = 0
    since_sent = (early >> 1) - p[po.AT]
    if early == 0 or not -EARLY_NS <= since_sent <= EARLY_NS:
        return
    if early & 1 == 0:
        _count(t, p, place, tb.B_REJECTED, REJECTS)
    elif is_quick(since_sent, t.limits):
        _count(t, p, place, tb.B_QUICK, CANCELS)


@inlined
def _count(t, p, place, column, reason):
    add(t, place, p[po.AT], column)
    remember(t.rings, place * tb.LANES + reason, p[po.PART], p[po.OFFSET], p[po.AT], tb.WINDOW * SECOND_NS)


@inlined
def _in_window(q, second, column):
    total = 0
    for each in range(second - tb.WINDOW, second):
        bucket = tb.Q_BUCKETS + tb.BUCKET * (each % tb.BUCKETS)
        if q[bucket] == each:
            total += q[bucket + column]
    return total


@inlined
def _is_share(some, orders, share, orders_min):
    """Whether so many of at least so many orders are this share of them."""
    return orders >= orders_min and some * UNIT >= share * orders


@compiled
def judge_shares(t, place, second, row, n):
    """Both shares of a place at the end of a second; returns the next free hit."""
    q, limits = t.counts[place], t.limits
    sent, answered = _in_window(q, second, tb.B_SENT), _in_window(q, second, tb.B_ANSWERED)
    rejected, quick = _in_window(q, second, tb.B_REJECTED), _in_window(q, second, tb.B_QUICK)
    orders = max(sent, answered, rejected)
    is_high = _is_share(rejected, orders, limits[tb.L_REJECTS_HIGH], limits[tb.L_REJECTS_HIGH_N])
    q[tb.Q_REJECTS_RUN] = q[tb.Q_REJECTS_RUN] + 1 if is_high else 0
    rung, limit = CLEAR, limits[tb.L_REJECTS_WARN]
    if _is_share(rejected, orders, limit, limits[tb.L_REJECTS_WARN_N]):
        rung = WARN
    if q[tb.Q_REJECTS_RUN] >= limits[tb.L_RUNNING]:
        rung, limit = HIGH, limits[tb.L_REJECTS_HIGH]
    if _is_share(rejected, orders, limits[tb.L_REJECTS_HALT], limits[tb.L_REJECTS_HALT_N]):
        rung, limit = HALT, limits[tb.L_REJECTS_HALT]
    n = _accuse(t, place, REJECTS, rung, second, row, rejected, orders, limit, n)
    orders = max(sent, quick)
    is_high = _is_share(quick, orders, limits[tb.L_CANCELS_HIGH], limits[tb.L_CANCELS_HIGH_N])
    q[tb.Q_CANCELS_RUN] = q[tb.Q_CANCELS_RUN] + 1 if is_high else 0
    is_halt = _is_share(quick, orders, limits[tb.L_CANCELS_HALT], limits[tb.L_CANCELS_HALT_N])
    q[tb.Q_HALT_RUN] = q[tb.Q_HALT_RUN] + 1 if is_halt else 0
    rung, limit = CLEAR, limits[tb.L_CANCELS_WARN]
    if _is_share(quick, orders, limit, limits[tb.L_CANCELS_HIGH_N]):
        rung = WARN
    if q[tb.Q_CANCELS_RUN] >= limits[tb.L_RUNNING]:
        rung, limit = HIGH, limits[tb.L_CANCELS_HIGH]
    if q[tb.Q_HALT_RUN] >= limits[tb.L_RUNNING]:
        rung, limit = HALT, limits[tb.L_CANCELS_HALT]
    return _accuse(t, place, CANCELS, rung, second, row, quick, orders, limit, n)


@inlined
def _accuse(t, place, reason, rung, second, row, some, orders, limit, n):
    """One more hit, if this rung is newly reached: both numbers in per cent."""
    lane, at = place * tb.LANES + reason, second * SECOND_NS
    rung = crossed(t.cross, lane, rung, at)
    if rung == CLEAR:
        return n
    share, kind, code = 100 * UNIT * some // orders, scope_kind(t.places, place), scope_code(t.places, place)
    return found(t.hits, n, reason, rung, row, at, kind, code, share, 100 * limit, 0, NONE, t.rings, lane)
