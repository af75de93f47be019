"""Trading in circles: a strategy with itself, or two of one firm with each other.

    round_trips   what a strategy opened in the last minute and closed again at a loss
    own_trades    trades in which both sides are one entity's, by the pair of strategies that made them

Why: Traditum's 3,540 one-lot round trips in two minutes (2011) each lost a tick; two systems of one firm that
fed each other (2015) printed volume that was nobody's.

>>> from tests.desk import START
>>> from tests.detectors.tell import tell
>>> def fill(n, side, strategy):
...     told = {"ts": START, "order_id": f"O{n}", "account": "A", "symbol": "X", "side": side, "venue": "V"}
...     order = {"kind": "order_new", "strategy": strategy, "qty": 1, **told}
...     fill = {"kind": "fill", "exec_id": f"E{n}", "last_qty": 1, "last_px": 9, "match_id": "M", **told}
...     return [order, fill]
>>> story = [*fill(1, "buy", "x"), *fill(2, "sell", "y")]
>>> for breach in tell(SelfCycle, story, {"own_trades_warn_count": 1}):
...     print(breach.severity.word, breach)
warn self_cycle own_trades strategy=x: 1 > 1
warn self_cycle own_trades strategy=y: 1 > 1

Where to look: `loop` finds the fills, `trips` and `own_trades` judge them, `minute` counts; `tables` is what
is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors import names as nm
from detectors import places as pl
from detectors.contract import Breach, Detector, Postings
from detectors.evidence import HIT, breaches
from detectors.pricing import answer_currency
from detectors.self_cycle import tables as tb
from detectors.self_cycle.loop import judge
from detectors.self_cycle.reasons import REASONS
from detectors.self_cycle.settings import SelfCycleSettings

if TYPE_CHECKING:
    from detectors.contract import View

__all__ = ["SelfCycle", "SelfCycleSettings"]


class SelfCycle(Detector):
    """Losing round trips of one strategy, and trades of own strategies with each other."""

    reasons = REASONS
    Settings = SelfCycleSettings
    LIVES_ON = ("fill",)
    BYTES_MAX = tb.BYTES_MAX

    def __init__(self, settings: SelfCycleSettings, view: View) -> None:
        super().__init__(settings, view)
        self.tables = tb.empty()
        self._hits = np.zeros((tb.HITS, HIT), np.int64)
        limits = np.array(settings.fixed(), np.int64)
        self.tables["state"][tb.ST_WINDOW] = settings.window_s
        who64 = view.ledger.tables["who64"]
        self._t = tb.Tables(limits=limits, who64=who64, hits=self._hits, **self.tables)

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        start = 0
        while start < len(postings.rows):
            start, count = judge(postings.rows, start, postings.batch.rows, *self._t)
            yield from breaches(self._hits, count, self.family(), REASONS, self.view.names)
            currency = int(self.tables["state"][tb.ST_CURRENCY])
            if currency:
                answer_currency(self.view.names, self.tables["currencies"], currency)
                self.tables["state"][tb.ST_CURRENCY] = 0

    def on_time(self, now_ns: int) -> Iterator[Breach]:  # noqa: ARG002  silence makes nobody trade
        return iter(())

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        if "state" in state and state["state"][tb.ST_WINDOW] != self.settings.window_s:
            msg = f"{self.family()}: a snapshot of windows of another length"
            raise ValueError(msg)
        super().restore(state)

    def used(self) -> Mapping[str, int]:
        names, places = self.view.names, pl.count(self.tables["places"])
        pairs = int(self.tables["state"][tb.ST_PAIRS]) + 1
        return {
            "symbols": names.count(nm.SYMBOL) + nm.FIRST,
            "currencies": names.count(nm.CURRENCY) + nm.FIRST,
            "places": places,
            "trips": places,
            "trips_until": places,
            "trips_rings": places,
            "pairs": pairs,
            "owns": pairs,
            "owns_until": pairs,
            "owns_rings": pairs,
        }
