"""orphan_child: orders without a known parent in ten seconds, where every order must name one.

Each place counts them in buckets of a tick; a tick that ends looks at the hundred before it.
"""

from __future__ import annotations

import numpy as np

from detectors.child_parent import tables as tb
from detectors.child_parent.accusations import accuse
from detectors.child_parent.reasons import CLEAR, HALT, HIGH, ORPHAN, WARN
from detectors.event import MONEY, UNIT
from detectors.evidence import IN_USD, remember
from detectors.kernel import compiled, crossed, inlined


@compiled
def count_orphan(place, part, offset, usd, at, state, places, rings):
    """Count one order without a known parent in its bucket."""
    q = places[place]
    bucket = at // tb.TICK_NS
    if not state[tb.S_TICKED] - tb.ORPHAN_WINDOW < bucket <= state[tb.S_TICKED] + tb.ORPHANS_AHEAD:
        bucket = state[tb.S_TICKED]  # too late or too early for its own bucket: it counts now
    b = tb.PL_ORPHANS + 3 * (bucket % tb.ORPHAN_BUCKETS)
    if q[b] != bucket:
        q[b], q[b + 1], q[b + 2] = bucket, 0, 0
    q[b + 1] += 1
    q[b + 2] += usd
    until = bucket + tb.ORPHAN_WINDOW + tb.SETTLING_S * tb.TICKS_A_SECOND
    q[tb.PL_UNTIL] = max(until, q[tb.PL_UNTIL])
    state[tb.S_ORPHANS_UNTIL] = max(q[tb.PL_UNTIL], state[tb.S_ORPHANS_UNTIL])
    remember(rings, place * tb.N_REASONS + ORPHAN, part, offset, at, tb.ORPHAN_WINDOW * tb.TICK_NS)


@inlined
def count_unannounced(t, w, at):
    """An order has waited for its parent to be announced: if nobody did, it counts just before now."""
    m = t.parents[w[tb.W_PARENT]]
    if m[tb.P_LIFE] != w[tb.W_LIFE] or not m[tb.P_FLAGS] & tb.HEARD:
        part, offset, usd = w[tb.W_PART], w[tb.W_OFFSET], w[tb.W_WORTH]
        count_orphan(w[tb.W_PLACE], part, offset, usd, at - 1, t.state, t.places, t.rings)


@compiled
def close_orphans(t, tick, row, n):
    """Ten seconds have ended: judge each place that has something in them, or holds a rung since."""
    at, limits = tick * tb.TICK_NS, t.limits
    for place in range(t.state[tb.S_PLACES] + 1):
        q = t.places[place]
        if q[tb.PL_UNTIL] < tick:
            continue
        count, usd = np.int64(0), np.int64(0)
        for bucket in range(max(tick - tb.ORPHAN_WINDOW, 0), tick):
            b = tb.PL_ORPHANS + 3 * (bucket % tb.ORPHAN_BUCKETS)
            if q[b] == bucket:
                count += q[b + 1]
                usd += q[b + 2]
        rung, measured, limit, in_usd = CLEAR, count * UNIT, limits[tb.L_ORPHAN_WARN] * UNIT, 0
        if count >= limits[tb.L_ORPHAN_WARN]:
            rung = WARN
        if count >= limits[tb.L_ORPHAN_HIGH]:
            rung, limit = HIGH, limits[tb.L_ORPHAN_HIGH] * UNIT
        elif usd >= limits[tb.L_ORPHAN_HIGH_USD] and count > 0:
            rung, in_usd = HIGH, 1
            measured, limit = usd * (UNIT // MONEY), limits[tb.L_ORPHAN_HIGH_USD] * (UNIT // MONEY)
        is_many = count >= limits[tb.L_ORPHAN_HALT] and usd >= limits[tb.L_ORPHAN_HALT_USD]
        if is_many and t.state[tb.S_COLD] == 0:
            rung, limit = HALT, limits[tb.L_ORPHAN_HALT] * UNIT
        rung = crossed(t.cross, place * tb.N_REASONS + ORPHAN, rung, at)
        if rung != CLEAR:
            n = accuse(t, n, ORPHAN, rung, row, at, place, measured, limit, usd)
            t.hits[n - 1, IN_USD] = in_usd
    return n
