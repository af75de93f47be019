"""The file, read and validated whole; the result is immutable and knows its policy's digest.

    load(Path("deploy/knightwatch.toml"))  ->  Config, or ConfigError with every problem

Every problem is named at once: what pydantic finds key by key, what contradicts
another setting, and what a detector says of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import Field, ValidationError, create_model

from detectors.contract import Detector, Level, every_detector
from monitor.settings import sections
from monitor.settings.config import Config, DetectorConfig, Document, digest_of
from monitor.settings.contradictions import contradictions
from monitor.settings.families import (
    limit_keys,
    limits_of,
    problems_of,
    problems_of_limits,
    rows_of,
    table_of,
)
from monitor.settings.problems import ConfigError, Problem, in_order_of_the_file, no_such
from monitor.settings.sections import Section
from monitor.settings.toml_file import parse_toml, read_toml
from monitor.settings.words import from_pydantic

ROADS: Final = frozenset({"site", "env", "issuer", "kafka", "mqtt", "keys"})
PACKAGED: Final = Path(__file__).resolve().parent.parent / "knightwatch.toml"
IN_TREE: Final = PACKAGED.parent.parent / "deploy" / "knightwatch.toml"


def default_file() -> Path:
    """The packaged default: beside the package in a wheel, under deploy/ in the source tree."""
    return PACKAGED if PACKAGED.exists() else IN_TREE


def load(path: Path | None = None) -> Config:
    """Read a configuration file, the packaged default if none is named.  Raises `ConfigError`."""
    path = path or default_file()
    return validated(read_toml(path), str(path))


def load_text(text: str, source: str = "configuration") -> Config:
    """Validate a configuration given as TOML text.  Raises `ConfigError`, and nothing else."""
    return validated(parse_toml(text, source), source)


def load_roads(path: Path | None = None) -> Config:
    """Read only what a person needs to stop something: who we are, both roads, the keys.

    Whatever is wrong elsewhere must not stand in the way, nor the compiler that detectors import.
    Such a `Config` has no detectors and no digest: it names no policy.
    """
    path = path or default_file()
    raw = {name: value for name, value in read_toml(path).items() if name in ROADS}
    document, problems = _parsed(raw, Document)
    return _config(str(path), raw, document, [*contradictions(raw), *problems], {})


def validated(raw: Mapping[str, Any], source: str) -> Config:
    """Every problem of a parsed document at once, or the `Config`."""
    families = every_detector()
    document, problems = _parsed(raw, document_model())
    problems = [*contradictions(raw), *_problems_of_detectors(raw, families), *problems]
    written = raw.get("detectors")
    tables: Mapping[str, Any] = written if isinstance(written, dict) else {}
    settings: dict[str, tuple[sections.Mode, Any]] = {}
    for name, cls in families.items():
        if name in tables:
            try:
                settings[name] = _settings_of(cls, tables[name])
            except (ValidationError, RecursionError):
                continue  # its problems are told above
            except ValueError as wrong:  # the family's own __post_init__
                what, _, write = str(wrong).partition("; ")
                problems.append(Problem(f"detectors.{name}", what, write))
    return _config(source, raw, document, problems, settings)


def _parsed(raw: Mapping[str, Any], model: type[Document]) -> tuple[Document | None, list[Problem]]:
    try:
        return model.model_validate(_frozen(dict(raw))), []
    except ValidationError as wrong:
        return None, from_pydantic(wrong.errors(include_url=False), model)
    except RecursionError:
        return None, [Problem("(file)", "is nested too deep", "write flat tables")]


def _config(
    source: str,
    raw: Mapping[str, Any],
    document: Document | None,
    problems: list[Problem],
    settings: Mapping[str, tuple[sections.Mode, Any]],
) -> Config:
    if problems or document is None:
        raise ConfigError(source, in_order_of_the_file(problems, raw))
    levels = document.ladder.levels
    detectors = {
        name: DetectorConfig(name, mode, chosen, Level[levels[name].upper()] if name in levels else None)
        for name, (mode, chosen) in settings.items()
    }
    return Config(
        source=source,
        **{name: getattr(document, name) for name in Document.model_fields},
        detectors=MappingProxyType(detectors),
        policy_digest=digest_of(document, detectors) if type(document) is not Document else "",
    )


@cache
def document_model() -> type[Document]:
    """The file's model with a table for each family that there is."""
    tables: dict[str, Any] = {
        name: (table_of(cls) | None, Field(None, description=(cls.__doc__ or name).strip()))
        for name, cls in every_detector().items()
    }
    detectors = create_model(
        "Detectors", __base__=Section, __doc__="Families that run; one that is not named does not.", **tables
    )
    return create_model("Knightwatch", __base__=Document, detectors=(detectors, Field(detectors())))


def _problems_of_detectors(
    raw: Mapping[str, Any], families: Mapping[str, type[Detector]]
) -> Iterator[Problem]:
    tables = raw.get("detectors")
    for name, table in tables.items() if isinstance(tables, dict) else ():
        if name in families and isinstance(table, dict):
            yield from problems_of_limits(f"detectors.{name}", families[name], table)
            yield from problems_of(f"detectors.{name}", families[name], table)
    ladder = raw.get("ladder")
    levels = ladder.get("levels") if isinstance(ladder, dict) else None
    for name in levels if isinstance(levels, dict) else ():
        if name not in families:
            yield no_such(("ladder", "levels", name), name, families, "detector")


def _settings_of(cls: type[Detector], raw: Any) -> tuple[sections.Mode, Any]:
    table: Any = table_of(cls).model_validate(_frozen(raw))
    values = {key: getattr(table, key) for key in type(table).model_fields if key != "mode"}
    for key in rows_of(cls):
        values[key] = tuple(MappingProxyType(row.model_dump(exclude_unset=True)) for row in values[key])
    if limit_keys(cls):
        rows = [row.model_dump(exclude_none=True) for row in values["limit"]]
        values["limit"] = tuple(MappingProxyType(row) for row in limits_of(rows))
    return table.mode, cls.Settings(**values)


def _frozen(value: Any) -> Any:
    """TOML's arrays as tuples, which strict validation asks for."""
    if isinstance(value, dict):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(_frozen(inner) for inner in value) if isinstance(value, list) else value
