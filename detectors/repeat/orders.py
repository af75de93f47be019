"""duplicate and resent_filled: an order that no live parent covers, and the equal ones before it.

Every order finds its group, also one that is covered: its fill may be what another one repeats.  An order
of a parent that nobody announced yet counts within a second, but nobody is stopped for its being unanswered:
the parent may only be late.  Neither is an order by hand, which no wire answers.
"""

from __future__ import annotations

import numpy as np

from detectors import posting as po
from detectors.event import NONE, UNIT
from detectors.evidence import USD_MAX, dollars, found, remember
from detectors.kernel import SECOND_NS, compiled, inlined
from detectors.places import scope_code, scope_kind, session_of
from detectors.posting import Note
from detectors.repeat import tables as tb
from detectors.repeat.groups import alive, group_of, key_of, life_of
from detectors.repeat.parents import is_covered
from detectors.repeat.reasons import DUPLICATE, RESENT_FILLED
from detectors.repeat.windows import count
from detectors.rungs import HALT, HIGH, WARN, hold, rises


@inlined
def sent(t, postings, i, n):
    """An order was sent; returns the next free hit."""
    p = postings[i]
    hi, lo = key_of(p, p[po.QTY])
    group = group_of(t, hi, lo, p[po.LOW])
    g = t.groups[group]
    g[tb.G_NEWEST] = max(p[po.AT], g[tb.G_NEWEST])
    if p[po.ORDER] > 0:
        _note(t, p, hi, lo, life_of(group, t.groups))
    if is_covered(p, t.parents, t.limits):
        return n
    in_second = count(g, tb.G_TENTH, p[po.AT] // tb.TENTH_NS)
    unanswered = _await_answer(t, p, g)
    since_filled = p[po.AT] - g[tb.G_FILLED_AT]
    is_resent = g[tb.G_FILLED_AT] != 0 and 0 < since_filled <= t.limits[tb.L_RESENT_NS]
    is_resent = is_resent and not p[po.BITS] & Note.MANUAL
    if in_second > 1 or unanswered > 1 or is_resent:
        n = _judge(t, postings, i, group, in_second, unanswered, is_resent, n)
    g[tb.G_PART], g[tb.G_OFFSET] = p[po.PART], p[po.OFFSET]
    return n


@inlined
def _note(t, p, hi, lo, life):
    """What is to be known of an order when it is answered, replaced or filled."""
    o = t.orders[p[po.ORDER]]
    t.state[tb.S_ORDERS] = max(p[po.ORDER] + 1, t.state[tb.S_ORDERS])
    o[tb.O_HI], o[tb.O_LO], o[tb.O_GROUP], o[tb.O_INDEX] = hi, lo, life, 0
    o[tb.O_QTY], o[tb.O_FILLED] = p[po.QTY], 0


@inlined
def _await_answer(t, p, g):
    """One more that awaits an answer, where answers are told; returns how many have none running."""
    doubtful = p[po.BITS] & (Note.MANUAL | Note.PARENT_UNKNOWN) != 0
    if t.limits[tb.L_HAS_ACK] != 0 and p[po.ORDER] > 0 and not doubtful:
        g[tb.G_SENT] += 1
        t.orders[p[po.ORDER], tb.O_INDEX] = g[tb.G_SENT]
        return g[tb.G_SENT] - g[tb.G_ANSWERED]
    return 0


@compiled
def _judge(t, postings, i, group, in_second, unanswered, is_resent, n):
    """An order that repeats another one: seldom, so that only then all tables are passed on."""
    p, g, place = postings[i], t.groups[group], session_of(postings, i, t.places, t.codes)
    n = _judge_duplicate(t, p, g, place, in_second, unanswered, n)
    if is_resent:
        resent = count(g, tb.G_RESENT, p[po.AT] // SECOND_NS)
        n = _judge_resent(t, p, place, resent, n)
    return n


@inlined
def _judge_duplicate(t, p, g, place, in_second, unanswered, n):
    """So many equal ones within a second, or without any answer."""
    limits = t.limits
    lane, measured = place * tb.LANES + tb.SECOND, in_second
    if in_second > 1:
        _keep(t, p, g, lane, in_second == 2, SECOND_NS)
    if unanswered > 1:
        _keep(t, p, g, place * tb.LANES + tb.UNANSWERED, unanswered == 2, limits[tb.L_UNANSWERED_NS])
    rung, limit = 0, limits[tb.L_DUP_WARN]
    if in_second >= limits[tb.L_DUP_HALT]:
        rung, limit = HALT, limits[tb.L_DUP_HALT]
    elif unanswered >= limits[tb.L_UNANSWERED]:
        rung, limit = HALT, limits[tb.L_UNANSWERED]
        lane, measured = place * tb.LANES + tb.UNANSWERED, unanswered
    elif in_second >= limits[tb.L_DUP_HIGH]:
        rung, limit = HIGH, limits[tb.L_DUP_HIGH]
    elif in_second >= limits[tb.L_DUP_WARN]:
        rung = WARN
    key = place * tb.LANES + tb.SECOND
    return _accuse(t, p, place, DUPLICATE, key, lane, rung, measured, limit, SECOND_NS, n)


@inlined
def _judge_resent(t, p, place, resent, n):
    """So many, in ten seconds, that are equal to one that was filled."""
    limits, lane = t.limits, place * tb.LANES + tb.RESENT
    remember(t.rings, lane, p[po.PART], p[po.OFFSET], p[po.AT], 10 * SECOND_NS)
    rung, limit = 0, limits[tb.L_RESENT_WARN]
    if resent >= limits[tb.L_RESENT_HALT]:
        rung, limit = HALT, limits[tb.L_RESENT_HALT]
    elif resent >= limits[tb.L_RESENT_HIGH]:
        rung, limit = HIGH, limits[tb.L_RESENT_HIGH]
    elif resent >= limits[tb.L_RESENT_WARN]:
        rung = WARN
    return _accuse(t, p, place, RESENT_FILLED, lane, lane, rung, resent, limit, 10 * SECOND_NS, n)


@inlined
def _keep(t, p, g, lane, is_second, quiet_ns):
    """The order is evidence; so is the one that it repeats."""
    if is_second:
        remember(t.rings, lane, g[tb.G_PART], g[tb.G_OFFSET], p[po.AT], quiet_ns)
    remember(t.rings, lane, p[po.PART], p[po.OFFSET], p[po.AT], quiet_ns)


@compiled
def _accuse(t, p, place, reason, key, lane, rung, measured, limit, window_ns, n):
    """One more hit against a place, if it was not on this rung; returns the next free one."""
    is_new = rises(t.until, key, rung, p[po.AT])
    hold(t.until, key, rung, p[po.AT] + window_ns)  # as long as it stays in its window, so does the count
    if not is_new:
        return n
    usd = np.int64(NONE)
    if p[po.PX] != NONE:
        usd = np.int64(min(float(dollars(p[po.QTY], p[po.PX])) * measured, USD_MAX))
    kind, code = scope_kind(t.places, place), scope_code(t.places, place)
    told = measured * UNIT, limit * UNIT
    return found(
        t.hits, n, reason, rung, p[po.ROW], p[po.AT], kind, code, told[0], told[1], 0, usd, t.rings, lane
    )


@inlined
def answered(p, orders, groups):
    """An order has its first answer, or is out: those before it in its group are not asked for any more."""
    o = orders[p[po.ORDER]]
    if o[tb.O_INDEX] == 0:
        return
    group = alive(o[tb.O_GROUP], groups)
    if group != 0:
        groups[group, tb.G_ANSWERED] = max(o[tb.O_INDEX], groups[group, tb.G_ANSWERED])
    o[tb.O_INDEX] = 0


@compiled
def replaced(t, p):
    """An order has other terms now: whatever equals those repeats it when it is filled."""
    o = t.orders[p[po.ORDER]]
    if o[tb.O_GROUP] != 0 and p[po.QTY] != NONE:
        o[tb.O_HI], o[tb.O_LO] = key_of(p, p[po.QTY])
        o[tb.O_QTY] = p[po.QTY]


@inlined
def filled(t, p):
    """More of an order is filled, or less; when it is filled in full, its group knows."""
    o = t.orders[p[po.ORDER]]
    if o[tb.O_GROUP] == 0:
        return
    was_filled = o[tb.O_FILLED] >= o[tb.O_QTY]
    o[tb.O_FILLED] += p[po.FILL]
    if o[tb.O_FILLED] >= o[tb.O_QTY] and not was_filled:
        g = t.groups[group_of(t, o[tb.O_HI], o[tb.O_LO], p[po.LOW])]
        g[tb.G_FILLED_AT] = max(p[po.AT], g[tb.G_FILLED_AT])
        g[tb.G_NEWEST] = max(p[po.AT], g[tb.G_NEWEST])
