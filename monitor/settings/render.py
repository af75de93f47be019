"""A configuration as TOML, every setting there and every sentence above it.

`deploy/knightwatch.toml` is `default_text()`: the code's own defaults and, where the demo
says otherwise, both.  A test holds the file to it, so that its comments cannot go stale.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from detectors.contract import every_detector
from monitor.settings.config import Config
from monitor.settings.load import document_model
from monitor.settings.words import model_in

WIDTH: Final = 100
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")

HEAD: Final = """\
Knightwatch's configuration: the one that is used when none is named (the demo's).

Every setting stands here with its default; delete what you do not change.  A line that begins
with "# name =" is not set.  Secrets are named by file or environment variable, never written here.
Of detectors the families stand here that the demo arms.  The others are {others}.
Name one, [detectors.rate] with mode = "shadow", and `knightwatch config show -c FILE` prints its
settings with their defaults.
`knightwatch check FILE` says everything that is wrong at once, and what cannot be seen.
Relative paths start at the working directory."""

# What the demo says beside the code's defaults: every witness, whose orders name a parent, and limits
# like the ones that Knight had on paper (account 33: $2 M) and nothing enforced.
DEMO: Final[Mapping[str, Any]] = {
    "site": "demo",
    "env": "demo",
    "kafka": {
        "inputs": [
            {"topic": "trading.telemetry.v1"},
            {
                "topic": "trading.reference.v1",
                "sources": ["market", "oms"],
                "kinds": ["instrument", "position", "fx", "mark", "session_phase"],
            },
        ]
    },
    "telemetry": {
        "witnesses": ["parent_fill", "order_ack", "drop_copy"],
        "parented": [{"hosts": ["smars-*"], "strategies": ["*"]}],
    },
    "detectors": {
        "child_parent": {"mode": "armed"},
        "fill_gap": {"mode": "armed"},
        "exposure": {
            "mode": "armed",
            "limit": [
                {
                    "scope": "account=*",
                    "gross": 25_000_000,
                    "net": 25_000_000,
                    "currency": "USD",
                    "basis": "intraday",
                },
                {"scope": "account=33", "gross": 2_000_000},
                {"scope": "*", "gross": 1_000_000_000},
            ],
        },
    },
}


def default_text() -> str:
    """The text of the packaged default."""
    others = ", ".join(name for name in every_detector() if name not in DEMO["detectors"])
    return (
        "\n".join(
            [
                *_comment(HEAD.format(others=others)),
                "",
                *_table((), document_model(), DEMO, defaults_noted=True),
            ]
        )
        + "\n"
    )


def text_of(config: Config) -> str:
    """A configuration with everything that it leaves to defaults written out."""
    head = f"{config.source}, defaults included.  Policy digest {config.policy_digest}."
    return (
        "\n".join([*_comment(head), "", *_table((), document_model(), config.document, defaults_noted=False)])
        + "\n"
    )


def _table(
    path: tuple[str, ...], model: type[BaseModel], values: Mapping[str, Any], *, defaults_noted: bool
) -> Iterator[str]:
    """Settings first, then the tables below, as TOML wants it."""
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        table = _table_in(field.annotation)
        if table is not None:
            inner.append((name, table))
            continue
        default = _json(field.get_default(call_default_factory=True))
        value = values.get(name, default)
        has_default = default is not PydanticUndefined and default is not None
        note = f"  (default: {toml(default)})" if defaults_noted and has_default and value != default else ""
        yield from _comment(f"{field.description}{note}")
        if value is None or value is PydanticUndefined:
            yield f"# {name} ="
        else:
            yield f"{name} = {toml(value, wide=True)}"
    for name, table in inner:
        if path == ("detectors",) and name not in values:
            continue  # a family that is not named does not run
        below = (*path, name)
        yield ""
        yield from _comment(_first_sentence(table))
        if below != ("detectors",):
            yield f"[{'.'.join(below)}]"
        yield from _table(below, table, values.get(name) or {}, defaults_noted=defaults_noted)


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """The model of a table; None for a setting, also for an array of tables."""
    return None if "tuple" in str(annotation) else model_in(annotation)


def _first_sentence(model: type[BaseModel]) -> str:
    return (model.__doc__ or model.__name__).strip().split("\n\n")[0].replace("\n", " ")


def _comment(text: str) -> Iterator[str]:
    for paragraph in text.split("\n"):
        lines = textwrap.wrap(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
        yield from (f"# {line}".rstrip() for line in lines)


def _json(value: Any) -> Any:
    match value:
        case BaseModel():
            return {key: _json(inner) for key, inner in value if inner is not None}
        case Path():
            return str(value)
        case tuple() | list():
            return [_json(inner) for inner in value]
        case _:
            return value


def toml(value: Any, *, wide: bool = False) -> str:
    """A JSON value as TOML; `wide` gives each row of an array of tables its own line.

    >>> toml({"scope": "account=*", "gross": 25_000_000})
    '{ scope = "account=*", gross = 25_000_000 }'
    """
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value:_}" if abs(value) >= 10_000 else str(value)
        case float():
            return f"{int(value):_}" if value == int(value) and abs(value) >= 10_000 else repr(value)
        case str():
            return _quoted(value)
        case Mapping():
            inner = ", ".join(
                f"{_key(key)} = {toml(each)}" for key, each in value.items() if each is not None
            )
            return f"{{ {inner} }}" if inner else "{}"
        case _:
            rows = [toml(each) for each in value]
            if wide and any(isinstance(each, Mapping) for each in value):
                return "[\n" + "".join(f"  {row},\n" for row in rows) + "]"
            return f"[{', '.join(rows)}]"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    """TOML's basic strings are JSON's, but for one control character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
