"""Time as the family counts it: tenths of a second of LOW, and since when something waits."""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.fill_gap.tables import (
    DOUBTED,
    N_WITNESSES,
    PARTS_MAX,
    Q_UNTIL,
    S_UNTIL,
    TICK_NS,
    V_CLOCK,
)
from detectors.kernel import inlined
from detectors.ledger.tables import FUTURE_NS


@inlined
def tick_after(at):
    """The first tick after a time."""
    return at // TICK_NS + 1


@inlined
def bucket_from(at):
    """The first tenth of a second that begins at or after a time."""
    return -(-at // TICK_NS)


@inlined
def wake(t, at):
    """Something may be said at the tick after this time."""
    t.state[S_UNTIL] = max(tick_after(at), t.state[S_UNTIL])


@inlined
def judge_until(t, place, at):
    """Something of this place may be said until the tick after this time."""
    t.places[place, Q_UNTIL] = max(tick_after(at), t.places[place, Q_UNTIL])
    wake(t, at)


@inlined
def now_of(p):
    """When a posting counts: the later of its own time and LOW."""
    return max(p[po.AT], p[po.LOW])


@inlined
def since_of(t, p, row):
    """Since when it waits: from now, or from when its time is known.

    A doubted event leaves its partition's clock where it was, or moves it by a long jump that it confirmed:
    only then is its row, which is far away, read.
    """
    moved = p[po.CLOCK] - t.watch[watch_row(p[po.PART], 0), V_CLOCK]
    if moved == 0 or moved > FUTURE_NS:
        if row[ev.ARRIVAL] <= 0 and row[ev.TS] - p[po.AT] > FUTURE_NS:
            return DOUBTED
    return now_of(p)


@inlined
def note_clock(t, p):
    """What the next event of this partition finds its clock at."""
    t.watch[watch_row(p[po.PART], 0), V_CLOCK] = p[po.CLOCK]


@inlined
def watch_row(part, witness):
    """Where a witness of a partition is; partitions over the bound share the last."""
    return (part if 0 <= part < PARTS_MAX else PARTS_MAX - 1) * N_WITNESSES + witness
