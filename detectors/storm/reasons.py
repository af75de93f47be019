"""What the family accuses of: the closed list, and the place of each reason in it."""

from __future__ import annotations

from typing import Final

from detectors.contract import Level, Reason

REJECTS, CANCELS, UNKNOWN_REASON = range(3)
REASONS: Final = (
    Reason("rejects", "orders rejected by the venue", "% of orders", Level.HALT_CANCEL),
    Reason("cancels", "orders cancelled as soon as sent", "% of orders", Level.HALT_CANCEL),
    Reason("unknown_reason", "messages never seen before", "messages", Level.HALT_CANCEL, "fleet"),
)
