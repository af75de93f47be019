"""Between sent and answered, filled and booked: what is not confirmed must not be traded on.

    ack_gap           orders of a session that nothing has answered
    unconfirmed       age of a parent's oldest execution that the order system has not booked,
                      of a session's oldest execution that the drop copy has not told
    witness_missing   a declared witness is silent although there is something for it to confirm
    orphan_fill       executions whose order nobody announced within 2 s

Why: at Facebook's opening in 2012 orders were entered again while the first were unconfirmed, and all of
them filled; at Knight the order system never booked what the router bought.

How it counts: whatever waits for a confirmation is one entry with a beginning and an end, both in the
later of its own time and LOW.  Entries are judged each tenth of a second of LOW *as they stood then*: one
that ended later still waits at that tick.  Between two ticks nothing trips.  A session is judged until the
last of its entries is decided; a rung that it holds then, it holds until it is judged again.

A parent's gap begins when more is filled than booked; its level is what was filled then.  It ends when what
is booked reaches the level, and the next begins with the oldest execution that is not booked, known to two
seconds; so a booking that lags evenly shows its lag, and one that keeps up shows nothing.  The 2 s of
lateness that an event is allowed count first.  A rung that a gap has reached it holds until it ends.  Of a
parent that the order system never spoke of a gap is recorded and no more: that is `orphan_child`'s business.

A witness is heard and missed by partition: what it confirms is told there.

>>> from tests.detectors.tell import tell
>>> for breach in tell(FillGap, "P1 C F +2000ms C F +2000ms C", witnesses=frozenset({"parent_fill"})):
...     print(breach.severity.word, breach)
warn fill_gap unconfirmed parent=P1: 1.097 > 1

Where: `judge` takes each posting to what it begins or ends, `ticks` takes time to whatever waits.  Orders
are in `orders`; executions begin and end in `executions`, and count in `copies` and `orphans`; parents are
filled and booked in `parents`, and count in `gaps`.  A session is judged in `sessions`, a witness in
`witnesses`.  They share `waiting`, `clock`, `places`, `prices`, `sending` and `accusations`; `tables` is
what is remembered.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors import names as nm
from detectors.contract import Detector, Int64Array, Result
from detectors.evidence import HIT, SCOPE_CODE, SCOPE_KIND, breaches
from detectors.fill_gap import tables as tb
from detectors.fill_gap.judge import judge
from detectors.fill_gap.reasons import REASONS
from detectors.fill_gap.settings import FillGapSettings
from detectors.fill_gap.witnesses import WITNESSES
from detectors.pricing import answer_currency
from detectors.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detectors.contract import Breach, Postings, View

__all__ = ["FillGap", "FillGapSettings"]


class FillGap(Detector):
    """The family: orders against their answers, executions against their bookings, orders and drop copies."""

    reasons = REASONS
    Settings = FillGapSettings
    LIVES_ON = ("fill",)
    BYTES_MAX = tb.BYTES_MAX

    def __init__(self, settings: FillGapSettings, view: View) -> None:
        super().__init__(settings, view)
        self.tables = {name: np.zeros(shape, np.int64) for name, shape in tb.SHAPES.items()}
        self._hits = np.zeros((tb.HITS, HIT), np.int64)
        declared = [int(witness in view.witnesses) for witness in WITNESSES]
        limits = np.array([*settings.fixed(), *declared], np.int64)
        self._t = tb.Tables(limits, **self.tables, hits=self._hits)

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        yield from self._judge(postings.rows, postings.batch.rows, 0)

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        nothing = np.zeros((0, 0), np.int64)
        yield from self._judge(nothing, nothing, now_ns)

    def wake_at_ns(self) -> int | None:
        """The next tick, while one may say something."""
        s = self.tables["state"]
        return (int(s[tb.S_TICKED]) + 1) * tb.TICK_NS if s[tb.S_UNTIL] > s[tb.S_TICKED] else None

    def results(self) -> Mapping[str, Result]:
        """What found no room to wait is not judged."""
        s = self.tables["state"]
        is_full = (
            s[tb.S_FULL_AT] != 0
            and s[tb.S_FULL_AT] + self.settings.lost_after_ns > s[tb.S_TICKED] * tb.TICK_NS
        )
        return {f"{reason.code} *": Result.STALE for reason in REASONS} if is_full else {}

    def used(self) -> Mapping[str, int]:
        s, names = self.tables["state"], self.view.names
        places = int(s[tb.S_PLACES]) + 1
        return {
            "orders": int(s[tb.S_ORDERS]),
            "execs": int(s[tb.S_EXECS]),
            "parents": int(s[tb.S_PARENTS]),
            "places": places,
            "sends": places,
            "cross": places * tb.LANES,
            "rings": 1 + places * tb.LANES,
            "watch": int(s[tb.S_PARTS]) * tb.N_WITNESSES,
            "symbols": names.count(nm.SYMBOL) + nm.FIRST,
            "currencies": names.count(nm.CURRENCY) + nm.FIRST,
            "waiting": int(s[tb.S_WAITING]),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        super().restore(state)
        for place in range(1, int(self.tables["state"][tb.S_PLACES]) + 1):
            self._declare(place)  # as this configuration says, not the one of the life before

    def _judge(self, postings: Int64Array, rows: Int64Array, now_ns: int) -> Iterator[Breach]:
        start, done = 0, False
        while not done:
            start, count, done = judge(postings, start, rows, now_ns, *self._t)
            yield from self._breaches(count)
            self._answer()

    def _breaches(self, count: int) -> Iterator[Breach]:
        found_now = breaches(self._hits, count, self.family(), self.reasons, self.view.names)
        for hit, breach in zip(self._hits, found_now, strict=False):
            parent = int(hit[SCOPE_CODE])
            if hit[SCOPE_KIND] == 0 and parent > 0:
                yield replace(breach, scope=Scope.of(parent=self.view.ledger.parent_text(parent)))
            else:
                yield breach

    def _answer(self) -> None:
        """Whether a new place is declared electronic, and whether a currency is the dollar."""
        state = self.tables["state"]
        if state[tb.S_ASKED]:
            self._declare(int(state[tb.S_ASKED]))
            state[tb.S_ASKED] = 0
        if state[tb.S_CURRENCY]:
            answer_currency(self.view.names, self.tables["currencies"], int(state[tb.S_CURRENCY]))
            state[tb.S_CURRENCY] = 0

    def _declare(self, place: int) -> None:
        q = self.tables["places"][place]
        text = self.view.names.text(int(q[tb.Q_KIND]) - 1, int(q[tb.Q_CODE]))
        q[tb.Q_ELECTRONIC] = int(any(fnmatchcase(text, each) for each in self.settings.orphan_fill_sessions))
