"""Scopes and patterns that name nobody in the recordings, and who is in them without a limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from detectors.limits import conditions_of
from monitor.checking.showing import Shown
from monitor.settings.problems import Problem
from monitor.settings.problems import shown as as_shown

if TYPE_CHECKING:
    from monitor.settings import Config

PATTERNS: Final = {"hosts": "host", "strategies": "strategy", "accounts": "account"}


def names_nobody(config: Config, shown: Shown) -> Iterator[Problem]:
    """Limits, grants and parented flow of an id that was never seen; most often it is misspelt."""
    for family, one in config.detectors.items():
        for index, row in enumerate(getattr(one.settings, "limit", ())):
            for kind, value in conditions_of(row["scope"]):
                if value is not None and kind in shown.ids and value not in shown.ids[kind]:
                    yield _missed(f"detectors.{family}.limit[{index}].scope", kind, value, shown)
        for index, row in enumerate(getattr(one.settings, "grants", ())):
            yield from _patterns(f"detectors.{family}.grants[{index}]", row, shown)
    for index, row in enumerate(config.telemetry.parented):
        yield from _patterns(f"telemetry.parented[{index}]", row.model_dump(), shown)


def matches_nobody(config: Config, shown: Shown) -> Iterator[Problem]:
    """Rows of the manifest that match no host at all: they would guard nobody."""
    hosts = shown.ids.get("host", frozenset())
    fleet = config.detectors.get("fleet")
    if fleet is None or not hosts:
        return
    for index, row in enumerate(fleet.settings.manifest):
        if not any(fnmatchcase(host, pattern) for pattern in row["hosts"] for host in hosts):
            key = f"detectors.fleet.manifest[{index}].hosts"
            seen = ", ".join(sorted(hosts)[:5])
            yield Problem(key, "matches no host of the recording", f"write patterns of its hosts: {seen}")


def unlimited(config: Config, shown: Shown) -> Iterator[Problem]:
    """Armed, but somebody in the recording has no limit: no row is for each, and none names them."""
    for family, one in config.detectors.items():
        limits: Sequence[Mapping[str, Any]] = getattr(one.settings, "limit", ())
        scopes = [conditions_of(row["scope"]) for row in limits]
        if one.mode != "armed" or not scopes or any(all(v is None for _, v in scope) for scope in scopes):
            continue
        for kind in sorted({scope[0][0] for scope in scopes if len(scope) == 1}):
            named = {value for scope in scopes for of, value in scope if of == kind}
            bare = sorted(shown.ids.get(kind, frozenset()) - named)
            if bare:
                more = f", nor have {len(bare) - 1} more of the recording" if len(bare) > 1 else ""
                yield Problem(
                    f"detectors.{family}.limit",
                    f"armed, but {kind} {as_shown(bare[0])} has no limit{more}",
                    f'write a row with scope = "{kind}=*"',
                )


def _missed(key: str, kind: str, value: str, shown: Shown) -> Problem:
    near = get_close_matches(value, sorted(shown.ids[kind]), n=1, cutoff=0.5)
    what = f"names {kind} {as_shown(value)}, which is not in the recording"
    return Problem(
        key, what, f"write {as_shown(near[0])}?" if near else f"remove it, or write a {kind} that trades"
    )


def _patterns(path: str, row: Mapping[str, Any], shown: Shown) -> Iterator[Problem]:
    for name, kind in PATTERNS.items():
        for pattern in row.get(name, ()):
            known = shown.ids.get(kind, frozenset())
            if known and pattern != "*" and not any(fnmatchcase(each, pattern) for each in known):
                yield Problem(
                    f"{path}.{name}",
                    f"{as_shown(pattern)} matches no {kind} of the recording",
                    f"write for instance {as_shown(min(known))}",
                )
