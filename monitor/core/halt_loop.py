"""The halt loop, as the judgement hears it: what gateways, people and other monitors say of halts.

    hello, ack       who can stop what, and who does       `follow_up`
    a deadline       resend, page, one level up for that gateway only
    halt, state      another issuer's halts are joined in, so that our own state names them too

Tightening is a join.  Nothing here loosens: a latch opens by a resume, and none is taken yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from detectors.contract import Level
from detectors.scope import Scope
from monitor.core import phone
from monitor.core.commands import Command, Halt, Page, Record, State
from monitor.core.follow_up import FollowUp, Late
from monitor.core.halts import HaltBook
from monitor.core.identity import halt_id
from monitor.core.policy import Policy

CLOSED_TOLD_MAX: Final = 100


class HaltLoop:
    """All open halts, and what is still to be answered."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.halts = HaltBook()
        self.follow_up = FollowUp()

    def state(self) -> State:
        """All open halts, whoever said them."""
        closed = tuple(self.halts.closed)[-CLOSED_TOLD_MAX:]
        return State(tuple(self.halts.open.values()), closed, self.policy.digest)

    # --- what others say ----------------------------------------------------------------------

    def obey(self, payload: Mapping[str, Any], people: Sequence[str]) -> Iterator[Command]:
        """A person tightens alone."""
        yield Record("operator.said", {"payload": dict(payload), "people": list(people)})
        if payload["type"] == "halt":
            yield from self.join(payload, by_person=True)

    def join(self, payload: Mapping[str, Any], *, by_person: bool = False) -> Iterator[Command]:
        """Another issuer's halt, or the halts of its state."""
        heard = payload["open"] if payload["type"] == "state" else [payload]
        here = self.policy.site, self.policy.env
        heard = [halt for halt in heard if (halt.get("site", here[0]), halt.get("env", here[1])) == here]
        # Past the bound our own halts are the firm's, and peers say theirs.
        room = by_person or not self.halts.is_full
        changed = [halt for halt in heard if room and self.halts.add(halt)]
        for halt in changed:
            yield Record("halt.joined", dict(halt))
        if changed:
            yield self.state()

    def hear_gateway(self, payload: Mapping[str, Any]) -> Iterator[Command]:
        """A hello, an acknowledgement, or an order that a gate refused."""
        kind = payload["type"]
        if kind == "hello":
            new = payload["gateway"] not in self.follow_up.gateways
            if not self.follow_up.hello(payload):
                yield Record("gateway.not_followed", {"gateway": payload["gateway"]})
            elif new:
                yield Record("gateway.announced", dict(payload))
                yield self.state()
        elif kind == "ack":
            waiting = self.follow_up.heard(payload)
            yield Record("halt.acknowledged", dict(payload))
            if waiting is not None and not waiting.missing and waiting.paged:
                yield Page(f"{payload['halt_id']}/unconfirmed", "halt", "CONFIRMED late", {}, resolved=True)
        else:
            yield Record("gateway.refused", dict(payload))

    # --- who does not answer ------------------------------------------------------------------

    def press(self, now_ns: int) -> Iterator[Command]:
        """Deadlines for answers that have passed, by the wall clock."""
        for late in self.follow_up.due(now_ns):
            if late.what == "resend":
                yield Halt(late.payload, again=True)
            elif late.what == "page":
                yield from self._page_unconfirmed(late)
            else:
                yield from self._raise(late)

    def _page_unconfirmed(self, late: Late) -> Iterator[Command]:
        identity, scope = late.payload["halt_id"], Scope.of(late.payload["scope"])
        yield Record("halt.unconfirmed", {"halt_id": identity, "gateways": list(late.gateways)})
        yield Page(
            key=f"{identity}/unconfirmed",
            severity="halt",
            summary=phone.unanswered(scope.text, late.gateways, identity, self.policy.runbook),
            labels={"detector": late.payload["detector"], "reason_code": "halt_unconfirmed"},
            details=late.payload,
        )

    def _raise(self, late: Late) -> Iterator[Command]:
        level = Level[late.payload["level"].upper()]
        if level < Level.HALT_CANCEL:  # a disconnect is a person's act
            for gateway in late.gateways:
                yield from self._raise_for(gateway, late.payload, Level(level + 1))

    def _raise_for(self, gateway: str, payload: Mapping[str, Any], level: Level) -> Iterator[Command]:
        if self.halts.is_full and payload["scope"]:
            return  # past the bound it is the firm's halt that is raised
        scope = Scope.of({**payload["scope"], "gateway": gateway})
        trade_date = str(np.datetime64(payload["event_ts"], "ns").astype("datetime64[D]"))
        cause = (payload["detector"], payload["reason_code"], scope.text, trade_date)
        raised = {
            **payload,
            "scope": scope.mapping,
            "level": level.word,
            "halt_id": halt_id(self.policy.site, self.policy.env, *cause, 0),
        }
        if self.halts.add(raised):
            yield Halt(raised)
            yield Record("halt.raised", raised)
            self.follow_up.sent(raised)
            yield self.state()

    # --- memory -------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Plain values."""
        return {"halts": self.halts.snapshot(), "follow_up": self.follow_up.snapshot()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.halts.restore(state["halts"])
        self.follow_up.restore(state["follow_up"])
