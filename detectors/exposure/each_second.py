"""What is evaluated at each second of LOW: exposure that no order raised, and how fast a limit comes near.

    time to limit  =  (1 - share) / growth of the share a second, over 1 s or 10 s, whichever is slower

Only scopes that are active are evaluated: above the floor, until one ring of equal values has passed.
"""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors.exposure import tables as tb
from detectors.exposure.crossing import say, stands_on
from detectors.exposure.measures import level_of, measure
from detectors.exposure.reasons import HALT, HIGH, MEASURES, N_REASONS, TIME, WARN
from detectors.kernel import SECOND_NS, compiled, crossed, held, inlined


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
        # A scope is dropped after one ring of equal values, so a silence is over after so many.
        second = t.state[tb.ST_TICKED] + 1
        while t.state[tb.ST_CURSOR] < t.state[tb.ST_ACTIVE]:
            if n + tb.HITS_OF_SCOPE > t.hits.shape[0]:
                return n, False
            s = np.int64(t.active[t.state[tb.ST_CURSOR]])
            n = _evaluate(t, s, second, row, n)
            if t.scopes[s, tb.S_SAME] < tb.GROWTH + t.limits[tb.L_RUNNING]:
                t.active[t.state[tb.ST_KEPT]] = s
                t.state[tb.ST_KEPT] += 1
            else:
                t.scopes[s, tb.S_ACTIVE] = 0
            t.state[tb.ST_CURSOR] += 1
        t.state[tb.ST_ACTIVE] = t.state[tb.ST_KEPT]
        t.state[tb.ST_CURSOR] = 0
        t.state[tb.ST_KEPT] = 0
        t.state[tb.ST_TICKED] = second
    t.state[tb.ST_NEXT_NS] = (t.state[tb.ST_TICKED] + 1) * SECOND_NS
    return n, True


@inlined
def _evaluate(t, s, second, row, n):
    """One scope at one second."""
    at, share = second * SECOND_NS, 0.0
    t.scopes[s, tb.S_HELD] = 0
    for m in range(MEASURES):
        limit = t.scopes[s, tb.S_STEP + MEASURES * tb.LIMITED + m]
        if limit == tb.NO_LIMIT:
            continue
        measured = measure(t.scopes, s, m)
        share = max(share, float(measured) / float(limit))
        level = level_of(t.scopes, s, m, measured)
        stood = _has_stood(t.scopes, s, m, level, t.limits[tb.L_RUNNING])
        level = max(min(level, held(t.cross, s * N_REASONS + m, at)), stood)
        n = stands_on(t, s, m, level, measured, at, at, row, np.int64(1), n)
    return _judge_growth(t, s, second, share, at, row, n)


@inlined
def _has_stood(scopes, s, m, level, running):
    """The highest rung that a measure stood on for so many evaluations running."""
    runs, counts, stood = scopes[s, tb.S_RUNS + m], np.int64(0), np.int64(0)
    for rung in range(1, HALT + 1):
        count = min(((runs >> (8 * rung)) & 255) + 1, running) if level >= rung else 0
        counts |= count << (8 * rung)
        if count >= running:
            stood = np.int64(rung)
    scopes[s, tb.S_RUNS + m] = counts
    return stood


@inlined
def _judge_growth(t, s, second, share, at, row, n):
    """Seconds until the nearest limit, as the last second and the last ten say; soon for long is paged."""
    floor = t.limits[tb.L_FLOOR]
    now = max(np.int64(min(share, 1.0e6) * ev.UNIT), floor)
    before = max(t.scopes[s, tb.S_RING + (second - 1) % tb.GROWTH], floor)
    long_before = max(t.scopes[s, tb.S_RING + (second - 10) % tb.GROWTH], floor)
    t.scopes[s, tb.S_RING + second % tb.GROWTH] = now
    t.scopes[s, tb.S_SAME] = t.scopes[s, tb.S_SAME] + 1 if now == before else 0
    growth = min(float(now - before), float(now - long_before) / 10)
    left = np.int64(tb.NO_LIMIT)
    if growth > 0.0 and now < ev.UNIT:
        left = np.int64(min((ev.UNIT - now) / growth * ev.UNIT, 9e18))
    is_soon = left < t.limits[tb.L_TIME_HIGH]
    t.scopes[s, tb.S_TIME_RUNS] = t.scopes[s, tb.S_TIME_RUNS] + 1 if is_soon else 0
    rung, limit = np.int64(0), t.limits[tb.L_TIME_WARN]
    if left < limit:
        rung = np.int64(WARN)
    if t.scopes[s, tb.S_TIME_RUNS] >= t.limits[tb.L_RUNNING]:
        rung, limit = np.int64(HIGH), t.limits[tb.L_TIME_HIGH]
    if crossed(t.cross, s * N_REASONS + TIME, rung, at) == 0:
        return n
    time = np.int64(TIME)
    return say(t.hits, t.scopes, t.rings, n, time, rung, row, at, s, left, limit, np.int64(0))
