"""ratio: children for each parent that has one, in ten seconds, by host and strategy.

A pair counts its children in buckets of a second.  A parent is counted at each of the ten evaluations
that see a child of it: a set of bits remembers at which of them it was counted already.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.child_parent import tables as tb
from detectors.child_parent.accusations import accuse
from detectors.child_parent.parents import covered
from detectors.child_parent.reasons import CLEAR, HALT, HIGH, RATIO, WARN
from detectors.event import NONE, UNIT
from detectors.kernel import SECOND_NS, compiled, crossed, inlined
from detectors.ledger.index import mix

SEEN_PROBES: Final = 16


@inlined
def count_child(pair, parent, at, state, pairs, seen):
    """Count one child in its second, and its parent where it is not counted yet."""
    r = pairs[pair]
    now = state[tb.S_TICKED] // tb.TICKS_A_SECOND
    second = at // SECOND_NS
    if not now - tb.RATIO_WINDOW < second <= now + tb.CHILDREN_AHEAD:
        second = now
    _add_one(r, tb.PR_CHILDREN, second)
    until = second + tb.RATIO_WINDOW
    r[tb.PR_UNTIL] = max(until + tb.SETTLING_S, r[tb.PR_UNTIL])
    state[tb.S_CHILDREN_UNTIL] = max(r[tb.PR_UNTIL], state[tb.S_CHILDREN_UNTIL])
    slot = _slot_of(pair, parent, now, seen)
    if slot < 0:
        return
    s = seen[slot]
    if until - s[tb.SN_UNTIL] >= 64:
        s[tb.SN_BITS] = 0
    for later in range(max(s[tb.SN_UNTIL] + 1, until - 63), until + 1):
        s[tb.SN_BITS] &= ~(1 << (later & 63))
    s[tb.SN_UNTIL] = max(until, s[tb.SN_UNTIL])
    for later in range(max(second, now) + 1, until + 1):
        bit = 1 << (later & 63)
        if s[tb.SN_BITS] & bit == 0:
            s[tb.SN_BITS] |= bit
            _add_one(r, tb.PR_PARENTS, later)


@compiled
def close_ratio(t, tick, row, n):
    """A second has ended: judge each pair that has something in its ten seconds, or holds a rung since."""
    now, at, limits = tick // tb.TICKS_A_SECOND, tick * tb.TICK_NS, t.limits
    for pair in range(t.state[tb.S_PAIRS] + 1):
        r = t.pairs[pair]
        if r[tb.PR_UNTIL] < now:
            continue
        children = 0
        for second in range(max(now - tb.RATIO_WINDOW, 0), now):
            children += _counted(r, tb.PR_CHILDREN, second)
        ratio = children * UNIT // max(_counted(r, tb.PR_PARENTS, now), 1)
        limit = limits[tb.L_RATIO_WARN]
        high = np.int64(limit * (float(limits[tb.L_RATIO_HIGH]) / UNIT))
        halt = np.int64(limit * (float(limits[tb.L_RATIO_HALT]) / UNIT))
        r[tb.PR_HIGH] = r[tb.PR_HIGH] + 1 if ratio >= high else 0
        r[tb.PR_HALT] = r[tb.PR_HALT] + 1 if ratio >= halt else 0
        rung = WARN if ratio >= limit else CLEAR
        if r[tb.PR_HIGH] >= limits[tb.L_RATIO_RUNNING]:
            rung, limit = HIGH, high
        if r[tb.PR_HALT] >= limits[tb.L_RATIO_RUNNING] and _is_beyond(pair, now, t.parents, t.seen):
            rung, limit = HALT, halt
        rung = crossed(t.pairs, pair, rung, at)
        if rung != CLEAR:
            n = accuse(t, n, RATIO, rung, row, at, r[tb.PR_PLACE], ratio, limit, np.int64(NONE))
    return n


@inlined
def _add_one(r, buckets, second):
    b = buckets + 2 * (second % tb.RATIO_BUCKETS)
    if r[b] != second:
        r[b], r[b + 1] = second, 0
    r[b + 1] += 1


@inlined
def _counted(r, buckets, second):
    b = buckets + 2 * (second % tb.RATIO_BUCKETS)
    return r[b + 1] if r[b] == second else 0


@inlined
def _slot_of(pair, parent, now, seen):
    """Where the parent's seconds for this pair are kept; -1 if there is no room."""
    home = mix(parent, pair)
    free = -1
    for probe in range(SEEN_PROBES):
        slot = (home + probe) & (seen.shape[0] - 1)
        s = seen[slot]
        if s[tb.SN_UNTIL] > now:
            if s[tb.SN_PARENT] == parent and s[tb.SN_PAIR] == pair:
                return slot
        elif free < 0:
            free = slot
    if free >= 0:
        s = seen[free]
        s[tb.SN_PARENT] = parent
        s[tb.SN_PAIR] = pair
        s[tb.SN_UNTIL] = 0
        s[tb.SN_BITS] = 0
    return free


@compiled
def _is_beyond(pair, now, parents, seen):
    """Whether the pair's parents together are filled and working beyond their quantity."""
    taken, wanted = 0.0, 0.0
    for slot in range(seen.shape[0]):
        s = seen[slot]
        if s[tb.SN_PAIR] == pair and s[tb.SN_UNTIL] >= now and s[tb.SN_BITS] & (1 << (now & 63)):
            m = parents[s[tb.SN_PARENT]]
            if m[tb.P_QTY] > 0:
                taken += covered(m)
                wanted += m[tb.P_QTY]
    return taken > wanted
