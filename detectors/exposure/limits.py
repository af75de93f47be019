"""What the configured limits ask for: which kinds of scope, and what a scope of them may have.

Two rows with the same kinds are one shape: `account=*` and `account=33` ask for each account, and the row
that names the account wins, key by key.  Account and symbol are on every cell; the other kinds of a shape
are its grain, and cells are kept once for each grain.

>>> shapes = Shapes.of(({"scope": "account=33", "net": 5}, {"scope": "account=*", "gross": 9, "net": 9}))
>>> shapes.limits(frozenset({"account"}), {"account": "33"})
{'scope': 'account=33', 'gross': 9, 'net': 5}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.contract import Int64Array
from detectors.event import MONEY, UNIT
from detectors.exposure import tables as tb
from detectors.limits import Row, nearest, widest_first

BASES: Final = ("intraday", "total")  # in the order of `tables.INTRADAY, TOTAL`
# Each key of a limit: the unit it is kept in, and what is limited, a measure or a column of the caps.
MEASURE_KEYS: Final = (("gross", MONEY), ("net", MONEY), ("quantity", UNIT))
CAP_KEYS: Final = {
    "order_notional": (tb.P_NOTIONAL, MONEY),
    "order_quantity": (tb.P_QTY, UNIT),
    "session_orders": (tb.P_ORDERS, UNIT),
    "session_notional": (tb.P_DAY_NOTIONAL, MONEY),
    "hard_orders": (tb.P_HARD_ORDERS, UNIT),
    "hard_notional": (tb.P_HARD_NOTIONAL, MONEY),
}


def grain_of(kinds: frozenset[str]) -> tuple[str, ...]:
    """The kinds that a cell is kept by besides account and symbol."""
    return tuple(sorted(kinds - {"account", "symbol"}))


def basis_of(limits: Mapping[str, Any]) -> int:
    """Whether what was held before the trade date counts."""
    return BASES.index(limits.get("basis", BASES[tb.INTRADAY]))


def fixed(value: float, unit: int) -> int:
    """A setting as compiled code reads it, always below what stands for no limit."""
    return min(round(value * unit), tb.NO_LIMIT - 1)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Which kinds the limits name, and the limits themselves."""

    rows: tuple[Row, ...]  # widest first, so that the nearest wins
    shapes: tuple[tuple[frozenset[str], bool], ...]  # kinds; whether symbol stands there for `quantity` only
    grains: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, limits: Sequence[Mapping[str, Any]]) -> Shapes:
        rows = widest_first(limits)
        shapes = set()
        for conditions, row in rows:
            kinds = frozenset(kind for kind, _ in conditions)
            _refuse(row, dict(conditions), kinds)
            shapes.add((kinds, False))
            if "quantity" in row and "symbol" not in kinds:
                shapes.add((kinds | {"symbol"}, True))
        ordered = sorted(shapes, key=lambda shape: (grain_of(shape[0]), sorted(shape[0]), shape[1]))
        grains = sorted({grain_of(kinds) for kinds, _ in ordered} | {()})
        of_grain = [sum(grain_of(kinds) == grain for kinds, _ in ordered) for grain in grains]
        if len(grains) > tb.GRAINS_MAX or max(of_grain) > tb.SHAPES_OF_GRAIN:
            msg = (
                f"limits by {len(grains)} sorts of scope; at most {tb.GRAINS_MAX} besides account and symbol"
            )
            raise ValueError(msg)
        return cls(rows, tuple(ordered), tuple(grains))

    def limits(self, kinds: frozenset[str], values: Mapping[str, str]) -> dict[str, Any]:
        """What the scope with these values may have: each key from the nearest row that has it."""
        return nearest(self.rows, kinds, values)

    def tables(self) -> tuple[Int64Array, Int64Array]:
        """As the kernels read them: `plan` and `shapes`."""
        plan = np.zeros((len(self.grains), tb.PLAN), np.int64)
        shapes = np.zeros((max(len(self.shapes), 1), tb.SHAPE), np.int64)
        for g, grain in enumerate(self.grains):
            own = [i for i, (kinds, _) in enumerate(self.shapes) if grain_of(kinds) == grain]
            plan[g, tb.G_KINDS], plan[g, tb.G_SHAPES] = len(grain), len(own)
            plan[g, tb.G_FIRST] = own[0] if own else 0
            plan[g, tb.G_KIND : tb.G_KIND + len(grain)] = [tb.KINDS[kind] for kind in grain]
        for i, (kinds, is_quantity) in enumerate(self.shapes):
            shapes[i, tb.H_ACCOUNT], shapes[i, tb.H_SYMBOL] = "account" in kinds, "symbol" in kinds
            if is_quantity:
                shapes[i, tb.H_WIDE] = self.shapes.index((kinds - {"symbol"}, False)) + 1
        return plan, shapes


def _refuse(row: Mapping[str, Any], written: Mapping[str, str | None], kinds: frozenset[str]) -> None:
    if unknown := kinds - {"account", "symbol", *tb.KINDS}:
        msg = (
            f"limit {row['scope']}: exposure is not kept by {', '.join(sorted(unknown))}; write another scope"
        )
        raise ValueError(msg)
    if written.get("side") not in (None, "buy", "sell"):
        msg = f"limit {row['scope']}: sales of every sort are one side; write side=buy or side=sell"
        raise ValueError(msg)
    if row.get("basis") == "total" and grain_of(kinds):
        msg = f'limit {row["scope"]}: a position names account and symbol alone; write basis = "intraday"'
        raise ValueError(msg)
