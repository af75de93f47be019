"""A scenario into a file, NDJSON (plain, gzip, zstd) or Parquet by its ending, and its truth beside it.

The same seed and scale give the same bytes.  A file appears whole or not at all.
"""

from __future__ import annotations

import gzip
import io
import json
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, cast

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet
import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from monitor.scenarios.scenario import Scenario, Truth

ENDINGS: Final = (".ndjson", ".ndjson.gz", ".ndjson.zst", ".parquet")

# fmt: off
_TEXT: Final = (
    "kind", "source", "host", "build", "boot", "stream", "trade_date", "account", "strategy", "session",
    "venue", "symbol", "side", "parent_id", "order_id", "orig_order_id", "exec_id", "order_type", "tif",
    "reason_class", "reason", "role", "config_hash", "phase", "actor", "ticket", "asset_class", "currency",
    "entity", "desk", "trader", "origin", "multileg", "match_id", "exec_ref_id", "event", "key", "before",
    "after",
)
_WHOLE: Final = (
    "ts", "seq", "qty", "last_qty", "leaves_qty", "count", "clock_bound_ns", "as_of", "multiplier", "adv",
    "shares_out", "cum_qty",
)
# fmt: on
SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in _TEXT),
        *((name, pa.int64()) for name in _WHOLE),
        *((name, pa.float64()) for name in ("price", "last_px", "tick", "usd")),
        *((name, pa.bool_()) for name in ("conditional", "poss_dup")),
        ("flags", pa.list_(pa.string())),
    ]
)


def simulate(
    scenario: Scenario,
    *,
    seed: int,
    scale: float,
    out: Path | None = None,
    truth: Path | None = None,
    until: int | None = None,
    progress: Callable[[int, int], None] = lambda _events, _ts: None,
) -> Truth:
    """Write a scenario's events and its truth; tell `progress` (events so far, event time)."""
    if out is not None:
        with _writer(out) as write:
            events = 0
            for count, ts, lines in scenario.lines(seed, scale, until):
                write(lines)
                events += count
                progress(events, ts)
    told = scenario.truth(seed, scale)
    if truth is not None:
        truth.write_text(json.dumps(told, indent=1) + "\n")
    return told


@contextmanager
def _writer(out: Path) -> Iterator[Callable[[bytes], Any]]:
    """Open by the file's ending; raises `ValueError` for an ending that nobody can read again."""
    if not out.name.endswith(ENDINGS):
        raise ValueError(f"{out.name}: write to a file that ends in {', '.join(ENDINGS)}")
    half = out.with_name(f".{out.name}.part")
    try:
        with half.open("wb") as file:
            if out.name.endswith(".parquet"):
                with pa.parquet.ParquetWriter(file, SCHEMA, compression="zstd") as table:
                    yield lambda lines: table.write_table(_table(lines))
            elif out.name.endswith(".gz"):
                # neither name nor time in the header: equal events, equal bytes
                with gzip.GzipFile("", "wb", compresslevel=3, fileobj=file, mtime=0) as packed:
                    yield packed.write
            elif out.name.endswith(".zst"):
                with zstandard.ZstdCompressor(level=3).stream_writer(
                    cast("IO[bytes]", file), closefd=False
                ) as packer:
                    yield packer.write
            else:
                yield file.write
        half.replace(out)
    finally:
        half.unlink(missing_ok=True)


def _table(lines: bytes) -> pa.Table:
    """Columns of NDJSON; a field that the schema lacks is an error, not a loss."""
    options = pa.json.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="error")
    reading = pa.json.ReadOptions(use_threads=False, block_size=max(1, len(lines)))
    return pa.json.read_json(io.BytesIO(lines), read_options=reading, parse_options=options)
