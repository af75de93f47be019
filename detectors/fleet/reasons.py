"""The closed list of what the fleet family says, and its numbers in compiled code: the place in the list."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.contract import Level, Reason, Severity

CLEAR: Final = np.int64(0)
WARN: Final = np.int64(Severity.WARN)
HIGH: Final = np.int64(Severity.HIGH)
HALT: Final = np.int64(Severity.HALT)

BUILD, FLAG, DORMANT, SILENT, NOT_GRANTED = np.arange(5)
REASONS: Final = (
    Reason("build_mismatch", "hosts run what the manifest does not say", "hosts", Level.HALT_CANCEL),
    Reason("undeclared_flag", "hosts with a flag that nobody declared", "hosts", Level.HALT_CANCEL),
    Reason("dormant_flag", "a flag woke that was long unused", "days", Level.HALT_CANCEL),
    Reason("silent_host", "no heartbeat from a host that is expected", "s", None),
    Reason(
        "not_granted", "orders of a host, strategy or account without a grant", "orders", Level.HALT_CANCEL
    ),
)
N_REASONS: Final = len(REASONS)
STATES: Final = 3  # the first three are states of a host; they stand until its heartbeat says otherwise

ARRIVED: Final = np.int64(N_REASONS)  # silent_host of a role: declared 8, arrived 7
SAID: Final = (*REASONS, Reason("silent_host", "fewer hosts than declared", "hosts", None))
