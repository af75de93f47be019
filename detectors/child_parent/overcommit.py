"""overcommit: filled and working of a parent beyond the highest quantity accepted.

It warns at once, pages when it lasts, and halts when fills alone are far and dearly beyond.
"""

from __future__ import annotations

import numpy as np

from detectors import posting as po
from detectors.child_parent import tables as tb
from detectors.child_parent.accusations import accuse, crossed_at_events, keep
from detectors.child_parent.parents import covered
from detectors.child_parent.reasons import CLEAR, HALT, HIGH, OVERCOMMIT, WARN
from detectors.child_parent.waiting import wait
from detectors.child_parent.worth import price_of, worth
from detectors.event import UNIT
from detectors.kernel import compiled, crossed, inlined


@compiled
def judge_cover(t, p, place, n):
    """A posting changed what a parent covers, or what it may."""
    m, px = t.parents[p[po.PARENT]], price_of(p, t)
    n = _judge_working(t, p, m, place, px, n)
    is_far = float(m[tb.P_FILLED]) * UNIT > float(m[tb.P_QTY]) * t.limits[tb.L_OVER_TIMES]
    return _judge_fills(t, p, m, place, px, n) if p[po.FILL] > 0 and is_far else n


@inlined
def _judge_working(t, p, m, place, px, n):
    """Filled and working together: recorded, and paged once it has lasted."""
    parent, at, limits = p[po.PARENT], p[po.AT], t.limits
    allowed = m[tb.P_QTY] + limits[tb.L_SLACK]
    if covered(m) <= allowed:
        if m[tb.P_OVER_AT] != 0:
            m[tb.P_OVER_AT] = 0
            m[tb.P_FLAGS] &= ~tb.PAGED
            crossed(t.parents, parent, CLEAR, at)
        return n
    if m[tb.P_OVER_AT] == 0:
        m[tb.P_OVER_AT] = max(at, p[po.LOW])
        m[tb.P_OVER_PLACE] = place
        due = m[tb.P_OVER_AT] + limits[tb.L_OVER_AFTER]
        if not wait(OVERCOMMIT, p, m, due, place, px, t.state, t.waiting):
            m[tb.P_FLAGS] |= tb.PAGED  # too many are waiting: its time is now
    keep(t, p, place, OVERCOMMIT, tb.QUIET_NS)
    rung = crossed(t.parents, parent, HIGH if m[tb.P_FLAGS] & tb.PAGED else WARN, at)
    return _accuse_cover(t, n, rung, p[po.ROW], at, place, m, px) if rung != CLEAR else n


@compiled
def judge_lasting(t, w, at, row, n):
    """A parent has waited to be overcommitted for long enough: is it still, without a pause?"""
    parent = w[tb.W_PARENT]
    m = t.parents[parent]
    if m[tb.P_LIFE] != w[tb.W_LIFE] or m[tb.P_OVER_AT] != w[tb.W_SINCE]:
        return n
    m[tb.P_FLAGS] |= tb.PAGED
    rung = crossed(t.parents, parent, HIGH, at)
    return _accuse_cover(t, n, rung, row, at, w[tb.W_PLACE], m, w[tb.W_WORTH]) if rung != CLEAR else n


@compiled
def _accuse_cover(t, n, rung, row, at, place, m, px):
    allowed = m[tb.P_QTY] + t.limits[tb.L_SLACK]
    usd = worth(covered(m) - m[tb.P_QTY], px, t.limits)
    return accuse(t, n, OVERCOMMIT, rung, row, at, place, covered(m), allowed, usd)


@inlined
def _judge_fills(t, p, m, place, px, n):
    """Fills alone are far beyond: if what is over is worth enough, halt who took it."""
    at, limits = p[po.AT], t.limits
    usd = worth(m[tb.P_FILLED] - m[tb.P_QTY], px, limits)
    if usd <= limits[tb.L_OVER_USD]:
        return n
    is_over = m[tb.P_OVER_AT] != 0
    was_sent_before = is_over and 0 < p[po.SENT_AT] < m[tb.P_OVER_AT]
    if was_sent_before:
        place = m[tb.P_OVER_PLACE]  # this order was sent while there was room: accused is who took more
    if was_sent_before or not is_over:  # else it is evidence already
        keep(t, p, place, OVERCOMMIT, tb.QUIET_NS)
    if crossed_at_events(t.cross, place * tb.N_REASONS + OVERCOMMIT, HALT, at) == CLEAR:
        return n
    allowed = np.int64(np.rint(float(m[tb.P_QTY]) * limits[tb.L_OVER_TIMES] / UNIT))
    return accuse(t, n, OVERCOMMIT, HALT, p[po.ROW], at, place, m[tb.P_FILLED], allowed, usd)
