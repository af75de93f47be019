"""The closed list of what the family says, and its numbers in compiled code: the place in the list."""

from __future__ import annotations

from typing import Final

from detectors.contract import Level, Reason

ROUND_TRIPS, OWN_TRADES = range(2)
REASONS: Final = (
    Reason("round_trips", "losing round trips in a minute", "trips", Level.HALT_CANCEL),
    Reason("own_trades", "own orders against own orders in a minute", "trades", Level.HALT_CANCEL),
)
