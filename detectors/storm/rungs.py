"""The rungs as the kernels say them: each type of number would be compiled apart."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.contract import Severity

CLEAR: Final = np.int64(0)
WARN: Final = np.int64(Severity.WARN)
HIGH: Final = np.int64(Severity.HIGH)
HALT: Final = np.int64(Severity.HALT)
