"""Who goes on sending: orders of a place in each tenth of a second, for as long as one may be unanswered."""

from __future__ import annotations

from detectors.fill_gap.clock import bucket_from
from detectors.fill_gap.tables import AHEAD, L_SENDING, S_TICKED, SENDS, TICK_NS
from detectors.kernel import compiled, inlined


@inlined
def count_sent(t, place, at):
    """A place has sent an order."""
    bucket = at // TICK_NS
    if t.state[S_TICKED] != 0:
        bucket = min(bucket, t.state[S_TICKED] + AHEAD)
    cell = 2 * (bucket % SENDS)
    if t.sends[place, cell] != bucket:
        t.sends[place, cell] = bucket
        t.sends[place, cell + 1] = 0
    t.sends[place, cell + 1] += 1


@compiled
def sent_between(place, first, last, sends):
    """Orders that a place sent in these tenths of a second."""
    orders = 0
    for bucket in range(max(first, last - SENDS + 1), last + 1):
        cell = 2 * (bucket % SENDS)
        if sends[place, cell] == bucket:
            orders += sends[place, cell + 1]
    return orders


@inlined
def is_sending(t, place, at):
    """Whether a place has sent an order of late."""
    return sent_between(place, bucket_from(at - t.limits[L_SENDING]), at // TICK_NS - 1, t.sends) > 0
