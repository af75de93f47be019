"""The demo's folder: keys, recording, audit trail; its own files are replaced, nobody else's is touched.

A folder is ours if it is new, empty, or holds our mark.  One demo runs in it at a time.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.core.keyring import Keyring, Role, Signer
from monitor.edge.keys import keygen, load_keyring, load_signer

MARK: Final = "MADE-BY-KNIGHTWATCH-DEMO"
SAYS: Final = "All beside this file was made by `knightwatch demo`; its next run here makes it anew.\n"
OURS: Final = ("keys", "audit", "snapshot", "recording.ndjson", "monitor.log")


class FolderTaken(Exception):
    """The folder holds what is not the demo's, or another demo is running in it."""


FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Folder:
    """Where each thing lies."""

    path: Path

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def audit(self) -> Path:
        return self.path / "audit"

    @property
    def snapshot(self) -> Path:
        return self.path / "snapshot"

    @property
    def recording(self) -> Path:
        return self.path / "recording.ndjson"

    @property
    def log(self) -> Path:
        return self.path / "monitor.log"

    @property
    def monitor_key(self) -> Path:
        return self.keys / "monitor.key"

    @property
    def pinned_keys(self) -> Path:
        return self.keys / "pinned.toml"

    def make_keys(self, issuer: str, gateways: list[str]) -> tuple[dict[str, Signer], Keyring]:
        """A pair for the monitor and for each gateway; all of them pinned in one file."""
        self.keys.mkdir(mode=0o700)
        pinned = [keygen(self.monitor_key, issuer, Role.MONITOR)]
        pinned += [keygen(self.keys / f"{name}.key", name, Role.GATEWAY) for name in gateways]
        self.pinned_keys.write_text("\n".join(key.toml for key in pinned))
        signers = {name: load_signer(self.keys / f"{name}.key") for name in gateways}
        return signers, load_keyring(self.pinned_keys)


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[Folder]:
    """The folder, emptied of what an earlier demo left and kept for this one.

    Raises `FolderTaken`, and an error that names the folder where its disk is full: what is written there
    is written by many hands, and each would say it in its own way.
    """
    try:
        with _held(path) as folder:
            yield folder
    except (OSError, ExceptionGroup) as broken:
        if (full := _full(broken)) is None:
            raise
        raise OSError(full.errno, full.strerror, str(path)) from None


@contextlib.contextmanager
def _held(path: Path) -> Iterator[Folder]:
    path.mkdir(parents=True, exist_ok=True)
    mark = path / MARK
    if not mark.exists() and any(path.iterdir()):
        raise FolderTaken(
            f"{path} holds files that the demo did not make; name another one with --folder, or empty it"
        )
    with mark.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderTaken(
                f"another demo is running in {path}; wait for it, or name another folder with --folder"
            ) from None
        mark.write_text(SAYS)
        for name in OURS:
            _remove(path / name)
        yield Folder(path)


def _full(broken: BaseException) -> OSError | None:
    """The first complaint of a full disk, however deep in a group of tasks."""
    if isinstance(broken, OSError):
        return broken if broken.errno in FULL else None
    inner = broken.exceptions if isinstance(broken, BaseExceptionGroup) else ()
    return next((found for each in inner if (found := _full(each)) is not None), None)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
