"""unconfirmed, of a parent: the age of its gap, and when it is its strategy's.

A rung that a gap has reached it holds until it ends.  So many parents of a strategy at one rung are the
strategy's; those that come after them are not said one by one.
"""

from __future__ import annotations

from detectors.evidence import COUNT, found, remember
from detectors.fill_gap import tables as tb
from detectors.fill_gap.accusations import ALONE, HALT, HIGH, WARN, begin_alone, ring_of, seconds
from detectors.fill_gap.parents import missing_usd, word_part
from detectors.fill_gap.reasons import UNCONFIRMED
from detectors.fill_gap.sending import is_sending
from detectors.fill_gap.witnesses import PARENT_FILL, is_alive
from detectors.kernel import compiled, crossed, inlined


@inlined
def may_rise(t, w, at):
    """Whether a gap may have reached a rung that it has not: most have not, at most ticks."""
    limits, e, reached = t.limits, t.waiting[w], t.waiting[w, tb.W_RUNG]
    if reached == HALT:
        return False
    due = limits[tb.L_HALT_NS]
    if reached < HIGH:
        due = min(limits[tb.L_HIGH_NS], due)
    if reached < WARN:
        due = min(limits[tb.L_WARN_NS], due)
    if at - e[tb.W_SINCE] - limits[tb.L_ALLOWANCE] < due:
        return False
    if reached < HIGH or e[tb.W_END] != 0:
        return True
    return missing_usd(t.parents[e[tb.W_KEY]]) > limits[tb.L_HALT_USD]


@compiled
def judge_gap(t, w, at, row, n):
    """One gap at a tick; returns the next free hit."""
    limits, e, end, before = t.limits, t.waiting[w], t.waiting[w, tb.W_END], t.waiting[w, tb.W_RUNG]
    parent, place = e[tb.W_KEY], e[tb.W_PLACE]
    m, q, lane = t.parents[parent], t.places[place], place * tb.LANES + tb.GAP
    if end != 0 and end < at:
        for rung in range(before):
            q[tb.Q_GAPS + rung] -= 1
        crossed(t.parents, parent, 0, at)
        crossed(t.cross, lane, _shared_rung(t, q), at)
        return n
    age, usd, fills = at - e[tb.W_SINCE] - limits[tb.L_ALLOWANCE], e[tb.W_USD], e[tb.W_FILLS]
    if end == 0:
        usd, fills = missing_usd(m), m[tb.P_FILLS]
    rung, limit = _rung_of(t, e, at, age, usd)
    if rung <= before:
        return n
    for each in range(before, rung):
        q[tb.Q_GAPS + each] += 1
    e[tb.W_RUNG] = rung
    part, offset, ring = e[tb.W_PART], e[tb.W_OFFSET], ring_of(place, tb.GAP)
    remember(t.rings, ring, part, offset, at, limits[tb.L_LOST])
    is_new = crossed(t.parents, parent, rung, at) != 0
    shared = crossed(t.cross, lane, _shared_rung(t, q), at)
    measured, limit = seconds(age), seconds(limit)
    if shared != 0:
        kind, code = q[tb.Q_KIND], q[tb.Q_CODE]
        n = found(t.hits, n, UNCONFIRMED, shared, row, at, kind, code, measured, limit, 0, usd, t.rings, ring)
    if is_new and q[tb.Q_GAPS + rung - 1] < limits[tb.L_WIDEN]:
        begin_alone(t.rings, part, offset, at)
        remember(t.rings, ALONE, m[tb.P_LAST_PART], m[tb.P_LAST_OFFSET], at, 0)
        t.rings[ALONE, COUNT] = max(fills, 1)
        n = found(t.hits, n, UNCONFIRMED, rung, row, at, 0, parent, measured, limit, 0, usd, t.rings, ALONE)
    return n


@inlined
def _rung_of(t, e, at, age, usd):
    """How far a gap has come, and the limit that it is over."""
    limits, m = t.limits, t.parents[e[tb.W_KEY]]
    rung, limit = 0, 0
    if age >= limits[tb.L_WARN_NS]:
        rung, limit = WARN, limits[tb.L_WARN_NS]
    if m[tb.P_FLAGS] & tb.HEARD == 0:
        return rung, limit
    if age >= limits[tb.L_HIGH_NS]:
        rung, limit = HIGH, limits[tb.L_HIGH_NS]
    if age >= limits[tb.L_HALT_NS] and usd > limits[tb.L_HALT_USD] and e[tb.W_RUNG] < HALT:
        part = word_part(m, e[tb.W_PART])
        if is_alive(t, PARENT_FILL, part, at) and is_sending(t, e[tb.W_PLACE], at):
            rung, limit = HALT, limits[tb.L_HALT_NS]
    return rung, limit


@inlined
def _shared_rung(t, q):
    """The highest rung that so many parents of a strategy have reached that it is the strategy's."""
    shared = 0
    for rung in range(HALT):
        if q[tb.Q_GAPS + rung] >= t.limits[tb.L_WIDEN]:
            shared = rung + 1
    return shared
