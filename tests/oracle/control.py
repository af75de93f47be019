"""`detectors.control`, slow and obvious: every change and every process of a host is kept in words.

Reads the same postings and the same halts; says (reason, scope, measured, at, row).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.event import Kind, Phase
from detectors.posting import PostingKind as K
from detectors.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detectors.contract import Postings, View

Said = tuple[str, str, int, int, int]
WHOSE = ("account", "strategy", "session", "trader", "client", "desk", "entity", "symbol", "host")
LOOSER = ("off", "false", "no", "disabled", "inactive")


class Control:
    def __init__(self, view: View, halts: Mapping[str, Mapping[str, Any]]) -> None:
        self.view, self.halts = view, halts
        self.told: set[Any] = set()
        self.boots: dict[str, list[str]] = defaultdict(list)
        self.beaten: dict[str, int] = {}

    def hear(self, postings: Postings) -> Iterator[Said]:
        for p in postings.rows:
            row = postings.batch.rows[p[po.ROW]]
            if p[po.KIND] != K.EVENT:
                continue
            at, place = int(p[po.AT]), int(p[po.ROW])
            if row[ev.KIND] == Kind.LIMIT_CHANGE:
                change = tuple(self.word(row, c) for c in ("actor", "key", "before", "after"))
                if self.is_new(int(row[ev.TS]), change) and self.is_looser(*change[2:]):
                    whose = next((kind for kind in WHOSE if self.word(row, kind)), None)
                    scope = Scope.of({whose: self.word(row, whose)}) if whose else Scope()
                    yield "limit_raised", scope.text, 1, at, place
            elif row[ev.KIND] == Kind.DEPLOY and row[ev.PHASE] != Phase.PLANNED:
                change = (self.word(row, "host"), self.word(row, "build"), int(row[ev.PHASE]))
                if self.is_new(int(row[ev.TS]), change):
                    yield from self.changed(row, at, place)
            elif row[ev.KIND] == Kind.HEARTBEAT and self.is_restart(row, at):
                yield from self.changed(row, at, place)

    def word(self, row: Any, what: str) -> str:
        column = getattr(ev, what.upper())
        kind = nm.VALUE if what in ("before", "after") else getattr(nm, what.upper())
        return self.view.names.text(kind, int(row[column]))

    def is_new(self, ts: int, change: Any) -> bool:
        seen = (ts, change) in self.told
        self.told.add((ts, change))
        return not seen

    @staticmethod
    def is_looser(before: str, after: str) -> bool:
        try:
            return float(after) > float(before)
        except ValueError:
            pass
        if not before or not after:
            return bool(before) or not after
        return after in LOOSER or (before not in LOOSER and before != after)

    def is_restart(self, row: Any, at: int) -> bool:
        host, boot = self.word(row, "host"), self.word(row, "boot")
        if not boot or at < self.beaten.get(host, 0):
            return False
        self.beaten[host] = at
        known = self.boots[host]
        if boot in known[-8:]:
            return False
        known.append(boot)
        return len(known) > 1

    def changed(self, row: Any, at: int, place: int) -> Iterator[Said]:
        carried = {"host": self.word(row, "host"), "build": self.word(row, "build")}
        over = [
            halt for halt in self.halts.values()
            if at > halt["event_ts"] and Scope.of(halt["scope"]).holds_for(carried)
        ]  # fmt: skip
        if over:
            yield "change_in_incident", Scope.of(host=carried["host"]).text, len(over), at, place
