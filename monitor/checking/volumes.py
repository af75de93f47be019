"""Limits looser than what trades: the control that let five million shares of a stock of 79,000 a day pass.

A limit of one order, or of a position in one symbol, is compared with each symbol's average daily volume; it
counts as loose where no other limit that holds for every order of that symbol is tighter (SEC Release
34-78929: Merrill Lynch).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import floor, log10
from typing import TYPE_CHECKING, Any, Final

from detectors.limits import Conditions, conditions_of
from monitor.checking.showing import Shown, number
from monitor.settings.families import scope_text
from monitor.settings.problems import Problem

if TYPE_CHECKING:
    from monitor.settings import Config

SHARES: Final = ("order_quantity", "quantity")
DOLLARS: Final = ("order_notional",)
SUGGESTED_SHARE: Final = (
    0.05  # of a day: where the `sanity` family begins to record, unless it says otherwise
)

Rows = list[tuple[int, Conditions, Mapping[str, Any]]]


def loose(config: Config, shown: Shown) -> Iterator[Problem]:
    """Every limit that lets more pass than a symbol trades in a day, with the worst of its symbols."""
    share = getattr(
        getattr(config.detectors.get("sanity"), "settings", None), "adv_warn_share", SUGGESTED_SHARE
    )
    for family, one in config.detectors.items():
        limits = getattr(one.settings, "limit", ())
        rows = [(index, conditions_of(row["scope"]), row) for index, row in enumerate(limits)]
        for key in (*SHARES, *DOLLARS):
            for index, conditions, row in rows:
                if key in row and not _inherited(rows, index, key):
                    yield from _loose(
                        f"detectors.{family}.limit[{index}]", rows, conditions, row, key, shown, share
                    )


def _loose(
    path: str,
    rows: Rows,
    conditions: Conditions,
    row: Mapping[str, Any],
    key: str,
    shown: Shown,
    share: float,
) -> Iterator[Problem]:
    found = []
    for symbol, volume in sorted(shown.volumes.items()):
        price = 1.0 if key in SHARES else shown.prices.get(symbol, 0.0)
        day = volume * price
        if day > 0 and _covers(conditions, symbol) and _passes(rows, conditions, key, row[key], symbol) > day:
            found.append((row[key] / day, symbol, volume, price))
    if not found:
        return
    times, symbol, volume, price = max(found)
    write = _round(volume * share) * price if key in SHARES else _round(volume * share * price)
    others = f", and of {len(found) - 1} more symbols" if len(found) > 1 else ""
    scope = scope_text(tuple(sorted({**dict(conditions), "symbol": symbol}.items())))
    a_day = f"where {symbol} trades {volume:_.0f} shares a day: {times:.0f} times{others}"
    yield Problem(
        f"{path}.{key}",
        f"lets {number(row[key])} pass {a_day}",
        f'write {{ scope = "{scope}", {key} = {write:_.0f} }} beside it, or a smaller {key}',
    )


def _inherited(rows: Rows, index: int, key: str) -> bool:
    """Whether a row has this only from a wider row of its kinds, which is told already."""
    _, mine, row = rows[index]
    return any(
        other != index and wide[key] == row[key] and _is_wider(conditions, mine)
        for other, conditions, wide in rows
        if key in wide
    )


def _is_wider(wide: Conditions, narrow: Conditions) -> bool:
    return (
        wide != narrow
        and [kind for kind, _ in wide] == [kind for kind, _ in narrow]
        and all(w in (None, n) for (_, w), (_, n) in zip(wide, narrow, strict=True))
    )


def _covers(conditions: Conditions, symbol: str) -> bool:
    return dict(conditions).get("symbol") in (None, symbol)


def _passes(rows: Rows, mine: Conditions, key: str, limit: float, symbol: str) -> float:
    """What passes of a symbol under this limit and all others that hold for everybody in it."""
    for _, conditions, row in rows:
        others = [value for kind, value in conditions if kind != "symbol"]
        is_for_all = all(value is None for value in others) and _covers(conditions, symbol)
        names_it = dict(conditions).get("symbol") == symbol
        is_another = {kind for kind, _ in conditions} != {kind for kind, _ in mine}
        if key in row and is_for_all and (is_another or names_it):
            limit = min(limit, row[key])
    return limit


def _round(value: float) -> float:
    """Down to two digits: a limit that a person would write."""
    if value < 1:
        return 1
    unit = 10.0 ** max(floor(log10(value)) - 1, 0)
    return floor(value / unit) * unit
