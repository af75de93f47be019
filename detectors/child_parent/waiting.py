"""What time must decide: a list of what waits, looked through at each tick (`ticks.decide`)."""

from __future__ import annotations

from detectors import posting as po
from detectors.child_parent import tables as tb
from detectors.kernel import compiled


@compiled
def wait(what, p, m, due, place, worth, state, waiting):
    """Let time decide; whether there was room."""
    slot = state[tb.S_WAITING]
    if slot == waiting.shape[0]:
        return False
    state[tb.S_WAITING] = slot + 1
    w = waiting[slot]
    w[tb.W_WHAT] = what
    w[tb.W_PARENT] = p[po.PARENT]
    w[tb.W_LIFE] = m[tb.P_LIFE]
    w[tb.W_DUE] = due
    w[tb.W_SINCE] = m[tb.P_OVER_AT]
    w[tb.W_PLACE] = place
    w[tb.W_WORTH] = worth
    w[tb.W_PART] = p[po.PART]
    w[tb.W_OFFSET] = p[po.OFFSET]
    return True
