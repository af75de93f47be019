"""Verdicts of several families about one cause are one incident: one page, and a witness for a statistic.

    same cause     one scope lies within the other, or each holds a sender that the other accused;
                   and at most a minute of event time lies between two verdicts
    one page       the first verdict's; what joins it goes into the trail, and people hear again only
                   where more is stopped than before
    confirmation   a reason that must not halt alone (`Reason.second`) halts when another armed family
                   says HIGH or more of the same incident within that minute, whoever came first
                   (the one family that a reason names: as long as its page for that scope stands)

Why: a statistic alone halts ordinary days, and seven pages about one router teach people to read none
(DOMAIN, sections 2 and 3; which verdicts are one cause is ours).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any, Final

from detectors.contract import ANY_FAMILY, Breach, Evidence, Level, Reason, Severity
from detectors.scope import Scope

TOGETHER_NS: Final = 60_000_000_000  # between two verdicts of one incident
# 256 incidents of 16 verdicts each, 500 bytes a verdict, are 2 MB.  Past it the oldest is closed: what comes
# then begins another, with a page of its own.
INCIDENTS_MAX: Final = 256
VERDICTS_MAX: Final = 16

Sender = Mapping[str, str]


@dataclass(slots=True)
class Incident:
    """What was said of one cause."""

    identity: str  # of its first halt or page
    at_ns: int  # of its last verdict
    scopes: list[Scope] = field(default_factory=list)
    senders: list[Sender] = field(default_factory=list)  # whose orders tipped a verdict
    families: dict[str, int] = field(default_factory=dict)  # armed ones that said HIGH or more, and when last
    waiting: list[tuple[Breach, str]] = field(default_factory=list)  # for which second family
    page: str = ""  # the key under which people were told
    stopped: list[tuple[Scope, Level]] = field(default_factory=list)

    def is_about(self, scope: Scope, sender: Sender | None) -> bool:
        """Whether a verdict on this scope, tipped by this sender's order, has the same cause."""
        if any(_within(scope, other) or _within(other, scope) for other in self.scopes):
            return True
        if sender is None:
            return False
        return any(_holds(other, sender) for other in self.scopes) and any(
            _holds(scope, other) for other in self.senders
        )

    def has_second(self, breach: Breach, second: str) -> bool:
        """Whether another family has said HIGH or more, no longer ago than a minute."""
        return any(
            name != breach.detector and second in (ANY_FAMILY, name) and breach.at_ns - at <= TOGETHER_NS
            for name, at in self.families.items()
        )

    def is_known(self, scope: Scope, level: Level) -> bool:
        """Whether people know already of a halt that stops as much."""
        return any(
            level <= other and (scope == wide or _within(scope, wide) or not wide.conditions)
            for wide, other in self.stopped
        )


class Incidents:
    """Those of the last minute, the newest last."""

    def __init__(self) -> None:
        self._open: list[Incident] = []

    def join(self, identity: str, breach: Breach, sender: Sender | None, *, is_armed: bool) -> Incident:
        """The incident that this verdict is part of; it begins one if there is none."""
        self._open = [one for one in self._open if breach.at_ns - one.at_ns <= TOGETHER_NS]
        found = next((one for one in reversed(self._open) if one.is_about(breach.scope, sender)), None)
        if found is None:
            found = Incident(identity, breach.at_ns)
            self._open.append(found)
            del self._open[:-INCIDENTS_MAX]
        found.at_ns = max(found.at_ns, breach.at_ns)
        _keep(found.scopes, breach.scope)
        if sender is not None:
            _keep(found.senders, sender)
        if is_armed:
            found.families[breach.detector] = breach.at_ns
        return found

    def snapshot(self) -> list[Any]:
        """Plain values."""
        return [
            [
                one.identity, one.at_ns, [scope.text for scope in one.scopes],
                [dict(sender) for sender in one.senders], one.families,
                [[_plain(breach), second] for breach, second in one.waiting], one.page,
                [[scope.text, int(level)] for scope, level in one.stopped],
            ]
            for one in self._open
        ]  # fmt: skip

    def restore(self, state: Sequence[Any]) -> None:
        self._open = [
            Incident(
                identity, at_ns, [Scope.parse(text) for text in scopes], list(senders), dict(families),
                [(_breach(told), second) for told, second in waiting], page,
                [(Scope.parse(text), Level(level)) for text, level in stopped],
            )
            for identity, at_ns, scopes, senders, families, waiting, page, stopped in state
        ]  # fmt: skip


def confirmed(incident: Incident, breach: Breach, reason: Reason) -> bool:
    """Whether a verdict that must not halt alone has its second family; else it waits for one."""
    if incident.has_second(breach, reason.second):
        return True
    others = [(one, second) for one, second in incident.waiting if _question(one) != _question(breach)]
    incident.waiting = [*others, (replace(breach, row=-1), reason.second)][-VERDICTS_MAX:]
    return False


def confirmed_now(incident: Incident, at_ns: int) -> Iterator[Breach]:
    """Verdicts that waited for a second family, and have it now."""
    still = [(one, second) for one, second in incident.waiting if at_ns - one.at_ns <= TOGETHER_NS]
    incident.waiting = [(one, second) for one, second in still if not incident.has_second(one, second)]
    yield from (one for one, second in still if incident.has_second(one, second))


def _question(breach: Breach) -> tuple[str, str, Scope]:
    return breach.detector, breach.reason, breach.scope


def _within(narrow: Scope, wide: Scope) -> bool:
    """Whether all that one holds, the other holds.  That the firm holds all says nothing of a cause."""
    return bool(wide.conditions) and all(one in narrow.conditions for one in wide.conditions)


def _holds(scope: Scope, sender: Sender) -> bool:
    """Whether the sender is known to be inside: an attribute that it lacks proves nothing here."""
    return all(sender.get(kind) == value for kind, value in scope.conditions)


def _keep(known: list[Any], one: Any) -> None:
    if one not in known and len(known) < VERDICTS_MAX:
        known.append(one)


def _plain(breach: Breach) -> list[Any]:
    fields = list(astuple(replace(breach, scope=Scope(), evidence=Evidence())))
    fields[2], fields[3] = int(breach.severity), breach.scope.text
    fields[7] = [[list(one) for one in breach.evidence.ranges], breach.evidence.count]
    return fields


def _breach(told: Sequence[Any]) -> Breach:
    detector, reason, severity, scope, measured, limit, unit, (ranges, count), *rest = told
    evidence = Evidence(tuple(tuple(one) for one in ranges), count)
    return Breach(
        detector, reason, Severity(severity), Scope.parse(scope), measured, limit, unit, evidence, *rest
    )
