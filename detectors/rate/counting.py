"""Seconds of event time: what is counted in each, and whose it is."""

from __future__ import annotations

from detectors.evidence import remember
from detectors.kernel import SECOND_NS, inlined
from detectors.rate import tables as tb


@inlined
def second_of(at, state):
    """The second that an event counts in: its own, unless that is judged already or too far ahead."""
    second = at // SECOND_NS
    first = state[tb.S_TICKED]
    return min(max(second, first), first + tb.AHEAD)


@inlined
def slot_of(row, columns, width, second):
    """Where a row keeps a second; emptied if it kept another one."""
    slot = columns + width * (second % tb.BUCKETS)
    if row[slot] != second:
        row[slot] = second
        for column in range(1, width):
            row[slot + column] = 0
    return slot


@inlined
def counted(row, columns, second):
    """What a row counted in a second, in its first column."""
    slot = columns + 2 * (second % tb.BUCKETS)
    return row[slot + 1] if row[slot] == second else 0


@inlined
def count_scope(t, s, p_part, p_offset, at, second, messages):
    """Messages of a scope with a cap; returns how many there are in that second now."""
    c = t.scopes[s]
    slot = slot_of(c, tb.C_COUNTS, 2, second)
    c[slot + 1] += messages
    c[tb.C_UNTIL] = max(second + tb.KEEP_S, c[tb.C_UNTIL])
    if c[tb.C_ACTIVE] == 0:
        c[tb.C_ACTIVE] = 1
        t.active_scopes[t.state[tb.S_ACTIVE_SCOPES]] = s
        t.state[tb.S_ACTIVE_SCOPES] += 1
    remember(t.rings, s, p_part, p_offset, at, 2 * SECOND_NS)
    return c[slot + 1]


@inlined
def count_host(t, host, second, messages):
    h = t.hosts[host]
    slot = slot_of(h, tb.H_COUNTS, 2, second)
    h[slot + 1] += messages
    t.state[tb.S_HOSTS] = max(host + 1, t.state[tb.S_HOSTS])
    h[tb.H_UNTIL] = max(second + tb.KEEP_S, h[tb.H_UNTIL])
    t.state[tb.S_PEERS_UNTIL] = max(second + tb.KEEP_S, t.state[tb.S_PEERS_UNTIL])


@inlined
def count_pair(t, pair, second, quantity, money):
    """One order of a host and strategy."""
    r = t.pairs[pair]
    slot = slot_of(r, tb.P_SUMS, 4, second)
    r[slot + 1] += 1
    r[slot + 2] += quantity
    r[slot + 3] += money
    r[tb.P_UNTIL] = max(second + tb.KEEP_S, r[tb.P_UNTIL])
    if r[tb.P_ACTIVE] == 0:
        r[tb.P_ACTIVE] = 1
        t.active_pairs[t.state[tb.S_ACTIVE_PAIRS]] = pair
        t.state[tb.S_ACTIVE_PAIRS] += 1
