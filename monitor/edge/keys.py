"""Keys as files: private ones that nobody else may read, pinned ones that say whose they are.

Private keys come from a file or from the environment, never from the configuration.  Whatever
is wrong is a `KeyProblem` that names the file and what to do about it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from monitor.core.keyring import BadKeyring, Keyring, PinnedKey, Role, Signer

PRIVATE_BYTES_MAX: Final = 16 * 1024  # a PEM of Ed25519 has 119
PINNED_BYTES_MAX: Final = 1024 * 1024  # 1,000 keys of at most 400 bytes, with room for comments


class KeyProblem(Exception):
    """A key cannot be used: which file, why, and what to do."""


def keygen(path: Path, who: str, role: Role) -> PinnedKey:
    """Make a key pair: `path` holds the private key (0600), `path`.pub the table that pins the public one.

    Neither file is ever overwritten: an old key is somebody's signature.
    """
    private = Ed25519PrivateKey.generate()
    pinned = Signer(private.private_bytes_raw()).pinned(who, role)
    table = (
        f"# Public key of {path.name}: add it to the pinned keys of all who are to believe it.\n{pinned.toml}"
    )
    try:
        Keyring.parse(pinned.toml)
    except BadKeyring as wrong:
        raise KeyProblem(f"{path}: {wrong}") from wrong
    public_path = public_of(path)
    if public_path.exists():
        raise KeyProblem(f"{public_path}: is there already and is not overwritten; choose another name")
    _create(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _create(public_path, table.encode(), 0o644)
    return pinned


def public_of(path: Path) -> Path:
    return path.with_name(path.name + ".pub")


def load_signer(path: Path) -> Signer:
    """Read a private key; refuses one that others may read."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyProblem(f"{path}: not a file; name the private key itself")
            if status.st_mode & 0o077:
                raise KeyProblem(
                    f"{path}: others may read this private key (mode {stat.S_IMODE(status.st_mode):04o}); "
                    f"chmod 600 {path}, and make a new key if somebody may have read it"
                )
            text = file.read(PRIVATE_BYTES_MAX + 1)
    except OSError as broken:
        remedy = (
            f"make one with: knightwatch config keygen {path}"
            if isinstance(broken, FileNotFoundError)
            else "let this user read it"
        )
        raise KeyProblem(f"{path}: {broken.strerror}; {remedy}") from broken
    return _signer(str(path), text)


def signer_from_env(name: str, environ: Mapping[str, str] | None = None) -> Signer:
    """Read a private key (PEM) from an environment variable."""
    text = (os.environ if environ is None else environ).get(name)
    if text is None:
        raise KeyProblem(f"${name}: not set; it should hold the private key as PEM text")
    return _signer(f"${name}", text.encode(errors="replace"))


def load_keyring(path: Path) -> Keyring:
    """Read a pinned-keys file."""
    try:
        with path.open("rb") as file:
            text = file.read(PINNED_BYTES_MAX + 1)
    except OSError as broken:
        raise KeyProblem(
            f"{path}: {broken.strerror}; pin keys by adding the tables of their .pub files to it"
        ) from broken
    if len(text) > PINNED_BYTES_MAX:
        raise KeyProblem(f"{path}: over {PINNED_BYTES_MAX} bytes; it holds [[key]] tables and nothing else")
    try:
        return Keyring.parse(text.decode())
    except UnicodeDecodeError as wrong:
        raise KeyProblem(f"{path}: not UTF-8 text; it holds [[key]] tables") from wrong
    except BadKeyring as wrong:
        raise KeyProblem("\n".join(f"{path}: {problem}" for problem in wrong.problems)) from wrong


def _signer(where: str, text: bytes) -> Signer:
    """Read PEM; nothing of its content goes into a message."""
    if len(text) > PRIVATE_BYTES_MAX:
        raise KeyProblem(f"{where}: over {PRIVATE_BYTES_MAX} bytes; this is no private key")
    try:
        private = load_pem_private_key(text, password=None)
    except TypeError as wrong:
        raise KeyProblem(
            f"{where}: is encrypted with a password; write it without: a service has nobody to ask"
        ) from wrong
    except (ValueError, UnsupportedAlgorithm) as wrong:
        raise KeyProblem(
            f"{where}: not a private key in PEM; make one with: knightwatch config keygen"
        ) from wrong
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyProblem(f"{where}: not an Ed25519 key; make one with: knightwatch config keygen")
    return Signer(private.private_bytes_raw())


def _create(path: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as there:
        raise KeyProblem(f"{path}: is there already and is not overwritten; choose another name") from there
    except OSError as broken:
        raise KeyProblem(
            f"{path}: {broken.strerror}; choose a folder that exists and that you may write to"
        ) from broken
