"""Seeds, run here or shared by some processes; each seed is as alone.  (No process can be begun from a `__main__`.)"""

from __future__ import annotations

import gc
import multiprocessing
import signal
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Final

from tests.world.plan import plan_of
from tests.world.world import Outcome, run

SEEDS_OF_A_PROCESS: Final = 200  # then another takes its place: what leaks stays small


def alone(seeds: Iterator[int], faults: str | None) -> Iterator[Outcome]:
    for seed in seeds:
        yield one(seed, faults, story=True)


def together(seeds: Iterator[int], faults: str | None, workers: int, *, story: bool) -> Iterator[Outcome]:
    """As they end; a seed is given out when a process is free, so that nothing waits at the end."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, context, _ignore_signals, max_tasks_per_child=SEEDS_OF_A_PROCESS
    ) as pool:
        running: set[Future[Outcome]] = set()
        more = True
        while more or running:
            while more and len(running) < workers:
                seed = next(seeds, None)
                more = seed is not None
                if seed is not None:
                    running.add(pool.submit(one, seed, faults, story=story))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                yield each.result()


def _ignore_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def one(seed: int, faults: str | None, *, story: bool) -> Outcome:
    """One seed, whoever runs it."""
    kinds = None if faults is None else [kind for kind in faults.split(",") if kind != "none"]
    began_s = time.process_time()
    outcome = run(plan_of(seed, faults=kinds))
    outcome.cpu_s = time.process_time() - began_s
    gc.freeze()  # what is left is the program: no collection looks at it again
    if not story and not outcome.failures:
        outcome.story.clear()
    return outcome
