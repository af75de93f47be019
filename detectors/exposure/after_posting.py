"""A scope after a posting: what an order or a fill raised trips at once, what it lowered may fall."""

from __future__ import annotations

import numpy as np

from detectors import posting as po
from detectors.evidence import remember
from detectors.exposure import tables as tb
from detectors.exposure.crossing import stands_on
from detectors.exposure.measures import is_above, level_of, limit_at, measure
from detectors.exposure.reasons import MEASURES, N_REASONS
from detectors.kernel import held, inlined


@inlined
def judge_scope(t, postings, i, s, date, may_rise, n):
    """The three measures of a scope that the posting moved; only one that it raised may cross upwards."""
    if t.scopes[s, tb.S_STAMP] != t.state[tb.ST_STAMP]:
        return n
    t.scopes[s, tb.S_DATE] = max(date, t.scopes[s, tb.S_DATE])
    if t.scopes[s, tb.S_HELD] == 0 and not is_above(t.scopes, s, np.int64(tb.HALF)):
        return n
    low, at, row = postings[i, po.LOW], postings[i, po.AT], postings[i, po.ROW]
    if may_rise and t.scopes[s, tb.S_SEEN] != t.state[tb.ST_STAMP] and _has_risen_above_half(t.scopes, s):
        t.scopes[s, tb.S_SEEN] = t.state[tb.ST_STAMP]
        remember(t.rings, 2 * s, postings[i, po.PART], postings[i, po.OFFSET], at, tb.QUIET_NS)
    t.scopes[s, tb.S_HELD] = 0
    for m in range(MEASURES):
        measured = measure(t.scopes, s, m)
        level = level_of(t.scopes, s, m, measured)
        if not may_rise or measured <= t.scopes[s, tb.S_BEFORE + m]:
            level = min(level, held(t.cross, s * N_REASONS + m, low))
        n = stands_on(t, s, m, level, measured, low, at, row, np.int64(0), n)
    return n


@inlined
def _has_risen_above_half(scopes, s):
    """Whether a measure is above half of its limit and above what it was: the posting is evidence."""
    has_risen = False
    for m in range(MEASURES):
        before = max(scopes[s, tb.S_BEFORE + m], limit_at(scopes, s, m, np.int64(0)))
        has_risen |= measure(scopes, s, m) > before
    return has_risen
