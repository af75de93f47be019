"""Records that the process before us crashed on: named by it, judged alone by us, or never judged again.

    note       some bytes in a mapped file: which records are being judged now.  Written before, cleared
               after; no call of the kernel, and it outlives the process
    1st crash  what the note names is suspect: each of these records is judged alone, with a note of its own
    2nd crash  of a child that judges them first, or of us: the note names one record that was suspect.
               It is convicted, and nobody judges it again

What was learnt is in `suspects.json` before the first record is read.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from monitor.durable import sync_folder
from monitor.failpoints import failpoint

# 1,024 partitions, each with a range and a name of 256 bytes at most; pages that nobody writes cost nothing.
RANGES_MAX: Final = 1_024
HEAD: Final = struct.Struct("<qqq")  # number of this life, ranges noted, bytes of names
RANGE: Final = struct.Struct("<qqq")  # place of the name, first offset, last offset
NAMES_AT: Final = HEAD.size + RANGES_MAX * RANGE.size
NOTE_BYTES: Final = NAMES_AT + RANGES_MAX * 300
CONVICTED_MAX: Final = (
    1_000  # 150 bytes each; of more the oldest are forgotten: their topics forgot them first
)

Range = tuple[str, int, int, int]  # topic, partition, first and last offset


class Suspects:
    """The note of this life, and what the lives before it left; without a folder, nothing outlives us."""

    def __init__(self, folder: Path | None) -> None:
        """Reads what is there; raises `OSError`."""
        self._folder = folder
        self.ranges: list[Range] = []
        self.crashed: list[
            Range
        ] = []  # what the last process was judging when it ended; none if it ended well
        self.new: list[tuple[str, int, int]] = []  # convicted by that
        self._convicted: dict[
            tuple[str, int, int], str
        ] = {}  # place -> SHA-256 of the record, once it was read
        self._names: dict[tuple[str, int], int] = {}
        self._life = 0
        if folder is None:
            self._note = mmap.mmap(-1, NOTE_BYTES)
        else:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._learn(folder)
        self._life += 1
        HEAD.pack_into(self._note, 0, self._life, 0, 0)

    @property
    def any_convicted(self) -> bool:
        return bool(self._convicted)

    def note(self, ranges: Iterable[Range]) -> None:
        """These records are about to be judged."""
        count, at = 0, HEAD.size
        for topic, partition, first, last in ranges:
            if count == RANGES_MAX:
                break
            name = self._names.get((topic, partition))
            if name is None:
                if len(self._names) == RANGES_MAX:
                    continue
                name = self._name(topic, partition)
            RANGE.pack_into(self._note, at, name, first, last)
            count, at = count + 1, at + RANGE.size
        struct.pack_into("<q", self._note, 8, count)

    def clear(self) -> None:
        """Nothing is being judged."""
        struct.pack_into("<q", self._note, 8, 0)

    def is_convicted(self, topic: str, partition: int, offset: int, raw: bytes) -> bool:
        """Whether this record crashed us twice; in a topic that was made again, another has its place."""
        place = (topic, partition, offset)
        if place not in self._convicted:
            return False
        digest = hashlib.sha256(raw).hexdigest()
        if not self._convicted[place]:
            self._convicted[place] = digest
            self._keep()
        return self._convicted[place] == digest

    def convict_noted(self) -> bool:
        """A child of ours crashed: whether its note names one record, which is convicted then."""
        noted = self._noted()
        if len(noted) != 1 or noted[0][2] != noted[0][3]:
            return False
        self._convicted[noted[0][:3]] = ""
        self._keep()
        return True

    def absolve(self) -> None:
        """All that was suspect has been judged, and we live."""
        self.ranges = []
        self._keep()

    def _name(self, topic: str, partition: int) -> int:
        self._names[topic, partition] = len(self._names)
        told = json.dumps(list(self._names)).encode()
        self._note[NAMES_AT : NAMES_AT + len(told)] = told
        struct.pack_into("<q", self._note, 16, len(told))
        return self._names[topic, partition]

    def _learn(self, folder: Path) -> None:
        """Read what the last process left, and have it on disk before anything is judged."""
        handle = os.open(folder / "judging.note", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(handle, NOTE_BYTES)
            self._note = mmap.mmap(handle, NOTE_BYTES)
        finally:
            os.close(handle)
        known = self._known(folder / "suspects.json")
        self._life = max(known["life"], HEAD.unpack_from(self._note)[0])
        self.ranges = [(topic, partition, first, last) for topic, partition, first, last in known["suspect"]]
        self._convicted = {(topic, place, at): digest for topic, place, at, digest in known["convicted"]}
        if known["life"] < self._life:  # else its note was learnt from, and we ended before it was cleared
            self.crashed = self._noted()
        if self.crashed:
            self._judge_the_crash()
            self._keep()

    def _judge_the_crash(self) -> None:
        topic, partition, first, last = alone = self.crashed[0]
        if len(self.crashed) == 1 and first == last and any(_holds(one, alone) for one in self.ranges):
            self._convicted[topic, partition, first] = ""
            self.new.append((topic, partition, first))
            self.ranges = []  # the culprit is found; should there be another, its own crash will say so
        else:
            self.ranges += self.crashed

    def _known(self, path: Path) -> dict[str, Any]:
        nothing: dict[str, Any] = {"life": 0, "suspect": [], "convicted": []}
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            return nothing
        except ValueError:  # rotted: what is in it, a crash will teach again
            path.rename(path.with_suffix(".bad"))
            return nothing
        return nothing | found

    def _noted(self) -> list[Range]:
        _, count, size = HEAD.unpack_from(self._note)
        if not count:
            return []
        names = json.loads(self._note[NAMES_AT : NAMES_AT + size])
        noted = (RANGE.unpack_from(self._note, HEAD.size + each * RANGE.size) for each in range(count))
        return [(*names[name], first, last) for name, first, last in noted]

    def _keep(self) -> None:
        """What is known, whole or not at all."""
        if self._folder is None:
            return
        convicted = [[*place, digest] for place, digest in self._convicted.items()][-CONVICTED_MAX:]
        told = {"life": self._life, "suspect": self.ranges, "convicted": convicted}
        path = self._folder / "suspects.json"
        half = path.with_suffix(".half")
        with half.open("wb") as file:
            file.write(json.dumps(told).encode())
            file.flush()
            failpoint("suspects.before_fsync")
            os.fsync(file.fileno())
        failpoint("suspects.before_rename")
        half.rename(path)
        sync_folder(self._folder)
        failpoint("suspects.after_rename")


def _holds(outer: Range, inner: Range) -> bool:
    return outer[:2] == inner[:2] and outer[2] <= inner[2] and inner[3] <= outer[3]
