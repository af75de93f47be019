"""The audit trail judged again: its facts and the records that they name must give its commands.

    trail + recording  ->  Engine  ->  the very lines that the trail holds, byte for byte

Where they do not, either the trail is not what happened or the program is not the one that wrote it.
A restart is judged as it was: the engine goes back to where its snapshot stood in the trail.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from detectors.contract import Batch
from monitor.core import journal, snapshot
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import (
    CRASHED_US,
    Input,
    PolicyRead,
    Quarantined,
    ReadingStarted,
    RecordsArrived,
    SourcePart,
)
from monitor.core.trail import GAP, Head, Line, read_line, write_line
from monitor.edge.audit import read
from monitor.settings import Config, load_text
from monitor.settings.policy import policy_of

# Lines that the shell writes about itself: neither facts nor commands of the engine.
STARTED: Final = "monitor.started"
OF_THE_SHELL: Final = frozenset(
    {STARTED, GAP, "trail.begun", "trail.reopened", "trail.closed", "file.opened", "file.removed",
     "checkpoint.signed", "evidence.kept", "evidence.lost", "policy.differs", "snapshot.ahead", "crash.found"}
)  # fmt: skip
_ARRIVAL: Final = re.compile(rb'\{"arrival_ts":(\d+)(,|(?=\s*\}))')


class NotReplayable(ValueError):
    """Trail and recording do not belong together, or say too little: which line, and why."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared; `line` is the first trail line that differs, 0 if none does."""

    facts: int
    commands: int
    records: int
    restarts: int
    line: int = 0
    written: str = ""  # as the trail has it
    judged: str = ""  # as it comes out now

    @property
    def is_equal(self) -> bool:
        return self.line == 0


def replay_trail(recording: Path, trail: Sequence[Path], config: Config) -> Comparison:
    """Judge the trail's facts again, compare each command.  Raises `NotReplayable`, `BadTrail`, `OSError`."""
    with recording.open("rb") as records:
        return replay_lines(records, lambda: read(trail), config)


def replay_lines(records: IO[bytes], trail: Callable[[], Iterator[Line]], config: Config) -> Comparison:
    """As `replay_trail`, of a recording that is open and a trail that is read by calling it, twice."""
    began = (line.fields.get("restored_after") for line in trail() if line.what == STARTED)
    saved_at = frozenset(after for after in began if after is not None)  # where later lives go back to
    return _Replay(config, records, saved_at).compare(trail())


class _Replay:
    def __init__(self, config: Config, recording: IO[bytes], saved_at: frozenset[int]) -> None:
        self._given = self._config = config
        self._recording, self._saved_at = recording, saved_at
        self._snapshots: dict[int, bytes] = {}
        self._policies = {config.policy_digest: config}  # every configuration that the trail has read so far
        self._expected: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._facts = self._commands = self._records = self._restarts = 0
        self._begin(None)

    def _begin(self, raw: bytes | None) -> None:
        self._engine = Engine(policy_of(self._config))
        if raw is not None:
            self._engine.restore(snapshot.decode(raw))
        self._decoder = Decoder(self._engine.names)
        for part in range(len(self._engine.parts)):
            self._allow(part)

    def compare(self, trail: Iterator[Line]) -> Comparison:
        """Stop at the first line that differs."""
        for line in trail:
            if line.what == GAP:
                raise NotReplayable(f"line {line.n}: facts before it were lost with the disk")
            if line.what == STARTED:
                self._start(line)
            elif line.what not in OF_THE_SHELL:
                happened = self._fact_of(line)
                if happened is None:
                    if not self._is_next(line):
                        return self._told(line)
                else:
                    if self._expected:
                        return self._told(line)
                    self._facts += 1
                    if isinstance(happened, ReadingStarted):
                        self._allow(self._engine.part_of(SourcePart(happened.topic, happened.partition)))
                    told = map(journal.line_of_command, self._engine.handle(happened))
                    self._expected.extend(_as_written(*each) for each in told if each is not None)
            if line.n in self._saved_at:
                self._snapshots[line.n] = b"".join(snapshot.encode(self._engine.snapshot()))
        return self._told(None)  # commands behind the last line were cut off with the process: it was killed

    def _fact_of(self, line: Line) -> Input | None:
        if line.what == journal.ARRIVED:
            return self._arrived(line)
        if line.what == journal.POLICY:
            read = load_text(line.fields["text"], f"line {line.n}")
            self._policies[read.policy_digest] = read
            return PolicyRead(policy_of(read), line.fields["text"], line.fields["at"])
        return journal.fact_of(line.what, line.fields)

    def _start(self, line: Line) -> None:
        self._expected.clear()
        self._config = self._policies.get(line.fields.get("policy_digest", ""), self._given)
        after = line.fields.get("restored_after")
        if after is None:
            if line.fields.get("restored"):
                raise NotReplayable(
                    f"line {line.n}: it began from a snapshot that no line places in the trail"
                )
            self._begin(None)
            return
        if after not in self._snapshots:
            raise NotReplayable(
                f"line {line.n}: it began from a snapshot after line {after}, which is not here"
            )
        self._begin(self._snapshots[after])
        self._restarts += 1

    def _is_next(self, line: Line) -> bool:
        self._commands += 1
        if not self._expected or self._expected[0] != (line.what, line.fields):
            return False
        self._expected.popleft()
        return True

    def _told(self, line: Line | None) -> Comparison:
        counts = (self._facts, self._commands, self._records, self._restarts)
        if line is None:
            return Comparison(*counts)
        judged = self._expected[0] if self._expected else ("nothing", {})
        return Comparison(*counts, line.n, f"{line.what} {line.fields}", f"{judged[0]} {judged[1]}")

    def _allow(self, part: int) -> None:
        topic = self._engine.parts[part].topic
        for one in self._config.kafka.inputs:
            if one.topic == topic:
                self._decoder.allow(part, sources=one.sources, kinds=one.kinds)

    def _arrived(self, line: Line) -> RecordsArrived:
        """The records of the ranges, taken from the recording as they came."""
        fields = line.fields
        holes = {
            (part, hole) for part, first, last in fields.get("holes", ()) for hole in range(first, last + 1)
        }
        values: list[bytes] = []
        places: list[tuple[int, int]] = []
        arrivals: list[int] = []
        for part, first, last in fields["ranges"]:
            for offset in range(first, last + 1):
                if (part, offset) not in holes:
                    raw = self._recording.readline()
                    if not raw:
                        raise NotReplayable(f"line {line.n}: the recording ends before its records")
                    value, arrived_ns = record_of(raw)
                    values.append(value)
                    places.append((part, offset))
                    arrivals.append(arrived_ns)
        self._records += len(values)
        withheld = {(part, offset) for part, offset in fields.get("withheld", ())}
        crashed = tuple(
            Quarantined(*place, "", CRASHED_US, "", value)
            for place, value in zip(places, values, strict=True)
            if place in withheld
        )
        keep = [place not in withheld for place in places]
        batch, quarantined = self._decoded(
            list(compress(values, keep)), list(compress(places, keep)), list(compress(arrivals, keep))
        )
        ranges = tuple((part, first, last) for part, first, last in fields["ranges"])
        ends = tuple((part, end) for part, end in fields.get("ends", ()))
        return RecordsArrived(batch, ranges, (*quarantined, *crashed), ends)

    def _decoded(
        self, values: list[bytes], places: list[tuple[int, int]], arrivals: list[int]
    ) -> tuple[Batch, tuple[Quarantined, ...]]:
        where = np.array(places, np.int64).reshape(-1, 2)
        parts, offsets = np.ascontiguousarray(where[:, 0]), np.ascontiguousarray(where[:, 1])
        decoded = self._decoder.decode(values, parts, offsets, np.array(arrivals, np.int64))
        return decoded.batch, tuple(decoded.quarantined)


def record_of(line: bytes) -> tuple[bytes, int]:
    r"""A record as its broker had it, and when it arrived (0: not known).

    >>> record_of(b'{"arrival_ts":17,"kind":"mark"}\n')
    (b'{"kind":"mark"}', 17)
    """
    value = line.removesuffix(b"\n")
    spliced = _ARRIVAL.match(value)
    return (value, 0) if spliced is None else (b"{" + value[spliced.end() :], int(spliced[1]))


def _as_written(what: str, fields: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """As the trail would hold it: what JSON makes of it."""
    line = read_line(write_line(Head(), 0, what, fields)[0])
    return line.what, line.fields
