"""The closed list of what loss says, and its numbers in compiled code: the place in the list."""

from __future__ import annotations

from typing import Final

from detectors.contract import Level, Reason

DAILY, VELOCITY = range(2)
REASONS: Final = (
    Reason("daily", "lost in a trade date", "USD", Level.REDUCE_ONLY),
    Reason("velocity", "lost by fills in a minute", "USD", Level.REDUCE_ONLY),
)
N_REASONS: Final = len(REASONS)
