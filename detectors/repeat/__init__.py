"""The same again: equal orders in a burst, orders that were filled already, a strategy that never stops.

    duplicate           equal orders in 1 s, or 5 that nothing has answered, covered by no live parent
    resent_filled       orders in 10 s that equal one filled in full at most 10 s before, no live parent
    repeated_execution  a strategy's entries after a fill, without a person, where it has a limit

Equal is the same account, session, venue, symbol, side, quantity and price.  A live parent covers an order
while what is filled and working for it, this order included, stays within its quantity.

Why: Deutsche Bank sent one order 6,910 times in Osaka in 2010, an order of $182 bn in the end; UBS entered
Facebook orders again while nobody confirmed them, and all were filled; Infinium bought one lot 6,767 times in
three seconds.  That an execution is repeated without a person is RTS 6, Article 15(3).

How it counts: windows are of event time and belong to their newest order (`windows`), so time passing alone
says nothing.  A group of equal orders is forgotten by LOW.

>>> from tests.detectors.tell import tell
>>> for breach in tell(Repeat, "C C C C C", witnesses=frozenset({"order_ack"})):
...     print(breach.severity.word, breach)
halt repeat duplicate session=a-s1: 5 > 5
>>> tell(Repeat, "P1 C C C C C", witnesses=frozenset({"order_ack"}))  # 500 of the parent's 1,000 shares
[]

Where: `judge` takes each posting to `parents` (what is covered), `orders` with `groups` (what is equal) and
`executions`; `tables` is what is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors import names as nm
from detectors import places
from detectors.contract import Breach, Detector
from detectors.evidence import HIT, breaches
from detectors.limits import nearest, widest_first
from detectors.repeat import tables as tb
from detectors.repeat.judge import judge
from detectors.repeat.reasons import REASONS
from detectors.repeat.settings import RepeatSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detectors.contract import Postings, View

__all__ = ["Repeat", "RepeatSettings"]


class Repeat(Detector):
    """Orders sent again: in a burst, unanswered, already filled; and strategies that enter again for ever."""

    reasons = REASONS
    Settings = RepeatSettings
    LIMIT_KEYS: ClassVar[tuple[str, ...]] = ("executions",)
    LIMIT_SCOPE: ClassVar[str] = "strategy=*"
    LIMIT_IS_NEEDED: ClassVar[bool] = False
    LIVES_ON = ("order_new", "parent_new")
    BYTES_MAX = tb.BYTES_MAX

    def __init__(self, settings: RepeatSettings, view: View) -> None:
        super().__init__(settings, view)
        self.tables = tb.remembered()
        self._limits = widest_first(settings.limit)
        has_ack = "order_ack" in view.witnesses
        limits = np.array([*settings.fixed(), has_ack, bool(settings.limit)], np.int64)
        self._hits = np.zeros((tb.HITS_MAX, HIT), np.int64)
        self._t = tb.Tables(limits=limits, hits=self._hits, **self.tables)

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        state, start = self.tables["state"], 0
        while start < len(postings.rows):
            start, count = judge(postings.rows, start, postings.batch.rows, *self._t)
            yield from breaches(self._hits, count, self.family(), REASONS, self.view.names)
            if state[tb.S_ASKED]:
                self._say_limit(int(state[tb.S_ASKED]))
                state[tb.S_ASKED] = 0

    def on_time(self, now_ns: int) -> Iterator[Breach]:  # noqa: ARG002
        """Silence repeats nothing."""
        yield from ()

    def used(self) -> Mapping[str, int]:
        state, count = self.tables["state"], places.count(self.tables["places"])
        return {
            "parents": int(state[tb.S_PARENTS]),
            "orders": int(state[tb.S_ORDERS]),
            "groups": int(state[tb.S_GROUPS]) + 1,
            "until": count * tb.LANES,
            "rings": count * tb.LANES,
            "strategies": self.view.names.count(nm.STRATEGY) + nm.FIRST,
            "places": count,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        super().restore(state)
        self.tables["strategies"][:, tb.ST_LIMIT] = 0  # limits are the settings', not the snapshot's

    def _say_limit(self, strategy: int) -> None:
        """How many executions a strategy may have: 0 stands for not asked, 1 for no limit."""
        text = self.view.names.text(nm.STRATEGY, strategy)
        limit = nearest(self._limits, frozenset({"strategy"}), {"strategy": text}).get("executions")
        self.tables["strategies"][strategy, tb.ST_LIMIT] = 1 if limit is None else 1 + round(limit)
