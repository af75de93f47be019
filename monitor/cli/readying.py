"""Whether a role is ready: read from Kafka until it is or time is up, or from recordings; and on record.

The monitor's own trail has one writer.  This one lies beside it, in `ready/` below the audit folder: each
answer is a line `readiness.judged`, closed by a checkpoint under the same key, and `audit verify` reads it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.names import Names
from monitor.cli.clients import in_words, roads_of
from monitor.core.decode import Decoder
from monitor.core.inputs import LinkChanged
from monitor.core.readiness import Pilot, Readiness
from monitor.core.roll_call import RollCall
from monitor.core.trail import Head
from monitor.edge import files
from monitor.edge.audit import AuditTrail, TrailProblem, read
from monitor.edge.kafka_in import Chunk, Gap, KafkaIn, Source

if TYPE_CHECKING:
    from monitor.core.keyring import Signer
    from monitor.settings import Config
    from monitor.settings.sections import InputTopic

JUDGED: Final = "readiness.judged"
WANTED: Final = frozenset({"heartbeat", "deploy", "order_new"})
LOOK_S: Final = 0.1
CURRENT_S: Final = 1.0  # a third of what a host may be silent
TURN_S_MAX: Final = 10.0  # for another `ready` to leave the record
DISK_S_MAX: Final = 10.0

Judge = Callable[[RollCall, int], Readiness]


@dataclass
class Listened:
    """What was read, and what could not be."""

    call: RollCall = field(default_factory=RollCall)
    quarantined: int = 0
    ranges: dict[tuple[str, int], list[int]] = field(default_factory=dict)  # first and last offset
    gaps: list[str] = field(default_factory=list)
    link: str = "nobody answered yet"  # why the broker cannot be reached; empty: it can

    @property
    def document(self) -> dict[str, Any]:
        return {
            "events": self.call.events,
            "quarantined": self.quarantined,
            "read": [
                {"topic": topic, "partition": partition, "first_offset": first, "last_offset": last}
                for (topic, partition), (first, last) in sorted(self.ranges.items())
            ],
        }


# -- reading -----------------------------------------------------------------------------------------


def from_files(paths: Sequence[Path], judge: Judge) -> tuple[Readiness, Listened]:
    """Judge at the end of recordings.  Raises `files.BadFile`."""
    heard = Listened(link="")
    names = Names()
    decoder = Decoder(names)
    for part, path in enumerate(paths):
        for piece in files.read(path):
            if isinstance(piece, files.Lines):
                decoded = decoder.decode_lines(piece.text, part, piece.first_line)
                first, count = piece.first_line, piece.lines
            else:
                decoded = decoder.decode_table(piece.table, part, piece.first_row)
                first, count = piece.first_row, piece.table.num_rows
            heard.call.take(decoded.batch.rows, names)
            heard.quarantined += len(decoded.quarantined)
            heard.ranges.setdefault((path.name, part), [first, first])[1] = first + count - 1
    return judge(heard.call, heard.call.last_ns), heard


async def from_kafka(
    config: Config, judge: Judge, *, wait_s: float, since_ns: int
) -> tuple[Readiness, Listened]:
    """Judge again and again until the role is ready, at most `wait_s`; all that is there is read first."""
    heard = Listened()
    to_kafka, _ = roads_of(config, "ready")
    sources = [Source(one.topic, since_ns, whole=True) for one in topics_of(config)]
    kafka = KafkaIn(to_kafka, sources, now_ns=time.time_ns)
    tasks = [asyncio.ensure_future(kafka.run()), asyncio.ensure_future(_take_in(config, kafka, heard))]
    whole = 0  # looks in a row at which all was read: after one alone a chunk may still be on its way to us
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not (whole > 1 and judge(heard.call, time.time_ns()).is_ready and not heard.gaps):
                    await asyncio.sleep(LOOK_S)
                    broken = [task for task in tasks if task.done()]
                    for task in broken:
                        task.result()
                    whole = whole + 1 if _is_current(kafka) else 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    answer = judge(heard.call, time.time_ns())
    problems = list(heard.gaps)
    if heard.link:
        at = config.kafka.bootstrap_servers
        problems.append(f"kafka {heard.link if heard.link.startswith(at) else f'{at}: {heard.link}'}")
    elif whole <= 1:
        problems.append(
            f"telemetry was not read to its end within {wait_s:g} s: what was not read is not known"
        )
    return replace(answer, problems=(*problems, *answer.problems)), heard


def _is_current(kafka: KafkaIn) -> bool:
    """Whether every partition answered and was read to its end, or nearly so where records never cease."""
    lags = kafka.lag()
    return bool(lags) and all(
        key in kafka.ends and (not lag.records or 0.0 < lag.seconds < CURRENT_S) for key, lag in lags.items()
    )


def topics_of(config: Config) -> list[InputTopic]:
    """Where heartbeats, roll-outs or orders may be said."""
    return [one for one in config.kafka.inputs if one.kinds is None or WANTED & set(one.kinds)]


async def _take_in(config: Config, kafka: KafkaIn, heard: Listened) -> None:
    names = Names()
    decoder = Decoder(names)
    parts: dict[tuple[str, int], int] = {}
    allowed = {one.topic: one for one in config.kafka.inputs}
    async for fact in kafka.read():
        match fact:
            case Chunk(parts=chunks):
                for one in chunks:
                    key = one.topic, one.partition
                    if key not in parts:
                        parts[key] = len(parts)
                        may = allowed[one.topic]
                        decoder.allow(parts[key], sources=may.sources, kinds=may.kinds)
                    decoded = decoder.decode(one.values, parts[key], one.offsets, one.arrived_ns)
                    heard.call.take(decoded.batch.rows, names)
                    heard.quarantined += len(decoded.quarantined)
                    first, last = int(np.min(one.offsets)), int(np.max(one.offsets))
                    heard.ranges.setdefault(key, [first, last])[1] = last
            case LinkChanged(link="kafka"):
                heard.link = "" if fact.up else in_words(fact.detail) or "the link is down"
            case Gap():
                heard.gaps.append(
                    f"{fact.topic}/{fact.partition}: records {fact.first} to {fact.end} are gone ({fact.why})"
                )


# -- the record --------------------------------------------------------------------------------------


def first_passes(folder: Path) -> dict[str, int]:
    """When each build first passed, by the record of live answers.  Raises `BadTrail` if it was changed."""
    passed: dict[str, int] = {}
    if not any(folder.glob("audit-*.ndjson")):
        return passed
    for line in read([folder]):
        said = line.fields
        if line.what == JUDGED and said.get("ready") and said.get("live"):
            for build in said.get("builds", {}):
                passed.setdefault(build, int(said["at"]))
    return passed


def pilot_of(config: Config, folder: Path) -> Pilot | None:
    """What the configuration asks of young builds, with what the record says of their age."""
    if not config.rollout.pilot_days:
        return None
    named = {
        value
        for one in config.detectors.values()
        if one.mode == "armed"
        for row in getattr(one.settings, "limit", ())
        for part in row["scope"].split("&")
        for kind, _, value in [part.partition("=")]
        if kind == "build"
    }
    return Pilot(
        config.rollout.pilot_days, frozenset(config.rollout.proven), first_passes(folder), frozenset(named)
    )


def keep(folder: Path, signer: Signer, document: Mapping[str, Any]) -> Head:
    """Put an answer on record, signed.  Raises `TrailProblem` where that cannot be done."""
    trail = _opened(folder, signer)
    head = trail.append(JUDGED, document, time.time_ns())
    if not trail.close(time.time_ns(), DISK_S_MAX):
        raise TrailProblem(f"{folder}: the disk did not take the answer; see that it has room")
    return head


def _opened(folder: Path, signer: Signer) -> AuditTrail:
    """The record, when whoever asks at the same time has left it."""
    until_s = time.monotonic() + TURN_S_MAX
    while True:
        try:
            return AuditTrail(folder, at_ns=time.time_ns(), signer=signer)
        except TrailProblem:
            if time.monotonic() > until_s or not (folder / "audit.lock").exists():
                raise
            time.sleep(LOOK_S)
