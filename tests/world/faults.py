"""What each kind of fault does to the world, and undoes when its time is over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from monitor.core.roads import COMMANDS
from tests.world.flow import REFERENCE, TELEMETRY
from tests.world.gateways import SITE
from tests.world.reloads import reload

if TYPE_CHECKING:
    from tests.world.plan import Fault
    from tests.world.processes import Host, Life
    from tests.world.world import World

CALLBACKS_MAX: Final = 300  # a life that is killed "now" has up to so many more
STEPS_MAX: Final = 15
SLOW: Final = 20.0


class Faults:
    """Does what the plan says.  Faults of one kind may overlap: the last one to end undoes it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._depth: Counter[str] = Counter()
        self.outages: dict[str, int] = {}  # what keeps records from every reader -> since when
        self.done: Counter[str] = Counter()
        self._reloading: set[Host] = set()
        self.last_ns = 0  # when the last one was over

    async def run(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_s)
        self._world.happened("fault", f"{fault.kind} for {fault.for_s:.2f} s")
        if await getattr(self, f"_{fault.kind}")(fault) is not False:
            self.done[fault.kind] += 1
        self.last_ns = self._world.loop.now_ns
        self._world.happened("fault over", fault.kind)

    @contextmanager
    def _during(self, what: str, begin: Callable[[], None], end: Callable[[], None]) -> Iterator[None]:
        self._depth[what] += 1
        if self._depth[what] == 1:
            begin()
        try:
            yield
        finally:
            self._depth[what] -= 1
            if self._depth[what] == 0:
                end()

    def _host(self, fault: Fault) -> Host:
        return self._world.hosts[fault.number % len(self._world.hosts)]

    def _life(self, fault: Fault) -> Life | None:
        life = self._host(fault).life
        return life if life is not None and not life.stopped else None

    def _killable(self, fault: Fault) -> Life | None:
        life = self._life(fault)
        if life is not None:
            life.host.wait_s = fault.for_s
        return life

    # -- the monitor's process and its machine

    async def _kill(self, fault: Fault) -> bool:
        life = self._killable(fault)
        if life is None:
            return False
        life.fuse = 1 + fault.number // 7 % CALLBACKS_MAX
        return True

    async def _kill_at_disk_step(self, fault: Fault) -> bool:
        life = self._killable(fault)
        if life is None:
            return False
        life.steps_left = 1 + fault.number // 7 % STEPS_MAX
        return True

    async def _kill_at_halt(self, fault: Fault) -> bool:
        life = self._killable(fault)
        if life is None:
            return False
        life.fuse_at_halt = 1 + fault.number // 7 % 60
        return True

    async def _power_loss(self, fault: Fault) -> bool:
        life = self._killable(fault)
        if life is None:
            return False
        life.power_too = True
        if fault.number // 3 % 2:
            life.steps_left = 1 + fault.number // 7 % STEPS_MAX
        else:
            life.fuse = 1 + fault.number // 7 % CALLBACKS_MAX
        return True

    async def _terminate(self, fault: Fault) -> bool:
        life = self._killable(fault)
        if life is None:
            return False
        life.stop.set()
        return True

    async def _pause(self, fault: Fault) -> bool:
        life = self._life(fault)
        if life is None:
            return False
        life.pause()
        await asyncio.sleep(fault.for_s)
        life.go_on()
        return True

    async def _clock_step(self, fault: Fault) -> None:
        host = self._host(fault)
        sizes_s = (0.05, 0.7, 1.5, 30, 3_600)
        step_ns = int(sizes_s[fault.number % 5] * 1e9) * (1 if fault.number // 5 % 2 else -1)
        host.step_ns += step_ns
        await asyncio.sleep(fault.for_s)
        host.step_ns -= step_ns

    async def _reload_good(self, fault: Fault) -> bool:
        return await self._reload(fault, broken=False)

    async def _reload_broken(self, fault: Fault) -> bool:
        return await self._reload(fault, broken=True)

    async def _reload(self, fault: Fault, *, broken: bool) -> bool:
        host, life = self._host(fault), self._life(fault)
        ready = life is not None and life.monitor is not None and life.monitor.ready.is_set()
        if host in self._reloading or not ready or life is None:
            return False
        self._reloading.add(host)  # one change of a file at a time
        try:
            return await reload(self._world, host, life, fault, broken=broken)
        finally:
            self._reloading.discard(host)

    # -- Kafka

    def _out(self, what: str) -> None:
        self.outages[what] = self._world.loop.now_ns

    async def _kafka_down(self, fault: Fault) -> None:
        kafka = self._world.kafka

        def begin() -> None:
            kafka.up = False
            self._out("kafka is down")

        def end() -> None:
            kafka.up = True
            del self.outages["kafka is down"]

        with self._during("kafka", begin, end):
            await asyncio.sleep(fault.for_s)

    async def _leader_gone(self, fault: Fault) -> None:
        topics = [(TELEMETRY, part) for part in range(self._world.plan.parts)]
        topics += [(REFERENCE, 0), (COMMANDS, 0)]
        topic, partition = topics[fault.number % len(topics)]
        what = f"{topic}/{partition} has no leader"

        def begin() -> None:
            self._world.kafka.topics[topic].logs[partition].leader = False
            if topic != COMMANDS:
                self._out(what)

        def end() -> None:
            self._world.kafka.topics[topic].logs[partition].leader = True
            self.outages.pop(what, None)

        with self._during(what, begin, end):
            await asyncio.sleep(fault.for_s)

    async def _partition_frozen(self, fault: Fault) -> None:
        partition = fault.number % self._world.plan.parts
        log = self._world.kafka.topics[TELEMETRY].logs[partition]
        with self._during(
            f"frozen {partition}", lambda: setattr(log, "frozen", True), lambda: setattr(log, "frozen", False)
        ):
            await asyncio.sleep(fault.for_s)

    async def _kafka_slow(self, fault: Fault) -> None:
        kafka = self._world.kafka
        with self._during("slow", lambda: setattr(kafka, "slow", SLOW), lambda: setattr(kafka, "slow", 1.0)):
            await asyncio.sleep(fault.for_s)

    async def _kafka_acks_lost(self, fault: Fault) -> None:
        kafka = self._world.kafka
        with self._during(
            "kafka acks", lambda: setattr(kafka, "ack_loss", 0.5), lambda: setattr(kafka, "ack_loss", 0.0)
        ):
            await asyncio.sleep(fault.for_s)

    async def _client_fails(self, fault: Fault) -> None:
        kafka = self._world.kafka
        with self._during("odd", lambda: setattr(kafka, "odd", True), lambda: setattr(kafka, "odd", False)):
            await asyncio.sleep(fault.for_s)

    # -- MQTT

    async def _mqtt_crash(self, fault: Fault) -> None:
        mqtt = self._world.mqtt
        with self._during("mqtt", mqtt.crash, lambda: setattr(mqtt, "up", True)):
            await asyncio.sleep(fault.for_s)

    async def _mqtt_acks_lost(self, fault: Fault) -> None:
        mqtt = self._world.mqtt
        with self._during(
            "mqtt acks", lambda: setattr(mqtt, "ack_loss", 0.5), lambda: setattr(mqtt, "ack_loss", 0.0)
        ):
            await asyncio.sleep(fault.for_s)

    async def _mqtt_denies(self, fault: Fault) -> None:
        mqtt = self._world.mqtt
        what = (f"risk/v1/{SITE}/halt/+", f"risk/v1/{SITE}/state/#", f"risk/v1/{SITE}/#")[fault.number % 3]
        with self._during(
            "mqtt denies", lambda: setattr(mqtt, "denied", (what,)), lambda: setattr(mqtt, "denied", ())
        ):
            await asyncio.sleep(fault.for_s)

    # -- the disk

    async def _disk_full(self, fault: Fault) -> None:
        files = self._host(fault).files
        with self._during(
            f"full {id(files)}", lambda: setattr(files, "full", True), lambda: setattr(files, "full", False)
        ):
            await asyncio.sleep(fault.for_s)

    async def _disk_hung(self, fault: Fault) -> None:
        files = self._host(fault).files
        with self._during(
            f"hung {id(files)}", lambda: setattr(files, "hung", True), lambda: setattr(files, "hung", False)
        ):
            await asyncio.sleep(fault.for_s)

    async def _disk_rot(self, fault: Fault) -> bool:
        host, life = self._host(fault), self._killable(fault)
        snapshots = sorted(name for name in host.files.names if name.endswith(".kws"))
        if life is None or not snapshots:
            return False
        host.files.rot(snapshots[-1])
        life.kill("its newest snapshot has rotted")
        return True

    # -- people

    async def _pager_failing(self, fault: Fault) -> None:
        await self._pagers(fault, "failing")

    async def _pager_stuck(self, fault: Fault) -> None:
        await self._pagers(fault, "stuck")

    async def _pagers(self, fault: Fault, mood: str) -> None:
        pagers = self._world.pagers
        with self._during(
            "pagers", lambda: setattr(pagers, "mood", mood), lambda: setattr(pagers, "mood", "well")
        ):
            await asyncio.sleep(fault.for_s)

    # -- gateways

    async def _gateway_killed(self, fault: Fault) -> bool:
        gateway = self._world.gateways[fault.number % len(self._world.gateways)]
        if gateway.gate is None:
            return False
        gateway.kill()
        await asyncio.sleep(fault.for_s)
        gateway.start()
        return True

    async def _gateway_cut(self, fault: Fault) -> None:
        gateway = self._world.gateways[fault.number % len(self._world.gateways)]
        roads = ({"kafka"}, {"mqtt"}, {"kafka", "mqtt"})[fault.number // 5 % 3]
        with self._during(
            f"cut {gateway.name}", lambda: gateway.cut_off(roads), lambda: gateway.cut_off(set())
        ):
            await asyncio.sleep(fault.for_s)

    # -- the firm's own ends

    async def _told_twice(self, fault: Fault) -> None:
        firm = self._world.firm
        with self._during("twice", lambda: setattr(firm, "twice", 0.2), lambda: setattr(firm, "twice", 0.0)):
            await asyncio.sleep(fault.for_s)

    async def _partition_late(self, fault: Fault) -> None:
        partition = fault.number % self._world.plan.parts
        late = self._world.firm.late_s
        late_s = 0.1 + fault.number // 7 % 140 / 100  # inside the lateness that is allowed
        with self._during(
            f"late {partition}",
            lambda: late.__setitem__(partition, late_s),
            lambda: late.__setitem__(partition, 0.0),
        ):
            await asyncio.sleep(fault.for_s)

    async def _broken_records(self, fault: Fault) -> None:
        firm = self._world.firm
        with self._during(
            "broken", lambda: setattr(firm, "broken", 0.05), lambda: setattr(firm, "broken", 0.0)
        ):
            await asyncio.sleep(fault.for_s)

    # -- records that are gone for ever

    async def _truncated(self, fault: Fault) -> None:
        log = self._world.kafka.topics[TELEMETRY].logs[fault.number % self._world.plan.parts]
        log.cut_back(log.end - 1 - fault.number // 7 % 20)

    async def _retention(self, fault: Fault) -> None:
        """It passes a monitor that is away."""
        for host in self._world.hosts:
            host.wait_s = fault.for_s
            if host.life is not None:
                host.life.kill("retention will pass it")
        log = self._world.kafka.topics[TELEMETRY].logs[fault.number % self._world.plan.parts]
        await asyncio.sleep(fault.for_s / 2)
        log.cut_front(log.end - fault.number // 7 % 5)

    async def _recreated(self, fault: Fault) -> None:
        self._world.kafka.make(TELEMETRY, self._world.plan.parts)
