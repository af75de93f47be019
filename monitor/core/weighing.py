"""From a breach to what is done about it: a line, a page, a halt.

    breach  ->  rung of its question (detector, reason, scope)      `ladder`
            ->  the incident that it is part of                     `incidents`
            ->  the scope to stop, and the level                    `scopes`
            ->  Halt, Page, Record

Shadow ends at the record.  What a breach says is never changed here, and nothing here lifts a halt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from detectors import event as ev
from detectors.contract import Batch, Breach, Detector, Evidence, Level
from detectors.ledger import Ledger
from detectors.ledger import tables as ledger_tables
from detectors.scope import KINDS, Scope
from monitor.core import phone
from monitor.core.commands import Command, Halt, Page, Record
from monitor.core.flow import Flow
from monitor.core.halt_loop import HaltLoop
from monitor.core.identity import halt_id
from monitor.core.incidents import VERDICTS_MAX, Incident, Incidents, confirmed, confirmed_now
from monitor.core.inputs import SourcePart
from monitor.core.ladder import LADDER, OF_SEVERITY, Rung, Verdict
from monitor.core.policy import DetectorPolicy, Mode, Policy
from monitor.core.scopes import Siblings, joined_form, one_step_wider, stoppable_form, widened

RESOLVE_NS: Final = 600_000_000_000  # a page without a new breach for so long is over
# (detector, reason, scope) with a rung; 300 bytes each.  Past it we act without memory.
QUESTIONS_MAX: Final = 65_536


class Weighing:
    """What follows from breaches: by a policy, and by what was said before."""

    def __init__(
        self,
        policy: Policy,
        detectors: Mapping[str, Detector],
        parts: Sequence[SourcePart],
        ledger: Ledger,
        flow: Flow,
        loop: HaltLoop,
    ) -> None:
        self.policy = policy
        self.detectors = detectors
        self._parts = parts
        self._ledger = ledger
        self._flow = flow
        self._loop = loop
        self._rungs: dict[tuple[str, str, str], tuple[Rung, int]] = {}
        self._incidents = Incidents()
        self._siblings = Siblings()

    def weigh(self, breach: Breach, batch: Batch | None) -> Iterator[Command]:
        """`batch` is what its row is of; None where time tipped it."""
        chosen = self.policy.detectors[breach.detector]
        yield Record("breach.seen", self._told(breach))
        verdict = OF_SEVERITY[breach.severity]
        if chosen.mode is Mode.SHADOW:
            if verdict is not Verdict.WARN:
                yield Record(
                    "halt.withheld" if verdict is Verdict.HALT else "page.withheld", self._told(breach)
                )
            return  # state untouched: arming later starts fresh
        if verdict is Verdict.HALT and (chosen.mode is Mode.PAGE or self._level(breach) is None):
            verdict = Verdict.HIGH
        incident = None
        if verdict is Verdict.HIGH:
            incident = self._incident_of(breach, self._identity(breach, breach.scope, batch), chosen)
            reason = self._reason(breach)
            if reason.second and chosen.mode is Mode.ARMED:
                is_witnessed = self._stands(reason.second, breach) or confirmed(incident, breach, reason)
                verdict = Verdict.HALT if is_witnessed else verdict
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

    def resolve_pages(self) -> Iterator[Command]:
        """Pages of which nothing new was heard for ten minutes of event time."""
        low = self._ledger.low_ns
        for key, (rung, at_ns) in list(self._rungs.items()):
            if rung in (Rung.PAGED, Rung.WARNED) and low - at_ns > RESOLVE_NS:
                del self._rungs[key]
                if rung is Rung.PAGED:
                    summary = f"QUIET {phone.plain(key[2])} | no new {key[1]} for 10 minutes"
                    labels = {"detector": key[0], "reason_code": key[1]}
                    yield Page("/".join(key), "high", summary, labels, resolved=True)

    # --- one verdict --------------------------------------------------------------------------

    def _incident_of(self, breach: Breach, identity: str, chosen: DetectorPolicy) -> Incident:
        return self._incidents.join(
            identity, breach, self._flow.sender(breach.row), is_armed=chosen.mode is Mode.ARMED
        )

    def _confirm(self, incident: Incident, breach: Breach, batch: Batch | None) -> Iterator[Command]:
        """What waited for a second family halts now, if this was one."""
        for waited in confirmed_now(incident, breach.at_ns):
            key = (waited.detector, waited.reason, waited.scope.text)
            self._set_rung(key, Rung.HALTED, breach.at_ns)
            yield Record("halt.confirmed", {**self._told(waited), "by": breach.detector})
            yield from self._halt(replace(waited, row=breach.row), batch)

    def _stands(self, family: str, breach: Breach) -> bool:
        """Whether the one family that may witness this has paged for the very scope, and still stands there.

        A host that is not as declared is said once and stays so; what it says for the first time comes later.
        """
        chosen = self.policy.detectors.get(family)
        if chosen is None or chosen.mode is not Mode.ARMED:
            return False
        questions = ((family, reason.code, breach.scope.text) for reason in self.detectors[family].reasons)
        told = [self._rungs[question] for question in questions if question in self._rungs]
        return any(
            rung in (Rung.PAGED, Rung.HALTED) and breach.at_ns - at_ns <= RESOLVE_NS for rung, at_ns in told
        )

    def _set_rung(self, key: tuple[str, str, str], rung: Rung, at_ns: int) -> None:
        if key in self._rungs or len(self._rungs) < QUESTIONS_MAX:
            self._rungs[key] = (rung, at_ns)

    def _level(self, breach: Breach) -> Level | None:
        own = self._reason(breach).level
        return own if own is None else (self.policy.detectors[breach.detector].level or breach.leaks or own)

    def _reason(self, breach: Breach) -> Any:
        return type(self.detectors[breach.detector]).reason(breach.reason)

    def _identity(self, breach: Breach, scope: Scope, batch: Batch | None) -> str:
        trade_date = self._trade_date(breach, batch)
        cause = f"{breach.detector}|{breach.reason}|{scope.text}|{trade_date}"
        return halt_id(
            self.policy.site, self.policy.env, breach.detector, breach.reason, scope.text, trade_date,
            self._loop.halts.closed_before(cause),
        )  # fmt: skip

    def _trade_date(self, breach: Breach, batch: Batch | None) -> str:
        """The trade date of the event that tipped it; of the day, where time did."""
        if batch is not None and 0 <= breach.row < len(batch):
            days = int(batch.rows[breach.row, ev.TRADE_DATE])
        else:
            days = int(self._ledger.one[ledger_tables.NEWEST_DATE])
        return str(np.datetime64(days, "D"))

    # --- a halt -------------------------------------------------------------------------------

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
            "evidence": self._evidence(breach.evidence),
            "event_ts": breach.at_ns,
            "policy_digest": self.policy.digest,
            "mode": "live" if self.policy.live else "drill",
        }
        if not self._loop.halts.decide(payload):
            return  # stopped already, at this level or above
        yield Halt(payload, breach.evidence.ranges)
        yield Record("halt.decided", payload)
        self._loop.follow_up.sent(payload)
        yield self._loop.state()
        yield from self._page_halt(incident, breach, scope, level, payload)
        yield from self._confirm(incident, breach, batch)

    def _scope_to_stop(self, breach: Breach) -> Scope:
        """The breach's own scope, as wide as it must be: three siblings within five seconds are one cause."""
        if self._loop.halts.is_full:
            return Scope()
        stoppable = self._loop.follow_up.stoppable or frozenset(KINDS)
        scope = breach.scope
        if not all(kind in stoppable for kind, _ in scope.conditions):
            scope = stoppable_form(scope, *self._flow.inside_and_outside(scope, breach.row), stoppable)
        if not scope.conditions:
            return scope
        if breach.leaks is not None and not breach.by_mark:
            return one_step_wider(scope, self._flow.known(breach.row), stoppable)
        if not breach.by_mark:
            alike = self._siblings.join(breach.detector, breach.reason, scope, breach.at_ns)
            if alike:
                return widened(alike, self._flow.known(breach.row), stoppable)
        if any(self._flow.carries(kind, breach.row) for kind, _ in scope.conditions):
            return scope
        return joined_form(scope, *self._flow.inside_and_outside(scope, breach.row), stoppable)

    # --- people -------------------------------------------------------------------------------

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
        summary = phone.stopped(
            scope.text, level.word, self._why(breach), breach.exposed_usd, payload["halt_id"],
            self.policy.runbook, breach.reason, others=self._flow.others_trade(scope),
        )  # fmt: skip
        labels = {"detector": breach.detector, "reason_code": breach.reason, "level": level.word}
        yield Page(incident.page, "halt", summary, labels, payload)

    def _page_once(self, incident: Incident, breach: Breach) -> Command:
        page = self._page(breach)
        if incident.page:
            return Record("page.joined", {"incident": incident.identity, "key": page.key})
        incident.page = page.key
        return page

    def _page(self, breach: Breach) -> Page:
        mode = self.policy.detectors[breach.detector].mode.value
        summary = phone.warned(
            breach.scope.text, self._why(breach), breach.exposed_usd, mode, self.policy.runbook, breach.reason
        )
        labels = {"detector": breach.detector, "reason_code": breach.reason}
        key = f"{breach.detector}/{breach.reason}/{breach.scope.text}"
        return Page(key, "high", summary, labels, self._told(breach))

    def _why(self, breach: Breach) -> str:
        """What was found, in the words of a person's phone."""
        claim = self._reason(breach).claim
        if breach.unit != "USD":
            return f"{breach.measured:,} {claim}"
        limit = "" if breach.limit is None else f" against a limit of {phone.money(float(breach.limit))}"
        return f"{claim}: {phone.money(float(breach.measured))}{limit}"

    # --- records ------------------------------------------------------------------------------

    def _told(self, breach: Breach) -> dict[str, Any]:
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
            "evidence": self._evidence(breach.evidence),
        }

    def _evidence(self, evidence: Evidence) -> list[dict[str, Any]]:
        """Ranges with their topics by name."""
        return [
            {
                "topic": self._parts[part].topic,
                "partition": self._parts[part].partition,
                "first_offset": first,
                "last_offset": last,
            }
            for part, first, last in evidence.ranges
        ]

    # --- memory -------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rungs": [[*key, rung.value, at_ns] for key, (rung, at_ns) in self._rungs.items()],
            "incidents": self._incidents.snapshot(),
            "siblings": self._siblings.snapshot(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._rungs = {(d, r, s): (Rung(rung), at_ns) for d, r, s, rung, at_ns in state["rungs"]}
        self._incidents.restore(state["incidents"])
        self._siblings.restore(state["siblings"])
