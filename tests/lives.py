"""Lives of real monitor processes by the dozen: forked from one that has everything loaded, each with its failpoint.

A process that starts from nothing needs five seconds on a busy machine; one of these is the same program
half a second after its fork.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

PR_SET_PDEATHSIG = 1

_nursery = multiprocessing.get_context("forkserver")
_nursery.set_forkserver_preload(["tests.lives_loaded"])


def begin(config: Path, failpoint: str = "") -> ForkServerProcess:
    """`knightwatch run -c config` in a process of its own; what it says goes into a log beside the file."""
    process = _nursery.Process(target=_live, args=(config, failpoint), daemon=True)
    process.start()
    return process


def _live(config: Path, failpoint: str) -> None:
    from monitor import failpoints
    from monitor.cli import main

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(config.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    failpoints.arm(failpoint)
    sys.argv = ["knightwatch", "run", "-c", str(config)]
    main()
