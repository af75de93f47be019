"""The picture that `status` draws: joined from what monitors, people and gateways said.

Halts join here as they do at a gateway: whatever anybody's valid message opened is open,
unless a resume that names it was issued at or after it.  What was not heard is unknown.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from monitor.core.authority import Received, receive
from monitor.core.keyring import Role
from monitor.core.messages import BadMessage, read_json, validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.core.keyring import Keyring

LEASE_FRESH_NS: Final = 3_000_000_000  # the alarm's own measure
STATE_FRESH_NS: Final = 10_000_000_000  # what a gateway asks of a state
RANK: Final = ("received", "applied", "completed", "rejected")
OBEYED: Final = ("applied", "completed")
LEVELS: Final = ("throttle", "reduce_only", "halt_new", "halt_cancel", "disconnect")


@dataclass
class Picture:
    """Everything that was heard, and what follows from it."""

    site: str
    env: str
    keyring: Keyring | None
    now_ns: int
    addresses: Mapping[str, str] = field(default_factory=dict)
    commands_read: bool = False
    _links: dict[str, tuple[bool, str]] = field(default_factory=dict)
    _leases: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _states: dict[str, dict[int, Mapping[str, Any]]] = field(default_factory=dict)
    _halts: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)  # id -> issuer -> payload
    _closed: dict[str, int] = field(default_factory=dict)  # id -> when a resume that names it was issued
    _acks: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)  # id -> gateway -> payload
    _announced: set[str] = field(default_factory=set)  # gateways that said hello
    _ignored: int = 0

    # -- what is heard

    def link(self, road: str, *, up: bool, detail: str) -> None:
        self._links[road] = (up, detail)

    def hear(self, raw: bytes) -> None:
        """Take one envelope in; what is not for us or not signed by a pinned key counts for nothing."""
        payload = self._opened(raw)
        if payload is None:
            self._ignored += 1
            return
        issuer = str(payload["issuer"])
        match payload["type"]:
            case "lease":
                if payload["issued_at"] >= self._leases.get(issuer, {}).get("issued_at", 0):
                    self._leases[issuer] = payload
            case "state":
                self._hear_state(issuer, payload)
            case "halt":
                _join(self._halts.setdefault(payload["halt_id"], {}), payload)
            case "resume":
                for halt_id in payload["closes"]:
                    self._closed[halt_id] = max(payload["issued_at"], self._closed.get(halt_id, 0))
            case "ack":
                self._hear_ack(payload)
            case "hello":
                self._announced.add(payload["gateway"])

    def _opened(self, raw: bytes) -> Mapping[str, Any] | None:
        if self.keyring is not None:
            received = receive(raw, self.keyring, self.site, self.env)
            return received.payload if isinstance(received, Received) else None
        try:
            payload = read_json(base64.b64decode(json.loads(raw)["payload"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if isinstance(payload, BadMessage) or isinstance(validate(payload), BadMessage):
            return None
        known: Mapping[str, Any] = payload
        return known if (known["site"], known["env"]) == (self.site, self.env) else None

    def _hear_state(self, issuer: str, payload: Mapping[str, Any]) -> None:
        parts = self._states.setdefault(issuer, {})
        newest = max((part["issued_at"] for part in parts.values()), default=0)
        if payload["issued_at"] < newest:
            return
        if payload["issued_at"] > newest:
            parts.clear()
        parts[payload.get("part", 1)] = payload

    def _hear_ack(self, payload: Mapping[str, Any]) -> None:
        acks = self._acks.setdefault(payload["halt_id"], {})
        before = acks.get(payload["gateway"])
        if before is None or (payload["ts"], RANK.index(payload["state"])) >= (
            before["ts"],
            RANK.index(before["state"]),
        ):
            acks[payload["gateway"]] = payload

    # -- what follows

    @property
    def reached(self) -> bool:
        return any(up for up, _ in self._links.values())

    @property
    def is_whole(self) -> bool:
        """Each monitor that holds a lease has said its whole state."""
        return bool(self._leases) and all(self._state_of(issuer) is not None for issuer in self._leases)

    def _state_of(self, issuer: str) -> list[Mapping[str, Any]] | None:
        parts = self._states.get(issuer, {})
        wanted = next(iter(parts.values())).get("parts", 1) if parts else 0
        return list(parts.values()) if parts and len(parts) == wanted else None

    def open_halts(self) -> dict[str, dict[str, Mapping[str, Any]]]:
        """Halts that anybody says are open: id -> issuer -> payload."""
        said: dict[str, dict[str, Mapping[str, Any]]] = {}
        for issuer in self._states:
            for part in self._state_of(issuer) or ():
                for halt in part["open"]:
                    _join(said.setdefault(halt["halt_id"], {}), halt)
        for halt_id, issuers in self._halts.items():
            for halt in issuers.values():
                _join(said.setdefault(halt_id, {}), halt)
        return {
            halt_id: standing
            for halt_id, issuers in said.items()
            if (
                standing := {
                    issuer: halt
                    for issuer, halt in issuers.items()
                    if not self._closed.get(halt_id, 0) >= halt["event_ts"]
                }
            )
        }

    def unknowns(self) -> list[str]:
        """What nobody said, in words."""
        texts = []
        for road, (up, detail) in sorted(self._links.items()):
            if not up:
                texts.append(f"{road}: {detail or 'no answer'}")
        if self.keyring is None:
            texts.append("no pinned keys on this machine: no signature was checked")
        if not self._leases:
            texts.append("no lease heard: whether any monitor judges is unknown")
        if not self.is_stated:
            texts.append("no fresh state heard: what is open may be more than is listed")
        if not self.commands_read:
            texts.append(
                "the commands were not read to their end: what people and gateways said may be missing"
            )
        return texts

    @property
    def is_stated(self) -> bool:
        """Whether some monitor said of late, and whole, what is open."""
        stated = [issuer for issuer in self._states if self._state_of(issuer) is not None]
        return any(self._age_ns(self._states[issuer]) <= STATE_FRESH_NS for issuer in stated)

    def _age_ns(self, parts: Mapping[int, Mapping[str, Any]]) -> int:
        return self.now_ns - max(int(part["issued_at"]) for part in parts.values())

    @property
    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "site": self.site,
            "env": self.env,
            "roads": [
                {"road": road, "address": self.addresses.get(road, ""), "up": up, "detail": detail}
                for road, (up, detail) in sorted(self._links.items())
            ],
            "verified": self.keyring is not None,
            "monitors": [
                self._monitor(issuer) for issuer in sorted(self._leases.keys() | self._states.keys())
            ],
            "open": [self._open(halt_id, issuers) for halt_id, issuers in self.open_halts().items()],
            "stated": self.is_stated,
            "ignored": self._ignored,
            "unknown": self.unknowns(),
        }

    def _monitor(self, issuer: str) -> dict[str, Any]:
        lease = self._leases.get(issuer)
        return {
            "issuer": issuer,
            "status": lease["status"] if lease else "unknown",
            "lease_age_s": round((self.now_ns - lease["issued_at"]) / 1e9, 1) if lease else None,
            "lease_fresh": bool(lease) and self.now_ns - lease["issued_at"] <= LEASE_FRESH_NS
            if lease
            else False,
            "blind_of": lease.get("blind_of", []) if lease else [],
            "state_age_s": round(self._age_ns(self._states[issuer]) / 1e9, 1)
            if self._states.get(issuer)
            else None,
        }

    def _open(self, halt_id: str, issuers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        live = [halt for halt in issuers.values() if _weight(halt)[0]] or list(issuers.values())
        first = min(live, key=lambda halt: halt["event_ts"])
        level = max(live, key=_weight)["level"]
        return {
            "halt_id": halt_id,
            "level": level,
            "scope": first["scope"],
            "detector": first["detector"],
            "reason_code": first["reason_code"],
            "reason": first.get("reason", ""),
            "measured": first.get("measured"),
            "limit": first.get("limit"),
            "unit": first.get("unit", ""),
            "mode": first.get("mode", "live"),
            "issuers": sorted(issuers),
            "since": first["event_ts"],
            "age_s": round((self.now_ns - first["event_ts"]) / 1e9, 1),
            "gateways": self._answers(halt_id, first["scope"], level),
        }

    def _answers(self, halt_id: str, scope: Mapping[str, str], level: str) -> list[dict[str, Any]]:
        """What each gateway said of a halt: also of those who owe an answer, because silence is not a yes."""
        acks = self._acks.get(halt_id, {})
        pinned = {key.who for key in self.keyring or () if key.role is Role.GATEWAY}
        owing = {scope["gateway"]} if "gateway" in scope else self._announced | pinned
        fields = ("state", "level", "working", "orders_refused", "degraded")
        answers = []
        for name in sorted(owing | acks.keys()):
            ack = acks.get(name, {})
            answers.append(
                {"gateway": name, "applied": _obeys(ack, level)}
                | {each: ack.get(each) for each in fields}
                | {"survivors": len(ack.get("survivors") or ())}
            )
        return answers


def _obeys(ack: Mapping[str, Any], level: str) -> bool:
    """An answer to a lower level is not one to this."""
    return ack.get("state") in OBEYED and LEVELS.index(ack["level"]) >= LEVELS.index(level)


def _weight(halt: Mapping[str, Any]) -> tuple[bool, int]:
    """What counts where one issuer says one id twice: a live halt before a drill, then the level."""
    return halt.get("mode", "live") == "live", LEVELS.index(halt["level"])


def _join(issuers: dict[str, Mapping[str, Any]], halt: Mapping[str, Any]) -> None:
    """The tighter of two, as of the later: a resume closes only what happened before it."""
    known = issuers.get(str(halt["issuer"]), halt)
    latest = max(known["event_ts"], halt["event_ts"])
    tighter = halt if _weight(halt) > _weight(known) else known
    issuers[str(halt["issuer"])] = {**tighter, "event_ts": latest}
