"""Time: at each second of LOW every host is judged, and every role for those that never came."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import names as nm
from detectors.fleet import tables as tb
from detectors.fleet.reasons import N_REASONS
from detectors.fleet.roles import count_role, judge_role
from detectors.fleet.standing import judge_host
from detectors.kernel import SECOND_NS, compiled

QUIET_NS: Final = np.int64(3600 * SECOND_NS)  # evidence before an hour of quiet is another story's


@compiled
def tick_until(t, low, row, n):
    """Judge all seconds that end by `low`; returns (hits, whether there was room for all)."""
    state = t.state
    target = low // SECOND_NS
    if state[tb.S_TICKED] == 0:
        state[tb.S_TICKED] = target  # the first time that is known
    while state[tb.S_TICKED] < target:
        if state[tb.S_UNTIL] <= state[tb.S_TICKED]:
            state[tb.S_TICKED] = target  # all that a silence leads to was said
            break
        if n + N_REASONS * state[tb.S_HOSTS] + tb.ROLES_MAX > t.hits.shape[0]:
            return n, False
        second = state[tb.S_TICKED] + 1
        at = second * SECOND_NS
        for role in range(1, t.counts.shape[0]):
            count_role(t, role, at)
        for host in range(nm.FIRST, state[tb.S_HOSTS]):
            n = judge_host(t, np.int64(host), at, at, row, n)
        for role in range(1, t.counts.shape[0]):
            n = judge_role(t, np.int64(role), at, row, n)
        state[tb.S_TICKED] = second
    state[tb.S_NEXT_NS] = (state[tb.S_TICKED] + 1) * SECOND_NS
    return n, True
