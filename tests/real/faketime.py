"""A host as a process whose clock is off by some seconds (libfaketime): it tells its heartbeats by that clock."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.real.parts import program

BEAT_S = 0.25
HOST = f"""\
import json, sys, time
for seq in range(1, 1_000_000):
    told = {{"kind": "heartbeat", "ts": time.time_ns(), "host": sys.argv[1], "source": "fleet", "build": "v1", "seq": seq}}
    print(json.dumps(told), flush=True)
    time.sleep({BEAT_S})
"""


class Beating:
    """`host` tells a heartbeat four times a second by a clock that is `off_s` ahead."""

    def __init__(self, host: str, off_s: float) -> None:
        self.command = [program("faketime"), "-f", f"{off_s:+.3f}s", sys.executable, "-c", HOST, host]

    @asynccontextmanager
    async def heard_by(self, hear: Callable[[bytes], Any]) -> AsyncIterator[None]:
        """Each line as it is told."""
        process = await asyncio.create_subprocess_exec(
            *self.command, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        telling = asyncio.create_task(self._tell(process, hear))
        try:
            yield
        finally:
            telling.cancel()
            os.killpg(process.pid, signal.SIGKILL)  # faketime waits for a child of its own
            await process.wait()

    async def _tell(self, process: asyncio.subprocess.Process, hear: Callable[[bytes], Any]) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            await hear(line.strip())
