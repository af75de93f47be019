"""What the family may accuse of, and how badly: the closed list of reasons, and the rungs of each.

Numbers are `np.int64`: a kernel is compiled once more for each plain number that it is called with.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.contract import Level, Reason, Severity

CLEAR: Final = np.int64(0)
WARN: Final = np.int64(Severity.WARN)
HIGH: Final = np.int64(Severity.HIGH)
HALT: Final = np.int64(Severity.HALT)

AFTER_DONE, OVERCOMMIT, ORPHAN, RATIO, CHAIN = np.arange(5)
REASONS: Final = (
    Reason("child_after_done", "children after parent done", "children", Level.HALT_CANCEL),
    Reason("overcommit", "filled and working beyond the parent's quantity", "shares", Level.HALT_CANCEL),
    Reason("orphan_child", "orders without a known parent", "orders", Level.HALT_CANCEL),
    Reason("ratio", "children per parent in 10 s", "children/parent", Level.HALT_CANCEL),
    Reason("chain_growth", "replace chain grown beyond its first order", "times", Level.HALT_CANCEL),
)
