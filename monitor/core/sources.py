"""What telemetry says of its own health: numbers that are missing, clocks apart, hosts fallen silent.

    gap       a number of a numbered stream that has not come 5 s after one behind it
    skew      a host whose clock is more than 1 s off its peers', by the shortest delay of its events in 10 s;
              at once, and whatever its peers say, one that dates an event over 5 s after it came
    silence   a host whose heartbeats stopped (three of its own periods and 3 s) while its peers' go on

All three are asked of the order of arrival, at the ticks of the clock, and say what cannot be believed; none
halts.  A hole is said once as a range `[from, to)` and is healed when its numbers come, however late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from statistics import median
from typing import Any, Final

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors.contract import Batch, Int64Array
from detectors.names import Names

SECOND_NS: Final = 1_000_000_000
HEALED_WITHIN_NS: Final = 5 * SECOND_NS
SKEW_NS_MAX: Final = SECOND_NS
AHEAD_NS_MAX: Final = 5 * SECOND_NS  # of an event before its own arrival: the ledger moves no clock by it
PEERS_MIN: Final = 3  # of two clocks nobody knows which is wrong
SKEW_WINDOW_NS: Final = 10 * SECOND_NS
PERIODS_MAX: Final = 3
SILENT_NS_MIN: Final = 3 * SECOND_NS
FORGOTTEN_NS: Final = 3_600 * SECOND_NS  # a host that was taken away is missed for an hour

# 4,096 streams of 64 holes, 200 bytes each, are 52 MB at the worst.  What is over is not watched, and said.
STREAMS_MAX: Final = 4_096
HOLES_MAX: Final = 64
HOSTS_MAX: Final = 4_096
NO_DELAY: Final = 1 << 62

FEW: Final = 16  # rows: below it numpy costs more than a loop
_STREAM: Final = (ev.SOURCE, ev.HOST, ev.BOOT, ev.STREAM)
_HEARD: Final = np.array([*_STREAM, ev.SEQ, ev.ARRIVAL, ev.TS, ev.KIND])
Stream = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something that cannot be believed: what it is about, the reason's code, and the readings in words."""

    key: str
    reason: str
    words: str


@dataclass(slots=True)
class _Numbers:
    """A numbered stream: the next number, and the holes before it, each with when it was seen."""

    next: int
    holes: list[list[int]] = field(default_factory=list)  # [first, end, seen at, said]


@dataclass(slots=True)
class _Host:
    beat_at: int = 0  # when its last heartbeat came
    period: int = 0  # between its last two
    window_at: int = 0
    delay: int | None = None  # shortest of this window
    settled: int | None = None  # of the last whole window

    def beat(self, at: int) -> None:
        if at > self.beat_at:
            self.period = at - self.beat_at if self.beat_at else 0
            self.beat_at = at


class Sources:
    """Streams and hosts, as of the records that came.  Times are the shell's clock, in ns."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._streams: dict[Stream, _Numbers] = {}
        self._hosts: dict[int, _Host] = {}
        self._overflowed = False

    def hear(self, batch: Batch, now_ns: int) -> None:
        """Records came, in the order in which they were read."""
        rows = batch.rows
        if len(rows) <= FEW:
            self._hear_few(rows.take(_HEARD, axis=1).tolist(), now_ns)
            return
        numbered = rows[:, ev.SEQ] != ev.NONE
        if numbered.any():
            self._count(rows[numbered], now_ns)
        hosts, arrivals = rows[:, ev.HOST], rows[:, ev.ARRIVAL]
        timed = (arrivals > 0) & (hosts > nm.OTHER)
        if timed.any():  # a row is long: only the columns that are asked for
            hosts, arrivals = hosts[timed], arrivals[timed]
            self._time(hosts, arrivals - rows[:, ev.TS][timed], now_ns)
            beating = rows[:, ev.KIND][timed] == ev.Kind.HEARTBEAT
            for host, beat in zip(hosts[beating].tolist(), arrivals[beating].tolist(), strict=True):
                if host in self._hosts:
                    self._hosts[host].beat(beat)

    def _hear_few(self, rows: list[list[int]], now_ns: int) -> None:
        """As `hear`, row by row."""
        for source, host, boot, stream, number, arrival, ts, kind in rows:
            if number != ev.NONE:
                known = self._numbered((source, host, boot, stream), number)
                if known is not None:
                    self._take_one(known, number, now_ns)
            if arrival > 0 and host > nm.OTHER:
                self._time_one(host, arrival - ts, now_ns)
                if kind == ev.Kind.HEARTBEAT and host in self._hosts:
                    self._hosts[host].beat(arrival)

    # -- numbers

    def _numbered(self, key: Stream, first: int) -> _Numbers | None:
        """What is known of a stream; None of one too many."""
        known = self._streams.get(key)
        if known is None:
            if len(self._streams) >= STREAMS_MAX:
                self._overflowed = True
                return None
            known = self._streams[key] = _Numbers(first)
        return known

    def _count(self, rows: Int64Array, now_ns: int) -> None:
        order = np.lexsort(
            [rows[:, column] for column in reversed(_STREAM)]
        )  # stable: arrival within a stream
        rows = rows[order]
        keys = rows[:, _STREAM]
        edges = np.flatnonzero((keys[1:] != keys[:-1]).any(axis=1)) + 1
        for piece in np.split(rows, edges):
            source, host, boot, stream = (int(piece[0, column]) for column in _STREAM)
            numbers = piece[:, ev.SEQ]
            known = self._numbered((source, host, boot, stream), int(numbers[0]))
            if known is not None:
                self._take(known, numbers, now_ns)

    def _take(self, known: _Numbers, numbers: Int64Array, now_ns: int) -> None:
        if numbers[0] == known.next and (np.diff(numbers) == 1).all():
            known.next = int(numbers[-1]) + 1  # nearly always
            return
        for number in numbers.tolist():
            self._take_one(known, number, now_ns)

    def _take_one(self, known: _Numbers, number: int, now_ns: int) -> None:
        if number == known.next:
            known.next += 1
        elif number > known.next:
            if len(known.holes) < HOLES_MAX:
                known.holes.append([known.next, number, now_ns, 0])
            else:
                self._overflowed = True
            known.next = number + 1
        else:
            _heal(known.holes, number)

    # -- clocks

    def _time(self, hosts: Int64Array, delays: Int64Array, now_ns: int) -> None:
        shortest = np.full(int(hosts.max()) + 1, NO_DELAY)
        np.minimum.at(shortest, hosts, delays)
        for host in np.flatnonzero(shortest < NO_DELAY).tolist():
            self._time_one(host, int(shortest[host]), now_ns)

    def _time_one(self, host: int, delay: int, now_ns: int) -> None:
        known = self._hosts.get(host)
        if known is None:
            if len(self._hosts) >= HOSTS_MAX:
                self._overflowed = True
                return
            known = self._hosts[host] = _Host(window_at=now_ns)
        if now_ns - known.window_at >= SKEW_WINDOW_NS:
            known.settled, known.delay, known.window_at = known.delay, None, now_ns
        known.delay = delay if known.delay is None else min(known.delay, delay)

    # -- what is in doubt

    def gaps(self, now_ns: int) -> Iterator[dict[str, Any]]:
        """Holes that have not healed in time, each told once: whose, and `[from, to)`."""
        for key, known in self._holed():
            for hole in known.holes:
                if not hole[3] and now_ns - hole[2] >= HEALED_WITHIN_NS:
                    hole[3] = 1
                    yield {**self._words(key), "from": hole[0], "to": hole[1]}

    def doubts(self) -> Iterator[Suspicion]:
        """What cannot be believed now."""
        for key, known in self._holed():
            if any(said for *_, said in known.holes):
                who = self._words(key)
                name = who["host"] or who["source"]
                first, end, *_ = next(hole for hole in known.holes if hole[3])
                yield Suspicion(
                    f"gap/{name}", "gap", f"records of {name} are missing: numbers {first} to {end - 1}"
                )
        yield from self._skewed()
        yield from self._silent()
        if self._overflowed:
            yield Suspicion("overflow", "overflow", "more streams, hosts or holes than can be watched")

    def _holed(self) -> list[tuple[Stream, _Numbers]]:
        """In an order of their own: the first to come may be another where the stream is cut otherwise."""
        return sorted(
            ((key, known) for key, known in self._streams.items() if known.holes), key=itemgetter(0)
        )

    def _skewed(self) -> Iterator[Suspicion]:
        ahead: set[int] = set()
        for host, known in sorted(self._hosts.items(), key=itemgetter(0)):
            delay = min(told for told in (known.delay, known.settled, 0) if told is not None)
            if delay < -AHEAD_NS_MAX:
                ahead.add(host)
                yield self._clock_is_wrong(
                    host, f"an event of it is dated {-delay / 1e9:.1f} s after it came"
                )
        settled = {host: known.settled for host, known in self._hosts.items() if known.settled is not None}
        if len(settled) < PEERS_MIN:
            return
        usual = int(median(settled.values()))
        for host, delay in sorted(settled.items()):
            if abs(delay - usual) > SKEW_NS_MAX and host not in ahead:
                readings = f"its events come {delay / 1e9:.1f} s old, its peers' {usual / 1e9:.1f} s"
                yield self._clock_is_wrong(host, readings)

    def _clock_is_wrong(self, host: int, readings: str) -> Suspicion:
        name = self._host(host)
        return Suspicion(f"skew/{name}", "skew", f"the clock of {name} is wrong: {readings}")

    def _silent(self) -> Iterator[Suspicion]:
        beating = {host: known for host, known in self._hosts.items() if known.period}
        latest = max((known.beat_at for known in beating.values()), default=0)
        for host, known in sorted(beating.items(), key=itemgetter(0)):
            silent = latest - known.beat_at
            if max(SILENT_NS_MIN, PERIODS_MAX * known.period) <= silent < FORGOTTEN_NS:
                name = self._host(host)
                yield Suspicion(
                    f"silence/{name}", "silence", f"{name} is silent while its peers' heartbeats go on"
                )

    def _words(self, key: Stream) -> dict[str, str]:
        source, host, boot, stream = key
        return {
            "source": ev.Source(source).name.lower(),
            "host": self._names.text(nm.HOST, host),
            "boot": self._names.text(nm.BOOT, boot),
            "stream": self._names.text(nm.STREAM, stream),
        }

    def _host(self, host: int) -> str:
        return self._names.text(nm.HOST, host)

    # -- memory

    def begin_clock(self, at_ns: int) -> None:
        """What an earlier life dated after this was at this time: its clock was ahead."""
        for known in self._streams.values():
            for hole in known.holes:
                hole[2] = min(hole[2], at_ns)
        for host in self._hosts.values():
            host.window_at = min(host.window_at, at_ns)

    def snapshot(self) -> dict[str, Any]:
        return {
            "streams": [[list(key), known.next, known.holes] for key, known in self._streams.items()],
            "hosts": [
                [host, known.beat_at, known.period, known.window_at, known.delay, known.settled]
                for host, known in self._hosts.items()
            ],
            "overflowed": self._overflowed,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._streams = {
            tuple(key): _Numbers(at, [list(h) for h in holes]) for key, at, holes in state["streams"]
        }
        self._hosts = {host: _Host(*told) for host, *told in state["hosts"]}
        self._overflowed = state["overflowed"]


def _heal(holes: list[list[int]], number: int) -> None:
    """A missing number came: its hole is smaller, in two, or gone."""
    for place, (first, end, at, said) in enumerate(holes):
        if first <= number < end:
            rest = [[a, b, at, said] for a, b in ((first, number), (number + 1, end)) if a < b]
            holes[place : place + 1] = rest
            return
