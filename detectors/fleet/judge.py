"""The one pass over postings: heartbeats, roll-outs, phases and orders; everything else is left at once."""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.evidence import BEGUN, COUNT, remember
from detectors.fleet import tables as tb
from detectors.fleet.hosts import catch_up, hear_beat, hear_deploy
from detectors.fleet.reasons import N_REASONS, SILENT, STATES
from detectors.fleet.roles import count_role
from detectors.fleet.sending import judge_grant, judge_order, judge_use
from detectors.fleet.standing import judge_host
from detectors.fleet.ticks import QUIET_NS, tick_until
from detectors.kernel import SECOND_NS, compiled, inlined
from detectors.posting import PostingKind


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
        if kind != PostingKind.EVENT and kind != PostingKind.ORDER_SENT and kind != PostingKind.PARENT_OPENED:
            continue
        if kind == PostingKind.EVENT and p[po.ORDER] >= 0:
            continue  # an acknowledgement: its row is not looked at
        if n + tb.HITS_OF_ONE + 2 * tb.CATCH_UP_S > t.hits.shape[0]:
            return i, n
        row = rows[p[po.ROW]]
        if kind == PostingKind.EVENT:
            told = row[ev.KIND]
            if told == ev.Kind.HEARTBEAT:
                if _must_ask(t, row):
                    return i, n
                n = _beat(t, p, row, n)
            elif told == ev.Kind.DEPLOY:
                if _must_ask_of(t, tb.ASK_HOST, row[ev.HOST], t.hosts[row[ev.HOST], tb.H_ROW]):
                    return i, n
                hear_deploy(t, p, row)
            elif told == ev.Kind.SESSION_PHASE:
                _hear_phase(t, p, row)
        elif kind == PostingKind.ORDER_SENT:
            if _must_ask_sender(t, p, row):
                return i, n
            if row[ev.FLAGS] > nm.OTHER:
                n = judge_use(t, p, row, n)
            n = judge_order(t, p, n)
            n = judge_grant(t, p, n)
        elif row[ev.FLAGS] > nm.OTHER:
            if _must_ask_sender(t, p, row):
                return i, n
            n = judge_use(t, p, row, n)
    return postings.shape[0], n


@inlined
def _must_ask_of(t, what, code, answer):
    """Whether somebody must say first what the settings have to say of a name."""
    if code <= nm.OTHER or answer != 0:
        return False
    t.state[tb.S_ASKED] = what
    t.state[tb.S_CODE] = code
    return True


@inlined
def _must_ask(t, row):
    return (
        _must_ask_of(t, tb.ASK_HOST, row[ev.HOST], t.hosts[row[ev.HOST], tb.H_ROW])
        or _must_ask_of(t, tb.ASK_BUILD, row[ev.BUILD], t.builds[row[ev.BUILD]])
        or _must_ask_of(t, tb.ASK_CONFIG, row[ev.CONFIG_HASH], t.configs[row[ev.CONFIG_HASH]])
        or _must_ask_of(t, tb.ASK_FLAGS, row[ev.FLAGS], t.flag_masks[row[ev.FLAGS]])
    )


@inlined
def _must_ask_sender(t, p, row):
    if p[po.KIND] == PostingKind.ORDER_SENT and t.limits[tb.L_HAS_GRANTS] and t.whos[p[po.WHO]] == tb.UNASKED:
        t.state[tb.S_ASKED] = tb.ASK_WHO
        t.state[tb.S_CODE] = p[po.WHO]
        return True
    return _must_ask_of(t, tb.ASK_HOST, p[po.HOST], t.hosts[p[po.HOST], tb.H_ROW]) or _must_ask_of(
        t, tb.ASK_FLAGS, row[ev.FLAGS], t.flag_masks[row[ev.FLAGS]]
    )


@inlined
def _beat(t, p, row, n):
    """A heartbeat: what the host was until now is judged first, then what it is."""
    host = row[ev.HOST]
    if host <= nm.OTHER or p[po.AT] <= t.hosts[host, tb.H_BEAT_AT]:
        return n  # says nothing that is newer
    n = catch_up(t, host, p[po.AT], p[po.ROW], n)
    n = judge_use(t, p, row, n)
    hear_beat(t, p, row)
    key = host * N_REASONS + SILENT
    t.rings[key, COUNT], t.rings[key, BEGUN] = 0, 0  # the last word of a host is all that its silence shows
    remember(t.rings, key, p[po.PART], p[po.OFFSET], p[po.AT], QUIET_NS)
    for reason in range(STATES - 1):  # whoever uses a flag that slept is remembered there
        if t.hosts[host, tb.H_WRONG + reason] != 0:
            remember(t.rings, host * N_REASONS + reason, p[po.PART], p[po.OFFSET], p[po.AT], QUIET_NS)
    count_role(t, t.hosts[host, tb.H_ROLE], p[po.LOW])
    return judge_host(t, host, p[po.LOW], p[po.AT], p[po.ROW], n)


@inlined
def _hear_phase(t, p, row):
    """Hosts are expected while a venue is not closed, and where nobody speaks of phases."""
    venue, phase = row[ev.VENUE], row[ev.PHASE]
    if venue <= nm.OTHER:
        return
    was_open, is_open = t.venues[venue] == 2, phase != ev.Phase.CLOSED
    if t.venues[venue] == 0:
        t.state[tb.S_TOLD] += 1
    t.venues[venue] = 2 if is_open else 1
    if is_open and not was_open:
        if t.state[tb.S_OPEN] == 0:
            t.state[tb.S_EXPECT_AT] = p[po.AT]
        t.state[tb.S_OPEN] += 1
    elif was_open and not is_open:
        t.state[tb.S_OPEN] -= 1
    until = p[po.AT] // SECOND_NS + (t.limits[tb.L_SILENT_HIGH] // SECOND_NS) + tb.SETTLING_S
    t.state[tb.S_UNTIL] = max(until, t.state[tb.S_UNTIL])


@compiled
def judge_silence(now_ns, *tables):  # noqa: ANN002  Tables
    """Time has passed; returns (hits, whether there was room for all)."""
    return tick_until(tb.Tables(*tables), now_ns, np.int64(-1), np.int64(0))
