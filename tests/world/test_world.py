"""Some seeds that are always the same, and fresh ones for as long as KNIGHTWATCH_WORLD_S says (20 s)."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import time
from dataclasses import replace
from unittest import mock

import pytest

from tests.world.__main__ import command_of
from tests.world.flow import SECOND
from tests.world.plan import HEAL_S, MIDNIGHT_NS, plan_of
from tests.world.world import Outcome, run

FRESH_S = float(os.environ.get("KNIGHTWATCH_WORLD_S", "20"))
# Seeds that once failed (tests/TRACK_RECORD.md).
ONCE_FAILED = (116, 118, 440790210752, 956126598473, 989165865866)


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


def test_a_configuration_that_changes_or_breaks_while_it_runs():
    """Seed 875 loosens a limit while a halt of its detector is open."""
    for kind in ("reload_good", "reload_broken"):
        outcome = passed(run(plan_of(875, faults=[kind], seconds=70)), kind)
        assert outcome.faults[kind]
        assert outcome.halts


@pytest.mark.parametrize(
    ("seed", "kind", "what", "instead", "seen"),
    [
        (
            875,
            "reload_good",
            "monitor.core.reload.in_force",
            lambda _, new, __: (new, ()),
            "under an open halt",
        ),
        (7, "reload_good", "monitor.core.reload.rebuilt", lambda old, *_: old, "by other settings"),
        (875, "reload_broken", "monitor.core.engine.Engine._keep_policy", lambda *_: iter(()), "did not say"),
    ],
)
def test_a_world_that_takes_a_configuration_wrongly_fails(seed, kind, what, instead, seen):
    with mock.patch(what, instead):
        outcome = run(plan_of(seed, faults=[kind], seconds=70))
    assert any(seen in why for why in outcome.failures)


def test_a_night_over_midnight():
    plan = next(
        plan for plan in map(plan_of, range(2_000)) if plan.stretch == "night" and is_over_midnight(plan)
    )
    short = replace(plan, seconds=HEAL_S + 30, start_ns=MIDNIGHT_NS - 20 * SECOND, faults=())
    outcome = passed(run(short))
    assert outcome.seconds > HEAL_S


def is_over_midnight(plan):
    return plan.start_ns < MIDNIGHT_NS < plan.start_ns + plan.seconds * SECOND


def test_two_processes_share_the_seeds_and_each_seed_is_as_alone():
    asked = [
        sys.executable,
        "-m",
        "tests.world",
        "--seed",
        "118",
        "--runs",
        "2",
        "--faults",
        "none",
        "--story",
    ]
    told = subprocess.run([*asked, "--workers", "2"], capture_output=True, text=True, check=True).stdout
    alone = {run(plan_of(seed, faults=[])).digest[:16] for seed in (118, 119)}
    assert set(re.findall(r"passed, trace (\w+)", told)) == alone
    assert "2 seeds from 118: 0 failed" in told


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
