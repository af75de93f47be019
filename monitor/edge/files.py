"""Recordings: events in files, read in pieces of bounded size, and written.

`.ndjson`, `.ndjson.gz`, `.ndjson.zst` and `.parquet`, told apart by the name's end.  A reader gives
`Lines` and `Rows`, in order, as `Decoder` takes them; a file that ends too early or is not what its name
says is `BadFile`, with the file's name, after what could be read was given out.
"""

from __future__ import annotations

import gzip
import io
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from monitor.core.scan_fields import FIELDS, RECORD_BYTES_MAX, Field, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

LINES_MAX: Final = 4_096  # in one piece: 2.3 MB of rows
ROWS_MAX: Final = 16_384  # in one piece of a column table: 9 MB of rows
BLOCK_BYTES: Final = 1 << 20
ROWS_WRITTEN: Final = 65_536  # in one row group
ENDINGS: Final = (".ndjson", ".ndjson.gz", ".ndjson.zst", ".parquet")


class BadFile(ValueError):
    """A file that a person named cannot be read or written; says which and why."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines, the last one perhaps without its end."""

    text: bytes
    first_line: int  # from 1
    lines: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a column table."""

    table: pa.Table
    first_row: int  # from 1


def read(path: Path | str, progress: Callable[[int, int], None] | None = None) -> Iterator[Lines | Rows]:
    """The events of a file, piece by piece; `progress` is told after each piece."""
    path = Path(path)
    ending = _ending(path)
    told = progress or (lambda _read, _all: None)
    try:
        if ending == ".parquet":
            yield from _rows(path, told)
        else:
            with path.open("rb") as raw:
                size = path.stat().st_size
                for piece in _lines(_unpacked(raw, ending)):
                    yield piece
                    told(raw.tell(), size)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as broken:
        why = broken.strerror if isinstance(broken, OSError) and broken.strerror else str(broken)
        raise BadFile(f"{path}: {why}") from broken


def _ending(path: Path) -> str:
    for ending in ENDINGS:
        if path.name.endswith(ending):
            return ending
    raise BadFile(f"{path}: its name must end in {', '.join(ENDINGS)}")


def _unpacked(raw: IO[bytes], ending: str) -> Callable[[int], bytes]:
    if ending == ".ndjson.gz":
        return gzip.GzipFile(fileobj=raw).read
    if (
        ending == ".ndjson.zst"
    ):  # pyarrow's reader, because zstandard's takes a frame that is cut short for whole
        stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
        return stream.read  # type: ignore[no-any-return]
    return raw.read


def _lines(read_block: Callable[[int], bytes]) -> Iterator[Lines]:
    """Cut a stream at line ends.  A line that never ends is kept to one byte over what a record may have."""
    first = 1
    rest = b""
    dropping = False  # the line in `rest` is too long, and goes on
    while block := read_block(BLOCK_BYTES):
        if dropping:
            end = block.find(b"\n")
            if end < 0:
                continue
            block, dropping = block[end:], False
        text = rest + block
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
        start = 0
        for index in range(0, len(ends), LINES_MAX):
            lines = min(LINES_MAX, len(ends) - index)
            end = int(ends[index + lines - 1])
            yield Lines(text[start:end], first, lines)
            first += lines
            start = end
        rest = text[start:]
        if len(rest) > RECORD_BYTES_MAX:
            rest, dropping = rest[: RECORD_BYTES_MAX + 1], True
    if rest:
        yield Lines(rest, first, 1)


def _rows(path: Path, told: Callable[[int, int], None]) -> Iterator[Rows]:
    with path.open("rb") as raw:
        size = path.stat().st_size
        # Words that come again and again are read as codes of a dictionary; an id is not one.
        words = [f.name for f in FIELDS if f.type is not Type.ID and _arrow_type(f) == pa.string()]
        given = pq.read_schema(raw)  # others write the columns that they have
        texts = {column.name for column in given if column.type in (pa.string(), pa.large_string())}
        with pq.ParquetFile(raw, read_dictionary=[name for name in words if name in texts]) as file:
            rows = file.metadata.num_rows
            first = 1
            for batch in file.iter_batches(ROWS_MAX):
                yield Rows(pa.Table.from_batches([batch]), first)
                first += batch.num_rows
                told(size * (first - 1) // rows, size)


class Writer(ABC):
    """Where events go.  Use it in a `with`; a file is whole only after its end."""

    @abstractmethod
    def write(self, events: Iterable[Mapping[str, Any]]) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_writer(path: Path | str) -> Writer:
    """A writer by the name's ending."""
    path = Path(path)
    ending = _ending(path)
    try:
        raw = path.open("wb")
    except OSError as broken:
        raise BadFile(f"{path}: {broken.strerror}") from broken
    return _ParquetWriter(raw) if ending == ".parquet" else _LineWriter(raw, ending)


class _LineWriter(Writer):
    """One JSON object a line."""

    def __init__(self, raw: IO[bytes], ending: str) -> None:
        self._encoder = msgspec.json.Encoder()
        self._open: list[Any] = [raw]
        if ending == ".ndjson.gz":
            self._open.append(gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=4, mtime=0))
        elif ending == ".ndjson.zst":
            self._open.append(zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False))
        self._open.append(io.BufferedWriter(self._open[-1], BLOCK_BYTES))

    def write(self, events: Iterable[Mapping[str, Any]]) -> None:
        self._open[-1].write(self._encoder.encode_lines(events))

    def close(self) -> None:
        for stream in reversed(self._open):
            stream.close()


class _ParquetWriter(Writer):
    """One typed column a field of the contract; what the contract does not name is left out."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._waiting: list[Mapping[str, Any]] = []
        self._schema = pa.schema([pa.field(field.name, _arrow_type(field)) for field in FIELDS])
        self._file = pq.ParquetWriter(raw, self._schema, compression="zstd", use_dictionary=True)

    def write(self, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            self._waiting.append(event)
            if len(self._waiting) == ROWS_WRITTEN:
                self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()
        self._raw.close()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        seen = set().union(*waiting)
        columns = []
        for field, column in zip(FIELDS, self._schema, strict=True):
            if field.name not in seen:
                columns.append(pa.nulls(len(waiting), column.type))
                continue
            values = [event.get(field.name) for event in waiting]
            if field.type is Type.ANY:
                values = [
                    v if v is None or isinstance(v, str) else msgspec.json.encode(v).decode() for v in values
                ]
            columns.append(pa.array(values, column.type))
        self._file.write_table(
            pa.Table.from_arrays(columns, schema=self._schema), row_group_size=ROWS_WRITTEN
        )


def _arrow_type(field: Field) -> pa.DataType:
    match field.type:
        case Type.INTEGER:
            return pa.int64()
        case Type.NUMBER:
            return pa.float64()
        case Type.BOOLEAN:
            return pa.bool_()
        case Type.FLAGS:
            return pa.list_(pa.string())
        case _:
            return pa.string()
