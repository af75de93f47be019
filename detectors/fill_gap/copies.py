"""unconfirmed, of a session: the age of its oldest execution that the drop copy has not told."""

from __future__ import annotations

from detectors.evidence import remember
from detectors.fill_gap import tables as tb
from detectors.fill_gap.accusations import HALT, HIGH, WARN, ring_of, seconds
from detectors.fill_gap.sending import is_sending
from detectors.fill_gap.witnesses import DROP_COPY, is_alive
from detectors.kernel import compiled, inlined


@compiled
def count_copy(t, w, at):
    """An execution untold at a tick counts against its session; whether it is still worth waiting for."""
    limits, e = t.limits, t.waiting[w]
    place, age = e[tb.W_PLACE], at - e[tb.W_SINCE]
    q = t.places[place]
    if age > limits[tb.L_LOST]:
        x = e[tb.W_KEY]
        m = t.execs[x & (tb.EXECS_MAX - 1)]
        if e[tb.W_END] == 0 and m[tb.X_EXEC] == x + 1:
            m[tb.X_COPY] = 0
        return False
    if age < 0:
        return True
    q[tb.Q_AGE] = max(age, q[tb.Q_AGE])
    q[tb.Q_COPIES_USD] += e[tb.W_USD]
    if is_alive(t, DROP_COPY, e[tb.W_PART], at):
        q[tb.Q_ALIVE_USD] += e[tb.W_USD]
    if e[tb.W_RUNG] == 0 and age - limits[tb.L_ALLOWANCE] >= limits[tb.L_WARN_NS]:
        e[tb.W_RUNG] = 1
        ring = ring_of(place, tb.COPY)
        remember(t.rings, ring, e[tb.W_PART], e[tb.W_OFFSET], at, limits[tb.L_LOST])
    return True


@inlined
def untold(t, place, at):
    """A session's verdict at a tick: (rung, measured, limit, dollars)."""
    limits, q = t.limits, t.places[place]
    age, rung, limit = q[tb.Q_AGE] - limits[tb.L_ALLOWANCE], 0, 0
    if q[tb.Q_AGE] >= 0:
        if age >= limits[tb.L_WARN_NS]:
            rung, limit = WARN, limits[tb.L_WARN_NS]
        if age >= limits[tb.L_HIGH_NS]:
            rung, limit = HIGH, limits[tb.L_HIGH_NS]
        if age >= limits[tb.L_HALT_NS] and q[tb.Q_ALIVE_USD] > limits[tb.L_HALT_USD]:
            if is_sending(t, place, at):
                rung, limit = HALT, limits[tb.L_HALT_NS]
    return rung, seconds(age), seconds(limit), q[tb.Q_COPIES_USD]
