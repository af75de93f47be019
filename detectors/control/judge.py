"""The one pass over postings: finds changes, roll-outs and restarts, and leaves all else at once."""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.control import tables as tb
from detectors.event import Kind, Phase
from detectors.kernel import compiled, inlined
from detectors.ledger.index import mix
from detectors.posting import PostingKind


@compiled
def judge(postings, start, rows, hosts, told, state, asked):
    """Look from `start`; returns (next posting, how many changes).  Stops where there is no more room."""
    n = 0
    for i in range(start, postings.shape[0]):
        if postings[i, po.KIND] != PostingKind.EVENT:
            continue
        if n == tb.ASKED_MAX:
            return i, n
        row = rows[postings[i, po.ROW]]
        kind, what = row[ev.KIND], -1
        if kind == Kind.HEARTBEAT:
            if _is_restart(row, postings[i, po.AT], hosts):
                what = tb.RESTART
        elif kind == Kind.LIMIT_CHANGE:
            if _is_new(row, row[ev.ACTOR], row[ev.KEY], row[ev.BEFORE], row[ev.AFTER], told, state):
                what = tb.LIMIT
        elif kind == Kind.DEPLOY and row[ev.PHASE] != Phase.PLANNED:
            if _is_new(row, row[ev.HOST], row[ev.BUILD], row[ev.PHASE], 0, told, state):
                what = tb.DEPLOY
        if what >= 0:
            asked[n, tb.A_POSTING], asked[n, tb.A_WHAT] = i, what
            n += 1
    return postings.shape[0], n


@inlined
def _is_restart(row, at, hosts):
    """Whether a heartbeat newer than the last one comes from a process that this host has not had."""
    h = hosts[row[ev.HOST]]
    if row[ev.BOOT] == 0 or row[ev.HOST] == 0 or at < h[tb.H_BEAT_AT]:
        return False
    h[tb.H_BEAT_AT] = at
    for slot in range(tb.BOOTS):
        if h[tb.H_BOOTS + slot] == row[ev.BOOT]:
            return False
    h[tb.H_BOOTS + h[tb.H_COUNT] % tb.BOOTS] = row[ev.BOOT]
    h[tb.H_COUNT] += 1
    return h[tb.H_COUNT] > 1


@inlined
def _is_new(row, a, b, c, d, told, state):
    """Whether a change was not told before, in the same words of the same time."""
    seen = mix(mix(row[ev.TS], row[ev.KIND]) ^ (a << 32), mix(b, c) ^ d) | 1
    for slot in range(tb.TOLD_MAX):
        if told[slot] == seen:
            return False
    told[state[tb.S_TOLD] % tb.TOLD_MAX] = seen
    state[tb.S_TOLD] += 1
    return True
