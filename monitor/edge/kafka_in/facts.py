"""What can be said of a partition besides its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.core.inputs import LinkChanged
from monitor.edge.kafka_in.part import Chunk

Key = tuple[str, int]  # topic, partition

GAPS: Final = (
    "retention",  # the broker deleted them before we came
    "truncated",  # the end is before our position: an unclean leader
    "recreated",  # another topic of that name
    "partition_gone",
    "corrupt",  # a batch that stays broken
    "too_large",
)


@dataclass(frozen=True, slots=True)
class Source:
    """A topic to read, and where to begin in a partition that no snapshot knows."""

    topic: str
    since_ns: int | None = None  # the session's start; None: from the beginning
    whole: bool = False  # every partition, whatever the instance's own list says


@dataclass(frozen=True, slots=True)
class Bearings:
    """Of which logs our offsets are meant, by which a later life finds out that one is another, or was cut.

    >>> Bearings.of(Bearings({"t": b"ab"}, {("t", 0): 7}).plain()).epochs
    {('t', 0): 7}
    """

    topic_ids: Mapping[str, bytes] = field(default_factory=dict)
    epochs: Mapping[Key, int] = field(default_factory=dict)  # of each partition's leader

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        ids = {topic: identity.hex() for topic, identity in self.topic_ids.items()}
        return {"topic_ids": ids, "epochs": [[*key, epoch] for key, epoch in self.epochs.items()]}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Bearings:
        ids = {topic: bytes.fromhex(text) for topic, text in plain["topic_ids"].items()}
        return cls(ids, {(topic, partition): epoch for topic, partition, epoch in plain["epochs"]})


@dataclass(frozen=True, slots=True)
class Started:
    """Reading of a partition begins here."""

    topic: str
    partition: int
    offset: int
    why: str  # "snapshot", "session", "nothing_since", "beginning", "new_partition"


@dataclass(frozen=True, slots=True)
class Gap:
    """Records [first, end) will never be read; `end` below `first` is an offset that went back."""

    topic: str
    partition: int
    first: int
    end: int
    why: str  # one of GAPS


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind the end of a partition we read."""

    records: int
    seconds: float  # age of the last record read while there are more; 0 when there are none


Fact = Chunk | Started | Gap | LinkChanged
