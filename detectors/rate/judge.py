"""The one pass over postings: messages count where they have a cap, orders by host and strategy."""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.event import NONE, UNIT
from detectors.evidence import dollars, remember
from detectors.kernel import compiled, inlined
from detectors.posting import Note, PostingKind
from detectors.rate import tables as tb
from detectors.rate.caps import judge_count
from detectors.rate.counting import count_host, count_pair, count_scope, second_of
from detectors.rate.scopes import find, is_told
from detectors.rate.ticks import tick_until


@compiled
def judge_postings(postings, start, rows, *tables):  # noqa: ANN002  Tables
    """Judge from `start`; returns (next posting, hits).  Stops where hits are full or it must ask."""
    t = tb.Tables(*tables)
    n = np.int64(0)
    for i in range(start, postings.shape[0]):
        p = postings[i]
        if p[po.LOW] >= t.state[tb.S_NEXT_NS] and p[po.LOW] > 0:
            n, is_done = tick_until(t, p[po.LOW], p[po.ROW], n)
            if not is_done:
                return i, n
        kind = p[po.KIND]
        if kind == PostingKind.EXECUTED or kind == PostingKind.MARKED:
            if p[po.PX] > 0:
                t.prices[p[po.SYMBOL]] = p[po.PX]
            continue
        messages = np.int64(1)
        if kind == PostingKind.EVENT:
            if p[po.ORDER] >= 0:
                continue  # an acknowledgement: its row is not looked at
            messages = _hear_event(t, p, rows[p[po.ROW]])
        elif kind == PostingKind.ORDER_OUT:
            messages = np.int64(p[po.BITS] & Note.REJECTED != 0)
        elif (
            kind != PostingKind.ORDER_SENT
            and kind != PostingKind.REQUESTED
            and kind != PostingKind.REQUEST_REFUSED
        ):
            continue
        if messages == 0:
            continue
        if n + tb.HITS_OF_ONE > t.hits.shape[0]:
            return i, n
        who, session = p[po.WHO], p[po.SESSION]
        of_session = who == 0
        whose = t.sessions[session] if of_session else t.whos[who]
        if whose[tb.W_FOUND] == 0:
            find(t, whose, who, session)
            if not is_told(t):
                return i, n
        second = second_of(p[po.AT], t.state)
        for shape in range(tb.SHAPES_MAX):
            s = np.int64(whose[shape])
            if s != 0:
                count = count_scope(t, s, p[po.PART], p[po.OFFSET], p[po.AT], second, messages)
                n = judge_count(t, s, count, p[po.LOW], p[po.AT], p[po.ROW], n)
        if p[po.HOST] > nm.OTHER and t.hosts[p[po.HOST], tb.H_ROLE] != 0:
            count_host(t, p[po.HOST], second, messages)
            remember(t.host_rings, p[po.HOST], p[po.PART], p[po.OFFSET], p[po.AT], tb.QUIET_NS)
        if kind == PostingKind.ORDER_SENT:
            _count_order(t, p, np.int64(whose[tb.W_PAIR]), second)
    return postings.shape[0], n


@inlined
def _count_order(t, p, pair, second):
    px = p[po.PX]
    if px == NONE:
        px = t.prices[p[po.SYMBOL]]
    elif px > 0:
        t.prices[p[po.SYMBOL]] = px
    count_pair(t, pair, second, p[po.QTY] // UNIT, dollars(p[po.QTY], px))
    remember(t.pair_rings, pair, p[po.PART], p[po.OFFSET], p[po.AT], tb.QUIET_NS)


@inlined
def _hear_event(t, p, row):
    """How many messages an event stands for; a heartbeat says a role, a phase that a venue opens."""
    told = row[ev.KIND]
    if told == ev.Kind.SESSION_EVENT:
        return np.int64(1) if row[ev.COUNT] == NONE else row[ev.COUNT]
    if told == ev.Kind.HEARTBEAT:
        if row[ev.HOST] > nm.OTHER and row[ev.ROLE] > nm.OTHER:
            t.hosts[row[ev.HOST], tb.H_ROLE] = row[ev.ROLE]
            t.state[tb.S_KNOWN_HOSTS] = max(row[ev.HOST] + 1, t.state[tb.S_KNOWN_HOSTS])
    elif told == ev.Kind.SESSION_PHASE and row[ev.VENUE] > nm.OTHER:
        is_open = row[ev.PHASE] == ev.Phase.OPEN
        if is_open and t.venues[row[ev.VENUE]] == 0:
            t.state[tb.S_OPENED_AT] = max(p[po.AT], t.state[tb.S_OPENED_AT])
        t.venues[row[ev.VENUE]] = is_open
    return np.int64(0)


@compiled
def judge_silence(now_ns, *tables):  # noqa: ANN002  Tables
    """Time has passed; returns (hits, whether there was room for all)."""
    return tick_until(tb.Tables(*tables), now_ns, np.int64(-1), np.int64(0))
