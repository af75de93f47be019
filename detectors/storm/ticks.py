"""Each second of LOW: the texts are counted where they belong, then all places are judged."""

from __future__ import annotations

from detectors.kernel import SECOND_NS, compiled
from detectors.places import CODE
from detectors.storm import tables as tb
from detectors.storm.shares import judge_shares
from detectors.storm.texts import count_texts, judge_texts


@compiled
def pass_time(t, low, row, n):
    """Judge each second that LOW has passed; returns (hits, whether there was room for all)."""
    state, target = t.state, low // SECOND_NS
    if state[tb.S_TICKED] == 0:
        state[tb.S_TICKED] = target  # the first time that is known
    while state[tb.S_TICKED] < target:
        if state[tb.S_UNTIL] <= state[tb.S_TICKED]:
            state[tb.S_TICKED] = target  # nothing is left of which anything could be said
            break
        places = t.places[0, CODE] + 1
        if n + tb.LANES * places > t.hits.shape[0]:
            return n, False
        second = state[tb.S_TICKED] + 1
        if state[tb.S_TEXT_UNTIL] >= second:
            count_texts(t, second)
        for place in range(places):
            if t.counts[place, tb.Q_UNTIL] >= second:
                n = judge_shares(t, place, second, row, n)
            if t.counts[place, tb.Q_TEXT_UNTIL] >= second:
                n = judge_texts(t, place, second, row, n)
        state[tb.S_TICKED] = second
    state[tb.S_NEXT_NS] = (state[tb.S_TICKED] + 1) * SECOND_NS
    return n, True
