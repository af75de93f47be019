"""What a gateway says, signed: `hello`, `ack`, `refusal`, each with the road that it takes.

Every refusal names the digest of the one before, so that none can be left out afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from detectors.contract import Level
from monitor.core.envelope import encode, seal
from monitor.core.keyring import Signer
from monitor.core.roads import Road, road_of
from monitor.gateway.latches import Held
from monitor.gateway.order import Decision, Order

NO_REFUSAL: Final = "0" * 64
# One ack carries this much of survivors; more go into further acks, well under the envelope's bound.
SURVIVORS_BYTES_MAX: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Letter:
    """Signed bytes and where they go: the same on both roads."""

    road: Road
    envelope: bytes


class Voice:
    """One gateway process.  After a restart it is given the digest of its last refusal."""

    def __init__(
        self, signer: Signer, name: str, *, site: str, env: str, boot: str, previous: str = NO_REFUSAL
    ) -> None:
        self._signer, self._name = signer, name
        self._site, self._env, self._boot = site, env, boot
        self._seq = 0
        self.previous = previous

    def hello(
        self,
        scopes: Sequence[Mapping[str, str]],
        kinds: Sequence[str],
        levels: Sequence[Level],
        now_ns: int,
        *,
        cod: bool,
    ) -> Letter:
        """Announce what can be stopped here: by which kinds of scope, up to which levels."""
        said = {
            "scopes": [dict(scope) for scope in scopes],
            "levels": [level.word for level in levels],
            "kinds": list(kinds),
            "cod": cod,
            "key_id": self._signer.keyid,
        }
        return self._letter("hello", said, now_ns)[0]

    def acks(
        self,
        halt: Held,
        state: str,
        now_ns: int,
        *,
        orders_refused: int = 0,
        working: int = 0,
        survivors: Sequence[tuple[str, str]] = (),
        degraded: str | None = None,
        reason: str | None = None,
    ) -> tuple[Letter, ...]:
        """Say what was done with a halt; one letter, or several if there are many survivors."""
        said: dict[str, Any] = {
            "halt_id": halt.halt_id,
            "state": state,
            "level": halt.level.word,
            "ts": now_ns,
            "orders_refused": orders_refused,
            "working": working,
        }
        said |= {name: value for name, value in (("degraded", degraded), ("reason", reason)) if value}
        listed = [{"order_id": order_id, "reason": why} for order_id, why in survivors]
        return tuple(
            self._letter("ack", {**said, "survivors": some}, now_ns)[0] for some in _in_parts(listed)
        )

    def refusal(
        self, order: Order, decision: Decision, now_ns: int, policy_digest: str | None = None
    ) -> Letter:
        """Say that an order was refused here, chained to the refusal before it."""
        said = {
            "order_id": order.order_id,
            "account": order.attributes.get("account"),
            "strategy": order.attributes.get("strategy"),
            "host": order.attributes.get("host"),
            "code": decision.code,
            "measured": decision.measured,
            "limit": decision.limit,
            "halt_id": decision.halt_id,
            "policy_digest": policy_digest,
            "previous": self.previous,
        }
        letter, payload = self._letter("refusal", {k: v for k, v in said.items() if v is not None}, now_ns)
        self.previous = hashlib.sha256(payload).hexdigest()
        return letter

    def _letter(self, kind: str, said: Mapping[str, Any], now_ns: int) -> tuple[Letter, bytes]:
        self._seq += 1
        payload = {
            "v": 1,
            "type": kind,
            "site": self._site,
            "env": self._env,
            "issuer": self._name,
            "boot": self._boot,
            "seq": self._seq,
            "issued_at": now_ns,
            "gateway": self._name,
            **said,
        }
        body = encode(payload)
        return Letter(road_of(payload), seal(body, [self._signer])), body


def _in_parts(survivors: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    parts: list[list[dict[str, str]]] = [[]]
    room = SURVIVORS_BYTES_MAX
    for survivor in survivors:
        size = len(encode(survivor)) + 1
        if size > room:
            parts.append([])
            room = SURVIVORS_BYTES_MAX
        parts[-1].append(survivor)
        room -= size
    return parts
