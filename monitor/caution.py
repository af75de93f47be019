"""How records are judged that may crash us: noted before, and after a crash one at a time.

A kernel that leaves its bounds ends the process without a word.  The note says which records it was at; the
next process lets a child judge those first, alone.  What crashes the child is set aside as `crashed_us`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors import event as ev
from detectors.contract import Batch
from monitor.core.inputs import CRASHED_US, Quarantined, RecordsArrived
from monitor.edge.kafka_in import Chunk, Part
from monitor.edge.store import ChildCrashed, in_a_child

if TYPE_CHECKING:
    from monitor.core.engine import Engine
    from monitor.edge.suspects import Range, Suspects


TRIES: Final = (
    16  # records of one chunk that crash a child; one more crashes us, and the next process goes on
)
TRY_S: Final = 5.0  # a chunk of 4,096 suspects takes 0.3 s


class Caution:
    """Between a feed and the engine that it tells."""

    def __init__(self, engine: Engine, suspects: Suspects) -> None:
        self._engine = engine
        self._suspects = suspects
        self._noted: list[Range] = []
        if suspects.ranges:
            engine.piecewise = self._one_at_a_time

    async def try_out(self, chunk: Chunk, fact_of: Callable[[Chunk], RecordsArrived]) -> None:
        """Before suspects are judged here, a child judges them, one at a time; its answers are nobody's."""
        if not any(self._marked(part.topic, part.partition, part.offsets).any() for part in chunk.parts):
            return

        def judge() -> None:
            for piece in self.pieces(chunk):
                with self._noting(_read(piece)):
                    self._engine.handle(fact_of(piece))

        for _ in range(TRIES):
            try:
                await in_a_child(judge, TRY_S)
            except ChildCrashed:
                if self._suspects.convict_noted():
                    continue
            except OSError:
                pass  # no child, or a slow one: what is suspect is judged alone here as well
            return

    def pieces(self, chunk: Chunk) -> Iterator[Chunk]:
        """A chunk as it is; records that are suspect each alone, and a part's order kept."""
        if not self._suspects.ranges:
            yield chunk
            return
        for part in chunk.parts:
            yield from (Chunk((piece,)) for piece in self._cut(part))

    @contextlib.contextmanager
    def over(self, chunk: Chunk) -> Iterator[None]:
        """While these are judged, and what waited for them."""
        read = _read(chunk)
        # A suspect is decoded alone, whatever waits; what is then given out is noted piece by piece.
        with self._noting(read if self._suspects.ranges else [*read, *self._waiting()]):
            yield
        if self._suspects.ranges and self._are_passed():
            self._suspects.absolve()
            self._engine.piecewise = None

    @contextlib.contextmanager
    def over_what_waits(self) -> Iterator[None]:
        """While time passes, by which rows that wait may be given out."""
        with self._noting(self._waiting()):
            yield

    def withheld(self, part: int, read: Part) -> list[Quarantined]:
        """Those of a part's records that crashed us."""
        if not self._suspects.any_convicted:
            return []
        return [
            Quarantined(part, offset, "", CRASHED_US, "the monitor crashed on it twice", raw)
            for offset, raw in zip(read.offsets.tolist(), read.values, strict=True)
            if self._suspects.is_convicted(read.topic, read.partition, offset, raw)
        ]

    @contextlib.contextmanager
    def _noting(self, ranges: list[Range]) -> Iterator[None]:
        """No `finally`: an exception that ends the process leaves the note, as a crash would."""
        self._noted = ranges
        self._suspects.note(ranges)
        yield
        self._suspects.clear()

    def _waiting(self) -> list[Range]:
        engine = self._engine
        return [
            (engine.parts[part].topic, engine.parts[part].partition, first, engine.next_offsets[part] - 1)
            for part, first in engine.sequencer.first_waiting().items()
        ]

    def _cut(self, part: Part) -> Iterator[Part]:
        suspect = self._marked(part.topic, part.partition, part.offsets)
        for first, end in _runs(suspect):
            yield part.cut(first, end)

    def _one_at_a_time(self, batch: Batch) -> Iterator[Batch]:
        """Rows for the engine: where the stream is cut changes nothing, so suspects may be judged alone."""
        parts, offsets = batch.rows[:, ev.PART], batch.rows[:, ev.OFFSET]
        suspect = np.zeros(len(batch), bool)
        for index, part in enumerate(self._engine.parts):
            here = parts == index
            suspect[here] = self._marked(part.topic, part.partition, offsets[here])
        for first, end in _runs(suspect):  # those of one record, too, one by one: a breach is one row's
            if suspect[first]:
                source, offset = self._engine.parts[int(parts[first])], int(offsets[first])
                self._suspects.note([(source.topic, source.partition, offset, offset)])
            else:
                self._suspects.note(self._noted)
            yield Batch(batch.rows[first:end], batch.text)

    def _marked(self, topic: str, partition: int, offsets: np.ndarray) -> np.ndarray:
        marked = np.zeros(len(offsets), bool)
        for name, place, first, last in self._suspects.ranges:
            if (name, place) == (topic, partition):
                marked |= (offsets >= first) & (offsets <= last)
        return marked

    def _are_passed(self) -> bool:
        engine = self._engine
        waiting = engine.sequencer.first_waiting()
        reached = {
            (engine.parts[part].topic, engine.parts[part].partition): waiting.get(part, following)
            for part, following in engine.next_offsets.items()
        }
        return all(reached.get(name[:2], -1) > name[3] for name in self._suspects.ranges)


def _read(chunk: Chunk) -> list[Range]:
    return [
        (part.topic, part.partition, int(part.offsets[0]), int(part.offsets[-1]))
        for part in chunk.parts
        if len(part.offsets)
    ]


def _runs(alone: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of rows, each of those that are to be alone by itself."""
    if len(alone):
        edges = np.flatnonzero(alone[1:] | alone[:-1]) + 1
        starts = [0, *edges.tolist()]
        yield from zip(starts, [*starts[1:], len(alone)], strict=True)
