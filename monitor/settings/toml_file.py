"""A file's TOML, or the one reason why it has none, with line and column."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Final

from monitor.settings.problems import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

BYTES_MAX: Final = 1 << 20  # 5,000 limits take 300 kB


def read_toml(path: Path) -> dict[str, Any]:
    """Raises `ConfigError`."""
    source = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
    except OSError as unreadable:
        why = (unreadable.strerror or str(unreadable)).lower()
        raise _wrong(source, "(file)", why, "name a file that can be read") from unreadable
    except ValueError as unreadable:  # a path with a null byte in it
        raise _wrong(source, "(file)", str(unreadable), "name a file that can be read") from unreadable
    if len(raw) > BYTES_MAX:
        raise _wrong(source, "(file)", "is over 1 MiB", "it cannot be a configuration")
    try:
        return parse_toml(raw.decode(), source)
    except UnicodeDecodeError as wrong:
        line = raw.count(b"\n", 0, wrong.start) + 1
        raise _wrong(source, f"(line {line})", "is not UTF-8", "save the file as UTF-8") from wrong


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """Raises `ConfigError`."""
    try:
        return tomllib.loads(text)
    except RecursionError as deep:
        raise _wrong(source, "(file)", "is nested too deep", "write flat tables") from deep
    except ValueError as wrong:  # TOMLDecodeError, and what int() says of a number with 5,000 digits
        what, _, where = str(wrong).rpartition(" (at ")
        key = f"({where}" if where.endswith(")") and what else "(file)"
        message = (what or str(wrong)).partition("; use sys.")[0].rstrip(".")
        said = f"is not TOML: {message[:1].lower()}{message[1:]}"
        raise _wrong(source, key, said, "see https://toml.io") from wrong


def _wrong(source: str, key: str, what: str, write: str) -> ConfigError:
    return ConfigError(source, [Problem(key, what, write)])
