"""Everything the monitor decides, and nothing it does.

    handle(fact) -> commands          the one door

The same facts in the same order give the same commands: live, in a replay, after a restart,
wherever the stream was cut.  `serve`, `replay` and the simulator are shells around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, assert_never

from detectors import names as nm
from detectors import posting as po
from detectors.contract import (
    Batch,
    Breach,
    Detector,
    Postings,
    Result,
    View,
    every_detector,
)
from detectors.halts import HaltsInForce
from detectors.ledger import Ledger
from detectors.ledger import tables as ledger_tables
from detectors.names import Names
from monitor.core import phone, reload
from monitor.core.commands import Command, DeadLetter, Lease, Page, Record, Save
from monitor.core.doubt import Doubt
from monitor.core.flow import Flow
from monitor.core.follow_up import OBEYED
from monitor.core.halt_loop import HaltLoop
from monitor.core.halts import level_of
from monitor.core.inputs import (
    CRASHED_US,
    CommandSettled,
    GatewaySaid,
    Input,
    LifeBegan,
    LinkChanged,
    MessageRefused,
    OperatorSaid,
    PeerSaid,
    PolicyBroken,
    PolicyRead,
    Quarantined,
    ReadingStarted,
    RecordsArrived,
    RecordsLost,
    SourcePart,
    TimePassed,
)
from monitor.core.policy import Policy
from monitor.core.sequence import Sequencer
from monitor.core.sources import Sources, Suspicion
from monitor.core.weighing import Weighing

SECOND_NS: Final = 1_000_000_000
STATE_EVERY_NS: Final = 5 * SECOND_NS
LEASE_EVERY_NS: Final = SECOND_NS
HOLD_NS: Final = SECOND_NS  # time that passes without events stays this far behind the clock
UNWATCHED_NS: Final = SECOND_NS  # ticks come each 100 ms: over this we were not there, and it is not silence
CONFLICTS_TOLD: Final = 1_000  # each; then every thousandth, so that a feed gone mad does not fill the trail


class Engine:
    """The monitor's judgement.  Not one line of it awaits, reads a clock or writes a log."""

    def __init__(self, policy: Policy, names: Names | None = None) -> None:
        self.policy = policy
        self.names = names if names is not None else Names()
        retain = {} if policy.retain_ns is None else {"retain_ns": policy.retain_ns}
        self.ledger = Ledger(self.names, cold=policy.cold, bounds=policy.bounds, **retain)
        self.flow = Flow(self.ledger)
        learned = policy.baseline
        self.in_force = HaltsInForce(self.names)
        view = View(
            self.names,
            self.ledger,
            policy.clock_bound_ns,
            policy.cold,
            policy.witnesses,
            policy.parented,
            known_reasons=None if learned.is_cold else learned.reasons,
            rates=learned.rates,
            flags_seen=learned.flags_seen,
            sessions=policy.sessions,
            halts=self.in_force,
        )
        self._view = view
        self._families = every_detector()
        self.began_anew: dict[str, str] = {}  # families that could not take their part of the snapshot: why
        self.detectors: dict[str, Detector] = {
            name: self._families[name](chosen.settings, view) for name, chosen in policy.detectors.items()
        }
        # How a batch is cut before it is judged, for a shell that must know where it is.
        # It changes no answer.
        self.piecewise: Callable[[Batch], Iterable[Batch]] | None = None
        self.parts: list[SourcePart] = []
        self.next_offsets: dict[int, int] = {}
        self._cold_parts: set[int] = set()  # parts whose session began before we read them
        self.loop = HaltLoop(policy)
        self.halts, self.follow_up = self.loop.halts, self.loop.follow_up
        self.doubt = Doubt()
        self.sequencer = Sequencer()
        self.sources = Sources(self.names)
        self._weighing = Weighing(policy, self.detectors, self.parts, self.ledger, self.flow, self.loop)
        self._conflicts = 0  # told of, or left out
        self._wall_ns = 0
        self._anchor: tuple[int, int] | None = None  # (LOW, wall clock) when records last came
        self._heard = False
        self._stated_at = self._leased_at = self._saved_at = 0
        self._leased = ""  # the status that was last said

    # --- the door -----------------------------------------------------------------------------

    def handle(self, happened: Input) -> list[Command]:
        """Take one fact in; say what is to be done."""
        return list(self.answers(happened))

    def answers(self, happened: Input) -> Iterator[Command]:
        """As `handle`, each command when it is decided: a halt need not wait for what is said of it.

        Whoever asks takes all of them before the next fact is told.
        """
        match happened:
            case RecordsArrived():
                yield from self._judge_records(happened)
            case LifeBegan():
                yield from self._begin_life(happened)
            case TimePassed():
                yield from self._judge_time(happened)
            case OperatorSaid(payload=payload, people=people):
                yield from self.loop.obey(payload, people)
            case GatewaySaid(payload=payload):
                yield from self.loop.hear_gateway(payload)
                self._hear_obedience(payload, happened)
            case PeerSaid(payload=payload):
                yield from self.loop.join(payload)
            case CommandSettled():
                yield from self.doubt.settled(happened)
            case LinkChanged():
                yield from self.doubt.link(happened)
            case ReadingStarted():
                yield from self._begin(happened)
            case RecordsLost():
                yield from self._mark_lost(happened)
            case MessageRefused():
                yield from self._suspect(happened)
            case PolicyRead():
                yield from self._change_policy(happened)
            case PolicyBroken():
                yield from self._keep_policy(happened.problems)
            case _:
                assert_never(happened)

    def wake_at_ns(self, now_ns: int) -> int:
        """When `TimePassed` is wanted at the latest, on the wall clock."""
        due = self.follow_up.wake_at_ns(now_ns)
        lease = self._leased_at + LEASE_EVERY_NS
        return min(lease, due) if due is not None else lease

    def part_of(self, source: SourcePart) -> int:
        """The index of a source partition, the same for the life of a snapshot."""
        if source not in self.parts:
            self.parts.append(source)
        return self.parts.index(source)

    # --- records ------------------------------------------------------------------------------

    def _judge_records(self, arrived: RecordsArrived) -> Iterator[Command]:
        self._heard = True
        for part, _, last in arrived.ranges:
            self.next_offsets[part] = last + 1
        self.doubt.advanced(arrived, self._wall_ns)
        self.sources.hear(arrived.batch, self._wall_ns)
        for broken in arrived.quarantined:
            yield DeadLetter(broken)
            if broken.reason == CRASHED_US:
                yield from self._say_crashed(broken)
        for batch in self.sequencer.offer(arrived.batch, arrived.ranges, arrived.end_offsets):
            yield from self._judge(batch)

    def _say_crashed(self, broken: Quarantined) -> Iterator[Command]:
        """A record that is whole for all we know, and will not be judged."""
        source = self.parts[broken.part]
        place = f"{source.topic}/{source.partition}@{broken.offset}"
        self.doubt.leave_out(place)
        what = f"the monitor crashed twice on record {place}: it is set aside and not judged"
        yield self._page_self(f"crashed/{place}", what, "crashed_us")

    def _begin_life(self, life: LifeBegan) -> Iterator[Command]:
        """Never empty and happy: what an earlier life knew and this one does not, somebody must hear of."""
        self._begin_clock(life.at_ns)
        self.doubt.look_again(life.at_ns)
        begun = "the last snapshot that can be read" if life.restored else "the session's start"
        if not life.restored:
            yield Record("state.cold", {"unreadable": len(life.unreadable)})
        if life.unreadable or (life.lived_before and not life.restored):
            self.doubt.begin_cold()
            lost = "; ".join(life.unreadable) or "there is no snapshot of the life before"
            yield self._page_self("snapshot", f"judging began from {begun}: {lost}", "snapshot_lost")
        for name, why in self.began_anew.items():
            self.doubt.forget(name)
            what = f"detector {name} knows nothing of before: {why}"
            yield self._page_self(f"began_anew/{name}", what, "detector_anew")

    def _begin_clock(self, at_ns: int) -> None:
        """An earlier life's clock was perhaps ahead: what it dated after our beginning, was at our beginning.

        Or until that time is reached nothing would be late: no pause, no partition that stands, no state.
        """
        self._wall_ns = min(self._wall_ns, at_ns)
        if self._anchor is not None:
            self._anchor = self._anchor[0], min(self._anchor[1], at_ns)
        self._stated_at, self._leased_at, self._saved_at = (
            min(then, at_ns) for then in (self._stated_at, self._leased_at, self._saved_at)
        )
        self.sources.begin_clock(at_ns)

    def _begin(self, started: ReadingStarted) -> Iterator[Command]:
        """A partition's reading begins; from the session's start, there is no past that we have not seen."""
        part = self.part_of(SourcePart(started.topic, started.partition))
        self.next_offsets[part] = started.offset
        if started.why == "snapshot":
            pass  # whether its past was seen stands in the snapshot
        elif started.sees_the_session:
            self._cold_parts.discard(part)
            self.ledger.one[ledger_tables.COLD] = int(bool(self._cold_parts))
        else:
            self._cold_parts.add(part)
            self.ledger.one[ledger_tables.COLD] = 1
        if started.why in ("snapshot", "session", "beginning"):
            self.sequencer.expect(part)
        yield Record("reading.began", {"part": part, "cold": self.ledger.cold})

    def _mark_lost(self, lost: RecordsLost) -> Iterator[Command]:
        """Records that nobody will ever judge: said aloud, and doubted until a person has looked."""
        self.doubt.lost(lost)
        yield Record("gap.marked", {"topic": lost.topic, "partition": lost.partition, "why": lost.why})
        what = f"{lost.topic}/{lost.partition}: records {lost.first} to {lost.end} are lost ({lost.why})"
        yield self._page_self(f"lost/{lost.topic}/{lost.partition}", what, "gap")

    def _judge(self, batch: Batch) -> Iterator[Command]:
        for piece in [batch] if self.piecewise is None else self.piecewise(batch):
            yield from self._judge_piece(piece)

    def _judge_piece(self, batch: Batch) -> Iterator[Command]:
        for postings in self.ledger.post(batch):
            self.flow.judging(postings)
            found: list[tuple[int, int, Breach | Record]] = list(self._conflicts_in(postings))
            for order, (name, detector) in enumerate(self.detectors.items()):
                found.extend((b.row, order, b) for b in self._asked(name, detector.on_postings, postings))
            for _, _, said in sorted(found, key=lambda one: one[:2]):  # by row: wherever the stream was cut
                if isinstance(said, Breach):
                    yield from self._weighing.weigh(said, batch)
                else:
                    yield said
            self.flow.judged()
        yield from self._say_faults()

    def _conflicts_in(self, postings: Postings) -> Iterator[tuple[int, int, Record]]:
        """Executions told again with other content: the larger counts, and a person asks which is right."""
        if self._conflicts == self.ledger.one[ledger_tables.CONFLICTS]:
            return
        for row in postings.rows[postings.rows[:, po.KIND] == po.PostingKind.CONFLICT]:
            self._conflicts += 1
            if self._conflicts <= CONFLICTS_TOLD or self._conflicts % CONFLICTS_TOLD == 0:
                source = self.parts[int(row[po.PART])]
                place = {"topic": source.topic, "partition": source.partition, "offset": int(row[po.OFFSET])}
                account = self.names.text(nm.ACCOUNT, int(row[po.ACCOUNT]))
                symbol = self.names.text(nm.SYMBOL, int(row[po.SYMBOL]))
                told = {"account": account, "symbol": symbol, "count": self._conflicts}
                yield int(row[po.ROW]), -1, Record("execution.conflict", place | told)

    def _asked(self, name: str, ask: Callable[[Any], Iterable[Breach]], question: Any) -> list[Breach]:
        """A detector's answer.  One that fails is a verdict of its own; what it said before that counts."""
        said: list[Breach] = []
        if name in self.doubt.faults:
            return said
        try:
            for breach in ask(question):
                said.append(breach)  # noqa: PERF402  # a list of all would lose them with what fails
        except Exception as broken:  # noqa: BLE001  # whatever it is, it must not silence the others
            self.doubt.fault(name, f"{type(broken).__name__}: {broken}")
        return said

    def _say_faults(self) -> Iterator[Command]:
        for name, why in self.doubt.new_faults():
            yield Record("detector.failed", {"detector": name, "why": phone.plain(why)})
            yield self._page_self(
                f"{name}_fault", f"detector {name} failed and judges no more: {why}", "detector_fault"
            )

    def _suspect(self, refused: MessageRefused) -> Iterator[Command]:
        """A message without effect.  One that only a forger or a broken key would send wakes somebody."""
        if refused.is_security:
            what = f"a message was refused: {refused.reason} ({refused.detail})"
            yield self._page_self(f"security/{refused.reason}", what, "forged_message")

    def _page_self(self, key: str, what: str, reason: str, *, resolved: bool = False) -> Page:
        summary = phone.ourselves(what, self.policy.runbook, reason)
        return Page(f"self/{key}", "self", summary, {"reason_code": reason}, {}, resolved)

    # --- time ---------------------------------------------------------------------------------

    def _judge_time(self, passed: TimePassed) -> Iterator[Command]:
        """The wall clock moves what is ours (lease, deadlines) and, where nothing lags, the stream's time."""
        now = passed.now_ns
        self._say_in_force(has_changed=self.in_force.tell(self.halts.open))
        unwatched = now - self._wall_ns > UNWATCHED_NS
        self._wall_ns = max(now, self._wall_ns)
        if unwatched:
            self.doubt.look_again(now)
        for batch in self.sequencer.tick(now):
            yield from self._judge(batch)
        if self._heard or unwatched or not self.doubt.hears:
            self._anchor, self._heard = (self.ledger.low_ns, now), False
        elif self._anchor is not None and not passed.lagging and not self.sequencer.lagging:
            low, since = self._anchor
            reached = low + (now - since) - HOLD_NS
            if low > 0 and reached > self.ledger.low_ns:
                self.ledger.advance(reached)
                for name, detector in self.detectors.items():
                    for breach in self._asked(name, detector.on_time, reached):
                        yield from self._weighing.weigh(breach, None)
                yield from self._say_faults()
        yield from self._weighing.resolve_pages()
        yield from self.loop.press(now)
        for gap in self.sources.gaps(now):
            yield Record("gap.seen", gap)
        yield from (
            self._page_self(key, what, reason, resolved=resolved)
            for key, what, reason, resolved in self.doubt.changes(
                passed, self._results(), (*self._full_books(), *self.sources.doubts())
            )
        )
        yield from self._say_faults()
        status, blind_of, reasons = self.doubt.status()
        if now - self._leased_at >= LEASE_EVERY_NS or status != self._leased:  # a doubt is not kept back
            self._leased_at, self._leased = now, status
            yield Lease(status, blind_of, self.policy.digest, reasons)
        if now - self._stated_at >= STATE_EVERY_NS:
            self._stated_at = now
            yield self.loop.state()
        if now - self._saved_at >= self.policy.save_every_ns:
            self._saved_at = now
            yield Save("period")

    def _full_books(self) -> Iterator[Suspicion]:
        """What has no name of its own is in no question about orders and parents, only in the sums."""
        unnamed = self.ledger.counters["overflowed"]
        if unnamed:
            what = "more orders, parents, positions or attributions than there is room for: they have no name"
            yield Suspicion("overflow/books", "overflow", what)

    def _results(self) -> Mapping[str, Result]:
        """What is stale or failed now, over all detectors."""
        found: dict[str, Result] = {}
        for name, detector in self.detectors.items():
            if name in self.doubt.faults:
                continue
            try:
                found |= {f"{name} {question}": result for question, result in detector.results().items()}
            except Exception as broken:  # noqa: BLE001  # as in `_asked`
                self.doubt.fault(name, f"{type(broken).__name__}: {broken}")
        return found

    # --- who obeys ----------------------------------------------------------------------------

    def _hear_obedience(self, payload: Mapping[str, Any], said: GatewaySaid) -> None:
        """Who can stop something, and who does: what families judge leaks by.

        Told here and when time passes only: between two arrivals, wherever the stream is cut.
        """
        gateway = str(payload["gateway"])
        if payload["type"] == "hello":
            has_changed = gateway in self.follow_up.gateways and self.in_force.hear_hello(gateway)
        elif payload["type"] == "ack" and payload.get("state") in OBEYED:
            survivors = [one["order_id"] for one in payload.get("survivors", ())]
            at_ns = int(payload.get("ts", said.at_ns))
            has_changed = self.in_force.tell(self.halts.open)
            has_changed |= self.in_force.hear_applied(
                str(payload["halt_id"]), gateway, level_of(payload), at_ns, survivors
            )
        else:
            return
        self._say_in_force(has_changed=has_changed)

    def _say_in_force(self, *, has_changed: bool) -> None:
        if not has_changed:
            return
        for name, detector in self.detectors.items():
            if name in self.doubt.faults:
                continue
            try:
                detector.on_halts()
            except Exception as broken:  # noqa: BLE001  # as in `_asked`
                self.doubt.fault(name, f"{type(broken).__name__}: {broken}")

    # --- policy -------------------------------------------------------------------------------

    def _change_policy(self, read: PolicyRead) -> Iterator[Command]:
        """Judge by another policy from here on, all detectors at once; what loosens under a halt waits."""
        policy, waiting = reload.in_force(self.policy, read.policy, self.halts.open.values())
        try:
            detectors = reload.rebuilt(self.detectors, self.policy, policy, self._families, self._view)
        except ValueError as unfit:
            yield from self._keep_policy((str(unfit),))
            return
        taken = tuple(reload.differences(self.policy.detectors, policy.detectors))
        yield from self._weigh_policy(taken)
        self.policy = self.loop.policy = self._weighing.policy = policy
        self.detectors = self._weighing.detectors = detectors
        yield Record(
            "policy.changed",
            {"digest": policy.digest, "changes": reload.told(taken), "waiting": reload.told(waiting)},
        )
        yield self._page_self("reload", "the configuration is in force again", "reload", resolved=True)
        if waiting:
            what = f"{len(waiting)} changes wait until halts are closed: {waiting[0].key} ..."
            yield self._page_self("reload_waits", what, "reload")
        yield self.loop.state()

    def _weigh_policy(self, taken: Sequence[reload.Change]) -> Iterator[Command]:
        """What the detectors say of the change, by the policy that it ends."""
        changes = [(change.key, change.before, change.after) for change in taken]
        for name, detector in self.detectors.items():
            for breach in self._asked(name, detector.on_policy, changes):
                yield from self._weighing.weigh(breach, None)

    def _keep_policy(self, problems: Sequence[str]) -> Iterator[Command]:
        """The old policy stays, and somebody must hear of it."""
        yield Record("policy.kept", {"digest": self.policy.digest, "problems": list(problems)})
        what = f"a changed configuration is not in force: {problems[0]}"
        yield self._page_self("reload", what, "reload")

    # --- memory -------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Everything that the next decision depends on: plain values and arrays, by section."""
        views = self.views()
        return {
            name: value if name == "engine" else {table: array.copy() for table, array in value.items()}
            for name, value in views.items()
        }

    def views(self) -> dict[str, Any]:
        """As `snapshot`, of the memory itself, for who reads it before the next fact; nothing is copied."""
        waiting = self.sequencer.first_waiting()
        return {
            "engine": {
                "parts": [[part.topic, part.partition] for part in self.parts],
                "next_offsets": [
                    [part, waiting.get(part, at)] for part, at in sorted(self.next_offsets.items())
                ],
                **self._weighing.snapshot(),
                **self.loop.snapshot(),
                "in_force": self.in_force.snapshot(),
                "wall_ns": self._wall_ns,
                "anchor": self._anchor,
                "heard": self._heard,
                "cold_parts": sorted(self._cold_parts),
                "sequencer": self.sequencer.snapshot(),
                "sources": self.sources.snapshot(),
                "timers": [self._stated_at, self._leased_at, self._saved_at],
                "policy_digest": self.policy.digest,
                "began_anew": self.began_anew,
                "failed": self.doubt.faults,
            },
            "names": self.names.snapshot(),
            "ledger": self.ledger.views(),
            "flow": {"sent": self.flow.sent.newest()},
            **{
                f"detectors/{name}": detector.views()
                for name, detector in self.detectors.items()
                if name not in self.doubt.faults  # what it knows ends where it failed
            },
        }

    @property
    def bytes_known(self) -> int:
        """What the tables of the ledger and of the detectors hold."""
        tables = (table for detector in self.detectors.values() for table in detector.views().values())
        return self.ledger.bytes_in_use + sum(table.nbytes for table in tables)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Back to a snapshot; `ValueError` if it is not one.

        A family keeps its tables under other settings where they fit: thresholds are asked anew each
        time, counts are facts.  One whose tables do not fit, or that the snapshot does not know, begins anew.
        """
        own = state["engine"]
        self.began_anew = {name: why for name, why in own["began_anew"].items() if name in self.detectors}
        self.names.restore(state["names"])
        self.ledger.restore(state["ledger"])
        self.in_force.restore(own["in_force"])
        for name, detector in self.detectors.items():
            try:
                detector.restore(state.get(f"detectors/{name}", {}))
            except ValueError as unfit:
                was_here = f"detectors/{name}" in state
                failed = own["failed"].get(name)
                absent = f"it had failed: {failed}" if failed else "it was not configured"
                self.began_anew[name] = str(unfit) if was_here else absent
                self.detectors[name] = self._families[name](detector.settings, self._view)
                self.detectors[name].on_halts()
        self.parts[:] = [SourcePart(topic, partition) for topic, partition in own["parts"]]
        self.next_offsets = dict(own["next_offsets"])
        self._weighing.restore(own)
        self.loop.restore(own)
        self._wall_ns = own["wall_ns"]
        self._anchor = None if own["anchor"] is None else tuple(own["anchor"])
        self._heard = own["heard"]
        self._cold_parts = set(own["cold_parts"])
        self.sequencer.restore(own["sequencer"])
        self.sources.restore(own["sources"])
        self._stated_at, self._leased_at, self._saved_at = own["timers"]
        self.flow.judged()
        self.flow.sent.restore(state["flow"]["sent"])
        self._conflicts = int(self.ledger.one[ledger_tables.CONFLICTS])


def breaches_of(commands: Sequence[Command]) -> list[dict[str, Any]]:
    """The breaches among commands, as `replay` prints them."""
    return [dict(c.fields) for c in commands if isinstance(c, Record) and c.what == "breach.seen"]
