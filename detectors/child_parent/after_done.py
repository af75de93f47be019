"""child_after_done: children of a parent that is done, or that is filled beyond its quantity.

One parent's are counted in all and within a window; a host's wronged parents in another.  Hosts that
halt together are accused of what they share.
"""

from __future__ import annotations

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.child_parent import tables as tb
from detectors.child_parent.accusations import accuse, crossed_at_events, keep
from detectors.child_parent.parents import is_overfilled
from detectors.child_parent.reasons import AFTER_DONE, CLEAR, HALT, HIGH, WARN
from detectors.event import UNIT
from detectors.evidence import COUNT, SCOPE_CODE, SCOPE_KIND, USD, remember
from detectors.kernel import compiled, inlined


@compiled
def judge_late(t, p, rows, place, usd, n):
    """A child of a parent that may be done, or filled beyond its quantity."""
    at, m, q, limits = p[po.AT], t.parents[p[po.PARENT]], t.places[place], t.limits
    is_late = _is_late(p, m, t.hosts, limits)
    if not is_late and not is_overfilled(m, limits):
        return n
    rung, measured, limit = CLEAR, 0, 0
    if is_late:
        rung, measured, limit = _count_late(t, p, m, place, usd)
    q[tb.PL_USD] += usd
    q[tb.PL_NEWEST] = max(at, q[tb.PL_NEWEST])
    q[tb.PL_STRATEGY] = p[po.STRATEGY]
    build = rows[p[po.ROW], ev.BUILD]
    if build <= nm.OTHER:
        build = t.hosts[p[po.HOST], tb.H_BUILD]
    if build > nm.OTHER:
        q[tb.PL_BUILD] = build
    keep(t, p, place, AFTER_DONE, tb.QUIET_NS)
    wronged = _wronged(p[po.PARENT], at, limits, t.parents, q)
    if wronged >= limits[tb.L_PARENTS] and rung < HALT:
        rung, measured, limit = HALT, wronged, limits[tb.L_PARENTS]
    if rung == HALT:
        q[tb.PL_HALTED_AT] = max(at, q[tb.PL_HALTED_AT])
    rung = crossed_at_events(t.cross, place * tb.N_REASONS + AFTER_DONE, rung, at)
    if rung == CLEAR:
        return n
    n = accuse(t, n, AFTER_DONE, rung, p[po.ROW], at, place, measured * UNIT, limit * UNIT, q[tb.PL_USD])
    if rung == HALT:
        _widen(t.hits[n - 1], place, at, limits, t.state, t.places)
    return n


@inlined
def _is_late(p, m, hosts, limits):
    """Sent later than the parent's end, by more than clocks and the way between two systems explain."""
    if not m[tb.P_FLAGS] & tb.DONE:
        return False
    bound = 0
    for host in (p[po.HOST], m[tb.P_DONE_HOST]):
        told = hosts[host, tb.H_BOUND]
        bound = max(bound, told - 1 if told > 0 else limits[tb.L_CLOCK_BOUND])
    return p[po.AT] - m[tb.P_DONE_AT] > max(limits[tb.L_GRACE], limits[tb.L_BOUNDS] * bound)


@inlined
def _count_late(t, p, m, place, usd):
    """One more late child of this parent; returns (rung, measured, limit)."""
    at, limits = p[po.AT], t.limits
    if m[tb.P_LATE] == 0:
        key = place * tb.N_REASONS + AFTER_DONE
        remember(t.rings, key, m[tb.P_DONE_PART], m[tb.P_DONE_OFFSET], at, tb.QUIET_NS)
        t.rings[key, COUNT] -= 1  # the parent's end is shown, and is not one of the children counted
    before = m.shape[0] - tb.P_RECENT  # of so many late children before this one, when was the first?
    is_burst = before == 0
    if before > 0:
        cell = tb.P_RECENT + m[tb.P_LATE] % before
        is_burst = m[tb.P_LATE] >= before and at - m[cell] < limits[tb.L_DONE_WINDOW]
        m[cell] = at
    m[tb.P_LATE] += 1
    m[tb.P_LATE_USD] += usd
    m[tb.P_LATE_PLACE] = place
    late = m[tb.P_LATE]
    if late >= limits[tb.L_DONE_TOTAL]:
        return HALT, late, limits[tb.L_DONE_TOTAL]
    if is_burst:
        return HALT, limits[tb.L_DONE_HALT], limits[tb.L_DONE_HALT]
    if late >= limits[tb.L_DONE_HIGH]:
        return HIGH, late, limits[tb.L_DONE_HIGH]
    return WARN, late, 1


@compiled
def _wronged(parent, at, limits, parents, q):
    """Distinct parents that a place wronged in the window; a parent that was re-opened since is none."""
    slot = tb.PL_WRONGED
    for s in range(tb.PL_WRONGED, tb.PL_ORPHANS, 3):
        if q[s + 1] != 0 and q[s] == parent:
            slot = s
            break
        if q[s + 1] < q[slot + 1]:
            slot = s
    q[slot + 1] = max(at, q[slot + 1]) if q[slot] == parent else at
    q[slot] = parent
    q[slot + 2] = parents[parent, tb.P_VOIDED]
    wronged = 0
    for s in range(tb.PL_WRONGED, tb.PL_ORPHANS, 3):
        m = parents[q[s]]
        is_old = q[s + 1] == 0 or q[tb.PL_NEWEST] - q[s + 1] >= limits[tb.L_PARENTS_WINDOW]
        if is_old or m[tb.P_VOIDED] != q[s + 2]:
            continue
        if m[tb.P_LATE] > 0 or is_overfilled(m, limits):
            wronged += 1
    return wronged


@compiled
def _widen(hit, place, at, limits, state, places):
    """Of three places in five seconds accuse what they share: the build, the strategy, the firm."""
    usd, count = 0, 0
    build, strategy = places[place, tb.PL_BUILD], places[place, tb.PL_STRATEGY]
    for other in range(state[tb.S_PLACES] + 1):
        q = places[other]
        if q[tb.PL_HALTED_AT] == 0 or at - q[tb.PL_HALTED_AT] >= limits[tb.L_PARENTS_WINDOW]:
            continue
        count += 1
        usd += q[tb.PL_USD]
        if q[tb.PL_BUILD] != build:
            build = 0
        if q[tb.PL_STRATEGY] != strategy:
            strategy = 0
    if count < limits[tb.L_WIDEN]:
        return
    hit[USD] = usd
    hit[SCOPE_KIND], hit[SCOPE_CODE] = 0, 0
    if build > nm.OTHER:
        hit[SCOPE_KIND], hit[SCOPE_CODE] = nm.BUILD + 1, build
    elif strategy > nm.OTHER:
        hit[SCOPE_KIND], hit[SCOPE_CODE] = nm.STRATEGY + 1, strategy
