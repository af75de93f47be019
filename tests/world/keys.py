"""Everybody's keys: the same in each run, so that a signature is no chance."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from monitor.core.authority import Received, receive
from monitor.core.envelope import Ignored
from monitor.core.keyring import Keyring, PinnedKey, Role, Signer

MONITORS: Final = ("monitor-1", "monitor-2")
GATEWAYS: Final = ("gw-1", "gw-2", "gw-3")


@functools.lru_cache(maxsize=2_000)
def receive_once(raw: bytes, keyring: Keyring, site: str, env: str) -> Received | Ignored:
    """What `receive` says, asked once of each message: every gateway hears the same ones, on two roads."""
    return receive(raw, keyring, site, env)


@functools.lru_cache(maxsize=2_000)
def verify_once(key: PinnedKey, signature: bytes, signed: bytes) -> bool:
    return _verifies(key, signature, signed)


_verifies: Final = PinnedKey.verifies


@dataclass(frozen=True, slots=True)
class Keys:
    folder: Path
    signers: dict[str, Signer]
    keyring: Keyring


@functools.cache
def keys() -> Keys:
    """Made once a process; the private ones of the monitors as files, which they read at their start."""
    folder = Path(tempfile.mkdtemp(prefix="knightwatch-world-"))
    signers, pinned = {}, []
    for name in (*MONITORS, *GATEWAYS):
        private = hashlib.sha256(f"world/{name}".encode()).digest()
        signers[name] = Signer(private)
        role = Role.MONITOR if name in MONITORS else Role.GATEWAY
        pinned.append(signers[name].pinned(name, role))
        pem = Ed25519PrivateKey.from_private_bytes(private).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        path = folder / f"{name}.key"
        path.touch(mode=0o600)
        path.write_bytes(pem)
    (folder / "pinned.toml").write_text("\n".join(key.toml for key in pinned))
    return Keys(folder, signers, Keyring(pinned))
