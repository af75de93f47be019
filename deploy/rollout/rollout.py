"""A roll-out in stages: declare, install, verify; at the first mismatch the stage is drained and stopped.

    python rollout.py plan.toml            every stage, the first one on a fleet that is as declared
    python rollout.py plan.toml --stage 2  go on with the second one

For each stage: the pilot limit of the build is written into the monitor's configuration, `deploy` events say
what is meant, the firm's own command installs, and `knightwatch ready` says whether every host of the role is
as declared.  Only its 0 opens the next stage.  Anything else ends the roll-out: the hosts of this stage stop
sending (`halt_new`), get time to finish what works, and are halted with what is left cancelled.  No command
ever goes to a host outside the stage: taking new code off good hosts is what made Knight's loss larger.

Status: 0 everywhere; 1 stopped, the stage halted; 2 the plan is wrong; 70 stopped, and a halt was not taken.
"""
# ruff: noqa: INP001 - a script, part of no package

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from monitor.cli.clients import roads_of
from monitor.settings import load_roads

BEGIN, END = "# rollout: pilot limit", "# rollout: end"
TOPIC: Final = "trading.telemetry.v1"
KEYS: Final = ("role", "build", "config", "operator_key", "actor", "ticket", "install", "stages")
RELOAD_S: Final = 4.0  # a monitor reads a changed file within three seconds


class PlanError(ValueError):
    """The plan cannot be followed; says where and why."""


class MismatchError(Exception):
    """A host is not as declared, or nobody knows."""


@dataclass(frozen=True)
class Stage:
    """Hosts that change together, and how much their build may hold while they are the last ones."""

    hosts: tuple[str, ...]
    limit: str  # keys of the pilot limit, as TOML: "gross = 1_000_000"


@dataclass(frozen=True)
class Plan:
    """What is rolled out, where, in which order, and who answers for it."""

    role: str
    build: str
    config: Path
    operator_key: Path
    actor: str
    ticket: str
    install: tuple[str, ...]
    stages: tuple[Stage, ...]
    drain_s: float
    wait: str
    knightwatch: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Plan:
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as wrong:
            raise PlanError(f"{path}: {wrong}") from wrong
        if missing := [key for key in KEYS if not raw.get(key)]:
            raise PlanError(f"{path}: says nothing of {', '.join(missing)}")
        stages = tuple(Stage(tuple(one.get("hosts", ())), str(one.get("limit", ""))) for one in raw["stages"])
        hosts = [host for stage in stages for host in stage.hosts]
        if twice := sorted({host for host in hosts if hosts.count(host) > 1}):
            raise PlanError(f"{path}: {', '.join(twice)} in two stages; name each host once")
        if empty := [
            str(number) for number, stage in enumerate(stages, 1) if not stage.hosts or not stage.limit
        ]:
            raise PlanError(f"{path}: stage {', '.join(empty)} needs hosts and limit")
        return cls(
            **{key: raw[key] for key in ("role", "build", "actor", "ticket")},
            config=Path(raw["config"]),
            operator_key=Path(raw["operator_key"]),
            install=tuple(raw["install"]),
            stages=stages,
            drain_s=float(raw.get("drain_s", 30)),
            wait=str(raw.get("wait", "60s")),
            knightwatch=tuple(raw.get("knightwatch", ("knightwatch",))),
        )

    def from_stage(self, number: int) -> tuple[Stage, ...]:
        if not 1 <= number <= len(self.stages):
            raise PlanError(f"--stage: there are {len(self.stages)}")
        return self.stages[number - 1 :]


def main() -> int:
    reader = argparse.ArgumentParser(description="Roll a build out in stages.")
    reader.add_argument("plan", type=Path)
    reader.add_argument("--stage", type=int, default=1, help="begin with this one")
    asked = reader.parse_args()
    try:
        plan = Plan.read(asked.plan)
        plan.from_stage(asked.stage)
        before = plan.config.read_text(encoding="utf-8")
        pilot_written(before, "")
        verify(plan)
    except (PlanError, OSError) as wrong:
        say(f"nothing was begun: {wrong}")
        return 2
    except MismatchError as wrong:
        say(f"nothing was begun, the fleet is not as declared: {wrong}")
        return 1
    for number, stage in enumerate(plan.from_stage(asked.stage), asked.stage):
        say(f"stage {number} of {len(plan.stages)}: {', '.join(stage.hosts)}")
        before = plan.config.read_text(encoding="utf-8")
        try:
            limit_to(plan, stage)
            roll_out(plan, stage)
            verify(plan)
        except Exception as wrong:  # noqa: BLE001 - whatever it was, this stage must not trade
            say(f"stage {number} failed: {wrong}")
            return roll_back(plan, stage, before)
    try:
        verify(plan, "--build", plan.build)
    except MismatchError as wrong:
        say(f"every stage is done and not every host runs {plan.build}: {wrong}")
        return 1
    say(f"{plan.build} runs everywhere; write it into the manifest")
    return 0


# -- a stage -----------------------------------------------------------------------------------------


def limit_to(plan: Plan, stage: Stage) -> None:
    """Put the stage's pilot limit in force: checked, then renamed over the file that the monitor reads."""
    row = f'{{ scope = "build={plan.build}", {stage.limit} }},'
    put(plan, pilot_written(plan.config.read_text(encoding="utf-8"), row))
    time.sleep(RELOAD_S)


def pilot_written(text: str, row: str) -> str:
    """The configuration with this row between the two marks."""
    lines = text.splitlines()
    places = [n for n, line in enumerate(lines) if line.strip() in (BEGIN, END)]
    if len(places) != 2 or lines[places[0]].strip() != BEGIN:
        raise PlanError(f"the configuration has no lines {BEGIN!r} and {END!r} among its limits")
    between = [f"  {row}"] if row else []
    return "\n".join([*lines[: places[0] + 1], *between, *lines[places[1] :]]) + "\n"


def put(plan: Plan, text: str) -> None:
    written = plan.config.with_name(plan.config.name + ".rollout")
    written.write_text(text, encoding="utf-8")
    checked = command(plan, "config", "show", "-c", str(written))
    if checked.returncode:
        raise MismatchError(f"the configuration with its pilot limit is wrong: {checked.stderr.strip()}")
    written.replace(plan.config)


def roll_out(plan: Plan, stage: Stage) -> None:
    """Say what is meant, do it, say that it was done; the hosts' own heartbeats are what counts."""
    declare(plan, stage.hosts, "planned")
    for host in stage.hosts:
        declare(plan, [host], "started")
        words = [word.format(host=host, build=plan.build) for word in plan.install]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - the plan's own words
        if done.returncode:
            raise MismatchError(f"{host}: {words[0]} ended with {done.returncode}: {done.stderr.strip()}")
        declare(plan, [host], "done")


def verify(plan: Plan, *more: str) -> None:
    """Ask the gate; its table goes to whoever watches."""
    asked = ("ready", "--role", plan.role, "--wait", plan.wait, "-c", str(plan.config), *more)
    answer = command(plan, *asked)
    say((answer.stdout + answer.stderr).rstrip())
    if answer.returncode:
        raise MismatchError(f"knightwatch ready ended with {answer.returncode}")


def roll_back(plan: Plan, stage: Stage, before: str) -> int:
    """Drain and halt this stage's hosts, and no other; its limit is again what it was."""
    taken = [stop(plan, host, "halt_new") for host in stage.hosts]
    time.sleep(plan.drain_s)
    taken += [stop(plan, host, "halt_cancel") for host in stage.hosts]
    try:
        declare(plan, stage.hosts, "rolled_back")
        put(plan, before)
    except Exception as wrong:  # noqa: BLE001 - the halts stand; what was not told is told by hand
        say(f"the roll-back is not declared, or the limit not restored: {wrong}")
    if not all(taken):
        say("NOT EVERY HALT WAS TAKEN: stop these hosts at the gateway by hand, now")
        return 70
    say(f"halted: {', '.join(stage.hosts)}; two people resume them, when they run what is declared")
    return 1


def stop(plan: Plan, host: str, level: str) -> bool:
    why = f"roll-out of {plan.build} ({plan.ticket}) stopped"
    words = ("--scope", f"host={host}", "--level", level, "--reason", why, "--key", str(plan.operator_key))
    said = command(plan, "halt", *words, "--who", plan.actor, "-c", str(plan.config))
    say((said.stdout + said.stderr).rstrip())
    return said.returncode == 0


# -- the world ---------------------------------------------------------------------------------------


def declare(plan: Plan, hosts: tuple[str, ...] | list[str], phase: str) -> None:
    asyncio.run(_declare(plan, hosts, phase))


async def _declare(plan: Plan, hosts: tuple[str, ...] | list[str], phase: str) -> None:
    client, _ = roads_of(load_roads(plan.config), "rollout")
    producer = AIOKafkaProducer(**client, acks="all")
    await producer.start()
    try:
        for host in hosts:
            event: dict[str, Any] = {
                "kind": "deploy", "ts": time.time_ns(), "source": "fleet", "host": host, "build": plan.build,
                "role": plan.role, "phase": phase, "actor": plan.actor, "ticket": plan.ticket,
            }  # fmt: skip
            await producer.send_and_wait(TOPIC, json.dumps(event).encode(), key=host.encode())
    finally:
        await producer.stop()


def command(plan: Plan, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*plan.knightwatch, *words], capture_output=True, text=True, check=False)  # noqa: S603


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
