"""The trail's folder: whole chunks or nothing, and after a crash the last whole line.

Every call may block or fail; one thread calls it, and may call again with the same chunk.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from monitor.core.trail import LINE_BYTES_MAX, BadLine, Head, Line, read_line
from monitor.durable import sync_folder
from monitor.failpoints import failpoint

NO_LINE: Final = Head()
TAIL_BYTES: Final = 4 * LINE_BYTES_MAX  # looked at first when a trail is opened again


class TrailProblem(Exception):
    """The audit trail cannot be written there: where, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder held when it was opened."""

    file: str = ""  # to go on with; none if the trail begins
    bytes: int = 0
    head: Head = NO_LINE
    at_ns: int = 0
    torn: tuple[dict[str, Any], ...] = ()  # what was set aside


class Disk:
    """One folder, written by one process."""

    def __init__(
        self,
        folder: Path,
        *,
        write: Callable[[int, memoryview], int] = os.write,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self.folder = folder
        self._write, self._sync = write, sync
        self._file, self._handle = "", -1
        self._good = 0  # bytes of the file that are whole chunks
        self._dirty = False
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._lock = os.open(folder / "audit.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as broken:
            raise TrailProblem(f"{folder}: {broken.strerror}; name a folder that we may write to") from broken
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            os.close(self._lock)
            raise TrailProblem(
                f"{folder}: another process writes this trail; give each its own folder"
            ) from held

    def find(self) -> Found:
        """Find the last whole line, and set aside what a crash tore behind it."""
        try:
            return self._find()
        except OSError as broken:
            raise TrailProblem(
                f"{self.folder}: {broken.strerror}; the trail there must be readable"
            ) from broken

    def put(self, file: str, chunk: bytes) -> None:
        """Append a chunk and fsync it; raises `OSError`, and then the next call undoes what it left."""
        if file != self._file or self._handle < 0:
            self._open(file)
        if self._dirty:
            os.ftruncate(self._handle, self._good)
        self._dirty = True
        failpoint("audit.before_write")
        left = memoryview(chunk)
        while left:
            left = left[self._write(self._handle, left) :]
        failpoint("audit.before_fsync")
        self._sync(self._handle)
        failpoint("audit.after_fsync")
        self._good += len(chunk)
        self._dirty = False

    def old_files(self, opened_before_ns: int) -> list[tuple[str, Head]]:
        """Files whose successor was opened before then, each with the head that it ends in."""
        old = []
        for path, after in zip(self._files(), self._files()[1:], strict=False):
            with after.open("rb") as file:
                line = _whole(file.readline(LINE_BYTES_MAX + 1))
            if line is None or line.at >= opened_before_ns:
                break
            old.append((path.name, Head(line.n - 1, line.prev)))
        return old

    def old_evidence(self, written_before_ns: int) -> list[str]:
        return sorted(
            p.name for p in self.folder.glob("evidence-*.ndjson") if p.stat().st_mtime_ns < written_before_ns
        )

    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        os.close(self._lock)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("audit-*.ndjson"))

    def _open(self, file: str) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        again = file == self._file  # ours already, or begun by a call that failed
        flags = (
            os.O_WRONLY
            | os.O_APPEND
            | os.O_CREAT
            | os.O_CLOEXEC
            | os.O_NOFOLLOW
            | (0 if again else os.O_EXCL)
        )
        self._handle = os.open(self.folder / file, flags, 0o640)
        if not again:
            self._file, self._good = file, 0
        self._dirty = True
        failpoint("audit.new_file")
        sync_folder(self.folder)

    def _find(self) -> Found:
        torn: list[dict[str, Any]] = []
        for path in reversed(self._files()):
            line, end = _last_whole_line(path)
            if line is None:
                torn.insert(0, self._set_aside(path, 0))
                path.unlink()
                continue
            if path.stat().st_size > end:
                torn.insert(0, self._set_aside(path, end))
                os.truncate(path, end)
            self._file, self._good = path.name, end
            return Found(path.name, end, line.head, line.at, tuple(torn))
        return Found(torn=tuple(torn))

    def _set_aside(self, path: Path, start: int) -> dict[str, Any]:
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
        name = next(
            name
            for n in range(1, 10_000)
            if not (self.folder / (name := f"{path.name}.torn-{start}-{n}")).exists()
        )
        with (self.folder / name).open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return {
            "file": path.name,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "kept_as": name,
        }


def _last_whole_line(path: Path) -> tuple[Line | None, int]:
    """The last line that is what was written, and where it ends."""
    size = path.stat().st_size
    for start in sorted({max(size - TAIL_BYTES, 0), 0}, reverse=True):
        with path.open("rb") as file:
            file.seek(start)
            lines = [raw + b"\n" for raw in file.read().split(b"\n")]
        lines[-1] = lines[-1][:-1]  # what follows the last newline has none
        end = size
        for raw in reversed(lines):
            line = _whole(raw)
            if line is not None:
                return line, end
            end -= len(raw)
    return None, 0


def _whole(raw: bytes) -> Line | None:
    try:
        return read_line(raw)
    except BadLine:
        return None
