"""A simulated disk: what was written is there, what was not synced is gone when the power goes.

    process killed    everything written stays
    power lost        of a file: what was synced, and a random part of the rest
                      of names: what the last sync of the folder had, and some of what came after

Each step may be the one at which the process dies; a dead process changes nothing any more.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

from monitor.core.trail import BadLine, Head, Line, read_line
from monitor.edge.audit.disk import Found

KEPT: Final = 3  # snapshots, as the real folder keeps them


class Owner(Protocol):
    """The process that writes."""

    alive: bool

    def at_step(self, what: str) -> None:
        """May kill it."""

    def synced(self, name: str, data: bytes) -> None:
        """These bytes of a file will survive whatever comes."""


class File:
    """Bytes, and how many of them would survive."""

    __slots__ = ("data", "synced")

    def __init__(self, data: bytes = b"", synced: int = 0) -> None:
        self.data = bytearray(data)
        self.synced = synced


class Files:
    """One folder on one disk."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.names: dict[str, File] = {}
        self._durable: dict[str, File] = {}
        self.full = False
        self.hung = False

    def sync_names(self) -> None:
        self._durable = dict(self.names)

    def lose_power(self) -> None:
        """Keep what a disk keeps."""
        changed = [
            name
            for name in {**self._durable, **self.names}
            if self._durable.get(name) is not self.names.get(name)
        ]
        survived = dict(self._durable)
        for name in changed[: self.chance.randint(0, len(changed))]:
            if name in self.names:
                survived[name] = self.names[name]
            else:
                survived.pop(name, None)
        for file in survived.values():
            kept = self.chance.randint(file.synced, len(file.data))
            del file.data[kept:]
            file.synced = kept
        self.names = survived
        self.sync_names()

    def rot(self, name: str) -> None:
        """One bit of a file turns."""
        data = self.names[name].data
        at = self.chance.randrange(len(data))
        data[at] ^= 1 << self.chance.randrange(8)


class Mount:
    """The disk as one process sees it: after its death its hand has no effect."""

    def __init__(self, files: Files, owner: Owner) -> None:
        self.files, self._owner = files, owner

    def _step(self, what: str) -> bool:
        """Whether the step is taken; raises `OSError` if the disk has no room."""
        if self._owner.alive:
            self._owner.at_step(what)
        return self._owner.alive

    def names(self, first: str, last: str) -> list[str]:
        return sorted(n for n in self.files.names if n.startswith(first) and n.endswith(last))

    def read(self, name: str) -> bytes:
        return bytes(self.files.names[name].data)

    def write(self, name: str, data: bytes) -> None:
        """Append; of what does not fit a part is written."""
        if self._step(f"write {name}"):
            file = self.files.names.setdefault(name, File())
            if self.files.full and data:
                file.data += data[: self.files.chance.randrange(len(data))]
                raise OSError(errno.ENOSPC, "No space left on device")
            file.data += data

    def sync(self, name: str) -> None:
        if self._step(f"fsync {name}"):
            file = self.files.names[name]
            if file.synced < len(file.data) and name.startswith("audit-"):
                self._owner.synced(name, bytes(file.data[file.synced :]))
            file.synced = len(file.data)

    def cut(self, name: str, size: int) -> None:
        if self._step(f"truncate {name}"):
            file = self.files.names[name]
            del file.data[size:]
            file.synced = min(file.synced, size)

    def rename(self, name: str, to: str) -> None:
        if self._step(f"rename {name}"):
            self.files.names[to] = self.files.names.pop(name)

    def remove(self, name: str) -> None:
        if self._step(f"unlink {name}"):
            self.files.names.pop(name, None)

    def sync_names(self) -> None:
        if self._step("fsync folder"):
            self.files.sync_names()


class Snapshots:
    """In the place of `monitor.edge.store.Store`: the same steps, on this disk, each with a pause before it."""

    def __init__(self, mount: Mount, chance: Random) -> None:
        self._mount, self._chance = mount, chance

    async def save(self, pieces: Callable[[], Iterable[bytes | memoryview]], at_ns: int) -> float:
        whole = b"".join(pieces())  # memory as it is now
        mount, name = self._mount, f"snapshot-{at_ns:020}"
        half = f"{name}.half"
        await self._pause()
        try:
            mount.write(half, whole)
            await self._pause()
            mount.sync(half)
            await self._pause()
            mount.rename(half, f"{name}.kws")
            await self._pause()
            mount.sync_names()
        except KeyError as gone:  # the process died within, and its half file was taken away since
            raise OSError(errno.EIO, str(gone)) from gone
        for old in mount.names("snapshot-", ".kws")[:-KEPT] + mount.names("snapshot-", ".half"):
            mount.remove(old)
        return 0.0

    async def _pause(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, 0.2))
        while self._mount.files.hung:
            await asyncio.sleep(0.1)

    def load(self, decode: Callable[[bytes], Any], bad: type[Exception]) -> tuple[Any | None, list[str]]:
        wrong: list[str] = []
        for name in reversed(self._mount.names("snapshot-", ".kws")):
            try:
                return decode(self._mount.read(name)), wrong
            except bad as broken:
                wrong.append(f"{name}: {broken}")
                self._mount.rename(name, name.replace(".kws", ".bad"))
        return None, wrong


class TrailDisk:
    """In the place of `monitor.edge.audit.disk.Disk`."""

    folder = Path("/nowhere")

    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        self._good: dict[str, int] = {}
        self._dirty = False

    def find(self) -> Found:
        torn: list[dict[str, Any]] = []
        for name in reversed(self._mount.names("audit-", ".ndjson")):
            data = self._mount.read(name)
            line, end = _last_whole_line(data)
            if line is None:
                torn.insert(0, {"file": name, "bytes": len(data)})
                self._mount.remove(name)
                continue
            if end < len(data):
                torn.insert(0, {"file": name, "bytes": len(data) - end})
                self._mount.cut(name, end)
            self._good[name] = end
            return Found(name, end, line.head, line.at, tuple(torn))
        return Found(torn=tuple(torn))

    def put(self, file: str, chunk: bytes) -> None:
        mount = self._mount
        if file not in self._good:
            self._good[file] = 0
            mount.write(file, b" "[:0])
            mount.sync_names()
        if self._dirty:
            mount.cut(file, self._good[file])
        self._dirty = True
        mount.write(file, chunk)
        mount.sync(file)
        self._good[file] += len(chunk)
        self._dirty = False

    def old_files(self, opened_before_ns: int) -> list[tuple[str, Head]]:
        return []

    def old_evidence(self, written_before_ns: int) -> list[str]:
        return []

    def remove(self, name: str) -> None:
        self._mount.remove(name)

    def close(self) -> None:
        """Nothing is held open."""


def _last_whole_line(data: bytes) -> tuple[Line | None, int]:
    end = len(data)
    pieces = data.split(b"\n")
    for place in range(len(pieces) - 1, -1, -1):
        raw = pieces[place] + (b"\n" if place < len(pieces) - 1 else b"")
        try:
            return read_line(raw), end
        except BadLine:
            end -= len(raw)
    return None, 0
