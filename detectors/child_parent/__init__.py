"""Children against their parent: what an order router sends must be covered by an order that wants it.

    child_after_done   a child sent later than its parent's end + grace, and told later too
    overcommit         filled + working of a parent  >  highest quantity accepted so far + 100 shares
    orphan_child       orders without a known parent in 10 s, where every order must name one
    ratio              children / parents with a child in 10 s, by host and strategy
    chain_growth       total of a replace chain / quantity of its first order

Why: at Knight one server sent children for ever for 212 small parents that another part of the system
knew to be filled.  No order was too large and no symbol too busy; conservation between parent and
children was broken by the first child (SEC Release 34-70694).

How it counts: what is asked of one parent is answered at each posting, in the order of its partition.
What is asked of a host is a ring of the parents that it last wronged, or a window of buckets that closes
at a boundary of LOW.  An order without a host is its session's, else its account's, else the firm's.

>>> from tests.detectors.tell import tell
>>> for breach in tell(ChildParent, "P1 C F done P2 C F done P3 C F done +1000ms P1 C P2 C P3 C"):
...     print(breach.severity.word, breach)
warn child_parent child_after_done host=a-gw-1: 1 > 1
halt child_parent child_after_done host=a-gw-1: 3 > 3

Where: `judge` takes each posting to the questions that it concerns, `ticks` takes time to them.  Each
question is a file: `after_done`, `overcommit`, `orphans` (with `parented`), `ratio`, `chains`.  They share
`parents`, `places`, `worth`, `waiting` and `accusations`; `tables` is what is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors import names as nm
from detectors.child_parent import tables as tb
from detectors.child_parent.judge import judge_postings
from detectors.child_parent.parented import is_parented
from detectors.child_parent.reasons import REASONS
from detectors.child_parent.settings import ChildParentSettings
from detectors.child_parent.ticks import tick_until
from detectors.contract import Detector
from detectors.evidence import breaches
from detectors.kernel import SECOND_NS
from detectors.pricing import answer_currency

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detectors.contract import Breach, Postings, View

__all__ = ["ChildParent", "ChildParentSettings"]


class ChildParent(Detector):
    """The family: parents, chains, hosts and strategies, each against what may be sent for it."""

    reasons = REASONS
    Settings = ChildParentSettings
    LIVES_ON = ("order_new",)
    BYTES_MAX = tb.BYTES_MAX

    def __init__(self, settings: ChildParentSettings, view: View) -> None:
        super().__init__(settings, view)
        limits = np.append(settings.fixed(), view.clock_bound_ns)
        self._t = tb.tables_of(limits, settings.after_done_halt_count)
        self._t.state[tb.S_COLD] = int(view.cold)
        self.tables = {name: getattr(self._t, name) for name in tb.shapes()}

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        state, start = self._t.state, 0
        while start < len(postings.rows):
            start, count = judge_postings(postings.rows, start, postings.batch.rows, *self._t)
            yield from self._breaches(count)
            if state[tb.S_ASKED]:
                pair = int(state[tb.S_ASKED]) - 1
                answer = tb.YES if is_parented(pair, self._t, self.view) else tb.NO
                self._t.pairs[pair, tb.PR_PARENTED] = answer
                state[tb.S_ASKED] = 0
            if state[tb.S_CURRENCY]:
                answer_currency(self.view.names, self._t.currencies, int(state[tb.S_CURRENCY]))
                state[tb.S_CURRENCY] = 0

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        is_done = False
        while not is_done:
            count, is_done = tick_until(self._t, now_ns, -1, 0)
            yield from self._breaches(count)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        super().restore(state)
        pairs = self._t.pairs[: int(self._t.state[tb.S_PAIRS]) + 1]
        pairs[:, tb.PR_PARENTED] = tb.UNASKED  # who must name a parent, this configuration says

    def _breaches(self, count: int) -> Iterator[Breach]:
        return breaches(self._t.hits, count, self.family(), self.reasons, self.view.names)

    def wake_at_ns(self) -> int | None:
        """The next tick while anything waits; the next second while children are counted."""
        state = self._t.state
        tick = int(state[tb.S_TICKED]) + 1
        if state[tb.S_WAITING] or state[tb.S_ORPHANS_UNTIL] >= tick:
            return tick * tb.TICK_NS
        second = -(-tick // tb.TICKS_A_SECOND)
        return second * SECOND_NS if state[tb.S_CHILDREN_UNTIL] >= second else None

    def used(self) -> Mapping[str, int]:
        state, names = self._t.state, self.view.names
        places = int(state[tb.S_PLACES]) + 1
        return {
            "parents": int(state[tb.S_PARENTS]),
            "places": places,
            "pairs": int(state[tb.S_PAIRS]) + 1,
            "cross": places * tb.N_REASONS,
            "rings": places * tb.N_REASONS,
            "hosts": names.count(nm.HOST) + nm.FIRST,
            "prices": names.count(nm.SYMBOL) + nm.FIRST,
            "symbols": names.count(nm.SYMBOL) + nm.FIRST,
            "currencies": names.count(nm.CURRENCY) + nm.FIRST,
            "firsts": int(state[tb.S_ORDERS]),
            "chains": int(state[tb.S_ORDERS]),
            "waiting": int(state[tb.S_WAITING]),
        }
