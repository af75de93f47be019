r"""The live shell: feeds the engine with what happens and performs what it says.

    Kafka records -> decode -> RecordsArrived \
    100 ms ticks            -> TimePassed      >  Engine.answers ->  Performer.perform
    both roads, verified    -> ...Said        /

Judging runs on the loop's own thread, nothing awaits inside it, and each fact is in the audit
trail before what it led to is sent.  All tasks live in one group: if judging fails, everything
ends, the last lease says blind, and the supervisor starts anew from the snapshot.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import signal
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from monitor.certifying import Certifying
from monitor.core import journal
from monitor.core.commands import Halt
from monitor.core.engine import Engine
from monitor.core.inputs import CommandSettled, Input, LinkChanged, MessageRefused, TimePassed
from monitor.core.judge import REASONS as QUARANTINE_REASONS
from monitor.core.roads import ACKS, COMMANDS, LEASES, STATES
from monitor.edge import logs
from monitor.edge.audit import RawRecord
from monitor.edge.kafka_in import Chunk, KafkaIn, Source
from monitor.edge.keys import KeyProblem, load_keyring, load_signer, signer_from_env
from monitor.edge.metrics import Metrics
from monitor.edge.resolver import ResolvingLoop
from monitor.edge.systemd import Systemd
from monitor.edge.watchdog import Watchdog
from monitor.feeding import Feed, OnRecords
from monitor.hearing import Hearing
from monitor.outside import Outside
from monitor.performing import Performer, Roads
from monitor.reloading import Reloading
from monitor.saving import Saving
from monitor.settings import Config, ConfigError, Problem
from monitor.settings.policy import policy_of
from monitor.settings.reading import partitions_of, session_start_ns
from monitor.supervising import Supervisor, Work, kept_running

if TYPE_CHECKING:
    from monitor.core.commands import Command
    from monitor.core.envelope import Ignored
    from monitor.edge.clock import Tick
    from monitor.edge.kafka_out import Outcome as KafkaOutcome
    from monitor.edge.mqtt_out import Message, MqttOut
    from monitor.edge.mqtt_out import Outcome as MqttOutcome
    from monitor.edge.pager import Outcome as PageOutcome

LAST_WORDS_S: Final = 1.0
INSIST_S: Final = 1.0
COUNT_EVERY_NS: Final = 1_000_000_000
STUCK_S: Final = 1.0  # a disk that has not taken a line for so long
EVIDENCE_AT_ONCE_MAX: Final = 4  # halts whose records are copied: each has a client of its own
EVIDENCE_AFTER_S: Final = 1.0  # a client is built for it, and the halt goes first; Kafka keeps records longer


def run(config: Config, *, partitions: frozenset[int] | None = None) -> int:
    """Watch until SIGTERM or SIGINT; returns the exit status."""
    logs.configure()
    with asyncio.Runner(loop_factory=ResolvingLoop) as runner:
        return runner.run(_until_signal(config, partitions))


async def _until_signal(config: Config, partitions: frozenset[int] | None) -> int:
    stop, status = asyncio.Event(), [0]

    def asked(number: signal.Signals) -> None:
        status[0] = 128 + number
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)
    supervisor = Supervisor(Watchdog(), Systemd())
    monitor = Monitor(config, partitions=partitions, supervisor=supervisor)
    loop.add_signal_handler(signal.SIGHUP, monitor.read_configuration)
    await monitor.run(stop)
    return status[0]


class Monitor:
    """One running monitor.  `on_records` sees each record that is judged (for a recording)."""

    def __init__(
        self,
        config: Config,
        *,
        partitions: frozenset[int] | None = None,
        on_records: OnRecords | None = None,
        outside: Outside | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self.config = config
        self.log = logs.logger()
        self.boot = uuid.uuid4().hex
        self._on_records = on_records
        self._partitions = partitions_of(config.kafka.partitions) if partitions is None else partitions
        self._signer, self._keyring = _keys(config)
        self.outside = outside or Outside(config, self.boot)
        self.clock = self.outside.clock
        self._supervisor = supervisor or Supervisor()
        self.engine = Engine(policy_of(config))
        self._pending: list[list[int]] = []  # arrivals that are not in the trail yet: one line for many
        self._pending_more: dict[str, list[list[int]]] = {}  # holes in them, and what was withheld
        self._facts: deque[Input] = deque()
        self._telling = False
        self._rest: list[Command] = []  # commanded after a halt that is leaving
        self._judging: list[asyncio.Task[None]] = []  # what tells the engine; ended before the last words
        self._runners: list[asyncio.Task[None]] = []
        self._insisting: asyncio.TimerHandle | None = None
        self._copying = asyncio.Semaphore(EVIDENCE_AT_ONCE_MAX)
        self._disk_is_well, self._is_losing, self._lines_lost = True, False, 0
        self._count_at_ns = 0
        self.ready = asyncio.Event()  # state restored, roads open
        self.http_port = 0

    # --- life ---------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`.  Raises `Unreachable` or `ConfigError` if it cannot begin."""
        await self.outside.reach()
        _settle_garbage()
        self.audit = self.outside.open_audit(self._signer)
        self.metrics = self._make_metrics()
        self._certifying = Certifying(self.config, self.clock, self.metrics, self.tell)
        self.saving = Saving(
            self.outside.open_store(), self.audit, self.clock, self.log, self.metrics,
            self._flush, self.tell, lambda: self.kafka_in.bearings, self._said,
        )  # fmt: skip
        self.engine, self._life = self.saving.restore(self.engine.policy)
        self.metrics.know_tables(
            lambda: self.engine.bytes_known,
            {
                "unnamed": lambda: self.engine.ledger.counters["overflowed"],
                "forgotten": lambda: self.engine.ledger.counters["forgotten"],
            },
        )
        self._suspects = self.outside.open_suspects()
        self._http, self.http_port = self.outside.open_http(self.metrics.exposition, self._not_ready)
        made = await self.outside.make_topics()
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

    def read_configuration(self) -> None:
        """Read the configuration's file again; before the roads are open there is nothing to change."""
        if self.ready.is_set():
            self.reloading.ask()

    def _insist(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel again who goes on: a library may swallow a cancellation (`wait_for` of Python 3.11)."""
        for task in self._runners:
            task.cancel()
        self._insisting = loop.call_later(INSIST_S, self._insist, loop)

    def _start(self, tasks: asyncio.TaskGroup) -> None:
        """Open the roads and begin to read, all in one group."""
        config, outside, self._tasks = self.config, self.outside, tasks
        kafka_out = outside.kafka_out(self.tell, self._delivered_kafka)
        # Halts we hear by Kafka: a listener on MQTT would hide from us that nobody else listens.
        acks = f"risk/v1/{quote(config.site, safe='')}/ack/+"
        unheard = self.metrics.messages_unheard.inc
        mqtt = outside.mqtt([acks], self.tell, self._delivered_mqtt, self._will, self._present, unheard)
        dead, pagers = outside.dead_letters(self._buried), outside.pagers(self._paged)
        self.performer = Performer(
            site=config.site,
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
            save=lambda: self.saving.begin(tasks),
            keep_evidence=lambda halt: self._keep_evidence(tasks, halt),
            judging=self._supervisor.judging,
            roads=Roads(kafka_out, mqtt),
            dead_letters=dead,
            pagers=pagers,
        )
        lines_since = self.audit.found_lines - (self.saving.restored_after or 0)
        self.performer.remember(self.saving.restored_said, lines_since)
        self.kafka_in = self._telemetry()
        self.feed = Feed(
            config, self.engine, self.kafka_in, self.clock, self.metrics, self.performer, self.tell,
            self._suspects, self._on_records,
        )  # fmt: skip
        said = [Source(COMMANDS, whole=True), Source(STATES, whole=True)]
        halts_in = outside.kafka_in([*said, Source(ACKS, self.clock.now_ns(), whole=True)], "kafka_halts")
        self._hearing = Hearing(
            self._keyring, config.site, config.env, config.issuer, self.boot, self._refused
        )
        restored_after = self.saving.restored_after
        self.performer.write(
            "monitor.started",
            {"boot": self.boot, "issuer": config.issuer, "version": version("knightwatch"),
             "policy_digest": config.policy_digest, "restored": self._life.restored,
             "restored_after": restored_after},
        )  # fmt: skip
        self.tell(self._life)
        if self._suspects.crashed:
            found = {"judging": self._suspects.crashed, "convicted": self._suspects.new}
            self.log.error("crash.found", **found)
            self.performer.write("crash.found", found)
        runners: dict[str, Work] = {
            "kafka": self.kafka_in.run, "kafka_halts": halts_in.run, "kafka_out": kafka_out.run,
            "mqtt": mqtt.run, "dead_letters": dead.run, "http": self._http.run,
        }  # fmt: skip
        for name, work in (*runners.items(), *(("pager", pager.run) for pager in pagers)):
            self._runners.append(tasks.create_task(self._kept_running(name, work)))
        self.reloading = Reloading(config, self.clock, self.metrics, self.tell)
        judging = (self.feed.run(), self._read_roads(halts_in), self._read_mqtt(mqtt), self._tick())
        watching = (("reloading", self.reloading.run), ("certificates", self._certifying.run))
        for task in (*judging, *(self._kept_running(name, work) for name, work in watching)):
            self._judging.append(tasks.create_task(task))
        self._supervisor.ready()
        self.ready.set()
        self.log.info("monitor.started", boot=self.boot, http_port=self.http_port)

    def _telemetry(self) -> KafkaIn:
        """The topics that are judged, from where the state that we have ends."""
        engine, config = self.engine, self.config
        begun_ns = session_start_ns(config.telemetry, self.clock.now_ns())
        return self.outside.kafka_in(
            [Source(one.topic, begun_ns, whole=place > 0) for place, one in enumerate(config.kafka.inputs)],
            start={
                (engine.parts[part].topic, engine.parts[part].partition): offset
                for part, offset in engine.next_offsets.items()
            },
            bearings=self.saving.restored_bearings,
            partitions=self._partitions,
        )

    def _kept_running(self, name: str, work: Work) -> Coroutine[Any, Any, None]:
        """What may fail while judging goes on."""
        return kept_running(name, work, self.clock, self.metrics, self.log, self.tell)

    async def _say_goodbye(self) -> None:
        """The last words before a wanted end: nobody judges here any more; and what we know, saved."""
        self._supervisor.stopping()
        for work in self._judging:  # or a tick would say after them that we judge
            work.cancel()
        await asyncio.wait(self._judging, timeout=LAST_WORDS_S)
        self._work()
        message = self.performer.lease_message("blind", [{}], self.engine.policy.digest)
        roads = self.performer.roads
        assert roads is not None
        await asyncio.gather(
            roads.mqtt.publish(message.topic, message.payload, deadline_s=LAST_WORDS_S),
            roads.kafka.publish(LEASES, self.config.issuer, message.payload, LAST_WORDS_S),
        )
        await self.saving.finish(LAST_WORDS_S * 10)

    # --- facts --------------------------------------------------------------------------------

    def tell(self, happened: Input) -> None:
        """Tell the engine, do what it says.  A fact that a deed causes at once waits for its turn."""
        self._facts.append(happened)
        if not (self._rest and isinstance(happened, CommandSettled)):  # what became of it can wait so long
            self._work()

    def _work(self) -> None:
        if self._telling:
            return
        self._telling = True
        try:
            with self.audit.together():
                self._do_the_rest()
                while self._facts:
                    self._handle(self._facts.popleft())
        finally:
            self._telling = False

    def _handle(self, happened: Input) -> None:
        if isinstance(happened, LinkChanged):
            happened = self._certifying.explained(happened)
        self._do_the_rest()
        catching_up = self.engine.sequencer.is_catching_up
        commands = self.engine.answers(happened)
        first = next(commands, None)
        catching_up = catching_up or self.engine.sequencer.is_catching_up
        what, fields = journal.line_of_fact(happened)
        if what == journal.ARRIVED and not catching_up:
            self._pending = journal.join(self._pending, fields["ranges"])
            for name in fields.keys() & {"holes", "withheld"}:
                self._pending_more.setdefault(name, []).extend(fields[name])
            if first is not None:
                self._flush()
        else:
            self._flush()
            self.performer.write(what, fields)
        if first is not None:
            self._do(itertools.chain((first,), commands))

    def _do(self, commands: Iterator[Command]) -> None:
        """Each when it is decided, to the first halt; then other halts; the rest when those have left."""
        for command in commands:
            self.performer.perform(command)
            if isinstance(command, Halt):
                break
        else:
            return
        rest = list(commands)
        halts = 1 + max((at for at, one in enumerate(rest) if isinstance(one, Halt)), default=-1)
        for command in rest[:halts]:
            self.performer.perform(command)
        self._rest = rest[halts:]
        self._tasks.create_task(self._let_halts_leave())

    async def _let_halts_leave(self) -> None:
        """What was commanded after a halt is done when that has left, or before the next fact is told."""
        await self.performer.let_halts_leave()
        self._work()

    def _do_the_rest(self) -> None:
        rest, self._rest = self._rest, []
        for command in rest:
            self.performer.perform(command)

    def _flush(self) -> None:
        """Arrivals that led to nothing become one line, because where the stream is cut changes nothing."""
        if self._pending:
            fields = {"ranges": self._pending, **self._pending_more}
            self._pending, self._pending_more = [], {}
            self.performer.write(journal.ARRIVED, fields)

    async def _read_roads(self, halts_in: KafkaIn) -> None:
        async for fact in halts_in.read():
            if isinstance(fact, Chunk):
                for part in fact.parts:
                    for value in part.values:
                        self._hear(value)
            elif isinstance(fact, LinkChanged) and fact.link == "kafka_halts":
                self.feed.linked(fact)

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
            with self.performer.beside("metrics"):
                self._measure(tick)
            self.feed.passed(TimePassed(tick.wall_ns, self.feed.lagging(), self.kafka_in.read_to_ns()))
            self._supervisor.alive()

    def _measure(self, tick: Tick) -> None:
        metrics = self.metrics
        metrics.loop_seconds.observe(tick.late_ns / 1e9)
        if tick.monotonic_ns >= self._count_at_ns:  # all of them are looked at: not at each tick
            self._count_at_ns = tick.monotonic_ns + COUNT_EVERY_NS
            metrics.tasks.set(len(asyncio.all_tasks()))
        metrics.clock_skew.set(tick.skew_ns / 1e9)
        self.feed.measure()
        roads = self.performer.roads
        if roads is not None:
            metrics.outbox("kafka").set(roads.kafka.waiting)
            metrics.outbox("mqtt").set(roads.mqtt.waiting)
        for pager in self.performer.pagers:
            metrics.pages_waiting(type(pager).__name__.lower()).set(pager.waiting)
        self._look_at_the_disk()
        metrics.halts_unacknowledged.set(self.engine.follow_up.unanswered(tick.wall_ns))

    def _look_at_the_disk(self) -> None:
        """A trail that is not written is a fact, as a broker that does not answer is."""
        status = self.audit.status()
        why = status.failing or (f"no answer for {status.stuck_s:.0f} s" if status.stuck_s >= STUCK_S else "")
        if bool(why) is self._disk_is_well:
            self._disk_is_well = not why
            self.tell(LinkChanged("audit_disk", not why, self.clock.now_ns(), why))
        is_losing = status.lost_lines > self._lines_lost
        if is_losing and not self._is_losing:
            self.metrics.audit_gaps.inc()
        self._lines_lost, self._is_losing = status.lost_lines, is_losing

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
        self.metrics.dead_letters("sent" if outcome.ok else "lost").inc(count)

    def _will(self) -> Message:
        """What MQTT says when we are gone: blind of everything, signed now."""
        return self.performer.lease_message("blind", [{}], self.engine.policy.digest)

    def _present(self) -> Iterable[Message]:
        """What is true now, for a broker that may have lost it."""
        return tuple(self.performer.state)

    def _said(self) -> dict[str, Any]:
        """What another life must know of what we said."""
        return self.performer.memory()

    def _keep_evidence(self, tasks: asyncio.TaskGroup, halt: Halt) -> None:
        tasks.create_task(self._copy_evidence(halt))

    async def _copy_evidence(self, halt: Halt) -> None:
        """What goes wrong here is said, and ends nothing: the halt stands."""
        await asyncio.sleep(EVIDENCE_AFTER_S)
        try:
            async with self._copying:
                await self._fetch_evidence(halt)
        except Exception as broken:  # whatever it is: judging goes on
            why = f"{type(broken).__name__}: {broken}"
            self.log.exception("evidence.lost", halt_id=halt.halt_id, why=why)
            self.performer.write("evidence.lost", {"halt_id": halt.halt_id, "records": 0, "why": why})

    async def _fetch_evidence(self, halt: Halt) -> None:
        parts = self.engine.parts
        wanted = [
            (parts[part].topic, parts[part].partition, first, last) for part, first, last in halt.evidence
        ]
        found = await self.outside.fetch(wanted)
        records = [RawRecord(*record) for record in found]
        self.audit.keep_evidence(halt.halt_id, records, self.clock.now_ns())

    # --- what others ask ----------------------------------------------------------------------

    def _not_ready(self) -> list[str]:
        return self.feed.late() if self.ready.is_set() else ["state is not restored yet"]

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


def _keys(config: Config) -> tuple[Any, Any]:
    """Our key and everybody's; both are looked at, so that both are mended at once."""
    named = config.keys.signing_key_env
    asked: dict[str, Callable[[], Any]] = {
        "signing_key_env" if named else "signing_key_file": lambda: (
            signer_from_env(named) if named else load_signer(config.keys.signing_key_file)
        ),
        "pinned_keys_file": lambda: load_keyring(config.keys.pinned_keys_file),
    }
    found, problems = [], []
    for key, load in asked.items():
        try:
            found.append(load())
        except KeyProblem as wrong:
            problems.append(Problem(f"keys.{key}", str(wrong)))
    if problems:
        raise ConfigError(config.source, problems)
    signer, keyring = found
    return signer, keyring
