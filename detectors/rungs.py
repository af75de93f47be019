"""A rung that is held until a known time: what one event is, or what a count in a window stands on.

A verdict of one event is true at that instant; a count of the last ten seconds stands on a rung until so
many have left the window.  Either way the time at which it ends is known when it is said.  The same rung is
said again when it was not held for `REARM_NS`, as with `kernel.crossed`.

>>> until = np.zeros((1, 4), np.int64)
>>> rises(until, 0, 2, 10 * SECOND_NS), hold(until, 0, 2, 12 * SECOND_NS)
(True, None)
>>> [rises(until, 0, rung, 12 * SECOND_NS) for rung in (1, 2, 3)], rises(until, 0, 2, 13 * SECOND_NS)
([False, False, True], True)
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.contract import Severity
from detectors.kernel import REARM_NS, SECOND_NS, inlined

__all__ = ["HALT", "HIGH", "RUNGS", "SECOND_NS", "WARN", "hold", "np", "rises"]

WARN: Final = int(Severity.WARN)
HIGH: Final = int(Severity.HIGH)
HALT: Final = int(Severity.HALT)
RUNGS: Final = 4  # columns of a key: by rung until when it is held, 0: never; the first is free


@inlined
def rises(until, key, rung, at):
    """Whether `rung` is above whatever is held for `key`."""
    for held in range(rung, RUNGS):
        if held > 0 and until[key, held] != 0 and at < until[key, held] + REARM_NS:
            return False
    return rung > 0


@inlined
def hold(until, key, rung, end):
    """A rung, and each below it, is held until then at least."""
    for held in range(1, rung + 1):
        until[key, held] = max(until[key, held], end)
