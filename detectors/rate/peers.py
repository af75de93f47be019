"""peer: one host against at least four others of its role, which heartbeats tell.

WARN  5 x the median of the others     HIGH  20 x, three seconds running     (the median at least a floor)
"""

from __future__ import annotations

import numpy as np

from detectors import names as nm
from detectors.event import NONE, UNIT
from detectors.evidence import found
from detectors.kernel import SECOND_NS, compiled, crossed, inlined
from detectors.rate import tables as tb
from detectors.rate.counting import counted
from detectors.rate.reasons import CLEAR, HIGH, PEER, WARN


@compiled
def judge_peers(t, second, row, n):
    """A second has ended: judge each host that sent in it, or holds a rung since."""
    at = (second + 1) * SECOND_NS
    for host in range(nm.FIRST, t.state[tb.S_HOSTS]):
        h = t.hosts[host]
        if h[tb.H_ROLE] == 0 or h[tb.H_UNTIL] < second:
            continue
        count = counted(h, tb.H_COUNTS, second)
        floor = t.limits[tb.L_PEER_FLOOR]
        rung, median = CLEAR, 0.0
        is_high = False
        if count >= t.limits[tb.L_PEER_WARN] * floor:  # below it no median could make it much
            others, median = _median_of_others(t, host, second)
            if others >= t.limits[tb.L_PEER_HOSTS]:
                median = max(median, floor)
                if count >= t.limits[tb.L_PEER_WARN] * median:
                    rung = WARN
                is_high = count >= t.limits[tb.L_PEER_HIGH] * median
        h[tb.H_RUNS] = h[tb.H_RUNS] + 1 if is_high else 0
        limit = t.limits[tb.L_PEER_WARN] * median
        if h[tb.H_RUNS] >= t.limits[tb.L_RUNNING]:
            rung, limit = HIGH, t.limits[tb.L_PEER_HIGH] * median
        if crossed(t.hosts, host, rung, at) == 0:
            continue
        kind, code = np.int64(nm.HOST + 1), np.int64(host)
        in_usd, usd, fixed = np.int64(0), np.int64(NONE), np.int64(np.rint(limit * UNIT))
        n = found(
            t.hits, n, PEER, rung, row, at, kind, code, count * UNIT, fixed, in_usd, usd, t.host_rings, host
        )  # fmt: skip
    return n


@inlined
def _median_of_others(t, host, second):
    """How many others of its role there are, and the lower median of what they sent.

    By counting below and above, as nothing may be sorted here; a role has a dozen hosts, seldom a hundred.
    """
    role, others = t.hosts[host, tb.H_ROLE], 0
    for other in range(nm.FIRST, t.state[tb.S_KNOWN_HOSTS]):
        others += other != host and t.hosts[other, tb.H_ROLE] == role
    middle, median = (others - 1) // 2, 0.0
    for candidate in range(nm.FIRST, t.state[tb.S_KNOWN_HOSTS]):
        if candidate == host or t.hosts[candidate, tb.H_ROLE] != role:
            continue
        count, below, equal = counted(t.hosts[candidate], tb.H_COUNTS, second), 0, 0
        for other in range(nm.FIRST, t.state[tb.S_KNOWN_HOSTS]):
            if other != host and t.hosts[other, tb.H_ROLE] == role:
                its = counted(t.hosts[other], tb.H_COUNTS, second)
                below += its < count
                equal += its == count
        if below <= middle < below + equal:
            median = float(count)
    return others, median
