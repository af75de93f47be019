"""Each tenth of a second of LOW: whatever waits is counted where it belongs, then all places are judged."""

from __future__ import annotations

from typing import Final

from detectors.fill_gap import tables as tb
from detectors.fill_gap.copies import count_copy
from detectors.fill_gap.gaps import judge_gap, may_rise
from detectors.fill_gap.orders import count_order
from detectors.fill_gap.orphans import age_orphan
from detectors.fill_gap.sessions import begin_tick, judge_sessions
from detectors.fill_gap.waiting import keep, know_again
from detectors.fill_gap.witnesses import judge_witnesses
from detectors.kernel import compiled

# After a longer silence time jumps: nothing waits that long for a first verdict.
TICKS_AT_ONCE_MAX: Final = 1_024


@compiled
def pass_time(t, low, row, n):
    """Judge each tick that LOW has passed; returns (hits, whether there was room for all)."""
    state, target = t.state, low // tb.TICK_NS
    if state[tb.S_TICKED] == 0:
        state[tb.S_TICKED] = target  # the first time that is known
    if state[tb.S_DOUBTED] != 0 and target > state[tb.S_TICKED] and row >= 0:
        know_again(t, low)  # by an event: silence alone confirms nobody's time
    jump = state[tb.S_TICKED] + TICKS_AT_ONCE_MAX
    while state[tb.S_TICKED] < target:
        if state[tb.S_UNTIL] <= state[tb.S_TICKED]:
            state[tb.S_TICKED] = target
            break
        hits = tb.PER_PLACE * (state[tb.S_PLACES] + 1) + tb.N_WITNESSES * state[tb.S_PARTS]
        if n + hits > t.hits.shape[0]:
            return n, False
        tick = state[tb.S_TICKED] + 1 if state[tb.S_TICKED] < jump else target
        begin_tick(tick, t.places, state)
        n = _look_at_all(t, tick * tb.TICK_NS, row, n)
        n = judge_sessions(t, tick, row, n)
        n = judge_witnesses(t, tick * tb.TICK_NS, row, n)
        state[tb.S_TICKED] = tick
    state[tb.S_NEXT_NS] = (state[tb.S_TICKED] + 1) * tb.TICK_NS
    return n, True


@compiled
def _look_at_all(t, at, row, n):
    """Count each entry where it belongs, and close up where one is over; returns the next free hit."""
    kept = 0
    for w in range(t.state[tb.S_WAITING]):
        what, end = t.waiting[w, tb.W_WHAT], t.waiting[w, tb.W_END]
        stays = end == 0 or end >= at
        if what == tb.GAP:
            if not stays or may_rise(t, w, at):
                n = judge_gap(t, w, at, row, n)
        elif what == tb.ORPHAN:
            stays = age_orphan(t, w, at)
        elif stays and what == tb.ACK:
            stays = count_order(t, w, at)
        elif stays:
            stays = count_copy(t, w, at)
        if stays:
            if kept != w:
                keep(t, w, kept)
            kept += 1
    t.state[tb.S_WAITING] = kept
    return n
