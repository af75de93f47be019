"""Does what the engine says, in its order; nothing here decides.

A halt's line is in the audit trail before it is sent; it leaves on both roads at once, and
neither waits for the other, nor for a page, a console or a disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.core import journal
from monitor.core.commands import Command, DeadLetter, Halt, Lease, Page, Record, Save, State
from monitor.core.envelope import seal
from monitor.core.inputs import CommandSettled, Input, SourcePart
from monitor.core.keyring import Signer
from monitor.core.roads import left_state_roads, road_of, state_parts
from monitor.edge.audit import AuditTrail
from monitor.edge.clock import Clock
from monitor.edge.kafka_out import DeadLetterBytes, DeadLetters, KafkaOut
from monitor.edge.kafka_out import Outcome as KafkaOutcome
from monitor.edge.metrics import Metrics
from monitor.edge.mqtt_out import Message, MqttOut
from monitor.edge.mqtt_out import Outcome as MqttOutcome
from monitor.edge.pager import Alertmanager, Webhook
from monitor.failpoints import failpoint

# Words that a log line has for itself.
LOG_WORDS: Final = {"event": "session_event", "level": "halt_level", "timestamp": "told_timestamp"}
# Of messages that come by the hundred the log names the essence; the trail has them whole.
LOGGED: Final = {
    "gateway.refused": ("gateway", "order_id", "code", "halt_id"),
    "gateway.announced": ("gateway", "levels"),
    "halt.acknowledged": ("gateway", "halt_id", "state", "orders_refused", "working"),
}
# Until Kafka has a halt, for so long at most, nothing is judged and nothing else is said: whoever carries it
# needs the processor more than we do.  On two cores it is readable after 0.6 ms, else after 1.9.
LEAVE_S: Final = 0.003
# What is said each second or five fails as often (nobody listens): the log has it once in this time.
REPEATED: Final = ("lease.failed", "state.failed")
REPEATED_NS: Final = 60 * 1_000_000_000
DEADLINE_S: Final = 1.0  # of one attempt to say how it went; the roads go on trying by themselves


@dataclass
class Roads:
    """The two ways out of the house."""

    kafka: KafkaOut
    mqtt: MqttOut


@dataclass
class Performer:
    """Commands in, deeds done, outcomes back through `tell`."""

    site: str
    env: str
    issuer: str
    boot: str
    signer: Signer
    clock: Clock
    audit: AuditTrail
    metrics: Metrics
    log: Any
    tasks: asyncio.TaskGroup
    tell: Callable[[Input], None]
    parts: Callable[[int], SourcePart]
    save: Callable[[], None]
    keep_evidence: Callable[[Halt], None]
    judging: Callable[[str], None] = lambda _status: None  # the supervisor, at each lease
    roads: Roads | None = None
    dead_letters: DeadLetters | None = None
    pagers: list[Alertmanager | Webhook] = field(default_factory=list)
    state: list[Message] = field(default_factory=list)  # what is true now: said again after a reconnect
    _seq: int = 0
    _leaving: asyncio.Future[None] | None = None  # the last halt, until Kafka has it
    _state_parts: int = 0
    _newest_state: State | None = None  # commanded, and not said yet
    _stamped: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # our open halts as they went out
    _failed: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)  # what, road -> why, when

    @contextlib.contextmanager
    def beside(self, task: str) -> Iterator[None]:
        """What is done in the judging's own turn, and must not end it: a failure is counted and logged."""
        try:
            yield
        except Exception as broken:  # whatever it is: judging goes on
            with contextlib.suppress(Exception):
                self.metrics.task_failures(task).inc()
            self.log.exception("task.failed", task=task, why=f"{type(broken).__name__}: {broken}")

    def perform(self, command: Command) -> None:
        """Do one command.  Returns at once: what takes time is done beside."""
        line = journal.line_of_command(command)
        if line is not None:
            self.write(*line)
        match command:
            case Halt():
                self._halt(command)
            case State():
                self._state(command)
            case Lease():
                self._lease(command)
            case Page():
                self._page(command)
            case DeadLetter():
                self._bury(command)
            case Save():
                self.save()
            case Record():
                self._note(command)

    async def let_halts_leave(self) -> None:
        """Until Kafka has the halt that was just commanded, or some milliseconds have passed."""
        leaving = self._leaving
        if leaving is not None:
            await asyncio.wait([leaving], timeout=LEAVE_S)
            if self._leaving is leaving:
                self._leaving = None

    def write(self, what: str, fields: Mapping[str, Any]) -> None:
        """One line into the audit trail."""
        self.audit.append(what, fields, self.clock.now_ns())
        self.metrics.audit_lines.inc()

    def stamp(self, payload: Mapping[str, Any], issued_at: int | None = None) -> dict[str, Any]:
        """The fields that only we know: who says it, in which life, when, after which line of the trail.

        The time is the wall clock's, because receivers judge freshness by theirs; the head is what
        the disk has, because a crash may not make what we published a lie.
        """
        self._seq += 1
        stamped = {
            "v": 1,
            "site": self.site,
            "env": self.env,
            **payload,
            "issuer": self.issuer,
            "boot": self.boot,
            "seq": self._seq,
            "issued_at": self.wall_ns() if issued_at is None else issued_at,
        }
        if payload["type"] in ("halt", "lease", "state"):
            stamped["audit_head"] = self.audit.durable_head.payload
        return stamped

    def memory(self) -> dict[str, Any]:
        """What another life of ours must know of what we said: the last number, parts of the state, pages."""
        pages = {_name(pager): pager.plain() for pager in self.pagers}
        return {"seq": self._seq, "state_parts": self._state_parts, "pages": pages}

    def remember(self, memory: Mapping[str, Any], lines_since: int) -> None:
        """Go on after an earlier life, which said no more than it wrote lines since then."""
        self._seq = memory.get("seq", 0) + lines_since
        self._state_parts = memory.get("state_parts", 0)
        for pager in self.pagers:
            pager.restore(memory.get("pages", {}).get(_name(pager), ()))

    def wall_ns(self) -> int:
        return self.clock.now_ns() + self.clock.skew_ns()

    # --- halts --------------------------------------------------------------------------------

    def _halt(self, command: Halt) -> None:
        failpoint("halt.line_appended")
        stamped = self.stamp(command.payload)
        self._stamped[command.halt_id] = stamped
        raw = seal(stamped, [self.signer])
        failpoint("halt.sealed")
        road = road_of(stamped)
        self._leaving = asyncio.get_running_loop().create_future()
        self._by_kafka("halt", command.halt_id, road.kafka_topic, road.kafka_key, raw, self._leaving)
        self._by_mqtt("halt", command.halt_id, road.mqtt_topic, raw, retain=road.retain)
        if not command.again:
            self._spawn(self._note_halt(command, stamped))

    async def _note_halt(self, command: Halt, stamped: Mapping[str, Any]) -> None:
        """What is said of a halt beside it, when it has left."""
        await self.let_halts_leave()
        with self.beside("metrics"):
            self.metrics.halts(stamped["detector"]).inc()
        self.log.critical(
            "halt.sent",
            scope=stamped["scope"],
            halt_level=stamped["level"],  # `level` is the log's own word
            reason=stamped["reason_code"],
            halt_id=command.halt_id,
        )
        self.keep_evidence(command)

    def _spawn(self, work: Any) -> None:
        self.tasks.create_task(work)

    def _by_kafka(
        self,
        what: str,
        key: str,
        topic: str,
        kafka_key: str,
        raw: bytes | None,
        leaving: asyncio.Future[None] | None = None,
    ) -> None:
        """Post it now, and hear beside what came of it; `leaving` is told that something did."""
        assert self.roads is not None
        letter = self.roads.kafka.post(topic, kafka_key, raw)
        self._spawn(self._hear_of(what, key, "kafka", self.roads.kafka, letter, leaving))

    def _by_mqtt(self, what: str, key: str, topic: str, raw: bytes, *, retain: bool) -> None:
        assert self.roads is not None
        letter = self.roads.mqtt.post(topic, raw, retain=retain)
        self._spawn(self._hear_of(what, key, "mqtt", self.roads.mqtt, letter))

    async def _hear_of(
        self,
        what: str,
        key: str,
        name: str,
        road: KafkaOut | MqttOut,
        letter: Any,
        leaving: asyncio.Future[None] | None = None,
    ) -> None:
        outcome = await road.outcome(letter, DEADLINE_S)
        if leaving is not None and not leaving.done():
            leaving.set_result(None)
        self._came_of(what, key, name, outcome)

    def _came_of(self, what: str, key: str, road: str, outcome: KafkaOutcome | MqttOutcome) -> None:
        if not outcome.superseded:  # else what goes in its place will say what became of it
            self.settled(what, key, road, ok=outcome.ok, latency_s=outcome.latency_s, detail=outcome.detail)

    def settled(self, what: str, key: str, road: str, *, ok: bool, latency_s: float, detail: str) -> None:
        """Tell the engine what became of a halt or a page; of what is said each second only failures."""
        if what == "halt":
            failpoint("halt.settled")
            self.metrics.publish_seconds(road).observe(latency_s)
            if not ok:
                self.metrics.publish_failures(road).inc()
            self.log.info(
                "halt.settled", road=road, ok=ok, latency_ms=round(latency_s * 1e3, 1), detail=detail
            )
        if what in ("halt", "page") or not ok:
            self.tell(CommandSettled(what, key, road, ok, self.clock.now_ns(), detail))

    # --- what is said again and again ---------------------------------------------------------

    def _state(self, command: State) -> None:
        """Said when the halts that led to it have left: with many open ones it is long."""
        self.metrics.halts_open.set(len(command.open))
        if self._newest_state is None:
            self._spawn(self._say_state())
        self._newest_state = command

    async def _say_state(self) -> None:
        await self.let_halts_leave()
        command, self._newest_state = self._newest_state, None
        assert command is not None
        self.state = self._state_messages(command)

    def _state_messages(self, command: State) -> list[Message]:
        """All open halts, whole; the parts of one state carry one time, by which they belong together."""
        issued_at = self.wall_ns()
        whole = [self._whole(halt) for halt in command.open]
        payloads = state_parts(whole, command.closed, command.policy_digest)
        messages: list[Message] = []
        for number, payload in enumerate(payloads, 1):
            stamped = self.stamp(payload, issued_at)
            raw = seal(stamped, [self.signer])
            road = road_of(stamped)
            messages.append(Message(road.mqtt_topic, raw, retained=True))
            key = f"state/{number}"
            self._by_kafka("state", key, road.kafka_topic, road.kafka_key, raw)
            self._by_mqtt("state", key, road.mqtt_topic, raw, retain=True)
        for road in left_state_roads(self.site, self.issuer, self._state_parts, len(payloads)):
            self._by_kafka("state", "state/left", road.kafka_topic, road.kafka_key, None)
            self._by_mqtt("state", "state/left", road.mqtt_topic, b"", retain=True)
        self._state_parts = len(payloads)
        return messages

    def _whole(self, halt: Mapping[str, Any]) -> Mapping[str, Any]:
        """An open halt with all its fields: another issuer's as it came, ours as we sent it."""
        if "issuer" in halt:
            return halt
        halt_id = str(halt["halt_id"])
        if halt_id not in self._stamped:  # ours from before a restart
            self._stamped[halt_id] = self.stamp(halt)
        return self._stamped[halt_id]

    def lease_message(self, status: str, blind_of: list[Mapping[str, str]], digest: str) -> Message:
        """A lease as it goes out; also the Last Will, which says that we are blind of everything."""
        stamped = self.stamp(
            {"type": "lease", "status": status, "blind_of": blind_of, "policy_digest": digest}
        )
        return Message(road_of(stamped).mqtt_topic, seal(stamped, [self.signer]))

    def _lease(self, command: Lease) -> None:
        assert self.roads is not None
        self.metrics.say_status(command.status)
        self.judging(command.status)
        message = self.lease_message(command.status, list(command.blind_of), command.policy_digest)
        road = road_of({"type": "lease", "site": self.site, "issuer": self.issuer})
        self._by_kafka("lease", "lease", road.kafka_topic, road.kafka_key, message.payload)
        self._by_mqtt("lease", "lease", message.topic, message.payload, retain=False)

    # --- people -------------------------------------------------------------------------------

    def _page(self, command: Page) -> None:
        with self.beside("metrics"):
            self.metrics.pages(command.severity).inc()
        for pager in self.pagers:
            with self.beside("pager"):
                pager.submit(command)
        say = self.log.info if command.resolved else self.log.critical
        say("page.resolved" if command.resolved else "page.sent", summary=command.summary, key=command.key)

    def _note(self, command: Record) -> None:
        if command.what == "breach.seen":
            self.metrics.breaches(command.fields["detector"], command.fields["severity"]).inc()
        elif command.what != "lease.commanded" and not self._said_of_late(command):
            named = LOGGED.get(command.what)
            told = {k: v for k, v in command.fields.items() if named is None or k in named}
            self.log.info(command.what, **{LOG_WORDS.get(k, k): v for k, v in told.items()})

    def _said_of_late(self, command: Record) -> bool:
        """Whether the log has this very failure of this road already; the trail has each of them."""
        if command.what not in REPEATED:
            return False
        key, why, now_ns = (
            (command.what, command.fields["road"]),
            command.fields["detail"],
            self.clock.now_ns(),
        )
        before, said_ns = self._failed.get(key, ("", -REPEATED_NS))
        if before == why and now_ns - said_ns < REPEATED_NS:
            return True
        self._failed[key] = why, now_ns
        return False

    def _bury(self, command: DeadLetter) -> None:
        broken = command.record
        source = self.parts(broken.part)
        self.metrics.quarantined(broken.reason).inc()
        self.log.warning(
            "record.quarantined",
            topic=source.topic,
            partition=source.partition,
            offset=broken.offset,
            path=broken.path,
            reason=broken.reason,
            detail=broken.detail,
        )
        if self.dead_letters is not None:
            told = {
                "topic": source.topic, "partition": source.partition, "offset": broken.offset,
                "path": broken.path, "reason": broken.reason, "detail": broken.detail,
            }  # fmt: skip
            headers = (("knightwatch", json.dumps(told).encode()),)
            sent = self.dead_letters.submit(DeadLetterBytes(broken.raw, headers))
            if not sent:
                self.metrics.dead_letters("lost").inc()


def _name(pager: Alertmanager | Webhook) -> str:
    return type(pager).__name__.lower()
