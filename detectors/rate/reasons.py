"""The closed list of what the rate family says, and its numbers in compiled code: the place in the list."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.contract import ANY_FAMILY, Level, Reason, Severity

CLEAR: Final = np.int64(0)
WARN: Final = np.int64(Severity.WARN)
HIGH: Final = np.int64(Severity.HIGH)
HALT: Final = np.int64(Severity.HALT)

CAP, ABNORMAL, PEER = np.arange(3)
REASONS: Final = (
    Reason("message_cap", "messages in a second over their cap", "messages/s", Level.HALT_CANCEL),
    Reason("abnormal", "far more sent than at this time of day", "deviations", Level.HALT_CANCEL, ANY_FAMILY),
    Reason("peer", "a host sends far more than its peers", "messages/s", Level.HALT_CANCEL, ANY_FAMILY),
)
N_REASONS: Final = len(REASONS)
