"""One server process: started, killed, frozen and thawed by a test, and never left behind.

It dies with us however we die: the kernel sends it SIGKILL when the thread that started it ends (`setpriv
--pdeathsig`), which is why only the main thread may start one.  Two traps: a server that gives up root loses that
promise together with its rights, so mosquitto is told to stay who it is; and where `setpriv` is missing, only the
orderly end is covered.
"""

import asyncio
import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LOG_TAIL_BYTES = 4000
READY_SECONDS_MAX = 60  # two busy cores and a cold disk; on an idle machine Kafka needs two

alive: list["Server"] = []  # what a failed test shows the logs of


class Server:
    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.folder = folder
        self.log = folder / f"{name}.log"
        self.environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        assert not self.running, f"{self.name} is running"
        assert threading.current_thread() is threading.main_thread(), "it would die with this thread"
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*guard, *self.command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C meant for the tests is not meant for it
            )
        if self not in alive:
            alive.append(self)

    def kill9(self) -> None:
        """Gone at once, with what it had not written."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Its sockets stay open and nobody answers: a long pause, a hung machine."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """For the end of a test; the log stays."""
        self.kill9()
        with contextlib.suppress(ValueError):
            alive.remove(self)

    def log_tail(self) -> str:
        return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace") if self.log.exists() else ""

    def wait_until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not ready():
            if not self.running:
                raise RuntimeError(
                    f"{self.name} ended with {self._process and self._process.returncode}\n{self.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} was not ready in {READY_SECONDS_MAX} s\n{self.log_tail()}")
            time.sleep(0.05)

    async def ready_when(self, ready: Callable[[], bool]) -> None:
        await asyncio.to_thread(self.wait_until, ready)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@atexit.register
def _close_all() -> None:
    for server in alive:
        server.close()
