"""What was learned of ordinary days: how much a host and strategy sends, by time of the session.

    medians[row, bin, measure, (median, MAD)]       row 0 is nobody's; a bin is five minutes

A session begins at its exchange's open, not at midnight: `opens` are the opens of all days, rising.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

BIN_S: Final = 300
BINS: Final = 288  # from eight hours before an open to sixteen after it
BEFORE_S: Final = 8 * 3600
MEASURES: Final = ("orders", "shares", "usd")
DAY_NS: Final = 86_400_000_000_000
DAYS: Final = 36_525  # a hundred years from 1970


def _nobody() -> NDArray[np.float64]:
    return np.zeros((1, BINS, len(MEASURES), 2))


def _midnights() -> NDArray[np.int64]:
    """Where no exchange says when it opens: a session a day, all of it in its bins."""
    return np.arange(DAYS, dtype=np.int64) * DAY_NS + BEFORE_S * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Medians and deviations, and whose they are."""

    rows: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (host, strategy) -> row
    medians: NDArray[np.float64] = field(default_factory=_nobody)
    opens: NDArray[np.int64] = field(default_factory=_midnights)

    def row(self, host: str, strategy: str) -> int:
        return self.rows.get((host, strategy), 0)
