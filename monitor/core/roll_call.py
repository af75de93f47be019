"""Who was heard, with what it says of itself, and which roll-outs were declared: facts, not yet a judgement.

A host may run more than one process, also one that everybody forgot: each incarnation and each build that is
said under a host's name is kept by itself.  Time is the event's, or its arrival where it claims a later one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors.event import Kind, Phase

if TYPE_CHECKING:
    from detectors.contract import Int64Array
    from detectors.names import Names

# A host that says another build each second fills it in an hour; what comes after that is counted.
VOICES_MAX: Final = 64  # of one host
PHASE_WORDS: Final = {phase: phase.name.lower() for phase in Phase}


@dataclass(slots=True)
class Voice:
    """What one process of a host says in its heartbeats."""

    boot: str
    build: str
    at_ns: int = 0  # its last heartbeat
    config_hash: str = ""
    flags: tuple[str, ...] | None = None  # None: it does not say
    role: str = ""


@dataclass(frozen=True, slots=True)
class RollOut:
    """The last step of a roll-out that was declared for a host."""

    build: str
    phase: Phase
    at_ns: int
    role: str


@dataclass(slots=True)
class Heard:
    """All that was heard of one host."""

    voices: dict[tuple[str, str], Voice] = field(default_factory=dict)  # by boot and build
    voices_lost: int = 0
    rollout: RollOut | None = None
    ordered_ns: int = 0  # its last order

    @property
    def beat_ns(self) -> int:
        """Its last heartbeat, 0 if there was none."""
        return max((voice.at_ns for voice in self.voices.values()), default=0)


class RollCall:
    """Takes in events in any order; the latest word of each counts."""

    def __init__(self) -> None:
        self.hosts: dict[str, Heard] = {}
        self.events = 0
        self.last_ns = 0  # the latest time of all events

    def take(self, rows: Int64Array, names: Names) -> None:
        """Rows of a `Batch`, whose names are these."""
        if not len(rows):
            return
        self.events += len(rows)
        arrival = rows[:, ev.ARRIVAL]
        at = np.where(arrival > 0, np.minimum(rows[:, ev.TS], arrival), rows[:, ev.TS])
        self.last_ns = max(self.last_ns, int(at.max()))
        kind = rows[:, ev.KIND]
        for row in np.flatnonzero((kind == Kind.HEARTBEAT) | (kind == Kind.DEPLOY)).tolist():
            one, at_ns = rows[row], int(at[row])
            if kind[row] == Kind.HEARTBEAT:
                self._beat(one, at_ns, names)
            else:
                self._rolled(one, at_ns, names)
        orders = np.flatnonzero((kind == Kind.ORDER_NEW) & (rows[:, ev.HOST] != nm.ABSENT))
        for code in np.unique(rows[orders, ev.HOST]).tolist():
            heard = self._host(names.text(nm.HOST, code))
            last = int(at[orders][rows[orders, ev.HOST] == code].max())
            heard.ordered_ns = max(heard.ordered_ns, last)

    def _host(self, host: str) -> Heard:
        return self.hosts.setdefault(host, Heard())

    def _beat(self, row: Int64Array, at_ns: int, names: Names) -> None:
        heard = self._host(names.text(nm.HOST, int(row[ev.HOST])))
        boot, build = names.text(nm.BOOT, int(row[ev.BOOT])), names.text(nm.BUILD, int(row[ev.BUILD]))
        voice = heard.voices.get((boot, build))
        if voice is None:
            if len(heard.voices) == VOICES_MAX:
                heard.voices_lost += 1
                return
            voice = heard.voices.setdefault((boot, build), Voice(boot, build))
        if at_ns < voice.at_ns:
            return  # told late
        flags = int(row[ev.FLAGS])
        voice.at_ns = at_ns
        voice.config_hash = names.text(nm.CONFIG_HASH, int(row[ev.CONFIG_HASH]))
        voice.flags = names.flags(flags) if flags != nm.ABSENT else None
        voice.role = names.text(nm.ROLE, int(row[ev.ROLE]))

    def _rolled(self, row: Int64Array, at_ns: int, names: Names) -> None:
        heard = self._host(names.text(nm.HOST, int(row[ev.HOST])))
        if heard.rollout is not None and at_ns < heard.rollout.at_ns:
            return  # told late: a later step is known
        build, role = names.text(nm.BUILD, int(row[ev.BUILD])), names.text(nm.ROLE, int(row[ev.ROLE]))
        heard.rollout = RollOut(build, Phase(int(row[ev.PHASE])), at_ns, role)
