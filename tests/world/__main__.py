"""python -m tests.world --seed 12345: repeat one seed.  --seconds, --hours: fresh ones, for so long.

With --workers 2 two processes share the seeds; each seed is as alone.  Totals are printed each five minutes, and
when the run is ended before its time.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from tests.world.plan import EVERY, plan_of
from tests.world.world import Outcome, run

TOTAL_EVERY_S = 300.0
SEEDS_OF_A_PROCESS = 200  # then another takes its place: what leaks stays small
STRETCHES = ("day", "long", "night")


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__)
    asked.add_argument("--seed", type=int, help="of the one run, or the first of many")
    asked.add_argument("--runs", type=int, help="how many seeds, from --seed on")
    asked.add_argument("--seconds", type=float, default=0.0, help="go on with fresh seeds for so long")
    asked.add_argument("--hours", type=float, default=0.0, help="the same in hours")
    asked.add_argument("--simulated", type=float, help="end when so many hours are simulated")
    asked.add_argument("--workers", type=int, default=1, help="processes that share the seeds")
    asked.add_argument("--faults", help="none, or kinds by comma: " + ", ".join(EVERY))
    asked.add_argument("--story", action="store_true", help="print what happened")
    told = asked.parse_args()
    for_s = told.seconds + told.hours * 3_600
    first = told.seed if told.seed is not None else secrets.randbelow(1 << 40)
    count = told.runs or (1 if not (for_s or told.simulated) else None)
    began_s = said_s = time.monotonic()
    total = Total()
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def seeds() -> Iterator[int]:
        number = 0
        while (count is None or number < count) and (not for_s or time.monotonic() - began_s < for_s):
            if told.simulated and total.hours >= told.simulated:
                return
            yield first + number
            number += 1

    outcomes = _alone(seeds(), told.faults) if told.workers == 1 else _together(seeds(), told)
    try:
        for outcome in outcomes:
            total.add(outcome)
            show(outcome, told.faults, story=told.story)
            if time.monotonic() - said_s >= TOTAL_EVERY_S:
                said_s = time.monotonic()
                print(total.words(said_s - began_s, first))
            sys.stdout.flush()
            print(f"{total.seeds} seeds, {total.failed} failed", end="\r", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("ended before its time")
    print(total.words(time.monotonic() - began_s, first), flush=True)
    return int(total.failed > 0)


def _alone(seeds: Iterator[int], faults: str | None) -> Iterator[Outcome]:
    for seed in seeds:
        yield one(seed, faults, story=True)


def _together(seeds: Iterator[int], told: argparse.Namespace) -> Iterator[Outcome]:
    """As they end; a seed is given out when a process is free, so that nothing waits at the end."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        told.workers, context, _ignore_signals, max_tasks_per_child=SEEDS_OF_A_PROCESS
    ) as pool:
        running: set[Future[Outcome]] = set()
        more = True
        while more or running:
            while more and len(running) < told.workers:
                seed = next(seeds, None)
                more = seed is not None
                if seed is not None:
                    running.add(pool.submit(one, seed, told.faults, story=told.story))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                yield each.result()


def _ignore_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def one(seed: int, faults: str | None, *, story: bool) -> Outcome:
    """One seed, whoever runs it."""
    kinds = None if faults is None else [kind for kind in faults.split(",") if kind != "none"]
    outcome = run(plan_of(seed, faults=kinds))
    gc.freeze()  # what is left is the program: no collection looks at it again
    if not story and not outcome.failures:
        outcome.story.clear()
    return outcome


class Total:
    """Over all seeds, and by the stretch of each."""

    def __init__(self) -> None:
        self.seeds = self.failed = self.replayed = 0
        self.counts: Counter[tuple[str, str]] = Counter()  # (stretch, what)
        self.seconds = dict.fromkeys(STRETCHES, 0.0)
        self.faults: Counter[str] = Counter()

    @property
    def hours(self) -> float:
        return sum(self.seconds.values()) / 3_600

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.failed += bool(outcome.failures)
        self.replayed += outcome.replayed
        self.faults += outcome.faults
        stretch = outcome.plan.stretch
        self.seconds[stretch] += outcome.seconds
        counted = {
            "seeds": 1, "events": outcome.events, "restarts": outcome.kills, "halts": outcome.halts,
            "faults": outcome.faults.total(),
        }  # fmt: skip
        for what, number in counted.items():
            self.counts[stretch, what] += number

    def words(self, took_s: float, first: int) -> str:
        whole = (
            f"{self.seeds} seeds from {first}: {self.failed} failed; {self.hours:.2f} simulated hours in "
            f"{took_s:.0f} s, {self._of('events')} events, {self._of('restarts')} restarts, "
            f"{self._of('halts')} halts, {self.replayed} facts judged again"
        )
        lines = [whole]
        for stretch in STRETCHES:
            counts = ", ".join(
                f"{self.counts[stretch, what]} {what}"
                for what in ("seeds", "events", "restarts", "faults", "halts")
            )
            lines.append(f"  {stretch}: {self.seconds[stretch] / 3_600:.2f} hours, {counts}")
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
        return "\n".join([*lines, f"faults: {faults or 'none'}"])

    def _of(self, what: str) -> int:
        return sum(self.counts[stretch, what] for stretch in STRETCHES)


def command_of(outcome: Outcome, faults: str | None) -> str:
    return f"python -m tests.world --seed {outcome.plan.seed}" + (f" --faults {faults}" if faults else "")


def show(outcome: Outcome, faults: str | None, *, story: bool) -> None:
    if story:
        print("\n".join(outcome.story))
    if outcome.failures:
        print(f"seed {outcome.plan.seed} failed; repeat it: {command_of(outcome, faults)}")
        for why in outcome.failures[:20]:
            print(f"  {why}")
    elif story:
        print(f"seed {outcome.plan.seed} passed, trace {outcome.digest[:16]}")


if __name__ == "__main__":
    sys.exit(main())
