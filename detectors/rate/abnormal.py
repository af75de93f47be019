"""abnormal: orders, shares and dollars of a second, by host and strategy, against what is usual now.

    deviations  =  (x - median) / max(1.4826 MAD, floor)       of this time of the session, if learned

    WARN   8 deviations; or, without a baseline, 8 of today's own and 5 times today's 99th percentile;
           or a drift of deviations that never went back
    HIGH   15, three seconds running, and 5 times today's 99th percentile; not without a baseline, nor within
           five minutes of an open, which has no baseline

Only seconds in which something was sent are compared, and learned.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import names as nm
from detectors.baseline import BEFORE_S, BIN_S, BINS
from detectors.event import MONEY, UNIT
from detectors.evidence import found
from detectors.kernel import SECOND_NS, compiled, crossed, inlined
from detectors.rate import tables as tb
from detectors.rate.models import deviation, drift, forget_drift, learn, quantile
from detectors.rate.reasons import ABNORMAL, CLEAR, HIGH, WARN

BIN_NS: Final = BIN_S * SECOND_NS
BEFORE_NS: Final = BEFORE_S * SECOND_NS  # what comes before an open, in its own bins
DEVIATIONS_MAX: Final = 1e9


@inlined
def bin_of(opens, at):
    """Which five minutes of a session a time is in, -1 if of none.

    Of two sessions the one whose open is near: up to eight hours ahead, up to sixteen ago.
    """
    first, last = 0, opens.shape[0]
    while first < last:
        middle = (first + last) >> 1
        if opens[middle] <= at + BEFORE_NS:
            first = middle + 1
        else:
            last = middle
    if first == 0:
        return np.int64(-1)
    place = (at - opens[first - 1] + BEFORE_NS) // BIN_NS
    return place if place < BINS else np.int64(-1)


@compiled
def judge_pair(t, pair, second, row, n):
    """A second of a host and strategy has ended."""
    r, at = t.pairs[pair], (second + 1) * SECOND_NS
    slot = tb.P_SUMS + 4 * (second % tb.BUCKETS)
    if r[slot] != second:
        r[tb.P_RUNS] = 0
        crossed(t.pairs, pair, CLEAR, at)
        return n
    place = bin_of(t.opens, second * SECOND_NS)
    worst = 0.0
    is_high, is_warn = False, False
    for k in range(tb.MEASURES):
        x = float(r[slot + 1 + k])
        if k == 2:
            x /= MONEY
        m = t.models[pair * tb.MEASURES + k]
        usual = quantile(m) if m[tb.M_SEEN] >= tb.SEEN_MIN else 0.0
        floor = t.limits[tb.L_FLOOR + k]
        is_far = x > t.limits[tb.L_QUANTILE] * usual
        is_learned = place >= 0 and t.base[r[tb.P_BASE], place, k, 0] > 0.0
        if is_learned:
            median, mad = t.base[r[tb.P_BASE], place, k, 0], t.base[r[tb.P_BASE], place, k, 1]
            off = (x - median) / max(tb.PER_MAD * mad, floor)
            is_warn |= off >= t.limits[tb.L_ABNORMAL_WARN]
            is_high |= off >= t.limits[tb.L_ABNORMAL_HIGH] and is_far
        else:
            off = (x - m[tb.M_MEAN]) / max(deviation(m), floor) if usual > 0.0 else 0.0
            is_warn |= off >= t.limits[tb.L_ABNORMAL_WARN] and is_far
        worst = max(worst, off)
        if is_learned and drift(m, min(off, tb.DRIFT_CAP)) >= t.limits[tb.L_DRIFT]:
            is_warn = True
            forget_drift(m)
        learn(m, x)
    is_warming_up = at - t.state[tb.S_OPENED_AT] < t.limits[tb.L_WARM_UP] * SECOND_NS
    is_high &= t.state[tb.S_OPENED_AT] == 0 or not is_warming_up
    r[tb.P_RUNS] = r[tb.P_RUNS] + 1 if is_high else 0
    rung = WARN if is_warn else CLEAR
    if r[tb.P_RUNS] >= t.limits[tb.L_RUNNING]:
        rung = HIGH
    if crossed(t.pairs, pair, rung, at) == 0:
        return n
    usd = np.int64(min(float(r[slot + 3]), 9e18))
    limit = t.limits[tb.L_ABNORMAL_HIGH] if rung == HIGH else t.limits[tb.L_ABNORMAL_WARN]
    measured = np.int64(np.rint(min(worst, DEVIATIONS_MAX) * UNIT))
    host, strategy = r[tb.P_HOST], r[tb.P_STRATEGY]
    kind, code = np.int64(nm.HOST + 1), host
    if host <= nm.OTHER:
        kind, code = np.int64(nm.STRATEGY + 1), strategy
    in_usd, fixed = np.int64(0), np.int64(np.rint(limit * UNIT))
    return found(
        t.hits, n, ABNORMAL, rung, row, at, kind, code, measured, fixed, in_usd, usd, t.pair_rings, pair
    )  # fmt: skip
