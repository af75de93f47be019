"""What leaks, by level: an order or a replace that was accepted, and what still works when all obey."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import halts as hf
from detectors import posting as po
from detectors.contract import Level
from detectors.event import NONE, UNIT, Side
from detectors.evidence import COUNT, found, remember
from detectors.halts import gateway_of, is_inside, level_at, since_at
from detectors.kernel import SECOND_NS, compiled, inlined
from detectors.leak import tables as tb
from detectors.leak.orders import raises
from detectors.leak.reasons import AFTER_HALT
from detectors.ledger import tables as lt
from detectors.rungs import HALT, HIGH, hold, rises

FOREVER: Final = 1 << 62  # ns: the evidence of a halt is one story while it is open


@compiled
def judge_order(t, p, n):
    """An order is accepted: by every halt that is obeyed since before it was sent."""
    o = t.orders[p[po.ORDER]]
    if o[tb.O_MARKS] & tb.LEAKED:
        return n
    for h in range(t.in_force[0]):
        level = _level_over(t, h, o, o[tb.O_SENT])
        if level >= Level.HALT_NEW or (level == Level.REDUCE_ONLY and _raises(t, o, o[tb.O_QTY])):
            o[tb.O_MARKS] |= tb.LEAKED
            n = _leaks(t, h, p, 1, n)
        elif level == Level.THROTTLE and not o[tb.O_MARKS] & tb.COUNTED and _is_over_cap(t, h, o[tb.O_SENT]):
            n = _leaks(t, h, p, 1, n)
    o[tb.O_MARKS] |= tb.COUNTED
    return n


@compiled
def judge_replace(t, p, request, n):
    """A replace is accepted; it was asked for when its request was seen, else not long ago."""
    o = t.orders[p[po.ORDER]]
    asked = p[po.AT] - t.limits[tb.T_IN_FLIGHT]
    if o[tb.O_ASKED] != 0 and o[tb.O_ASKED_ID] == request:
        asked = o[tb.O_ASKED]
    by = p[po.PX] - o[tb.O_PX] if o[tb.O_SIDE] == Side.BUY else o[tb.O_PX] - p[po.PX]
    is_aggressive = p[po.QTY] > o[tb.O_QTY] or (by > 0 and o[tb.O_PX] != NONE)  # a limit is calmer than none
    for h in range(t.in_force[0]):
        level = _level_over(t, h, o, asked)
        if level >= Level.HALT_NEW:
            is_leak = is_aggressive
        elif level == Level.REDUCE_ONLY:
            is_leak = p[po.WORK] > 0 and _raises(t, o, p[po.WORK])
        else:
            is_leak = level == Level.THROTTLE and _is_over_cap(t, h, asked)
        if is_leak:
            n = _leaks(t, h, p, 1, n)
    return n


@compiled
def watch(t, h, since):
    """Remember what works inside a halt that every gateway obeys: it must have been cancelled soon."""
    for order in range(1, t.state[tb.S_ORDERS]):
        watch_order(t, h, order, since)


@inlined
def watch_order(t, h, order, since):
    """The same of one order, if it was sent before."""
    o = t.orders[order]
    if o[tb.O_WORK] > 0 and o[tb.O_WATCHED] == 0 and o[tb.O_SENT] <= since + _bound_of(t, o[tb.O_WHO]):
        gateway = gateway_of(t.who64, o[tb.O_WHO], t.gateway_of_host)
        if _is_held(t, h, o, gateway):
            o[tb.O_WATCHED] = h + 1


@compiled
def watch_late(t, order, id_hi, id_lo):
    """An order is announced only now: it is watched by whatever halt still waits for its cancels."""
    for h in range(t.in_force[0]):
        if t.kept[h, tb.K_DUE] != 0 and not _survives(t, id_hi, id_lo):
            watch_order(t, h, order, t.halts[h, hf.ALL_AT])


@compiled
def judge_working(t, now, row, n):
    """Halts whose time for cancels is over: what still works leaks.  `row`: of what brought the time."""
    t.state[tb.S_NEXT_DUE] = 0
    for h in range(t.in_force[0]):
        due = t.kept[h, tb.K_DUE]
        if due != 0 and due <= now:
            t.kept[h, tb.K_DUE] = 0
            count = np.int64(0)
            for order in range(1, t.state[tb.S_ORDERS]):
                if t.orders[order, tb.O_WATCHED] == h + 1:
                    t.orders[order, tb.O_WATCHED] = 0
                    count += t.orders[order, tb.O_WORK] > 0
            if count > 0 and not t.halts[h, hf.OVERFLOWED]:
                t.rings[h, COUNT] += count
                n = _counts(t, h, due, row, count, n)
        elif due != 0 and (t.state[tb.S_NEXT_DUE] == 0 or due < t.state[tb.S_NEXT_DUE]):
            t.state[tb.S_NEXT_DUE] = due
    return n


@inlined
def _level_over(t, h, o, at):
    """The level at which a halt must have held back what was asked at this time; 0: it need not."""
    halt = t.halts[h]
    if halt[hf.SERIAL] == 0:
        return np.int64(0)
    gateway = gateway_of(t.who64, o[tb.O_WHO], t.gateway_of_host)
    level = level_at(halt, t.levels[h], gateway)
    if level == 0 or at <= since_at(halt, t.since[h], gateway) + _bound_of(t, o[tb.O_WHO]):
        return np.int64(0)
    if (halt[hf.UNTIL] != 0 and at > halt[hf.UNTIL]) or not _is_held(t, h, o, gateway):
        return np.int64(0)
    return level


@inlined
def _is_held(t, h, o, gateway):
    """Whether an order is inside a halt."""
    return is_inside(
        t.halts[h], t.who64, o[tb.O_WHO], gateway, o[tb.O_VENUE], o[tb.O_SYMBOL], o[tb.O_SIDE],
        o[tb.O_PARENT_HI], o[tb.O_PARENT_LO],
    )  # fmt: skip


@inlined
def _bound_of(t, who):
    """How far the clock of a sender's host may be off."""
    host = t.who64[who, lt.W_HOST]
    told = t.bounds[host] if host < t.bounds.shape[0] else 0
    return told - 1 if told > 0 else t.limits[tb.T_CLOCK_BOUND]


@inlined
def _raises(t, o, quantity):
    return not o[tb.O_MARKS] & tb.UNBOOKED and raises(t, o, quantity)


@inlined
def _survives(t, id_hi, id_lo):
    """Whether a gateway listed this order, for whatever halt."""
    is_listed = False
    for row in range(t.in_force[1]):
        is_listed |= t.survivors[row, 1] == id_hi and t.survivors[row, 2] == id_lo
    return is_listed


@inlined
def _is_over_cap(t, h, at):
    """Count one message of a throttle; whether so many seconds running, its own among them, are over the cap.

    Each gateway counts for itself, so together they may send as often as there are gateways.
    """
    second = at // SECOND_NS
    slot = tb.K_SECONDS + 2 * (second % tb.SECONDS)
    if t.kept[h, slot] > second:
        return False  # long past
    if t.kept[h, slot] < second:
        t.kept[h, slot], t.kept[h, slot + 1] = second, 0
    t.kept[h, slot + 1] += 1
    if not _is_second_over(t, h, second):
        return False
    first, last = second, second
    while last - first < t.limits[tb.T_RUNNING] and _is_second_over(t, h, first - 1):
        first -= 1
    while last - first < t.limits[tb.T_RUNNING] and _is_second_over(t, h, last + 1):
        last += 1
    return last - first + 1 >= t.limits[tb.T_RUNNING]


@inlined
def _is_second_over(t, h, second):
    slot = tb.K_SECONDS + 2 * (second % tb.SECONDS)
    cap = t.halts[h, hf.CAP] * max(t.halts[h, hf.OBEYING], 1)
    return t.kept[h, slot] == second and t.kept[h, slot + 1] * UNIT > cap


@inlined
def _leaks(t, h, p, count, n):
    """A posting shows that a halt let something through."""
    remember(t.rings, h, p[po.PART], p[po.OFFSET], p[po.AT], FOREVER)
    return _counts(t, h, p[po.AT], p[po.ROW], count, n)


@compiled
def _counts(t, h, at, row, count, n):
    """Say the rung that the count has come to, if it is not held."""
    kept = t.kept[h]
    kept[tb.K_COUNT] += count
    rung = 0
    if kept[tb.K_COUNT] >= t.limits[tb.T_HALT]:
        rung = HALT
    elif kept[tb.K_COUNT] >= t.limits[tb.T_HIGH]:
        rung = HIGH
    is_new = rises(t.cross, h, rung, at)
    hold(t.cross, h, rung, at)
    if not is_new:
        return n
    return found(
        t.hits, n, AFTER_HALT, rung, row, at, 0, h, kept[tb.K_COUNT] * UNIT, 0, False, NONE, t.rings, h
    )
