"""Whose word counts: the pinned public keys, each with the person or machine behind it and its role.

A key is named by its own digest, so a file cannot give one key another's name.  One person
may hold several keys and is still one person: what counts people counts `who`.
"""

from __future__ import annotations

import base64
import binascii
import enum
import functools
import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# A firm pins its monitors, gateways and the people on its rota: 1,000 keys are ten times that.
KEYS_MAX: Final = 1_000


class Role(enum.StrEnum):
    """What a key may do; `authority` holds the table."""

    MONITOR = "monitor"
    OPERATOR = "operator"
    RISK = "risk"
    GATEWAY = "gateway"

    @property
    def is_person(self) -> bool:
        return self in (Role.OPERATOR, Role.RISK)


class BadKeyring(ValueError):
    """The pinned-keys file is wrong; `problems` names all of it at once."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def key_id(public: bytes) -> str:
    """Name a key by itself: the first 128 bits of its SHA-256, in hex."""
    return hashlib.sha256(public).hexdigest()[:32]


@functools.lru_cache(maxsize=KEYS_MAX)
def _read(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """One Ed25519 public key (32 bytes) and who is behind it."""

    public: bytes
    who: str
    role: Role

    @property
    def keyid(self) -> str:
        return key_id(self.public)

    @property
    def person(self) -> str:
        """The name under which two keys of one person are one."""
        return self.who.strip().casefold()

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        try:
            _read(self.public).verify(signature, signed)
        except (InvalidSignature, ValueError):  # ValueError: 32 bytes that are no point of the curve
            return False
        return True

    @property
    def toml(self) -> str:
        """The table that pins this key: a pinned-keys file is any number of them."""
        public = base64.b64encode(self.public).decode()
        who = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in self.who)
        lines = (
            f'keyid  = "{self.keyid}"',
            f'public = "{public}"',
            f'who    = "{who}"',
            f'role   = "{self.role}"',
        )
        return "\n".join(["[[key]]", *lines, ""])


class Signer:
    """A private key that was given in; it signs and is never shown."""

    __slots__ = ("_private", "keyid", "public")

    def __init__(self, private: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(private)
        self.public = self._private.public_key().public_bytes_raw()
        self.keyid = key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def pinned(self, who: str, role: Role) -> PinnedKey:
        return PinnedKey(self.public, who, role)

    def __repr__(self) -> str:
        return f"Signer({self.keyid})"


class Keyring:
    """The keys that are believed, by keyid.

    >>> anna = Signer(bytes(32)).pinned("anna", Role.RISK)
    >>> Keyring.parse(anna.toml)[anna.keyid] == anna
    True
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[PinnedKey] = ()) -> None:
        self._keys: dict[str, PinnedKey] = {}
        problems = []
        roles: dict[str, bool] = {}
        for key in keys:
            if key.keyid in self._keys:
                problems.append(f"key {key.keyid}: pinned twice; keep one")
            if roles.setdefault(key.person, key.role.is_person) is not key.role.is_person:
                problems.append(f"{key.who}: both a person and a machine; give the machine another name")
            self._keys[key.keyid] = key
        if len(self._keys) > KEYS_MAX:
            problems.append(f"{len(self._keys)} keys; at most {KEYS_MAX} are held")
        if problems:
            raise BadKeyring(problems)

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """Read a pinned-keys file; raises `BadKeyring` with every problem."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as broken:
            raise BadKeyring([f"not TOML: {broken}"]) from broken
        except RecursionError as broken:
            raise BadKeyring(["not TOML: nested too deeply"]) from broken
        problems = [
            f"{name}: no such setting; keys are written as [[key]] tables"
            for name in document
            if name != "key"
        ]
        tables = document.get("key", [])
        if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
            raise BadKeyring(
                [*problems, "no keys; write each as a [[key]] table with keyid, public, who, role"]
            )
        keys = []
        for number, table in enumerate(tables, 1):
            try:
                keys.append(_pinned(table))
            except ValueError as wrong:
                problems.append(f"key {number}: {wrong}")
        if problems:
            raise BadKeyring(problems)
        return cls(keys)

    def __getitem__(self, keyid: str) -> PinnedKey:
        return self._keys[keyid]

    def __contains__(self, keyid: object) -> bool:
        return keyid in self._keys

    def __iter__(self) -> Iterator[PinnedKey]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)


def _pinned(table: Mapping[str, Any]) -> PinnedKey:
    unknown = sorted(set(table) - {"keyid", "public", "who", "role"})
    if unknown:
        raise ValueError(f"no such setting: {', '.join(unknown)}; known: keyid, public, who, role")
    for name in ("keyid", "public", "who", "role"):
        if not isinstance(table.get(name), str) or not 1 <= len(table[name].encode()) <= 64:
            raise ValueError(f"{name} must be a text of 1 to 64 bytes")
    try:
        public = base64.b64decode(table["public"], validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise ValueError(f"public is not base64: {wrong}") from wrong
    if len(public) != 32:
        raise ValueError(f"public must be 32 bytes of an Ed25519 key, not {len(public)}")
    if key_id(public) != table["keyid"]:
        raise ValueError(f"keyid is not this public key's; it would be {key_id(public)}")
    if table["role"] not in set(Role):
        raise ValueError(f"role must be one of {', '.join(Role)}, not {table['role']!r}")
    if not table["who"].strip():
        raise ValueError("who must name somebody")
    return PinnedKey(public, table["who"], Role(table["role"]))
