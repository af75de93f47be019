"""The one order in which events are judged, also while partitions catch up.

Live, it is the order of arrival.  While some partition has a backlog, rows wait until every
partition with one has reached their time, and leave merged by time, each partition in its own
order; so four partitions that catch up at different speeds are judged as they would have been.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from detectors import event as ev
from detectors.contract import Batch, Int64Array

BACKLOG_RECORDS: Final = 1_000  # a partition with more than this unread is catching up
JUMP_NS: Final = 5_000_000_000  # a lone event this far ahead of the next one is dated wrongly
# Rows that may wait: 560 bytes each, 224 MB.  Beyond it the oldest leave out of order, and it is counted.
STUCK_NS: Final = 1_000_000_000
ROWS_WAITING_MAX: Final = 400_000
NOTHING: Final = np.zeros((0, ev.COLUMNS), np.int64)


class Sequencer:
    """Holds rows back while partitions catch up.  What waits is read again after a restart."""

    def __init__(self) -> None:
        self._backlog: dict[int, int] = {}
        self._waiting: dict[int, list[Batch]] = {}
        self._reached: dict[int, int] = {}
        self._read_to: dict[int, int] = {}
        self._moved_at: dict[int, int] = {}
        self._now_ns = 0
        self._rows = 0
        self.overrun = 0

    @property
    def is_catching_up(self) -> bool:
        """Whether several partitions are read and one of them lies behind its end."""
        return len(self._backlog) > 1 and any(left > BACKLOG_RECORDS for left in self._backlog.values())

    @property
    def lagging(self) -> tuple[int, ...]:
        """Partitions that lie behind their end."""
        return tuple(part for part, left in self._backlog.items() if left > BACKLOG_RECORDS)

    def first_waiting(self) -> dict[int, int]:
        """Offset of the first row that waits, by partition: where a restart reads on."""
        return {
            part: int(batches[0].rows[0, ev.OFFSET]) for part, batches in self._waiting.items() if batches
        }

    def offer(
        self, batch: Batch, ranges: tuple[tuple[int, int, int], ...], ends: tuple[tuple[int, int], ...]
    ) -> Iterator[Batch]:
        """Take rows in; give out what may be judged now."""
        self._read_to.update((part, last) for part, _, last in ranges)
        self._moved_at.update((part, self._now_ns) for part, _, _ in ranges)
        for part, end in ends:
            self._backlog[part] = end - self._read_to.get(part, end - 1) - 1
        if not self.is_catching_up and not self._rows:
            yield batch
            return
        self._take(batch)
        yield from self.release()

    def tick(self, now_ns: int) -> Iterator[Batch]:
        """Time has passed: a partition whose backlog does not move (its leader is dead) holds nobody back."""
        self._now_ns = now_ns
        for part in self.lagging:
            if now_ns - self._moved_at.setdefault(part, now_ns) > STUCK_NS:
                self._backlog[part] = 0
        if self._rows:
            yield from self.release()

    def release(self) -> Iterator[Batch]:
        """Give out the rows whose time every partition with a backlog has reached."""
        horizon: int | None = None
        if self.is_catching_up:
            horizon = min(self._reached.get(part, 0) for part in self.lagging)
        if self._rows > ROWS_WAITING_MAX and horizon is not None:
            horizon = max(
                horizon, min(self._reached[part] for part, waiting in self._waiting.items() if waiting)
            )
            self.overrun += 1
        merged = self._merge(horizon)
        if len(merged):
            yield merged

    def _take(self, batch: Batch) -> None:
        for part in np.unique(batch.rows[:, ev.PART]).tolist():
            rows = batch.rows[batch.rows[:, ev.PART] == part]
            self._waiting.setdefault(part, []).append(Batch(rows, batch.text))
            self._reached[part] = int(_times(rows, self._reached.get(part, 0))[-1])
            self._rows += len(rows)

    def _merge(self, horizon: int | None) -> Batch:
        pieces: list[Int64Array] = []
        times: list[Int64Array] = []
        texts: list[np.ndarray] = []
        text_size = 0
        for part, batches in sorted(self._waiting.items()):
            reached = 0
            kept: list[Batch] = []
            for batch in batches:
                keys = _times(batch.rows, reached)
                reached = int(keys[-1])
                cut = len(keys) if horizon is None else int(np.searchsorted(keys, horizon, side="right"))
                if cut:
                    rows = batch.rows[:cut].copy()
                    named = rows[:, ev.PARENT_AT] != 0
                    rows[named, ev.PARENT_AT] += text_size << 8
                    pieces.append(rows)
                    times.append(keys[:cut])
                    texts.append(batch.text)
                    text_size += len(batch.text)
                if cut < len(keys):
                    kept.append(Batch(batch.rows[cut:], batch.text))
            self._waiting[part] = kept
        if not pieces:
            return Batch(NOTHING, np.zeros(0, np.uint8))
        order = np.argsort(np.concatenate(times), kind="stable")
        rows = np.ascontiguousarray(np.concatenate(pieces)[order])
        self._rows -= len(rows)
        return Batch(rows, np.concatenate(texts))


def _times(rows: Int64Array, reached: int) -> Int64Array:
    """A key that rises within a partition: the latest ts so far, one event from the future ignored."""
    ts = rows[:, ev.TS].copy()
    arrival = rows[:, ev.ARRIVAL]
    np.minimum(ts, arrival + JUMP_NS, out=ts, where=arrival > 0)
    if len(ts) > 1:
        lone = ts[:-1] > ts[1:] + JUMP_NS
        ts[:-1][lone] = ts[1:][lone]
        ts[-1] = min(ts[-1], ts[-2] + JUMP_NS)  # its follower will say whether time has really moved on
    return np.maximum.accumulate(np.maximum(ts, reached))
