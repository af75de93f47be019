"""Bytes to `Batch`: a broken record becomes data, never an exception.

The scanner reads what is ordinary, a run of records at a time; where it stops, the judge decides that one
record and the scanner goes on after it.  Names get their codes in the order of the records, so where the
stream is cut changes no code.

Lines of a file are numbered from 1; an empty line is nothing and keeps its number.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from detectors import event as ev
from detectors import names as nm
from detectors.contract import Batch
from detectors.names import Names
from monitor.core import scan_fields as sf
from monitor.core.decode_table import ARROW_MARK, TableRows, read_arrow
from monitor.core.inputs import Quarantined
from monitor.core.judge import BadRecord, Judged, judge, judge_fields
from monitor.core.scan import (
    FILLED,
    FLAGS_BYTES_MAX,
    PASSED,
    RECORD,
    SERIAL,
    STATE_COLUMNS,
    scan,
)
from monitor.core.scan_tokens import HABITS_SHAPE, OTHERS_MAX, TOKENS_SHAPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from detectors.contract import Int64Array

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
            np.zeros(HABITS_SHAPE, np.uint64),
            flags_text,
            flags_text.view(np.uint64),
        )
        self._allowed = np.full((1, 2), EVERYTHING, np.int64)  # by part: bits of kinds, bits of sources

    def allow(
        self, part: int, *, sources: Iterable[str] | None = None, kinds: Iterable[str] | None = None
    ) -> None:
        """What a topic may say; None is everything.  `ValueError` for a word that is no kind or source."""
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
        if arrivals is None:
            arrivals = np.zeros(len(records), np.int64)
        return self.decode_places(b"".join((*records, nm.PAD)), ends - sizes, ends, part, offsets, arrivals)

    def decode_places(
        self,
        padded: bytes,
        starts: Int64Array,
        ends: Int64Array,
        part: int | Int64Array,
        offsets: Int64Array,
        arrivals: Int64Array,
    ) -> Decoded:
        """As `decode`: records that lie at these places of a buffer that ends in `PAD`."""
        return self._decode(padded, starts, ends, part, offsets, arrivals)

    def decode_lines(self, buffer: bytes, part: int, first_line: int = 1) -> Decoded:
        """Whole lines of a file; the first has the number `first_line`.  `arrival_ts` is believed."""
        breaks = np.flatnonzero(np.frombuffer(buffer, np.uint8) == ord("\n"))
        starts = np.concatenate(([0], breaks + 1))
        ends = np.concatenate((breaks, [len(buffer)]))
        lines = np.arange(first_line, first_line + len(starts))
        return self._decode(buffer + nm.PAD, starts, ends, part, lines, None)

    def decode_table(self, table: pa.Table, part: int, first_row: int = 1) -> Decoded:
        """Rows of a column file; the first has the number `first_row`.  `arrival_ts` is believed."""
        self._make_room(part)
        self._state[:SERIAL] = 0
        read = _Reading(nm.PAD, 0, self._state)
        try:
            self._table(read, table, part, np.arange(first_row, first_row + table.num_rows), None)
        except BadRecord as bad:
            read.quarantined.append(Quarantined(part, first_row, bad.path, bad.reason, bad.detail, b""))
        return read.decoded()

    def _decode(
        self,
        text: bytes,
        starts: Int64Array,
        ends: Int64Array,
        part: int | Int64Array,
        offsets: Int64Array,
        arrivals: Int64Array | None,
    ) -> Decoded:
        """`arrivals` is None where the field `arrival_ts` is believed."""
        records = len(starts)
        parts = np.full(records, part, np.int64) if isinstance(part, int) else part
        if records:
            self._make_room(part if isinstance(part, int) else int(parts.max()))
        self._state[:SERIAL] = 0
        read = _Reading(text, records, self._state)
        given = (np.frombuffer(text, np.uint8), nm.as_words(text), starts, ends, parts, offsets)
        while self._state[RECORD] < records:
            scan(
                *given,
                _BELIEVED if arrivals is None else arrivals,
                self._allowed,
                read.rows,
                self._state,
                *self._scratch,
                *self.names.tables,
            )
            record = int(self._state[RECORD])
            if record == records:
                break
            self._state[RECORD] += 1
            raw = text[starts[record] : ends[record]]
            place, offset = int(parts[record]), int(offsets[record])
            arrival = None if arrivals is None else int(arrivals[record])
            try:
                if arrival is not None and raw.startswith(ARROW_MARK):
                    table = read_arrow(raw)
                    self._table(read, table, place, np.full(table.num_rows, offset), arrival)
                else:
                    self._keep(read, judge(raw), place, offset, arrival)
            except BadRecord as bad:
                read.quarantined.append(Quarantined(place, offset, bad.path, bad.reason, bad.detail, raw))
        return read.decoded()

    def _keep(
        self, read: _Reading, judged: Judged | None, part: int, offset: int, arrival: int | None
    ) -> None:
        """Take one record that the judge accepted."""
        self._check_allowed(judged, part)
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

    def _table(
        self, read: _Reading, table: pa.Table, part: int, offsets: Int64Array, arrival: int | None
    ) -> None:
        """Take the rows of one table, those in doubt as the judge decides them."""
        found = TableRows(table, self.names, *(int(bits) for bits in self._allowed[part]))
        rows = found.rows(read.add_text(found.text), part, offsets, arrival)
        passed_over = int(found.passed_over.sum())
        self._state[PASSED] += passed_over
        if not passed_over and not found.doubted.any():
            read.add_rows(rows)
            return
        whole = ~found.passed_over
        at = 0
        for row in np.flatnonzero(found.doubted).tolist():
            read.add_rows(rows[at:row][whole[at:row]])
            at = row + 1
            read.make_room()
            members = found.fields(row)
            try:
                self._keep(read, judge_fields(members), part, int(offsets[row]), arrival)
            except BadRecord as bad:
                raw = found.raw(members)
                read.quarantined.append(
                    Quarantined(part, int(offsets[row]), bad.path, bad.reason, bad.detail, raw)
                )
        read.add_rows(rows[at:][whole[at:]])

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
    """A batch in the making: rows, text, and what was broken.

    The text is the records joined, and behind them what a record holds only in another form.
    """

    def __init__(self, text: bytes, records: int, state: Int64Array) -> None:
        self.rows = np.empty((records, ev.COLUMNS), np.int64)
        self.quarantined: list[Quarantined] = []
        self._state = state
        self._done: list[Int64Array] = []  # rows before those in `rows`
        self._pieces = [text]
        self._size = len(text)

    def add_text(self, piece: bytes) -> int:
        """Where `piece` begins in the text."""
        at = self._size
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
        return at

    def add_rows(self, rows: Int64Array) -> None:
        """Rows of a table, behind what is filled; the room left is for what comes after them."""
        if len(rows):
            filled = int(self._state[FILLED])
            self._done += [self.rows[:filled], rows] if filled else [rows]
            self.rows = self.rows[filled:]
            self._state[FILLED] = 0

    def make_room(self) -> None:
        """Have a row for the judge also where a record turned out to hold many."""
        if self._state[FILLED] == len(self.rows):
            self._done.append(self.rows)
            self.rows = np.empty((64, ev.COLUMNS), np.int64)
            self._state[FILLED] = 0

    def decoded(self) -> Decoded:
        text = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        filled = int(self._state[FILLED])
        done = [*self._done, self.rows[:filled]] if filled or not self._done else self._done
        rows = done[0] if len(done) == 1 else np.concatenate(done)
        return Decoded(
            Batch(rows, np.frombuffer(text, np.uint8)), tuple(self.quarantined), int(self._state[PASSED])
        )


def warm_up() -> Batch:
    """Run every kernel of this file once, compiled if need be, so that no record waits for a compiler."""
    decoder = Decoder(Names())
    decoder.decode([b""], 0, np.zeros(1, np.int64), None)
    event = {"kind": "mark", "ts": 1, "seq": 1.0, "symbol": "A", "price": 1, "adv": 1.0, "match_id": "A"}
    decoder.decode_table(pa.table({name: [value] for name, value in event.items()}), 0)
    return decoder.decode_lines(b'{"kind":"mark","ts":1,"symbol":"A","price":1}', 0).batch


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
