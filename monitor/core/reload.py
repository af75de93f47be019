"""Another policy in the place of the one in force: what differs, and what must wait.

    in_force(old, new, open halts)  ->  the policy that judges from now on, and what of the new one waits

A limit is not loosened while a halt of its detector is open.  Which way a setting loosens only a limit says;
so while a detector has an open halt its settings, mode and level stay as they are, except that limits may
fall.  What waits is taken when the configuration is read again after the halt is closed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from monitor.core.policy import DetectorPolicy, Policy

if TYPE_CHECKING:
    from detectors.contract import Detector, View

ABSENT: Final = "(absent)"


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs, by its key in the configuration."""

    key: str
    before: Any
    after: Any


def in_force(
    old: Policy, new: Policy, stopped: Iterable[Mapping[str, Any]]
) -> tuple[Policy, tuple[Change, ...]]:
    """The new policy with what must wait left as it was, and what that is.  `stopped`: open halts."""
    held = {str(halt["detector"]) for halt in stopped}
    detectors, waiting = dict(new.detectors), list[Change]()
    for name in sorted(held & old.detectors.keys()):
        before, after = old.detectors[name], new.detectors.get(name)
        if before == after:
            continue
        kept = before if after is None else _tightened(before, after)
        detectors[name] = kept
        waiting += differences({name: kept}, {} if after is None else {name: after})
    digest = hashlib.sha256(f"{old.digest} {new.digest}".encode()).hexdigest() if waiting else new.digest
    return replace(new, detectors=dict(sorted(detectors.items())), digest=digest), tuple(waiting)


def _tightened(before: DetectorPolicy, after: DetectorPolicy) -> DetectorPolicy:
    """What was in force, with limits that fell.  Another scope's row waits: it may override a lower one."""
    limits = getattr(before.settings, "limit", None)
    if limits is None:
        return before
    told = {row["scope"]: row for row in after.settings.limit}
    fallen = tuple(_lower(row, told.get(row["scope"], {})) for row in limits)
    return replace(before, settings=replace(before.settings, limit=fallen))


def _lower(row: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of each number that both say the lower one."""
    return {
        key: min(value, other[key]) if _is_number(value) and _is_number(other.get(key)) else value
        for key, value in row.items()
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def rebuilt(
    detectors: Mapping[str, Detector],
    before: Policy,
    after: Policy,
    families: Mapping[str, type[Detector]],
    view: View,
) -> dict[str, Detector]:
    """The detectors of another policy with what these know.  `ValueError` says who wants a restart for it."""
    if before.baseline.digest != after.baseline.digest:
        raise ValueError("the baseline is another one: restart, so that all judge by it from the start")
    if before.bounds != after.bounds:
        raise ValueError("memory is another one: restart, so that the books are opened at their new bounds")
    new: dict[str, Detector] = {}
    for name, chosen in after.detectors.items():
        known = detectors.get(name)
        if known is None:
            raise ValueError(f"detectors.{name} is new: restart, so that it sees the session from its start")
        if before.detectors[name].settings == chosen.settings:
            new[name] = known
            continue
        new[name] = families[name](chosen.settings, view)
        try:
            new[name].restore(known.views())  # copies what it takes
        except ValueError as unfit:
            raise ValueError(f"detectors.{name}: {unfit}; restart, and it is built anew") from unfit
    return new


def told(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """As the audit trail keeps them."""
    return [{"key": one.key, "before": one.before, "after": one.after} for one in changes]


def differences(old: Mapping[str, DetectorPolicy], new: Mapping[str, DetectorPolicy]) -> Iterator[Change]:
    """Setting by setting, in order of the keys."""
    for name in sorted(old.keys() | new.keys()):
        before, after = _flat(old.get(name)), _flat(new.get(name))
        for key in sorted(before.keys() | after.keys()):
            if before.get(key, ABSENT) != after.get(key, ABSENT):
                yield Change(f"detectors.{name}.{key}", before.get(key, ABSENT), after.get(key, ABSENT))


def _flat(chosen: DetectorPolicy | None) -> dict[str, Any]:
    if chosen is None:
        return {}
    flat: dict[str, Any] = {"mode": chosen.mode.value, "level": chosen.level.word if chosen.level else ABSENT}
    for field in fields(chosen.settings):
        value = getattr(chosen.settings, field.name)
        if field.name == "limit":
            for row in value:
                flat |= {f"limit[{row['scope']}].{key}": one for key, one in row.items() if key != "scope"}
        else:
            flat[field.name] = [_plain(one) for one in value] if isinstance(value, tuple) else value
    return flat


def _plain(row: Any) -> Any:
    """A row of a table, as the audit trail keeps it."""
    return dict(row) if isinstance(row, Mapping) else row
