"""The one pass over postings: each is told to whoever asks about it, after the time that passed before."""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.child_parent import tables as tb
from detectors.child_parent.accusations import keep
from detectors.child_parent.after_done import judge_late
from detectors.child_parent.chains import begin_chain, judge_replaced
from detectors.child_parent.orphans import count_orphan
from detectors.child_parent.overcommit import judge_cover
from detectors.child_parent.parents import covered, forget, is_overfilled, take
from detectors.child_parent.places import pair_of, place_of
from detectors.child_parent.ratio import count_child
from detectors.child_parent.reasons import ORPHAN, RATIO
from detectors.child_parent.ticks import jump, tick_until
from detectors.child_parent.waiting import wait
from detectors.child_parent.worth import learn_price, price_of, worth
from detectors.kernel import SECOND_NS, compiled, inlined
from detectors.posting import Note, PostingKind
from detectors.pricing import units_told


@compiled
def judge_postings(
    postings, start, rows,
    limits, state, parents, places, pairs, cross, rings, seen, codes, hosts, prices, symbols, currencies,
    firsts, chains, waiting, hits,
):  # fmt: skip
    """Judge from `start`; returns (next posting, hits).  Stops where hits are full or it must ask.

    It is called for each batch, and a `Tables` takes 2 µs longer to pass than its arrays.
    """
    t = tb.Tables(
        limits, state, parents, places, pairs, cross, rings, seen, codes, hosts, prices, symbols, currencies,
        firsts, chains, waiting, hits,
    )  # fmt: skip
    n, may_warm = np.int64(0), state[tb.S_COLD] != 0 and _has_new_date(postings, start, rows, state)
    for i in range(start, postings.shape[0]):
        p = postings[i]
        if p[po.LOW] >= state[tb.S_NEXT_NS] and not jump(p[po.LOW], state):
            n, is_done = tick_until(t, p[po.LOW], p[po.ROW], n)
            if not is_done:
                return i, n
        if n + tb.HITS_OF_ONE > hits.shape[0]:
            return i, n
        if may_warm:
            _warm(rows[p[po.ROW], ev.TRADE_DATE], state)
        kind, parent = p[po.KIND], p[po.PARENT]
        if kind in (PostingKind.EXECUTED, PostingKind.MARKED):
            learn_price(p, prices)
        elif kind in (PostingKind.RATED, PostingKind.INSTRUMENT):
            state[tb.S_CURRENCY] = units_told(symbols, currencies, postings, i, rows)
            if state[tb.S_CURRENCY] != 0:
                return i, n
        elif kind == PostingKind.EVENT:
            if p[po.ORDER] < 0:  # else an acknowledgement, which says nothing: its row is not looked at
                _hear_event(rows[p[po.ROW]], hosts, state)
        elif kind == PostingKind.ORDER_CHANGED and p[po.BITS] & Note.REPLACED and p[po.ORDER] > 0:
            n = judge_replaced(t, p, n)
        if parent >= 0 and p[po.BITS] & Note.PARENT_UNKNOWN and parents[parent, tb.P_FLAGS] & tb.OPENED:
            forget(parents[parent], places)  # unknown again: another parent's code now
        if kind == PostingKind.ORDER_SENT:
            place = place_of(p, hosts, codes, places, state)
            pair = pair_of(place, p[po.STRATEGY], codes, pairs, state)
            if state[tb.S_ASKED] != 0:
                return i, n
            n = _judge_sent(t, p, rows, place, pair, n)
        if parent >= 0 and take(t, p, rows[p[po.ROW]]):
            m = parents[parent]
            if m[tb.P_QTY] > 0 and (m[tb.P_OVER_AT] != 0 or covered(m) > m[tb.P_QTY]):
                place = m[tb.P_PLACE]  # an event of the parent itself concerns who sent its last child
                if kind > PostingKind.PARENT_DONE:
                    place = place_of(p, hosts, codes, places, state)
                n = judge_cover(t, p, place, n)
    return postings.shape[0], n


@inlined
def _judge_sent(t, p, rows, place, pair, n):
    """An order was sent: it begins a chain, and is a child or, where it must name a parent, an orphan."""
    parent, state = p[po.PARENT], t.state
    if p[po.ORDER] > 0:
        n = begin_chain(t, p, n)
    is_parented = t.pairs[pair, tb.PR_PARENTED] == tb.YES
    if parent < 0 and not is_parented:
        return n
    usd = worth(p[po.QTY], price_of(p, t), t.limits)
    if parent < 0:
        count_orphan(place, p[po.PART], p[po.OFFSET], usd, p[po.AT], state, t.places, t.rings)
        return n
    m = t.parents[parent]
    m[tb.P_PLACE] = place
    count_child(pair, parent, p[po.AT], state, t.pairs, t.seen)
    keep(t, p, place, RATIO, tb.RATIO_WINDOW * SECOND_NS)
    if is_parented and parent > 0 and not m[tb.P_FLAGS] & tb.HEARD:
        due = max(p[po.CLOCK], p[po.LOW]) + t.limits[tb.L_ANNOUNCE]
        if not wait(ORPHAN, p, m, due, place, usd, state, t.waiting):
            count_orphan(place, p[po.PART], p[po.OFFSET], usd, p[po.AT], state, t.places, t.rings)
    if m[tb.P_FLAGS] & tb.DONE or is_overfilled(m, t.limits):
        n = judge_late(t, p, rows, place, usd, n)
    return n


@inlined
def _hear_event(row, hosts, state):
    """A heartbeat says how far a host's clock may be off, and what it runs; a phase that a session begins."""
    if row[ev.KIND] == ev.Kind.SESSION_PHASE and row[ev.PHASE] == ev.Phase.PRE_OPEN:
        state[tb.S_COLD] = 0
    host = row[ev.HOST]
    if row[ev.KIND] != ev.Kind.HEARTBEAT or host <= nm.OTHER:
        return
    if row[ev.CLOCK_BOUND] != ev.NONE:
        hosts[host, tb.H_BOUND] = row[ev.CLOCK_BOUND] + 1
    if row[ev.BUILD] > nm.OTHER:
        hosts[host, tb.H_BUILD] = row[ev.BUILD]


@inlined
def _has_new_date(postings, start, rows, state):
    """Whether any row from here on is of a later trade date; one look a row, not one a posting."""
    if state[tb.S_DATE] == 0:
        return True
    newest = np.int64(0)
    for row in range(postings[start, po.ROW], postings[postings.shape[0] - 1, po.ROW] + 1):
        newest = max(rows[row, ev.TRADE_DATE], newest)
    return newest > state[tb.S_DATE]


@inlined
def _warm(date, state):
    """A session begins before our eyes: from here on nothing was announced before the stream began."""
    if state[tb.S_DATE] == 0:
        state[tb.S_DATE] = date
    if date > state[tb.S_DATE]:
        state[tb.S_COLD] = 0
