"""What is held and what is working, in dollars and in units, against the limits of every scope that has one.

    gross     sum over (account, symbol) of max(|position + buys|, |position - sells|) x USD of one unit
    net       max(|sum (position + buys) x ...|, |sum (position - sells) x ...|)
    quantity  as gross, in units of one symbol; of a scope without a symbol each symbol by itself
    time_to_limit      seconds until the nearest of these limits, as 1 s and 10 s of growth say
    order_notional, order_quantity        one order against its cap
    session_orders, session_notional      a trade date's orders and their worth

Why: Knight's error account had a limit of $2 M gross that nothing enforced; it held $7 bn 45 minutes later
(SEC Release 34-70694).

How it counts: a *cell* is one account in one symbol (of one strategy, host ..., where a limit asks for it);
its value is worked out anew whenever it changes, rounded to 1e-4 dollars, and its scopes' sums take the exact
difference, so a position that is flat has no exposure and a bust leaves what was before.  Working quantity
belongs to the order's own cell, also where an execution was booked elsewhere.  Prices: see `pricing`; the
own last fill is the cell's.  A cell without a price counts at `unpriced_notional` and makes its scopes stale.
An order or a fill that raises a measure trips at once; what a mark, a rate or a statement alone moves must
stand for three evaluations, one each second of LOW.

Where to look, along the data's way:

    settings, limits, reasons    what is asked for, and what can be said
    tables                       what is remembered: cells, scopes, caps, and their bounds
    loop                         the loop over postings; all below is called from there
    legs, cells                  which cells a posting moves, and whose scopes they are in
    worth, pricing               what a cell is worth, and its scopes' sums
    many_cells                   a mark, a rate, an instrument, a new day: what moves cells by the dozen
    measures, crossing           where a scope stands on the way to its limits, and when that is said
    after_posting, each_second   who judges a scope: what it was sent and filled, and time
    caps                         one order, and a day's orders
    words                        codes and hits in words

>>> from tests.detectors.tell import tell
>>> limit = {"scope": "account=*", "gross": 4_000}
>>> for breach in tell(Exposure, "P1 C F C F C F C F C", {"limit": (limit,)}):
...     print(breach.severity.word, breach)
high exposure gross account=a-33: 4000 > 3600
halt exposure gross account=a-33: 5000 > 4000
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors import names as nm
from detectors.contract import Breach, Detector, Postings, Result
from detectors.evidence import HIT
from detectors.exposure import tables as tb
from detectors.exposure import words
from detectors.exposure.limits import BASES, CAP_KEYS, MEASURE_KEYS, Shapes
from detectors.exposure.loop import judge, judge_silence
from detectors.exposure.reasons import MEASURES, N_REASONS, QUANTITY, REASONS
from detectors.exposure.settings import ExposureSettings
from detectors.kernel import SECOND_NS
from detectors.pricing import answer_currency
from detectors.scope import Scope

if TYPE_CHECKING:
    from detectors.contract import View

__all__ = ["Exposure", "ExposureSettings"]


class Exposure(Detector):
    """Positions and working orders against limits: gross, net and units, of one order and of a day."""

    reasons = REASONS
    Settings = ExposureSettings
    LIMIT_KEYS: ClassVar[tuple[str, ...]] = (*(key for key, _ in MEASURE_KEYS), *CAP_KEYS)
    LIMIT_WORDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"basis": BASES, "currency": ("USD",)}
    LIVES_ON = ("order_new", "fill", "position")
    BYTES_MAX = tb.BYTES_MAX

    def __init__(self, settings: ExposureSettings, view: View) -> None:
        super().__init__(settings, view)
        self.shapes = Shapes.of(settings.limit)
        self.tables = tb.empty(*self.shapes.tables())
        limits, shares = settings.constants()
        self._state = self.tables["state"]
        self._hits = np.zeros((tb.HITS, HIT + 1), np.int64)
        self._t = tb.Tables(
            limits=limits,
            shares=shares,
            who64=view.ledger.tables["who64"],
            x32=view.ledger.tables["x32"],
            hits=self._hits,
            legs=np.zeros(2 * tb.GRAINS_MAX, np.int64),
            **self.tables,
        )
        self._open_firm()

    def _open_firm(self) -> None:
        """The firm is a scope from the beginning: the bucket of cells belongs to it."""
        t = self.tables
        for shape, (kinds, _) in enumerate(self.shapes.shapes):
            if not kinds:
                scope = self._state[tb.ST_SCOPES] = self._state[tb.ST_SCOPES] + 1
                t["shapes"][shape, tb.H_FIRM] = scope
                t["scopes"][scope, tb.S_SHAPE] = shape
                t["cells"][0, tb.C_SCOPES + shape - t["plan"][0, tb.G_FIRST]] = scope
        self._answer()

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        start = 0
        while start < len(postings.rows):
            start, count = judge(postings.rows, start, postings.batch.rows, *self._t)
            yield from self._said(count)
            if start < len(postings.rows):
                self._answer()

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        done = now_ns < self._state[tb.ST_NEXT_NS]
        while not done:
            count, done = judge_silence(now_ns, *self._t)
            yield from self._said(count)

    def wake_at_ns(self) -> int | None:
        """The next second while anything moved or stands to be confirmed."""
        s = self._state
        return int(s[tb.ST_TICKED] + 1) * SECOND_NS if s[tb.ST_ACTIVE] and s[tb.ST_TICKED] else None

    def results(self) -> Mapping[str, Result]:
        """Stale: a price, a rate or a stated position is missing; what there is is judged all the same."""
        scopes = self.tables["scopes"][: int(self._state[tb.ST_SCOPES]) + 1]
        unpriced = scopes[:, tb.S_VALUES + tb.V_UNPRICED] > 0
        unstated = scopes[:, tb.S_VALUES + tb.V_UNSTATED] > 0
        stale = {}
        for scope in np.flatnonzero((unpriced | unstated) & (scopes[:, tb.S_WATCHED] > 0)):
            for measure in range(MEASURES):
                is_limited = scopes[scope, tb.S_STEP + MEASURES * tb.LIMITED + measure] != tb.NO_LIMIT
                if is_limited and (measure != QUANTITY or unstated[scope]):
                    stale[f"{REASONS[measure].code} {self.scope(int(scope))}"] = Result.STALE
        return stale

    def used(self) -> Mapping[str, int]:
        s, names = self._state, self.view.names
        cells, scopes = int(s[tb.ST_CELLS]) + 1, int(s[tb.ST_SCOPES]) + 1
        symbols = names.count(nm.SYMBOL) + nm.FIRST
        return {
            "cells": cells,
            "rates": cells,
            "scopes": scopes,
            "cross": scopes * N_REASONS,
            "rings": scopes * 2,
            "caps": scopes,
            "active": int(s[tb.ST_ACTIVE]),
            "sessions": 2 * (names.count(nm.SESSION) + nm.FIRST),
            "accounts": names.count(nm.ACCOUNT) + nm.FIRST,
            "symbols": symbols,
            "mark_rates": symbols,
            "currencies": names.count(nm.CURRENCY) + nm.FIRST,
            "orders": int(s[tb.ST_ORDERS]),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        for name in ("plan", "shapes"):
            if name in state and not np.array_equal(state[name], self.tables[name]):
                msg = f"{self.family()}: a snapshot for limits by other kinds of scope"
                raise ValueError(msg)
        super().restore(state)
        self._state[tb.ST_ANSWERED] = 0  # limits are the settings', not the snapshot's
        self._answer()

    def scope(self, scope: int) -> Scope:
        """The scope that a limit is written for, by its code."""
        return words.scope_of(scope, self.tables, self.shapes, self.view)

    def _said(self, count: int) -> Iterator[Breach]:
        return words.breaches(self._hits[:count], self.family(), self.tables, self.shapes, self.view)

    def _answer(self) -> None:
        """What the kernels ask: the limits of scopes that are new, and whether a currency is the dollar."""
        s = self._state
        for scope in range(int(s[tb.ST_ANSWERED]) + 1, int(s[tb.ST_SCOPES]) + 1):
            words.write_limits(scope, self.tables, self.shapes, self.settings, self.view)
        s[tb.ST_ANSWERED] = s[tb.ST_SCOPES]
        currency = int(s[tb.ST_CURRENCY])
        if currency:
            answer_currency(self.view.names, self.tables["currencies"], currency)
