"""Ends a process whose loop is blocked, so that its supervisor starts another.

A thread looks four times a second when the loop last said that it lives.  A loop that is silent for two
seconds while the thread itself ran on is blocked: where each thread stands is written to standard error, and
the process exits with 70.  A process that was stopped as a whole (SIGSTOP, a paused machine) is not: then the
thread was silent too, and counting begins anew.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Callable
from typing import Final

BLOCKED_S: Final = 2.0
LOOK_EVERY_S: Final = 0.25
PAUSED_S: Final = 1.0  # we were not there ourselves
EXIT_STATUS: Final = 70  # EX_SOFTWARE
STANDARD_ERROR: Final = 2


def end_process(silent_s: float) -> None:
    """Say where every thread stands, and go: nothing that may block is asked any more."""
    os.write(STANDARD_ERROR, f"the loop was blocked for {silent_s:.1f} s: this process ends\n".encode())
    faulthandler.dump_traceback(file=STANDARD_ERROR, all_threads=True)
    os._exit(EXIT_STATUS)


class Watchdog:
    """`alive` from the loop; `blocked` is called from the thread, once."""

    def __init__(
        self, blocked: Callable[[float], None] = end_process, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._blocked = blocked
        self._now_s = now_s
        self._alive_s = self._looked_s = now_s()
        self._over = threading.Event()

    def start(self) -> None:
        self.alive()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def alive(self) -> None:
        self._alive_s = self._now_s()

    def stop(self) -> None:
        self._over.set()

    def look(self) -> bool:
        """Whether the loop is blocked."""
        now_s = self._now_s()
        if now_s - self._looked_s >= PAUSED_S:
            self._alive_s = max(self._alive_s, now_s)
        self._looked_s = now_s
        return now_s - self._alive_s >= BLOCKED_S

    def _run(self) -> None:
        self._looked_s = self._now_s()
        while not self._over.wait(LOOK_EVERY_S):
            if self.look():
                self._blocked(self._now_s() - self._alive_s)
                return
