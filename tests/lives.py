"""Lives of real monitor processes by the dozen: forked from one that has everything loaded, each with its failpoint.

A process that starts from nothing needs five seconds on a busy machine; one of these is the same program
half a second after its fork.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from monitor import failpoints

KNIGHTWATCH = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", "from monitor.cli import main; main()"]
PR_SET_PDEATHSIG = 1

_nursery = multiprocessing.get_context("forkserver")
_nursery.set_forkserver_preload(["tests.lives_loaded"])


def begin(config: Path, failpoint: str = "") -> ForkServerProcess:
    """`knightwatch run -c config` in a process of its own; what it says goes into a log beside the file."""
    process = _nursery.Process(target=_live, args=(config, failpoint), daemon=True)
    process.start()
    return process


class FromNothing:
    """`knightwatch run -c config` as an operator's machine starts it, with all that a start costs."""

    def __init__(self, config: Path, failpoint: str) -> None:
        with config.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(
                [*KNIGHTWATCH, "run", "-c", str(config)],
                env={**os.environ, failpoints.VARIABLE: failpoint},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        return self._process.poll()

    def is_alive(self) -> bool:
        return self.exitcode is None


def _live(config: Path, failpoint: str) -> None:
    from monitor.cli import main

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(config.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    failpoints.arm(failpoint)
    sys.argv = ["knightwatch", "run", "-c", str(config)]
    main()
