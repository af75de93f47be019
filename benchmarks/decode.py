"""From bytes to columns: ours beside what a good Python programmer would write with msgspec structs.

Microseconds of processor time an event (the machine may be shared), best of five, for JSON
records of about 220 bytes in batches of 4,096 and of one, lines of a file, Arrow frames of 4,096 events
and Parquet.  The peer decodes into a struct and appends seventeen fields to lists, as a consumer
that wants columns must.
"""

from __future__ import annotations

import io
import time
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.names import Names
from monitor.core.decode import Decoder

BATCH = 4_096
SEVENTEEN = [
    "kind",
    "ts",
    "host",
    "build",
    "boot",
    "seq",
    "stream",
    "account",
    "strategy",
    "session",
    "venue",
    "symbol",
    "side",
    "order_id",
    "parent_id",
    "qty",
    "price",
]


class Event(msgspec.Struct):
    kind: str
    ts: int
    host: str | None = None
    build: str | None = None
    boot: str | None = None
    seq: int | None = None
    stream: str | None = None
    account: str | None = None
    strategy: str | None = None
    session: str | None = None
    venue: str | None = None
    symbol: str | None = None
    side: str | None = None
    order_id: str | None = None
    parent_id: str | None = None
    exec_id: str | None = None
    qty: float | None = None
    price: float | None = None
    last_qty: float | None = None
    last_px: float | None = None


def events(count: int) -> list[dict[str, Any]]:
    """Children and their fills, as a router tells them: 150 to 290 bytes, 220 on average."""
    rng = np.random.default_rng(1)
    made = []
    for n in range(count):
        host = int(rng.integers(1, 9))
        common = {
            "kind": "order_new",
            "ts": 1_343_827_801_000_000_000 + n * 490_196,
            "host": f"smars-{host}",
            "session": f"NYSE-{host}",
            "account": str(rng.integers(1, 400)),
            "symbol": f"SYM{rng.integers(154)}",
            "side": "buy" if rng.integers(2) else "sell",
        }
        ids = {"order_id": f"O{host}-{n:08d}", "parent_id": f"P{rng.integers(212):06d}"}
        price = round(float(rng.uniform(3, 90)), 2)
        if n % 2:
            fill = {"exec_id": f"E{n:09d}", "last_qty": int(rng.integers(1, 200)), "last_px": price}
            made.append({**common, "kind": "fill", "source": "drop_copy", **ids, **fill})
        else:
            sent = {"qty": int(rng.integers(1, 200)), "price": price, "order_type": "limit", "tif": "day"}
            made.append({**common, "strategy": "rlp", **ids, **sent, "seq": n})
    return made


def best_us(events_in_all: int, run: Any) -> float:
    """Microseconds an event, of this thread's processor time, best of five."""
    times = []
    for _ in range(5):
        start = time.thread_time()
        run()
        times.append(time.thread_time() - start)
    return min(times) / events_in_all * 1e6


def run(count: int = 200_000) -> dict[str, Any]:
    """Microseconds an event, by what is decoded."""
    made = events(count)
    records = [msgspec.json.encode(event) for event in made]
    batches = [records[at : at + BATCH] for at in range(0, count, BATCH)]
    lines = [b"\n".join(batch) + b"\n" for batch in batches]
    offsets = np.arange(count)
    decoder = Decoder(Names())

    def ours() -> None:
        for batch in batches:
            decoder.decode(batch, 0, offsets[: len(batch)], offsets[: len(batch)])

    def of_lines() -> None:
        for buffer in lines:
            decoder.decode_lines(buffer, 0)

    def of_one() -> None:
        for record in records[:5_000]:
            decoder.decode([record], 0, offsets[:1], offsets[:1])

    def peer() -> None:
        one = msgspec.json.Decoder(Event)
        for batch in batches:
            columns: list[list[Any]] = [[] for _ in SEVENTEEN]
            for record in batch:
                event = one.decode(record)
                for column, name in zip(columns, SEVENTEEN, strict=True):
                    column.append(getattr(event, name))

    names = list(dict.fromkeys(name for event in made[:2] for name in event))
    table = pa.table({name: [event.get(name) for event in made] for name in names})
    frames = []
    for at in range(0, count, BATCH):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(
            sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
        ) as stream:
            stream.write_table(table.slice(at, BATCH))
        frames.append(sink.getvalue().to_pybytes())
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")

    def of_frames() -> None:
        for frame in frames:
            decoder.decode([frame], 0, offsets[:1], offsets[:1])

    def of_parquet() -> None:
        file.seek(0)
        for batch in pq.ParquetFile(file, read_dictionary=["host", "account", "symbol", "kind"]).iter_batches(
            16_384
        ):
            decoder.decode_table(pa.Table.from_batches([batch]), 0)

    ours()
    measured = (
        ("records, batches of 4,096", count, ours),
        ("lines of a file", count, of_lines),
        ("records, batches of one", 5_000, of_one),
        ("Arrow frames of 4,096", count, of_frames),
        ("Parquet", count, of_parquet),
        ("peer: msgspec structs to 17 lists", count, peer),
    )
    return {
        "events": count,
        "bytes_a_json_event": round(sum(map(len, records)) / count),
        "bytes_an_arrow_event": round(sum(map(len, frames)) / count),
        "us_an_event": {
            name: round(best_us(events_in_all, what), 3) for name, events_in_all, what in measured
        },
    }
