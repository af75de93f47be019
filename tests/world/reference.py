"""The same events, judged by an engine to which nothing happens: what must come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors.scope import Scope
from monitor.core.commands import Halt, Record
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import ReadingStarted, RecordsArrived, SourcePart, TimePassed
from monitor.core.policy import Policy
from tests.world.flow import Key, Told

DAY_NS = 86_400_000_000_000


def key_of(payload: Any) -> Key:
    return payload["detector"], payload["reason_code"], Scope.of(payload["scope"]).text


def trade_date(payload: Any) -> str:
    return str(payload["event_ts"] // DAY_NS)


class Reference:
    """Its halts, by (detector, reason, scope): the id, and the arrival of the event that tipped it."""

    def __init__(self, policy: Policy, tick_ns: int) -> None:
        self.engine = Engine(policy)
        self._decoder = Decoder(self.engine.names)
        self._offsets: dict[int, int] = {}
        self.halts: dict[Key, str] = {}
        self.ids: dict[tuple[Key, str], str] = {}  # each day has a halt of its own: (cause, trade date) -> id
        self.at_ns: dict[Key, int] = {}
        self.breaches: set[tuple[str, str, str, str]] = set()
        self._now_ns, self._tick_ns = 0, tick_ns

    def judge(self, arrivals: Sequence[tuple[int, Told]], topics: dict[str, int], end_ns: int) -> None:
        """Each event by itself, at its arrival, with the clock's ticks between."""
        for topic, partitions in topics.items():
            for partition in range(partitions):
                self._handle(ReadingStarted(topic, partition, 0, "beginning"))
        self._now_ns = arrivals[0][0]
        waiting: list[tuple[int, Told]] = []
        for at_ns, told in arrivals:
            if at_ns >= self._now_ns + self._tick_ns:
                self._judge(waiting)
                waiting = []
                self._tick_until(at_ns)
            waiting.append((at_ns, told))
        self._judge(waiting)
        self._tick_until(end_ns)

    def _judge(self, arrivals: Sequence[tuple[int, Told]]) -> None:
        """What came between two ticks, in its order."""
        parts, offsets = [], []
        for _, told in arrivals:
            part = self.engine.part_of(SourcePart(told.topic, told.partition))
            parts.append(part)
            offsets.append(self._offsets.get(part, 0))
            self._offsets[part] = offsets[-1] + 1
        read = self._decoder.decode(
            [told.value for _, told in arrivals], np.array(parts), np.array(offsets),
            np.array([at_ns for at_ns, _ in arrivals], np.int64),
        )  # fmt: skip
        ranges = tuple((part, offset, offset) for part, offset in zip(parts, offsets, strict=True))
        ends = tuple(self._offsets.items())
        self._handle(RecordsArrived(read.batch, ranges, read.quarantined, ends))

    def _tick_until(self, at_ns: int) -> None:
        while self._now_ns + self._tick_ns <= at_ns:
            self._now_ns += self._tick_ns
            self._handle(TimePassed(self._now_ns))

    def _handle(self, happened: Any) -> None:
        for command in self.engine.handle(happened):
            if isinstance(command, Halt) and not command.again and "gateway" not in command.payload["scope"]:
                key = key_of(command.payload)
                self.halts.setdefault(key, command.halt_id)
                self.ids.setdefault((key, trade_date(command.payload)), command.halt_id)
                self.at_ns.setdefault(key, self._now_ns)
            elif isinstance(command, Record) and command.what == "breach.seen":
                fields = command.fields
                self.breaches.add((*key_of(fields), fields["severity"]))
