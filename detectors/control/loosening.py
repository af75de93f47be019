"""Whether a change loosens a control: numbers by their size, words by their rank, what is unknown does.

>>> loosens("5000000", "6000000", lower_is_looser=False), loosens("6e6", "5e6", lower_is_looser=False)
(True, False)
>>> loosens("on", "off", lower_is_looser=False), loosens("0.05", "0.01", lower_is_looser=True)
(True, True)
>>> loosens("10", None, lower_is_looser=False), loosens(None, "10", lower_is_looser=False)
(True, False)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from detectors.scope import FIRM, Scope

ABSENT: Final = "(absent)"  # as a changed configuration says it
# Of words that mean the same kind of thing, the looser before the stricter.
RANKS: Final = (
    ("off", "on"), ("false", "true"), ("no", "yes"), ("disabled", "enabled"), ("inactive", "active"),
    (ABSENT, "shadow", "page", "armed"),
    ("throttle", "reduce_only", "halt_new", "halt_cancel", "disconnect"),
)  # fmt: skip
_LIMIT: Final = re.compile(r"detectors\.(\w+)\.limit\[(.*)\]\.\w+")
_MODE: Final = re.compile(r"detectors\.(\w+)\.(mode|level)")


def loosens(before: str | None, after: str | None, *, lower_is_looser: bool) -> bool:
    """Whether a control that was `before` is looser now; None: it was, or is, not there."""
    if before is None or after is None:
        return before is not None  # a control that is new tightens, one that is gone does not hold
    numbers = _number(before), _number(after)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[1] < numbers[0] if lower_is_looser else numbers[1] > numbers[0]
    words = before.strip().lower(), after.strip().lower()
    for rank in RANKS:
        if words[0] in rank and words[1] in rank:
            return rank.index(words[1]) < rank.index(words[0])
    return words[0] != words[1]


def loosened(changes: Iterable[tuple[str, Any, Any]]) -> Iterator[tuple[str, Scope]]:
    """Of a changed configuration: ("mode", whose) for a detector, ("limit", whose) for a limit or a level."""
    told = list(changes)
    gone = {found[1] for key, _, after in told if (found := _MODE.fullmatch(key)) and after == ABSENT}
    for key, before, after in told:
        if found := _MODE.fullmatch(key):
            if found[2] == "mode" and loosens(str(before), str(after), lower_is_looser=False):
                yield "mode", FIRM
            elif found[2] == "level" and ABSENT not in (before, after):
                if loosens(str(before), str(after), lower_is_looser=False):
                    yield "limit", FIRM
        elif (found := _LIMIT.fullmatch(key)) and found[1] not in gone:
            values = (None if value == ABSENT else str(value) for value in (before, after))
            if loosens(*values, lower_is_looser=False):
                yield "limit", _whose(found[2])


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "").replace("_", ""))
    except ValueError:
        return None
    return None if math.isnan(number) else number  # nothing is above it: what has such a limit has none


def _whose(text: str) -> Scope:
    """Of a limit for each of a kind, everybody's."""
    return FIRM if "*" in text else Scope.parse(text)
