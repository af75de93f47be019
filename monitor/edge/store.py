"""Snapshots on disk: written beside, then renamed, the last three kept, a bad one set aside by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

KEPT: Final = 3
PATTERN: Final = "snapshot-*.kws"


class Store:
    """One folder of snapshots, one writer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def save(self, pieces: Sequence[bytes | memoryview], at_ns: int) -> Path:
        """Write a snapshot whole or not at all; raises `OSError`, and then the one before is still valid."""
        path = self._folder / f"snapshot-{at_ns:020}.kws"
        half = path.with_suffix(".half")
        with half.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        for old in sorted(self._folder.glob(PATTERN))[:-KEPT]:
            old.unlink(missing_ok=True)
        return path

    def load(self, decode: Callable[[bytes], Any], bad: type[Exception]) -> tuple[Any | None, list[str]]:
        """The newest state that can be read, and what was wrong with newer ones, which are set aside."""
        wrong: list[str] = []
        for path in sorted(self._folder.glob(PATTERN), reverse=True):
            try:
                return decode(path.read_bytes()), wrong
            except (bad, OSError) as broken:
                wrong.append(f"{path.name}: {broken}")
                path.rename(path.with_suffix(".bad"))
        return None, wrong
