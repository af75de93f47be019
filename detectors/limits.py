"""Limits by scope, as the configuration writes them: each row a scope and what it may have.

`account=*` and `account=33` ask for each account; the row that names the account wins, key by key.

>>> rows = widest_first(({"scope": "account=33", "net": 5}, {"scope": "account=*", "gross": 9, "net": 9}))
>>> nearest(rows, frozenset({"account"}), {"account": "33"})
{'scope': 'account=33', 'gross': 9, 'net': 5}
>>> nearest(rows, frozenset({"account"}), {"account": "7"})
{'scope': 'account=*', 'gross': 9, 'net': 9}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detectors.scope import Scope

Conditions = tuple[tuple[str, str | None], ...]
Row = tuple[Conditions, Mapping[str, Any]]


def conditions_of(text: str) -> Conditions:
    """The conditions of a limit's scope; None stands for `*`, each id by itself."""
    written = dict(part.partition("=")[::2] for part in text.split("&")) if text != "*" else {}
    return tuple((k, None if written[k] == "*" else value) for k, value in Scope.parse(text).conditions)


def widest_first(limits: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """The rows with their conditions, so that of two that hold the last one is the nearest."""
    return tuple(
        sorted(
            ((conditions_of(row["scope"]), row) for row in limits),
            key=lambda row: (sum(value is None for _, value in row[0]), row[1]["scope"]),
            reverse=True,
        )
    )


def nearest(rows: Sequence[Row], kinds: frozenset[str], values: Mapping[str, str]) -> dict[str, Any]:
    """What the scope with these values may have: each key from the nearest row that has it."""
    merged: dict[str, Any] = {}
    for conditions, row in rows:
        if kinds == {kind for kind, _ in conditions} and all(
            value in (None, values[kind]) for kind, value in conditions
        ):
            merged |= row
    return merged
