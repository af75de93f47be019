"""A wrong configuration is answered whole: each key, what is wrong, and what to write.

    deploy/knightwatch.toml: 2 problems
      detectors.fil_gap                   no such detector; known: exposure, fill_gap; nearest: fill_gap
      detectors.exposure.limit[0].gross   25M is not a number; write 25_000_000

pydantic finds the problems; the words here are for whoever has to mend the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

Loc = tuple[str | int, ...]

SECRET: Final = re.compile(r"(?i)(pass(word|wd|phrase)?|secret|token|credential|private_key|api_?key)$")
_MAGNITUDE: Final = {"k": 10**3, "m": 10**6, "mm": 10**6, "mn": 10**6, "b": 10**9, "bn": 10**9}
_SHORTHAND: Final = re.compile(r"[$ ]*([0-9][0-9_,]*(?:\.[0-9]+)?) *(k|m|mm|mn|b|bn)? *[$%]?", re.IGNORECASE)
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: the key's path, what is wrong there, what to write instead."""

    key: str
    what: str
    write: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.what}; {self.write}" if self.write else self.what


class ConfigError(ValueError):
    """The configuration is wrong.  Carries every problem, not the first."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        count = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}"
        width = max((len(problem.key) for problem in self.problems), default=0)
        lines = (f"  {problem.key:<{width}}   {problem.sentence}" for problem in self.problems)
        return "\n".join([f"{self.source}: {count}", *lines])

    @property
    def document(self) -> dict[str, Any]:
        """The same for machines."""
        problems = [{"key": p.key, "problem": p.what, "write": p.write} for p in self.problems]
        return {"file": self.source, "problems": problems}


def key_path(loc: Iterable[str | int]) -> str:
    """`("exposure", "limit", 0, "gross")` as `exposure.limit[0].gross`."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if _BARE.fullmatch(step) else quoted(step)
            text += f".{name}" if text else name
    return text


def shown(value: object) -> str:
    """A value as its writer would recognise it, bounded."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            text = quoted(value)
        case dict():
            return "a table"
        case list() | tuple():
            return "an array"
        case int() if abs(value) >= 10**40:  # printing thousands of digits helps nobody
            return "a number of over 40 digits"
        case _:
            text = str(value)
    return text if len(text) <= 60 else f"{text[:56]}..."


def plain_number(value: object) -> str:
    """What somebody who wrote `25M` meant, as TOML; empty if that is not clear.

    >>> plain_number("25M"), plain_number("2,000.5"), plain_number("much")
    ('25_000_000', '2_000.5', '')
    """
    match = _SHORTHAND.fullmatch(value) if isinstance(value, str) and len(value) < 40 else None
    if match is None:
        return ""
    number = float(re.sub(r"[_,]", "", match[1])) * _MAGNITUDE.get((match[2] or "").lower(), 1)
    return f"{int(number):_}" if number == int(number) else f"{number:_}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The known names, and the one that was probably meant."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5) or [
        other for other in names if len(name) > 2 and (name in other or other in name)
    ]
    listed = f"known: {', '.join(names)}" if names else "none is known"
    return f"{listed}; nearest: {close[0]}" if close else listed


def no_such(loc: Loc, name: str, known: Iterable[str], noun: str) -> Problem:
    """An unknown key, never its value: it might be a secret."""
    if SECRET.search(name):
        return Problem(key_path(loc), "a secret does not belong in this file", _elsewhere(name, set(known)))
    return Problem(key_path(loc), f"no such {noun}", nearest(name, known))


def _elsewhere(name: str, known: set[str]) -> str:
    ways = [
        key
        for key in sorted(known)
        if key.endswith(("_file", "_env")) and SECRET.search(key.rpartition("_")[0])
    ]
    return f"write {' or '.join(ways)}" if ways else f"keep {name!r} in a file or the environment"


def in_order_of_the_file(problems: Iterable[Problem], raw: Mapping[str, Any]) -> list[Problem]:
    """As the reader meets them; what is missing stands where its table begins.  Each complaint once."""
    place: dict[str, int] = {}

    def walk(value: Any, loc: Loc) -> None:
        place.setdefault(key_path(loc), len(place))
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for step, one in inner:
            walk(one, (*loc, step))

    walk(raw, ())

    def rank(problem: Problem) -> int:
        key = problem.key
        while key and key not in place:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return place.get(key, 0)

    return sorted(dict.fromkeys(problems), key=rank)


def quoted(text: str) -> str:
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else repr(c)[1:-1] for c in text) + '"'
