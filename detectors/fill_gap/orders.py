"""ack_gap: orders of a session that nothing has answered.

How long they may be unanswered before they stop it depends on how fast it is answered otherwise: its
answer times are kept in bins of a tenth of a second.  An order that was never answered is lost in the
end, and counts no more.
"""

from __future__ import annotations

import numpy as np

from detectors import posting as po
from detectors.event import NONE, UNIT
from detectors.evidence import dollars, remember
from detectors.fill_gap import tables as tb
from detectors.fill_gap.accusations import HALT, HIGH, WARN, ring_of
from detectors.fill_gap.clock import bucket_from, judge_until, now_of, since_of
from detectors.fill_gap.prices import price_of
from detectors.fill_gap.sending import count_sent, is_sending, sent_between
from detectors.fill_gap.waiting import wait
from detectors.fill_gap.witnesses import ORDER_ACK, ask, hear
from detectors.kernel import compiled, inlined
from detectors.posting import Note, PostingKind


@inlined
def sent(t, p, row, place, strategy):
    """An order was sent: it waits for an answer, and whoever sent it goes on sending."""
    limits, order = t.limits, p[po.ORDER]
    since, now = since_of(t, p, row), now_of(p)
    count_sent(t, place, now)
    if strategy != place:
        count_sent(t, strategy, now)
    judge_until(t, place, now + max(limits[tb.L_ACK_WARN_NS], limits[tb.L_ACK_HIGH_NS], limits[tb.L_SENDING]))
    if limits[tb.L_HAS_ACK] == 0 or order <= 0 or p[po.BITS] & Note.MANUAL:
        return
    usd = dollars(p[po.QTY], price_of(t, p)) if p[po.PX] != NONE else 0
    t.state[tb.S_ORDERS] = max(order + 1, t.state[tb.S_ORDERS])
    t.orders[order] = wait(t, p, tb.ACK, order, since, place, usd)
    ask(t, ORDER_ACK, p[po.PART], since, p[po.OFFSET])


@inlined
def answered(t, p):
    """An order waits no more: it was answered, or the venue closed on it."""
    if t.orders[p[po.ORDER]] == 0:
        return
    e, now = t.waiting[t.orders[p[po.ORDER]] - 1], now_of(p)
    place, waited = e[tb.W_PLACE], now - e[tb.W_SINCE]
    t.orders[p[po.ORDER]] = 0
    e[tb.W_END] = now
    if waited > t.limits[tb.L_LOST]:
        return
    judge_until(t, place, now)
    if p[po.KIND] == PostingKind.ORDER_ANSWERED:
        hear(t, ORDER_ACK, e[tb.W_PART], now)
        _count_answer(place, waited, t.places)


@compiled
def _count_answer(place, waited, places):
    """One more answer time; now and then all are halved, so that the last ones weigh most."""
    places[place, tb.Q_BINS + min(max(waited // tb.TICK_NS, 0), tb.BINS - 1)] += 1
    places[place, tb.Q_ANSWERS] += 1
    if places[place, tb.Q_ANSWERS] >= tb.ANSWERS_KEPT:
        places[place, tb.Q_ANSWERS] = 0
        for column in range(tb.Q_BINS, tb.Q_BINS + tb.BINS):
            places[place, column] //= 2
            places[place, tb.Q_ANSWERS] += places[place, column]


@compiled
def _patience(place, limits, places):
    """How long a session's orders may be unanswered before they stop it: a multiple of the p99."""
    answers, below = places[place, tb.Q_ANSWERS], 0
    for column in range(tb.BINS):
        below += places[place, tb.Q_BINS + column]
        if answers > 0 and below * 100 >= answers * 99:
            p99 = (column + 1) * tb.TICK_NS
            patience = np.int64(float(p99) * float(limits[tb.L_ACK_TIMES]) / UNIT)
            return max(limits[tb.L_ACK_HALT_NS], min(patience, tb.PATIENCE_NS_MAX))
    return limits[tb.L_ACK_HALT_NS]


@compiled
def count_order(t, w, at):
    """An order that waits at a tick counts against its session; whether it is still worth waiting for."""
    limits, e = t.limits, t.waiting[w]
    place, age = e[tb.W_PLACE], at - e[tb.W_SINCE]
    q = t.places[place]
    if age > limits[tb.L_LOST]:
        if e[tb.W_END] == 0:
            t.orders[e[tb.W_KEY]] = 0
        return False
    if age >= limits[tb.L_ACK_WARN_NS]:
        q[tb.Q_ACK_WARN] += 1
        q[tb.Q_ACK_USD] += e[tb.W_USD]
        if e[tb.W_RUNG] == 0:
            e[tb.W_RUNG] = 1
            ring = ring_of(place, tb.ACK)
            remember(t.rings, ring, e[tb.W_PART], e[tb.W_OFFSET], at, limits[tb.L_LOST])
    if age >= limits[tb.L_ACK_HIGH_NS]:
        q[tb.Q_ACK_HIGH] += 1
    bucket = e[tb.W_SINCE] // tb.TICK_NS
    if age >= limits[tb.L_ACK_HALT_NS] and bucket >= bucket_from(at - limits[tb.L_LOST]):
        if q[tb.Q_PATIENCE] == 0:  # seldom asked for, so worked out once a tick at most
            q[tb.Q_PATIENCE] = _patience(place, limits, t.places)
        if bucket < (at - q[tb.Q_PATIENCE]) // tb.TICK_NS:
            q[tb.Q_ACK_HALT] += 1
    return True


@inlined
def ack_gap(t, place, at):
    """A session's verdict at a tick: (rung, measured, limit, dollars)."""
    limits, q = t.limits, t.places[place]
    rung, measured, limit = 0, q[tb.Q_ACK_WARN], limits[tb.L_ACK_WARN]
    if measured >= limit:
        rung = WARN
    if q[tb.Q_ACK_HIGH] >= limits[tb.L_ACK_HIGH]:
        rung, measured, limit = HIGH, q[tb.Q_ACK_HIGH], limits[tb.L_ACK_HIGH]
    halting = q[tb.Q_ACK_HALT]
    if halting > 0 and is_sending(t, place, at):
        first, last = bucket_from(at - limits[tb.L_LOST]), (at - q[tb.Q_PATIENCE]) // tb.TICK_NS - 1
        orders = sent_between(place, first, last, t.sends)
        share = np.int64(np.ceil(float(orders) * float(limits[tb.L_ACK_SHARE]) / UNIT))
        if halting >= limits[tb.L_ACK_HALT]:
            rung, measured, limit = HALT, halting, limits[tb.L_ACK_HALT]
        elif orders >= limits[tb.L_ACK_SENT] and halting >= share:
            rung, measured, limit = HALT, halting, share
    return rung, measured * UNIT, limit * UNIT, q[tb.Q_ACK_USD] if q[tb.Q_ACK_USD] > 0 else NONE
