"""witness_missing: a declared witness is silent although there is something for it to confirm.

A witness is asked and heard by partition.  Only the first thing that it should confirm is remembered; a
silence that was long enough ends at a tick, after it was judged.
"""

from __future__ import annotations

from typing import Final

from detectors.event import NONE
from detectors.evidence import found
from detectors.fill_gap import tables as tb
from detectors.fill_gap.accusations import ALONE, HIGH, begin_alone, seconds
from detectors.fill_gap.clock import wake, watch_row
from detectors.fill_gap.reasons import WITNESS_MISSING
from detectors.kernel import compiled, crossed, inlined

WITNESSES: Final = ("order_ack", "parent_fill", "drop_copy")
ORDER_ACK, PARENT_FILL, DROP_COPY = range(3)


@inlined
def ask(t, witness, part, since, offset):
    """Something happened that a witness should confirm."""
    v = watch_row(part, witness)
    if since == tb.DOUBTED:
        return
    if t.watch[v, tb.V_ASKED] == 0:
        t.watch[v, tb.V_ASKED] = since
        t.watch[v, tb.V_ASKED_OFFSET] = offset
        t.state[tb.S_PARTS] = max(v // tb.N_WITNESSES + 1, t.state[tb.S_PARTS])
        wake(t, since + t.limits[tb.L_WITNESS])
    elif t.watch[v, tb.V_END] != 0 and t.watch[v, tb.V_NEXT] == 0:
        t.watch[v, tb.V_NEXT] = since
        t.watch[v, tb.V_NEXT_OFFSET] = offset


@inlined
def hear(t, witness, part, at):
    """A witness has spoken."""
    v = watch_row(part, witness)
    t.watch[v, tb.V_HEARD] = max(at, t.watch[v, tb.V_HEARD])
    t.state[tb.S_PARTS] = max(v // tb.N_WITNESSES + 1, t.state[tb.S_PARTS])
    asked = t.watch[v, tb.V_ASKED]
    if t.watch[v, tb.V_END] != 0:
        t.watch[v, tb.V_NEXT] = 0
    elif asked != 0 and at - asked < t.limits[tb.L_WITNESS]:
        t.watch[v, tb.V_ASKED] = 0
    elif asked != 0:
        t.watch[v, tb.V_END] = at
        wake(t, at)


@inlined
def is_alive(t, witness, part, at):
    """Whether a witness was heard of late."""
    return t.watch[watch_row(part, witness), tb.V_HEARD] >= at - t.limits[tb.L_ALIVE]


@compiled
def judge_witnesses(t, at, row, n):
    """Every silence at a tick; returns the next free hit."""
    limits, watch = t.limits, t.watch
    for v in range(t.state[tb.S_PARTS] * tb.N_WITNESSES):
        if watch[v, tb.V_ASKED] == 0:
            continue
        if watch[v, tb.V_END] != 0 and watch[v, tb.V_END] < at:
            crossed(watch, v, 0, at)
            watch[v, tb.V_ASKED] = watch[v, tb.V_NEXT]
            watch[v, tb.V_ASKED_OFFSET] = watch[v, tb.V_NEXT_OFFSET]
            watch[v, tb.V_END] = 0
            watch[v, tb.V_NEXT] = 0
            if watch[v, tb.V_ASKED] != 0:
                wake(t, watch[v, tb.V_ASKED] + limits[tb.L_WITNESS])
            continue
        silent = at - watch[v, tb.V_ASKED]
        if silent >= limits[tb.L_WITNESS] and crossed(watch, v, HIGH, at) != 0:
            begin_alone(t.rings, v // tb.N_WITNESSES, watch[v, tb.V_ASKED_OFFSET], at)
            measured, limit = seconds(silent), seconds(limits[tb.L_WITNESS])
            n = found(
                t.hits, n, WITNESS_MISSING, HIGH, row, at, 0, 0, measured, limit, 0, NONE, t.rings, ALONE
            )
    return n
