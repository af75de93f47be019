"""Bytes to `Batch`: a broken record becomes data, never an exception.

The scanner reads what is ordinary, a run of records at a time; where it stops, the judge decides that one
record and the scanner goes on after it.  Names get their codes in the order of the records, so where the
stream is cut changes no code.

Lines of a file are numbered from 1; an empty line is nothing and keeps its number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors.contract import Batch
from monitor.core import scan_fields as sf
from monitor.core.inputs import Quarantined
from monitor.core.judge import BadRecord, Judged, judge
from monitor.core.scan import (
    FILLED,
    FLAGS_BYTES_MAX,
    OTHERS_MAX,
    PASSED,
    RECORD,
    SERIAL,
    STATE_COLUMNS,
    TOKENS_SHAPE,
    scan,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from detectors.contract import Int64Array
    from detectors.names import Names

EVERYTHING: Final = -1  # all bits
_BELIEVED: Final = np.zeros(0, np.int64)  # of a file: `arrival_ts` is believed


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a run of records held."""

    batch: Batch
    quarantined: tuple[Quarantined, ...]
    passed_over: int  # events of a kind that is not known: accepted, and not in the batch

    @property
    def events(self) -> int:
        """How many events the contract accepts."""
        return len(self.batch) + self.passed_over


class Decoder:
    """Turns records into batches.  Its only memory is `names`."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._state = np.zeros(STATE_COLUMNS, np.int64)
        flags_text = np.zeros(FLAGS_BYTES_MAX + len(nm.PAD), np.uint8)
        self._scratch = (
            np.zeros(TOKENS_SHAPE, np.int64),
            np.zeros(len(sf.FIELDS), np.int64),
            np.zeros(OTHERS_MAX, np.int64),
            flags_text,
            flags_text.view(np.uint64),
        )
        self._allowed = np.full((1, 2), EVERYTHING, np.int64)  # by part: bits of kinds, bits of sources

    def allow(
        self, part: int, *, sources: Iterable[str] | None = None, kinds: Iterable[str] | None = None
    ) -> None:
        """What a topic may say; None is everything.  `ValueError` for a word that the contract does not know."""
        self._make_room(part)
        self._allowed[part] = (
            _bits(kinds, sf.KIND_NAMES, "kind"),
            _bits(sources, sf.WORDS[sf.SOURCES], "source"),
        )

    def decode(
        self,
        records: Sequence[bytes],
        part: int | Int64Array,
        offsets: Int64Array,
        arrivals: Int64Array | None,
    ) -> Decoded:
        """Records of a log, in the order in which they were read.  `arrivals` is the broker's time."""
        sizes = np.fromiter(map(len, records), np.int64, len(records))
        ends = np.cumsum(sizes)
        return self._decode(b"".join((*records, nm.PAD)), ends - sizes, ends, part, offsets, arrivals)

    def decode_lines(self, buffer: bytes, part: int, first_line: int = 1) -> Decoded:
        """Whole lines of a file; the first has the number `first_line`.  `arrival_ts` is believed."""
        breaks = np.flatnonzero(np.frombuffer(buffer, np.uint8) == ord("\n"))
        starts = np.concatenate(([0], breaks + 1))
        ends = np.concatenate((breaks, [len(buffer)]))
        lines = np.arange(first_line, first_line + len(starts))
        return self._decode(buffer + nm.PAD, starts, ends, part, lines, None, from_file=True)

    def _decode(
        self,
        text: bytes,
        starts: Int64Array,
        ends: Int64Array,
        part: int | Int64Array,
        offsets: Int64Array,
        arrivals: Int64Array | None,
        *,
        from_file: bool = False,
    ) -> Decoded:
        records = len(starts)
        parts = np.broadcast_to(np.asarray(part, np.int64), records)
        if records:
            self._make_room(int(parts.max()))
        if not from_file and arrivals is None:
            arrivals = np.zeros(records, np.int64)
        read = _Reading(text, np.empty((records, ev.COLUMNS), np.int64), self._state)
        arguments = (
            np.frombuffer(text, np.uint8), nm.as_words(text), starts, ends, np.ascontiguousarray(parts), offsets,
            _BELIEVED if arrivals is None else arrivals, self._allowed, read.rows, self._state, *self._scratch,
            *self.names.tables,
        )  # fmt: skip
        self._state[:SERIAL] = 0
        while self._state[RECORD] < records:
            scan(*arguments)  # type: ignore[no-untyped-call]
            record = int(self._state[RECORD])
            if record == records:
                break
            self._state[RECORD] += 1
            raw = text[starts[record] : ends[record]]
            arrival = None if arrivals is None else int(arrivals[record])
            self._judge(read, raw, int(parts[record]), int(offsets[record]), arrival)
        return read.decoded()

    def _judge(self, read: _Reading, raw: bytes, part: int, offset: int, arrival: int | None) -> None:
        """Decide the one record that the scanner left."""
        try:
            judged = judge(raw)
            self._check_allowed(judged, part)
        except BadRecord as bad:
            read.quarantined.append(Quarantined(part, offset, bad.path, bad.reason, bad.detail, raw))
            return
        if judged is None:
            self._state[PASSED] += 1
            return
        for column, kind, name in judged.names:
            judged.row[column] = self.names.code(kind, name)
        if judged.parent:
            judged.row[ev.PARENT_AT] = read.add_text(judged.parent) << 8 | len(judged.parent)
        judged.row[ev.PART], judged.row[ev.OFFSET] = part, offset
        if arrival is not None:
            judged.row[ev.ARRIVAL] = arrival
        read.rows[self._state[FILLED]] = judged.row
        self._state[FILLED] += 1

    def _check_allowed(self, judged: Judged | None, part: int) -> None:
        kinds, sources = (int(bits) for bits in self._allowed[part])
        kind = int(judged.row[ev.KIND]) if judged else int(ev.Kind.UNKNOWN)
        if not kinds >> kind & 1:
            raise BadRecord("kind", "not_allowed", "this kind is not allowed on this topic")
        if judged and not sources >> int(judged.row[ev.SOURCE]) & 1:
            raise BadRecord("source", "not_allowed", "this source is not allowed on this topic")

    def _make_room(self, part: int) -> None:
        if part >= len(self._allowed):
            room = np.full((part + 1 - len(self._allowed), 2), EVERYTHING, np.int64)
            self._allowed = np.concatenate((self._allowed, room))


class _Reading:
    """A batch in the making: its rows, its text (the records joined, and behind them what a record
    holds only in another form), and what was broken."""

    def __init__(self, text: bytes, rows: Int64Array, state: Int64Array) -> None:
        self.rows = rows
        self.quarantined: list[Quarantined] = []
        self._state = state
        self._pieces = [text]
        self._size = len(text)

    def add_text(self, piece: bytes) -> int:
        """Where `piece` begins in the text."""
        at = self._size
        self._pieces.append(piece)
        self._size += len(piece)
        return at

    def decoded(self) -> Decoded:
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        batch = Batch(self.rows[: self._state[FILLED]], np.frombuffer(whole, np.uint8))
        return Decoded(batch, tuple(self.quarantined), int(self._state[PASSED]))


def _bits(words: Iterable[str] | None, known: Sequence[str], what: str) -> int:
    if words is None:
        return EVERYTHING
    bits = 0
    for word in words:
        if word not in known:
            msg = f"{word!r} is no {what}; known: {', '.join(known)}"
            raise ValueError(msg)
        bits |= 1 << (known.index(word) + 1)
    return bits
