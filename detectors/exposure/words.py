"""Between codes and words: the scope that a code stands for, the limits it has, and hits as breaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from detectors import event as ev
from detectors import evidence as rec
from detectors import names as nm
from detectors.contract import Breach, Int64Array, Severity
from detectors.exposure import tables as tb
from detectors.exposure.limits import CAP_KEYS, MEASURE_KEYS, Shapes, basis_of, fixed
from detectors.exposure.reasons import IN_MONEY, MEASURES, QUANTITY, REASONS
from detectors.scope import Scope

if TYPE_CHECKING:
    from detectors.contract import View
    from detectors.exposure.settings import ExposureSettings


def scope_of(scope: int, t: Mapping[str, NDArray[Any]], shapes: Shapes, view: View) -> Scope:
    """The scope that a limit is written for, by its code."""
    row, names = t["scopes"][scope], view.names
    kinds, is_quantity = shapes.shapes[int(row[tb.S_SHAPE])]
    told = {
        **view.ledger.attributes(int(row[tb.S_WHO])),
        "account": names.text(nm.ACCOUNT, int(row[tb.S_ACCOUNT])),
        "symbol": names.text(nm.SYMBOL, int(row[tb.S_SYMBOL])),
        "venue": names.text(nm.VENUE, int(row[tb.S_VENUE])),
        "side": "buy" if row[tb.S_SIDE] > 0 else "sell",
    }
    return Scope.of({kind: told[kind] for kind in kinds if kind != "symbol" or not is_quantity})


def write_limits(
    scope: int, t: Mapping[str, NDArray[Any]], shapes: Shapes, settings: ExposureSettings, view: View
) -> None:
    """The steps and caps of a scope that is new, as the settings have them for it."""
    row, caps = t["scopes"][scope], t["caps"][scope]
    kinds, is_quantity = shapes.shapes[int(row[tb.S_SHAPE])]
    asked = kinds - {"symbol"} if is_quantity else kinds
    limits = shapes.limits(asked, scope_of(scope, t, shapes, view).mapping)
    steps = row[tb.S_STEP : tb.S_STEP + tb.STEPS * MEASURES].reshape(tb.STEPS, MEASURES).T
    steps[:] = tb.NO_LIMIT
    shares = (settings.floor_share, 0.5, settings.warn_share, settings.high_share)
    for measure, (key, unit) in enumerate(MEASURE_KEYS):
        is_wide = key == "quantity" and "symbol" not in kinds  # asked of each symbol by itself
        if key in limits and not is_wide and (not is_quantity or measure == QUANTITY):
            limit = fixed(limits[key], unit)
            steps[measure] = [*(int(limit * share) for share in shares), limit]
    row[tb.S_BASIS] = basis_of(limits)
    has_caps = not is_quantity and any(key in limits for key in CAP_KEYS)
    row[tb.S_HAS_CAPS] = has_caps
    row[tb.S_WATCHED] = has_caps or (steps[:, tb.LIMITED] != tb.NO_LIMIT).any()
    if has_caps:
        for key, (column, unit) in CAP_KEYS.items():
            caps[column] = fixed(limits.get(key, 0), unit)


def breaches(
    hits: Int64Array, family: str, t: Mapping[str, NDArray[Any]], shapes: Shapes, view: View
) -> Iterator[Breach]:
    """The hits as sentences, in the order in which they were found."""
    for hit in hits:
        code, reason = int(hit[rec.SCOPE_CODE]), REASONS[int(hit[rec.REASON])]
        unit = ev.MONEY if int(hit[rec.REASON]) in IN_MONEY else ev.UNIT
        yield Breach(
            detector=family,
            reason=reason.code,
            severity=Severity(int(hit[rec.SEVERITY])),
            scope=(
                scope_of(code, t, shapes, view)
                if hit[rec.SCOPE_KIND] == tb.OF_SCOPE
                else Scope.of(session=view.names.text(nm.SESSION, code))
            ),
            measured=_number(int(hit[rec.MEASURED]), unit),
            limit=_number(int(hit[rec.LIMIT]), unit),
            unit=reason.unit,
            evidence=rec.evidence(hit[rec.FOUND : rec.HIT]),
            at_ns=int(hit[rec.AT]),
            row=int(hit[rec.ROW]),
            exposed_usd=int(hit[rec.USD]) / ev.MONEY,
            by_mark=bool(hit[tb.BY_MARK]),
        )


def _number(fixed: int, unit: int) -> int | float:
    return fixed // unit if fixed % unit == 0 else fixed / unit
