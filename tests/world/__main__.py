"""python -m tests.world --seed 12345: repeat one seed.  --seconds, --hours: fresh ones, for so long."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter

from tests.world.plan import KINDS, LOSING, plan_of
from tests.world.world import Outcome, run


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__)
    asked.add_argument("--seed", type=int, help="of the one run, or the first of many")
    asked.add_argument("--runs", type=int, help="how many seeds, from --seed on")
    asked.add_argument("--seconds", type=float, default=0.0, help="go on with fresh seeds for so long")
    asked.add_argument("--hours", type=float, default=0.0, help="the same in hours")
    asked.add_argument("--faults", help="none, or kinds by comma: " + ", ".join([*KINDS, *LOSING]))
    asked.add_argument("--story", action="store_true", help="print what happened")
    told = asked.parse_args()
    kinds = None if told.faults is None else [k for k in told.faults.split(",") if k != "none"]
    for_s = told.seconds + told.hours * 3_600
    first = told.seed if told.seed is not None else secrets.randbelow(1 << 40)
    count = told.runs or (1 if not for_s else None)
    began_s = time.monotonic()
    total, failed = Total(), 0
    number = 0
    while (count is None or number < count) and (not for_s or time.monotonic() - began_s < for_s):
        outcome = run(plan_of(first + number, faults=kinds))
        total.add(outcome)
        failed += bool(outcome.failures)
        show(outcome, told.faults, story=told.story)
        sys.stdout.flush()
        number += 1
        print(f"{number} seeds, {failed} failed", end="\r", file=sys.stderr, flush=True)
    print(total.words(time.monotonic() - began_s, first))
    return int(failed > 0)


class Total:
    """Over all seeds."""

    def __init__(self) -> None:
        self.seeds = self.failed = self.events = self.lives = self.kills = self.halts = self.replayed = 0
        self.seconds = 0.0
        self.faults: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.failed += bool(outcome.failures)
        self.seconds += outcome.seconds
        self.events += outcome.events
        self.lives += outcome.lives
        self.kills += outcome.kills
        self.halts += outcome.halts
        self.replayed += outcome.replayed
        self.faults += outcome.faults

    def words(self, took_s: float, first: int) -> str:
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
        return (
            f"{self.seeds} seeds from {first}: {self.failed} failed; {self.seconds / 3_600:.2f} simulated hours in "
            f"{took_s:.0f} s, {self.events} events, {self.kills} restarts, {self.halts} halts, "
            f"{self.replayed} facts judged again\nfaults: {faults or 'none'}"
        )


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
