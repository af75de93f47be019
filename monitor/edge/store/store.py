"""What the monitor asks of its snapshots: save what is true now, load the newest that can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from monitor.edge.store.folder import Folder, Piece
from monitor.edge.store.forked import in_a_child

# 300 MB at 5 MB a second: a disk that is slower cannot hold a snapshot each ten seconds anyway.
SAVE_S_MAX: Final = 60.0


class Store:
    """One folder of snapshots, one writer."""

    def __init__(self, folder: Path, *, save_s_max: float = SAVE_S_MAX) -> None:
        self._folder = Folder(folder)
        self._save_s_max = save_s_max

    async def save(self, pieces: Callable[[], Iterable[Piece]], at_ns: int) -> float:
        """Write a snapshot whole or not at all; returns for how many seconds the caller stood still.

        `pieces` is called in a child, which sees memory as it is at the call of `save`.  Raises
        `OSError`, and then the snapshot before is still valid.
        """
        return await in_a_child(lambda: self._folder.write(pieces(), at_ns), self._save_s_max)

    def load(self, decode: Callable[[bytes], Any], bad: type[Exception]) -> tuple[Any | None, list[str]]:
        """The newest state that can be read, and what was wrong with newer ones, which are set aside."""
        return self._folder.load(decode, bad)
