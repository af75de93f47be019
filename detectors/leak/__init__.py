"""Halts that do not hold: what the market took although a halt was in force.

    throttle      messages over its cap, two seconds running
    reduce_only   an accepted order that raises |position + working|
    halt_new      an accepted new order, or a replace for more or at a worse price
    halt_cancel   that, and what still works 2 s later and is no listed survivor

Why: a kill switch that is pressed and not obeyed is worse than none, because people stop looking.  After
Marquette's orders were cancelled in 2019 its system entered them again; after Tower's tripped in 2021 some
were still out.

How it counts: an order leaks when it was *sent* later than its gateway said that it obeys, and its host's
clock bound; it is counted when the market takes it, so what a gate refuses is no leak.  An order that names
no gateway leaves by its host, if that is one; else only once every gateway obeys.  The halt of a leak goes
one step wider, at the level of the one that leaks: the engine chooses where.

>>> from tests.detectors.halted import halted
>>> heard = halted(Leak, "C A", {"host": "a-gw-1"}, "halt_new", "C A C A")
>>> for breach in heard:
...     print(breach.severity.word, breach, breach.leaks.word)
halt leak after_halt host=a-gw-1: 1 > 0 halt_new

Where: `judge` takes postings to the rules, `orders` follows orders and positions while a halt is in force,
`rules` holds one rule a level; who obeys what since when says `detectors.halts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detectors import halts as hf
from detectors import names as nm
from detectors.contract import Breach, Detector, Int64Array, Level, Severity
from detectors.event import UNIT
from detectors.evidence import AT, FOUND, HIT, MEASURED, ROW, SCOPE_CODE, SEVERITY, evidence
from detectors.halts import HaltsInForce, halts_of
from detectors.leak import tables as tb
from detectors.leak.exempt import exempt
from detectors.leak.judge import judge
from detectors.leak.orders import let_go, take_over
from detectors.leak.reasons import AFTER_HALT, REASONS
from detectors.leak.rules import watch
from detectors.leak.settings import LeakSettings
from detectors.ledger import tables as lt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detectors.contract import Postings, View

__all__ = ["Leak", "LeakSettings"]


class Leak(Detector):
    """Whether the halts in force hold."""

    reasons = REASONS
    Settings = LeakSettings
    LIVES_ON = ("order_new", "order_ack", "fill")
    BYTES_MAX = tb.BYTES_MAX

    def __init__(self, settings: LeakSettings, view: View) -> None:
        super().__init__(settings, view)
        self.tables = tb.remembered()
        self._halts: HaltsInForce = halts_of(view)
        self._hits = np.zeros((tb.HITS, HIT), np.int64)
        limits = np.array([*settings.fixed(), view.clock_bound_ns], np.int64)
        halts = self._halts
        self._t = tb.Tables(
            limits=limits, who64=view.ledger.tables["who64"], halts=halts.rows, levels=halts.levels,
            since=halts.since, gateway_of_host=halts.gateway_of_host, survivors=halts.survivors,
            in_force=halts.one, hits=self._hits, **self.tables,
        )  # fmt: skip

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        yield from self._judge(postings.rows, postings.batch.rows, 0)

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        nothing = np.zeros((0, 0), np.int64)
        yield from self._judge(nothing, nothing, now_ns)

    def on_halts(self) -> None:
        """Follow orders while there is a halt; ask of each that is obeyed everywhere what still works."""
        t, rows = self._t, list(self._halts.used())
        another = t.kept[:, tb.K_SERIAL] != t.halts[:, hf.SERIAL]
        t.kept[another], t.cross[another], t.rings[another] = 0, 0, 0
        t.kept[another, tb.K_SERIAL] = t.halts[another, hf.SERIAL]
        if not rows:
            let_go(t)
            return
        if not t.state[tb.S_FOLLOWS]:
            take_over(t, self.view.ledger)
        for row in rows:
            self._ask_what_works(row)
        exempt(t, self.view.ledger)
        dues = [int(t.kept[row, tb.K_DUE]) for row in rows if t.kept[row, tb.K_DUE]]
        t.state[tb.S_NEXT_DUE] = min(dues, default=0)

    def _ask_what_works(self, row: int) -> None:
        t = self._t
        halt, kept = t.halts[row], t.kept[row]
        if halt[hf.ALL_LEVEL] < Level.HALT_CANCEL or kept[tb.K_CANCELS] == halt[hf.ALL_AT]:
            return
        kept[tb.K_CANCELS] = halt[hf.ALL_AT]
        due = halt[hf.ALL_AT] + t.limits[tb.T_CLOCK_BOUND] + t.limits[tb.T_CANCELLED]
        kept[tb.K_DUE] = max(due, self.view.ledger.low_ns + 1)
        watch(t, row, int(halt[hf.ALL_AT]))

    def wake_at_ns(self) -> int | None:
        return int(self._t.state[tb.S_NEXT_DUE]) or None

    def used(self) -> Mapping[str, int]:
        is_following, halts = int(self._t.state[tb.S_FOLLOWS]), int(self._halts.one[0])
        return {
            "orders": int(self._t.state[tb.S_ORDERS]),
            "pairs": is_following * (int(self.view.ledger.one[lt.N_PAIRS]) + 1),
            "bounds": self.view.names.count(nm.HOST) + nm.FIRST,
            "kept": halts,
            "cross": halts,
            "rings": halts,
        }

    def _judge(self, postings: Int64Array, rows: Int64Array, now_ns: int) -> Iterator[Breach]:
        start = -1
        while start < len(postings):
            start, count = judge(postings, max(start, 0), rows, now_ns, *self._t)
            for hit in self._hits[:count]:
                yield self._breach(hit)

    def _breach(self, hit: Int64Array) -> Breach:
        row, reason = int(hit[SCOPE_CODE]), REASONS[AFTER_HALT]
        return Breach(
            detector=self.family(), reason=reason.code, severity=Severity(int(hit[SEVERITY])),
            scope=self._halts.scope(row), measured=int(hit[MEASURED]) // UNIT, limit=0, unit=reason.unit,
            evidence=evidence(hit[FOUND:]), at_ns=int(hit[AT]), row=int(hit[ROW]),
            leaks=self._halts.level(row),
        )  # fmt: skip
