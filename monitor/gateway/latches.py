"""The halts that hold, as a join: hearing more only ever stops more.

    held = halts heard (by id, highest level)  minus  ids that a valid resume closed

Halts come in any order, any number of times, from any issuer, however old, and the result is
the same set.  Only a resume takes away, only what it names, and only what happened before it
was issued.  Until the first fresh state of a monitor nothing is known, and unknown is halted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from detectors.contract import Level
from detectors.scope import FIRM, Scope
from monitor.core.messages import Halt, Params, Resume, State

SECOND_NS: Final = 1_000_000_000
FRESH_NS: Final = 10 * SECOND_NS  # a state older than this does not start a gateway
AHEAD_NS_MAX: Final = 5 * SECOND_NS  # a resume from the future would close halts that have not happened yet
RESUME_NS_MAX: Final = 900 * SECOND_NS  # a resume may be accepted this long after it was issued

# One incident opens a handful of halts, one a host or account.  10,000 of about 500 bytes are
# 5 MB; past it everything is halted, because a halt that we cannot hold must not be lost.
HELD_MAX: Final = 10_000
CLOSED_MAX: Final = 100_000  # ids of closed halts, 150 bytes each; the oldest go first, and then halt again
RESUMES_MAX: Final = 1_000  # in stages or seen within their fifteen minutes

NO_RATE_CAP: Final = float("inf")
NEVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Held:
    """One halt that holds.  `level` and `messages_per_s` are what it asks for now."""

    halt_id: str
    scope: Scope
    level: Level
    messages_per_s: float  # of a throttle
    not_after_ns: int  # of a throttle; what latches has no end
    event_ts_ns: int
    live: bool  # a drill is held and acknowledged, and stops nothing

    def joined(self, other: Held) -> Held:
        return replace(
            self,
            level=max(self.level, other.level),
            messages_per_s=min(self.messages_per_s, other.messages_per_s),
            not_after_ns=max(self.not_after_ns, other.not_after_ns),
            event_ts_ns=max(self.event_ts_ns, other.event_ts_ns),
        )


@dataclass(frozen=True, slots=True)
class _Opening:
    """A resume that was accepted and is not yet active."""

    resume: Resume
    accepted_ns: int

    def closes(self, held: Held) -> bool:
        return held.halt_id in self.resume.closes and held.event_ts_ns <= self.resume.issued_at

    def stage(self, now_ns: int) -> tuple[Level | None, float] | None:
        """The cap in force: None before the first stage, level None when active."""
        begun = [s for s, at in zip(self.resume.stages, self.changes_ns(), strict=True) if at <= now_ns]
        if not begun:
            return None
        last = begun[-1]
        return (None if last.level == "active" else Level[last.level.upper()]), rate_of(last.params)

    def changes_ns(self) -> list[int]:
        return [self.accepted_ns + int(stage.after_s * SECOND_NS) for stage in self.resume.stages]


@dataclass(frozen=True, slots=True)
class _View:
    """What holds from one time until another, found by the attributes of an order.

    An order of a storm meets one halt among thousands: a dictionary finds it, not a loop.
    """

    everything: tuple[Held, ...]
    index: Mapping[
        tuple[str, ...], Mapping[tuple[str | None, ...], list[Held]]
    ]  # kinds -> their values -> halts
    from_ns: int
    until_ns: int

    @classmethod
    def of(cls, everything: list[Held], from_ns: int, until_ns: int) -> _View:
        index: dict[tuple[str, ...], dict[tuple[str | None, ...], list[Held]]] = {}
        for held in everything:
            if held.live:
                kinds = tuple(kind for kind, _ in held.scope.conditions)
                values = tuple(value for _, value in held.scope.conditions)
                index.setdefault(kinds, {}).setdefault(values, []).append(held)
        return cls(tuple(everything), index, from_ns, until_ns)


class Latches:
    """The set of open halts of one gateway.  Messages given to it were verified before."""

    def __init__(self) -> None:
        # By id, scope text and mode, so that no second one narrows a first, and no drill raises what is live.
        self._held: dict[tuple[str, str, bool], Held] = {}
        self._closed: dict[str, int] = {}  # halt id -> when the last resume that closed it was issued
        self._openings: list[_Opening] = []
        self._resumes_seen: dict[str, int] = {}  # resume id -> until when it could be said again
        self._parts: dict[str, tuple[int, set[int]]] = {}  # issuer -> parts heard of its latest state
        self._overflow: Held | None = None  # lifted by a restart alone
        self._view: _View | None = None  # what holds now, until a message or the time changes it
        self.started = False

    def hear_halt(self, halt: Halt, now_ns: int) -> bool:
        """Join one halt.  Returns whether it stops more than before."""
        self._settle(now_ns)
        return self._join(_held(halt), now_ns)

    def hear_state(self, state: State, now_ns: int) -> tuple[str, ...]:
        """Join all that a monitor holds open; never closes.  Returns the ids that stop more than before."""
        self._settle(now_ns)
        here = [halt for halt in state.open if (halt.site, halt.env) == (state.site, state.env)]
        news = tuple(halt.halt_id for halt in here if self._join(_held(halt), now_ns))
        if abs(now_ns - state.issued_at) <= FRESH_NS and not self.started:
            issued_at, parts = self._parts.get(state.issuer, (0, set()))
            if state.issued_at > issued_at:
                issued_at, parts = state.issued_at, set()
            if state.issued_at == issued_at:
                parts.add(state.part)
            self._parts[state.issuer] = issued_at, parts  # as many as pinned monitors
            self.started = len(parts) == state.parts
        return news

    def hear_resume(self, resume: Resume, now_ns: int) -> str:
        """Accept a resume that two people signed.  Returns why not, or nothing if it holds."""
        self._settle(now_ns)
        if resume.resume_id in self._resumes_seen:
            return "seen before"
        if resume.issued_at > now_ns + AHEAD_NS_MAX:
            return "issued in the future; compare the clocks"
        if now_ns > min(resume.expires, resume.issued_at + RESUME_NS_MAX):
            return "expired; ask both people again"
        newer = next((h for h in self._held.values() if h.live and h.event_ts_ns > resume.issued_at), None)
        if newer:
            return f"halt {newer.halt_id[:8]} is newer than the approval; ask both people again"
        if len(self._resumes_seen) >= RESUMES_MAX:
            return f"{RESUMES_MAX} resumes within fifteen minutes; wait"
        self._resumes_seen[resume.resume_id] = resume.issued_at + RESUME_NS_MAX
        self._openings.append(_Opening(resume, now_ns))
        self._view = None
        self._settle(now_ns)
        return ""

    def open(self, now_ns: int) -> tuple[Held, ...]:
        """All halts that hold, each with what it asks for now; drills too."""
        return self._now(now_ns).everything

    def matching(self, attributes: Mapping[str, str | None], now_ns: int) -> tuple[Held, ...]:
        """The halts that an order with these attributes must obey, highest level first."""
        found: list[Held] = []
        for kinds, by_values in self._now(now_ns).index.items():
            values = tuple(attributes.get(kind) for kind in kinds)
            if all(values):
                found += by_values.get(values, ())
            else:  # it does not say: each may be its own
                found += [h for halts in by_values.values() for h in halts if h.scope.holds_for(attributes)]
        return tuple(sorted(found, key=lambda held: (-held.level, held.halt_id))) if found else ()

    def _join(self, heard: Held, now_ns: int) -> bool:
        if heard.event_ts_ns <= self._closed.get(heard.halt_id, -1) or heard.not_after_ns <= now_ns:
            return False
        key = (heard.halt_id, heard.scope.text, heard.live)
        before = self._held.get(key)
        if before is None and len(self._held) >= HELD_MAX:
            firm = replace(heard, scope=FIRM, level=max(heard.level, Level.HALT_NEW), live=True)
            self._overflow = firm.joined(self._overflow) if self._overflow else firm
            self._view = None
            return True
        after = self._held[key] = heard if before is None else before.joined(heard)
        more = before is None or before.level != after.level
        more = more or any(o.closes(before) and not o.closes(after) for o in self._openings if before)
        if after != before:
            self._view = None
        if more and heard.live:  # a new halt ends every approval but the one that already names it
            self._openings = [o for o in self._openings if before is None and o.closes(heard)]
        return more

    def _now(self, now_ns: int) -> _View:
        if self._view is None or not self._view.from_ns <= now_ns < self._view.until_ns:
            self._settle(now_ns)
            everything = [self._capped(held, now_ns) for held in self._held.values()]
            if self._overflow:
                everything.append(self._overflow)
            changes = [held.not_after_ns for held in everything]
            changes += [at for o in self._openings for at in o.changes_ns() if at > now_ns]
            self._view = _View.of(everything, now_ns, min(changes, default=NEVER))
        return self._view

    def _capped(self, held: Held, now_ns: int) -> Held:
        for opening in self._openings:
            stage = opening.stage(now_ns) if opening.closes(held) else None
            if stage and stage[0] and stage[0] <= held.level:
                rate = stage[1] if stage[0] < held.level else max(stage[1], held.messages_per_s)
                held = replace(held, level=stage[0], messages_per_s=rate)
        return held

    def _settle(self, now_ns: int) -> None:
        """Let time do what it may: throttles end, resumes become active, old ids are forgotten."""
        for key in [k for k, held in self._held.items() if held.not_after_ns <= now_ns]:
            del self._held[key]
            self._view = None
        for opening in [o for o in self._openings if (stage := o.stage(now_ns)) and stage[0] is None]:
            self._openings.remove(opening)
            self._view = None
            for halt_id in opening.resume.closes:
                self._closed[halt_id] = max(self._closed.pop(halt_id, 0), opening.resume.issued_at)
            for key in [k for k, held in self._held.items() if opening.closes(held)]:
                del self._held[key]
        for resume_id in [r for r, until in self._resumes_seen.items() if until < now_ns]:
            del self._resumes_seen[resume_id]
        while len(self._closed) > CLOSED_MAX:
            del self._closed[next(iter(self._closed))]


def rate_of(params: Params | object) -> float:
    """Messages a second that a throttle lets through; one that names no rate lets none."""
    rate = params.messages_per_s if isinstance(params, Params) else None
    return float(rate) if isinstance(rate, (int, float)) else 0.0


def _held(halt: Halt) -> Held:
    throttle = halt.height is Level.THROTTLE
    return Held(
        halt_id=halt.halt_id,
        scope=halt.where,
        level=halt.height,
        messages_per_s=rate_of(halt.params) if throttle else NO_RATE_CAP,
        not_after_ns=halt.not_after if throttle and isinstance(halt.not_after, int) else NEVER,
        event_ts_ns=halt.event_ts,
        live=halt.mode == "live",
    )
