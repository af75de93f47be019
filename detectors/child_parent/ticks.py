"""Time: what is due at each tenth of a second of LOW, wherever batches end.

A stretch in which nothing is counted and nothing waits is jumped over.
"""

from __future__ import annotations

from detectors.child_parent import tables as tb
from detectors.child_parent.orphans import close_orphans, count_unannounced
from detectors.child_parent.overcommit import judge_lasting
from detectors.child_parent.ratio import close_ratio
from detectors.child_parent.reasons import ORPHAN
from detectors.kernel import compiled, inlined


@inlined
def jump(low, state):
    """Go to `low` at once if nothing is counted and nothing waits; whether it did."""
    until = max(state[tb.S_ORPHANS_UNTIL], tb.TICKS_A_SECOND * state[tb.S_CHILDREN_UNTIL])
    if state[tb.S_WAITING] != 0 or until > state[tb.S_TICKED]:
        return False
    state[tb.S_TICKED] = low // tb.TICK_NS
    state[tb.S_NEXT_NS] = (state[tb.S_TICKED] + 1) * tb.TICK_NS
    return True


@compiled
def tick_until(t, low, row, n):
    """Close all ticks that end by `low`; returns (hits, whether there was room for all)."""
    state = t.state
    target = low // tb.TICK_NS
    if state[tb.S_TICKED] == 0:
        state[tb.S_TICKED] = target  # the first time that is known
    settled = state[tb.S_TICKED] + tb.QUIET_TICKS  # by then every window is empty and every rung let go
    while state[tb.S_TICKED] < target:
        tick = state[tb.S_TICKED] + 1 if state[tb.S_TICKED] < settled else target
        if jump(low, state):
            break
        n, is_done = _decide(t, tick, row, n)
        if not is_done or n + state[tb.S_PLACES] + state[tb.S_PAIRS] + 2 > t.hits.shape[0]:
            return n, False
        if state[tb.S_ORPHANS_UNTIL] >= tick:
            n = close_orphans(t, tick, row, n)
        if tick % tb.TICKS_A_SECOND == 0 and state[tb.S_CHILDREN_UNTIL] >= tick // tb.TICKS_A_SECOND:
            n = close_ratio(t, tick, row, n)
        state[tb.S_TICKED] = tick
    state[tb.S_NEXT_NS] = (state[tb.S_TICKED] + 1) * tb.TICK_NS
    return n, True


@compiled
def _decide(t, tick, row, n):
    """What waits and is due by this tick; returns (hits, whether there was room for all)."""
    at, waiting = tick * tb.TICK_NS, t.waiting
    kept, is_done = 0, True
    for slot in range(t.state[tb.S_WAITING]):
        w = waiting[slot]
        is_due = w[tb.W_DUE] <= at
        if not is_due or n == t.hits.shape[0]:
            is_done = is_done and not is_due
            for column in range(tb.WAITING):
                waiting[kept, column] = w[column]
            kept += 1
        elif w[tb.W_WHAT] == ORPHAN:
            count_unannounced(t, w, at)
        else:
            n = judge_lasting(t, w, at, row, n)
    t.state[tb.S_WAITING] = kept
    return n, is_done
