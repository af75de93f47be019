"""orphan_fill: executions whose order nobody announced in time, summed over a session's trade date.

An order announced later, or a bust, takes its fill back.
"""

from __future__ import annotations

from typing import Final

from detectors.event import MONEY, UNIT
from detectors.evidence import remember
from detectors.fill_gap import tables as tb
from detectors.fill_gap.accusations import HALT, HIGH, WARN, ring_of
from detectors.kernel import SECOND_NS, compiled, inlined

DAY_NS: Final = 24 * 3600 * SECOND_NS


@inlined
def count_orphan(q, fills, usd, day, is_cold):
    """Count a fill against its place, or take it back; of an earlier trade date nothing is left."""
    if q[tb.Q_DAY] == day:
        q[tb.Q_FILLS] += fills
        q[tb.Q_FILLS_USD] += usd
        if is_cold == 0:
            q[tb.Q_WARM_USD] += usd


@compiled
def age_orphan(t, w, at):
    """A fill whose order may still be announced; whether it must be looked at again."""
    e, end = t.waiting[w], t.waiting[w, tb.W_END]
    q, usd, is_cold, is_counted = t.places[e[tb.W_PLACE]], e[tb.W_USD], e[tb.W_COLD], e[tb.W_RUNG] != 0
    if end != 0 and end < at:
        if is_counted:
            count_orphan(q, -1, -usd, e[tb.W_DAY], is_cold)
        return False
    if is_counted or at - e[tb.W_SINCE] < t.limits[tb.L_ANNOUNCE]:
        return True
    if e[tb.W_DAY] > q[tb.Q_DAY]:
        q[tb.Q_DAY] = e[tb.W_DAY]
        q[tb.Q_FILLS] = 0
        q[tb.Q_FILLS_USD] = 0
        q[tb.Q_WARM_USD] = 0
    e[tb.W_RUNG] = 1
    e[tb.W_DAY] = q[tb.Q_DAY]
    count_orphan(q, 1, usd, q[tb.Q_DAY], is_cold)
    ring, x = ring_of(e[tb.W_PLACE], tb.ORPHAN), e[tb.W_KEY]
    remember(t.rings, ring, e[tb.W_PART], e[tb.W_OFFSET], at, DAY_NS)
    m = t.execs[x & (tb.EXECS_MAX - 1)]
    if end == 0 and m[tb.X_EXEC] == x + 1:
        m[tb.X_ORPHAN] = tb.COUNTED
        m[tb.X_DAY] = q[tb.Q_DAY]
    return end != 0


@inlined
def orphan_fill(t, place):
    """A session's verdict at a tick: (rung, measured, limit, dollars, whether measured in dollars)."""
    limits, q, to_fixed = t.limits, t.places[place], UNIT // MONEY
    usd = q[tb.Q_FILLS_USD]
    rung, in_usd, limit = 0, False, limits[tb.L_ORPHAN_WARN] * UNIT
    if q[tb.Q_FILLS] > 0:
        if q[tb.Q_FILLS] >= limits[tb.L_ORPHAN_WARN]:
            rung = WARN
        if usd >= limits[tb.L_ORPHAN_HIGH]:
            rung, in_usd, limit = HIGH, True, limits[tb.L_ORPHAN_HIGH] * to_fixed
        if q[tb.Q_WARM_USD] >= limits[tb.L_ORPHAN_HALT] and q[tb.Q_ELECTRONIC] != 0:
            rung, in_usd, limit = HALT, True, limits[tb.L_ORPHAN_HALT] * to_fixed
    measured = usd * to_fixed if in_usd else q[tb.Q_FILLS] * UNIT
    return rung, measured, limit, usd, in_usd
