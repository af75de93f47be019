"""What the configured limits ask for: which kinds of scope, each with its limits.

Two rows with the same kinds are one shape: `account=*` and `account=33` ask for each account, and the row
that names the account wins, key by key.

>>> shapes = Shapes.of(({"scope": "account=33", "velocity": 5}, {"scope": "account=*", "daily": 90}))
>>> shapes.limits(0, {"account": "33"}, 0.25)
(90.0, 5.0)
>>> shapes.limits(0, {"account": "7"}, 0.25)
(90.0, 22.5)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.contract import Int64Array
from detectors.limits import Row, nearest, widest_first
from detectors.loss import tables as tb


@dataclass(frozen=True, slots=True)
class Shapes:
    """Which kinds the limits name, and the limits themselves."""

    rows: tuple[Row, ...]
    kinds: tuple[tuple[str, ...], ...]  # of each shape

    @classmethod
    def of(cls, limits: Sequence[Mapping[str, Any]]) -> Shapes:
        rows = widest_first(limits)
        kinds = sorted({tuple(sorted(kind for kind, _ in conditions)) for conditions, _ in rows})
        for conditions, row in rows:
            if unknown := {kind for kind, _ in conditions} - set(tb.KINDS):
                msg = f"limit {row['scope']}: loss is not kept by {', '.join(sorted(unknown))}; write another"
                raise ValueError(msg)
        if len(kinds) > tb.SHAPES_MAX:
            msg = f"limits by {len(kinds)} sorts of scope; at most {tb.SHAPES_MAX}"
            raise ValueError(msg)
        return cls(rows, tuple(kinds))

    def limits(
        self, shape: int, values: Mapping[str, str], velocity_share: float
    ) -> tuple[float | None, float | None]:
        """Dollars that a scope may lose in a trade date, and in a minute; None: as many as it likes."""
        told = nearest(self.rows, frozenset(self.kinds[shape]), values)
        daily = told.get("daily")
        velocity = told.get("velocity", None if daily is None else daily * velocity_share)
        return (None if daily is None else float(daily)), (None if velocity is None else float(velocity))

    def table(self) -> Int64Array:
        """As the kernels read it: of each shape how many kinds, and which."""
        table = np.zeros((max(len(self.kinds), 1), tb.SHAPE), np.int64)
        for shape, kinds in enumerate(self.kinds):
            table[shape, 0] = len(kinds)
            table[shape, 1 : 1 + len(kinds)] = [tb.KINDS[kind] for kind in kinds]
        return table
