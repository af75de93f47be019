"""What is said on the roads, verified, as facts for the engine.

Every message passes `authority.receive` first: signature, contract, site, who may say it.
What it refuses has no effect, is counted by reason, and a bad signature wakes somebody.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from monitor.core.authority import Received, receive
from monitor.core.envelope import Ignored
from monitor.core.inputs import GatewaySaid, Input, OperatorSaid, PeerSaid
from monitor.core.keyring import Keyring

SAID_TWICE_MAX: Final = 10_000  # digests of 32 bytes: the same message comes on two roads, and again


class Hearing:
    """Envelopes in, facts out."""

    def __init__(
        self,
        keyring: Keyring,
        site: str,
        env: str,
        issuer: str,
        boot: str,
        refused: Callable[[Ignored], None],
    ) -> None:
        self._keyring = keyring
        self._site = site
        self._env = env
        self._own = (issuer, boot)
        self._refused = refused
        self._heard: OrderedDict[bytes, None] = OrderedDict()

    def hear(self, raw: bytes, at_ns: int) -> Input | None:
        """The fact in an envelope; None for an echo of ours, for what was heard before or is refused."""
        digest = hashlib.sha256(raw).digest()
        if digest in self._heard:
            return None
        self._heard[digest] = None
        if len(self._heard) > SAID_TWICE_MAX:
            self._heard.popitem(last=False)
        said = receive(raw, self._keyring, self._site, self._env)
        if isinstance(said, Ignored):
            self._refused(said)
            return None
        return self._fact(said, at_ns)

    def _fact(self, said: Received, at_ns: int) -> Input | None:
        if (said.payload["issuer"], said.payload["boot"]) == self._own:
            return None
        if said.people:
            return OperatorSaid(said.payload, said.people, at_ns)
        if said.type in ("hello", "ack", "refusal"):
            return GatewaySaid(said.payload, at_ns)
        if said.type in ("halt", "state"):
            return PeerSaid(said.payload, at_ns)
        return None  # another monitor's lease or allowance: for gateways
