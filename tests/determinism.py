"""One morning through whole engines, in any pieces: what they say must not depend on them.

said = judge(events, cuts={7}, restarts={900})   ->   Trace, with time passing at fixed places between the events
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.scope import Scope
from monitor.core import snapshot
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.identity import trace_digest
from monitor.core.inputs import RecordsArrived, SourcePart, TimePassed
from monitor.core.policy import Policy
from monitor.replay import Trace
from monitor.scenarios import registry
from monitor.scenarios.day import eastern_ns
from monitor.settings import load
from monitor.settings.policy import policy_of

SECOND = 1_000_000_000
SINCE, UNTIL = eastern_ns(9, 29, 40), eastern_ns(9, 30, 20)
SEED, SCALE = 5, 0.02


@dataclass(frozen=True, slots=True)
class Told:
    value: bytes
    ts: int
    arrived: int  # 0: not known
    kind: str
    key: str


@functools.cache
def morning() -> tuple[Told, ...]:
    """Twenty seconds before Knight's open and twenty after it."""
    told = []
    for event in registry()["knight"].events(SEED, SCALE, UNTIL, SINCE):
        fields = json.loads(event.value)
        told.append(Told(event.value, fields["ts"], fields["ts"], fields["kind"], event.key))
    return tuple(told)


def the_policy(**other: object) -> Policy:
    """The shipped default."""
    return dataclasses.replace(policy_of(load()), **other)


def ticks_of(events: Sequence[Told]) -> dict[int, int]:
    """Positions at which the clock is read: each half second of the stream."""
    ticks, due = {}, SINCE
    for at, told in enumerate(events):
        if told.ts >= due:
            ticks[at], due = told.ts, told.ts + SECOND // 2
    return ticks


def restarted(engine: Engine) -> Engine:
    other = Engine(engine.policy)
    other.restore(snapshot.decode(b"".join(snapshot.encode(engine.snapshot()))))
    return other


def arrived(
    decoder: Decoder, events: Sequence[Told], part: int, first: int, end: int | None = None
) -> RecordsArrived:
    offsets = np.arange(first, first + len(events))
    arrivals = np.array([told.arrived for told in events], np.int64)
    read = decoder.decode([told.value for told in events], part, offsets, arrivals)
    ranges = ((part, first, first + len(events) - 1),)
    return RecordsArrived(read.batch, ranges, read.quarantined, () if end is None else ((part, end),))


def judge(
    events: Sequence[Told],
    *,
    policy: Policy | None = None,
    cuts: Collection[int] = (),
    restarts: Collection[int] = (),
    ticks: dict[int, int] | None = None,
) -> Trace:
    trace, engine = Trace(), Engine(policy or the_policy())
    engine.part_of(SourcePart("morning", 0))
    decoder = Decoder(engine.names)
    ticks = ticks_of(events) if ticks is None else ticks
    stops = sorted({0, *ticks, *cuts, *restarts, len(events)})
    for start, stop in zip(stops, [*stops[1:], len(events)], strict=True):
        if start in restarts:
            engine = restarted(engine)
            decoder = Decoder(engine.names)
        if start in ticks:
            trace.said(engine.handle(TimePassed(ticks[start])))
        if start < stop:
            trace.said(engine.handle(arrived(decoder, events[start:stop], 0, start)))
    return trace


def digest(trace: Trace) -> str:
    return trace_digest(trace.breaches, trace.halts)


def halts(trace: Trace) -> set[tuple[str, str, str]]:
    return {(h["detector"], h["reason_code"], Scope.of(h["scope"]).text) for h in trace.halts}
