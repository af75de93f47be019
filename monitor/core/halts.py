"""The open halts of everybody: a join, so that nothing that tightens can lower a level.

Also one id over another scope, or as a drill, takes nothing away: each is kept beside the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from detectors.contract import Level
from detectors.scope import Scope

OPEN_MAX: Final = 1_000  # 2 KB each; a firm with more scopes stopped than this is stopped as a whole

Payload = Mapping[str, Any]


class HaltBook:
    """Which halts are open, by whom, and which were closed.

    >>> book = HaltBook()
    >>> book.add({"halt_id": "a", "level": "halt_new"}), book.add({"halt_id": "a", "level": "throttle"})
    (True, False)
    """

    def __init__(self) -> None:
        self.open: dict[str, Payload] = {}  # by id; a drill's and a second scope's have a key of their own
        self.closed: dict[str, int] = {}  # id -> when the resume that closed it was issued
        self._closed_of: dict[str, int] = {}

    def add(self, payload: Payload) -> bool:
        """Join a halt in; whether it changed anything (new, or at a higher level)."""
        key = self._key(payload)
        known = self.open.get(key)
        if self.closed.get(payload["halt_id"], 0) >= payload.get("event_ts", 1):
            return False
        if known is not None and level_of(known) >= level_of(payload):
            return False
        self.open[key] = payload
        return True

    def decide(self, payload: Payload) -> bool:
        """As `add`, for a halt of our own: one that we only heard of we say as well, whoever else lives."""
        key = self._key(payload)
        known = self.open.get(key)
        if known is not None and "issuer" in known and level_of(known) == level_of(payload):
            del self.open[key]
        return self.add(payload)

    def _key(self, payload: Payload) -> str:
        key = str(payload["halt_id"]) + ("" if payload.get("mode", "live") == "live" else "/drill")
        scope = payload.get("scope", {})
        if key in self.open and self.open[key].get("scope", {}) != scope:
            key += f"/{Scope.of(scope).text}"
        return key

    def closed_before(self, cause: str) -> int:
        """How many halts of this cause (detector, reason, scope, trade date) were closed."""
        return self._closed_of.get(cause, 0)

    @property
    def is_full(self) -> bool:
        return len(self.open) >= OPEN_MAX

    def snapshot(self) -> dict[str, Any]:
        return {"open": list(self.open.values()), "closed": dict(self.closed), "closed_of": self._closed_of}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.open = {}
        for payload in state["open"]:
            self.open[self._key(payload)] = payload
        self.closed = dict(state["closed"])
        self._closed_of = dict(state["closed_of"])


def level_of(payload: Payload) -> Level:
    return Level[str(payload["level"]).upper()]
