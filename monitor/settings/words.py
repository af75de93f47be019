"""pydantic's errors in the words of whoever has to mend the file."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from monitor.settings.problems import Loc, Problem, key_path, no_such, plain_number, shown

if typing.TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def from_pydantic(errors: Iterable[ErrorDetails], model: type[BaseModel]) -> list[Problem]:
    """Pydantic's errors in the reader's words."""
    return [_translated(error, model) for error in errors]


def _translated(error: ErrorDetails, model: type[BaseModel]) -> Problem:
    loc, kind, value = error["loc"], error["type"], error.get("input")
    context: Mapping[str, Any] = error.get("ctx") or {}
    key = key_path(loc)
    match kind:
        case "extra_forbidden":
            noun = {0: "section", 1: "setting"}.get(len(loc) - 1, "setting")
            if loc[:-1] == ("detectors",):
                noun = "detector"
            elif len(loc) == 1 and not isinstance(value, dict):
                noun = "setting"
            return no_such(loc, str(loc[-1]), _fields_at(model, loc[:-1]), noun)
        case "missing":
            return Problem(key, "is missing", _example(model, loc))
        case "int_type" | "int_from_float" | "float_type":
            noun = "a number" if kind == "float_type" or not isinstance(value, float) else "a whole number"
            meant = plain_number(value)
            said = value if meant and isinstance(value, str) else shown(value)
            return Problem(key, f"{said} is not {noun}", f"write {meant}" if meant else _example(model, loc))
        case "bool_type":
            return Problem(key, f"{shown(value)} is not a yes or no", "write true or false")
        case "string_type" | "path_type" | "string_sub_type":
            return Problem(
                key,
                f"{shown(value)} is not a text",
                f'write "{value}"' if _short(value) else "write it in quotes",
            )
        case "literal_error":
            return Problem(
                key, f"{shown(value)} is not known", f"write {context.get('expected', '')}".replace("'", '"')
            )
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            word = {"greater_than": "above", "less_than": "below"}.get(kind) or (
                "at least" if kind == "greater_than_equal" else "at most"
            )
            bound = next(iter(context.values()))
            text = f"{bound:_}" if isinstance(bound, (int, float)) else str(bound)
            return Problem(key, f"{shown(value)} is out of bounds", f"write a number {word} {text}")
        case "finite_number":
            return Problem(key, f"{shown(value)} is not a finite number", _example(model, loc))
        case "tuple_type" | "list_type":
            return Problem(
                key,
                f"{shown(value)} is not an array",
                f"write [{'...' if not _short(value) else shown(value)}]",
            )
        case "model_type" | "dict_type" | "dataclass_type" | "model_attributes_type" | "mapping_type":
            return Problem(key, f"{shown(value)} is not a table", f"write [{key}] and its settings below it")
        case "string_pattern_mismatch" if str(loc[-1]).endswith("_env"):  # its value may be the secret itself
            return Problem(key, "is not the name of an environment variable", "write the name, not the value")
        case "string_pattern_mismatch":
            return Problem(key, f"{shown(value)} is not a plain name", "write 1 to 64 of A-Z a-z 0-9 . _ -")
        case "value_error":
            what, _, write = str(context.get("error", error["msg"])).partition("; ")
            return Problem(key, what, write)
        case _:
            return Problem(key, f"{shown(value)}: {error['msg'][:1].lower()}{error['msg'][1:]}")


def _short(value: object) -> bool:
    return isinstance(value, (int, float, str)) and len(shown(value)) < 30


def _example(model: type[BaseModel], loc: Loc) -> str:
    """What could be written there: the field's own example, else its default."""
    parent = _at(model, loc[:-1])
    field = parent.model_fields.get(str(loc[-1])) if parent else None
    if field is None:
        return ""
    if field.examples:
        return f"write {loc[-1]} = {field.examples[0]}"
    default = field.default
    return f"write for instance {default:_}" if isinstance(default, (int, float)) else ""


def _fields_at(model: type[BaseModel], loc: Loc) -> list[str]:
    found = _at(model, loc)
    return list(found.model_fields) if found else []


def _at(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    """The model that stands at a path, through optionals, arrays and tables."""
    here: Any = model
    for step in loc:
        found = model_in(here)
        if isinstance(step, int):
            here = found
        elif found is not None and step in found.model_fields:
            here = found.model_fields[step].annotation
        else:
            return None
    return model_in(here)


def model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((found for arg in typing.get_args(annotation) if (found := model_in(arg))), None)
