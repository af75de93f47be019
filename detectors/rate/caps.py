"""message_cap: the messages of one second against their cap.

WARN  0.75 x cap     HIGH  the cap     HALT  2 x the cap, at that message; or the cap, three seconds running
"""

from __future__ import annotations

import numpy as np

from detectors.event import NONE, UNIT
from detectors.evidence import found
from detectors.kernel import SECOND_NS, compiled, crossed, inlined
from detectors.rate import tables as tb
from detectors.rate.counting import counted
from detectors.rate.reasons import CAP, CLEAR, HALT, HIGH, WARN


@inlined
def _rung_of(t, cap, count):
    if count > t.limits[tb.L_HALT] * cap:
        return HALT
    if count > cap:
        return HIGH
    return WARN if count > t.limits[tb.L_WARN] * cap else CLEAR


@inlined
def judge_count(t, s, count, low, at, row, n):
    """A message was counted: it may be the one too many."""
    cap = t.scopes[s, tb.C_CAP]
    rung = _rung_of(t, cap, count)
    if rung <= t.cross[s, 0] or crossed(t.cross, s, rung, low) == 0:
        return n
    return _say(t, s, rung, count, at, row, n)


@compiled
def judge_second(t, s, second, row, n):
    """A second has ended; three over the cap running stop their scope."""
    c, at = t.scopes[s], (second + 1) * SECOND_NS
    count = counted(c, tb.C_COUNTS, second)
    rung = _rung_of(t, c[tb.C_CAP], count)
    c[tb.C_RUNS] = c[tb.C_RUNS] + 1 if rung >= HIGH else 0
    if c[tb.C_RUNS] >= t.limits[tb.L_RUNNING]:
        rung = HALT
    if crossed(t.cross, s, rung, at) == 0:
        return n
    return _say(t, s, rung, count, at, row, n)


@inlined
def _say(t, s, rung, count, at, row, n):
    cap = t.scopes[s, tb.C_CAP]
    times = t.limits[tb.L_WARN] if rung == WARN else 1.0
    if rung == HALT and count > t.limits[tb.L_HALT] * cap:
        times = t.limits[tb.L_HALT]
    measured, limit = count * UNIT, np.int64(np.rint(times * cap * UNIT))
    nobody, usd = np.int64(0), np.int64(NONE)  # whose row it is, the minus says
    return found(t.hits, n, CAP, rung, row, at, nobody, -s, measured, limit, nobody, usd, t.rings, s)
