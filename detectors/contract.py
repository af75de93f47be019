"""What a detector gets, what it answers, and what it promises.

A family is one module in this folder with one subclass of `Detector`; it is found by
being there (`every_detector`), and runs when the configuration has a table of its name.
"""

from __future__ import annotations

import enum
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

import detectors
from detectors.baseline import Rates
from detectors.scope import Scope

if TYPE_CHECKING:
    from detectors.halts import HaltsInForce
    from detectors.ledger import Ledger
    from detectors.names import Names

Int64Array = NDArray[np.int64]
Int32Array = NDArray[np.int32]
Bytes = NDArray[np.uint8]

EVIDENCE_RANGES_MAX: Final = 16
ANY_FAMILY: Final = "*"


class Severity(enum.IntEnum):
    """WARN records and counts, HIGH pages, HALT halts."""

    WARN = 1
    HIGH = 2
    HALT = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class Result(enum.Enum):
    """Four results of a question; unknown is never clear."""

    CLEAR = "clear"
    BREACH = "breach"
    STALE = "stale"  # nothing heard, or a number that the answer needs is missing
    FAULT = "fault"  # the detector itself failed

    @property
    def is_known(self) -> bool:
        return self in (Result.CLEAR, Result.BREACH)


class Level(enum.IntEnum):
    """Levels of a halt, rising (contract, section 2)."""

    THROTTLE = 1
    REDUCE_ONLY = 2
    HALT_NEW = 3
    HALT_CANCEL = 4
    DISCONNECT = 5

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Reason:
    """One entry of the closed list of reasons.  Never re-used for another meaning."""

    code: str
    claim: str  # one sentence, for the phone and the runbook: "children after parent done"
    unit: str  # of `measured` and `limit`
    level: Level | None  # of its halt, where the configuration says nothing; None: never halts
    second: str = ""  # the family that must say HIGH of the same cause before it halts; ANY_FAMILY: any other


@dataclass(frozen=True, slots=True)
class Batch:
    """Events as columns.  `rows` is (events, event.COLUMNS) int64, C-ordered, never mutated."""

    rows: Int64Array
    text: Bytes  # the raw bytes that PARENT_AT points into; read-only

    def __post_init__(self) -> None:
        self.text.setflags(write=False)  # one type for compiled code, wherever the bytes came from

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Postings:
    """What a run of events did.  `rows` is (postings, posting.COLUMNS) int64."""

    rows: Int64Array
    batch: Batch


@dataclass(frozen=True, slots=True)
class Evidence:
    """The records that a human should open first: at most 16 ranges of one partition each."""

    ranges: tuple[tuple[int, int, int], ...] = ()  # (PART, first OFFSET, last OFFSET)
    count: int = 0  # of events that count towards the breach, listed or not


@dataclass(frozen=True, slots=True)
class Breach:
    """Evidence, not an opinion."""

    detector: str
    reason: str
    severity: Severity
    scope: Scope
    measured: int | float
    limit: int | float | None
    unit: str
    evidence: Evidence
    at_ns: int  # event time, so that a replay says the same
    row: int  # row of the batch that tipped it, -1 if time did; orders the breaches of one batch
    exposed_usd: float | None = None  # dollars at stake, for the phone; None: not known
    by_mark: bool = False  # moved by a reference price alone: such a breach never widens a scope
    leaks: Level | None = None  # an open halt of this level over the scope does not hold: stop one step wider

    def __str__(self) -> str:
        return f"{self.detector} {self.reason} {self.scope}: {self.measured} > {self.limit}"


@dataclass(frozen=True, slots=True)
class View:
    """What a detector may look up besides its postings.  It changes none of it."""

    names: Names  # code -> text
    ledger: Ledger  # what never changes: attribution of a WHO, text of a parent
    clock_bound_ns: int = 100_000_000  # of a host whose heartbeat names none
    cold: bool = False  # the stream does not begin with the session
    witnesses: frozenset[str] = frozenset()  # telemetry.witnesses
    parented: tuple[Mapping[str, tuple[str, ...]], ...] = ()  # telemetry.parented
    known_reasons: frozenset[str] | None = None  # masked texts of the baseline; None: there is none
    rates: Rates = field(default_factory=Rates)  # what ordinary days look like
    sessions: Mapping[str, Int64Array] = field(
        default_factory=dict
    )  # calendar -> (open, close) of each session
    flags_seen: Mapping[str, int] = field(default_factory=dict)  # the day (since 1970) a flag was last used
    halts: HaltsInForce | None = None  # open ones and who obeys them; None: nobody tells (`halts_of`)


class Detector(ABC):
    """One family.  Everything it knows is in `tables`; time is an argument.

    Promises, held by `tests/detectors/test_promises.py` for every subclass: where the
    stream is cut changes nothing; a snapshot restored anywhere changes nothing; duplicates
    are no-ops; another account's flow changes nothing for this one; the batch is not
    mutated; memory stays under `BYTES_MAX`; `wake_at_ns` is never in the past.
    """

    reasons: ClassVar[tuple[Reason, ...]]
    Settings: ClassVar[type]  # a frozen dataclass, every field with a default and a unit last
    BYTES_MAX: ClassVar[int]
    ROWS: ClassVar[Mapping[str, type]] = {}  # settings that are rows of a table: what one row may say
    ARMED_NEEDS: ClassVar[tuple[str, ...]] = ()  # settings without which it must not be armed
    LIVES_ON: ClassVar[tuple[str, ...]] = ()  # kinds of events: without any of them it cannot fire

    tables: dict[str, NDArray[Any]]

    def __init__(self, settings: Any, view: View) -> None:
        self.settings = settings
        self.view = view
        self.tables = {}

    @classmethod
    def family(cls) -> str:
        """The name of its file or folder, of its configuration table and in its halts."""
        words = cls.__module__.split(".")
        return words[1] if words[0] == "detectors" else words[-1]

    @classmethod
    def problems(cls, table: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:  # noqa: ARG003
        """What is wrong between its settings: (key, what, what to write).  Looks at raw TOML."""
        return iter(())

    @classmethod
    def idle(cls, settings: Any) -> tuple[str, str] | None:  # noqa: ARG003
        """Why it can never fire with these settings, and what to write."""
        return None

    @classmethod
    def reason(cls, code: str) -> Reason:
        return next(reason for reason in cls.reasons if reason.code == code)

    @abstractmethod
    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        """Judge what happened, in order.  Breaches come in order of their rows."""

    @abstractmethod
    def on_time(self, now_ns: int) -> Iterator[Breach]:
        """Judge silence: event time has reached `now_ns` (as LOW does) without an event."""

    def on_halts(self) -> None:  # noqa: B027  most families do not ask
        """The halts in force have changed, between two events.  Told again, it changes nothing."""

    def on_policy(self, changes: Iterable[tuple[str, Any, Any]]) -> Iterator[Breach]:  # noqa: ARG002
        """Another policy takes over: (key, before, after) of each setting that differs."""
        return iter(())

    def wake_at_ns(self) -> int | None:
        """When `on_time` could say something if nothing happens before.  Never in the past."""
        return None

    def results(self) -> Mapping[str, Result]:
        """Questions that are not CLEAR or BREACH now: `{"gross account=7": Result.STALE}`."""
        return {}

    def used(self) -> Mapping[str, int]:
        """Rows in use of each table; a table not named is saved whole."""
        return {}

    def views(self) -> dict[str, NDArray[Any]]:
        """As `snapshot`, of the tables themselves: they change with the next postings."""
        used = self.used()
        return {name: table[: used.get(name, len(table))] for name, table in self.tables.items()}

    def snapshot(self) -> dict[str, NDArray[Any]]:
        return {name: table.copy() for name, table in self.views().items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Back to a snapshot of an instance with equal settings; raises `ValueError` if it is another's."""
        if set(state) != set(self.tables):
            msg = f"{self.family()}: a snapshot of {sorted(state)}, not of {sorted(self.tables)}"
            raise ValueError(msg)
        used = self.used()
        for name, table in self.tables.items():
            saved = state[name]
            if saved.dtype != table.dtype or saved.shape[1:] != table.shape[1:] or len(saved) > len(table):
                fits = f"{saved.dtype}{saved.shape} does not fit {table.dtype}{table.shape}"
                msg = f"{self.family()}.{name}: {fits}"
                raise ValueError(msg)
            table[: len(saved)] = saved
            table[len(saved) : used.get(name, len(table))] = 0  # pages never used stay untouched


def every_detector() -> dict[str, type[Detector]]:
    """All families, by name: whatever file or folder here holds a `Detector`."""
    for module in pkgutil.iter_modules(detectors.__path__):
        importlib.import_module(f"detectors.{module.name}")
    return dict(
        sorted(
            (cls.family(), cls)
            for cls in Detector.__subclasses__()
            if cls.__module__.startswith("detectors.")
        )
    )


def setting(default: Any, doc: str) -> Any:
    """A field of a `Settings` dataclass with the sentence that the configuration prints above it."""
    return (
        field(default=default, metadata={"doc": doc})
        if not isinstance(default, (list, dict))
        else field(default_factory=lambda: default, metadata={"doc": doc})
    )
