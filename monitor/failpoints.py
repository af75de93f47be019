"""Named places where a process may die, for the tests that kill it there; they do nothing unless asked.

    KNIGHTWATCH_FAILPOINT=store.before_rename      SIGKILL when it is first passed
    KNIGHTWATCH_FAILPOINT=store.before_rename:3    when it is passed for the third time
    KNIGHTWATCH_FAILPOINT=judge.record=POISON      SIGSEGV at each record that holds this word

What is passed in a forked child ends the monitor that forked it as well, as a lost machine would.
"""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Iterable
from typing import Final

VARIABLE: Final = "KNIGHTWATCH_FAILPOINT"

# Every step after which something outlasts the process.  A test passes each of them and dies there.
NAMES: Final = (
    "audit.before_write",
    "audit.before_fsync",
    "audit.after_fsync",
    "audit.new_file",
    "store.before_write",
    "store.before_fsync",
    "store.before_rename",
    "store.before_dirsync",
    "store.before_prune",
    "store.after_prune",
    "evidence.before_fsync",
    "evidence.before_rename",
    "evidence.after_rename",
    "halt.line_appended",
    "halt.sealed",
    "halt.settled",  # on one road; on both, when it is passed again
    "dead_letter.before_sent",
    "dead_letter.sent",
    "state.restored",
    "records.judged",
    "suspects.before_fsync",  # what a crash has taught, at the start of the next life
    "suspects.before_rename",
    "suspects.after_rename",
)
POISON: Final = "judge.record"


class _Armed:
    """What the environment asks for, read once."""

    def __init__(self, asked: str) -> None:
        name, _, word = asked.partition("=")
        self.poison = word.encode() if name == POISON else b""
        self.name, _, nth = name.partition(":")
        self.passes = mmap.mmap(-1, 8)  # what a forked child passes, counts for all
        self.nth = int(nth or 1)
        self.monitor = os.getpid()
        if self.name not in (*NAMES, POISON):
            msg = f"{VARIABLE}: {self.name!r} is no failpoint; known: {', '.join(NAMES)}, {POISON}"
            raise ValueError(msg)


_armed: _Armed | None = None


def arm(asked: str) -> None:
    """As the environment does it at the start of a process; raises `ValueError` for what is no failpoint."""
    global _armed  # noqa: PLW0603  one process, one death
    _armed = _Armed(asked) if asked else None


def failpoint(name: str) -> None:
    """A durable step begins or ends here."""
    if _armed is not None and name == _armed.name:
        _pass(_armed)


def poisonous(text: bytes, starts: Iterable[int], ends: Iterable[int]) -> None:
    """Records are about to be judged; the planted poison crashes as a kernel out of its bounds would."""
    if _armed is None or not _armed.poison:
        return
    if any(_armed.poison in text[start:end] for start, end in zip(starts, ends, strict=True)):
        os.kill(os.getpid(), signal.SIGSEGV)


def _pass(armed: _Armed) -> None:
    passes = int.from_bytes(armed.passes[:], "little") + 1
    armed.passes[:] = passes.to_bytes(8, "little")
    if passes == armed.nth:
        os.kill(armed.monitor, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get(VARIABLE, ""))
