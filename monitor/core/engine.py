"""Everything the monitor decides, and nothing it does.

    handle(fact) -> commands          the one door

The same facts in the same order give the same commands: live, in a replay, after a restart,
wherever the stream was cut.  `serve`, `replay` and the simulator are shells around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, assert_never

import numpy as np

from detectors import event as ev
from detectors.contract import (
    Batch,
    Breach,
    Detector,
    Evidence,
    Level,
    Postings,
    Result,
    View,
    every_detector,
)
from detectors.halts import HaltsInForce
from detectors.ledger import Ledger
from detectors.ledger import tables as ledger_tables
from detectors.names import Names
from detectors.scope import KINDS, Scope
from monitor.core import phone, reload
from monitor.core.commands import Command, DeadLetter, Halt, Lease, Page, Record, Save, State
from monitor.core.doubt import Doubt
from monitor.core.flow import Flow
from monitor.core.follow_up import OBEYED, FollowUp, Late
from monitor.core.halts import HaltBook, level_of
from monitor.core.identity import halt_id
from monitor.core.incidents import VERDICTS_MAX, Incident, Incidents, confirmed, confirmed_now
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
from monitor.core.ladder import LADDER, OF_SEVERITY, Rung, Verdict
from monitor.core.policy import DetectorPolicy, Mode, Policy
from monitor.core.scopes import (
    SIBLINGS_TO_WIDEN,
    SIBLINGS_WINDOW_NS,
    one_step_wider,
    stoppable_form,
    widened,
)
from monitor.core.sequence import Sequencer
from monitor.core.sources import Sources

SECOND_NS: Final = 1_000_000_000
STATE_EVERY_NS: Final = 5 * SECOND_NS
LEASE_EVERY_NS: Final = SECOND_NS
HOLD_NS: Final = SECOND_NS  # time that passes without events stays this far behind the clock
RESOLVE_NS: Final = 600 * SECOND_NS  # a page without a new breach for so long is over
UNWATCHED_NS: Final = SECOND_NS  # ticks come each 100 ms: over this we were not there, and it is not silence
CLOSED_TOLD_MAX: Final = 100
QUESTIONS_MAX: Final = (
    65_536  # (detector, reason, scope) with a rung; 300 bytes each. Past it we act without memory
)


class Engine:
    """The monitor's judgement.  Not one line of it awaits, reads a clock or writes a log."""

    def __init__(self, policy: Policy, names: Names | None = None) -> None:
        self.policy = policy
        self.names = names if names is not None else Names()
        retain = {} if policy.retain_ns is None else {"retain_ns": policy.retain_ns}
        self.ledger = Ledger(self.names, cold=policy.cold, **retain)
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
            known_reasons=learned.reasons,
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
        self.halts = HaltBook()
        self.follow_up = FollowUp()
        self.doubt = Doubt()
        self.sequencer = Sequencer()
        self.sources = Sources(self.names)
        self._rungs: dict[tuple[str, str, str], tuple[Rung, int]] = {}
        self.incidents = Incidents()
        self._siblings: list[tuple[int, str, str, Scope]] = []
        self._wall_ns = 0
        self._anchor: tuple[int, int] | None = None  # (LOW, wall clock) when records last came
        self._heard = False
        self._stated_at = self._leased_at = self._saved_at = 0
        self._leased = ""  # the status that was last said

    # --- the door -----------------------------------------------------------------------------

    def handle(self, happened: Input) -> list[Command]:
        """Take one fact in; say what is to be done."""
        match happened:
            case RecordsArrived():
                commands = list(self._judge_records(happened))
            case LifeBegan():
                commands = list(self._begin_life(happened))
            case TimePassed():
                commands = list(self._judge_time(happened))
            case OperatorSaid(payload=payload):
                commands = list(self._obey(payload, happened))
            case GatewaySaid(payload=payload):
                commands = list(self._hear_gateway(payload))
                self._hear_obedience(payload, happened)
            case PeerSaid(payload=payload):
                commands = list(self._join(payload))
            case CommandSettled():
                commands = list(self.doubt.settled(happened))
            case LinkChanged():
                commands = list(self.doubt.link(happened))
            case ReadingStarted():
                commands = list(self._begin(happened))
            case RecordsLost():
                commands = list(self._mark_lost(happened))
            case MessageRefused():
                commands = list(self._suspect(happened))
            case PolicyRead():
                commands = list(self._change_policy(happened))
            case PolicyBroken():
                commands = list(self._keep_policy(happened.problems))
            case _:
                assert_never(happened)
        return commands

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
            breaches: list[tuple[int, int, Breach]] = []
            for order, (name, detector) in enumerate(self.detectors.items()):
                breaches.extend((b.row, order, b) for b in self._asked(name, detector, postings))
            for _, _, breach in sorted(breaches, key=lambda found: found[:2]):
                yield from self._weigh(breach, batch)
            self.flow.judged()
        yield from self._say_faults()

    def _asked(self, name: str, detector: Detector, question: Postings | int) -> list[Breach]:
        """A detector's answer.  One that fails is a verdict of its own; the others go on."""
        if name in self.doubt.faults:
            return []
        try:
            if isinstance(question, Postings):
                return list(detector.on_postings(question))
            return list(detector.on_time(question))
        except Exception as broken:  # noqa: BLE001  # whatever it is, it must not silence the others
            self.doubt.fault(name, f"{type(broken).__name__}: {broken}")
            return []

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

    # --- breaches -----------------------------------------------------------------------------

    def _weigh(self, breach: Breach, batch: Batch | None) -> Iterator[Command]:
        chosen = self.policy.detectors[breach.detector]
        yield Record("breach.seen", self.told(breach))
        verdict = OF_SEVERITY[breach.severity]
        if chosen.mode is Mode.SHADOW:
            if verdict is not Verdict.WARN:
                yield Record(
                    "halt.withheld" if verdict is Verdict.HALT else "page.withheld", self.told(breach)
                )
            return  # state untouched: arming later starts fresh
        if verdict is Verdict.HALT and (chosen.mode is Mode.PAGE or self._level(breach) is None):
            verdict = Verdict.HIGH
        incident = None
        if verdict is Verdict.HIGH:
            incident = self._incident_of(breach, self._identity(breach, breach.scope, batch), chosen)
            reason = self._reason(breach)
            if reason.second and chosen.mode is Mode.ARMED and confirmed(incident, breach, reason):
                verdict = Verdict.HALT
        key = (breach.detector, breach.reason, breach.scope.text)
        before = self._rungs.get(key, (Rung.WATCHING, 0))[0]
        after = LADDER[before, verdict]
        self._set_rung(key, after, breach.at_ns)
        if verdict is Verdict.HALT:
            yield from self._halt(breach, batch)
        elif after is not before and after is Rung.PAGED:
            assert incident is not None
            yield self._page_once(incident, breach)
        if incident is not None:
            yield from self._confirm(incident, breach, batch)

    def _incident_of(self, breach: Breach, identity: str, chosen: DetectorPolicy) -> Incident:
        return self.incidents.join(
            identity, breach, self.flow.sender(breach.row), is_armed=chosen.mode is Mode.ARMED
        )

    def _confirm(self, incident: Incident, breach: Breach, batch: Batch | None) -> Iterator[Command]:
        """What waited for a second family halts now, if this was one."""
        for waited in confirmed_now(incident, breach.at_ns):
            key = (waited.detector, waited.reason, waited.scope.text)
            self._set_rung(key, Rung.HALTED, breach.at_ns)
            yield Record("halt.confirmed", {**self.told(waited), "by": breach.detector})
            yield from self._halt(waited, batch)

    def _set_rung(self, key: tuple[str, str, str], rung: Rung, at_ns: int) -> None:
        if key in self._rungs or len(self._rungs) < QUESTIONS_MAX:
            self._rungs[key] = (rung, at_ns)

    def _identity(self, breach: Breach, scope: Scope, batch: Batch | None) -> str:
        trade_date = self._trade_date(breach, batch)
        cause = f"{breach.detector}|{breach.reason}|{scope.text}|{trade_date}"
        return halt_id(
            self.policy.site, self.policy.env, breach.detector, breach.reason, scope.text, trade_date,
            self.halts.closed_before(cause),
        )  # fmt: skip

    def _halt(self, breach: Breach, batch: Batch | None) -> Iterator[Command]:
        scope = self._scope_to_stop(breach)
        level = self._level(breach)
        assert level is not None
        identity = self._identity(breach, scope, batch)
        incident = self._incident_of(breach, identity, self.policy.detectors[breach.detector])
        payload = {
            "v": 1,
            "type": "halt",
            "site": self.policy.site,
            "env": self.policy.env,
            "halt_id": identity,
            "incident_id": incident.identity,
            "level": level.word,
            "scope": scope.mapping,
            "detector": breach.detector,
            "reason_code": breach.reason,
            "measured": breach.measured,
            "limit": breach.limit,
            "unit": breach.unit,
            "evidence": self.evidence(breach.evidence),
            "event_ts": breach.at_ns,
            "policy_digest": self.policy.digest,
            "mode": "live" if self.policy.live else "drill",
        }
        if not self.halts.decide(payload):
            return  # stopped already, at this level or above
        yield Halt(payload, breach.evidence.ranges)
        yield Record("halt.decided", payload)
        self.follow_up.sent(payload)
        yield self._state()
        yield from self._page_halt(incident, breach, scope, level, payload)
        yield from self._confirm(incident, breach, batch)

    def _page_halt(
        self, incident: Incident, breach: Breach, scope: Scope, level: Level, payload: Mapping[str, Any]
    ) -> Iterator[Command]:
        """One page an incident: the first halt's takes the place of what was paged before; more renews it."""
        if incident.is_known(scope, level):
            yield Record("page.joined", {"incident": incident.identity, "key": payload["halt_id"]})
            return
        if not incident.stopped:
            if incident.page:
                said = f"PART OF halt {payload['halt_id'][:4]}"
                yield Page(incident.page, "high", said, {}, resolved=True)
            incident.page = payload["halt_id"]
        incident.stopped = [*incident.stopped, (scope, level)][:VERDICTS_MAX]
        yield Page(
            key=incident.page,
            severity="halt",
            summary=phone.stopped(
                scope.text,
                level.word,
                self._why(breach),
                breach.exposed_usd,
                payload["halt_id"],
                self.policy.runbook,
                breach.reason,
                others=self.flow.others_trade(scope),
            ),
            labels={"detector": breach.detector, "reason_code": breach.reason, "level": level.word},
            details=payload,
        )  # fmt: skip

    def _page_once(self, incident: Incident, breach: Breach) -> Command:
        page = self._page(breach)
        if incident.page:
            return Record("page.joined", {"incident": incident.identity, "key": page.key})
        incident.page = page.key
        return page

    def _why(self, breach: Breach) -> str:
        """What was found, in the words of a person's phone."""
        claim = self._reason(breach).claim
        if breach.unit != "USD":
            return f"{breach.measured:,} {claim}"
        limit = "" if breach.limit is None else f" against a limit of {phone.money(float(breach.limit))}"
        return f"{claim}: {phone.money(float(breach.measured))}{limit}"

    def _scope_to_stop(self, breach: Breach) -> Scope:
        """The breach's own scope, as wide as it must be: three siblings within five seconds are one cause."""
        if self.halts.is_full:
            return Scope()
        stoppable = self.follow_up.stoppable or frozenset(KINDS)
        scope = breach.scope
        if not all(kind in stoppable for kind, _ in scope.conditions):
            scope = stoppable_form(scope, *self.flow.inside_and_outside(scope, breach.row), stoppable)
        if breach.by_mark or not scope.conditions:
            return scope
        if breach.leaks is not None:
            return one_step_wider(scope, self.flow.known(breach.row), stoppable)
        kinds = [kind for kind, _ in scope.conditions]
        since = breach.at_ns - SIBLINGS_WINDOW_NS
        self._siblings = [entry for entry in self._siblings if entry[0] >= since]
        alike = {
            other
            for _, detector, reason, other in self._siblings
            if (detector, reason) == (breach.detector, breach.reason)
            and [k for k, _ in other.conditions] == kinds
        } | {scope}
        self._siblings.append((breach.at_ns, breach.detector, breach.reason, scope))
        if len(alike) < SIBLINGS_TO_WIDEN:
            return scope
        return widened(sorted(alike, key=lambda other: other.text), self.flow.known(breach.row), stoppable)

    def _level(self, breach: Breach) -> Level | None:
        own = self._reason(breach).level
        return own if own is None else (self.policy.detectors[breach.detector].level or breach.leaks or own)

    def _reason(self, breach: Breach) -> Any:
        return type(self.detectors[breach.detector]).reason(breach.reason)

    def _trade_date(self, breach: Breach, batch: Batch | None) -> str:
        """The trade date of the event that tipped it; of the day, where time did."""
        if batch is not None and 0 <= breach.row < len(batch):
            days = int(batch.rows[breach.row, ev.TRADE_DATE])
        else:
            days = int(self.ledger.one[ledger_tables.NEWEST_DATE])
        return str(np.datetime64(days, "D"))

    def _page(self, breach: Breach) -> Page:
        mode = self.policy.detectors[breach.detector].mode.value
        return Page(
            key=f"{breach.detector}/{breach.reason}/{breach.scope.text}",
            severity="high",
            summary=phone.warned(
                breach.scope.text,
                self._why(breach),
                breach.exposed_usd,
                mode,
                self.policy.runbook,
                breach.reason,
            ),
            labels={"detector": breach.detector, "reason_code": breach.reason},
            details=self.told(breach),
        )

    def _page_self(self, key: str, what: str, reason: str, *, resolved: bool = False) -> Page:
        summary = phone.ourselves(what, self.policy.runbook, reason)
        return Page(f"self/{key}", "self", summary, {"reason_code": reason}, {}, resolved)

    def told(self, breach: Breach) -> dict[str, Any]:
        """A breach as `replay` prints it and the audit trail keeps it."""
        return {
            "ts": breach.at_ns,
            "detector": breach.detector,
            "reason_code": breach.reason,
            "severity": breach.severity.word,
            "mode": self.policy.detectors[breach.detector].mode.value,
            "scope": breach.scope.mapping,
            "measured": breach.measured,
            "limit": breach.limit,
            "unit": breach.unit,
            "evidence": self.evidence(breach.evidence),
        }

    def evidence(self, evidence: Evidence) -> list[dict[str, Any]]:
        """Ranges with their topics by name."""
        return [
            {
                "topic": self.parts[part].topic,
                "partition": self.parts[part].partition,
                "first_offset": first,
                "last_offset": last,
            }
            for part, first, last in evidence.ranges
        ]

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
                    for breach in self._asked(name, detector, reached):
                        yield from self._weigh(breach, None)
                yield from self._say_faults()
        yield from self._resolve_pages()
        for late in self.follow_up.due(now):
            yield from self._press(late)
        for gap in self.sources.gaps(now):
            yield Record("gap.seen", gap)
        yield from (
            self._page_self(key, what, reason, resolved=resolved)
            for key, what, reason, resolved in self.doubt.changes(
                passed, self._results(), tuple(self.sources.doubts())
            )
        )
        yield from self._say_faults()
        status, blind_of, reasons = self.doubt.status()
        if now - self._leased_at >= LEASE_EVERY_NS or status != self._leased:  # a doubt is not kept back
            self._leased_at, self._leased = now, status
            yield Lease(status, blind_of, self.policy.digest, reasons)
        if now - self._stated_at >= STATE_EVERY_NS:
            self._stated_at = now
            yield self._state()
        if now - self._saved_at >= self.policy.save_every_ns:
            self._saved_at = now
            yield Save("period")

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

    def _resolve_pages(self) -> Iterator[Command]:
        low = self.ledger.low_ns
        for key, (rung, at_ns) in list(self._rungs.items()):
            if rung in (Rung.PAGED, Rung.WARNED) and low - at_ns > RESOLVE_NS:
                del self._rungs[key]
                if rung is Rung.PAGED:
                    summary = f"QUIET {phone.plain(key[2])} | no new {key[1]} for 10 minutes"
                    yield Page(
                        "/".join(key),
                        "high",
                        summary,
                        {"detector": key[0], "reason_code": key[1]},
                        resolved=True,
                    )

    def _press(self, late: Late) -> Iterator[Command]:
        """A deadline for an answer to a halt has passed."""
        payload = late.payload
        scope = Scope.of(payload["scope"])
        if late.what == "resend":
            yield Halt(payload, again=True)
        elif late.what == "page":
            yield Record("halt.unconfirmed", {"halt_id": payload["halt_id"], "gateways": list(late.gateways)})
            yield Page(
                key=f"{payload['halt_id']}/unconfirmed",
                severity="halt",
                summary=phone.unanswered(scope.text, late.gateways, payload["halt_id"], self.policy.runbook),
                labels={"detector": payload["detector"], "reason_code": "halt_unconfirmed"},
                details=payload,
            )
        else:
            level = Level[payload["level"].upper()]
            if level < Level.HALT_CANCEL:  # a disconnect is a person's act
                for gateway in late.gateways:
                    yield from self._raise_for(gateway, payload, Level(level + 1))

    def _raise_for(self, gateway: str, payload: Mapping[str, Any], level: Level) -> Iterator[Command]:
        scope = Scope.of({**payload["scope"], "gateway": gateway})
        trade_date = str(np.datetime64(payload["event_ts"], "ns").astype("datetime64[D]"))
        raised = {
            **payload,
            "scope": scope.mapping,
            "level": level.word,
            "halt_id": halt_id(
                self.policy.site,
                self.policy.env,
                payload["detector"],
                payload["reason_code"],
                scope.text,
                trade_date,
                0,
            ),
        }
        if self.halts.add(raised):
            yield Halt(raised)
            yield Record("halt.raised", raised)
            self.follow_up.sent(raised)
            yield self._state()

    # --- what others say ----------------------------------------------------------------------

    def _obey(self, payload: Mapping[str, Any], said: OperatorSaid) -> Iterator[Command]:
        """A person tightens alone.  Nothing loosens here: a latch opens by a resume; none is taken yet."""
        yield Record("operator.said", {"payload": dict(payload), "people": list(said.people)})
        if payload["type"] == "halt":
            yield from self._join(payload, by_person=True)

    def _join(self, payload: Mapping[str, Any], *, by_person: bool = False) -> Iterator[Command]:
        """Another issuer's halt, or the halts of its state: joined in, so that our state names them too."""
        heard = payload["open"] if payload["type"] == "state" else [payload]
        here = self.policy.site, self.policy.env
        heard = [halt for halt in heard if (halt.get("site", here[0]), halt.get("env", here[1])) == here]
        room = (
            by_person or not self.halts.is_full
        )  # past the bound our own halts are the firm's, and peers say theirs
        changed = [halt for halt in heard if room and self.halts.add(halt)]
        for halt in changed:
            yield Record("halt.joined", dict(halt))
        if changed:
            yield self._state()

    def _hear_gateway(self, payload: Mapping[str, Any]) -> Iterator[Command]:
        kind = payload["type"]
        if kind == "hello":
            new = payload["gateway"] not in self.follow_up.gateways
            if not self.follow_up.hello(payload):
                yield Record("gateway.not_followed", {"gateway": payload["gateway"]})
            elif new:
                yield Record("gateway.announced", dict(payload))
                yield self._state()
        elif kind == "ack":
            waiting = self.follow_up.heard(payload)
            yield Record("halt.acknowledged", dict(payload))
            if waiting is not None and not waiting.missing and waiting.paged:
                yield Page(f"{payload['halt_id']}/unconfirmed", "halt", "CONFIRMED late", {}, resolved=True)
        else:
            yield Record("gateway.refused", dict(payload))

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

    def _state(self) -> State:
        return State(
            tuple(self.halts.open.values()), tuple(self.halts.closed)[-CLOSED_TOLD_MAX:], self.policy.digest
        )

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
        self.policy, self.detectors = policy, detectors
        yield Record(
            "policy.changed",
            {"digest": policy.digest, "changes": reload.told(taken), "waiting": reload.told(waiting)},
        )
        yield self._page_self("reload", "the configuration is in force again", "reload", resolved=True)
        if waiting:
            what = f"{len(waiting)} changes wait until halts are closed: {waiting[0].key} ..."
            yield self._page_self("reload_waits", what, "reload")
        yield self._state()

    def _weigh_policy(self, taken: Sequence[reload.Change]) -> Iterator[Command]:
        """What the detectors say of the change, by the policy that it ends."""
        changes = [(change.key, change.before, change.after) for change in taken]
        for name, detector in self.detectors.items():
            if name not in self.doubt.faults:
                for breach in detector.on_policy(changes):
                    yield from self._weigh(breach, None)

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
                "rungs": [[*key, rung.value, at_ns] for key, (rung, at_ns) in self._rungs.items()],
                "incidents": self.incidents.snapshot(),
                "siblings": [[at, d, r, scope.text] for at, d, r, scope in self._siblings],
                "halts": self.halts.snapshot(),
                "follow_up": self.follow_up.snapshot(),
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
            },
            "names": self.names.snapshot(),
            "ledger": self.ledger.views(),
            **{f"detectors/{name}": detector.views() for name, detector in self.detectors.items()},
        }

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
                self.began_anew[name] = str(unfit) if was_here else "it was not configured"
                self.detectors[name] = self._families[name](detector.settings, self._view)
                self.detectors[name].on_halts()
        self.parts = [SourcePart(topic, partition) for topic, partition in own["parts"]]
        self.next_offsets = dict(own["next_offsets"])
        self._rungs = {(d, r, s): (Rung(rung), at_ns) for d, r, s, rung, at_ns in own["rungs"]}
        self.incidents.restore(own["incidents"])
        self._siblings = [(at, d, r, Scope.parse(text)) for at, d, r, text in own["siblings"]]
        self.halts.restore(own["halts"])
        self.follow_up.restore(own["follow_up"])
        self._wall_ns = own["wall_ns"]
        self._anchor = None if own["anchor"] is None else tuple(own["anchor"])
        self._heard = own["heard"]
        self._cold_parts = set(own["cold_parts"])
        self.sequencer.restore(own["sequencer"])
        self.sources.restore(own["sources"])
        self._stated_at, self._leased_at, self._saved_at = own["timers"]
        self.flow = Flow(self.ledger)


def breaches_of(commands: Sequence[Command]) -> list[dict[str, Any]]:
    """The breaches among commands, as `replay` prints them."""
    return [dict(c.fields) for c in commands if isinstance(c, Record) and c.what == "breach.seen"]
