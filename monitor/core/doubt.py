"""What the monitor knows of its own sight.  Unknown is never clear: what we cannot judge, the lease says.

judging    all is seen
degraded   a detector failed, a question is stale, a partition lags; a feed is down, or was down, or we were
           not there ourselves, and it is not proven yet that all that came meanwhile is read
blind      a feed is down, or does not advance though its end does, for 2 s
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from detectors.contract import Result
from monitor.core.commands import Command, Record
from monitor.core.inputs import CommandSettled, LinkChanged, RecordsArrived, RecordsLost, TimePassed
from monitor.core.sources import Suspicion

BLIND_NS: Final = 2_000_000_000
DISK: Final = "audit_disk"  # the link to the trail's disk
CERTIFICATE: Final = "certificate "  # begins the names of what is "down" when it soon ends; it blinds nobody
FEED: Final = "kafka"  # the link whose loss makes us blind; "<topic>/<partition>" is a part of it
UNDECODABLE_SHARE_MAX: Final = 0.01
UNDECODABLE_WINDOW_NS: Final = 10_000_000_000
UNDECODABLE_RECORDS_MIN: Final = 100
LAG_NS: Final = 2_000_000_000
REASONS_MAX: Final = 16  # of a kind, in one lease


class Doubt:
    """Links, progress, failed detectors, records that nobody could read."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        self._said: set[str] = set()
        self._down: dict[str, tuple[int, str]] = {}
        self._moved_at: dict[int, int] = {}
        self._window_at = 0
        self._read = self._broken = 0
        self._unreadable = False
        self._lost: set[str] = set()
        self._is_cold = False
        self._lagging_since: dict[int, int] = {}
        self._unseen_since = 0  # since when nobody has shown that all is read; 0: it is shown
        self._paged: dict[str, str] = {}
        self._status: tuple[str, tuple[Mapping[str, str], ...], tuple[str, ...]] = ("judging", (), ())

    def fault(self, detector: str, why: str) -> None:
        self.faults[detector] = why

    def new_faults(self) -> Iterator[tuple[str, str]]:
        """Detectors that failed since this was last asked."""
        for name, why in self.faults.items():
            if name not in self._said:
                self._said.add(name)
                yield name, why

    def advanced(self, arrived: RecordsArrived, now_ns: int) -> None:
        """Records came: their partitions move."""
        for part, first, last in arrived.ranges:
            self._moved_at[part] = now_ns
            self._read += last - first + 1
        self._broken += len(arrived.quarantined)

    def lost(self, lost: RecordsLost) -> None:
        """A run of records was never judged."""
        self._lost.add(f"records of {lost.topic}/{lost.partition} were lost")

    def leave_out(self, place: str) -> None:
        """One record was never judged."""
        self._lost.add(f"record {place} is not judged: it crashed us")

    def look_again(self, now_ns: int) -> None:
        """We were not there, or nobody told us: what came until now is not known to be read."""
        self._unseen_since = max(self._unseen_since, now_ns)

    def begin_cold(self) -> None:
        """What was known is read again; until that is done, we see less than we should."""
        self._is_cold = True

    def forget(self, detector: str) -> None:
        """A family began anew in the middle of a session."""
        self._lost.add(f"detector {detector} began anew")

    def link(self, changed: LinkChanged) -> Iterator[Command]:
        """A socket opened or broke."""
        if _is_feed(changed.link):
            self.look_again(changed.at_ns)
        if changed.up:
            self._down.pop(changed.link, None)
        else:
            self._down.setdefault(changed.link, (changed.at_ns, changed.detail))
        yield Record(
            "link.changed",
            {"link": changed.link, "up": changed.up, "at": changed.at_ns, "detail": changed.detail},
        )

    @property
    def hears(self) -> bool:
        """Whether the feed and all of its parts are up: only then is silence silence."""
        return not any(_is_feed(link) for link in self._down)

    def settled(self, outcome: CommandSettled) -> Iterator[Command]:
        """What became of a command: kept in the trail where it is about a halt, or failed."""
        if outcome.what == "halt" or not outcome.ok:
            yield Record(
                f"{outcome.what}.delivered" if outcome.ok else f"{outcome.what}.failed",
                {"key": outcome.key, "road": outcome.road, "at": outcome.at_ns, "detail": outcome.detail},
            )

    def changes(
        self, passed: TimePassed, results: Mapping[str, Result], sources: Sequence[Suspicion]
    ) -> Iterator[tuple[str, str, str, bool]]:
        """Judge our own sight; yields pages about ourselves: (key, what, reason, resolved).

        `sources`: what telemetry says of its own health.
        """
        self._measure_broken(passed.now_ns)
        blind = {
            f"link {link} down": "blind_link"
            for link, (since, _) in self._down.items()
            if _is_feed(link) and passed.now_ns - since >= BLIND_NS
        }
        for part in passed.lagging:
            since = self._moved_at.setdefault(part, passed.now_ns)
            if passed.now_ns - since >= BLIND_NS:
                blind[f"partition {part} does not advance"] = "blind_silent"
        degraded = {f"detector {name} failed": "detector_fault" for name in self.faults}
        words = {one.key: one.words for one in sources[:REASONS_MAX]}
        degraded |= {one.key: one.reason for one in sources[:REASONS_MAX]}
        if DISK in self._down and passed.now_ns - self._down[DISK][0] >= BLIND_NS:
            degraded["the audit trail is not written"] = "audit_disk"
        if self._unreadable:
            degraded["more than 1 % of the records cannot be read"] = "undecodable"
        self._lagging_since = {part: self._lagging_since.get(part, passed.now_ns) for part in passed.lagging}
        late = tuple(
            f"partition {part} lags"
            for part, since in self._lagging_since.items()
            if passed.now_ns - since >= LAG_NS
        )
        late += tuple(f"link {link} down" for link in self._down if _is_feed(link))
        if passed.read_to_ns is None or passed.read_to_ns >= self._unseen_since:
            self._unseen_since = 0
        elif self.hears:
            late = (*late, "what came meanwhile is not read yet")
        self._is_cold = self._is_cold and (not self._moved_at or bool(passed.lagging))
        if self._is_cold:
            late = (*late, "what an earlier life knew is read again")
        stale = sorted(question for question, result in results.items() if not result.is_known)
        if blind:
            self._status = ("blind", ({},), tuple(sorted(blind)))
        elif degraded or stale or late or self._lost:
            why = (*sorted(degraded), *stale[:REASONS_MAX], *late, *sorted(self._lost)[:REASONS_MAX])
            self._status = ("degraded", (), why)
        else:
            self._status = ("judging", (), ())
        wanted = blind | {what: reason for what, reason in degraded.items() if reason != "detector_fault"}
        for link, (_, detail) in self._down.items():
            if link.startswith(CERTIFICATE):
                words[link] = detail
                wanted[link] = "certificate"
        for what, reason in wanted.items():
            if what not in self._paged:
                self._paged[what] = reason
                yield what, words.get(what, what), reason, False
        for what in [what for what in self._paged if what not in wanted]:
            yield what, f"{what}: over", self._paged.pop(what), True

    def status(self) -> tuple[str, tuple[Mapping[str, str], ...], tuple[str, ...]]:
        """Status, what we are blind of, and why."""
        return self._status

    def _measure_broken(self, now_ns: int) -> None:
        if now_ns - self._window_at < UNDECODABLE_WINDOW_NS:
            return
        self._window_at = now_ns
        self._unreadable = (
            self._read >= UNDECODABLE_RECORDS_MIN and self._broken > UNDECODABLE_SHARE_MAX * self._read
        )
        self._read = self._broken = 0


def _is_feed(link: str) -> bool:
    """Whether records come over it: the feed as a whole, or `<topic>/<partition>`."""
    return link == FEED or "/" in link
