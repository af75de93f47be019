r"""The live shell: feeds the engine with what happens and performs what it says.

    Kafka records -> decode -> RecordsArrived \
    100 ms ticks            -> TimePassed      >  Engine.handle  ->  Performer.perform
    both roads, verified    -> ...Said        /

Judging runs on the loop's own thread, nothing awaits inside it, and each fact is in the audit
trail before what it led to is sent.  All tasks live in one group: if judging fails, everything
ends, the last lease says blind, and the supervisor starts anew from the snapshot.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from numpy.typing import NDArray

from monitor.core import journal, snapshot
from monitor.core.commands import Halt
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.envelope import Ignored
from monitor.core.inputs import (
    CommandSettled,
    Input,
    LinkChanged,
    MessageRefused,
    ReadingStarted,
    RecordsArrived,
    RecordsLost,
    SourcePart,
    TimePassed,
)
from monitor.core.judge import REASONS as QUARANTINE_REASONS
from monitor.core.roads import ACKS, ALLOWANCES, COMMANDS, COMPACTED, LEASES, STATES
from monitor.edge import login, logs
from monitor.edge.allocator import map_tables_apart
from monitor.edge.audit import AuditTrail, Keeping, RawRecord, TrailProblem
from monitor.edge.clock import Clock, Tick
from monitor.edge.http import Http
from monitor.edge.kafka_fetch import fetch
from monitor.edge.kafka_in import Chunk, Gap, KafkaIn, Source, Started
from monitor.edge.kafka_out import DeadLetters, KafkaOut, make_topics
from monitor.edge.kafka_out import Outcome as KafkaOutcome
from monitor.edge.keys import KeyProblem, load_keyring, load_signer
from monitor.edge.metrics import Metrics
from monitor.edge.mqtt_out import Broker, Message, MqttOut
from monitor.edge.mqtt_out import Outcome as MqttOutcome
from monitor.edge.pager import Alertmanager, Webhook
from monitor.edge.pager import Outcome as PageOutcome
from monitor.edge.store import Store
from monitor.hearing import Hearing
from monitor.performing import Performer, Roads
from monitor.settings import Config, ConfigError, Problem
from monitor.settings.policy import policy_of
from monitor.settings.reading import partitions_of, session_start_ns
from monitor.settings.secrets import kafka_password, mqtt_password, webhook_url
from monitor.warm import warm_up

DEAD_LETTERS: Final = "risk.dlq.v1"
REACH_S: Final = 8.0  # a broker that does not answer for so long is not there
LAG_S_MIN: Final = 0.25
LAST_WORDS_S: Final = 1.0
INSIST_S: Final = 1.0
EVIDENCE_AFTER_S: Final = 1.0  # Kafka keeps records for longer than that
MIB: Final = 1024 * 1024

OnRecords = Callable[[SourcePart, list[bytes], NDArray[np.int64], NDArray[np.int64]], None]


class Unreachable(Exception):  # a fact about the world, not a fault of ours
    """A server that is needed to start does not answer: its address, and what was tried."""


def run(config: Config, *, partitions: frozenset[int] | None = None) -> int:
    """Watch until SIGTERM or SIGINT; returns the exit status."""
    logs.configure()
    return asyncio.run(_until_signal(config, partitions))


async def _until_signal(config: Config, partitions: frozenset[int] | None) -> int:
    stop, status = asyncio.Event(), [0]

    def asked(number: signal.Signals) -> None:
        status[0] = 128 + number
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)
    await Monitor(config, partitions=partitions).run(stop)
    return status[0]


class Monitor:
    """One running monitor.  `on_records` sees each record that is judged (for a recording)."""

    def __init__(
        self, config: Config, *, partitions: frozenset[int] | None = None, on_records: OnRecords | None = None
    ) -> None:
        self.config = config
        self.log = logs.logger()
        self.clock = Clock()
        self.boot = uuid.uuid4().hex
        self._on_records = on_records
        self._partitions = partitions_of(config.kafka.partitions) if partitions is None else partitions
        self._signer, self._keyring = _keys(config)
        self._clients = _clients(config, self.boot)
        self.engine = Engine(policy_of(config))
        self._decoder = Decoder(self.engine.names)
        self._allowed: set[int] = set()
        self._pending: list[list[int]] = []  # arrivals that are not in the trail yet: one line for many
        self._pending_holes: list[list[int]] = []
        self._facts: deque[Input] = deque()
        self._telling = False
        self._saving: asyncio.Task[None] | None = None
        self._judging: list[asyncio.Task[None]] = []  # what tells the engine; ended before the last words
        self._topic_ids: dict[str, bytes] = {}
        self._restored_after: int | None = None  # line of the trail behind which our snapshot stood
        self._runners: list[asyncio.Task[None]] = []
        self._insisting: asyncio.TimerHandle | None = None
        self.ready = asyncio.Event()  # state restored, roads open
        self.http_port = 0

    # --- life ---------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`.  Raises `Unreachable` or `ConfigError` if it cannot begin."""
        config = self.config
        map_tables_apart()
        await asyncio.to_thread(warm_up, config.detectors)
        _settle_garbage()
        await _reach_kafka(self._clients[0], config.kafka.bootstrap_servers)
        self.audit = _open_audit(config, self.clock.now_ns(), self._signer)
        self._store = Store(config.snapshot.folder)
        self._restore()
        self.metrics = self._make_metrics()
        self._http = Http(
            config.http.host, config.http.port, exposition=self.metrics.exposition, not_ready=self._not_ready
        )
        try:
            self.http_port = self._http.bind()
        except OSError as taken:
            where = f"{config.http.host}:{config.http.port}"
            raise ConfigError(
                config.source, [Problem("http.port", f"{where}: {taken.strerror}", "write a free port, or 0")]
            ) from taken
        made = await make_topics(self._clients[0], COMPACTED, [LEASES, ACKS, ALLOWANCES, DEAD_LETTERS])
        self.log.info("topics.checked", **made)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._start(tasks)
                await stop.wait()
                await self._say_goodbye()
                self._insist(asyncio.get_running_loop())
                raise _Stopped  # noqa: TRY301  how a task group is told to end
        except* _Stopped:
            pass
        finally:
            if self._insisting is not None:
                self._insisting.cancel()
            self._flush()
            self.audit.close(self.clock.now_ns())
        self.log.info("monitor.stopped")

    def _insist(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel again who goes on: a library may swallow a cancellation (`wait_for` of Python 3.11)."""
        for task in self._runners:
            task.cancel()
        self._insisting = loop.call_later(INSIST_S, self._insist, loop)

    def _start(self, tasks: asyncio.TaskGroup) -> None:
        """Open the roads and begin to read, all in one group."""
        config, client = self.config, self._clients[0]
        self.kafka_in = KafkaIn(
            client,
            [
                Source(one.topic, session_start_ns(config.telemetry, self.clock.now_ns()), whole=place > 0)
                for place, one in enumerate(config.kafka.inputs)
            ],
            now_ns=self.clock.now_ns,
            start={
                (self.engine.parts[part].topic, self.engine.parts[part].partition): offset
                for part, offset in self.engine.next_offsets.items()
            },
            topic_ids=self._topic_ids,
            partitions=self._partitions,
        )
        halts_in = KafkaIn(
            client,
            [
                Source(COMMANDS, whole=True),
                Source(STATES, whole=True),
                Source(ACKS, self.clock.now_ns(), whole=True),
            ],
            now_ns=self.clock.now_ns,
            link="kafka_halts",
        )
        kafka_out = KafkaOut(
            client, now_ns=self.clock.now_ns, on_link=self.tell, on_delivered=self._delivered_kafka
        )
        site = config.site
        mqtt = MqttOut(
            self._clients[1],
            # Halts we hear by Kafka: a listener here would hide from us that nobody else listens.
            [f"risk/v1/{quote(site, safe='')}/ack/+"],
            now_ns=self.clock.now_ns,
            on_link=self.tell,
            on_delivered=self._delivered_mqtt,
            will=self._will,
            present=self._present,
        )
        dead = DeadLetters(client, DEAD_LETTERS, on_settled=self._buried)
        pagers: list[Alertmanager | Webhook] = []
        if config.pages.alertmanager_urls:
            pagers.append(
                Alertmanager(
                    config.pages.alertmanager_urls,
                    now_ns=self.clock.now_ns,
                    on_settled=lambda key, outcome: self._paged("alertmanager", key, outcome),
                )
            )
        hook = webhook_url(config)
        if hook is not None:
            pagers.append(
                Webhook(
                    hook,
                    now_ns=self.clock.now_ns,
                    on_settled=lambda key, outcome: self._paged("webhook", key, outcome),
                )
            )
        self.performer = Performer(
            site=site,
            env=config.env,
            issuer=config.issuer,
            boot=self.boot,
            signer=self._signer,
            clock=self.clock,
            audit=self.audit,
            metrics=self.metrics,
            log=self.log,
            tasks=tasks,
            tell=self.tell,
            parts=lambda part: self.engine.parts[part],
            save=lambda: self._save(tasks),
            keep_evidence=lambda halt: self._keep_evidence(tasks, halt),
            roads=Roads(kafka_out, mqtt),
            dead_letters=dead,
            pagers=pagers,
        )
        self._hearing = Hearing(self._keyring, site, config.env, config.issuer, self.boot, self._refused)
        self.performer.write(
            "monitor.started",
            {"boot": self.boot, "issuer": config.issuer, "version": version("knightwatch"),
             "policy_digest": config.policy_digest, "restored": self._restored_after is not None,
             "restored_after": self._restored_after},
        )  # fmt: skip
        runners = (self.kafka_in, halts_in, kafka_out, mqtt, dead, self._http, *pagers)
        for runner in runners:
            self._runners.append(tasks.create_task(runner.run()))
        for work in (self._read_records(), self._read_roads(halts_in), self._read_mqtt(mqtt), self._tick()):
            self._judging.append(tasks.create_task(work))
        self.ready.set()
        self.log.info("monitor.started", boot=self.boot, http_port=self.http_port)

    async def _say_goodbye(self) -> None:
        """The last words before a wanted end: nobody judges here any more; and what we know, saved."""
        for work in self._judging:  # or a tick would say after them that we judge
            work.cancel()
        await asyncio.wait(self._judging)
        message = self.performer.lease_message("blind", [{}], self.config.policy_digest)
        roads = self.performer.roads
        assert roads is not None
        await asyncio.gather(
            roads.mqtt.publish(message.topic, message.payload, deadline_s=LAST_WORDS_S),
            roads.kafka.publish(LEASES, self.config.issuer, message.payload, LAST_WORDS_S),
        )
        if self._saving is not None:
            await asyncio.wait({self._saving}, timeout=LAST_WORDS_S * 10)
        await self._write_snapshot()

    # --- facts --------------------------------------------------------------------------------

    def tell(self, happened: Input) -> None:
        """Tell the engine, do what it says.  A fact that a deed causes at once waits for its turn."""
        self._facts.append(happened)
        if self._telling:
            return
        self._telling = True
        try:
            while self._facts:
                self._handle(self._facts.popleft())
        finally:
            self._telling = False

    def _handle(self, happened: Input) -> None:
        catching_up = self.engine.sequencer.is_catching_up
        commands = self.engine.handle(happened)
        catching_up = catching_up or self.engine.sequencer.is_catching_up
        what, fields = journal.line_of_fact(happened)
        if what == journal.ARRIVED and not catching_up:
            self._pending = journal.join(self._pending, fields["ranges"])
            self._pending_holes += fields.get("holes", [])
            if commands:
                self._flush()
        else:
            self._flush()
            self.performer.write(what, fields)
        for command in commands:
            self.performer.perform(command)

    def _flush(self) -> None:
        """Arrivals that led to nothing become one line, because where the stream is cut changes nothing."""
        if self._pending:
            fields = {"ranges": self._pending}
            if self._pending_holes:
                fields["holes"] = self._pending_holes
            self._pending, self._pending_holes = [], []
            self.performer.write(journal.ARRIVED, fields)

    async def _read_records(self) -> None:
        async for fact in self.kafka_in.read():
            if isinstance(fact, Chunk):
                began_s = time.perf_counter()
                self._arrived(fact)
                self.metrics.handle_seconds.observe(time.perf_counter() - began_s)
                await self.performer.let_halts_leave()
            elif isinstance(fact, Started):
                self.tell(ReadingStarted(fact.topic, fact.partition, fact.offset, fact.why))
            elif isinstance(fact, Gap):
                self.metrics.gaps(fact.why).inc()
                now_ns = self.clock.now_ns()
                self.tell(RecordsLost(fact.topic, fact.partition, fact.first, fact.end, fact.why, now_ns))
            else:
                self._linked(fact)

    def _arrived(self, chunk: Chunk) -> None:
        """Judge a chunk at once: by partition each of the four would cost as much as all."""
        reads = [(self._part(read.topic, read.partition), read) for read in chunk.parts]
        values = [value for _, read in reads for value in read.values]
        parts = np.repeat([part for part, _ in reads], [len(read.values) for _, read in reads])
        offsets = np.concatenate([read.offsets for _, read in reads])
        arrived_ns = np.concatenate([read.arrived_ns for _, read in reads])
        decoded = self._decoder.decode(values, parts, offsets, arrived_ns)
        if self._on_records is not None:
            for part, read in reads:
                self._on_records(self.engine.parts[part], read.values, read.offsets, read.arrived_ns)
        self.metrics.events.inc(decoded.events)
        if decoded.passed_over:
            self.metrics.passed_over.inc(decoded.passed_over)
        ranges = tuple((part, int(read.offsets[0]), int(read.next_offset) - 1) for part, read in reads)
        ends = tuple((part, int(read.end_offset)) for part, read in reads)
        holes = tuple(
            (part, first, last)
            for part, read in reads
            for first, last in _holes(read.offsets, read.next_offset)
        )
        self.tell(RecordsArrived(decoded.batch, ranges, decoded.quarantined, ends, holes))

    def _part(self, topic: str, partition: int) -> int:
        part = self.engine.part_of(SourcePart(topic, partition))
        if part not in self._allowed:
            self._allowed.add(part)
            for one in self.config.kafka.inputs:
                if one.topic == topic:
                    self._decoder.allow(part, sources=one.sources, kinds=one.kinds)
        return part

    async def _read_roads(self, halts_in: KafkaIn) -> None:
        async for fact in halts_in.read():
            if isinstance(fact, Chunk):
                for part in fact.parts:
                    for value in part.values:
                        self._hear(value)
            elif isinstance(fact, LinkChanged) and fact.link == "kafka_halts":
                self._linked(fact)

    async def _read_mqtt(self, mqtt: MqttOut) -> None:
        async for message in mqtt.read():
            self._hear(message.payload)

    def _hear(self, raw: bytes) -> None:
        if raw:  # a tombstone, or a retained message that was cleared, says nothing
            happened = self._hearing.hear(raw, self.clock.now_ns())
            if happened is not None:
                self.tell(happened)

    def _refused(self, why: Ignored) -> None:
        self.log.warning("message.refused", reason=str(why.why), detail=why.detail)
        self.tell(MessageRefused(str(why.why), why.detail, why.why.is_security, self.clock.now_ns()))

    async def _tick(self) -> None:
        async for tick in self.clock.ticks():
            self._measure(tick)
            self.tell(TimePassed(tick.wall_ns, self._lagging()))

    def _lagging(self) -> tuple[int, ...]:
        """Parts that may hold records which we have not judged; of one that never answered nobody knows."""
        lag, ends = self.kafka_in.lag(), self.kafka_in.ends
        lagging = []
        for index, part in enumerate(self.engine.parts):
            key = (part.topic, part.partition)
            behind = lag.get(key)
            if behind is None:  # reading has not begun; later it is a partition that is not ours
                if not lag:
                    lagging.append(index)
            elif key not in ends or (
                behind.records and (behind.seconds >= LAG_S_MIN or behind.seconds == 0.0)
            ):
                lagging.append(index)
        return tuple(lagging)

    def _measure(self, tick: Tick) -> None:
        metrics = self.metrics
        metrics.loop_seconds.observe(tick.late_ns / 1e9)
        metrics.clock_skew.set(tick.skew_ns / 1e9)
        for (topic, partition), behind in self.kafka_in.lag().items():
            metrics.lag_seconds(topic, partition).set(behind.seconds)
            metrics.lag_records(topic, partition).set(behind.records)
        roads = self.performer.roads
        if roads is not None:
            metrics.outbox("kafka").set(roads.kafka.waiting)
            metrics.outbox("mqtt").set(roads.mqtt.waiting)
        unanswered = sum(bool(waiting.missing) for waiting in self.engine.follow_up.waiting.values())
        metrics.halts_unacknowledged.set(unanswered)

    def _linked(self, changed: LinkChanged) -> None:
        self.metrics.link_up(changed.link).set(changed.up)
        self.tell(changed)

    # --- outcomes that come late --------------------------------------------------------------

    def _delivered_kafka(self, topic: str, key: str, outcome: KafkaOutcome) -> None:
        if topic == COMMANDS:
            halt_id = key.split("/", 1)[0]
            self.performer.settled(
                "halt", halt_id, "kafka", ok=True, latency_s=outcome.latency_s, detail="late"
            )

    def _delivered_mqtt(self, topic: str, outcome: MqttOutcome) -> None:
        if "/halt/" in topic:
            halt_id = topic.rsplit("/", 1)[1]
            self.performer.settled(
                "halt",
                halt_id,
                "mqtt",
                ok=outcome.ok,
                latency_s=outcome.latency_s,
                detail=f"late {outcome.detail}",
            )

    def _paged(self, road: str, key: str, outcome: PageOutcome) -> None:
        self.metrics.page_deliveries(road, "delivered" if outcome.ok else "failed").inc()
        self.tell(CommandSettled("page", key, road, outcome.ok, self.clock.now_ns(), outcome.detail))

    def _buried(self, count: int, outcome: KafkaOutcome) -> None:
        if outcome.ok:
            self.metrics.dead_letters("sent").inc(count)

    def _will(self) -> Message:
        """What MQTT says when we are gone: blind of everything, signed now."""
        return self.performer.lease_message("blind", [{}], self.config.policy_digest)

    def _present(self) -> Iterable[Message]:
        """What is true now, for a broker that may have lost it."""
        return tuple(self.performer.state)

    # --- memory -------------------------------------------------------------------------------

    def _save(self, tasks: asyncio.TaskGroup) -> None:
        if self._saving is None or self._saving.done():
            self._saving = tasks.create_task(self._write_snapshot())

    async def _write_snapshot(self) -> None:
        self._flush()
        state = self.engine.snapshot()
        ids = {topic: identity.hex() for topic, identity in self.kafka_in.topic_ids.items()}
        state["shell"] = {"topic_ids": ids, "audit_lines": self.audit.head.count}
        at_ns = self.clock.now_ns()
        try:
            pieces = await asyncio.to_thread(snapshot.encode, state)
            await asyncio.to_thread(self._store.save, pieces, at_ns)
        except OSError as broken:
            self.metrics.snapshot_failures.inc()
            self.tell(
                CommandSettled("snapshot", "snapshot", "disk", ok=False, at_ns=at_ns, detail=str(broken))
            )
            return
        self.metrics.snapshot_saved(at_ns)

    def _restore(self) -> None:
        state, wrong = self._store.load(snapshot.decode, snapshot.BadSnapshot)
        for what in wrong:
            self.log.error("snapshot.set_aside", what=what)
            self.audit.append("snapshot.set_aside", {"what": what}, self.clock.now_ns())
        if state is None:
            self.log.warning("state.cold", why="no snapshot: reading from the session's start")
            return
        self.engine.restore(state)
        self._topic_ids = {topic: bytes.fromhex(text) for topic, text in state["shell"]["topic_ids"].items()}
        self._restored_after = state["shell"]["audit_lines"]
        self.log.info(
            "state.restored", offsets=len(self.engine.next_offsets), open=len(self.engine.halts.open)
        )

    def _keep_evidence(self, tasks: asyncio.TaskGroup, halt: Halt) -> None:
        tasks.create_task(self._copy_evidence(halt))

    async def _copy_evidence(self, halt: Halt) -> None:
        await asyncio.sleep(EVIDENCE_AFTER_S)  # a client is built for it, and the halt goes first
        parts = self.engine.parts
        wanted = [
            (parts[part].topic, parts[part].partition, first, last) for part, first, last in halt.evidence
        ]
        found = await fetch(self._clients[0], wanted)
        records = [RawRecord(*record) for record in found]
        self.audit.keep_evidence(halt.halt_id, records, self.clock.now_ns())

    # --- what others ask ----------------------------------------------------------------------

    def _not_ready(self) -> list[str]:
        reasons = [] if self.ready.is_set() else ["state is not restored yet"]
        limit_s = self.config.http.lag_s_max
        for (topic, partition), behind in self.kafka_in.lag().items():
            if behind.seconds > limit_s:
                reasons.append(f"{topic}/{partition} lags {behind.seconds:.0f} s; {limit_s} s are allowed")
        return reasons

    def _make_metrics(self) -> Metrics:
        return Metrics(
            detectors=self.engine.detectors,
            quarantine_reasons=QUARANTINE_REASONS,
            topics=[one.topic for one in self.config.kafka.inputs],
            now_ns=self.clock.now_ns,
            version=version("knightwatch"),
        )


class _Stopped(Exception):
    """Somebody asked us to stop."""


def _settle_garbage() -> None:
    """Records come by the million and hold no cycles: look for those seldom, never at what is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def _holes(offsets: NDArray[np.int64], next_offset: int) -> list[tuple[int, int]]:
    """Runs of offsets between those of records, and before the next one, that hold none."""
    following = np.append(offsets[1:], next_offset)
    before = np.flatnonzero(following - offsets > 1)
    return [(int(offsets[at]) + 1, int(following[at]) - 1) for at in before]


def _keys(config: Config) -> tuple[Any, Any]:
    try:
        return load_signer(config.keys.signing_key_file), load_keyring(config.keys.pinned_keys_file)
    except KeyProblem as wrong:
        raise ConfigError(
            config.source, [Problem("keys", str(wrong), "knightwatch config keygen makes them")]
        ) from wrong


def _clients(config: Config, boot: str) -> tuple[dict[str, Any], Broker]:
    """How both brokers are spoken to."""
    mqtt = config.mqtt
    try:
        kafka = login.kafka_client(
            config.kafka, kafka_password(config), client_id=f"knightwatch-{config.issuer}"
        )
        tls = login.mqtt_tls(mqtt)
    except OSError as wrong:
        raise ConfigError(
            config.source, [Problem("kafka or mqtt", str(wrong), "name PEM files that belong together")]
        ) from wrong
    name = mqtt.client_id or f"knightwatch-{config.issuer}-{boot[:8]}"
    return kafka, Broker(mqtt.host, mqtt.port, name, mqtt.username, mqtt_password(config), tls)


def _open_audit(config: Config, at_ns: int, signer: Any) -> AuditTrail:
    keeping = Keeping(file_bytes_max=config.audit.rotate_mib * MIB, keep_days=config.audit.keep_days)
    try:
        return AuditTrail(config.audit.folder, at_ns=at_ns, signer=signer, keeping=keeping)
    except TrailProblem as wrong:
        raise ConfigError(
            config.source, [Problem("audit.folder", str(wrong), "write a folder of our own")]
        ) from wrong


async def _reach_kafka(client: Mapping[str, Any], address: str) -> None:
    """One answer from a broker, or `Unreachable`."""
    asked = AIOKafkaClient(**client, request_timeout_ms=3_000)
    try:
        async with asyncio.timeout(REACH_S):
            await asked.bootstrap()
    except (KafkaError, OSError, TimeoutError) as broken:
        why = str(broken) or type(broken).__name__
        raise Unreachable(f"no Kafka broker answers at {address} within {REACH_S:.0f} s: {why}") from broken
    finally:
        await asyncio.wait({asyncio.ensure_future(asked.close())}, timeout=2.0)
