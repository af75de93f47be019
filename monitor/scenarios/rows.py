"""Rows: telemetry events as columns, before they are given their sequence numbers.

Sequence numbers are given when an event is sent, so that a fleet whose gates refuse
orders numbers only what it did send.  A body is the JSON object without its end.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.event import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Texts = NDArray[np.object_]

GROUPS: Final = 32  # record keys: events of one parent share one, so they share a partition
HOSTS: Final = 8
REFERENCE: Final = frozenset(
    {Kind.INSTRUMENT, Kind.POSITION, Kind.FX, Kind.MARK, Kind.SESSION_PHASE}
)  # these go to the reference topic
NOBODY: Final = -1  # no order, no parent, no writer

# Writers: who numbers an event.  A router has one stream a record key and boot.
_ROUTERS: Final = 2 * HOSTS * GROUPS
OMS: Final = _ROUTERS
DROP_COPY: Final = OMS + GROUPS
FLEET: Final = DROP_COPY + GROUPS  # + (boot - 1) * (HOSTS + 1) + host
LOG: Final = FLEET + 2 * (HOSTS + 1)  # the faulty host writes errors
WRITERS: Final = LOG + 1


def router_writer(host: Ints, boot: Ints, group: Ints) -> Ints:
    """Give the stream of a router (1 to 8) in its first or second boot of the day, for a record key."""
    return ((boot - 1) * HOSTS + host - 1) * GROUPS + group


class Event(NamedTuple):
    """One telemetry event, as it goes to a topic or a file."""

    ts: int
    key: str
    value: bytes
    reference: bool  # for the reference topic, which every instance reads whole


@dataclass(slots=True)
class Rows:
    """Columns of equal length.  `ts` is sorted in what a scenario gives out."""

    ts: Ints
    kind: Ints
    host: Ints  # 1 to 8 for what a router does, else 0
    writer: Ints  # NOBODY: not numbered
    order: Ints  # one number for an order and its replace chain, NOBODY for none
    parent: Ints  # one number a parent
    cause_ts: Ints  # when the world had made this row certain: a fill's booking is, when the fill is
    key: Texts
    body: Texts

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, which: Any) -> Rows:
        return Rows(*(getattr(self, column.name)[which] for column in fields(self)))

    @staticmethod
    def joined(parts: Sequence[Rows]) -> Rows:
        return Rows(*(np.concatenate([getattr(part, c.name) for part in parts]) for c in fields(Rows)))

    def sorted(self) -> Rows:
        return self.take(np.argsort(self.ts, kind="stable"))


def make_rows(
    kind: Kind,
    ts: Ints,
    key: Texts | Sequence[str],
    body: Sequence[str],
    *,
    host: Ints | int = 0,
    writer: Ints | int = NOBODY,
    order: Ints | int = NOBODY,
    parent: Ints | int = NOBODY,
    cause_ts: Ints | None = None,
) -> Rows:
    """Rows of one kind; what is the same for all may be given once."""
    n = len(ts)

    def column(values: Ints | int) -> Ints:
        return np.full(n, values, np.int64) if isinstance(values, int) else values.astype(np.int64)

    assert len(body) == n
    return Rows(
        ts=ts.astype(np.int64),
        kind=np.full(n, int(kind), np.int64),
        host=column(host),
        writer=column(writer),
        order=column(order),
        parent=column(parent),
        cause_ts=column(ts if cause_ts is None else cause_ts),
        key=objects(key),
        body=objects(body),
    )


def objects(texts: Texts | Sequence[str]) -> Texts:
    """Give an array of Python strings (numpy would copy them into fixed-width cells)."""
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


NO_ROWS: Final = make_rows(Kind.UNKNOWN, np.empty(0, np.int64), [], [])


class Sequencer:
    """Gives each event the next number of its stream."""

    def __init__(self) -> None:
        self._last = np.zeros(WRITERS, np.int64)

    def values(self, rows: Rows) -> list[str]:
        """Finish the bodies of rows that are sent now, in their order."""
        writer = rows.writer
        by_writer = np.argsort(writer, kind="stable")
        grouped = writer[by_writer]
        starts = (
            np.flatnonzero(np.concatenate([[True], grouped[1:] != grouped[:-1]])) if len(rows) else grouped
        )
        rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
        seq = np.empty(len(rows), np.int64)
        seq[by_writer] = self._last[grouped] + rank + 1
        seq[writer == NOBODY] = 0
        numbered = writer[writer != NOBODY]
        self._last += np.bincount(numbered, minlength=WRITERS)
        return [
            f'{body},"seq":{number}}}' if number else body + "}"
            for body, number in zip(rows.body.tolist(), seq.tolist(), strict=True)
        ]

    def events(self, rows: Rows) -> list[Event]:
        """Finish rows as events that can be sent one by one."""
        return [
            Event(ts, key, value.encode(), kind in REFERENCE)
            for ts, key, value, kind in zip(
                rows.ts.tolist(), rows.key.tolist(), self.values(rows), rows.kind.tolist(), strict=True
            )
        ]
