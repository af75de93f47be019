"""A folder of snapshots: written beside, then renamed, the last three kept, a bad one set aside by name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from monitor.durable import sync_folder
from monitor.failpoints import failpoint

KEPT: Final = 3
PATTERN: Final = "snapshot-*.kws"
HALVES: Final = "snapshot-*.half"
NUMBER: Final = re.compile(r"[0-9]{20}")
BAD_KEPT: Final = 10  # what was set aside is for a person to look at; 3 GB of it are enough

Piece = bytes | memoryview


def snapshots_in(folder: Path) -> list[Path]:
    """The newest first."""
    return sorted(folder.glob(PATTERN), reverse=True)


class Folder:
    """Whole files or none.  Every call blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def write(self, pieces: Iterable[Piece], at_ns: int) -> Path:
        """Write a snapshot whole or not at all; raises `OSError`, and then the one before is still valid."""
        path = self._folder / f"snapshot-{max(at_ns, self._newest() + 1):020}.kws"
        half = path.with_suffix(".half")
        failpoint("store.before_write")
        with half.open("wb", buffering=0) as file:
            for piece in pieces:
                left = memoryview(piece)
                while left:
                    left = left[file.write(left) :]
            failpoint("store.before_fsync")
            os.fsync(file.fileno())
        failpoint("store.before_rename")
        half.rename(path)
        failpoint("store.before_dirsync")
        sync_folder(self._folder)
        failpoint("store.before_prune")
        self._prune()
        failpoint("store.after_prune")
        return path

    def load(self, decode: Callable[[bytes], Any], bad: type[Exception]) -> tuple[Any | None, list[str]]:
        """The newest state that can be read, and what was wrong with newer ones, which are set aside."""
        wrong: list[str] = []
        for path in snapshots_in(self._folder):
            try:
                return decode(path.read_bytes()), wrong
            except (bad, OSError) as broken:
                wrong.append(f"{path.name}: {broken}")
                path.rename(path.with_suffix(".bad"))
        return None, wrong

    def _newest(self) -> int:
        """The number of the newest: one of a clock that was set back since must not be taken for older."""
        numbers = (path.stem.removeprefix("snapshot-") for path in snapshots_in(self._folder))
        return next((int(number) for number in numbers if NUMBER.fullmatch(number)), -1)

    def _prune(self) -> None:
        """What three newer ones stand for, what a crash left half, and what was set aside long ago."""
        old = [
            *sorted(self._folder.glob(PATTERN))[:-KEPT],
            *self._folder.glob(HALVES),
            *sorted(self._folder.glob("snapshot-*.bad"))[:-BAD_KEPT],
        ]
        for path in old:
            path.unlink(missing_ok=True)
