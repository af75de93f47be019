"""What each stage of judging costs, on batches that are decoded already: nanoseconds an event, microseconds a batch of one.

Processor time of the thread (the machine may be shared), best of several runs; each stage starts from empty
tables.  All families are armed at once, and each is timed where the engine asks it, batch by batch: the median.
A batch of one is timed whole, with no family and with all of them.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from benchmarks import flow
from benchmarks.bed import FAMILIES, LIMITS, PARTITIONS, SECOND_NS, configuration
from detectors.contract import every_detector
from detectors.names import Names
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import RecordsArrived, SourcePart
from monitor.settings import load
from monitor.settings.policy import policy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from detectors.contract import Breach, Postings
    from monitor.core.inputs import Input
    from monitor.core.policy import Policy

BATCH: Final = 4_096
START_NS: Final = 1_760_000_000 * SECOND_NS


def policy(families: Iterable[str] = FAMILIES, limits: Iterable[str] = LIMITS) -> Policy:
    """The policy that the live benchmarks' configuration makes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "knightwatch.toml"
        file.write_text(configuration(file.parent, "bench", families=families, limits=limits))
        return policy_of(load(file))


def arrivals(
    decoder: Decoder, records: Iterable[tuple[int, int, bytes]], size: int
) -> Iterator[RecordsArrived]:
    """Records in batches as a reader of four partitions hands them on; nothing is behind."""
    rows = list(records)
    offsets = np.arange(len(rows))
    for at in range(0, len(rows), size):
        some = rows[at : at + size]
        came = np.array([ts + 1_000_000 for _, ts, _ in some])
        batch = decoder.decode([value for _, _, value in some], 0, offsets[at : at + size], came).batch
        yield RecordsArrived(batch, ((0, at, at + len(some) - 1),))


def run(events: int = 200_000, ones: int = 20_000, times: int = 5) -> dict[str, Any]:
    """Every stage, alone and together."""
    records = list(flow.events(events, START_NS))
    armed, alone = tuple(every_detector()), ()
    stages: dict[str, dict[str, float]] = {"decode": _decoding(records, ones, times)}
    for name, families in (("ledger", alone), ("three", FAMILIES), ("all", armed)):
        whole = _judging(families, records, BATCH, times)
        single = _judging(families, records[:ones], 1, times)
        stages[name] = {"ns_an_event": whole, "us_a_batch_of_one": single / 1_000}
    families_ns = _each_family(armed, records, times)
    return {
        "events": events,
        "batch": BATCH,
        "partitions": PARTITIONS,
        "stages": stages,
        "families_ns_an_event": families_ns,
        "families_together": {
            "ns_an_event": sum(families_ns.values()),
            "us_a_batch_of_one": stages["all"]["us_a_batch_of_one"] - stages["ledger"]["us_a_batch_of_one"],
        },
    }


def _started(judged: Policy, records: list[tuple[int, int, bytes]], size: int) -> tuple[Engine, list[Input]]:
    """An engine with empty tables, and the batches that it is to judge."""
    engine = Engine(judged)
    engine.part_of(SourcePart("bench", 0))
    return engine, list(arrivals(Decoder(engine.names), records, size))


def _judging(families: Iterable[str], records: list[tuple[int, int, bytes]], size: int, times: int) -> float:
    """`Engine.handle` of decoded batches, nanoseconds an event."""
    judged = policy(families)

    def prepare() -> Callable[[], None]:
        engine, facts = _started(judged, records, size)

        def judge() -> None:
            for fact in facts:
                engine.handle(fact)

        return judge

    return _best_ns(prepare, len(records), times)


def _each_family(
    families: Iterable[str], records: list[tuple[int, int, bytes]], times: int
) -> dict[str, float]:
    """What the engine waits for each family's answers to a batch, nanoseconds an event.

    Raises `ValueError` if one of them has anything to say: this flow is clean.
    """
    judged = policy(families)
    best: dict[str, float] = {}
    for _ in range(times):
        engine, facts = _started(judged, records, BATCH)
        spent = dict.fromkeys(engine.detectors, 0)
        for name, detector in engine.detectors.items():
            cast("Any", detector).on_postings = _timed(detector.on_postings, name, spent)
        batches: dict[str, list[int]] = {name: [] for name in spent}
        for fact in facts[:-1]:  # the last is not a whole one
            spent.update(dict.fromkeys(spent, 0))
            engine.handle(fact)
            for name, ns in spent.items():
                batches[name].append(ns)
        for name, each in batches.items():
            median = sorted(each)[len(each) // 2] / BATCH
            best[name] = min(median, best.get(name, median))
    return dict(sorted(best.items(), key=lambda found: -found[1]))


def _timed(
    asked: Callable[[Postings], Iterator[Breach]], name: str, spent: dict[str, int]
) -> Callable[[Postings], list[Breach]]:
    def answer(postings: Postings) -> list[Breach]:
        began_ns = time.thread_time_ns()
        said = list(asked(postings))
        spent[name] += time.thread_time_ns() - began_ns
        if said:
            msg = f"{name} says of a clean flow: {said[0]}"
            raise ValueError(msg)
        return said

    return answer


def _decoding(records: list[tuple[int, int, bytes]], ones: int, times: int) -> dict[str, float]:
    values = [value for _, _, value in records]

    def of(size: int, count: int) -> Callable[[], Callable[[], None]]:
        pieces = [values[at : at + size] for at in range(0, count, size)]
        offsets = np.arange(size)

        def prepare() -> Callable[[], None]:
            decoder = Decoder(Names())

            def decode() -> None:
                for piece in pieces:
                    decoder.decode(piece, 0, offsets[: len(piece)], offsets[: len(piece)])

            return decode

        return prepare

    whole = _best_ns(of(BATCH, len(values)), len(values), times)
    return {"ns_an_event": whole, "us_a_batch_of_one": _best_ns(of(1, ones), ones, times) / 1_000}


def _best_ns(prepare: Callable[[], Callable[[], None]], events: int, times: int) -> float:
    """Best of several, after one run that warms up."""
    found = []
    for _ in range(times + 1):
        work = prepare()
        began_ns = time.thread_time_ns()
        work()
        found.append((time.thread_time_ns() - began_ns) / events)
    return min(found[1:])
