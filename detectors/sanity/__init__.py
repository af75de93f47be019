"""Orders that cannot be meant: by their price, by their size, by the reference that they are held against.

    collar          orders of a session priced through the mark, on the aggressive side, in 10 s
    adv             an order against the average daily volume
    shares_out      an order against all shares outstanding
    bad_reference   a mark that cannot be, or is ten times the last one
    one_price       symbols that a session orders at exactly one price, in 10 s

Why: J-Com in 2005 (610,000 shares, 41 times all there were, at 1 yen), HanMag in 2013 (36,100 orders far
through the market in 143 s), Goldman's options in 2013 (16,000 orders, all at $1) and Deutsche in Osaka in
2010 (a reference price of 0) were each one number that anybody could have compared with another.

>>> from tests.desk import START
>>> from tests.detectors.tell import tell
>>> from tests.streams import orders
>>> mark = {"kind": "mark", "ts": START, "symbol": "NOK", "price": 8.0, "shares_out": 50}
>>> for breach in tell(Sanity, [mark, *orders("P1 C")]):
...     print(breach.severity.word, breach)
halt sanity shares_out host=a-gw-1: 20 > 1
warn sanity collar session=a-s1: 1 > 1
halt sanity shares_out session=a-s1: 2 > 1

Where to look, along the data's way: `loop` takes each posting to whom it concerns; `references` hears marks,
rates and instruments and judges the marks; `collar`, `sizes` and `one_price` judge orders; `places` says so
against a session; `tables` is what is remembered, `settings` and `reasons` what is asked for and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from detectors import names as nm
from detectors import places as pl
from detectors.contract import Breach, Detector, Postings, Result
from detectors.evidence import HIT, breaches
from detectors.kernel import SECOND_NS
from detectors.pricing import answer_currency
from detectors.sanity import tables as tb
from detectors.sanity.loop import judge, judge_silence
from detectors.sanity.reasons import BAD_REFERENCE, REASONS
from detectors.sanity.settings import SanitySettings

if TYPE_CHECKING:
    from detectors.contract import View

__all__ = ["Sanity", "SanitySettings"]

NAMED_MAX = 16  # symbols that `results` names one by one


class Sanity(Detector):
    """Prices, sizes and references that cannot be meant."""

    reasons = REASONS
    Settings = SanitySettings
    LIVES_ON = ("order_new", "parent_new", "mark")
    BYTES_MAX = tb.BYTES_MAX

    def __init__(self, settings: SanitySettings, view: View) -> None:
        super().__init__(settings, view)
        self.tables = tb.empty()
        limits, shares = settings.constants()
        self._state = self.tables["state"]
        self._hits = np.zeros((tb.HITS, HIT), np.int64)
        self._t = tb.Tables(limits=limits, shares=shares, hits=self._hits, **self.tables)

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
        """The next second while a reference is bad."""
        s = self._state
        return int(s[tb.ST_TICKED] + 1) * SECOND_NS if s[tb.ST_BAD] and s[tb.ST_TICKED] else None

    def results(self) -> Mapping[str, Result]:
        """Stale: orders that a mark should be compared with, and that found none, or an old one."""
        names = self.view.names
        at = self.tables["facts"][: names.count(nm.SYMBOL) + nm.FIRST, tb.F_STALE_AT]
        since = self.view.ledger.low_ns - round(self.settings.reference_age_s * SECOND_NS)
        stale = np.flatnonzero((at != 0) & (at >= since))
        if len(stale) > NAMED_MAX:
            return {"collar *": Result.STALE}
        return {f"collar symbol={names.text(nm.SYMBOL, int(code))}": Result.STALE for code in stale}

    def used(self) -> Mapping[str, int]:
        s, names, places = self._state, self.view.names, pl.count(self.tables["places"])
        symbols = names.count(nm.SYMBOL) + nm.FIRST
        return {
            "symbols": symbols,
            "facts": symbols,
            "held": symbols,
            "currencies": names.count(nm.CURRENCY) + nm.FIRST,
            "classes": names.count(nm.ASSET_CLASS) + nm.FIRST,
            "bad": int(s[tb.ST_BAD]),
            "stops": int(s[tb.ST_ORDERS]),
            "places": places,
            "times": places,
            "until": places * tb.LANES,
            "rings": 1 + places * tb.LANES,
        }

    def _said(self, count: int) -> Iterator[Breach]:
        for breach in breaches(self._hits, count, self.family(), REASONS, self.view.names):
            is_of_mark = breach.reason == REASONS[BAD_REFERENCE].code
            yield replace(breach, by_mark=True) if is_of_mark else breach

    def _answer(self) -> None:
        """What the kernels ask: whether a currency is the dollar, and what class of instruments a name is."""
        names, s = self.view.names, self._state
        if s[tb.ST_CURRENCY]:
            answer_currency(names, self.tables["currencies"], int(s[tb.ST_CURRENCY]))
        if s[tb.ST_CLASS]:
            said = names.text(nm.ASSET_CLASS, int(s[tb.ST_CLASS])).lower()
            self.tables["classes"][s[tb.ST_CLASS]] = tb.CLASSES.get(said, tb.R_OTHER) + 1
