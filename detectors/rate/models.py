"""Small models of what is sent in a second, as rows of numbers: river's, where a snapshot can hold them.

    quantile   the P2 algorithm (Jain and Chlamtac 1985), as `river.stats.Quantile`
    mean, var  exponentially weighted (Finch 2009), as `river.stats.EWMean` and `EWVar`
    drift      Page-Hinkley, upwards, as `river.drift.PageHinkley(alpha=1, mode="up")`

River keeps the first two as opaque objects that only pickle takes apart, takes two seconds to import and
runs in Python; the tests hold these equal to river's, number by number.
"""

from __future__ import annotations

import math

from detectors.kernel import compiled, inlined
from detectors.rate import tables as tb


@compiled
def learn(m, x):
    """Take one second into the quantile, the mean and the variance."""
    _learn_quantile(m, x)
    if m[tb.M_SEEN] == 1:
        m[tb.M_MEAN], m[tb.M_VARIANCE] = x, 0.0
    else:
        off = x - m[tb.M_MEAN]
        m[tb.M_MEAN] += tb.FADING * off
        m[tb.M_VARIANCE] = (1.0 - tb.FADING) * (m[tb.M_VARIANCE] + tb.FADING * off * off)


@compiled
def _learn_quantile(m, x):
    seen = int(m[tb.M_SEEN])
    m[tb.M_SEEN] += 1
    if seen < 5:
        at = seen
        while at > 0 and m[tb.M_HEIGHT + at - 1] > x:
            m[tb.M_HEIGHT + at] = m[tb.M_HEIGHT + at - 1]
            at -= 1
        m[tb.M_HEIGHT + at] = x
        m[tb.M_PLACE + seen] = seen + 1
        m[tb.M_WANTED + seen] = 1.0 + 4.0 * _share(seen)
        return
    if x < m[tb.M_HEIGHT]:
        m[tb.M_HEIGHT] = x
        cell = 0
    elif x >= m[tb.M_HEIGHT + 4]:
        m[tb.M_HEIGHT + 4] = x
        cell = 3
    else:
        cell = 0
        while x >= m[tb.M_HEIGHT + cell + 1]:
            cell += 1
    for i in range(cell + 1, 5):
        m[tb.M_PLACE + i] += 1
    for i in range(1, 4):
        m[tb.M_WANTED + i] += _share(i)
        off = m[tb.M_WANTED + i] - m[tb.M_PLACE + i]
        room_above = m[tb.M_PLACE + i + 1] - m[tb.M_PLACE + i]
        room_below = m[tb.M_PLACE + i - 1] - m[tb.M_PLACE + i]
        if (off >= 1.0 and room_above > 1.0) or (off <= -1.0 and room_below < -1.0):
            step = 1.0 if off > 0.0 else -1.0
            height = _parabolic(m, i, step)
            if not m[tb.M_HEIGHT + i - 1] < height < m[tb.M_HEIGHT + i + 1]:
                j = i + int(step)
                rise = m[tb.M_HEIGHT + j] - m[tb.M_HEIGHT + i]
                height = m[tb.M_HEIGHT + i] + step * rise / (m[tb.M_PLACE + j] - m[tb.M_PLACE + i])
            m[tb.M_HEIGHT + i] = height
            m[tb.M_PLACE + i] += step


@inlined
def _share(i):
    """Where the marker `i` belongs among all that was seen."""
    if i == 0 or i == 4:
        return i / 4.0
    if i == 1:
        return tb.QUANTILE / 2.0
    return tb.QUANTILE if i == 2 else (1.0 + tb.QUANTILE) / 2.0


@inlined
def _parabolic(m, i, step):
    q, q_above, q_below = m[tb.M_HEIGHT + i], m[tb.M_HEIGHT + i + 1], m[tb.M_HEIGHT + i - 1]
    n, n_above, n_below = m[tb.M_PLACE + i], m[tb.M_PLACE + i + 1], m[tb.M_PLACE + i - 1]
    above = (n - n_below + step) * (q_above - q) / (n_above - n)
    below = (n_above - n - step) * (q - q_below) / (n - n_below)
    return q + step / (n_above - n_below) * (above + below)


@inlined
def quantile(m):
    """What 99 of 100 seconds stayed below; 0 before five were seen."""
    return m[tb.M_HEIGHT + 2] if m[tb.M_SEEN] >= 5 else 0.0


@inlined
def deviation(m):
    return math.sqrt(max(m[tb.M_VARIANCE], 0.0))


@compiled
def drift(m, x):
    """Take one second into the drift; returns how far it has come since it was lowest."""
    m[tb.M_DRIFT_N] += 1
    m[tb.M_DRIFT_MEAN] += (x - m[tb.M_DRIFT_MEAN]) / m[tb.M_DRIFT_N]
    m[tb.M_DRIFT_SUM] += x - m[tb.M_DRIFT_MEAN] - tb.DRIFT_DELTA
    if m[tb.M_DRIFT_N] == 1 or m[tb.M_DRIFT_SUM] < m[tb.M_DRIFT_MIN]:
        m[tb.M_DRIFT_MIN] = m[tb.M_DRIFT_SUM]
    return m[tb.M_DRIFT_SUM] - m[tb.M_DRIFT_MIN]


@inlined
def forget_drift(m):
    """Begin anew, after it was said."""
    for column in range(tb.M_DRIFT_N, tb.MODEL):
        m[column] = 0.0
