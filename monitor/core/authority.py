"""Tightening is a join, loosening is an authority: who may say what, as one table.

`receive` is the one door for what comes in from the roads: envelope, signatures, contract,
site, authority.  What it lets through may be obeyed; all else is `Ignored`, with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monitor.core.envelope import Ignored, Why, open_envelope
from monitor.core.keyring import Keyring, PinnedKey, Role
from monitor.core.messages import BadMessage, Message, read_json, validate

ONE: Final = 1
TWO_PEOPLE: Final = 2  # two persons, one of them of role risk

# Who may say it, and how many must.  A monitor only tightens; one person may always tighten.
AUTHORITY: Final[Mapping[str, tuple[frozenset[Role], int]]] = {
    "halt": (frozenset({Role.MONITOR, Role.OPERATOR, Role.RISK}), ONE),
    "state": (frozenset({Role.MONITOR}), ONE),
    "lease": (frozenset({Role.MONITOR}), ONE),
    "allowance": (frozenset({Role.MONITOR}), ONE),
    "hello": (frozenset({Role.GATEWAY}), ONE),
    "ack": (frozenset({Role.GATEWAY}), ONE),
    "refusal": (frozenset({Role.GATEWAY}), ONE),
    "resume": (frozenset({Role.OPERATOR, Role.RISK}), TWO_PEOPLE),
    "override": (frozenset({Role.OPERATOR, Role.RISK}), TWO_PEOPLE),
    "waiver": (frozenset({Role.OPERATOR, Role.RISK}), TWO_PEOPLE),
}


@dataclass(frozen=True, slots=True)
class Received:
    """A message that may be obeyed.  Only `receive` makes one."""

    message: Message
    payload: Mapping[str, Any]  # as it was signed, to be passed on whole
    signers: tuple[PinnedKey, ...]

    @property
    def type(self) -> str:
        return str(self.payload["type"])

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(key.who for key in self.signers if key.role.is_person)


def receive(raw: bytes, keyring: Keyring, site: str, env: str) -> Received | Ignored:
    """Open, read and authorise what came in; never raises on what strangers send."""
    opened = open_envelope(raw, keyring)
    if isinstance(opened, Ignored):
        return opened
    payload = read_json(opened.payload)
    if isinstance(payload, BadMessage):
        return Ignored(Why.BAD_MESSAGE, payload.why)
    message = validate(payload)
    if isinstance(message, BadMessage):
        return Ignored(Why.BAD_MESSAGE, f"{message.path}: {message.why}" if message.path else message.why)
    if (message.site, message.env) != (site, env):
        return Ignored(Why.FOREIGN, f"of {message.site}/{message.env}, this is {site}/{env}")
    return _unauthorised(message, payload, opened.signers) or Received(message, payload, opened.signers)


def _unauthorised(
    message: Message, payload: Mapping[str, Any], signers: tuple[PinnedKey, ...]
) -> Ignored | None:
    roles, people_min = AUTHORITY[payload["type"]]
    said = f"{payload['type']} by {', '.join(f'{key.who} ({key.role})' for key in signers)}"
    if any(key.role not in roles for key in signers):
        return Ignored(Why.NOT_ALLOWED, said)
    if people_min == TWO_PEOPLE and (len(signers) < TWO_PEOPLE or not _risk_is_among(signers)):
        return Ignored(Why.NOT_TWO_PEOPLE, f"{said}: needs two people, the second of role risk")
    if message.issuer not in {key.who for key in signers}:
        return Ignored(Why.NOT_ALLOWED, f"{said}, but its issuer is {message.issuer!r}")
    if payload["type"] in ("hello", "ack", "refusal") and payload["gateway"] != message.issuer:
        return Ignored(Why.NOT_ALLOWED, f"{said}, but it speaks for gateway {payload['gateway']!r}")
    return None


def _risk_is_among(signers: tuple[PinnedKey, ...]) -> bool:
    """Whether risk approved.  The order of signatures is not itself signed, so it says nothing."""
    return any(key.role is Role.RISK for key in signers)
