"""A session at a tick: its unanswered orders, its executions untold, its fills without an order."""

from __future__ import annotations

from detectors.evidence import found
from detectors.fill_gap import tables as tb
from detectors.fill_gap.accusations import ring_of
from detectors.fill_gap.copies import untold
from detectors.fill_gap.orders import ack_gap
from detectors.fill_gap.orphans import orphan_fill
from detectors.fill_gap.reasons import ACK_GAP, ORPHAN_FILL, UNCONFIRMED
from detectors.kernel import compiled, crossed, inlined


@compiled
def begin_tick(tick, places, state):
    """Nothing counts yet at this tick."""
    for place in range(state[tb.S_PLACES] + 1):
        if places[place, tb.Q_UNTIL] >= tick:
            for column in range(tb.Q_PATIENCE, tb.Q_FILLS):
                places[place, column] = 0
            places[place, tb.Q_AGE] = -1


@compiled
def judge_sessions(t, tick, row, n):
    """Whoever has something waiting, or holds a rung that may fall; returns the next free hit."""
    for place in range(t.state[tb.S_PLACES] + 1):
        if t.places[place, tb.Q_UNTIL] >= tick:
            if not _is_idle(place, t.places) or _holds_a_rung(place, t.cross):
                n = _judge(t, place, tick * tb.TICK_NS, row, n)
    return n


@inlined
def _is_idle(place, places):
    """Whether nothing of a place counts at this tick."""
    orders = places[place, tb.Q_ACK_WARN] + places[place, tb.Q_ACK_HIGH] + places[place, tb.Q_ACK_HALT]
    return orders == 0 and places[place, tb.Q_AGE] < 0 and places[place, tb.Q_FILLS] == 0


@inlined
def _holds_a_rung(place, cross):
    lane = place * tb.LANES
    return cross[lane + tb.ACK, 0] != 0 or cross[lane + tb.COPY, 0] != 0 or cross[lane + tb.ORPHAN, 0] != 0


@compiled
def _judge(t, place, at, row, n):
    """Each of the three; what is newly reached is said."""
    kind, code = t.places[place, tb.Q_KIND], t.places[place, tb.Q_CODE]
    for lane in (tb.ACK, tb.COPY, tb.ORPHAN):
        reason, in_usd = UNCONFIRMED, False
        if lane == tb.ACK:
            reason = ACK_GAP
            rung, measured, limit, usd = ack_gap(t, place, at)
        elif lane == tb.COPY:
            rung, measured, limit, usd = untold(t, place, at)
        else:
            reason = ORPHAN_FILL
            rung, measured, limit, usd, in_usd = orphan_fill(t, place)
        rung = crossed(t.cross, place * tb.LANES + lane, rung, at)
        if rung != 0:
            ring = ring_of(place, lane)
            n = found(
                t.hits, n, reason, rung, row, at, kind, code, measured, limit, in_usd, usd, t.rings, ring
            )
    return n
