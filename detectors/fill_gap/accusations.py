"""What is said, and which records show it: a hit with the evidence of its place, or with its own alone."""

from __future__ import annotations

from typing import Final

from detectors.contract import Severity
from detectors.evidence import BEGUN, COUNT, remember
from detectors.fill_gap import tables as tb
from detectors.kernel import compiled, inlined

WARN: Final = int(Severity.WARN)
HIGH: Final = int(Severity.HIGH)
HALT: Final = int(Severity.HALT)
ALONE: Final = 0  # the row of the rings that belongs to one hit


@inlined
def seconds(ns):
    """As a hit says them: 1e-8 of a second."""
    return ns // 10


@inlined
def ring_of(place, lane):
    """The row of the rings that a lane of a place remembers its records in."""
    return 1 + place * tb.LANES + lane


@compiled
def begin_alone(rings, part, offset, at):
    """Evidence of one hit alone begins with this record."""
    rings[ALONE, COUNT] = 0
    rings[ALONE, BEGUN] = 0
    remember(rings, ALONE, part, offset, at, 0)
