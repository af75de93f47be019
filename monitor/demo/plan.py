"""Which part of the morning is lived through, how fast, and its rows made before anybody waits for them.

09:29:40 ---- four times as fast ---- 09:29:56 ---- as it was ----> the halt, or 09:30:21
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from monitor.scenarios import Scenario
from monitor.scenarios.day import ONSET_NS, SECOND_NS, eastern_ns
from monitor.scenarios.rows import Rows

SINCE_NS: Final = eastern_ns(9, 29, 40)
REAL_FROM_NS: Final = eastern_ns(9, 29, 56)
FASTER: Final = 4  # so many times before that
UNSTOPPED_NS: Final = ONSET_NS + 20 * SECOND_NS  # as far as it goes if nobody stops it


def event_time(passed_s: float) -> int:
    """The time of the morning so long after its beginning.

    >>> event_time(4.0) == REAL_FROM_NS, event_time(5.0) - event_time(4.0) == SECOND_NS
    (True, True)
    """
    faster_s = (REAL_FROM_NS - SINCE_NS) / SECOND_NS / FASTER
    if passed_s < faster_s:
        return SINCE_NS + int(passed_s * FASTER * SECOND_NS)
    return REAL_FROM_NS + int((passed_s - faster_s) * SECOND_NS)


@dataclass(frozen=True, slots=True)
class ToldScenario(Scenario):
    """A scenario whose rows lie ready, so that the loop that carries them never waits for their making."""

    lying_ready: tuple[Rows, ...] = ()

    def rows(
        self,
        seed: int,  # noqa: ARG002
        scale: float = 1.0,  # noqa: ARG002
        until: int | None = None,  # noqa: ARG002
        since: int | None = None,  # noqa: ARG002
    ) -> Iterator[Rows]:
        """Those that lie ready, whatever is asked."""
        return iter(self.lying_ready)


def tell(scenario: Scenario, seed: int, scale: float) -> ToldScenario:
    """Make the morning's rows; takes a second or two."""
    rows = tuple(scenario.rows(seed, scale, until=UNSTOPPED_NS + 5 * SECOND_NS, since=SINCE_NS))
    fields = {each.name: getattr(scenario, each.name) for each in dataclasses.fields(scenario)}
    return ToldScenario(**fields, lying_ready=rows)
