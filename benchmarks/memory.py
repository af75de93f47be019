"""Resident memory of a monitor that knows a million live orders of a hundred thousand parents.

    python -m benchmarks.memory [ORDERS PARENTS]

A process that has imported all that `knightwatch run` imports and warmed its kernels is fed parents, their
orders, acknowledgements and one partial fill a parent, through the decoder and the engine, the three families
armed.  Nothing is ever done or cancelled, so at the end every order works.  Then a snapshot is taken and encoded as
the shell does it, because that is when a monitor needs most.
"""

from __future__ import annotations

import json
import mmap
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

from benchmarks.bed import FAMILIES, side
from benchmarks.flow import ACCOUNTS, BUILD, HOSTS, STEP_NS, SYMBOLS
from benchmarks.stages import BATCH, START_NS, policy
from detectors.ledger import tables as lt
from monitor import serve
from monitor.core import snapshot
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import RecordsArrived, SourcePart
from monitor.edge.allocator import map_tables_apart
from monitor.warm import warm_up

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from numpy.typing import NDArray

MB: Final = 1_000_000
WIDE: Final = (
    '{ scope = "account=*", gross = 1_000_000_000_000 }',
    '{ scope = "*", gross = 1_000_000_000_000 }',
)


def run(orders: int = 1_000_000, parents: int = 100_000) -> dict[str, Any]:
    return side("benchmarks.memory", orders, parents)


def live_orders(orders: int, parents: int) -> Iterator[bytes]:
    """Parents, a tenth of a second later their orders, all of which stay at the market."""
    each, ts = orders // parents, START_NS
    for parent in range(parents):
        account, host, symbol = parent % ACCOUNTS, parent % HOSTS, parent % SYMBOLS
        what = f'"account":"EQ-{account:04}","symbol":"SYM{symbol:03}","side":"{"sell" if parent // ACCOUNTS % 2 else "buy"}"'
        where = f'"host":"smars-{host}","boot":"smars-{host}.1"'
        session = f'"session":"NYSE-{host}","venue":"NYSE"'
        price = f"{20 + symbol % 60}.5"
        ts += STEP_NS
        yield f'{{"kind":"parent_new","ts":{ts},"source":"oms","parent_id":"P{parent:07}",{what},"qty":{100 * each},"price":{price}}}'.encode()
        for child in range(each):
            order = f'"order_id":"O{parent:07}/{child}"'
            ts += STEP_NS
            yield (
                f'{{"kind":"order_new","ts":{ts},{where},"build":"{BUILD}",{what},"strategy":"rlp-{host % 4}",{session},'
                f'{order},"parent_id":"P{parent:07}","qty":100,"price":{price},"order_type":"limit","tif":"day"}}'
            ).encode()
            ts += STEP_NS
            yield f'{{"kind":"order_ack","ts":{ts},{where},{session},{order},"venue_order_id":"V{parent:07}/{child}"}}'.encode()
        ts += STEP_NS
        yield (
            f'{{"kind":"fill","ts":{ts},{where},"source":"drop_copy",{what},{session},"order_id":"O{parent:07}/0",'
            f'"exec_id":"E{parent:07}","last_qty":10,"last_px":{price},"leaves_qty":90}}'
        ).encode()
        ts += STEP_NS
        yield f'{{"kind":"parent_fill","ts":{ts},"source":"oms","parent_id":"P{parent:07}","last_qty":10,"last_px":{price}}}'.encode()


def measure(orders: int, parents: int) -> dict[str, Any]:
    process = psutil.Process()
    map_tables_apart()
    warm_up(FAMILIES)
    serve._settle_garbage()
    started = process.memory_info().rss
    engine = Engine(policy(FAMILIES, WIDE))
    decoder = Decoder(engine.names)
    engine.part_of(SourcePart("bench", 0))
    stream, at, halts = live_orders(orders, parents), 0, 0
    while records := list(islice(stream, BATCH)):
        lines = np.arange(at, at + len(records))
        came = np.full(len(records), START_NS + (at + len(records)) * STEP_NS)
        batch = decoder.decode(records, 0, lines, came).batch
        engine.handle(RecordsArrived(batch, ((0, at, at + len(records) - 1),)))
        at += len(records)
        halts = len(engine.halts.open)
    del records, batch, lines, came
    resident = process.memory_info().rss
    tables = touched(engine)
    one = engine.ledger.one
    assert int(one[lt.N_PARENTS]) >= parents
    assert int(one[lt.N_ORDERS]) >= parents * (orders // parents)
    assert not engine.doubt.faults, engine.doubt.faults
    pieces = snapshot.encode(engine.snapshot())
    saving = process.memory_info().rss
    return {
        "orders": orders,
        "parents": parents,
        "executions": parents,
        "events": at,
        "halts": halts,
        "resident_mb": resident / MB,
        "before_the_first_event_mb": started / MB,
        "while_saving_mb": saving / MB,
        "snapshot_mb": sum(len(piece) for piece in pieces) / MB,
        "tables_mb": {name: round(sum(found.values()) / MB, 1) for name, found in tables.items()},
        "largest_tables_mb": {
            f"{name}.{table}": round(size / MB, 1)
            for name, found in tables.items()
            for table, size in found.items()
            if size >= 5 * MB
        },
    }


def touched(engine: Engine) -> dict[str, dict[str, int]]:
    """Resident bytes of each table, by the kernel's own account: pages that somebody wrote or read."""
    names = engine.names
    owners: dict[str, dict[str, NDArray[Any]]] = {
        "names": {"slots": names.slots, "lengths": names.lengths, "arena": names.arena},
        "ledger": engine.ledger.tables,
        **{name: dict(one.tables) for name, one in engine.detectors.items()},
    }
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pages:
        return {
            owner: {name: _resident(pages, table.ctypes.data, table.nbytes) for name, table in tables.items()}
            for owner, tables in owners.items()
        }


def _resident(pages: io.FileIO, address: int, size: int) -> int:
    first, last = address // mmap.PAGESIZE, (address + size - 1) // mmap.PAGESIZE
    pages.seek(first * 8)
    entries = np.frombuffer(pages.read((last - first + 1) * 8), np.uint64)
    return int((entries >> np.uint64(63)).sum()) * mmap.PAGESIZE


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:] or (1_000_000, 100_000)))))
