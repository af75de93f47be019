"""What a scope has lost, realised and marked, against its limits.

    daily      lost since its trade date began: fills against their reference, and what reference did since
    velocity   lost by fills alone in the last minute, whatever marks did

Why: Knight lost $10 M a minute for 45 minutes, HanMag 46 billion won in 143 s; both had a limit on what one
order may be, and none on what all of them had cost.

How it counts: a cell is one symbol of one scope; it has made (position x reference - cost) in dollars.  Its
reference is the confirmed mark, else its own last fill (see `detectors.pricing`).  A position that a
statement brings in costs what it is worth then.  What a fill loses trips at once; a mark alone must stand for
three evaluations, one each second of LOW, as must the loss of a minute.

>>> from tests.desk import START
>>> from tests.detectors.tell import tell
>>> from tests.streams import orders
>>> mark = {"kind": "mark", "ts": START, "symbol": "NOK", "price": 8.0}
>>> limit = {"scope": "account=*", "daily": 300}
>>> for breach in tell(Loss, [mark, *orders("P1 C F C F")], {"limit": (limit,)}):
...     print(breach.severity.word, breach)
warn loss daily account=a-33: 200 > 150
halt loss daily account=a-33: 400 > 300

Where to look, along the data's way: `loop` takes each posting to its `cells`; `worth` says what they have
made then, `minute` what of that fills did; `judging` holds scopes against their limits, after a posting and
each second.  `settings`, `shapes` and `reasons` are what is asked for and said, `tables` what is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors import names as nm
from detectors.contract import Breach, Detector, Postings, Result
from detectors.event import MONEY
from detectors.evidence import HIT, SCOPE_CODE, breaches
from detectors.kernel import SECOND_NS
from detectors.ledger.tables import PAIRS_MAX
from detectors.loss import tables as tb
from detectors.loss.loop import judge, judge_silence
from detectors.loss.reasons import N_REASONS, REASONS
from detectors.loss.settings import LossSettings
from detectors.loss.shapes import Shapes
from detectors.pricing import answer_currency
from detectors.scope import Scope

if TYPE_CHECKING:
    from detectors.contract import View

__all__ = ["Loss", "LossSettings"]


class Loss(Detector):
    """Realised and marked loss against limits, of a trade date and of a minute."""

    reasons = REASONS
    Settings = LossSettings
    LIMIT_KEYS: ClassVar[tuple[str, ...]] = ("daily", "velocity")
    LIMIT_WORDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"currency": ("USD",)}
    LIVES_ON = ("fill",)
    BYTES_MAX = tb.BYTES_MAX

    def __init__(self, settings: LossSettings, view: View) -> None:
        super().__init__(settings, view)
        self.shapes = Shapes.of(settings.limit)
        self.tables = tb.empty(self.shapes.table())
        limits, shares = settings.constants()
        self._state = self.tables["state"]
        self._hits = np.zeros((tb.HITS, HIT + 1), np.int64)
        self._t = tb.Tables(
            limits=limits,
            shares=shares,
            who64=view.ledger.tables["who64"],
            x32=view.ledger.tables["x32"],
            hits=self._hits,
            legs=np.zeros(len(self.shapes.kinds), np.int64),
            pair_cells=np.zeros((PAIRS_MAX, len(self.shapes.kinds)), np.int32),
            **self.tables,
        )

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
        """The next second while anything was lost, or stands to be confirmed."""
        s = self._state
        return int(s[tb.ST_TICKED] + 1) * SECOND_NS if s[tb.ST_ACTIVE] and s[tb.ST_TICKED] else None

    def results(self) -> Mapping[str, Result]:
        """Stale: a price or a rate is missing, or there was no room; what there is is judged all the same."""
        scopes = self.tables["scopes"][: int(self._state[tb.ST_SCOPES]) + 1]
        stale = {
            f"daily {self.scope(int(scope))}": Result.STALE
            for scope in np.flatnonzero(scopes[:, tb.S_UNVALUED] > 0)
        }
        return stale | ({"daily *": Result.STALE} if self._state[tb.ST_FULL] else {})

    def used(self) -> Mapping[str, int]:
        s, names = self._state, self.view.names
        scopes = int(s[tb.ST_SCOPES]) + 1
        return {
            "cells": int(s[tb.ST_CELLS]) + 1,
            "scopes": scopes,
            "cross": scopes * N_REASONS,
            "rings": scopes,
            "active": int(s[tb.ST_ACTIVE]),
            "execs": int(s[tb.ST_EXECS]),
            "symbols": names.count(nm.SYMBOL) + nm.FIRST,
            "currencies": names.count(nm.CURRENCY) + nm.FIRST,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        if "shapes" in state and not np.array_equal(state["shapes"], self.tables["shapes"]):
            msg = f"{self.family()}: a snapshot for limits by other kinds of scope"
            raise ValueError(msg)
        super().restore(state)
        self._t.pair_cells[:] = 0
        self._state[tb.ST_ANSWERED] = 0  # limits are the settings', not the snapshot's
        self._answer()

    def scope(self, scope: int) -> Scope:
        """The scope that a limit is written for, by its code."""
        row, names = self.tables["scopes"][scope], self.view.names
        told = {
            **self.view.ledger.attributes(int(row[tb.S_WHO])),
            "account": names.text(nm.ACCOUNT, int(row[tb.S_ACCOUNT])),
            "symbol": names.text(nm.SYMBOL, int(row[tb.S_SYMBOL])),
            "venue": names.text(nm.VENUE, int(row[tb.S_VENUE])),
        }
        return Scope.of({kind: told[kind] for kind in self.shapes.kinds[int(row[tb.S_SHAPE])]})

    def _said(self, count: int) -> Iterator[Breach]:
        told = breaches(self._hits[:, :HIT], count, self.family(), REASONS, self.view.names)
        for hit, breach in zip(self._hits[:count], told, strict=True):
            yield replace(breach, scope=self.scope(int(hit[SCOPE_CODE])), by_mark=bool(hit[tb.BY_MARK]))

    def _answer(self) -> None:
        """What the kernels ask: the limits of scopes that are new, and whether a currency is the dollar."""
        s = self._state
        for scope in range(int(s[tb.ST_ANSWERED]) + 1, int(s[tb.ST_SCOPES]) + 1):
            row = self.tables["scopes"][scope]
            values = self.scope(scope).mapping
            limits = self.shapes.limits(int(row[tb.S_SHAPE]), values, self.settings.velocity_share)
            row[tb.S_DAILY : tb.S_VELOCITY + 1] = [
                tb.NO_LIMIT if limit is None else min(round(limit * MONEY), tb.NO_LIMIT - 1)
                for limit in limits
            ]
        s[tb.ST_ANSWERED] = s[tb.ST_SCOPES]
        if s[tb.ST_CURRENCY]:
            answer_currency(self.view.names, self.tables["currencies"], int(s[tb.ST_CURRENCY]))
