"""An event loop whose time is a number: nobody waits, nothing outside is asked, sleeps jump.

    ready callbacks, in their order -> the next timer's time -> again

Each callback belongs to the process in whose context it was made.  A process that is stopped
(SIGSTOP, a suspended machine) has its callbacks put aside until it goes on; the others run.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Protocol

NS: Final = 1_000_000_000
STEPS_MAX: Final = 1_000_000  # at one moment: more is a loop that no time ends


class Process(Protocol):
    """Whose callbacks run while it is not stopped; with a fuse it is killed after so many of them."""

    stopped: bool
    fuse: int

    def burn(self) -> None: ...


PROCESS: ContextVar[Any] = ContextVar("PROCESS", default=None)


class Stuck(AssertionError):
    """Nothing will ever happen again, or it happens for ever at one moment."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`time()` is simulated; it moves only when nothing is left to do now."""

    _ready: deque[Any]  # asyncio's own, which its stubs leave out

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self.steps = 0
        self._steps_here = 0
        self._timers: list[
            tuple[float, int, Any]
        ] = []  # when, in which order of asking; not asyncio's: slower
        self._asked = 0
        self._aside: dict[Any, deque[asyncio.Handle]] = {}

    def time(self) -> float:
        return self.now_ns / NS

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._asked += 1
        heapq.heappush(self._timers, (when, self._asked, timer))
        return timer

    def _timer_handle_cancelled(self, handle: Any) -> None:
        """It is passed over when its time comes."""

    def resume(self, process: Process) -> None:
        """What was put aside for a process that was stopped happens now, in its order."""
        for handle in self._aside.pop(process, ()):
            self._ready.append(handle)

    def forget(self, process: Process) -> None:
        self._aside.pop(process, None)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """There are no threads: what one would do is done at one moment, a little later."""
        promise: asyncio.Future[Any] = self.create_future()

        def work() -> None:
            if promise.done():
                return
            try:
                promise.set_result(func(*args))
            except Exception as broken:  # noqa: BLE001  # whoever waits for it gets it
                promise.set_exception(broken)

        self.call_later(0.001, work)
        return promise

    def _run_once(self) -> None:
        timers, ready = self._timers, self._ready
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not ready:
            if not timers:
                raise Stuck("nothing is left to happen")
            # A nanosecond at least: a wait that floats round to nothing would be asked for again for ever.
            self.now_ns = max(self.now_ns + 1, math.ceil(timers[0][0] * NS))
            self._steps_here = 0
        now_s = self.time() + 1e-9
        while timers and timers[0][0] <= now_s:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)
            if process is not None and process.stopped:
                self._aside.setdefault(process, deque()).append(handle)
                continue
            self.steps += 1
            self._steps_here += 1
            if process is not None and process.fuse:
                process.burn()
            handle._run()
        if self._steps_here > STEPS_MAX:
            raise Stuck(f"{STEPS_MAX} callbacks at one moment")

    def _write_to_self(self) -> None:
        """Nobody else's thread can wake us."""

    def _process_events(self, event_list: Any) -> None:
        """There are no sockets."""


def now_s() -> float:
    return asyncio.get_running_loop().time()


class VirtualTime:
    """Stands where a module says `time`."""

    @staticmethod
    def monotonic() -> float:
        return now_s()

    @staticmethod
    def perf_counter() -> float:
        return now_s()
