"""Whether somebody watches: leases of the monitors, and what silence is answered with.

An alarm at 3 s, a page at 10 s.  Stopping on silence is the gateway's own choice, because a
monitor that dies must not by itself stop a firm.  `blind` is silence for what it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from detectors.scope import FIRM, Scope
from monitor.core.messages import Lease, Waiver

SECOND_NS: Final = 1_000_000_000
ALARM_NS: Final = 3 * SECOND_NS
PAGE_NS: Final = 10 * SECOND_NS
FRESH_NS: Final = 10 * SECOND_NS  # an older lease says nothing of now, whoever sends it again


@dataclass(frozen=True, slots=True)
class LeasePolicy:
    """Stop what no monitor has watched for `stop_after_ns`; None: go on, and alarm."""

    stop_after_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a gateway's own operator must hear."""

    code: str  # "lease_silent", "lease_degraded", "lease_blind", "not_started"
    about: str  # the monitor, "*" for all of them
    for_ns: int
    page: bool  # to everyone, not only to the desk


@dataclass(slots=True)
class _Watched:
    issued_at: int
    boot: str
    heard_ns: int
    status: str
    since_ns: int  # of the status
    blind: dict[Scope, int] = field(default_factory=dict)  # -> since when


class LeaseWatch:
    """Who watches, as of the leases heard.  Times are the gateway's own."""

    def __init__(self, policy: LeasePolicy, begun_ns: int) -> None:
        self.policy = policy
        self._begun_ns = begun_ns
        self._monitors: dict[str, _Watched] = {}  # as many as pinned monitors
        self._waived_until = 0

    def hear(self, lease: Lease, now_ns: int) -> bool:
        """Note a lease.  Returns whether it says something new."""
        before = self._monitors.get(lease.issuer)
        blind = {Scope.of(scope) for scope in lease.blind_of}
        if lease.status == "blind" and not blind:
            blind = {FIRM}
        if lease.status == "blind" and blind == {FIRM} and before and before.boot == lease.boot:
            self._note(
                before, lease.status, blind, now_ns
            )  # the Last Will was signed at connect: no freshness asked
            return True
        if abs(now_ns - lease.issued_at) > FRESH_NS or (before and lease.issued_at <= before.issued_at):
            return False
        if before is None:
            before = self._monitors[lease.issuer] = _Watched(0, "", now_ns, "", now_ns)
        before.issued_at, before.boot, before.heard_ns = lease.issued_at, lease.boot, now_ns
        self._note(before, lease.status, blind, now_ns)
        return True

    def waive(self, waiver: Waiver) -> None:
        self._waived_until = max(self._waived_until, waiver.expires)

    def unwatched_ns(self, attributes: Mapping[str, str | None], now_ns: int) -> int:
        """For how long no monitor has watched an order like this."""
        seen = self._begun_ns
        for monitor in self._monitors.values():
            blind = [since for scope, since in monitor.blind.items() if scope.holds_for(attributes)]
            seen = max(seen, min([monitor.heard_ns, *blind]))
        return now_ns - seen

    def stops(self, attributes: Mapping[str, str | None], now_ns: int) -> bool:
        after_ns = self.policy.stop_after_ns
        return (
            after_ns is not None
            and now_ns >= self._waived_until
            and self.unwatched_ns(attributes, now_ns) > after_ns
        )

    def alarms(self, now_ns: int) -> tuple[Alarm, ...]:
        found = []
        if not self._monitors and now_ns - self._begun_ns >= ALARM_NS:
            found.append(_alarm("lease_silent", "*", now_ns - self._begun_ns))
        for name, monitor in self._monitors.items():
            if now_ns - monitor.heard_ns >= ALARM_NS:
                found.append(_alarm("lease_silent", name, now_ns - monitor.heard_ns))
            elif monitor.status != "judging":
                found.append(_alarm(f"lease_{monitor.status}", name, now_ns - monitor.since_ns))
        return tuple(found)

    @staticmethod
    def _note(monitor: _Watched, status: str, blind: set[Scope], now_ns: int) -> None:
        if status != monitor.status:
            monitor.status, monitor.since_ns = status, now_ns
        monitor.blind = {scope: monitor.blind.get(scope, now_ns) for scope in blind}


def _alarm(code: str, about: str, for_ns: int) -> Alarm:
    return Alarm(code, about, for_ns, page=for_ns >= PAGE_NS and code != "lease_degraded")
