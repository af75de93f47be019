"""Whether the configuration's file is another than before: by its inode, size and time, links followed.

A file that is replaced by a rename, a link that points elsewhere (as in Kubernetes) and one that is written
in place are all seen.  What is being written just now counts when it has stood still for one look.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

Look = tuple[int, int, int] | None


@dataclass(slots=True)
class ConfigFile:
    """One file, looked at again and again."""

    path: Path
    _taken: Look = field(init=False)
    _last: Look = field(init=False)

    def __post_init__(self) -> None:
        self._taken = self._last = self._look()

    def is_changed(self) -> bool:
        """True once for each change, when two looks in a row found the same."""
        before, self._last = self._last, self._look()
        if self._last == self._taken or self._last != before:
            return False
        self._taken = self._last
        return True

    def _look(self) -> Look:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns
