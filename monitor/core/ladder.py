"""The ladder: what a verdict makes of a question's rung.  A table that can be read aloud.

Only people leave `halted`: no verdict does, so no row of the stream, no restart and no
clock can (see `Engine`).  A question is (detector, reason, scope).

>>> LADDER[Rung.PAGED, Verdict.HALT]
<Rung.HALTED: 'halted'>
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from detectors.contract import Severity


class Rung(Enum):
    """Where a question stands."""

    WATCHING = "watching"
    WARNED = "warned"
    PAGED = "paged"
    HALTED = "halted"


class Verdict(Enum):
    """What was said of it now.  Unknown (stale, fault) is never clear."""

    CLEAR = "clear"
    WARN = "warn"
    HIGH = "high"
    HALT = "halt"
    STALE = "stale"
    FAULT = "fault"


def _rows(text: str) -> dict[tuple[Rung, Verdict], Rung]:
    header, *lines = (line.split() for line in text.strip().splitlines())
    verdicts = [Verdict(word) for word in header]
    return {
        (Rung(line[0]), verdict): Rung(word)
        for line in lines
        for verdict, word in zip(verdicts, line[1:], strict=True)
    }


LADDER: Final = _rows("""
          clear     warn      high      halt      stale     fault
watching  watching  warned    paged     halted    paged     paged
warned    watching  warned    paged     halted    paged     paged
paged     watching  paged     paged     halted    paged     paged
halted    halted    halted    halted    halted    halted    halted
""")

OF_SEVERITY: Final = {Severity.WARN: Verdict.WARN, Severity.HIGH: Verdict.HIGH, Severity.HALT: Verdict.HALT}
