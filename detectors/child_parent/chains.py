"""chain_growth: the total of a replace chain against the quantity of its first order."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import posting as po
from detectors.child_parent import tables as tb
from detectors.child_parent.accusations import accuse, keep
from detectors.child_parent.places import session_of
from detectors.child_parent.reasons import CHAIN, CLEAR, HALT, HIGH, WARN
from detectors.child_parent.worth import price_of, worth
from detectors.event import UNIT
from detectors.kernel import SECOND_NS, compiled, crossed, inlined
from detectors.posting import Note

EARLY_NS: Final = 10 * SECOND_NS  # a replace told this much before its order is of an order long forgotten


@inlined
def begin_chain(t, p, n):
    """An order is announced, with its first total; it may have been replaced already."""
    order = p[po.ORDER]
    t.state[tb.S_ORDERS] = max(order + 1, t.state[tb.S_ORDERS])
    t.firsts[order] = p[po.QTY]
    if p[po.BITS] & Note.LATE_ORDER and p[po.AT] - t.chains[order, tb.C_EARLY_AT] < EARLY_NS:
        n = _judge_total(t, p, t.chains[order, tb.C_EARLY_QTY], n)
    return n


@compiled
def judge_replaced(t, p, n):
    """An order has a new total; if nobody announced it yet, its first one is still to come."""
    order = p[po.ORDER]
    t.state[tb.S_ORDERS] = max(order + 1, t.state[tb.S_ORDERS])
    if p[po.BITS] & Note.ORDER_UNKNOWN:
        t.chains[order, tb.C_EARLY_QTY] = p[po.QTY]
        t.chains[order, tb.C_EARLY_AT] = p[po.AT]
        return n
    return _judge_total(t, p, p[po.QTY], n)


@compiled
def _judge_total(t, p, total, n):
    order, at, limits = p[po.ORDER], p[po.AT], t.limits
    c, first = t.chains[order], float(t.firsts[order])
    if c[tb.C_SENT_AT] != p[po.SENT_AT]:
        c[:] = 0  # another order has this code now
        c[tb.C_SENT_AT] = p[po.SENT_AT]
    if first <= 0.0:
        return n
    usd = worth(total, price_of(p, t), limits)
    times = float(total) * UNIT / first
    rung, limit = CLEAR, limits[tb.L_CHAIN_WARN]
    if times >= limit:
        rung = WARN
    if times >= limits[tb.L_CHAIN_HIGH] and usd >= limits[tb.L_CHAIN_HIGH_USD]:
        rung, limit = HIGH, limits[tb.L_CHAIN_HIGH]
    if times >= limits[tb.L_CHAIN_HALT] and usd >= limits[tb.L_CHAIN_HALT_USD]:
        rung, limit = HALT, limits[tb.L_CHAIN_HALT]
    place = session_of(p, t.hosts, t.codes, t.places, t.state)
    if rung != CLEAR:
        keep(t, p, place, CHAIN, tb.QUIET_NS)
    rung = crossed(t.chains, order, rung, at)
    if rung == CLEAR:
        return n
    measured = np.int64(np.rint(min(times, 9e18)))
    return accuse(t, n, CHAIN, rung, p[po.ROW], at, place, measured, limit, usd)
