"""Whether a halt is really obeyed: who must answer, who has, and what is done about who has not.

    100 ms without an answer   send it again, on both roads; after that each 5 s, each minute after the first
    250 ms                     the metric counts it
      1 s                      page
      2 s                      one level up, for that gateway only

Asked is who said in its hello that it can stop orders of that scope.  A halt that no gateway is known
for waits for anybody: unknown is not obeyed.  It is sent until the answer comes, since an answer can be lost
on its way as a halt can, and who gave it does not know.  Where hundreds are due at once (a restart), each
look sends so many, the newest first, that judging is not kept waiting by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from monitor.core.halts import level_of

RESEND_NS: Final = 100_000_000
AGAIN_NS: Final = 5_000_000_000
SELDOM_NS: Final = 60_000_000_000  # after as long: who is down for a day costs a line of the trail a minute
RESENDS_AT_ONCE: Final = 50  # half a millisecond each, and a look each 100 ms: 1,000 halts are sent in 2 s
METRIC_NS: Final = 250_000_000
PAGE_NS: Final = 1_000_000_000
RAISE_NS: Final = 2_000_000_000
OBEYED: Final = ("applied", "completed")
GATEWAYS_MAX: Final = 10_000  # by hello; one more is not waited for, and it is said

NOBODY: Final = ""  # stands for "any gateway at all" where none has said hello


@dataclass(slots=True)
class Waiting:
    """One halt, and how far it has come."""

    payload: Mapping[str, Any]
    since_ns: int  # wall clock at the first tick after it was decided; 0 before
    missing: set[str]
    applied: set[str] = field(default_factory=set)
    resend_ns: int = RESEND_NS  # the age at which it is sent again
    paged: bool = False
    raised: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Late:
    """What a deadline asks for."""

    payload: Mapping[str, Any]
    what: str  # "resend", "page", "raise"
    gateways: tuple[str, ...]


class FollowUp:
    """Answers and deadlines.  Wall-clock time is an argument; it never touches the stream's time."""

    def __init__(self) -> None:
        self.gateways: dict[str, Mapping[str, Any]] = {}
        self.waiting: dict[str, Waiting] = {}

    def hello(self, payload: Mapping[str, Any]) -> bool:
        """A gateway says what it can stop; False if there are too many to follow."""
        name = str(payload["gateway"])
        if name not in self.gateways and len(self.gateways) >= GATEWAYS_MAX:
            return False
        self.gateways[name] = payload
        return True

    @property
    def stoppable(self) -> frozenset[str] | None:
        """Kinds of scope that every gateway can stop; None while none has said."""
        kinds = [frozenset(hello["kinds"]) for hello in self.gateways.values() if hello.get("kinds")]
        return frozenset.intersection(*kinds) if kinds else None

    def sent(self, payload: Mapping[str, Any]) -> None:
        """A halt was decided: from the next tick on its answers are due."""
        halt_id = str(payload["halt_id"])
        scope = payload["scope"]
        asked = {scope["gateway"]} if "gateway" in scope else self._able(scope)
        known = self.waiting.get(halt_id)
        applied = known.applied if known and known.payload["level"] == payload["level"] else set()
        missing = (asked or {NOBODY}) - applied
        self.waiting[halt_id] = Waiting(payload, 0, missing, set(applied))

    def _able(self, scope: Mapping[str, str]) -> set[str]:
        """Gateways that can stop orders of this scope; all of them where none says so."""
        able = {name for name, hello in self.gateways.items() if _may_stop(hello, scope)}
        return able or set(self.gateways)

    def unanswered(self, now_ns: int) -> int:
        """Halts that somebody has not applied, and should have by now."""
        late = (w for w in self.waiting.values() if w.missing and w.since_ns)
        return sum(now_ns - waiting.since_ns >= METRIC_NS for waiting in late)

    def heard(self, ack: Mapping[str, Any]) -> Waiting | None:
        """An ack; the halt it belongs to, if that is waiting and the level is the one asked for."""
        waiting = self.waiting.get(str(ack.get("halt_id")))
        if waiting is None or ack.get("state") not in OBEYED:
            return None
        if level_of(ack) < level_of(waiting.payload):
            return None  # an answer to the level before this one
        waiting.applied.add(str(ack["gateway"]))
        waiting.missing -= {str(ack["gateway"]), NOBODY}
        return waiting

    def due(self, now_ns: int) -> list[Late]:
        """What the deadlines ask for now."""
        late: list[Late] = []
        to_send: list[Waiting] = []
        for waiting in self.waiting.values():
            if not waiting.missing:
                continue
            if waiting.since_ns == 0 or now_ns < waiting.since_ns:
                waiting.since_ns, waiting.resend_ns = now_ns, RESEND_NS
                continue
            age_ns = now_ns - waiting.since_ns
            missing = tuple(sorted(waiting.missing))
            if age_ns >= waiting.resend_ns:
                to_send.append(waiting)
            if age_ns >= PAGE_NS and not waiting.paged:
                waiting.paged = True
                late.append(Late(waiting.payload, "page", missing))
            if age_ns >= RAISE_NS:
                new = tuple(name for name in missing if name != NOBODY and name not in waiting.raised)
                waiting.raised.update(new)
                if new:
                    late.append(Late(waiting.payload, "raise", new))
        return [*(self._sent_again(waiting, now_ns) for waiting in to_send[-RESENDS_AT_ONCE:]), *late]

    def _sent_again(self, waiting: Waiting, now_ns: int) -> Late:
        age_ns = now_ns - waiting.since_ns
        waiting.resend_ns = age_ns + (AGAIN_NS if age_ns < SELDOM_NS else SELDOM_NS)
        return Late(waiting.payload, "resend", tuple(sorted(waiting.missing)))

    def wake_at_ns(self, now_ns: int) -> int | None:
        """The next deadline, if somebody has still to answer."""
        steps = [
            waiting.since_ns + step
            for waiting in self.waiting.values()
            if waiting.missing
            for step in (waiting.resend_ns, PAGE_NS, RAISE_NS)
            if waiting.since_ns + step > now_ns
        ]
        return min(steps, default=None)

    def snapshot(self) -> dict[str, Any]:
        """Halts not yet obeyed are followed up again after a restart, from the beginning; paged once."""
        return {
            "gateways": dict(self.gateways),
            "waiting": [
                {
                    "payload": w.payload,
                    "missing": sorted(w.missing),
                    "applied": sorted(w.applied),
                    "paged": w.paged,
                }
                for w in self.waiting.values()
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.gateways = dict(state["gateways"])
        self.waiting = {
            str(saved["payload"]["halt_id"]): Waiting(
                saved["payload"],
                0,
                set(saved["missing"]),
                set(saved["applied"]),
                paged=saved["paged"],
            )
            for saved in state["waiting"]
        }


def _may_stop(hello: Mapping[str, Any], scope: Mapping[str, str]) -> bool:
    """Whether an order of this scope may be one that the gateway named; one that named none stops any."""
    named: Sequence[Mapping[str, str]] = hello.get("scopes") or ({},)
    return any(
        all(_is_like(scope[kind], pattern) for kind, pattern in one.items() if kind in scope) for one in named
    )


def _is_like(text: str, pattern: str) -> bool:
    """Only `*` stands for something else; an id may hold any other sign."""
    plain = "".join(f"[{sign}]" if sign in "?[" else sign for sign in pattern)
    return fnmatchcase(text, plain)
