"""From whom a breach accuses to whom a halt stops: the narrowest scope that holds it, or one step wider.

    holds(scope)  =  weight of the evidence inside it / weight of all evidence  >=  0.9

Of several that hold it, the one with the least other flow; ties by the order of `NARROW_FIRST`.
A scope is offered only in kinds that the gateways said they can stop, and only where all
the flow carries them: an order without the attribute would match too.  Where that is so of
the kind that a breach names, its scope is joined with one that all of the flow has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from detectors.scope import FIRM, KINDS, Scope

NARROW_FIRST: Final = ("parent", "session", "host", "account", "strategy", "symbol", "desk")
SHARED_FIRST: Final = ("session", "host", "account", "strategy", "build", "desk", "entity")
NARROWING: Final = (  # of several conditions the one that is left off first
    "side", "parent", "symbol", "venue", "gateway", "session", "algo", "trader", "client", "build",
    "strategy", "account", "host", "desk", "entity",
)  # fmt: skip
HOLDS_SHARE_MIN: Final = 0.9
SIBLINGS_TO_WIDEN: Final = 3
SIBLINGS_WINDOW_NS: Final = 5_000_000_000

Attributes = Mapping[str, str]
Weighed = Sequence[tuple[Attributes, float]]  # attributes of the flow, and how much of it


def narrowest(
    evidence: Weighed,
    others: Weighed,
    stoppable: Collection[str] = KINDS,
) -> Scope:
    """The narrowest scope that holds 90 % of the evidence's weight.

    `others`: the flow outside the evidence, which would be stopped with it; of no weight where it is idle.

    >>> bad = [({"host": "smars-8", "account": "33"}, 3.0)]
    >>> narrowest(bad, [({"host": "smars-1", "account": "33"}, 50.0)]).text
    'host=smars-8'
    """
    total = sum(weight for _, weight in evidence)
    found: list[tuple[float, int, Scope]] = []
    for order, kind in enumerate(NARROW_FIRST):
        if kind not in stoppable or any(kind not in who for who, _ in (*evidence, *others)):
            continue
        inside: dict[str, float] = {}
        for who, weight in evidence:
            inside[who[kind]] = inside.get(who[kind], 0.0) + weight
        if not inside:
            continue
        value = max(sorted(inside), key=lambda name: inside[name])
        if inside[value] >= HOLDS_SHARE_MIN * total:
            hurt = sum(weight for who, weight in others if who[kind] == value)
            found.append((hurt, order, Scope.of({kind: value})))
    return min(found, key=lambda entry: entry[:2])[2] if found else FIRM


def widened(
    siblings: Iterable[Scope], flow: Sequence[Attributes], stoppable: Collection[str] = KINDS
) -> Scope:
    """One step wider than several scopes of one kind: what all of their flow shares, else the firm.

    >>> flow = [{"session": s, "host": "gw-1"} for s in ("A", "B", "C")]
    >>> widened([Scope.of(session=s) for s in ("A", "B", "C")], flow).text
    'host=gw-1'
    """
    accused = list(siblings)
    theirs = [who for who in flow if any(scope.holds_for(who) for scope in accused)]
    used = {kind for scope in accused for kind, _ in scope.conditions}
    for kind in SHARED_FIRST:
        if kind in used or kind not in stoppable or not theirs:
            continue
        values = {who.get(kind) for who in theirs}
        value = values.pop()
        if not values and value:
            return Scope.of({kind: value})
    return FIRM


def stoppable_form(scope: Scope, evidence: Weighed, others: Weighed, stoppable: Collection[str]) -> Scope:
    """The scope if the gateways can stop it; else without what they cannot; else the narrowest that they can.

    `evidence` is the flow inside the scope, `others` the rest.

    >>> evidence, others = [({"host": "a", "session": "s"}, 3)], [({"host": "b", "session": "s"}, 5)]
    >>> stoppable_form(Scope.of(account="33", symbol="NOK"), evidence, others, {"account"}).text
    'account=33'
    >>> stoppable_form(Scope.of(parent="P1"), evidence, others, {"session", "host"}).text
    'host=a'
    """
    kept = tuple(one for one in scope.conditions if one[0] in stoppable)
    return Scope(kept) if kept or not scope.conditions else narrowest(evidence, others, stoppable)


def joined_form(scope: Scope, evidence: Weighed, others: Weighed, stoppable: Collection[str]) -> Scope:
    """The scope joined with one that all of the flow carries: orders that lack its attribute match it too.

    >>> evidence, others = [({"strategy": "x", "account": "33"}, 3)], [({"account": "7"}, 5)]
    >>> joined_form(Scope.of(strategy="x"), evidence, others, KINDS).text
    'account=33&strategy=x'
    """
    more = narrowest(evidence, others, set(stoppable) - {kind for kind, _ in scope.conditions} - {"parent"})
    return Scope.of({**scope.mapping, **more.mapping})


def one_step_wider(scope: Scope, flow: Sequence[Attributes], stoppable: Collection[str] = KINDS) -> Scope:
    """Where a halt of this scope leaks: one condition less, else the next kind that all of its flow shares.

    >>> flow = [{"session": s, "host": "gw-1"} for s in ("A", "B")]
    >>> one_step_wider(Scope.of(session="A"), flow).text, one_step_wider(Scope.of(host="gw-1"), flow).text
    ('host=gw-1', '*')
    >>> one_step_wider(Scope.of(account="33", symbol="NOK"), flow).text
    'account=33'
    """
    kinds = {kind for kind, _ in scope.conditions}
    for kind in NARROWING:
        if len(kinds) > 1 and kind in kinds:
            rest = Scope(tuple(c for c in scope.conditions if c[0] != kind and c[0] in stoppable))
            return rest if rest.conditions else widened([scope], flow, stoppable)
    tried = [kind for kind in SHARED_FIRST if kind in kinds]
    wider = SHARED_FIRST[SHARED_FIRST.index(tried[-1]) + 1 :] if tried else SHARED_FIRST
    return widened([scope], flow, [kind for kind in wider if kind in stoppable])


class Siblings:
    """Scopes of one kind that one question accused within five seconds: three of them are one cause."""

    def __init__(self) -> None:
        self._last: list[tuple[int, str, str, Scope]] = []

    def join(self, detector: str, reason: str, scope: Scope, at_ns: int) -> list[Scope]:
        """Note it; all siblings where they are enough to widen, else none."""
        kinds = [kind for kind, _ in scope.conditions]
        since = at_ns - SIBLINGS_WINDOW_NS
        self._last = [entry for entry in self._last if entry[0] >= since]
        alike = {
            other
            for _, *question, other in self._last
            if question == [detector, reason] and [kind for kind, _ in other.conditions] == kinds
        } | {scope}
        self._last.append((at_ns, detector, reason, scope))
        return sorted(alike, key=lambda one: one.text) if len(alike) >= SIBLINGS_TO_WIDEN else []

    def snapshot(self) -> list[list[object]]:
        """Plain values."""
        return [[at, detector, reason, scope.text] for at, detector, reason, scope in self._last]

    def restore(self, state: Iterable[tuple[int, str, str, str]]) -> None:
        self._last = [(at, detector, reason, Scope.parse(text)) for at, detector, reason, text in state]
