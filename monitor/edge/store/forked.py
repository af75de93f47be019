"""Work on memory as it is now, done by a child, while its parent goes on changing it.

    fork | child: work, exit          copy-on-write keeps the child's sight still
         | parent: hears the pipe close, and what the child wrote into it

Only the thread that forks lives on in the child, so the work may take no lock that another
thread can hold: plain files, arrays and JSON.  The child lets go of every socket and lock file
at once, hears no signal that is meant for the monitor, and dies with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import gc
import os
import signal
import time
from collections.abc import Callable
from typing import Final, NoReturn

PR_SET_PDEATHSIG: Final = 1
NICER: Final = 10
MESSAGE_BYTES_MAX: Final = 4_096  # a pipe takes as much at once
FIRST_OWN: Final = 3  # after standard input, output and error
HANDLES_MAX: Final = (1 << 31) - 1  # one call of the kernel closes them all
REAP_S: Final = 0.002
REAPS_MAX: Final = 50
DONE: Final = b"done"
CRASHES: Final = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT")
# fmt: off
NOT_OURS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# fmt: on

_libc = ctypes.CDLL(None)  # loaded before any fork
_hanging: list[int] = []  # killed, and not ended: a disk that does not answer keeps them.  At most one


class ForkFailed(OSError):
    """The child did not end its work: what it said, or how it ended."""


class ChildCrashed(ForkFailed):
    """The child was ended by a fault of its own: a signal as a broken kernel gets it, or an exception."""


async def in_a_child(work: Callable[[], object], timeout_s: float) -> float:
    """Fork, and wait until the child has done its work; returns how many seconds the fork took.

    Raises `ForkFailed` if it could not, or took longer than `timeout_s`: then it is killed.
    """
    _hanging[:] = [child for child in _hanging if not _how_it_ended(child)]
    if _hanging:
        raise ForkFailed(errno.EBUSY, f"process {_hanging[0]} still hangs in the disk")
    ours, theirs = os.pipe()
    began_s = time.perf_counter()
    try:
        child = _fork(work, theirs)
    except OSError:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    paused_s = time.perf_counter() - began_s
    try:
        async with asyncio.timeout(timeout_s):
            said = await _last_words(ours)
    except TimeoutError:
        raise ForkFailed(errno.ETIMEDOUT, f"not done after {timeout_s:.0f} s") from None
    finally:
        os.close(ours)
        how = await _end(child)
    if said != DONE:
        why = said.decode(errors="replace") or f"its process ended: {how}"
        is_its_own = how in CRASHES or (said and not said.startswith(b"OSError"))
        raise (ChildCrashed if is_its_own else ForkFailed)(errno.EIO, why)
    return paused_s


def _fork(work: Callable[[], object], pipe: int) -> int:
    """The child's process id.  No signal of the monitor is handled on the child's side of the fork."""
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, NOT_OURS)
    try:
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            _live(work, pipe, parent, masked)
        return child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)


def _live(work: Callable[[], object], pipe: int, parent: int, masked: set[int | signal.Signals]) -> NoReturn:
    """The child's whole life.  Whatever happens, nothing of the parent's code runs here any more."""
    said = b"broke"
    try:
        gc.disable()  # or it would touch, and so copy, what it looks at
        signal.set_wakeup_fd(-1)
        for number in NOT_OURS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            _let_go(pipe)
            os.nice(NICER)
            _offer_to_be_killed()
            work()
            said = DONE
    except BaseException as broken:  # noqa: BLE001  # the parent raises it
        said = f"{type(broken).__name__}: {broken}".encode(errors="replace")[:MESSAGE_BYTES_MAX]
    finally:
        with contextlib.suppress(BaseException):
            os.write(pipe, said)
        os._exit(said != DONE)


def _let_go(pipe: int) -> None:
    """Close what the parent holds: a socket or a lock that it leaves shall be free at once."""
    os.closerange(FIRST_OWN, pipe)
    os.closerange(pipe + 1, HANDLES_MAX)


def _offer_to_be_killed() -> None:
    """Where memory runs out, a snapshot goes before the monitor does."""
    with contextlib.suppress(OSError):
        handle = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(handle, b"1000")
        os.close(handle)


async def _last_words(pipe: int) -> bytes:
    """What the child wrote, when it has ended."""
    loop, said = asyncio.get_running_loop(), bytearray()
    os.set_blocking(pipe, False)
    while True:
        ready = loop.create_future()
        loop.add_reader(pipe, _tell, ready)
        try:
            await ready
        finally:
            loop.remove_reader(pipe)
        piece = os.read(pipe, MESSAGE_BYTES_MAX)
        if not piece:
            return bytes(said)
        said += piece


def _tell(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _end(child: int) -> str:
    """Kill it if it lives, and say how it ended."""
    for _ in range(REAPS_MAX):
        how = _how_it_ended(child)
        if how:
            return how
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        await asyncio.sleep(REAP_S)
    _hanging.append(child)
    return "it hangs in the disk"


def _how_it_ended(child: int) -> str:
    """Nothing while it lives."""
    ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        return ""
    code = os.waitstatus_to_exitcode(status)
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
