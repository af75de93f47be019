"""How many there were in the last minute, by the second, and until when so many stand."""

from __future__ import annotations

import numpy as np

from detectors.kernel import SECOND_NS, inlined
from detectors.rungs import hold
from detectors.self_cycle import tables as tb


@inlined
def add(windows, key, second, window, usd):
    """One more at this second; returns the second, which never falls: what is older than a window is over."""
    second = max(second, windows[key, tb.W_SECOND])
    for passed in range(max(windows[key, tb.W_SECOND] + 1, second - window + 1), second + 1):
        slot = tb.W_BUCKETS + 2 * (passed % window)
        windows[key, tb.W_COUNT] -= windows[key, slot]
        windows[key, tb.W_USD] -= windows[key, slot + 1]
        windows[key, slot] = 0
        windows[key, slot + 1] = 0
    windows[key, tb.W_SECOND] = second
    slot = tb.W_BUCKETS + 2 * (second % window)
    windows[key, tb.W_COUNT] += 1
    windows[key, tb.W_USD] += usd
    windows[key, slot] += 1
    windows[key, slot + 1] += usd
    return second


@inlined
def hold_while(windows, until, key, window, rung, count, usd):
    """A rung stands until fewer than `count`, or less than `usd`, are left of the minute."""
    second, left, left_usd = windows[key, tb.W_SECOND], windows[key, tb.W_COUNT], windows[key, tb.W_USD]
    if left < count or left_usd < usd:
        return
    for passed in range(second - window + 1, second + 1):
        slot = tb.W_BUCKETS + 2 * (passed % window)
        left -= windows[key, slot]
        left_usd -= windows[key, slot + 1]
        if left < count or left_usd < usd:
            hold(until, key, np.int64(rung), (passed + window) * SECOND_NS)
            return
