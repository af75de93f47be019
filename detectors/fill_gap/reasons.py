"""What the family accuses of: the closed list, and the place of each reason in it."""

from __future__ import annotations

from typing import Final

from detectors.contract import Level, Reason

ACK_GAP, UNCONFIRMED, WITNESS_MISSING, ORPHAN_FILL = range(4)
REASONS: Final = (
    Reason("ack_gap", "orders that nothing has answered", "orders", Level.HALT_NEW),
    Reason("unconfirmed", "executions not booked", "s", Level.HALT_NEW),
    Reason("witness_missing", "a declared witness is silent", "s", None),
    Reason("orphan_fill", "fills whose order nobody announced", "fills", Level.HALT_NEW),
)
