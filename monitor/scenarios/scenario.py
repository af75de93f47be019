"""A scenario: a morning that can be told again, event by event, in order of time.

    events(seed, scale)  ->  the same events, always; a smaller scale a subset of the flow, at the same times

It is told in blocks of a few seconds, so twelve million events never sit in memory.  What a block
starts and a later one ends waits in between.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.scenarios.rows import NO_ROWS, Event, Rows, Sequencer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Truth = dict[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """What was done to the firm when nobody stopped it."""

    executions: int
    shares: int
    gross: float  # dollars bought and sold
    loss: float  # dollars


@dataclass(frozen=True, slots=True)
class Scenario:
    """One incident, or a clean day."""

    name: str
    claim: str
    blocks: tuple[int, ...]  # times at which blocks begin; the last one is the end
    once: Callable[[int], list[Rows]]  # seed -> what is not flow: facts that no scale thins
    flow: Callable[
        [int, float, int, int], list[Rows]
    ]  # seed, scale, start, end -> what begins in [start, end)
    told: Callable[[int, float], Truth]
    harm: Callable[[int, float, int | None], History]  # seed, scale, until: dollars before that time
    policy: Mapping[str, Any]  # tables over the defaults: how this firm would be watched

    @property
    def day(self) -> str:
        """The UTC date on which it begins."""
        return dt.datetime.fromtimestamp(self.blocks[0] // 10**9, dt.UTC).date().isoformat()

    @property
    def minutes(self) -> float:
        """How long what is told lasts, in its own time."""
        return (self.blocks[-1] - self.blocks[0]) / 60e9

    def rows(
        self, seed: int, scale: float = 1.0, until: int | None = None, since: int | None = None
    ) -> Iterator[Rows]:
        """Sorted rows before `until` (ns), a block at a time, without sequence numbers yet.

        With `since` the blocks that end before it tell only what is not flow (parents of the
        incident, positions, errors), so that a live run need not wait for the quiet hours.
        """
        end_ns = min(self.blocks[-1], until) if until is not None else self.blocks[-1]
        waiting = Rows.joined([NO_ROWS, *self.once(seed)])
        for start_ns, next_ns in zip(self.blocks, self.blocks[1:], strict=False):
            if start_ns >= end_ns:
                break
            if since is None or since < next_ns:
                waiting = Rows.joined([waiting, *self.flow(seed, scale, start_ns, next_ns)])
            due = waiting.ts < min(next_ns, end_ns)
            yield waiting.take(due).sorted()
            waiting = waiting.take(~due)

    def events(
        self, seed: int, scale: float = 1.0, until: int | None = None, since: int | None = None
    ) -> Iterator[Event]:
        """Events in order of `ts`, numbered, as they go to a topic."""
        numbers = Sequencer()
        for rows in self.rows(seed, scale, until, since):
            yield from numbers.events(rows)

    def lines(
        self, seed: int, scale: float = 1.0, until: int | None = None
    ) -> Iterator[tuple[int, int, bytes]]:
        """Write the same as NDJSON, a block at a time: (events, ts of the last, bytes)."""
        numbers = Sequencer()
        for rows in self.rows(seed, scale, until):
            if len(rows):
                text = "\n".join(numbers.values(rows))
                yield len(rows), int(rows.ts[-1]), (text + "\n").encode()

    def truth(self, seed: int, scale: float = 1.0) -> Truth:
        """When it begins, whom to stop, and who must have said so by when."""
        return {"scenario": self.name, **self.told(seed, scale)}

    def history(self, seed: int, scale: float = 1.0, until: int | None = None) -> History:
        """All that was done to the firm; with `until`, what was done before that time."""
        return self.harm(seed, scale, until)


def blocks_between(start_ns: int, open_ns: int, end_ns: int, quiet_ns: int, busy_ns: int) -> tuple[int, ...]:
    """Block boundaries: long ones before the open, short ones after it."""
    quiet = np.arange(start_ns, open_ns, quiet_ns)
    busy = np.arange(open_ns, end_ns, busy_ns)
    return (*quiet.tolist(), *busy.tolist(), end_ns)
