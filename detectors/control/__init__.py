"""Controls that are loosened, and changes in the middle of an incident.  All of it pages, none of it halts.

    limit_raised        a limit, switch or level outside or inside this monitor is looser than before
    detector_off        a reload takes a detector away, or to a looser mode
    change_in_incident  a roll-out, a roll-back or a restart in the scope of an open halt

Why: staff of Goldman lifted the breakers that had tripped in 2013, and the orders went out; Knight's people
took the *new* code off the seven good servers in the middle of it, and all eight misbehaved then.

How it counts: numbers are compared as numbers, words by what they mean, and what is neither and differs is
loosened: unknown is never clear.  A deploy or restart carries a host and a build only, so it is in the scope
of a halt over an account as an order without an account would be.

>>> from tests.detectors.tell import tell
>>> change = {"kind": "limit_change", "ts": 10**18, "actor": "ops", "reason": "busy", "account": "33"}
>>> change |= {"key": "gross", "before": "2e6", "after": "9e6"}
>>> for breach in tell(Control, [change, change | {"ts": 10**18 + 1, "after": "1e6"}]):
...     print(breach.severity.word, breach)
high control limit_raised account=33: 1 > 0

Where: `judge` finds what concerns the family, `loosening` says what loosens; which halts are open says
`detectors.halts`, and a changed configuration comes by `on_policy`.
"""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors import event as ev
from detectors import halts as hf
from detectors import names as nm
from detectors import posting as po
from detectors.contract import Breach, Detector, Evidence, Severity
from detectors.control import tables as tb
from detectors.control.judge import judge
from detectors.control.loosening import loosened, loosens
from detectors.control.reasons import CHANGE_IN_INCIDENT, DETECTOR_OFF, LIMIT_RAISED, REASONS
from detectors.control.settings import ControlSettings
from detectors.halts import halts_of
from detectors.scope import FIRM, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from detectors.contract import Int64Array, Postings, View

__all__ = ["Control", "ControlSettings"]

# Whose control it is: the first of these that the event names.
WHOSE = (
    ("account", ev.ACCOUNT, nm.ACCOUNT), ("strategy", ev.STRATEGY, nm.STRATEGY),
    ("session", ev.SESSION, nm.SESSION), ("trader", ev.TRADER, nm.TRADER), ("client", ev.CLIENT, nm.CLIENT),
    ("desk", ev.DESK, nm.DESK), ("entity", ev.ENTITY, nm.ENTITY), ("symbol", ev.SYMBOL, nm.SYMBOL),
    ("host", ev.HOST, nm.HOST),
)  # fmt: skip


class Control(Detector):
    """Who loosens what, and who changes what while it is halted."""

    reasons = REASONS
    Settings = ControlSettings
    BYTES_MAX = tb.BYTES_MAX

    def __init__(self, settings: ControlSettings, view: View) -> None:
        super().__init__(settings, view)
        self.tables = {name: np.zeros(shape, np.int64) for name, shape in tb.SHAPES.items()}
        self._halts = halts_of(view)
        self._asked = np.zeros((tb.ASKED_MAX, 2), np.int64)

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        start, rows = 0, postings.batch.rows
        while start < len(postings.rows):
            t = self.tables
            start, count = judge(postings.rows, start, rows, t["hosts"], t["told"], t["state"], self._asked)
            for index, what in self._asked[:count]:
                p = postings.rows[index]
                row = rows[p[po.ROW]]
                is_limit = what == tb.LIMIT
                yield from self._limit(p, row) if is_limit else self._change(p, row, int(what))

    def on_time(self, now_ns: int) -> Iterator[Breach]:  # noqa: ARG002  nothing here waits for time
        yield from ()

    def on_policy(self, changes: Iterable[tuple[str, Any, Any]]) -> Iterator[Breach]:
        """One page for all detectors that judge less; one for each scope whose limits hold less."""
        for (what, scope), count in Counter(loosened(changes)).items():
            reason = DETECTOR_OFF if what == "mode" else LIMIT_RAISED
            yield self._breach(reason, scope, count, Evidence(), self.view.ledger.low_ns, -1)

    def used(self) -> Mapping[str, int]:
        return {"hosts": self.view.names.count(nm.HOST) + nm.FIRST}

    def _limit(self, p: Int64Array, row: Int64Array) -> Iterator[Breach]:
        names = self.view.names
        key = names.text(nm.KEY, int(row[ev.KEY]))
        before, after = (names.text(nm.VALUE, int(row[column])) or None for column in (ev.BEFORE, ev.AFTER))
        is_lower = any(fnmatchcase(key, pattern) for pattern in self.settings.lower_is_looser)
        if (before is None and after is None) or loosens(before, after, lower_is_looser=is_lower):
            yield self._of(LIMIT_RAISED, self._whose(row), 1, p)

    def _change(self, p: Int64Array, row: Int64Array, what: int) -> Iterator[Breach]:
        wanted = (
            self.settings.deploys_in_incident if what == tb.DEPLOY else self.settings.restarts_in_incident
        )
        host = self.view.names.text(nm.HOST, int(row[ev.HOST]))
        carried = {"host": host, "build": self.view.names.text(nm.BUILD, int(row[ev.BUILD]))}
        if self._halts.gateway_of_host[row[ev.HOST]]:
            carried["gateway"] = host
        over = sum(
            self._halts.scope(halt).holds_for(carried)
            for halt in self._halts.used()
            if p[po.AT] > self._halts.rows[halt, hf.OPENED_AT]
        )
        if wanted and over:
            scope = FIRM if row[ev.HOST] <= nm.OTHER else Scope.of(host=host)
            yield self._of(CHANGE_IN_INCIDENT, scope, over, p)

    def _whose(self, row: Int64Array) -> Scope:
        for kind, column, names in WHOSE:
            if row[column] > nm.OTHER:
                return Scope.of({kind: self.view.names.text(names, int(row[column]))})
        return FIRM

    def _of(self, reason: int, scope: Scope, count: int, p: Int64Array) -> Breach:
        evidence = Evidence(((int(p[po.PART]), int(p[po.OFFSET]), int(p[po.OFFSET])),), 1)
        return self._breach(reason, scope, count, evidence, int(p[po.AT]), int(p[po.ROW]))

    def _breach(
        self, reason: int, scope: Scope, count: int, evidence: Evidence, at_ns: int, row: int
    ) -> Breach:
        said = REASONS[reason]
        return Breach(
            self.family(), said.code, Severity.HIGH, scope, count, 0, said.unit, evidence, at_ns, row
        )
