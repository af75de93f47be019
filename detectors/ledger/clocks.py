"""What time it is: of an event, of its partition, of all that is summed.

    AT    = ts, but never later than 5 s after its arrival
    CLOCK = the latest believed ts of the partition
    LOW   = the lowest CLOCK of the partitions heard in the last second; it never falls

Where no arrival is known (a file), a jump of more than 5 s is believed when another host,
or the same one three times running, confirms it; so one event dated a day ahead moves nothing.
"""

from __future__ import annotations

from detectors import event as ev
from detectors.kernel import inlined
from detectors.ledger import tables as t


@inlined
def tell_time(rows, r, clocks, one):
    """Move the clocks by one event; returns its AT."""
    part = rows[r, ev.PART]
    if part < 0 or part >= t.PARTS_MAX:
        part = t.PARTS_MAX - 1
    ts = rows[r, ev.TS]
    arrival = rows[r, ev.ARRIVAL]
    clock = clocks[part, t.C_CLOCK]
    trusted = clocks[part, t.C_TRUST]
    at = ts
    if arrival > 0:
        clocks[part, t.C_TRUST] = 1
        if ts - arrival > t.FUTURE_NS:
            at = arrival
            one[t.SKEWED] += 1
        elif ts > clock or clock == 0:
            clocks[part, t.C_CLOCK] = ts
    elif clock == 0:
        clocks[part, t.C_CLOCK] = ts
    elif ts - clock > t.FUTURE_NS:
        at = _doubted_jump(rows, r, part, ts, clock, clocks, one)
    else:
        clocks[part, t.C_AHEAD_COUNT] = 0
        if clocks[part, t.C_TRUST] == 0 and clock - ts > t.FUTURE_NS:
            clocks[part, t.C_CLOCK] = ts  # the very first event was the one from the future
        else:
            clocks[part, t.C_TRUST] = 1
            if ts > clock:
                clocks[part, t.C_CLOCK] = ts
    _lowest(part, arrival if arrival > 0 else at, trusted != clocks[part, t.C_TRUST], clocks, one)
    return at


@inlined
def _doubted_jump(rows, r, part, ts, clock, clocks, one):
    """A jump without a known arrival: AT is the old clock until somebody confirms it."""
    claimed = clocks[part, t.C_AHEAD_TS]
    near = clocks[part, t.C_AHEAD_COUNT] > 0 and ts >= claimed - t.FUTURE_NS
    host = rows[r, ev.HOST]
    another = near and host != 0 and host != clocks[part, t.C_AHEAD_HOST]
    if another and ts - claimed > t.FUTURE_NS:
        # Both say that time has moved on: so far as the earlier one; the rest is a claim of its own.
        clock = max(clock, claimed)
        clocks[part, t.C_CLOCK] = clock
        clocks[part, t.C_TRUST] = 1
        clocks[part, t.C_AHEAD_COUNT] = 1
        believed = False
    elif another:
        believed = True
    else:
        clocks[part, t.C_AHEAD_COUNT] = clocks[part, t.C_AHEAD_COUNT] + 1 if near else 1
        believed = clocks[part, t.C_AHEAD_COUNT] >= 3
    clocks[part, t.C_AHEAD_TS] = ts
    clocks[part, t.C_AHEAD_HOST] = host
    if believed:
        clocks[part, t.C_CLOCK] = ts
        clocks[part, t.C_TRUST] = 1
        clocks[part, t.C_AHEAD_COUNT] = 0
        return ts
    one[t.SKEWED] += 1
    return clock


@inlined
def _lowest(part, heard, is_new, clocks, one):
    """Keep LOW.  Looks at all partitions only when the one that holds it back has moved or gone."""
    first_time = clocks[part, t.C_HEARD] == 0
    clocks[part, t.C_HEARD] = max(clocks[part, t.C_HEARD], heard)
    one[t.NEWEST] = max(one[t.NEWEST], heard)
    if part >= one[t.PARTS]:
        one[t.PARTS] = part + 1
    holder = one[t.LOW_PART]
    if (
        part != holder
        and not first_time
        and not is_new
        and one[t.NEWEST] - clocks[holder, t.C_HEARD] <= t.HEARD_NS
    ):
        return
    lowest = 0
    for p in range(one[t.PARTS]):
        told = clocks[p, t.C_TRUST] != 0 and clocks[p, t.C_CLOCK] != 0
        if told and one[t.NEWEST] - clocks[p, t.C_HEARD] <= t.HEARD_NS:
            if lowest == 0 or clocks[p, t.C_CLOCK] < lowest:
                lowest = clocks[p, t.C_CLOCK]
                one[t.LOW_PART] = p
    one[t.LOW] = max(one[t.LOW], lowest)
