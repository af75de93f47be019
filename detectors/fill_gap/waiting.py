"""Entries: whatever waits for a confirmation, from its beginning to the tick that follows its end.

Who waits knows its entry; an entry that ended stays until the next tick has judged it as it stood.
"""

from __future__ import annotations

from detectors import posting as po
from detectors.fill_gap import tables as tb
from detectors.fill_gap.clock import judge_until
from detectors.kernel import compiled, inlined


@inlined
def wait(t, p, what, key, since, place, usd):
    """Enter what waits; returns its entry + 1, 0 if there is no room."""
    w = t.state[tb.S_WAITING]
    if w == t.waiting.shape[0]:
        t.state[tb.S_FULL_AT] = t.state[tb.S_NEXT_NS]
        return 0
    t.state[tb.S_WAITING] = w + 1
    if since == tb.DOUBTED:
        t.state[tb.S_DOUBTED] += 1
    e = t.waiting[w]
    e[tb.W_WHAT] = what
    e[tb.W_KEY] = key
    e[tb.W_SINCE] = since
    e[tb.W_END] = 0
    e[tb.W_PLACE] = place
    e[tb.W_USD] = usd
    e[tb.W_PART] = p[po.PART]
    e[tb.W_OFFSET] = p[po.OFFSET]
    e[tb.W_RUNG] = 0
    e[tb.W_DAY] = 0
    e[tb.W_COLD] = 0
    return w + 1


@compiled
def know_again(t, low):
    """Time is known again: what came while it was doubted waits from now on."""
    limits = t.limits
    longest = max(limits[tb.L_ACK_WARN_NS], limits[tb.L_ACK_HIGH_NS], limits[tb.L_ANNOUNCE])
    longest = max(limits[tb.L_ALLOWANCE] + limits[tb.L_HALT_NS], longest)
    for w in range(t.state[tb.S_WAITING]):
        if t.waiting[w, tb.W_SINCE] == tb.DOUBTED:
            t.waiting[w, tb.W_SINCE] = low
            judge_until(t, t.waiting[w, tb.W_PLACE], low + longest)
    t.state[tb.S_DOUBTED] = 0


@inlined
def keep(t, w, kept):
    """Close up: an entry stands at its new place, and who waits in it knows."""
    e = t.waiting[w]
    for column in range(tb.WAIT):
        t.waiting[kept, column] = e[column]
    if e[tb.W_END] != 0:
        return
    what, key, slot = e[tb.W_WHAT], e[tb.W_KEY], e[tb.W_KEY] & (tb.EXECS_MAX - 1)
    if what == tb.ACK:
        t.orders[key] = kept + 1
    elif what == tb.GAP:
        t.parents[key, tb.P_GAP] = kept + 1
    elif t.execs[slot, tb.X_EXEC] == key + 1:
        t.execs[slot, tb.X_COPY if what == tb.COPY else tb.X_ORPHAN] = kept + 1
