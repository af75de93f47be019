"""The closed loop: one morning through a monitor and gateways that obey it, over whatever brokers there are.

    plan -> gates -> Kafka -> monitor -> halt -> Kafka and MQTT -> gates -> answers -> monitor

The quiet minutes before the open pass faster than life, the rest at its speed.  Everybody's
clock is today's; what events say of their time is 2012's.  The morning is over a few seconds after
every gateway's word that the halt is applied has reached the monitor, or when nothing stopped it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from monitor.core.commands import Page
from monitor.core.keyring import Keyring, Signer
from monitor.demo.gateways import Brokers, Gateways, ended
from monitor.demo.plan import SINCE_NS, UNSTOPPED_NS, ToldScenario, event_time
from monitor.demo.recording import Recording
from monitor.edge.clock import Clock
from monitor.feeding import OnRecords
from monitor.scenarios.day import host_name
from monitor.scenarios.fleet import Fleet
from monitor.scenarios.knight import ERROR_ACCOUNT
from monitor.scenarios.rows import HOSTS
from monitor.serve import Monitor
from monitor.settings import Config

GATEWAYS: Final = tuple(host_name(host) for host in range(1, HOSTS + 1))
ROADS: Final = {"kafka", "mqtt"}
AFTER_S: Final = 4.0  # it goes on for so long after the last gateway's word
STEP_S: Final = 0.02
READY_S_MAX: Final = 30.0
STOP_S_MAX: Final = 20.0
MORNING_S_MAX: Final = 120.0  # thirty seconds where nobody stops it; the rest is for a busy machine


class NotReady(Exception):
    """The monitor or the gateways did not come up, or did not stop, in time: what was waited for."""


@dataclass(slots=True)
class Moment:
    """How far the faulty server had come at some time."""

    at_ns: int  # event time
    children: int
    executions: int
    gross: float  # dollars of positions and working orders of the error account


@dataclass(slots=True)
class Happened:
    """The figures, as they come about."""

    first_wrong_ns: int = 0
    halt: dict[str, Any] | None = None  # the first one, whole, as it came in at the gateways
    heard_after_ms: dict[str, float] = field(default_factory=dict)
    decided: Moment | None = None
    applied: Moment | None = None
    applied_by: frozenset[str] = frozenset()  # gateways whose word has reached the monitor
    end: Moment | None = None
    orders_after_applied: int = 0
    orders_refused: int = 0  # by all gates
    pages: list[str] = field(default_factory=list)  # first lines of what wakes people


class Morning:
    """One run.  Look at it while it runs: `monitor`, `fleet`, `happened`."""

    def __init__(
        self,
        config: Config,
        told: ToldScenario,
        *,
        seed: int,
        scale: float,
        signers: dict[str, Signer],
        keyring: Keyring,
        recording: Recording,
        also: OnRecords | None = None,
    ) -> None:
        """`config` names the brokers; `told` is the plan, told to its end so that nobody waits for it."""
        self.clock = Clock()
        self.happened = Happened()
        self.begun = asyncio.Event()
        self._recording = recording
        self._also = also
        self.monitor = Monitor(config, on_records=self._on_records)
        self.fleet = Fleet(
            told,
            seed=seed,
            scale=scale,
            signers=signers,
            keyring=keyring,
            site=config.site,
            env=config.env,
            boot=self.monitor.boot,
            now_ns=self.clock.now_ns(),
            since_ns=SINCE_NS,
        )
        brokers = Brokers(config.kafka.bootstrap_servers, config.mqtt.host, config.mqtt.port)
        self.gateways = Gateways(self.fleet, keyring, config.site, brokers, self.clock.now_ns)

    def _on_records(self, *records: Any) -> None:
        self._recording.write(*records)
        if self._also is not None:
            self._also(*records)

    @property
    def records(self) -> int:
        return self._recording.records

    @property
    def waiting(self) -> int:
        """Pages that nobody has taken: whom we would wake is there."""
        return 0

    def plain(self) -> list[dict[str, Any]]:
        """Pages that another life must know: there is none after this morning."""
        return []

    def submit(self, page: Page) -> None:
        """Be the monitor's pager: whom a real one would wake sits before the screen."""
        if page.severity == "halt" and not page.resolved:
            self.happened.pages.append(page.summary)

    async def run(self) -> Happened:
        """Live through it; the monitor is shut down cleanly at its end."""
        stop = asyncio.Event()
        watching = asyncio.create_task(self.monitor.run(stop))
        living = asyncio.create_task(self._live())
        try:
            either = asyncio.FIRST_COMPLETED
            await asyncio.wait({watching, living}, return_when=either, timeout=MORNING_S_MAX)
            if not watching.done() and not living.done():
                raise NotReady(f"the morning did not pass within {MORNING_S_MAX:.0f} s")
        finally:
            await ended([living], STOP_S_MAX)
            stop.set()
            await asyncio.wait({watching}, timeout=STOP_S_MAX)
            await ended([watching])
        # The monitor's own trouble comes first: it is why the morning ended.
        for what, task in (("monitor", watching), ("fleet", living)):
            if not task.done():
                raise NotReady(f"the {what} did not stop within {STOP_S_MAX:.0f} s")
            task.result()
        return self.happened

    async def _live(self) -> None:
        await _until(self.monitor.ready.is_set, "the monitor did not open its roads")
        cast("list[Any]", self.monitor.performer.pagers).append(self)
        async with self.gateways.connected():
            await _until(
                lambda: (
                    self.gateways.roads_heard == ROADS
                    and all(router.gate.started for router in self.fleet.routers)
                ),
                "not every gateway heard the monitor's state on both roads",
            )
            await _until(
                lambda: len(self.monitor.engine.follow_up.gateways) == len(GATEWAYS),
                "the monitor did not hear every gateway's hello",
            )
            await self._before()
            self.begun.set()
            await self._pass()

    async def _before(self) -> None:
        """What was known before the morning begins: instruments, positions, parents, a night's errors."""
        stepped = self.fleet.step(SINCE_NS, self.clock.now_ns())
        await self.gateways.send(stepped.events)
        await self.gateways.flush()
        sent = len(stepped.events)
        await _until(lambda: self._recording.records >= sent, "the monitor did not read what was sent")

    async def _pass(self) -> None:
        began_s = _seconds(self.clock)
        over_s: float | None = None
        while over_s is None or _seconds(self.clock) < over_s:
            self._note()
            until_ns = event_time(_seconds(self.clock) - began_s)
            stepped = self.fleet.step(until_ns, self.clock.now_ns())
            await self.gateways.send(stepped.events)
            await self.gateways.say(stepped.letters)
            if self.fleet.at_ns >= UNSTOPPED_NS:
                break
            if over_s is None and len(self.happened.applied_by) == len(GATEWAYS):
                over_s = _seconds(self.clock) + AFTER_S
            await asyncio.sleep(STEP_S)
        self._note()
        self.happened.end = self.moment()

    def moment(self) -> Moment:
        tally = self.fleet.tally(ERROR_ACCOUNT)
        return Moment(
            self.fleet.at_ns, tally.orders, tally.executions, round(self.fleet.gross(ERROR_ACCOUNT), 2)
        )

    def _note(self) -> None:
        """Between two steps nobody sends: counts stand where they stood at a decision or an answer."""
        happened = self.happened
        happened.first_wrong_ns = self.fleet.tally(ERROR_ACCOUNT).first_order_ts
        if happened.decided is None and self.monitor.engine.halts.open:
            happened.decided = self.moment()
        if happened.halt is None and self.gateways.halts:
            happened.halt = next(iter(self.gateways.halts.values())).payload
        if happened.halt is None:
            return
        halt_id = happened.halt["halt_id"]
        happened.heard_after_ms = dict(self.gateways.halts[halt_id].after_ms)
        if happened.applied is None and all(halt_id in router.applied for router in self.fleet.routers):
            happened.applied = self.moment()
        waiting = self.monitor.engine.follow_up.waiting.get(halt_id)
        happened.applied_by = frozenset(waiting.applied) if waiting is not None else frozenset()
        happened.orders_after_applied = self.fleet.orders_after_applied
        happened.orders_refused = sum(router.refused for router in self.fleet.routers)


async def _until(holds: Callable[[], bool], otherwise: str) -> None:
    try:
        async with asyncio.timeout(READY_S_MAX):
            while not holds():  # noqa: ASYNC110  what is waited for is others' state, not an event
                await asyncio.sleep(STEP_S)
    except TimeoutError:
        raise NotReady(f"{otherwise} within {READY_S_MAX:.0f} s") from None


def _seconds(clock: Clock) -> float:
    return clock.now_ns() / 1e9
