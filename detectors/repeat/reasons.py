"""What the family accuses of: the closed list, and the place of each reason in it."""

from __future__ import annotations

from typing import Final

from detectors.contract import Level, Reason

DUPLICATE, RESENT_FILLED, REPEATED_EXECUTION = range(3)
REASONS: Final = (
    Reason("duplicate", "the same order again and again", "orders", Level.HALT_CANCEL),
    Reason("resent_filled", "an order sent again after it was filled", "orders", Level.HALT_CANCEL),
    Reason("repeated_execution", "entered again after fills, no person", "executions", Level.HALT_CANCEL),
)
