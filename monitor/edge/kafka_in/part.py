"""What was read of a partition: places in one buffer, so that no record costs an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

# One partition's fetch is at most 0.5 MB, 2,400 events of 220 bytes.  A chunk ends when it has this many, so
# that the engine is never away from its timers for more than some 10 ms, and a chunk's rows stay below 4 MB,
# above which memory is mapped apart and each page of it costs a fault.
CHUNK_RECORDS: Final = 4_096


@dataclass(frozen=True, slots=True)
class Part:
    """Records of one partition in order; a record without a value (a tombstone) is empty bytes."""

    topic: str
    partition: int
    text: bytes  # the values, and whatever lies between them
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    offsets: NDArray[np.int64]
    arrived_ns: NDArray[np.int64]  # the broker's time, or the producer's where the topic says so; 0: none
    next_offset: int  # to read next: past marks of transactions, which have offsets and are no records
    end_offset: int  # after the last record that the broker had when it sent these

    @classmethod
    def of(
        cls,
        topic: str,
        partition: int,
        values: Sequence[bytes],
        offsets: NDArray[np.int64],
        arrived_ns: NDArray[np.int64],
        next_offset: int,
        end_offset: int,
    ) -> Self:
        """Records that are at hand one by one."""
        text, starts, ends = joined(values)
        return cls(topic, partition, text, starts, ends, offsets, arrived_ns, next_offset, end_offset)

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def values(self) -> list[bytes]:
        """Each record's bytes, for those who look at them one by one."""
        text = self.text
        return [text[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]

    def cut(self, first: int, end: int) -> Part:
        """The records from the `first` on, before the one at `end`; what follows them is still to come."""
        following = int(self.offsets[end]) if end < len(self) else self.next_offset
        run = slice(first, end)
        return Part(
            self.topic, self.partition, self.text, self.starts[run], self.ends[run], self.offsets[run],
            self.arrived_ns[run], following, self.end_offset,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was there, partition by partition, in the order in which it came."""

    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))


def joined(values: Sequence[bytes]) -> tuple[bytes, NDArray[np.int64], NDArray[np.int64]]:
    """One buffer, and where each value begins and ends in it."""
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    ends = np.cumsum(sizes)
    return b"".join(values), ends - sizes, ends


def chunks(parts: list[Part]) -> Iterator[Chunk]:
    """The same parts in pieces of a bounded size; those without records are left out."""
    piece: list[Part] = []
    records = 0
    for part in parts:
        if len(part):
            piece.append(part)
            records += len(part)
        if records >= CHUNK_RECORDS:
            yield Chunk(tuple(piece))
            piece, records = [], 0
    if piece:
        yield Chunk(tuple(piece))
