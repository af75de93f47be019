"""Time: each second of event time is judged once LOW has passed it."""

from __future__ import annotations

from detectors.kernel import SECOND_NS, compiled
from detectors.rate import tables as tb
from detectors.rate.abnormal import judge_pair
from detectors.rate.caps import judge_second
from detectors.rate.peers import judge_peers


@compiled
def tick_until(t, low, row, n):
    """Judge all seconds that end by `low`; returns (hits, whether there was room for all).

    `S_TICKED` is the first second that is not judged; where nobody is active it goes there at once.
    """
    state = t.state
    target = low // SECOND_NS
    if state[tb.S_TICKED] == 0:
        state[tb.S_TICKED] = target
    while state[tb.S_TICKED] < target:
        second = state[tb.S_TICKED]
        is_active = state[tb.S_ACTIVE_SCOPES] + state[tb.S_ACTIVE_PAIRS] > 0
        if not is_active and state[tb.S_PEERS_UNTIL] < second:
            state[tb.S_TICKED] = target
            break
        room = state[tb.S_ACTIVE_SCOPES] + state[tb.S_ACTIVE_PAIRS] + state[tb.S_HOSTS]
        if n + room > t.hits.shape[0]:
            return n, False
        kept = 0
        for i in range(state[tb.S_ACTIVE_SCOPES]):
            s = t.active_scopes[i]
            n = judge_second(t, s, second, row, n)
            if t.scopes[s, tb.C_UNTIL] > second:
                t.active_scopes[kept] = s
                kept += 1
            else:
                t.scopes[s, tb.C_ACTIVE] = 0
        state[tb.S_ACTIVE_SCOPES] = kept
        kept = 0
        for i in range(state[tb.S_ACTIVE_PAIRS]):
            pair = t.active_pairs[i]
            n = judge_pair(t, pair, second, row, n)
            if t.pairs[pair, tb.P_UNTIL] > second:
                t.active_pairs[kept] = pair
                kept += 1
            else:
                t.pairs[pair, tb.P_ACTIVE] = 0
        state[tb.S_ACTIVE_PAIRS] = kept
        if state[tb.S_PEERS_UNTIL] >= second:
            n = judge_peers(t, second, row, n)
        state[tb.S_TICKED] = second + 1
    state[tb.S_NEXT_NS] = (state[tb.S_TICKED] + 1) * SECOND_NS
    return n, True
