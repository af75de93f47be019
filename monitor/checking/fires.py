"""What pages or halts on recordings of ordinary days: each rule once, with what it measured at most."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from math import ceil, log10
from typing import TYPE_CHECKING, Any, Final

from detectors.limits import Conditions, conditions_of
from detectors.scope import Scope
from monitor.checking.showing import Shown, number
from monitor.settings.problems import Problem

if TYPE_CHECKING:
    from monitor.settings import Config

ROOM: Final = 1.25  # above what was measured


def fires(config: Config, shown: Shown) -> Iterator[Problem]:
    """Every rule that would page or halt there, worst first of its kind."""
    said: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for breach in shown.breaches:
        if breach["severity"] in ("high", "halt"):
            key = _key_of(config, breach)
            said.setdefault((key, breach["reason_code"]), []).append(breach)
    for (key, reason), each in said.items():
        worst = max(each, key=lambda breach: float(breach["measured"]))
        halts = sum(breach["severity"] == "halt" for breach in each)
        times = f"{halts} times to a halt" if halts else f"{len(each)} times to a page"
        limit = "no limit" if worst["limit"] is None else f"limit {number(worst['limit'])}"
        most = f"{number(worst['measured'])} {worst['unit']} of {Scope.of(worst['scope']).text}, {limit}"
        yield Problem(key, f"{reason} fires on the recording, {times}: {most}", _write(key, worst))


def _key_of(config: Config, breach: Mapping[str, Any]) -> str:
    """The setting that a breach went beyond: a key of the nearest limit, else the one of that name."""
    family, reason, limit = breach["detector"], breach["reason_code"], breach["limit"]
    path, settings = f"detectors.{family}", config.detectors[family].settings
    nearest = min(
        (
            (-len(conditions), sum(value is None for _, value in conditions), index, key)
            for index, row in enumerate(getattr(settings, "limit", ()))
            if _holds(conditions := conditions_of(row["scope"]), breach["scope"])
            if (key := _limit_key(row, reason, limit))
        ),
        default=None,
    )
    if nearest is not None:
        return f"{path}.limit[{nearest[2]}].{nearest[3]}"
    names = [
        field.name
        for field in dataclasses.fields(settings)
        if field.name.startswith(reason) and getattr(settings, field.name) == limit
    ]
    return f"{path}.{names[0]}" if len(names) == 1 else path


def _holds(conditions: Conditions, scope: Mapping[str, str]) -> bool:
    return all(kind in scope and value in (None, scope[kind]) for kind, value in conditions)


def _limit_key(row: Mapping[str, Any], reason: str, limit: float | None) -> str:
    """Which key of a row a reason is about: the one of its name, else the one with its limit."""
    if reason in row:
        return reason
    return next((key for key, value in row.items() if key != "scope" and value == limit), "")


def _write(key: str, breach: Mapping[str, Any]) -> str:
    name = key.rpartition(".")[2]
    if name == breach["detector"] or not breach["limit"] or breach["measured"] <= breach["limit"]:
        return f'if this day was ordinary, write mode = "shadow" until {breach["reason_code"]} is understood'
    return f"if this day was ordinary, write {name} = {number(_above(float(breach['measured'])))}"


def _above(measured: float) -> float:
    """With room, rounded up to two digits."""
    value = measured * ROOM
    unit = 10.0 ** (ceil(log10(value)) - 2)
    return ceil(value / unit) * unit
