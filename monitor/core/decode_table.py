"""A column table of events (Arrow, Parquet) to rows: by the same rules as JSON, a column at a time.

What is ordinary is decided for whole columns.  A row with anything else in it (a missing field, a text
that is too long, a column of an unexpected type, a number at the edge of rounding) is *doubted*, and the
judge decides it as if it had been written in JSON; a float stands for the shortest decimal that names it.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from detectors import event as ev
from detectors import names as nm
from monitor.core import scan_fields as sf
from monitor.core import scan_table as kernels
from monitor.core.judge import BadRecord
from monitor.core.scan import TEXT_BYTES_MAX
from monitor.core.scan_fields import Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.contract import Int64Array
    from detectors.names import Names

ARROW_MARK: Final = b"\xff\xff\xff\xff"  # how an Arrow stream begins, and no JSON can
ARROW_BYTES_MAX: Final = 16 << 20
ARROW_ROWS_MAX: Final = 65_536

_NEEDS: Final = np.zeros((sf.KINDS, len(sf.FIELDS)), np.bool_)
for _kind, _fields in enumerate(sf.REQUIRED):
    _NEEDS[_kind, list(_fields)] = True
_NEEDS[:, sf.TS_FIELD] = True
_NO_CODES: Final = np.zeros(0, np.int64)


def read_arrow(raw: bytes) -> pa.Table:
    """The table of an Arrow IPC stream.  Raises `BadRecord` and nothing else."""
    if len(raw) > ARROW_BYTES_MAX:
        raise BadRecord("", "too_large", f"an Arrow stream of over {ARROW_BYTES_MAX} bytes")
    rows = 0
    batches = []
    try:
        with pa.ipc.open_stream(raw) as stream:
            for batch in stream:
                rows += batch.num_rows
                if rows > ARROW_ROWS_MAX:
                    break
                batch.validate(full=True)  # what strangers send: offsets and text are not believed
                batches.append(batch)
            table = pa.Table.from_batches(batches, stream.schema)
    except (pa.ArrowException, OSError, ValueError, KeyError) as broken:
        raise BadRecord("", "not_arrow", str(broken)[:200]) from None
    if rows > ARROW_ROWS_MAX:
        raise BadRecord("", "too_large", f"an Arrow stream of over {ARROW_ROWS_MAX} rows")
    return table


class TableRows:
    """The rows of one table, `doubted` ones not yet decided."""

    def __init__(self, table: pa.Table, names: Names, kinds_allowed: int, sources_allowed: int) -> None:
        """Raises `BadRecord` if the table as a whole is broken."""
        names_given = table.column_names
        self._given = {name: index for index, name in enumerate(names_given) if name in sf.FIELD_OF}
        if len(set(names_given)) != len(names_given):
            raise BadRecord("", "duplicate_key", "two columns have one name")
        self._table = table
        self._names = names
        self._count = table.num_rows
        self._values: dict[int, Int64Array] = {}
        self.text = b""  # the parents' ids
        self.doubted = np.zeros(self._count, np.bool_)
        self._kinds = self._kind_column()
        self._present = np.flatnonzero(np.bincount(self._kinds, minlength=sf.KINDS))
        self._needed = np.asarray(_NEEDS[self._present].any(axis=0))
        self._all_have = np.asarray(sf.HAS[self._present].all(axis=0))
        for index in range(len(sf.FIELDS)):
            if index != sf.KIND_FIELD:
                self._field(index)
        days = self._values[ev.TRADE_DATE]
        timed = self._values.get(ev.TS, np.zeros(self._count, np.int64))
        days[days == ev.NONE] = timed[days == ev.NONE] // sf.DAY_NS
        source = self._values.get(ev.SOURCE, np.full(self._count, ev.Source.ROUTER, np.int64))
        self.doubted |= (kinds_allowed >> self._kinds & 1) == 0
        self.doubted |= (self._kinds > 0) & ((sources_allowed >> source & 1) == 0)
        self.passed_over = (self._kinds == 0) & ~self.doubted

    def rows(self, text_at: int, part: int, offsets: Int64Array, arrival: int | None) -> Int64Array:
        """All rows, also those in doubt or passed over.  `text_at`: where `text` is in the batch's."""
        values = {**self._values, ev.OFFSET: offsets, ev.PART: np.full(self._count, part)}
        if arrival is not None:
            values[ev.ARRIVAL] = np.full(self._count, arrival)
        if ev.PARENT_AT in values:
            here = values[ev.PARENT_AT]
            values[ev.PARENT_AT] = np.where(here != 0, here + (text_at << 8), 0)
        rows = sf.template_rows(self._count)
        kernels.put(np.array(list(values), np.int64), np.array(list(values.values())), rows)
        return rows

    def fields(self, row: int) -> dict[str, Any]:
        """The members of one row, for the judge."""
        members: dict[str, Any] = self._table.slice(row, 1).to_pylist()[0]
        return members

    @staticmethod
    def raw(members: dict[str, Any]) -> bytes:
        """A row as it would have been written in JSON."""
        given = {name: value for name, value in members.items() if value is not None}
        return msgspec.json.encode(given, enc_hook=repr)

    def _new(self, column: int) -> Int64Array:
        if column not in self._values:
            self._values[column] = np.full(self._count, sf.TEMPLATE[column], np.int64)
        return self._values[column]

    def _column(self, name: str) -> pa.Array | None:
        """One array of the column; None if it is not there or has nothing in it."""
        if name not in self._given:
            return None
        column = self._table.column(self._given[name])
        if column.null_count == self._count:
            return None
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

    def _kind_column(self) -> Int64Array:
        kinds = self._new(ev.KIND)
        column = self._column("kind")
        if column is None or not _is_text(column.type):
            self.doubted[:] = True
            return kinds
        valid = _valid(column)
        self.doubted |= ~valid
        self._texts(sf.KIND_FIELD, column, valid, kinds)
        return kinds

    def _field(self, index: int) -> None:
        field = sf.FIELDS[index]
        column = self._column(field.name)
        if field.type is Type.DATE:
            self._values[ev.TRADE_DATE] = np.full(self._count, ev.NONE, np.int64)
        needed = self._needed[index]
        if column is None:
            if needed:
                self.doubted |= _NEEDS[self._kinds, index]
            return
        valid = _valid(column)
        if needed and column.null_count:
            self.doubted |= _NEEDS[self._kinds, index] & ~valid
        relevant = valid if index < len(sf.COMMON) or self._present[0] > 0 else valid & (self._kinds > 0)
        has = valid if self._all_have[index] else valid & sf.HAS[self._kinds, index]
        if field.type in (Type.INTEGER, Type.NUMBER):
            self._number(index, column, relevant, has)
        elif field.type is Type.BOOLEAN and pa.types.is_boolean(column.type):
            given = column.fill_null(False).to_numpy(zero_copy_only=False)  # noqa: FBT003
            self._new(field.column)[has & given] |= field.more
        elif field.type is Type.FLAGS and _is_text_list(column.type):
            self._flags(index, column, has)
        elif field.type is Type.ID and _is_text(column.type):
            self._ids(index, column, has)
        elif field.type not in (Type.BOOLEAN, Type.FLAGS, Type.ID) and _is_text(column.type):
            self._texts(index, column, has, self._new(field.column))
            if field.column == ev.PHASE:
                for kind, phases in sf.PHASES_OF.items():
                    self.doubted |= has & (self._kinds == kind) & ~np.isin(self._values[ev.PHASE], phases)
        else:
            self.doubted |= relevant if field.type is not Type.ANY else has

    def _texts(self, index: int, column: pa.Array, has: NDArray[np.bool_], values: Int64Array) -> None:
        field = sf.FIELDS[index]
        indices = known = _NO_CODES
        if pa.types.is_dictionary(column.type):
            indices = column.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
            column = column.dictionary
            known = np.full(len(column), -1, np.int64)
            if column.null_count:
                self.doubted |= has
                return
        text, offsets = _buffers(column)
        plain = np.zeros(sf.REASON_BYTES_MAX + len(nm.PAD), np.uint8)
        kernels.codes_of_texts(
            np.frombuffer(text, np.uint8), nm.as_words(text), offsets, indices, has,
            int(field.type), field.more, int(TEXT_BYTES_MAX[index]),
            values, self.doubted, known, plain, plain.view(np.uint64), *self._names.tables,
        )  # fmt: skip

    def _ids(self, index: int, column: pa.Array, has: NDArray[np.bool_]) -> None:
        field = sf.FIELDS[index]
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        text, offsets = _buffers(column)
        high, low, at = np.zeros((3, self._count), np.int64)
        kernels.hashes_of_ids(nm.as_words(text), offsets, has, field.bytes_max, high, low, at, self.doubted)
        if field.column == ev.MATCH:
            self._values[ev.MATCH] = np.where(high != 0, high, low)
        elif field.column >= 0:
            self._values[field.column], self._values[field.column + 1] = high, low
        if field.column == ev.PARENT_HI:
            self._values[ev.PARENT_AT] = at
            self.text = text

    def _number(
        self, index: int, column: pa.Array, relevant: NDArray[np.bool_], has: NDArray[np.bool_]
    ) -> None:
        field = sf.FIELDS[index]
        values = self._new(field.column)
        sign = int(field.more)
        whole = field.type is Type.INTEGER
        if pa.types.is_integer(column.type):
            given = column.fill_null(0).to_numpy(zero_copy_only=False)
            if given.dtype == np.uint64:
                self.doubted |= relevant & (given > np.uint64((1 << 63) - 1))
            given = given.astype(np.int64)
            if whole:
                kernels.integers(given, has, sign, values, self.doubted)
            else:
                kernels.numbers_of_integers(given, self._kinds, has, index, sign, values, self.doubted)
        elif pa.types.is_float32(column.type) or pa.types.is_float64(column.type):
            given = column.fill_null(0.0).to_numpy(zero_copy_only=False).astype(np.float64)
            if whole:
                kernels.integers_of_floats(given, relevant, has, sign, values, self.doubted)
            else:
                kernels.numbers_of_floats(
                    given, self._kinds, relevant, has, index, sign, values, self.doubted
                )
        else:
            self.doubted |= relevant

    def _flags(self, index: int, column: pa.Array, has: NDArray[np.bool_]) -> None:
        values = self._new(sf.FIELDS[index].column)
        if column.flatten().null_count:
            self.doubted |= _valid(column)
            return
        codes: dict[tuple[str, ...], int] = {}
        rows = np.flatnonzero(has)
        for row, given in zip(rows, column.take(pa.array(rows)).to_pylist(), strict=True):
            flags = tuple(given)
            if len(flags) > sf.FLAGS_MAX:
                self.doubted[row] = True
                continue
            if flags not in codes:
                codes[flags] = self._names.code_of_flags(flags)
            values[row] = codes[flags]


def _valid(column: pa.Array) -> NDArray[np.bool_]:
    if not column.null_count:
        return np.ones(len(column), np.bool_)
    valid: NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_text_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_text(kind.value_type)


def _buffers(column: pa.Array) -> tuple[bytes, Int64Array]:
    """The padded text of a column of strings, and where each begins (the last one's end behind them)."""
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    _, offsets, text = column.buffers()
    if not len(column):
        return nm.PAD, np.zeros(1, np.int64)
    begins = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    first, last = int(begins[0]), int(begins[-1])
    whole = text.slice(first, last - first).to_pybytes() if text is not None else b""
    return whole + nm.PAD, begins - first
