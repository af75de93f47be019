"""What fills alone have made and lost in the last minute, in seconds of LOW."""

from __future__ import annotations

from detectors.kernel import compiled, inlined
from detectors.loss import tables as tb


@compiled
def bring_to(scopes, s, second):
    """The minute that ends with this second: what is older counts no more."""
    for passed in range(max(scopes[s, tb.S_SECOND] + 1, second - tb.MINUTE + 1), second + 1):
        slot = tb.S_MINUTE + passed % tb.MINUTE
        scopes[s, tb.S_NET] -= scopes[s, slot]
        scopes[s, tb.S_GONE] -= max(-scopes[s, slot], 0)
        scopes[s, slot] = 0
    scopes[s, tb.S_SECOND] = max(second, scopes[s, tb.S_SECOND])


@inlined
def add(scopes, s, second, change):
    """A fill has made or lost something at this second."""
    bring_to(scopes, s, second)
    slot = tb.S_MINUTE + second % tb.MINUTE
    scopes[s, tb.S_NET] += change
    scopes[s, tb.S_GONE] += max(-(scopes[s, slot] + change), 0) - max(-scopes[s, slot], 0)
    scopes[s, slot] += change


@inlined
def may_be_fast(t, s):
    """Whether its losing seconds alone reach a rung: its minute may, once its winning ones are over."""
    return float(t.scopes[s, tb.S_GONE]) > t.shares[tb.R_WARN] * float(t.scopes[s, tb.S_VELOCITY])
