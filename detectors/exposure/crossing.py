"""A rung is crossed, and said: once on the way up, and a page once a trade date."""

from __future__ import annotations

import numpy as np

from detectors.evidence import found
from detectors.exposure import tables as tb
from detectors.exposure.measures import limit_at, measure
from detectors.exposure.reasons import GROSS, HIGH, N_REASONS, ORDER_NOTIONAL, ORDER_QUANTITY
from detectors.kernel import compiled, crossed, inlined


@inlined
def stands_on(t, s, m, level, measured, low, at, row, by_mark, n):
    """A measure of a scope stands on a rung at time `low`; a hit if it was below, and no page of today."""
    key = s * N_REASONS + m
    rung = crossed(t.cross, key, level, low)
    t.scopes[s, tb.S_HELD] |= t.cross[key, 0]
    if rung == 0 or (rung == HIGH and _was_paged_today(t.scopes, s, m)):
        return n
    limit = limit_at(t.scopes, s, m, rung)
    return say(t.hits, t.scopes, t.rings, n, m, rung, row, at, s, measured, limit, by_mark)


@inlined
def _was_paged_today(scopes, s, m):
    """Whether people were paged for this measure today, of whichever symbol; from now on they were."""
    paged = scopes[s, tb.S_WIDE] if scopes[s, tb.S_WIDE] != 0 else s
    if scopes[paged, tb.S_PAGED_ON + m] >= scopes[s, tb.S_DATE]:
        return True
    scopes[paged, tb.S_PAGED_ON + m] = scopes[s, tb.S_DATE]
    return False


@inlined
def crossed_at_events(cross, key, rung, at):
    """As `crossed`, for what is true at the instant of an event only: right after it, it fell."""
    crossed(cross, key, np.int64(0), cross[key, 3])
    cross[key, 3] = max(at, cross[key, 3])
    return crossed(cross, key, rung, at)


@compiled
def say(hits, scopes, rings, n, reason, rung, row, at, s, measured, limit, by_mark):
    """One more hit, against a scope; returns the next free one.  Numbers are int64 at every call."""
    hits[n, tb.BY_MARK] = by_mark
    ring = 2 * s + np.int64(ORDER_NOTIONAL <= reason <= ORDER_QUANTITY)
    usd = measure(scopes, s, np.int64(GROSS))
    of_scope, in_usd = np.int64(tb.OF_SCOPE), np.int64(0)
    return found(hits, n, reason, rung, row, at, of_scope, s, measured, limit, in_usd, usd, rings, ring)
