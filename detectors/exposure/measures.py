"""The three measures of a scope against the steps of their limits: floor, half, warn, high, limit."""

from __future__ import annotations

import numpy as np

from detectors.exposure import tables as tb
from detectors.exposure.reasons import GROSS, HALT, MEASURES, NET, QUANTITY
from detectors.kernel import inlined


@inlined
def measure(scopes, s, m):
    """Gross, net or quantity of a scope; as much as there is where the sum does not fit."""
    if m == QUANTITY:
        return scopes[s, tb.S_VALUES + tb.V_QTY]
    if scopes[s, tb.S_COARSE] > tb.COARSE_MAX:
        return tb.USD_MAX
    if m == GROSS:
        return scopes[s, tb.S_VALUES + tb.V_GROSS]
    return max(abs(scopes[s, tb.S_VALUES + tb.V_LONG]), abs(scopes[s, tb.S_VALUES + tb.V_SHORT]))


@inlined
def is_above(scopes, s, step):
    """Whether any measure stands above that step of its limit."""
    first = tb.S_STEP + MEASURES * step
    return (
        scopes[s, tb.S_VALUES + tb.V_GROSS] > scopes[s, first + GROSS]
        or abs(scopes[s, tb.S_VALUES + tb.V_LONG]) > scopes[s, first + NET]
        or abs(scopes[s, tb.S_VALUES + tb.V_SHORT]) > scopes[s, first + NET]
        or scopes[s, tb.S_VALUES + tb.V_QTY] > scopes[s, first + QUANTITY]
        or scopes[s, tb.S_COARSE] > tb.COARSE_MAX
    )


@inlined
def limit_at(scopes, s, m, rung):
    """What a measure must exceed to stand on a rung; rung 0 is half of the limit."""
    return scopes[s, tb.S_STEP + MEASURES * (tb.HALF + rung) + m]


@inlined
def level_of(scopes, s, m, measured):
    """The rung that a measure stands above."""
    level = np.int64(0)
    for rung in range(1, HALT + 1):
        level += np.int64(measured > limit_at(scopes, s, m, rung))
    return level
