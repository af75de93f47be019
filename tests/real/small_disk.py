"""A disk of a few MiB, and how it is filled to the last byte."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.fixtures import IN_CI


@contextlib.contextmanager
def small_disk(where: Path, mib: int) -> Iterator[Path]:
    """A tmpfs; without root the test is skipped."""
    where.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        why = "needs root and a tmpfs, to have a disk that can be filled"
        pytest.fail(why) if IN_CI and os.geteuid() == 0 else pytest.skip(why)
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
