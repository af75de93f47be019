"""One simulated world: a firm, its brokers, one or two monitors, gateways; faults; and what must hold.

run(plan) -> Outcome        the same plan, the same outcome, to the last byte of its trace
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import hashlib
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.core.roads import ACKS, COMMANDS, LEASES, STATES
from monitor.edge.allocator import map_tables_apart
from monitor.settings import Config, load_text
from monitor.settings.policy import policy_of
from tests.world.chance import Chance
from tests.world.ends import simulated
from tests.world.faults import Faults
from tests.world.firm import Firm
from tests.world.flow import GROSS_OF_SMALL, REFERENCE, SECOND, TELEMETRY, Flow, Key, Told
from tests.world.gateways import SITE, Gateway
from tests.world.kafka import Cluster
from tests.world.keys import GATEWAYS, MONITORS, keys
from tests.world.loop import PROCESS, VirtualLoop
from tests.world.mqtt import Broker
from tests.world.pagers import Pagers
from tests.world.plan import HEAL_S, Plan
from tests.world.processes import Host, Life
from tests.world.reference import Reference
from tests.world.reloads import PATH
from tests.world.verdict import judge
from tests.world.watch import Watch

SETTLE_S: Final = 5.0  # after the last event
LATE_NS: Final = 15_000_000  # of an event in the reference
IDLE_MAX: Final = 3.5  # with the rarest delay and an upkeep an answer still comes within a second: no silence

CONFIG: Final = """\
site = "{site}"
env = "{site}"
issuer = "{issuer}"
[keys]
signing_key_file = "{folder}/{issuer}.key"
pinned_keys_file = "{folder}/pinned.toml"
[pages]
alertmanager_urls = ["http://pager"]
[telemetry]
session_start = "12:00"
witnesses = ["parent_fill", "order_ack"]
parented = [{{}}]
[detectors.child_parent]
mode = "armed"
[detectors.fill_gap]
mode = "armed"
[detectors.exposure]
mode = "armed"
limit = [
  {{ scope = "account=*", gross = 20_000_000_000, net = 20_000_000_000 }},
  {{ scope = "account=x-exposure", gross = {small}, net = {small} }},
]
[detectors.loss]
mode = "armed"
limit = [{{ scope = "account=*", daily = 20_000_000_000 }}]
[detectors.rate]
mode = "armed"
limit = [{{ scope = "session=*", messages_per_s = 2_000 }}]
[detectors.control]
mode = "armed"
[detectors.self_cycle]
mode = "armed"
[detectors.storm]
mode = "armed"
"""
# Not `leak`: nobody in this world obeys, so each halt leaks.  Not `repeat`: a runaway repeats itself as well.
# Not `sanity`: a night has a mark each 40 s, so that prices there are rightly stale.


def text_of(issuer: str) -> str:
    return CONFIG.format(site=SITE, issuer=issuer, folder=keys().folder, small=GROSS_OF_SMALL)


def config_of(issuer: str) -> Config:
    return load_text(text_of(issuer), PATH.format(issuer=issuer))


@dataclass(slots=True)
class Outcome:
    """What came of one seed."""

    plan: Plan
    failures: list[str] = field(default_factory=list)
    digest: str = ""
    seconds: float = 0.0  # simulated
    events: int = 0
    lives: int = 0
    kills: int = 0
    halts: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    halted: dict[Key, int] = field(default_factory=dict)  # what, and when (simulated)
    replayed: int = 0  # facts judged again from trails
    cpu_s: float = 0.0  # of the processor that ran it


class World:
    """Made for one run."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.chance = plan, Chance(plan.seed)
        self.start_ns = plan.start_ns
        self.loop = VirtualLoop()
        self.failures: list[str] = []
        self.story: list[str] = []
        self.replayed = 0  # facts that were judged again from a trail
        self._digest = hashlib.sha256()
        self.kafka = Cluster(self.loop, self.now_ns, self.chance.of("kafka"))
        self.kafka.idle = min(plan.tick_s * 10, IDLE_MAX)
        self.mqtt = Broker(self.loop, self.chance.of("mqtt"))
        self.pagers = Pagers(self.chance.of("pagers"))
        self.topics = {TELEMETRY: plan.parts, REFERENCE: 1}
        for topic, parts in {
            **self.topics,
            COMMANDS: 1,
            STATES: 1,
            LEASES: 1,
            ACKS: 1,
            "risk.dlq.v1": 1,
        }.items():
            self.kafka.make(topic, parts)
        self.watch = Watch(self)
        self.faults = Faults(self)
        end_ns = self.start_ns + int(plan.seconds * SECOND)
        self.flow = Flow(
            self.chance.of("flow"), self.start_ns, end_ns, plan.parts, plan.runaways, plan.pace_s,
            int(HEAL_S * SECOND),
        )  # fmt: skip
        self.firm = Firm(self, self.flow.events(), self.chance.of("firm"))
        self.hosts = [Host(self, name, config_of(name), text_of(name)) for name in MONITORS[: plan.monitors]]
        self.gateways = [Gateway(self, name) for name in GATEWAYS[: plan.gateways]]
        self._background: set[asyncio.Task[Any]] = set()

    # -- what everybody asks

    def now_ns(self) -> int:
        return self.start_ns + self.loop.now_ns

    def host_of(self, issuer: str) -> Host:
        return next(host for host in self.hosts if host.name == issuer)

    def unread(self, life: Life) -> Iterator[tuple[str, int]]:
        """What this life cannot judge now, and since when: silent brokers, and records that it has not read."""
        yield from self.faults.outages.items()
        positions = life.positions()
        for topic, partitions in self.topics.items():
            for partition in range(partitions):
                log = self.kafka.topics[topic].logs[partition]
                first = log.read(positions.get((topic, partition), 0), 1)
                if first:
                    yield (
                        f"{topic}/{partition} is not read from {first[0].offset}",
                        first[0].at_ns - self.start_ns,
                    )

    # -- what is noted

    def trace(self, what: str, raw: bytes) -> None:
        self._digest.update(b"%d %s %b\n" % (self.loop.now_ns, what.encode(), raw))

    def happened(self, what: str, detail: str) -> None:
        process = PROCESS.get()
        if process is not None and not process.alive:
            return
        self.trace(what, detail.encode())
        self.story.append(f"{self.loop.time():10.4f}  {what}: {detail}")

    def fail(self, why: str, broken: BaseException | None = None) -> None:
        told = f"at {self.loop.time():.3f} s: {why}"
        if broken is not None:
            told += "\n" + "".join(traceback.format_exception(broken))
        self.failures.append(told)

    # -- the run

    async def _run(self) -> None:
        for gateway in self.gateways:
            gateway.start()
        works = [
            *(host.run() for host in self.hosts),
            *(self.faults.run(fault) for fault in self.plan.faults),
        ]
        self._background |= {self.loop.create_task(work) for work in works}
        await asyncio.wait(self.firm.tasks())
        await asyncio.sleep(max(0.0, self.plan.seconds + SETTLE_S - self.loop.time()))
        reference = Reference(policy_of(self.hosts[0].config), int(self.plan.tick_s * SECOND))
        reference.judge(planned(self.firm.events), self.topics, self.now_ns())
        judge(self, reference)
        await self._end()

    async def _end(self) -> None:
        """Everybody is asked to end, as an operator would."""
        for host in self.hosts:
            host.ending = True
            life = host.life
            if life is not None:
                life.stop.set()
                await asyncio.wait({life.task}, timeout=60.0)
                if not life.task.done():
                    self.fail(f"{host.name} does not end when it is asked to")
        for gateway in self.gateways:
            gateway.kill()


def planned(events: Sequence[Told]) -> list[tuple[int, Told]]:
    """Each event as it would arrive if nothing happened to it."""
    return [(told.ts + LATE_NS, told) for told in events]


def run(plan: Plan, *, deaf_gateways: bool = False) -> Outcome:
    """Simulate one plan, judge it.  `deaf_gateways` breaks a promise, to see that it is held."""
    map_tables_apart()  # as the monitor does: what an engine held goes back whole
    outcome = _outcome(plan, deaf_gateways=deaf_gateways)
    gc.collect()  # engines are large, and lie in cycles
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)  # or a process grows by 50 MB a seed, to 8 GB
    return outcome


def _outcome(plan: Plan, *, deaf_gateways: bool) -> Outcome:
    world = World(plan)
    if deaf_gateways:
        for gateway in world.gateways:
            gateway.cut_off({"kafka", "mqtt"})
    loop = world.loop
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(lambda _, told: world.failures.append(f"nobody looked: {told}"))
    try:
        with simulated(world):
            try:
                loop.run_until_complete(world._run())
            except Exception as broken:  # noqa: BLE001  # a world that breaks has failed, and says how
                world.fail("the world itself broke", broken)
            _clear(loop)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    lives = [life for host in world.hosts for life in host.lives]
    return Outcome(
        plan, world.failures, world._digest.hexdigest(), loop.time(), world.firm.sent, len(lives),
        len(lives) - len(world.hosts), len(world.watch.halts), world.faults.done, world.story, world.watch.decided,
        world.replayed,
    )  # fmt: skip


def _clear(loop: VirtualLoop) -> None:
    """Nothing of this world outlives it."""
    for _ in range(5):
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        if not left:
            return
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left, timeout=5.0))
