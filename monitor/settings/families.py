"""What each detector adds to the configuration, read from the detector itself.

A family's `Settings` dataclass is its table; a family that needs limits names their
numeric keys in `LIMIT_KEYS` (and words, with their choices, in `LIMIT_WORDS`).  No
detector is named here: a new one costs no line of this file.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import Field, create_model

from detectors.contract import Detector
from detectors.scope import Scope
from monitor.settings.problems import Problem, nearest
from monitor.settings.sections import Mode, Section

WEEK_MS: Final = 7 * 86_400_000
# Compiled code counts quantities in 1e-8 and money in 1e-4 of a unit, in 63 bits.
QUANTITY_MAX: Final = 90_000_000_000
MONEY_MAX: Final = 900_000_000_000_000


def number_max(name: str) -> int:
    """The largest value that a setting of this name may have without overflow somewhere."""
    last = name.removesuffix("_max").removesuffix("_min").rpartition("_")[2]
    if last in ("ms", "s", "ns"):
        return {"ms": WEEK_MS, "s": WEEK_MS // 1_000, "ns": WEEK_MS * 1_000_000}[last]
    return QUANTITY_MAX if {"quantity", "shares", "qty"} & set(name.split("_")) else MONEY_MAX


def _bounded(hint: Any, name: str, default: Any) -> Any:
    """A number is finite, not negative, and above zero where its default is: zero must not mean "off"."""
    if hint not in (int, float):
        return hint
    return Annotated[hint, Field(gt=0, le=number_max(name)) if default else Field(ge=0, le=number_max(name))]


def table_of(cls: type[Detector]) -> type[Section]:
    """The pydantic model of `[detectors.<family>]`."""
    fields: dict[str, Any] = {
        "mode": (Mode, Field(description=MODE_DOC, examples=['"shadow"'])),
    }
    hints = typing.get_type_hints(cls.Settings)
    for setting in dataclasses.fields(cls.Settings):
        doc = setting.metadata["doc"]
        if setting.name == "limit" and limit_keys(cls):
            fields["limit"] = (tuple[_row_of(cls), ...], Field((), description=doc, examples=[_example(cls)]))  # type: ignore[misc]
            continue
        if setting.name in rows_of(cls):
            row: Any = _model_of(rows_of(cls)[setting.name])
            fields[setting.name] = (tuple[row, ...], Field((), description=doc))
            continue
        default = setting.default
        if setting.default_factory is not dataclasses.MISSING:
            default = setting.default_factory()
        fields[setting.name] = (
            _bounded(hints[setting.name], setting.name, default),
            Field(default, description=doc),
        )
    name = "".join(part.title() for part in cls.family().split("_"))
    return create_model(name, __base__=Section, __doc__=(cls.__doc__ or name).strip(), **fields)


MODE_DOC: Final = "shadow (judges and records), page (also wakes people) or armed (also halts)"


def rows_of(cls: type[Detector]) -> Mapping[str, type]:
    """Settings that are arrays of tables, and the dataclass that one row is read by."""
    return dict(getattr(cls, "ROWS", {}))


def _model_of(row: type) -> type[Section]:
    fields: dict[str, Any] = {}
    hints = typing.get_type_hints(row)
    for each in dataclasses.fields(row):
        fields[each.name] = (hints[each.name], Field(each.default, description=each.metadata["doc"]))
    return create_model(row.__name__, __base__=Section, **fields)


def problems_of(path: str, cls: type[Detector], table: Mapping[str, Any]) -> Iterator[Problem]:
    """What a family says of its own table, and what it must have to be armed; looks at raw TOML."""
    for need in getattr(cls, "ARMED_NEEDS", ()):
        if table.get("mode") == "armed" and not table.get(need):
            yield Problem(f"{path}.mode", f"armed, but it has no {need}", f"write {need} = [...]")
    told: Any = getattr(cls, "problems", None)
    for key, what, write in told(table) if told else ():
        yield Problem(f"{path}.{key}", what, write)


def limit_keys(cls: type[Detector]) -> tuple[str, ...]:
    return tuple(getattr(cls, "LIMIT_KEYS", ()))


def limit_words(cls: type[Detector]) -> Mapping[str, tuple[str, ...]]:
    """Keys of a limit that are words: name -> choices, none: any text."""
    return dict(getattr(cls, "LIMIT_WORDS", {}))


def _row_of(cls: type[Detector]) -> type[Section]:
    fields: dict[str, Any] = {"scope": (str, Field(description=SCOPE_DOC, examples=['"account=*"']))}
    for key in limit_keys(cls):
        number = Annotated[float, Field(gt=0, le=number_max(key))]
        fields[key] = (number | None, Field(None, description=f"limit of {key}"))
    for key, choices in limit_words(cls).items():
        word: Any = typing.Literal[choices] if choices else Annotated[str, Field(min_length=1, max_length=64)]
        fields[key] = (
            word | None,
            Field(None, description=f"one of {', '.join(choices)}" if choices else key),
        )
    return create_model("Limit", __base__=Section, **fields)


SCOPE_DOC: Final = (
    '"kind=id" joined by &; "kind=*" is each id\'s own default, a named id overrides it; "*" is the firm'
)


def _example(cls: type[Detector]) -> str:
    scope = getattr(cls, "LIMIT_SCOPE", "account=*")
    return f'[{{ scope = "{scope}", {limit_keys(cls)[0]} = 1_000_000 }}]'


def scope_of(text: str) -> tuple[tuple[str, str | None], ...]:
    """Conditions of a limit's scope; None stands for `*`, each id by itself.  Raises `ValueError`."""
    scope = Scope.parse(text)
    written = dict(part.partition("=")[::2] for part in text.split("&")) if text != "*" else {}
    return tuple((kind, None if written[kind] == "*" else value) for kind, value in scope.conditions)


def scope_text(conditions: tuple[tuple[str, str | None], ...]) -> str:
    """The canonical text: kinds sorted, ids percent-encoded, `*` for "each" and for the firm."""
    return (
        "&".join(f"{kind}={'*' if value is None else quote(value, safe='')}" for kind, value in conditions)
        or "*"
    )


def limits_of(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Rows with canonical scopes, each inheriting what it does not set from the `*` rows that cover it.

    The nearest row counts: the one with the fewest `*`.
    """
    parsed = [(scope_of(row["scope"]), row) for row in rows]
    resolved = []
    for conditions, row in parsed:
        covering = sorted(
            (other for other in parsed if other[1] is not row and _covers(other[0], conditions)),
            key=lambda other: (sum(value is None for _, value in other[0]), scope_text(other[0])),
            reverse=True,
        )
        merged: dict[str, Any] = {}
        for _, each in (*covering, (conditions, row)):
            merged |= each
        resolved.append(merged | {"scope": scope_text(conditions)})
    return tuple(resolved)


def _covers(wide: tuple[tuple[str, str | None], ...], narrow: tuple[tuple[str, str | None], ...]) -> bool:
    """Whether `wide` is `narrow` with some ids replaced by `*`."""
    return (
        wide != narrow
        and [kind for kind, _ in wide] == [kind for kind, _ in narrow]
        and all(w is None or w == n for (_, w), (_, n) in zip(wide, narrow, strict=True))
    )


def problems_of_limits(path: str, cls: type[Detector], table: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong between the rows of `limit`, and with their scopes; looks at raw TOML."""
    keys, rows = limit_keys(cls), table.get("limit")
    if not keys:
        return
    if not rows and rows in (None, [], ()):
        if table.get("mode") == "armed" and getattr(cls, "LIMIT_IS_NEEDED", True):
            yield Problem(f"{path}.mode", "armed, but it has no limit", f"write limit = {_example(cls)}")
        return
    seen: dict[tuple[tuple[str, str | None], ...], int] = {}
    good: list[tuple[int, dict[str, Any]]] = []
    for index, row in enumerate(rows if isinstance(rows, (list, tuple)) else ()):
        if not isinstance(row, dict) or not isinstance(row.get("scope"), str):
            continue
        try:
            conditions = scope_of(row["scope"])
        except ValueError as wrong:
            yield Problem(f"{path}.limit[{index}].scope", str(wrong))
            continue
        if conditions in seen:
            first = f"limit[{seen[conditions]}] has the same scope"
            yield Problem(f"{path}.limit[{index}].scope", first, "write one of the two")
            continue
        seen[conditions] = index
        good.append((index, row))
    for (index, _), merged in zip(good, limits_of([row for _, row in good]), strict=True):
        if not set(keys) & set(merged):
            yield Problem(f"{path}.limit[{index}]", "limits nothing", nearest("", keys))
