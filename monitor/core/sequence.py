"""The one order in which events are judged, also while partitions catch up.

Live, it is the order of arrival.  While some partition has a backlog, rows wait until every
partition with one has passed their time, and leave merged by time, each partition in its own
order; so four partitions that catch up at different speeds are judged as they would have been.

A row's time is settled when its follower is known: one event dated a day ahead moves nobody.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from detectors import event as ev
from detectors.contract import Batch, Int64Array

BACKLOG_RECORDS: Final = 1_000  # a partition with more than this unread is catching up
JUMP_NS: Final = 5_000_000_000  # a lone event this far ahead of the next one is dated wrongly
STUCK_NS: Final = 1_000_000_000
# Rows that may wait: 560 bytes each, 224 MB.  Beyond it the oldest leave out of order, and it is counted.
ROWS_WAITING_MAX: Final = 400_000
UNREAD: Final = 1 << 62  # backlog of a partition of which nothing was heard yet
ROWS_AT_ONCE: Final = 2_048  # given out: 1.1 MB


@dataclass(slots=True)
class Queue:
    """Rows of one partition that wait, each with a key that never falls: its time."""

    waiting: list[tuple[Batch, Int64Array]] = field(default_factory=list)
    reached: int = 0  # key of the last row whose follower is known
    released: int = 0  # key of the last row given out
    last_ts: int | None = None  # of the last row, while it waits for a follower: its key may still fall

    def take(self, batch: Batch) -> None:
        """Add rows; settle the key of the one before them."""
        times = _believable(batch.rows)
        if self.last_ts is not None:
            times = np.concatenate(([self.last_ts], times))
        self.last_ts = int(times[-1])
        lone = times[:-1] > times[1:] + JUMP_NS
        times[:-1][lone] = times[1:][lone]
        settled = np.maximum.accumulate(np.maximum(times[:-1], self.reached))
        reached = int(settled[-1]) if len(settled) else self.reached
        ahead = self.last_ts if reached == 0 else min(self.last_ts, reached + JUMP_NS)
        keys = np.append(settled, max(reached, ahead))
        self.reached = reached
        if len(keys) > len(batch):
            self.waiting[-1][1][-1] = keys[0]
            keys = keys[1:]
        self.waiting.append((batch, keys))

    @property
    def last_key(self) -> int:
        return int(self.waiting[-1][1][-1])

    def give(self, before: int | None) -> Iterator[tuple[Batch, Int64Array]]:
        """Rows with keys below `before`, or all."""
        kept: list[tuple[Batch, Int64Array]] = []
        for index, (batch, keys) in enumerate(self.waiting):
            cut = len(keys) if before is None else int(np.searchsorted(keys, before))
            if cut:
                self.released = int(keys[cut - 1])
                yield Batch(batch.rows[:cut], batch.text), keys[:cut]
            if cut < len(keys):  # keys never fall: what comes after it waits as well
                rest = (Batch(batch.rows[cut:], batch.text), keys[cut:]) if cut else (batch, keys)
                kept = [rest, *self.waiting[index + 1 :]]
                break
        self.waiting = kept
        if not kept:
            self.last_ts, self.reached = None, max(self.reached, self.released)


class Sequencer:
    """Holds rows back while partitions catch up.  What waits is read again after a restart."""

    def __init__(self) -> None:
        self._backlog: dict[int, int] = {}
        self._queues: dict[int, Queue] = {}
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
            part: int(queue.waiting[0][0].rows[0, ev.OFFSET])
            for part, queue in self._queues.items()
            if queue.waiting
        }

    def expect(self, part: int) -> None:
        """A partition will be read of which nothing is known yet: others wait for its first records."""
        self._backlog.setdefault(part, UNREAD)

    def offer(
        self, batch: Batch, ranges: tuple[tuple[int, int, int], ...], ends: tuple[tuple[int, int], ...]
    ) -> Iterator[Batch]:
        """Take rows in; give out what may be judged now."""
        self._read_to.update((part, last) for part, _, last in ranges)
        self._moved_at.update((part, self._now_ns) for part, _, _ in ranges)
        for part, end in ends:
            self._backlog[part] = end - self._read_to.get(part, -1) - 1
        if not self.is_catching_up and not self._rows:
            yield batch
            return
        self._take(batch)
        yield from self.release()

    def tick(self, now_ns: int) -> Iterator[Batch]:
        """Time has passed: a partition whose backlog does not move (its leader is dead) holds nobody back."""
        self._now_ns = now_ns
        for part in self.lagging:
            moved_at = self._moved_at.get(part) or now_ns  # 0: it moved before the clock was first read
            self._moved_at[part] = moved_at
            if now_ns - moved_at > STUCK_NS:
                self._backlog[part] = 0
        if self._rows:
            yield from self.release()

    def release(self) -> Iterator[Batch]:
        """Give out the rows whose time every partition with a backlog has passed."""
        before: int | None = None
        if self.is_catching_up:
            before = min(self._queue(part).reached for part in self.lagging)
        if self._rows > ROWS_WAITING_MAX and before is not None:
            before = max(before, 1 + min(queue.last_key for queue in self._queues.values() if queue.waiting))
            self.overrun += 1
        yield from self._merge(before)

    def _queue(self, part: int) -> Queue:
        return self._queues.setdefault(part, Queue())

    def _take(self, batch: Batch) -> None:
        """Each run of rows of one partition into its queue."""
        parts = batch.rows[:, ev.PART]
        edges = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), len(batch)]
        for first, end in itertools.pairwise(edges):
            if first < end:
                self._queue(int(parts[first])).take(Batch(batch.rows[first:end], batch.text))
        self._rows += len(batch)

    def _merge(self, before: int | None) -> Iterator[Batch]:
        """What may go, in the order of time, in pieces that stay in the cache; each row is copied once."""
        pieces = [piece for _, queue in sorted(self._queues.items()) for piece in queue.give(before)]
        if not pieces:
            return
        order = np.argsort(np.concatenate([keys for _, keys in pieces]), kind="stable")
        self._rows -= len(order)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        edges = np.arange(0, len(order) + ROWS_AT_ONCE, ROWS_AT_ONCE)
        texts: list[np.ndarray] = []
        moved: list[tuple[Int64Array, Int64Array, Int64Array, list[int]]] = []
        start = text_size = 0
        for batch, keys in pieces:
            text, named = _text_of(batch, text_size)
            there = place[start : start + len(keys)]  # it rises: a partition keeps its order
            moved.append((batch.rows, there, named, np.searchsorted(there, edges).tolist()))
            texts.append(text)
            start += len(keys)
            text_size += len(text)
        whole = np.concatenate(texts)
        for turn, first in enumerate(edges[:-1].tolist()):
            rows = np.empty((min(ROWS_AT_ONCE, len(order) - first), ev.COLUMNS), np.int64)
            for own, there, named, cuts in moved:
                if cuts[turn] < cuts[turn + 1]:
                    run = slice(cuts[turn], cuts[turn + 1])
                    place_here = there[run] - first
                    rows[place_here] = own[run]
                    rows[place_here, ev.PARENT_AT] = named[run]
            yield Batch(rows, whole)

    def snapshot(self) -> dict[str, Any]:
        """How far each partition's time had come; the rows that wait are read again."""
        return {"reached": [[part, queue.released] for part, queue in sorted(self._queues.items())]}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._queues = {part: Queue(reached=at, released=at) for part, at in state["reached"]}


def _believable(rows: Int64Array) -> Int64Array:
    """The time of each row; an event dated far ahead of its arrival happened when it arrived."""
    ts, arrival = rows[:, ev.TS], rows[:, ev.ARRIVAL]
    return np.where((arrival > 0) & (ts > arrival + JUMP_NS), arrival, ts)


def _text_of(batch: Batch, at: int) -> tuple[np.ndarray, Int64Array]:
    """The part of a batch's text that its rows name, and their PARENT_AT when that part begins at `at`."""
    named = batch.rows[:, ev.PARENT_AT].copy()
    those = named != 0
    if not those.any():
        return batch.text[:0], named
    begins, sizes = named[those] >> 8, named[those] & 0xFF
    first = int(begins.min())
    named[those] = (begins - first + at) << 8 | sizes
    return batch.text[first : int((begins + sizes).max())], named
