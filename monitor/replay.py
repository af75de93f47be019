"""Recordings through the very same engine: what it would have said, to the event.

Files are read side by side, each a partition whose lines are its offsets, and judged in the
order of time; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detectors import event as ev
from monitor.core.commands import Command, Halt, Record
from monitor.core.decode import Decoded, Decoder
from monitor.core.engine import Engine
from monitor.core.identity import trace_digest
from monitor.core.inputs import RecordsArrived, SourcePart
from monitor.core.trail import Head
from monitor.edge import files
from monitor.quarantine import Quarantine
from monitor.settings import Config
from monitor.settings.policy import policy_of

BOOT = "replay"  # which life of a monitor said it: none
NOT_AT_END = 1 << 62  # stands for "there is more", until a file has been read to its end


@dataclass
class Trace:
    """What a run said, gathered as it is said."""

    events: int = 0
    quarantined: int = 0
    passed_over: int = 0
    first_ts: int = 0
    last_ts: int = 0
    halts: list[Mapping[str, Any]] = field(default_factory=list)
    breaches: list[Mapping[str, Any]] = field(default_factory=list)

    def read(self, decoded: Decoded) -> None:
        """Count what a piece of a file held."""
        self.events += decoded.events
        self.quarantined += len(decoded.quarantined)
        self.passed_over += decoded.passed_over
        if len(decoded.batch):
            ts = decoded.batch.rows[:, ev.TS]
            first, last = int(ts.min()), int(ts.max())
            self.first_ts = min(self.first_ts or first, first)
            self.last_ts = max(self.last_ts, last)

    def said(self, commands: Sequence[Command]) -> None:
        """Keep the breaches and halts among commands, in their order."""
        for command in commands:
            if isinstance(command, Halt):
                if not command.again:  # said twice, decided once
                    self.halts.append(command.payload)
            elif isinstance(command, Record) and command.what == "breach.seen":
                self.breaches.append(command.fields)

    def document(self, policy_digest: str, issuer: str) -> dict[str, Any]:
        """The document of the contract, section 3."""
        commands = [_as_issued(halt, issuer, seq) for seq, halt in enumerate(self.halts, 1)]
        return {
            "events": self.events,
            "quarantined": self.quarantined,
            "passed_over": self.passed_over,
            "first_ts": self.first_ts,
            "last_ts": self.last_ts,
            "commands": commands,
            "breaches": list(self.breaches),
            "policy_digest": policy_digest,
            "trace_digest": trace_digest(self.breaches, self.halts),
        }


def replay(
    paths: Sequence[Path | str],
    config: Config,
    *,
    progress: Callable[[float, str], None] | None = None,
    quarantine: Quarantine | None = None,
) -> dict[str, Any]:
    """Judge recordings; returns the contract's document.  Raises `files.BadFile` with the file and why."""
    trace = Trace()
    engine = Engine(policy_of(config))
    for arrived, decoded in arrivals(engine, paths, trace, progress):
        trace.read(decoded)
        if quarantine is not None:
            for broken in decoded.quarantined:
                quarantine.take(engine.parts[broken.part], broken)
        trace.said(engine.handle(arrived))
    return trace.document(engine.policy.digest, config.issuer)


def _as_issued(halt: Mapping[str, Any], issuer: str, seq: int) -> dict[str, Any]:
    """A halt with the fields that only a shell knows: said when it was decided, after no line of a trail."""
    said = {"issuer": issuer, "boot": BOOT, "seq": seq, "issued_at": halt["event_ts"]}
    return {**halt, **said, "audit_head": Head().payload}


def arrivals(
    engine: Engine,
    paths: Sequence[Path | str],
    trace: Trace,
    progress: Callable[[float, str], None] | None = None,
) -> Iterator[tuple[RecordsArrived, Decoded]]:
    """The files' records as facts, read in turns; the file that lies furthest behind in time is read next."""
    decoder = Decoder(engine.names)
    done = [0.0] * len(paths)

    def told(index: int) -> Callable[[int, int], None]:
        def tell(read: int, size: int) -> None:
            done[index] = read / size if size else 1.0
            if progress is not None:
                progress(sum(done) / len(done), f"{trace.events:,} events, {len(trace.halts)} halts")

        return tell

    parts = [
        engine.part_of(SourcePart(Path(path).name, index if _same_name(paths, index) else 0))
        for index, path in enumerate(paths)
    ]
    open_files = {
        part: files.read(path, told(index))
        for index, (part, path) in enumerate(zip(parts, paths, strict=True))
    }
    reached = dict.fromkeys(parts, 0)
    last_line = dict.fromkeys(parts, 0)
    while open_files:
        part = min(open_files, key=lambda candidate: reached[candidate])
        piece = next(open_files[part], None)
        if piece is None:
            del open_files[part]
            ends = ((part, last_line[part] + 1),)
            nothing = Decoded(decoder.decode_lines(b"", part).batch, (), 0)
            yield RecordsArrived(nothing.batch, (), (), ends), nothing
            continue
        if isinstance(piece, files.Lines):
            decoded = decoder.decode_lines(piece.text, part, piece.first_line)
            first, count = piece.first_line, piece.lines
        else:
            decoded = decoder.decode_table(piece.table, part, piece.first_row)
            first, count = piece.first_row, piece.table.num_rows
        last_line[part] = first + count - 1
        if len(decoded.batch):
            reached[part] = int(np.median(decoded.batch.rows[:, ev.TS]))
        more = ((part, NOT_AT_END),) if len(paths) > 1 else ()
        yield (
            RecordsArrived(decoded.batch, ((part, first, last_line[part]),), decoded.quarantined, more),
            decoded,
        )


def _same_name(paths: Sequence[Path | str], index: int) -> bool:
    name = Path(paths[index]).name
    return any(Path(other).name == name for place, other in enumerate(paths) if place != index)
