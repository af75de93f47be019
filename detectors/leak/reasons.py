"""What the family accuses of."""

from __future__ import annotations

from typing import Final

from detectors.contract import Level, Reason

AFTER_HALT: Final = 0
REASONS: Final = (Reason("after_halt", "orders that a halt let through", "orders", Level.HALT_NEW),)
