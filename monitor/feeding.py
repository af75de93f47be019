"""From what a Kafka client read to facts: records decoded, named by their part; and how far we are behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from detectors.names import PAD
from monitor.caution import Caution
from monitor.core.decode import Decoder
from monitor.core.inputs import (
    Input,
    LinkChanged,
    ReadingStarted,
    RecordsArrived,
    RecordsLost,
    SourcePart,
    TimePassed,
)
from monitor.edge.kafka_in import Chunk, Gap, KafkaIn, Started
from monitor.failpoints import failpoint, poisonous

if TYPE_CHECKING:
    from monitor.core.engine import Engine
    from monitor.edge.clock import Clock
    from monitor.edge.metrics import Metrics
    from monitor.edge.suspects import Suspects
    from monitor.performing import Performer
    from monitor.settings import Config

LAG_S_MIN: Final = 0.25

OnRecords = Callable[[SourcePart, list[bytes], NDArray[np.int64], NDArray[np.int64]], None]


class Feed:
    """Telemetry into the engine.  `on_records` sees each record that is judged (for a recording)."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        kafka_in: KafkaIn,
        clock: Clock,
        metrics: Metrics,
        performer: Performer,
        tell: Callable[[Input], None],
        suspects: Suspects,
        on_records: OnRecords | None,
    ) -> None:
        self._config = config
        self._engine = engine
        self.kafka_in = kafka_in
        self._clock = clock
        self._metrics = metrics
        self._performer = performer
        self._tell = tell
        self._on_records = on_records
        self._decoder = Decoder(engine.names)
        self._caution = Caution(engine, suspects)
        self._allowed: set[int] = set()

    async def run(self) -> None:
        async for fact in self.kafka_in.read():
            if isinstance(fact, Chunk):
                await self._caution.try_out(fact, lambda piece: self._fact_of(piece)[0])
                began_s = time.perf_counter()
                for piece in self._caution.pieces(fact):
                    with self._caution.over(piece):
                        self.arrived(piece)
                self._metrics.handle_seconds.observe(time.perf_counter() - began_s)
                await self._performer.let_halts_leave()
            elif isinstance(fact, Started):
                self._tell(ReadingStarted(fact.topic, fact.partition, fact.offset, fact.why))
            elif isinstance(fact, Gap):
                self._metrics.gaps(fact.why).inc()
                now_ns = self._clock.now_ns()
                self._tell(RecordsLost(fact.topic, fact.partition, fact.first, fact.end, fact.why, now_ns))
            else:
                self.linked(fact)

    def arrived(self, chunk: Chunk) -> None:
        """Judge a chunk at once: by partition each of the four would cost as much as all."""
        fact, passed_over = self._fact_of(chunk)
        if self._on_records is not None:
            for read in chunk.parts:
                source = SourcePart(read.topic, read.partition)
                self._on_records(source, read.values, read.offsets, read.arrived_ns)
        self._metrics.events.inc(len(fact.batch) + passed_over)
        if passed_over:
            self._metrics.passed_over.inc(passed_over)
        self._tell(fact)
        failpoint("records.judged")

    def _fact_of(self, chunk: Chunk) -> tuple[RecordsArrived, int]:
        """What arrived, decoded; and how many records of it are of no kind that we know."""
        reads = [(self._part(read.topic, read.partition), read) for read in chunk.parts]
        withheld = [one for part, read in reads for one in self._caution.withheld(part, read)]
        text, starts, stops = _joined(chunk)
        parts = np.repeat([part for part, _ in reads], [len(read) for _, read in reads])
        offsets = np.concatenate([read.offsets for _, read in reads])
        arrived_ns = np.concatenate([read.arrived_ns for _, read in reads])
        if withheld:
            left = {(one.part, one.offset) for one in withheld}
            keep = [place not in left for place in zip(parts.tolist(), offsets.tolist(), strict=True)]
            starts, stops, parts = starts[keep], stops[keep], parts[keep]
            offsets, arrived_ns = offsets[keep], arrived_ns[keep]
        poisonous(text, starts, stops)
        decoded = self._decoder.decode_places(text, starts, stops, parts, offsets, arrived_ns)
        ranges = tuple((part, int(read.offsets[0]), int(read.next_offset) - 1) for part, read in reads)
        ends = tuple((part, int(read.end_offset)) for part, read in reads)
        quarantined = (*decoded.quarantined, *withheld)
        holes = tuple(
            (part, first, last)
            for part, read in reads
            for first, last in _holes(read.offsets, read.next_offset)
        )
        return RecordsArrived(decoded.batch, ranges, quarantined, ends, holes), decoded.passed_over

    def passed(self, happened: TimePassed) -> None:
        """Time has passed: what waited for a slower partition may be judged now."""
        with self._caution.over_what_waits():
            self._tell(happened)

    def linked(self, changed: LinkChanged) -> None:
        self._metrics.link_up(changed.link).set(changed.up)
        self._tell(changed)

    def lagging(self) -> tuple[int, ...]:
        """Parts that may hold records which we have not judged; of one that never answered nobody knows."""
        lag, ends = self.kafka_in.lag(), self.kafka_in.ends
        lagging = []
        for index, part in enumerate(self._engine.parts):
            key = (part.topic, part.partition)
            behind = lag.get(key)
            if behind is None:  # reading has not begun; later it is a partition that is not ours
                if not lag:
                    lagging.append(index)
            elif key not in ends or (
                behind.records and (behind.seconds >= LAG_S_MIN or behind.seconds == 0.0)
            ):
                lagging.append(index)
        return tuple(lagging)

    def late(self) -> list[str]:
        """Partitions that lag more than a ready monitor may."""
        limit_s = self._config.http.lag_s_max
        return [
            f"{topic}/{partition} lags {behind.seconds:.0f} s; {limit_s} s are allowed"
            for (topic, partition), behind in self.kafka_in.lag().items()
            if behind.seconds > limit_s
        ]

    def measure(self) -> None:
        for (topic, partition), behind in self.kafka_in.lag().items():
            self._metrics.lag_seconds(topic, partition).set(behind.seconds)
            self._metrics.lag_records(topic, partition).set(behind.records)

    def _part(self, topic: str, partition: int) -> int:
        part = self._engine.part_of(SourcePart(topic, partition))
        if part not in self._allowed:
            self._allowed.add(part)
            for one in self._config.kafka.inputs:
                if one.topic == topic:
                    self._decoder.allow(part, sources=one.sources, kinds=one.kinds)
        return part


def _joined(chunk: Chunk) -> tuple[bytes, NDArray[np.int64], NDArray[np.int64]]:
    """One buffer for the scanner, and where each record lies in it."""
    texts: list[bytes | memoryview] = []
    starts, ends = [], []
    size = 0
    for (
        part
    ) in chunk.parts:  # of each no more than its records: a fetch is cut wherever the broker's limit is
        first, last = int(part.starts.min()), int(part.ends.max())
        texts.append(memoryview(part.text)[first:last])
        starts.append(part.starts + (size - first))
        ends.append(part.ends + (size - first))
        size += last - first
    return b"".join((*texts, PAD)), np.concatenate(starts), np.concatenate(ends)


def _holes(offsets: NDArray[np.int64], next_offset: int) -> list[tuple[int, int]]:
    """Runs of offsets between those of records, and before the next one, that hold none."""
    if offsets[-1] - offsets[0] == len(offsets) - 1 and offsets[-1] + 1 == next_offset:
        return []
    following = np.append(offsets[1:], next_offset)
    before = np.flatnonzero(following - offsets > 1)
    return [(int(offsets[at]) + 1, int(following[at]) - 1) for at in before]
