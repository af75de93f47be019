"""Which orders must name a parent: those of hosts and strategies that `telemetry.parented` declares."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from detectors import names as nm
from detectors.child_parent.tables import PL_CODE, PL_KIND, PR_PLACE, PR_STRATEGY

if TYPE_CHECKING:
    from detectors.child_parent.tables import Tables
    from detectors.contract import View


def is_parented(pair: int, t: Tables, view: View) -> bool:
    """Whether a pair's orders must name a parent; the bucket's must if anybody's must."""
    place = t.places[t.pairs[pair, PR_PLACE]]
    host = view.names.text(nm.HOST, int(place[PL_CODE])) if place[PL_KIND] == nm.HOST + 1 else ""
    strategy = view.names.text(nm.STRATEGY, int(t.pairs[pair, PR_STRATEGY]))
    return any(
        pair == 0 or (_matches(host, told.get("hosts")) and _matches(strategy, told.get("strategies")))
        for told in view.parented
    )


def _matches(text: str, patterns: tuple[str, ...] | None) -> bool:
    return patterns is None or any(fnmatchcase(text, pattern) for pattern in patterns)
