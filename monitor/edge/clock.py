"""The one reader of clocks: a wall time that never goes back, and how late it was read.

    wall(t) = wall at start + time since then + a correction of at most 1 % of it

Timers and freshness run on this; a wall clock that is stepped an hour either way moves it
by 36 s in that hour instead of at once, and `Tick.skew_ns` says how far apart they are.
Since then is counted by CLOCK_BOOTTIME, which goes on while a machine is suspended.  A tick
that comes late (SIGSTOP, a blocked loop, a paused machine) says so in `gap_ns`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

NS: Final = 1_000_000_000
PERIOD_S: Final = 0.1
CORRECTION_MAX: Final = 0.01  # of the time that passed
GAP_NS_MIN: Final = 1_000_000_000  # a tick later than this was no hiccup: what was decided before it is stale


@dataclass(frozen=True, slots=True)
class Tick:
    """One reading."""

    wall_ns: int  # ours: rises, and slowly follows the wall clock
    monotonic_ns: int
    late_ns: int  # after it was due: the latency of the loop
    gap_ns: int  # the same where it is over a second, else 0
    skew_ns: int  # wall clock minus ours


def _elapsed_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Clock:
    """Made once, read by everyone in this process."""

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, elapsed_ns: Callable[[], int] = _elapsed_ns
    ) -> None:
        self._wall_ns = wall_ns
        self._elapsed_ns = elapsed_ns
        self._at_elapsed_ns = elapsed_ns()
        self._at_ns = wall_ns()

    def now_ns(self) -> int:
        """Nanoseconds since the epoch; never less than before."""
        elapsed_ns = self._elapsed_ns()
        passed_ns = max(0, elapsed_ns - self._at_elapsed_ns)
        self._at_elapsed_ns += passed_ns
        # The part of a nanosecond that a short step cannot be corrected by is of no account: ticks are long.
        bound_ns = int(passed_ns * CORRECTION_MAX)
        skew_ns = self._wall_ns() - (self._at_ns + passed_ns)
        self._at_ns += passed_ns + max(-bound_ns, min(bound_ns, skew_ns))
        return self._at_ns

    def skew_ns(self) -> int:
        """How far the wall clock is ahead of ours."""
        return self._wall_ns() - self.now_ns()

    async def ticks(self, period_s: float = PERIOD_S) -> AsyncIterator[Tick]:
        """One at once and then each period, for ever; after a gap no tick is made up for."""
        period_ns = int(period_s * NS)
        due_ns = self._elapsed_ns()
        while True:
            now_ns = self._elapsed_ns()
            late_ns = max(0, now_ns - due_ns)
            # Set before the reader has its turn, which may be long; a missed tick is not made up for.
            due_ns = due_ns + period_ns if late_ns < period_ns else now_ns + period_ns
            gap_ns = late_ns if late_ns >= GAP_NS_MIN else 0
            yield Tick(self.now_ns(), now_ns, late_ns, gap_ns, self.skew_ns())
            await asyncio.sleep(max(0, due_ns - self._elapsed_ns()) / NS)
