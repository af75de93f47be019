"""What a snapshot costs who judges, with a million live orders: the pause, the slower seconds, the way back.

    python -m benchmarks.snapshot [ORDERS PARENTS]

A monitor's memory is filled as `benchmarks.memory` does it.  Then an ordinary morning of 10,000 events a second is
judged, beside it a snapshot is written by a child, as the shell does it: how long nobody could judge, what an event and
the slowest batch cost before, during and after, how much memory the child added.  At last the file is read back.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

from benchmarks import flow
from benchmarks.bed import FAMILIES, SECOND_NS, side
from benchmarks.flow import STEP_NS
from benchmarks.memory import MB, WIDE, live_orders
from benchmarks.stages import START_NS, arrivals, policy
from monitor import serve
from monitor.core import snapshot
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import RecordsArrived, SourcePart
from monitor.edge.allocator import map_tables_apart
from monitor.edge.store import Store
from monitor.warm import warm_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from monitor.core.policy import Policy

BATCH: Final = 4_096
SMALL: Final = 64  # events of a batch while it is saved, one each 6.4 ms
SAVES: Final = 5
MORNING: Final = 100_000_000  # more than is ever asked for
APART_S: Final = 1.0  # between two saves, to see the speed after one


def run(orders: int = 1_000_000, parents: int = 100_000) -> dict[str, Any]:
    return side("benchmarks.snapshot", orders, parents)


def filled(judged: Policy, orders: int, parents: int) -> Engine:
    """An engine that knows them all."""
    engine = Engine(judged)
    decoder = Decoder(engine.names)
    engine.part_of(SourcePart("bench", 0))
    stream, at = live_orders(orders, parents), 0
    while records := list(islice(stream, BATCH)):
        lines = np.arange(at, at + len(records))
        came = START_NS + lines * STEP_NS
        batch = decoder.decode(records, 0, lines, came).batch
        engine.handle(RecordsArrived(batch, ((0, at, at + len(records) - 1),)))
        at += len(records)
    return engine


async def measure(orders: int, parents: int) -> dict[str, Any]:
    map_tables_apart()
    warm_up(FAMILIES)
    serve._settle_garbage()
    judged = policy(FAMILIES, WIDE)
    engine = filled(judged, orders, parents)
    facts = morning(Decoder(engine.names))
    ns_an_event: dict[str, list[float]] = {"before": [], "during": [], "after": []}
    slowest_ms: dict[str, list[float]] = {"before": [], "during": [], "after": []}
    pauses, took, added = [], [], []

    async def judging(when: str, until: Awaitable[Any]) -> None:
        cost_ns, slowest_s, child_mb = await _judging(engine, facts, until)
        ns_an_event[when].append(cost_ns)
        slowest_ms[when].append(1e3 * slowest_s)
        added.append(child_mb)

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        await judging("before", asyncio.sleep(APART_S))
        await judging("before", asyncio.sleep(APART_S))
        for number in range(SAVES):
            began_s = time.perf_counter()
            saving = asyncio.ensure_future(store.save(lambda: snapshot.encode(engine.views()), number))
            await judging("during", saving)
            took.append(time.perf_counter() - began_s)
            pauses.append(saving.result())
            await judging("after", asyncio.sleep(APART_S))
        size = _size_of_newest(Path(folder))
        resident = psutil.Process().memory_info().rss
        began_s = time.perf_counter()
        again, _ = store.load(lambda raw: _restored(raw, judged), snapshot.BadSnapshot)
        back_s = time.perf_counter() - began_s
    assert again is not None
    assert again.next_offsets
    return {
        "orders": orders,
        "snapshot_mb": size / MB,
        "resident_mb": resident / MB,
        "fork_ms": {"median": 1e3 * float(np.median(pauses)), "most": 1e3 * max(pauses)},
        "save_s": {"median": float(np.median(took)), "most": max(took)},
        "child_own_mb": max(added),
        "judging_ns_an_event": {when: round(float(np.median(found))) for when, found in ns_an_event.items()},
        "slowest_batch_ms": {when: max(found) for when, found in slowest_ms.items()},
        "restore_s": back_s,
    }


def morning(decoder: Decoder) -> Iterator[RecordsArrived]:
    """Ordinary events in small batches, for as long as somebody asks."""
    records = flow.events(MORNING, START_NS + 1_000 * SECOND_NS, name="M")
    while some := list(islice(records, SMALL)):
        yield from arrivals(decoder, some, SMALL)


def _restored(raw: bytes, judged: Policy) -> Engine:
    engine = Engine(judged)
    engine.restore(snapshot.decode(raw))
    return engine


async def _judging(
    engine: Engine, facts: Iterator[RecordsArrived], until: Awaitable[Any]
) -> tuple[float, float, float]:
    """Nanoseconds an event, the slowest batch in seconds, the child's own memory, until something is done."""
    waited = asyncio.ensure_future(until)
    await asyncio.sleep(0)
    due_s, done, judging_s, slowest_s, child_mb = time.perf_counter(), 0, 0.0, 0.0, 0.0
    while not waited.done():
        fact = next(facts)
        at_s = time.perf_counter()
        engine.handle(fact)
        took_s = time.perf_counter() - at_s
        judging_s += took_s
        slowest_s = max(slowest_s, took_s)
        done += len(fact.batch)
        if done % (SMALL * 256) == 0:
            child_mb = max([child_mb, *map(_own_mb, psutil.Process().children())])
        due_s += SMALL * STEP_NS / SECOND_NS
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
    return 1e9 * judging_s / done, slowest_s, child_mb


def _size_of_newest(folder: Path) -> int:
    return max(folder.glob("*.kws")).stat().st_size


def _own_mb(child: psutil.Process) -> float:
    try:
        return float(child.memory_full_info().uss) / MB
    except psutil.Error:
        return 0.0


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(*map(int, sys.argv[1:] or (1_000_000, 100_000))))))
