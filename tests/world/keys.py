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

from monitor.core.keyring import Keyring, PinnedKey, Role, Signer

MONITORS: Final = ("monitor-1", "monitor-2")
GATEWAYS: Final = ("gw-1", "gw-2", "gw-3")


class Remembered(PinnedKey):
    """A key that checks each signature once: everybody hears the same messages."""

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        return _verifies(self.public, self.who, self.role, signature, signed)


@functools.lru_cache(maxsize=20_000)
def _verifies(public: bytes, who: str, role: Role, signature: bytes, signed: bytes) -> bool:
    return PinnedKey(public, who, role).verifies(signature, signed)


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
    remembered = [Remembered(key.public, key.who, key.role) for key in pinned]
    return Keys(folder, signers, Keyring(remembered))
