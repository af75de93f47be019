"""Where a host stands: as declared, not as declared, for how long, and whether it is one of few; or silent.

WARN   it is not as declared                       a host is heard no more for `silent_warn_s`
HIGH   for `minority_high_s`; of a whole role alike the build is named     ... for `silent_high_s`
HALT   a minority host sends an order, or is so for `idle_halt_s` while others of its role send
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import names as nm
from detectors.event import NONE, UNIT
from detectors.evidence import found
from detectors.fleet import tables as tb
from detectors.fleet.reasons import BUILD, CLEAR, DORMANT, FLAG, HALT, HIGH, N_REASONS, SILENT, STATES, WARN
from detectors.fleet.roles import MANY, expected_since
from detectors.kernel import SECOND_NS, compiled, crossed, inlined

FIRM_KIND, HOST_KIND, BUILD_KIND = np.int64(0), np.int64(nm.HOST + 1), np.int64(nm.BUILD + 1)
NS_PER_UNIT: Final = SECOND_NS // UNIT  # a time in 1e-8 of a second
NO_USD, NOT_USD = np.int64(NONE), np.int64(0)


@compiled
def judge_host(t, host, low, at, row, n):
    """Judge one host; returns the next free hit.  `low` is the time of windows, `at` the event's."""
    for reason in range(STATES):
        n = _judge_state(t, host, np.int64(reason), low, at, row, n)
    return _judge_silence(t, host, low, at, row, n)


@inlined
def _judge_state(t, host, reason, low, at, row, n):
    h, key = t.hosts[host], host * N_REASONS + reason
    since = h[tb.H_WRONG + reason]
    if reason == DORMANT and since != 0 and low - h[tb.H_USED_AT] > tb.IN_USE_NS:
        since, h[tb.H_WRONG + DORMANT] = np.int64(0), 0  # nobody uses it there any more
    if since == 0 and t.cross[key, 0] == 0:
        return n
    role = t.roles[h[tb.H_ROLE]]
    is_few = h[tb.H_ROLE] != 0 and 2 * role[tb.R_WRONG + reason] < role[tb.R_LIVE]
    stood_ns = (h[tb.H_USED_AT] if reason == DORMANT else low) - since
    rung = CLEAR
    if since != 0:
        rung = WARN
        # The flags of another build are that build's: one page for one cause.
        if reason != FLAG or h[tb.H_WRONG + BUILD] == 0:
            if stood_ns >= t.limits[tb.L_WRONG_HIGH]:
                rung = HIGH
            if is_few and _is_at_work(t, h, role, stood_ns, low):
                rung = HALT
    if crossed(t.cross, key, rung, low) == 0:
        return n
    measured, limit = max(role[tb.R_WRONG + reason], 1) * UNIT, np.int64(0)
    if reason == DORMANT:
        measured, limit = h[tb.H_SLEPT] * UNIT, t.limits[tb.L_DORMANT] * UNIT
    kind, code = HOST_KIND, np.int64(host)
    if rung == HIGH and not is_few and h[tb.H_ROLE] != 0 and h[tb.H_BUILD] > nm.OTHER:
        kind, code = BUILD_KIND, h[tb.H_BUILD]
    return found(
        t.hits, n, reason, rung, row, at, kind, code, measured, limit, NOT_USD, NO_USD, t.rings, key
    )  # fmt: skip


@inlined
def _is_at_work(t, h, role, stood_ns, low):
    """Whether it sends, or may be the next to: others of its role do, and it stands so for long."""
    if h[tb.H_ORDERED_AT] != 0 and low - h[tb.H_ORDERED_AT] < SECOND_NS:
        return True
    is_role_at_work = role[tb.R_TRADED_AT] != 0 and low - role[tb.R_TRADED_AT] < tb.AT_WORK_NS
    return is_role_at_work and stood_ns >= t.limits[tb.L_IDLE_HALT]


@inlined
def _judge_silence(t, host, low, at, row, n):
    h, key = t.hosts[host], host * N_REASONS + SILENT
    if h[tb.H_BEAT_AT] == 0 or h[tb.H_ROW] <= 0:
        return n
    since = expected_since(t, h, low)
    silent_ns = low - max(h[tb.H_BEAT_AT], since)
    rung = CLEAR
    if since >= 0 and silent_ns >= t.limits[tb.L_SILENT_WARN]:
        rung = WARN
        # Where many are silent at once their role is named, see `ticks`.
        if silent_ns >= t.limits[tb.L_SILENT_HIGH] and t.roles[h[tb.H_ROLE], tb.R_SILENT] < MANY:
            rung = HIGH
    if rung == CLEAR and t.cross[key, 0] == 0:
        return n
    if crossed(t.cross, key, rung, low) == 0:
        return n
    limit = t.limits[tb.L_SILENT_WARN] if rung == WARN else t.limits[tb.L_SILENT_HIGH]
    measured, limit = silent_ns // NS_PER_UNIT, limit // NS_PER_UNIT
    code = np.int64(host)
    return found(
        t.hits, n, SILENT, rung, row, at, HOST_KIND, code, measured, limit, NOT_USD, NO_USD, t.rings, key
    )  # fmt: skip
