"""A scope on the way to its limits: after a posting, and at each second of LOW.

What a fill, a bust or a correction loses trips at once.  What a mark loses, and what a minute has lost, must
stand for three evaluations running.
"""

from __future__ import annotations

import numpy as np

from detectors import posting as po
from detectors.evidence import found, remember
from detectors.kernel import SECOND_NS, compiled, crossed, held, inlined
from detectors.loss import tables as tb
from detectors.loss.minute import bring_to, may_be_fast
from detectors.loss.reasons import DAILY
from detectors.loss.worth import lost
from detectors.rungs import HALT, WARN


@inlined
def limit_at(t, s, reason, rung):
    """What must be lost to stand on a rung."""
    limit = t.scopes[s, tb.S_DAILY + reason]
    if limit == tb.NO_LIMIT or rung == HALT:
        return limit
    return np.int64(float(limit) * t.shares[tb.R_WARN + rung - WARN])


@inlined
def level_of(t, s, reason, measured):
    """The rung that a loss stands above."""
    level = np.int64(0)
    for rung in range(WARN, HALT + 1):
        level += np.int64(measured > limit_at(t, s, reason, rung))
    return level


@inlined
def keep(t, postings, i, s):
    """A posting that lost something, where half of a first rung is lost, is evidence: once a scope."""
    stamp, loss = t.state[tb.ST_STAMP], lost(t, s)
    if t.scopes[s, tb.S_STAMP] != stamp or t.scopes[s, tb.S_SEEN] == stamp:
        return
    is_deep, is_fast = _is_worth_keeping(t, s)
    if loss > t.scopes[s, tb.S_BEFORE] and (is_deep or is_fast):
        t.scopes[s, tb.S_SEEN] = stamp
        part, offset, at = postings[i, po.PART], postings[i, po.OFFSET], postings[i, po.AT]
        remember(t.rings, s, part, offset, at, tb.QUIET_NS)


@inlined
def judge_posting(t, postings, i, s, n):
    """The day's loss of a scope that a posting moved, if it is anywhere near a rung."""
    if t.scopes[s, tb.S_STAMP] != t.state[tb.ST_STAMP]:
        return n
    is_deep, is_fast = _is_worth_keeping(t, s)
    return _judge_day(t, postings, i, s, n) if is_deep or is_fast or t.cross[2 * s, 0] != 0 else n


@inlined
def _is_worth_keeping(t, s):
    """Whether a scope has lost half of what its first rungs are: of a day, of a minute."""
    half = t.shares[tb.R_WARN] / 2
    is_deep = float(lost(t, s)) > half * float(t.scopes[s, tb.S_DAILY])
    return is_deep, float(t.scopes[s, tb.S_GONE]) > half * float(t.scopes[s, tb.S_VELOCITY])


@compiled
def _judge_day(t, postings, i, s, n):
    """Only a posting that lost may cross upwards."""
    keep(t, postings, i, s)
    measured, low, key = lost(t, s), postings[i, po.LOW], 2 * s + DAILY
    level = level_of(t, s, DAILY, measured)
    if measured <= t.scopes[s, tb.S_BEFORE]:
        level = min(level, held(t.cross, key, low))
    rung, none = crossed(t.cross, key, level, low), np.int64(0)
    if rung == 0:
        return n
    return _say(t, n, np.int64(DAILY), rung, postings[i, po.ROW], postings[i, po.AT], s, measured, none)


@compiled
def tick(t, low, row, n):
    """The evaluations that are due by `low`; returns (hits, whether there was room for all)."""
    target = low // SECOND_NS
    if t.state[tb.ST_TICKED] == 0:
        t.state[tb.ST_TICKED] = target  # the first time that is known
    while t.state[tb.ST_TICKED] < target:
        if t.state[tb.ST_ACTIVE] == 0:
            t.state[tb.ST_TICKED] = target
            break
        # A scope that nothing moves is dropped after a minute, so a silence is over after that.
        second = t.state[tb.ST_TICKED] + 1
        while t.state[tb.ST_CURSOR] < t.state[tb.ST_ACTIVE]:
            if n + tb.HITS_OF_SCOPE > t.hits.shape[0]:
                return n, False
            s = np.int64(t.active[t.state[tb.ST_CURSOR]])
            n = _evaluate(t, s, second, row, n)
            if t.scopes[s, tb.S_ACTIVE] != 0:
                t.active[t.state[tb.ST_KEPT]] = s
                t.state[tb.ST_KEPT] += 1
            t.state[tb.ST_CURSOR] += 1
        t.state[tb.ST_ACTIVE] = t.state[tb.ST_KEPT]
        t.state[tb.ST_CURSOR] = 0
        t.state[tb.ST_KEPT] = 0
        t.state[tb.ST_TICKED] = second
    t.state[tb.ST_NEXT_NS] = (t.state[tb.ST_TICKED] + 1) * SECOND_NS
    return n, True


@inlined
def _evaluate(t, s, second, row, n):
    """One scope at one second: the minute before it, and the day."""
    at, stands = second * SECOND_NS, np.int64(0)
    bring_to(t.scopes, s, second - 1)
    for reason in range(2):
        measured = lost(t, s) if reason == DAILY else -t.scopes[s, tb.S_NET]
        level, key = level_of(t, s, reason, measured), 2 * s + reason
        stood = _has_stood(t, s, reason, level)
        level = max(min(level, held(t.cross, key, at)), stood)
        rung = crossed(t.cross, key, level, at)
        stands |= t.cross[key, 0] | t.scopes[s, tb.S_RUNS + reason]
        if rung != 0:
            n = _say(t, n, np.int64(reason), rung, row, at, s, measured, np.int64(reason == DAILY))
    t.scopes[s, tb.S_SAME] += 1
    is_over = stands == 0 and not may_be_fast(t, s)
    if is_over or t.scopes[s, tb.S_SAME] > tb.MINUTE + t.limits[tb.L_RUNNING] + 2:
        t.scopes[s, tb.S_ACTIVE] = 0
    return n


@inlined
def _has_stood(t, s, reason, level):
    """The highest rung that a loss stood on for so many evaluations running."""
    running, runs = t.limits[tb.L_RUNNING], t.scopes[s, tb.S_RUNS + reason]
    counts, stood = np.int64(0), np.int64(0)
    for rung in range(WARN, HALT + 1):
        count = min(((runs >> (8 * rung)) & 255) + 1, running) if level >= rung else 0
        counts |= count << (8 * rung)
        if count >= running:
            stood = np.int64(rung)
    t.scopes[s, tb.S_RUNS + reason] = counts
    return stood


@compiled
def _say(t, n, reason, rung, row, at, s, measured, by_mark):
    """One more hit, against a scope; returns the next free one."""
    t.hits[n, tb.BY_MARK] = by_mark
    loss = min(measured, tb.SAID_MAX)
    limit, none = min(limit_at(t, s, reason, rung), tb.SAID_MAX), np.int64(0)
    scale = np.int64(10_000)  # money as a hit says it, 1e-8
    return found(t.hits, n, reason, rung, row, at, none, s, loss * scale, limit * scale, 1, loss, t.rings, s)
