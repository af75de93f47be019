"""What may fail without taking the judgement with it is begun again; what may not, ends the process.

A page, a metric, a road, a dead letter: each runs in a task of its own, and an exception that nobody foresaw
is logged, counted, told to the engine as a link that is down, and the task begins anew after a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from monitor.core.inputs import Input, LinkChanged

if TYPE_CHECKING:
    from monitor.edge.clock import Clock
    from monitor.edge.metrics import Metrics
    from monitor.edge.systemd import Systemd
    from monitor.edge.watchdog import Watchdog

AGAIN_AFTER_S: Final = 1.0

Work = Callable[[], Coroutine[Any, Any, None]]


async def kept_running(
    name: str, work: Work, clock: Clock, metrics: Metrics, log: Any, tell: Callable[[Input], None]
) -> None:
    """Run `work` for ever, begun again whenever it fails."""
    while True:
        try:
            await work()
        except Exception as broken:  # noqa: BLE001  # whatever it is: judging goes on
            why = f"{type(broken).__name__}: {broken}"
        else:
            why = "ended"
        metrics.task_failures(name).inc()
        log.error("task.failed", task=name, why=why)
        tell(LinkChanged(f"task {name}", up=False, at_ns=clock.now_ns(), detail=why))
        await asyncio.sleep(AGAIN_AFTER_S)
        tell(LinkChanged(f"task {name}", up=True, at_ns=clock.now_ns(), detail="begun again"))


class Supervisor:
    """Who ends a process that does not judge: a thread of ours within two seconds, systemd after it.

    Without either (a demo, a test) nobody does.
    """

    def __init__(self, watchdog: Watchdog | None = None, systemd: Systemd | None = None) -> None:
        self._watchdog, self._systemd = watchdog, systemd

    def ready(self) -> None:
        """Judging begins: from now on silence is a fault."""
        if self._watchdog is not None:
            self._watchdog.start()
        if self._systemd is not None:
            self._systemd.ready()

    def alive(self) -> None:
        """The engine has taken a tick: by the loop that judges and nobody else."""
        if self._watchdog is not None:
            self._watchdog.alive()

    def judging(self, status: str) -> None:
        """A lease was sent."""
        if self._systemd is not None:
            self._systemd.alive(status)

    def stopping(self) -> None:
        """A wanted end, which may take its time."""
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._systemd is not None:
            self._systemd.stopping()
