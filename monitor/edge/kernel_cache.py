"""Whether the compiled kernels are ours: numba's cache is pickle, and who can write there runs code as we do.

The cache is made when the product is set up.  `run` refuses one in which somebody else could have written;
`version` prints the digest of what is in it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
ROOT_USER: Final = 0


def writable_by_others(folder: Path) -> str | None:
    """The first place there that another user owns or may write to, and how; None if there is none.

    >>> writable_by_others(Path("/nobody/made/this"))
    """
    for path in _all(folder):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        if found.st_uid not in (ROOT_USER, os.geteuid()):
            return f"{path} belongs to user {found.st_uid}"
        if found.st_mode & OTHERS_WRITE and not stat.S_ISLNK(found.st_mode):
            return f"others may write to {path} (mode {stat.S_IMODE(found.st_mode):04o})"
    return None


def digest_of(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files there, its first 16 digits."""
    seen = hashlib.sha256()
    for path in _all(folder):
        if path.is_file():
            seen.update(path.relative_to(folder).as_posix().encode() + b"\0")
            seen.update(hashlib.sha256(path.read_bytes()).digest())
    return seen.hexdigest()[:16]


def _all(folder: Path) -> Iterator[Path]:
    yield folder
    yield from sorted(folder.rglob("*"))
