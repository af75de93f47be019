"""The file, read and validated whole; the result is immutable and knows its policy's digest.

    load(Path("deploy/knightwatch.toml"))  ->  Config, or ConfigError with every problem

Every problem is named at once: what pydantic finds key by key, what contradicts
another setting, and what a detector says of its own.
"""

from __future__ import annotations

import tomllib
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
from monitor.settings.families import limit_keys, limits_of, problems_of_limits, table_of
from monitor.settings.problems import ConfigError, Problem, in_order_of_the_file, no_such
from monitor.settings.sections import Section
from monitor.settings.words import from_pydantic

BYTES_MAX: Final = 1 << 20  # 5,000 limits take 300 kB
PACKAGED: Final = Path(__file__).resolve().parent.parent / "knightwatch.toml"
IN_TREE: Final = PACKAGED.parent.parent / "deploy" / "knightwatch.toml"


def default_file() -> Path:
    """The packaged default: beside the package in a wheel, under deploy/ in the source tree."""
    return PACKAGED if PACKAGED.exists() else IN_TREE


def load(path: Path | None = None) -> Config:
    """Read a configuration file, the packaged default if none is named.  Raises `ConfigError`."""
    path = path or default_file()
    try:
        with path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as unreadable:
        why = (
            unreadable.strerror
            if isinstance(unreadable, OSError) and unreadable.strerror
            else str(unreadable)
        )
        raise ConfigError(
            str(path), [Problem("(file)", why.lower(), "name a file that can be read")]
        ) from unreadable
    if len(raw) > BYTES_MAX:
        raise ConfigError(str(path), [Problem("(file)", "is over 1 MiB", "it cannot be a configuration")])
    try:
        text = raw.decode()
    except UnicodeDecodeError as wrong:
        line = raw.count(b"\n", 0, wrong.start) + 1
        raise ConfigError(
            str(path), [Problem(f"(line {line})", "is not UTF-8", "save the file as UTF-8")]
        ) from wrong
    return load_text(text, str(path))


def load_text(text: str, source: str = "configuration") -> Config:
    """Validate a configuration given as TOML text.  Raises `ConfigError`, and nothing else."""
    try:
        raw = tomllib.loads(text)
    except RecursionError as deep:
        raise ConfigError(source, [Problem("(file)", "is nested too deep", "write flat tables")]) from deep
    except ValueError as wrong:  # TOMLDecodeError, and what int() says of a number with 5,000 digits
        what, _, where = str(wrong).rpartition(" (at ")
        key = f"({where}" if where.endswith(")") and what else "(file)"
        message = (what or str(wrong)).partition("; use sys.")[0].rstrip(".")
        raise ConfigError(
            source, [Problem(key, f"is not TOML: {message[:1].lower()}{message[1:]}", "see https://toml.io")]
        ) from wrong
    return validated(raw, source)


def validated(raw: Mapping[str, Any], source: str) -> Config:
    """Every problem of a parsed document at once, or the `Config`."""
    families = every_detector()
    problems = [*contradictions(raw), *_problems_of_detectors(raw, families)]
    model = document_model()
    document: Any = None
    try:
        document = model.model_validate(_frozen(dict(raw)))
    except ValidationError as wrong:
        problems += from_pydantic(wrong.errors(include_url=False), model)
    except RecursionError:
        problems.append(Problem("(file)", "is nested too deep", "write flat tables"))
    detectors: dict[str, DetectorConfig] = {}
    if document is not None and not problems:
        for name, cls in families.items():
            if (table := getattr(document.detectors, name)) is not None:
                try:
                    detectors[name] = _detector_config(name, cls, table, document.ladder)
                except ValueError as wrong:  # the family's own __post_init__
                    what, _, write = str(wrong).partition("; ")
                    problems.append(Problem(f"detectors.{name}", what, write))
    if problems:
        raise ConfigError(source, in_order_of_the_file(problems, raw))
    fields = {name: getattr(document, name) for name in Document.model_fields}
    return Config(
        source=source,
        **fields,
        detectors=MappingProxyType(detectors),
        policy_digest=digest_of(document, detectors),
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
    ladder = raw.get("ladder")
    levels = ladder.get("levels") if isinstance(ladder, dict) else None
    for name in levels if isinstance(levels, dict) else ():
        if name not in families:
            yield no_such(("ladder", "levels", name), name, families, "detector")


def _detector_config(name: str, cls: type[Detector], table: Any, ladder: sections.Ladder) -> DetectorConfig:
    values = {key: getattr(table, key) for key in type(table).model_fields if key != "mode"}
    if limit_keys(cls):
        rows = [row.model_dump(exclude_none=True) for row in values["limit"]]
        values["limit"] = tuple(MappingProxyType(row) for row in limits_of(rows))
    level = Level[ladder.levels[name].upper()] if name in ladder.levels else None
    return DetectorConfig(name, table.mode, cls.Settings(**values), level)


def _frozen(value: Any) -> Any:
    """TOML's arrays as tuples, which strict validation asks for."""
    if isinstance(value, dict):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(_frozen(inner) for inner in value) if isinstance(value, list) else value
