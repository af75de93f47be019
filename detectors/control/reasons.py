"""What the family accuses of: the closed list, and the place of each reason in it.  None of them halts."""

from __future__ import annotations

from typing import Final

from detectors.contract import Reason

LIMIT_RAISED, DETECTOR_OFF, CHANGE_IN_INCIDENT = range(3)
REASONS: Final = (
    Reason("limit_raised", "controls loosened", "controls", None),
    Reason("detector_off", "detectors off or in a looser mode", "detectors", None),
    Reason("change_in_incident", "open halts over what was changed", "halts", None),
)
