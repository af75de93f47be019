"""Some seeds that are always the same, and fresh ones for as long as KNIGHTWATCH_WORLD_S says (20 s)."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time

import pytest

from tests.world.__main__ import command_of
from tests.world.plan import plan_of
from tests.world.world import Outcome, run

FRESH_S = float(os.environ.get("KNIGHTWATCH_WORLD_S", "20"))
# Seeds that once failed (tests/TRACK_RECORD.md).
ONCE_FAILED = (116, 118)


def passed(outcome: Outcome, faults: str | None = None) -> Outcome:
    assert not outcome.failures, "\n".join([command_of(outcome, faults), *outcome.failures])
    return outcome


@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_a_seed_that_failed_once_never_does_again(seed):
    passed(run(plan_of(seed)))


def test_without_faults_the_runaways_are_halted_and_nothing_else_is():
    found = [passed(run(plan_of(seed, faults=[], seconds=90)), "none") for seed in (5, 39)]
    assert all(outcome.plan.runaways and outcome.halts for outcome in found)


def test_killed_again_and_again_everything_comes_out_the_same():
    kinds = "kill,kill_at_disk_step,kill_at_halt,power_loss"
    outcome = passed(run(plan_of(2, faults=kinds.split(","))), kinds)
    assert outcome.kills >= 3


def test_nobody_says_judging_before_what_came_meanwhile_is_read():
    """Seed 300 failed so when neither a start, nor a feed that is back, nor a stop of our own was a doubt."""
    kinds = "kill,pause,kafka_down"
    outcome = passed(run(plan_of(300, faults=kinds.split(","), seconds=80)), kinds)
    assert outcome.kills


def test_a_stuck_pager_changes_no_halting_time():
    calm = passed(run(plan_of(6, faults=[], seconds=90)), "none")
    stuck = passed(
        run(plan_of(6, faults=["pager_stuck", "pager_failing"], seconds=90)), "pager_stuck,pager_failing"
    )
    assert stuck.faults["pager_stuck"] >= 1
    assert calm.halted == stuck.halted != {}


def test_the_same_seed_gives_the_same_trace_in_another_process_too():
    here = run(plan_of(118, seconds=70))
    program = (
        "from tests.world.plan import plan_of; from tests.world.world import run;"
        "print(run(plan_of(118, seconds=70)).digest)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    there = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here.digest
    assert run(plan_of(119, seconds=70)).digest != here.digest


def test_a_world_in_which_a_halt_is_lost_fails():
    """The checkers see what they are for."""
    outcome = run(plan_of(39, faults=[], seconds=90), deaf_gateways=True)
    assert any("does not hold" in why for why in outcome.failures)


def test_fresh_seeds():
    first = secrets.randbelow(1 << 40)
    print(f"fresh seeds from {first}")
    began_s, seed = time.monotonic(), first
    while time.monotonic() - began_s < FRESH_S or seed == first:
        passed(run(plan_of(seed)))
        seed += 1
