"""A role: how many of its hosts live, how many are not as declared, how many never came."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors.event import NONE, UNIT
from detectors.evidence import found
from detectors.fleet import tables as tb
from detectors.fleet.reasons import ARRIVED, CLEAR, HIGH, STATES
from detectors.kernel import compiled, crossed, inlined

MANY: Final = 3  # hosts of a role silent at once are one cause


@compiled
def count_role(t, role, at):
    """Count anew what a role's hosts are; where nobody is counted (no role) nothing is compared."""
    r = t.roles[role]
    for column in range(tb.R_LIVE, tb.R_SILENT + 1):
        r[column] = 0
    if role == 0:
        return
    for host in range(nm.FIRST, t.state[tb.S_HOSTS]):
        h = t.hosts[host]
        if h[tb.H_ROLE] != role or h[tb.H_BEAT_AT] == 0:
            continue
        r[tb.R_HEARD] += 1
        if at - h[tb.H_BEAT_AT] >= t.limits[tb.L_SILENT_HIGH]:
            since = expected_since(t, h, at)
            r[tb.R_SILENT] += since >= 0 and at - since >= t.limits[tb.L_SILENT_HIGH]
            continue
        r[tb.R_LIVE] += 1
        for reason in range(STATES):
            r[tb.R_WRONG + reason] += h[tb.H_WRONG + reason] != 0


@compiled
def expected_since(t, h, low):
    """Since when a host must be heard: its session is on, a venue is open, it is not rolled out; else -1."""
    if t.state[tb.S_TOLD] != 0 and t.state[tb.S_OPEN] == 0:
        return np.int64(-1)
    if h[tb.H_PHASE] == ev.Phase.STARTED and low - h[tb.H_PHASE_AT] < t.limits[tb.L_ROLLOUT_SILENCE]:
        return np.int64(-1)
    first, end = t.manifest[h[tb.H_ROW] - 1, tb.M_SESSIONS], t.manifest[h[tb.H_ROW] - 1, tb.M_SESSIONS_END]
    if first == end:
        return t.state[tb.S_EXPECT_AT]
    beyond = end
    while first < beyond:
        middle = (first + beyond) >> 1
        if t.sessions[middle, 0] <= low:
            first = middle + 1
        else:
            beyond = middle
    last = first - 1
    if last < t.manifest[h[tb.H_ROW] - 1, tb.M_SESSIONS] or low >= t.sessions[last, 1]:
        return np.int64(-1)
    return max(t.sessions[last, 0], t.state[tb.S_EXPECT_AT])


@inlined
def judge_role(t, role, at, row, n):
    """Declared 8, arrived 7; or heard, and many of them no more."""
    r, rung = t.roles[role], CLEAR
    is_closed = t.state[tb.S_TOLD] != 0 and t.state[tb.S_OPEN] == 0
    first = t.state[tb.S_FIRST_AT]
    has_had_time = first != 0 and at - first >= t.limits[tb.L_ARRIVAL]
    live = r[tb.R_HEARD]
    if has_had_time and not is_closed:
        if r[tb.R_SILENT] >= MANY:
            rung, live = HIGH, r[tb.R_LIVE]
        if r[tb.R_HEARD] < t.counts[role]:
            rung = HIGH
    if rung == CLEAR and t.role_cross[role, 0] == 0:
        return n
    if crossed(t.role_cross, role, rung, at) == 0:
        return n
    measured, limit = live * UNIT, max(t.counts[role], r[tb.R_HEARD]) * UNIT
    nobody, no_usd = np.int64(0), np.int64(NONE)
    return found(
        t.hits, n, ARRIVED, rung, row, at, nobody, nobody, measured, limit, nobody, no_usd, t.role_rings, role
    )  # fmt: skip
