"""python -m tests.world --seed 12345: repeat one seed.  --seconds, --hours: fresh ones, for so long.

With --workers 2 two processes share the seeds; each seed is as alone.  Totals are printed each five minutes, and
when the run is ended before its time.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator

from tests.world.plan import EVERY
from tests.world.sharing import alone, together
from tests.world.world import Outcome

TOTAL_EVERY_S = 300.0
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

    outcomes = (
        alone(seeds(), told.faults)
        if told.workers == 1
        else together(seeds(), told.faults, told.workers, story=told.story)
    )
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


class Total:
    """Over all seeds, and by the stretch of each."""

    def __init__(self) -> None:
        self.seeds = self.failed = self.replayed = 0
        self.counts: Counter[tuple[str, str]] = Counter()  # (stretch, what)
        self.seconds = dict.fromkeys(STRETCHES, 0.0)
        self.cpu_s = dict.fromkeys(STRETCHES, 0.0)
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
        self.cpu_s[stretch] += outcome.cpu_s
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
            lines.append(
                f"  {stretch}: {self.seconds[stretch] / 3_600:.2f} hours in {self.cpu_s[stretch]:.0f} s of a processor, {counts}"
            )
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
