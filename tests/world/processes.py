"""A machine, the monitor that runs on it, and what may become of both: killed, stopped, without power.

`Host` is what stays (the disk, the wall clock); `Life` is one process, from its start to its death.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from monitor.core.inputs import SourcePart
from monitor.core.trail import Head
from monitor.outside import Unreachable
from monitor.serve import Monitor
from tests.world.disk import Files, Mount
from tests.world.loop import PROCESS
from tests.world.mqtt import WILL_AFTER_S, Client
from tests.world.outside import WorldOutside
from tests.world.reloads import File, Taken

if TYPE_CHECKING:
    from monitor.settings import Config
    from tests.world.world import World

TOLD: Final = (
    "state.cold",
    "state.restored",
    "snapshot.set_aside",
    "task.failed",
    "link.changed",
    "gap.marked",
)
HEAD: Final = re.compile(rb'\{"n":(\d+),.*,"hash":"([0-9a-f]{64})"\}', re.DOTALL)  # of a line of the trail
SUPERVISED_S: Final = 1.0  # a monitor that ended is started anew after this


class Log:
    """What the monitor says to whoever runs it."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def __getattr__(self, level: str) -> Any:
        return self._said

    def _said(self, event: str, **fields: Any) -> None:
        if self._life.alive and event in TOLD:
            self._life.world.happened(event, f"{self._life.host.name} {fields}")
        if self._life.alive and event == "task.failed" and not self._life.world.plan.has("client_fails"):
            self._life.world.fail(f"{self._life.host.name}: a task failed: {fields}")


class Life:
    """One process of the monitor."""

    def __init__(self, host: Host, number: int) -> None:
        self.host, self.world, self.number = host, host.world, number
        self.boot = f"{host.name}-{number}".encode().hex().ljust(32, "0")[:32]
        self.alive, self.stopped = True, False
        self.fuse = 0  # callbacks until it is killed; 0: it is not
        self.fuse_at_halt = 0  # the same, from its next halt on
        self.steps_left = 0  # of its disk until it is killed; 0: it is not
        self.power_too = False
        self.born_ns, self.died_ns = self.world.loop.now_ns, 0
        self.over = asyncio.Event()
        self.stop = asyncio.Event()
        self.records: dict[tuple[str, int, int], deque[tuple[bytes, int]]] = {}
        self.parts: list[tuple[str, int]] = []  # by their numbers, as its trail names them
        self.monitor: Monitor | None = None
        self.was_stopped = False
        self.taken = Taken()
        self._clients: list[Client] = []
        context = copy_context()
        context.run(PROCESS.set, self)
        self.task = self.world.loop.create_task(self._live(), context=context)

    async def _live(self) -> None:
        try:
            outside = WorldOutside(self.host.config, self)
            monitor = Monitor(self.host.config, outside=outside, on_records=self._read)
            monitor.boot, monitor.log = self.boot, Log(self)
            self.monitor = monitor
            await monitor.run(self.stop)
        except Unreachable:
            self.world.happened("monitor could not begin", self.boot)
        except asyncio.CancelledError:
            if self.alive:
                raise
        except Exception as broken:  # noqa: BLE001  # whatever ends a monitor by itself is a failure
            if self.alive:
                self.world.fail(f"{self.host.name} ended by itself: {broken!r}", broken)
        finally:
            if self.alive:
                self._die()

    def _read(
        self, part: SourcePart, values: list[bytes], offsets: NDArray[Any], arrived_ns: NDArray[Any]
    ) -> None:
        assert self.monitor is not None
        self.parts = [(one.topic, one.partition) for one in self.monitor.engine.parts]
        for value, offset, at_ns in zip(values, offsets.tolist(), arrived_ns.tolist(), strict=True):
            place = (part.topic, part.partition, offset)
            self.records.setdefault(place, deque()).append((value, at_ns))

    def positions(self) -> dict[tuple[str, int], int]:
        """The next offset that it will judge, by partition."""
        engine = self.monitor.engine if self.monitor is not None else None
        if engine is None:
            return {}
        parts = [(part.topic, part.partition) for part in engine.parts]
        return {parts[part]: offset for part, offset in engine.next_offsets.items()}

    # -- what others do to it

    def kill(self, why: str) -> None:
        """SIGKILL, or the machine's end: not one callback of it has an effect after this."""
        if not self.alive:
            return
        self.world.happened(f"killed: {why}", self.boot)
        self._die()
        self.task.cancel()

    def _die(self) -> None:
        self.alive, self.fuse, self.steps_left = False, 0, 0
        self.died_ns = self.world.loop.now_ns
        if self.stopped:
            self.stopped = False
            self.world.loop.resume(self)
        if self.power_too:
            self.host.files.lose_power()
        for client in self._clients:
            client.hang_up(farewell=False)  # its kernel closes the connection
        self.monitor = None  # its memory goes with it
        self.over.set()

    def pause(self) -> None:
        self.stopped = self.was_stopped = True
        for client in self._clients:
            session = client.session
            self.world.loop.call_later(WILL_AFTER_S, self._is_deaf, client, session)

    def _is_deaf(self, client: Client, session: Any) -> None:
        if self.stopped and client.session is session and session is not None:
            client.broker.leave(session, farewell=False)
            session.lost()

    def go_on(self) -> None:
        if self.stopped:
            self.stopped = False
            self.world.loop.resume(self)

    # -- what it does

    def burn(self) -> None:
        self.fuse -= 1
        if self.fuse == 0:
            self.kill("at some callback")

    def at_step(self, what: str) -> None:
        self.world.trace(f"disk of {self.boot}", what.encode())
        if self.steps_left:
            self.steps_left -= 1
            if self.steps_left == 0:
                self.kill(f"before {what}")

    def at_halt(self) -> None:
        """It has decided a halt; the line is written, and nothing is sent yet."""
        if self.fuse_at_halt:
            self.fuse, self.fuse_at_halt = self.fuse_at_halt, 0

    def holds(self, client: Client) -> None:
        self._clients = [one for one in self._clients if one.session is not None]
        self._clients.append(client)

    def wrote(self, what: str, fields: Mapping[str, Any], head: Head) -> None:
        if self.alive:
            self.world.watch.line(self, what, fields, head)
            self.taken.line(self, what, fields)

    def synced(self, name: str, data: bytes) -> None:
        for raw in data.splitlines():
            number, digest = HEAD.fullmatch(raw).groups()  # type: ignore[union-attr]  # verified whole at the end
            self.host.durable[int(number)] = digest.decode()


class Host:
    """A machine that runs one monitor, and starts it again when it ends."""

    def __init__(self, world: World, name: str, config: Config, text: str) -> None:
        self.world, self.name, self.config = world, name, config
        self.file = File(text)  # of the configuration
        self.files = Files(world.chance.of(f"disk/{name}"))
        self.step_ns = 0  # how far its wall clock is wrong
        self.durable: dict[int, str] = {}  # line -> hash, of all that was synced
        self.lives: list[Life] = []
        self.wait_s = SUPERVISED_S
        self.ending = False

    @property
    def life(self) -> Life | None:
        """The one that lives now."""
        return self.lives[-1] if self.lives and self.lives[-1].alive else None

    def wall_ns(self) -> int:
        return self.world.now_ns() + self.step_ns

    def mount(self, life: Life) -> Mount:
        return Mount(self.files, life)

    async def run(self) -> None:
        while not self.ending:
            self.wait_s = SUPERVISED_S
            self.file.put(self.file.first)
            life = Life(self, len(self.lives) + 1)
            self.lives.append(life)
            await life.over.wait()
            await asyncio.sleep(self.wait_s)
