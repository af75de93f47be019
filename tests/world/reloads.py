"""The configuration's file of each machine, changed while its monitor runs: for better, for worse, and broken.

What must come of it: a file that is read is in force for all detectors at once, and no limit of a detector with an
open halt is higher than it was; a broken one changes nothing, and somebody is paged.  A life begins with the file
as it was at first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from monitor.core.policy import Policy
from monitor.edge.config_file import ConfigFile, Look
from monitor.settings import Config, load_text
from tests.world.flow import GROSS_OF_SMALL

if TYPE_CHECKING:
    from tests.world.plan import Fault
    from tests.world.processes import Host, Life
    from tests.world.world import World

TAKEN_S: Final = 4.0  # two looks of a second, a stuck moment, and the rounding of both
SIGHUP: Final = 2  # each second one comes by a signal, the others are seen by the file
PATH: Final = "/{issuer}/watch.toml"
SMALL: Final = f"gross = {GROSS_OF_SMALL}, net = {GROSS_OF_SMALL}"
LOOSENED: Final = (SMALL, "gross = 90_000_000, net = 90_000_000")
GOOD: Final = (
    ("messages_per_s = 2_000", "messages_per_s = 2_500"),
    ("daily = 20_000_000_000", "daily = 15_000_000_000"),
    ("gross = 20_000_000_000", "gross = 30_000_000_000"),
    LOOSENED,
)
BROKEN: Final = (
    ('mode = "armed"', 'mode = "armd"'),
    ("[detectors.loss]", "[detectors.loss"),
    ("[detectors.rate]", "[detectors.rates]"),
    ('[pages]\nalertmanager_urls = ["http://pager"]', '[pages]\nalertmanager_urls = ["http://other"]'),
    ("messages_per_s = 2_000", "messages_per_s = -1"),
)


class File:
    """One machine's configuration file."""

    def __init__(self, text: str) -> None:
        self.text = self.first = text
        self.version = 1

    def put(self, text: str) -> None:
        self.text = text
        self.version += 1


def simulated(world: World) -> dict[str, Any]:
    """What stands in `monitor.reloading` for the real file and its reading."""

    class Watched(ConfigFile):
        def _look(self) -> Look:
            file = _file(self.path)
            return 1, len(file.text), file.version

    def load(path: Path) -> Config:
        return load_text(_file(path).text, str(path))

    def _file(path: Path) -> File:
        return world.host_of(path.parent.name).file

    return {"ConfigFile": Watched, "load": load}


class Taken:
    """What one life made of what it read; told by its trail's lines."""

    def __init__(self) -> None:
        self.changed = self.kept = self.paged = 0
        self.policy: Policy | None = None

    def line(self, life: Life, what: str, fields: Mapping[str, Any]) -> None:
        if what == "policy.kept":
            self.kept += 1
        elif what == "page.commanded" and fields["key"] == "self/reload" and not fields["resolved"]:
            self.paged += 1
        if what not in ("policy.changed", "lease.commanded") or life.monitor is None:
            return
        engine, world = life.monitor.engine, life.world
        before, self.policy = self.policy, engine.policy
        for name, detector in engine.detectors.items():
            if detector.settings != engine.policy.detectors[name].settings:
                world.fail(f"{life.host.name}: {name} judges by other settings than its policy says")
        if what == "lease.commanded":
            if before is not None and before is not engine.policy:
                world.fail(f"{life.host.name} changed its policy without a word")
            return
        self.changed += 1
        if fields["digest"] != engine.policy.digest:
            world.fail(f"{life.host.name} names a policy that is not in force")
        for name in {str(halt["detector"]) for halt in engine.halts.open.values()}:
            for key in loosened(before, engine.policy, name):
                world.fail(f"{life.host.name} raised {name} {key} under an open halt")


def loosened(before: Policy | None, after: Policy, name: str) -> list[str]:
    """Limits of one detector that are higher than before, or gone."""
    if before is None or name not in before.detectors:
        return []
    old, new = (
        {
            (row["scope"], key): value
            for row in getattr(policy.detectors[name].settings, "limit", ())
            for key, value in row.items()
            if key != "scope"
        }
        for policy in (before, after)
    )
    return [
        " ".join(place)
        for place, value in old.items()
        if isinstance(value, (int, float)) and not new.get(place, value + 1) <= value
    ]


async def reload(world: World, host: Host, life: Life, fault: Fault, *, broken: bool) -> bool:
    """Another file for a while, and the first one again."""
    choices = BROKEN if broken else GOOD
    change = choices[fault.number // 7 % len(choices)]
    if change is LOOSENED and not _small_is_halted(world, life):
        change = GOOD[0]  # else the runaway would rightly not be halted
    assert life.monitor is not None
    policy, taken = life.monitor.engine.policy, life.taken
    before = taken.changed, taken.kept, taken.paged
    host.file.put(host.file.first.replace(*change, 1))
    if fault.number % SIGHUP:
        life.monitor.read_configuration()
    await asyncio.sleep(max(fault.for_s, TAKEN_S))
    if life.alive and not life.was_stopped and life.monitor.ready.is_set():
        _judge(world, life, policy, before, broken=broken, change=change)
    host.file.put(host.file.first)
    return True


def _judge(
    world: World,
    life: Life,
    policy: Policy,
    before: tuple[int, ...],
    *,
    broken: bool,
    change: tuple[str, str],
) -> None:
    assert life.monitor is not None
    taken, engine, name = life.taken, life.monitor.engine, life.host.name
    is_broken = b"knightwatch_config_broken 1.0" in life.monitor.metrics.exposition()
    if is_broken is not broken:
        world.fail(f"{name}: its metric says the opposite of what its file is: {change[1]!r}")
    if broken:
        if (taken.kept, taken.paged) <= before[1:] or taken.kept == before[1]:
            world.fail(f"{name} did not say that its file is broken: {change[1]!r}")
        if taken.changed != before[0] or engine.policy is not policy:
            world.fail(f"{name} judges by another policy after a broken file: {change[1]!r}")
    elif taken.changed == before[0]:
        world.fail(f"{name} did not take its file: {change[1]!r}")
    elif change is LOOSENED and loosened(policy, engine.policy, "exposure"):
        world.fail(f"{name} loosened a limit under an open halt")


def _small_is_halted(world: World, life: Life) -> bool:
    reasons = {key[1] for key in world.watch.decided if key[0] == "exposure"}
    monitor = life.monitor
    opened = monitor is not None and any(
        halt["detector"] == "exposure" for halt in monitor.engine.halts.open.values()
    )
    return opened and {"gross", "net"} <= reasons
