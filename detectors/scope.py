"""Whom a breach accuses and a halt stops: a conjunction of conditions.

>>> Scope.of(account="33", symbol="NOK").text
'account=33&symbol=NOK'
>>> Scope.parse("host=a%2Fb") == Scope.of(host="a/b")
True
>>> FIRM.text
'*'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

# fmt: off
KINDS: Final = (
    "entity", "desk", "trader", "client", "account", "strategy", "algo", "build",
    "host", "gateway", "session", "venue", "symbol", "side", "parent",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Scope:
    """Conditions that must all hold, sorted by kind; none at all is the firm."""

    conditions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, conditions: Mapping[str, str] | None = None, /, **more: str) -> Scope:
        """Build a scope; raises `ValueError` for a kind that the contract does not know."""
        pairs = {**(conditions or {}), **more}
        for kind, value in pairs.items():
            if kind not in KINDS:
                msg = f"{kind!r} is not a kind of scope; known: {', '.join(KINDS)}"
                raise ValueError(msg)
            if not isinstance(value, str) or not 1 <= len(value.encode()) <= 64:
                msg = f"{kind}: an id is a string of 1 to 64 bytes, not {value!r}"
                raise ValueError(msg)
        return cls(tuple(sorted(pairs.items())))

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read the text form; raises `ValueError` with what is wrong."""
        if text == "*":
            return FIRM
        pairs: dict[str, str] = {}
        for part in text.split("&"):
            kind, equals, value = part.partition("=")
            if not equals or kind in pairs:
                msg = f"{part!r} in {text!r}: write kind=id, joined by &, each kind once"
                raise ValueError(msg)
            pairs[kind] = unquote(value, errors="strict")
        return cls.of(pairs)

    @property
    def text(self) -> str:
        """The canonical text: kinds sorted, ids percent-encoded, `*` for the firm."""
        return "&".join(f"{kind}={quote(value, safe='')}" for kind, value in self.conditions) or "*"

    @property
    def mapping(self) -> dict[str, str]:
        """The wire form, a JSON object."""
        return dict(self.conditions)

    def holds_for(self, attributes: Mapping[str, str | None]) -> bool:
        """Whether an order with these attributes is inside.

        An order that does not carry an attribute matches it (fail closed), except
        `parent`: an order without one is not that parent's.
        """
        return all(
            attributes.get(kind) == value or (not attributes.get(kind) and kind != "parent")
            for kind, value in self.conditions
        )

    def __str__(self) -> str:
        return self.text


FIRM: Final = Scope()
