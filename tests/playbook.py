"""A conversation with the engine that can be read aloud.

    Playbook(engine(child_parent={"mode": "armed"}))
    >> "P1 done +300ms C C"      what happens: words of `tests.streams.orders`, events, facts, or something done to it
    << None                      what it decides: nothing that a person or a gateway would hear
    >> "C"
    << Halt("host=a-gw-1", "child_after_done")

`<< Halt(...)` asks for exactly these halts since the last `>>`; pages are asked for by `<< Page(...)`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

from detectors.contract import ANY_FAMILY, Breach, Detector, Evidence, Level, Reason, Severity, every_detector
from detectors.scope import Scope
from monitor.core import commands as cmd
from monitor.core import engine as engine_module
from monitor.core import snapshot
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import GatewaySaid, RecordsArrived, SourcePart, TimePassed
from monitor.core.policy import DetectorPolicy, Mode, Policy
from tests.streams import MS, START, Desk, Told
from tests.streams import orders as told_in_words

TOPIC = "trading.telemetry.v1"
DIGEST = "d" * 64


class Scripted(Detector):
    """A family that says what a test told it to say, at the next event."""

    reasons = (
        Reason("scripted", "things that the test made up", "events", Level.HALT_NEW),
        Reason("only_pages", "things that never halt", "events", None),
        Reason("statistic", "things that halt with a second family", "events", Level.HALT_NEW, ANY_FAMILY),
        Reason("with_witness", "things that halt with that family", "events", Level.HALT_NEW, "witness"),
    )
    BYTES_MAX = 1 << 10

    @dataclass(frozen=True)
    class Settings:
        pass

    @classmethod
    def family(cls) -> str:
        return "scripted"

    def __init__(self, settings: Any, view: Any) -> None:
        super().__init__(settings, view)
        self.will_say: list[Callable[[int], Breach]] = []

    def on_postings(self, postings: Any) -> Iterator[Breach]:
        said, self.will_say = self.will_say, []
        yield from (breach(0) for breach in said)

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        said, self.will_say = self.will_say, []
        yield from (breach(-1) for breach in said)


class Witness(Scripted):
    """A second family of that kind."""

    @classmethod
    def family(cls) -> str:
        return "witness"


def policy(**detectors: dict[str, Any]) -> Policy:
    known = {**every_detector(), "scripted": Scripted, "witness": Witness}
    return Policy(
        site="demo",
        env="demo",
        digest=DIGEST,
        detectors={
            name: DetectorPolicy(
                Mode(chosen.get("mode", "armed")),
                known[name].Settings(**{k: v for k, v in chosen.items() if k not in ("mode", "level")}),
                chosen.get("level"),
            )
            for name, chosen in detectors.items()
        },
        witnesses=frozenset({"parent_fill", "order_ack", "drop_copy"}),
        parented=({"hosts": ("*",), "strategies": ("*",)},),
        cold=False,
    )


def engine(**detectors: dict[str, Any]) -> Engine:
    return engine_of(policy(**detectors))


def engine_of(chosen: Policy) -> Engine:
    """An engine that knows the scripted family too."""
    families = {**every_detector(), "scripted": Scripted, "witness": Witness}
    with mock.patch.object(engine_module, "every_detector", return_value=families):
        return Engine(chosen)


def restarted(before: Engine) -> Engine:
    """Another process, that knows what the snapshot's bytes hold."""
    after = engine_of(before.policy)
    after.restore(snapshot.decode(b"".join(snapshot.encode(before.snapshot()))))
    return after


def says(
    scope: str,
    severity: str = "halt",
    reason: str = "scripted",
    *,
    by_mark: bool = False,
    at: int = 0,
    family: str = "scripted",
) -> Callable[[Playbook], list[cmd.Command]]:
    """The scripted family has a breach to tell, at the next event, which comes at once."""

    def do(book: Playbook) -> list[cmd.Command]:
        book.desk.now += MS
        when = book.desk.now + at
        what = (
            reason,
            Severity[severity.upper()],
            Scope.parse(scope),
            5,
            3,
            "events",
            Evidence(((0, 0, 0),), 1),
        )
        told_by = book.engine.detectors[family]
        assert isinstance(told_by, Scripted)
        told_by.will_say.append(
            lambda row: Breach(family, *what, at_ns=when, row=row, exposed_usd=96_400.0, by_mark=by_mark)
        )
        book.desk.heartbeat(0, 0)
        return book.tell(book.fresh())

    return do


def wait(seconds: float, lagging: tuple[int, ...] = ()) -> Callable[[Playbook], list[cmd.Command]]:
    """The clock goes on in ticks of 100 ms, as the shell's does."""

    def do(book: Playbook) -> list[cmd.Command]:
        said: list[cmd.Command] = []
        for _ in range(round(seconds * 10)):
            book.now += 100 * MS
            said += book.engine.handle(TimePassed(book.now, lagging))
        return said

    return do


def crash_and_restore() -> Callable[[Playbook], list[cmd.Command]]:
    def do(book: Playbook) -> list[cmd.Command]:
        book.use(restarted(book.engine))
        return []

    return do


def hello(*gateways: str, kinds: tuple[str, ...] = ()) -> Callable[[Playbook], list[cmd.Command]]:
    def do(book: Playbook) -> list[cmd.Command]:
        return [
            command
            for name in gateways
            for command in book.engine.handle(
                GatewaySaid({"type": "hello", "gateway": name, "kinds": list(kinds)}, book.now)
            )
        ]

    return do


def ack(
    gateway: str, state: str = "applied", level: str | None = None
) -> Callable[[Playbook], list[cmd.Command]]:
    """A gateway answers to every open halt."""

    def do(book: Playbook) -> list[cmd.Command]:
        return [
            command
            for halt in list(book.engine.halts.open.values())
            for command in book.engine.handle(
                GatewaySaid(
                    {
                        "type": "ack", "gateway": gateway, "halt_id": halt["halt_id"], "state": state,
                        "level": level or halt["level"],
                    },
                    book.now,
                )
            )
        ]  # fmt: skip

    return do


@dataclass(frozen=True)
class Halt:
    scope: str
    reason: str | None = None
    level: str | None = None
    again: bool = False

    def matches(self, said: cmd.Halt) -> bool:
        return (
            Scope.of(said.payload["scope"]).text == self.scope
            and self.reason in (None, said.payload["reason_code"])
            and self.level in (None, said.payload["level"])
            and self.again == said.again
        )


@dataclass(frozen=True)
class Page:
    about: str  # in its key or its first line
    severity: str | None = None
    resolved: bool = False

    def matches(self, said: cmd.Page) -> bool:
        told = f"{said.key} {said.summary}"
        return (
            self.about in told and self.severity in (None, said.severity) and self.resolved == said.resolved
        )


@dataclass(frozen=True)
class Lease:
    status: str

    def matches(self, said: cmd.Lease) -> bool:
        return said.status == self.status


KINDS = {Halt: cmd.Halt, Page: cmd.Page, Lease: cmd.Lease}


@dataclass
class Playbook:
    engine: Engine
    desk: Desk = field(default_factory=Desk)
    now: int = START
    said: list[cmd.Command] = field(default_factory=list)  # since the last >>
    told: int = 0

    def __post_init__(self) -> None:
        self.use(self.engine)
        self.part = self.engine.part_of(SourcePart(TOPIC, 0))

    def use(self, other: Engine) -> None:
        self.engine, self.decoder = other, Decoder(other.names)

    @property
    def scripted(self) -> Scripted:
        family = self.engine.detectors["scripted"]
        assert isinstance(family, Scripted)
        return family

    def fresh(self) -> list[Told]:
        return self.desk.events()[self.told :]

    def tell(self, events: list[Told]) -> list[cmd.Command]:
        first, self.told = self.told, self.told + len(events)
        records = [json.dumps({k: v for k, v in e.items() if k != "arrival_ts"}).encode() for e in events]
        offsets = np.arange(first, self.told)
        arrived = np.array([e.get("arrival_ts", 0) for e in events], np.int64)
        read = self.decoder.decode(records, self.part, offsets, arrived)
        ranges = ((self.part, first, self.told - 1),) if events else ()
        return self.engine.handle(RecordsArrived(read.batch, ranges, read.quarantined))

    def __rshift__(self, happened: Any) -> Playbook:
        if isinstance(happened, str):
            told_in_words(happened, self.desk)
            self.said = self.tell(self.fresh())
        elif callable(happened):
            self.said = happened(self)
        else:
            self.said = self.engine.handle(happened)
        return self

    def __lshift__(self, expected: Any) -> Playbook:
        if expected is None:
            assert self.of(cmd.Halt) == self.of(cmd.Page) == []
            return self
        wanted = expected if isinstance(expected, list) else [expected]
        heard = self.of(KINDS[type(wanted[0])])
        assert len(heard) == len(wanted), heard
        for want, got in zip(wanted, heard, strict=True):
            assert want.matches(got), f"wanted {want}, heard {got}"
        return self

    def of(self, kind: type) -> list[Any]:
        return [command for command in self.said if isinstance(command, kind)]

    def recorded(self, what: str) -> list[dict[str, Any]]:
        return [dict(c.fields) for c in self.said if isinstance(c, cmd.Record) and c.what == what]
