"""Named places where a process may die, for the tests that kill it there; they do nothing unless asked.

    KNIGHTWATCH_FAILPOINT=store.before_rename      SIGKILL when it is first passed
    KNIGHTWATCH_FAILPOINT=store.before_rename:3    when it is passed for the third time
    KNIGHTWATCH_FAILPOINT=judge.record=POISON      SIGSEGV at each record that holds this word

What is passed in a forked child ends the monitor that forked it as well, as a lost machine would.
"""

from __future__ import annotations

import os
import signal
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
    "halt.before_sent",
    "halt.sent_by_kafka",
    "halt.sent_by_mqtt",
    "halt.sent_by_both",
    "dead_letter.before_sent",
    "dead_letter.sent",
    "state.restored",
    "records.first_judged",
    "suspects.before_rename",
)
POISON: Final = "judge.record"


class _Armed:
    """What the environment asks for, read once."""

    def __init__(self, asked: str) -> None:
        name, _, word = asked.partition("=")
        self.poison = word.encode() if name == POISON else b""
        self.name, _, nth = name.partition(":")
        self.passes_left = int(nth or 1)
        self.monitor = os.getpid()
        if asked and self.name not in (*NAMES, POISON):
            msg = f"{VARIABLE}: {self.name!r} is no failpoint; known: {', '.join(NAMES)}, {POISON}"
            raise ValueError(msg)


_armed = _Armed(os.environ.get(VARIABLE, ""))


def failpoint(name: str) -> None:
    """A durable step begins or ends here."""
    if name == _armed.name:
        _pass()


def poisonous(record: bytes) -> None:
    """A record is about to be judged; the planted poison crashes as a kernel out of its bounds would."""
    if _armed.poison and _armed.poison in record:
        os.kill(os.getpid(), signal.SIGSEGV)


def _pass() -> None:
    _armed.passes_left -= 1
    if _armed.passes_left == 0:
        os.kill(_armed.monitor, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
