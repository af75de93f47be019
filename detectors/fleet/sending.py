"""Who sends: a host that is not as declared, one that nobody granted anything, a flag that slept for long."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.event import UNIT
from detectors.evidence import COUNT, found, remember
from detectors.fleet import tables as tb
from detectors.fleet.hosts import settle
from detectors.fleet.reasons import DORMANT, HALT, HIGH, N_REASONS, NOT_GRANTED, STATES
from detectors.fleet.roles import count_role
from detectors.fleet.standing import FIRM_KIND, HOST_KIND, NO_USD, NOT_USD, judge_host
from detectors.fleet.ticks import QUIET_NS
from detectors.kernel import REARM_NS, SECOND_NS, compiled, inlined

DAY_NS: Final = 86_400 * SECOND_NS
STRATEGY_KIND: Final = np.int64(nm.STRATEGY + 1)


@inlined
def judge_order(t, p, n):
    """An order was sent: its role is at work; if its host is not as declared, this is the moment."""
    host = p[po.HOST]
    if t.state[tb.S_FIRST_AT] == 0 and t.counts.shape[0] > 1:
        t.state[tb.S_FIRST_AT] = p[po.AT]  # somebody sends: by now the fleet must be heard
        settle(t, p[po.AT])
    if host <= nm.OTHER:
        return n
    h = t.hosts[host]
    if h[tb.H_ROLE] == 0:
        return n
    role = t.roles[h[tb.H_ROLE]]
    role[tb.R_TRADED_AT] = max(p[po.AT], role[tb.R_TRADED_AT])
    if h[tb.H_WRONG] == 0 and h[tb.H_WRONG + 1] == 0 and h[tb.H_WRONG + 2] == 0:
        return n
    is_new = p[po.LOW] - h[tb.H_ORDERED_AT] >= REARM_NS
    h[tb.H_ORDERED_AT] = max(p[po.LOW], h[tb.H_ORDERED_AT])
    for reason in range(STATES):
        if h[tb.H_WRONG + reason] != 0:
            if is_new and t.cross[host * N_REASONS + reason, 0] == HALT:
                t.cross[host * N_REASONS + reason, 0] = HIGH  # it was let go on: it is stopped again
            remember(t.rings, host * N_REASONS + reason, p[po.PART], p[po.OFFSET], p[po.AT], QUIET_NS)
    settle(t, p[po.AT])
    return judge_host(t, host, p[po.LOW], p[po.AT], p[po.ROW], n)


@compiled
def judge_use(t, p, row, n):
    """Whoever uses a flag wakes it; one that slept for long enough accuses the host that did."""
    flags, host = row[ev.FLAGS], row[ev.HOST]
    if flags <= nm.OTHER:
        return n
    day = p[po.AT] // DAY_NS + 1
    for slot in range(t.flag_sets[flags, 0]):
        f = t.flags[t.flag_sets[flags, 1 + slot]]
        slept = day - f[tb.F_DAY]
        if f[tb.F_DAY] != 0 and slept >= t.limits[tb.L_DORMANT]:
            f[tb.F_WOKE_AT], f[tb.F_SLEPT] = p[po.AT], slept
        f[tb.F_DAY] = max(day, f[tb.F_DAY])
        is_awake = f[tb.F_WOKE_AT] != 0 and p[po.AT] - f[tb.F_WOKE_AT] < DAY_NS
        if host > nm.OTHER and is_awake:
            h = t.hosts[host]
            h[tb.H_USED_AT], h[tb.H_SLEPT] = max(p[po.AT], h[tb.H_USED_AT]), f[tb.F_SLEPT]
            if h[tb.H_WRONG + DORMANT] == 0:
                h[tb.H_WRONG + DORMANT] = p[po.AT]
            t.state[tb.S_HOSTS] = max(host + 1, t.state[tb.S_HOSTS])
            remember(t.rings, host * N_REASONS + DORMANT, p[po.PART], p[po.OFFSET], p[po.AT], QUIET_NS)
            count_role(t, h[tb.H_ROLE], p[po.LOW])
            settle(t, p[po.AT])
            n = judge_host(t, host, p[po.LOW], p[po.AT], p[po.ROW], n)
    return n


@inlined
def judge_grant(t, p, n):
    """Deny by default: an order without a grant accuses its host, or a strategy that may not run there."""
    if not t.limits[tb.L_HAS_GRANTS]:
        return n
    answer = t.whos[p[po.WHO]]
    if p[po.WHO] == 0:
        t.whos[0] = tb.UNASKED  # the bucket of attributions over the bound: each order is asked for itself
    return n if answer == tb.GRANTED else _accuse(t, p, answer, n)


@compiled
def _accuse(t, p, answer, n):
    host, strategy = p[po.HOST], p[po.STRATEGY]
    part, offset, at = p[po.PART], p[po.OFFSET], p[po.AT]
    measured, limit = np.int64(UNIT), np.int64(0)
    if answer != tb.NO_HOST and strategy > nm.OTHER:
        remember(t.strategy_rings, strategy, part, offset, at, QUIET_NS)
        if _crossed_at_events(t.strategy_cross, strategy, at) == 0:
            return n
        measured, rings = t.strategy_rings[strategy, COUNT] * UNIT, t.strategy_rings
        return found(
            t.hits, n, NOT_GRANTED, HALT, p[po.ROW], at, STRATEGY_KIND, strategy, measured, limit, NOT_USD,
            NO_USD, rings, strategy,
        )  # fmt: skip
    key = host * N_REASONS + NOT_GRANTED
    remember(t.rings, key, part, offset, at, QUIET_NS)
    if _crossed_at_events(t.cross, key, at) == 0:
        return n
    measured = t.rings[key, COUNT] * UNIT
    kind = HOST_KIND if host > nm.OTHER else FIRM_KIND
    return found(
        t.hits, n, NOT_GRANTED, HALT, p[po.ROW], at, kind, host, measured, limit, NOT_USD, NO_USD, t.rings,
        key,
    )  # fmt: skip


@inlined
def _crossed_at_events(cross, key, at):
    """Whether this is said: what is true of an event only is over a second after the last one."""
    is_over = cross[key, 3] == 0 or at - cross[key, 3] >= REARM_NS
    cross[key, 3] = max(at, cross[key, 3])
    return is_over
