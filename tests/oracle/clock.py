"""What time it is: of one event, of its partition, and of everything that was heard in the last second.

>>> clocks, s = Clocks(), 10**9
>>> clocks.hear(Event(kind="error", ts=100 * s, host="a"), part=0, arrival=0).at // s
100
>>> clocks.hear(Event(kind="error", ts=101 * s, host="a"), part=0, arrival=0)
Times(at=101000000000, clock=101000000000, low=101000000000)
>>> clocks.hear(Event(kind="error", ts=900 * s, host="a"), part=0, arrival=0).at // s  # nobody confirms it yet
101
>>> clocks.hear(Event(kind="error", ts=901 * s, host="b"), part=0, arrival=0).at // s  # another host does
901
>>> clocks.hear(Event(kind="error", ts=990 * s, host="b"), part=0, arrival=905 * s).at // s  # its arrival says no
905
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from tests.oracle.event import Event

SECOND_NS: Final = 10**9
FUTURE_NS: Final = 5 * SECOND_NS


class Times(NamedTuple):
    at: int
    clock: int
    low: int


@dataclass
class Part:
    """One partition's clock, and the jump ahead that somebody told and nobody confirmed yet."""

    clock: int = 0
    heard: int = 0
    is_trusted: bool = False  # its first event alone may be the one from the future
    claims: list[tuple[int, str]] = field(default_factory=list)  # (ts, host), none far behind the one before

    def believe(self, ts: int) -> int:
        self.clock = max(self.clock, ts)
        self.is_trusted = True
        self.claims.clear()
        return ts

    def doubt(self, ts: int, host: str) -> int:
        """A jump ahead: another host's word confirms it, or the same word three times running."""
        if self.claims and ts < self.claims[-1][0] - FUTURE_NS:
            self.claims.clear()
        another = bool(self.claims) and host not in ("", self.claims[-1][1])
        if another and ts > self.claims[-1][0] + FUTURE_NS:
            # Both say that time has moved on: so far as the earlier one; the rest is a claim of its own.
            self.believe(self.claims[-1][0])
            self.claims.append((ts, host))
            return self.clock
        if another or len(self.claims) == 2:
            return self.believe(ts)
        self.claims.append((ts, host))
        return self.clock


@dataclass
class Clocks:
    parts: dict[int, Part] = field(default_factory=dict)
    low: int = 0

    def hear(self, told: Event, part: int, arrival: int) -> Times:
        own = self.parts.setdefault(part, Part())
        at = self._at(told.ts, told.text("host"), own, arrival)
        own.heard = max(own.heard, arrival or at)
        newest = max(each.heard for each in self.parts.values())
        present = [
            p.clock for p in self.parts.values() if p.is_trusted and p.clock and newest - p.heard <= SECOND_NS
        ]
        self.low = max([self.low, min(present)]) if present else self.low
        return Times(at, own.clock, self.low)

    @staticmethod
    def _at(ts: int, host: str, own: Part, arrival: int) -> int:
        if arrival:
            if ts > arrival + FUTURE_NS:
                own.is_trusted = True
                return arrival
            own.clock, own.is_trusted = max(own.clock, ts), True
            return ts
        if not own.clock:
            own.clock = ts
            return ts
        if ts > own.clock + FUTURE_NS:
            return own.doubt(ts, host)
        if not own.is_trusted and ts < own.clock - FUTURE_NS:
            own.clock = ts  # the very first event was the one from the future
            own.claims.clear()
            return ts
        return own.believe(ts)
