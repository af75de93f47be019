"""unknown_reason: what software says for the first time, by the host that says it.

A text is compared in its masked form (`masking`), its class: the code of the first text of that form.  Where
there is a baseline, what is not in it is unknown, and what is in it is known.  Without one it is unknown
while none of at least four other living hosts of the same role has said it; where there are not so many,
nobody can tell, and it is recorded only.
"""

from __future__ import annotations

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.event import NONE, UNIT, Kind, SessionEvent, Source
from detectors.evidence import found, remember
from detectors.kernel import SECOND_NS, compiled, crossed, inlined
from detectors.places import CODE, KIND, named, scope_code, scope_kind, session_of
from detectors.storm import tables as tb
from detectors.storm.reasons import UNKNOWN_REASON
from detectors.storm.rungs import CLEAR, HIGH, WARN


@inlined
def text_in(row):
    """The code of the text that an event says, 0 if it says none that counts."""
    kind = row[ev.KIND]
    if kind == Kind.ORDER_REJECT or kind == Kind.CANCEL_REJECT:
        return row[ev.REASON] if row[ev.SOURCE] != Source.GATEWAY else 0  # what a gate says of a halt is ours
    if kind == Kind.SESSION_EVENT:
        is_reject = row[ev.EVENT] == SessionEvent.REJECT or row[ev.EVENT] == SessionEvent.BUSINESS_REJECT
        return row[ev.REASON] if is_reject else 0
    return row[ev.REASON] if kind == Kind.ERROR else 0


@inlined
def hear_host(row, at, hosts, state):
    """A heartbeat: the host is alive, in its role."""
    host = row[ev.HOST]
    if row[ev.KIND] == Kind.HEARTBEAT and host > nm.OTHER:
        hosts[host, tb.H_BEAT] = max(at, hosts[host, tb.H_BEAT])
        state[tb.S_HOSTS] = max(host + 1, state[tb.S_HOSTS])
        if row[ev.ROLE] > nm.OTHER:
            hosts[host, tb.H_ROLE] = row[ev.ROLE]


@compiled
def say(t, postings, i, row, text):
    """A place says a text: its times are kept, unless the baseline knows it."""
    p, of_class = postings[i], t.texts[text, tb.T_CLASS]
    if t.texts[of_class, tb.T_KNOWN] != 0:
        return
    if row[ev.HOST] > nm.OTHER:
        place = named(t.places, t.codes, nm.HOST, row[ev.HOST])
    else:
        place = session_of(postings, i, t.places, t.codes)
    c = t.said[_who_said(t, place, of_class)]
    place = c[tb.C_PLACE]
    if c[tb.C_COUNT] > 0 and c[tb.C_TIMES + (c[tb.C_COUNT] - 1) % tb.TIMES_MAX] == p[po.AT]:
        return  # the same of the same at the same nanosecond is one message, told again
    times = max(row[ev.COUNT], 1) if row[ev.KIND] == Kind.ERROR or row[ev.KIND] == Kind.SESSION_EVENT else 1
    for _ in range(min(times, tb.TIMES_MAX)):
        c[tb.C_TIMES + c[tb.C_COUNT] % tb.TIMES_MAX] = p[po.AT]
        c[tb.C_COUNT] += 1
    lane = place * tb.LANES + UNKNOWN_REASON
    remember(t.rings, lane, p[po.PART], p[po.OFFSET], p[po.AT], t.limits[tb.L_UNKNOWN_NS])
    q = t.counts[place]
    until = (p[po.AT] + t.limits[tb.L_UNKNOWN_NS]) // SECOND_NS + 1 + tb.SETTLING
    q[tb.Q_TEXT_UNTIL] = max(until, q[tb.Q_TEXT_UNTIL])
    t.state[tb.S_TEXT_UNTIL] = max(until, t.state[tb.S_TEXT_UNTIL])
    t.state[tb.S_UNTIL] = max(until, t.state[tb.S_UNTIL])


@inlined
def _who_said(t, place, of_class):
    """The row of a place and a class; row 0 if there is no room for one more."""
    c = t.texts[of_class, tb.T_HEAD]
    while c != 0 and t.said[c, tb.C_PLACE] != place:
        c = t.said[c, tb.C_NEXT]
    if c == 0 and t.state[tb.S_SAID] + 1 < t.said.shape[0]:
        t.state[tb.S_SAID] += 1
        c = t.state[tb.S_SAID]
        t.said[c, tb.C_PLACE] = place
        t.said[c, tb.C_CLASS] = of_class
        t.said[c, tb.C_NEXT] = t.texts[of_class, tb.T_HEAD]
        t.texts[of_class, tb.T_HEAD] = c
    return c


@compiled
def count_texts(t, second):
    """What is unknown at the end of a second, and of that what may page, by place."""
    at, limits = second * SECOND_NS, t.limits
    for place in range(t.places[0, CODE] + 1):
        t.counts[place, tb.Q_UNKNOWN], t.counts[place, tb.Q_CONFIRMED] = 0, 0
        t.counts[place, tb.Q_PEERS] = -1
    for each in range(t.state[tb.S_SAID] + 1):
        c = t.said[each]
        times = 0
        for slot in range(min(c[tb.C_COUNT], tb.TIMES_MAX)):
            times += 1 if at - limits[tb.L_UNKNOWN_NS] <= c[tb.C_TIMES + slot] < at else 0
        if times == 0 or t.texts[c[tb.C_CLASS], tb.T_KNOWN] != 0:
            continue
        place = c[tb.C_PLACE]
        if t.counts[place, tb.Q_PEERS] < 0:
            t.counts[place, tb.Q_PEERS] = _peers(t, place, at)
        has_peers = t.counts[place, tb.Q_PEERS] >= limits[tb.L_PEERS]
        if limits[tb.L_HAS_BASELINE] == 0 and has_peers and _is_said_by_another(t, place, c[tb.C_CLASS]):
            continue
        t.counts[place, tb.Q_UNKNOWN] += times
        if limits[tb.L_HAS_BASELINE] != 0 or has_peers:
            t.counts[place, tb.Q_CONFIRMED] += times


@inlined
def _role(t, place):
    """The role of the host that a place is; 0: it is none, or nobody said."""
    return t.hosts[t.places[place, CODE], tb.H_ROLE] if t.places[place, KIND] == nm.HOST + 1 else 0


@inlined
def _peers(t, place, at):
    """Other hosts of its role that are alive."""
    role, peers = _role(t, place), 0
    if role != 0:
        for host in range(nm.FIRST, t.state[tb.S_HOSTS]):
            is_other = t.hosts[host, tb.H_ROLE] == role and host != t.places[place, CODE]
            peers += 1 if is_other and at - t.hosts[host, tb.H_BEAT] <= t.limits[tb.L_ALIVE] else 0
    return peers


@inlined
def _is_said_by_another(t, place, of_class):
    """Whether another host of its role ever said it."""
    c = t.texts[of_class, tb.T_HEAD]
    while c != 0:
        other = t.said[c, tb.C_PLACE]
        if other != place and _role(t, other) == _role(t, place):
            return True
        c = t.said[c, tb.C_NEXT]
    return False


@compiled
def judge_texts(t, place, second, row, n):
    """A place at the end of a second; returns the next free hit."""
    q, limits, lane, at = t.counts[place], t.limits, place * tb.LANES + UNKNOWN_REASON, second * SECOND_NS
    rung, measured, limit = CLEAR, q[tb.Q_UNKNOWN], limits[tb.L_UNKNOWN_WARN]
    if measured >= limit:
        rung = WARN
    if q[tb.Q_CONFIRMED] >= limits[tb.L_UNKNOWN_HIGH]:
        rung, measured, limit = HIGH, q[tb.Q_CONFIRMED], limits[tb.L_UNKNOWN_HIGH]
    rung = crossed(t.cross, lane, rung, at)
    if rung == CLEAR:
        return n
    kind, code, told = scope_kind(t.places, place), scope_code(t.places, place), measured * UNIT
    return found(
        t.hits, n, UNKNOWN_REASON, rung, row, at, kind, code, told, limit * UNIT, 0, NONE, t.rings, lane
    )
