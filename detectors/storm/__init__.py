"""What comes back in a storm: orders rejected, orders cancelled at once, and messages never seen before.

    rejects         rejected by the venue / orders, in 10 s of a session
    cancels         cancelled on request within 10 ms of being sent / orders, in 10 s of a session
    unknown_reason  texts of rejects and errors, digits and ids masked, that are in no baseline, or, without
                    one, that one host says and none of its four or more peers: in 10 min of a host

Why: 97 e-mails "Power Peg disabled" left Knight's systems from 08:01 on, an hour and a half before the open,
and nobody read them; they came from the one server that had the old code.  Allston's programs sent and
cancelled in a loop for an hour in 2012; the plain share of cancels is 0.5 to 1.2 on ordinary days and says
nothing.

How it counts: everything in the second in which it happened, judged at each second of LOW; "running" is so
many of these evaluations in a row.  A text belongs to the host that said it.

>>> from tests.detectors.tell import tell
>>> for breach in tell(Storm, "C R " * 220 + "+2000ms C"):
...     print(breach.severity.word, breach)
halt storm rejects session=a-s1: 100 > 60
warn storm unknown_reason host=a-gw-1: 16 > 1

Where: `judge` takes each posting to `shares` and `texts`, `ticks` takes time to both; `masking` is what makes
two texts the same, also for whoever learns a baseline; `tables` is what is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors import names as nm
from detectors import places
from detectors.contract import Breach, Detector, Int64Array
from detectors.evidence import HIT, breaches
from detectors.kernel import SECOND_NS
from detectors.storm import tables as tb
from detectors.storm.judge import judge
from detectors.storm.masking import masked
from detectors.storm.reasons import REASONS
from detectors.storm.settings import StormSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detectors.contract import Postings, View

__all__ = ["Storm", "StormSettings", "masked"]


class Storm(Detector):
    """Sessions whose orders come back, and hosts that say what nobody has heard before."""

    reasons = REASONS
    Settings = StormSettings
    LIVES_ON = ("order_reject", "order_cancel", "error", "session_event")
    BYTES_MAX = tb.BYTES_MAX

    def __init__(self, settings: StormSettings, view: View) -> None:
        super().__init__(settings, view)
        self.tables = tb.remembered()
        self._classes: dict[str, int] = {}  # a masked text, and the first code that has it
        self._hits = np.zeros((tb.HITS, HIT), np.int64)
        limits = np.array([*settings.fixed(), view.known_reasons is not None], np.int64)
        self._t = tb.Tables(limits=limits, hits=self._hits, **self.tables)

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        yield from self._judge(postings.rows, postings.batch.rows, 0)

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        nothing = np.zeros((0, 0), np.int64)
        yield from self._judge(nothing, nothing, now_ns)

    def wake_at_ns(self) -> int | None:
        """The next second, while one may say something."""
        s = self.tables["state"]
        return (int(s[tb.S_TICKED]) + 1) * SECOND_NS if s[tb.S_UNTIL] > s[tb.S_TICKED] else None

    def used(self) -> Mapping[str, int]:
        state, count = self.tables["state"], places.count(self.tables["places"])
        return {
            "counts": count,
            "cross": count * tb.LANES,
            "rings": count * tb.LANES,
            "early": int(state[tb.S_ORDERS]),
            "texts": self.view.names.count(nm.REASON) + nm.FIRST,
            "said": int(state[tb.S_SAID]) + 1,
            "hosts": self.view.names.count(nm.HOST) + nm.FIRST,
            "places": count,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        super().restore(state)
        texts = self.tables["texts"]
        self._classes = {
            masked(self.view.names.text(nm.REASON, int(code))): int(code)
            for code in np.flatnonzero(texts[:, tb.T_CLASS])
            if texts[code, tb.T_CLASS] == code
        }
        for text, code in self._classes.items():  # as this baseline says, not the one of the life before
            texts[code, tb.T_KNOWN] = self._is_known(text)

    def _judge(self, postings: Int64Array, rows: Int64Array, now_ns: int) -> Iterator[Breach]:
        state, start, done = self.tables["state"], 0, False
        while not done:
            start, count, done = judge(postings, start, rows, now_ns, *self._t)
            yield from breaches(self._hits, count, self.family(), REASONS, self.view.names)
            if state[tb.S_ASKED]:
                self._say_class(int(state[tb.S_ASKED]))
                state[tb.S_ASKED] = 0

    def _say_class(self, code: int) -> None:
        """Which texts this one is the same as, and whether the baseline knows them."""
        text = masked(self.view.names.text(nm.REASON, code))
        first = self._classes.setdefault(text, code)
        self.tables["texts"][code, tb.T_CLASS] = first
        self.tables["texts"][first, tb.T_KNOWN] = self._is_known(text)

    def _is_known(self, text: str) -> int:
        return int(self.view.known_reasons is not None and text in self.view.known_reasons)
