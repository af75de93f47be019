"""Messages against caps, and what is sent against what is usual and what peers send.

    message_cap   messages of a second against the cap of a session, host, account or any other scope
    abnormal      (x - median) / max(1.4826 MAD, floor) of orders, shares and dollars in a second, by host and
                  strategy and time of the session
    peer          a host's messages in a second against the median of at least four others of its role

Why: 27,000 resend requests in two seconds stopped a session engine in 2013 and no limit counted them; RTS 6
Art. 15 asks for caps by time.  A cap is a hard limit and trips at once.  The other two are statistics: on
ordinary stocks the variance of one-second counts is 22 to 64 times their mean, so they need three seconds
running, a floor, and never halt alone.

How it counts: by seconds of event time, each judged once LOW has passed it; a cap also within its second.
The models of today (a P2 quantile, an exponentially weighted deviation, a Page-Hinkley drift) are learned
a second at a time and kept as plain numbers; what ordinary days look like comes from a baseline.  Without
one `abnormal` only records: caps are what holds then.

>>> from tests.detectors.tell import tell
>>> limit = {"scope": "session=*", "messages_per_s": 2}
>>> for breach in tell(Rate, "P1 C C C C C C", {"limit": (limit,)}):
...     print(breach.severity.word, breach)
warn rate message_cap session=a-s1: 2 > 1.5
high rate message_cap session=a-s1: 3 > 2
halt rate message_cap session=a-s1: 5 > 4

Where: `judge` counts (`counting`), `ticks` takes time to `caps`, `abnormal` and `peers`; `models` are what is
learned, `scopes` says whose messages count where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors import names as nm
from detectors.contract import Detector
from detectors.evidence import HIT, SCOPE_CODE, breaches
from detectors.kernel import SECOND_NS
from detectors.names import id_hash
from detectors.rate import tables as tb
from detectors.rate.judge import judge_postings, judge_silence
from detectors.rate.reasons import REASONS
from detectors.rate.scopes import Scopes
from detectors.rate.settings import RateSettings

if TYPE_CHECKING:
    from detectors.contract import Breach, Postings, View

__all__ = ["Rate", "RateSettings"]


class Rate(Detector):
    """Messages against caps; what is sent against ordinary days and against peers."""

    reasons = REASONS
    Settings = RateSettings
    LIVES_ON = ("order_new", "cancel_request", "replace_request")
    BYTES_MAX = tb.BYTES_MAX
    LIMIT_KEYS: ClassVar[tuple[str, ...]] = ("messages_per_s",)

    def __init__(self, settings: RateSettings, view: View) -> None:
        super().__init__(settings, view)
        self.tables = tb.empty()
        answers: dict[str, Any] = {name: np.zeros(shape, np.int32) for name, shape in tb.ANSWERS.items()}
        self._hits = np.zeros((tb.HITS_MAX, HIT), np.int64)
        self._t = tb.Tables(
            limits=settings.fixed(), base=view.rates.medians, opens=view.rates.opens, hits=self._hits,
            shapes=settings.shape_table(), who64=view.ledger.tables["who64"], **self.tables, **answers,
        )  # fmt: skip
        self._scopes = Scopes(self._t, settings, view)
        self._shapes = id_hash(str(self._scopes.shapes))[0]
        self._t.state[tb.S_SHAPES] = self._shapes

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        start = 0
        while start < len(postings.rows):
            start, count = judge_postings(postings.rows, start, postings.batch.rows, *self._t)
            yield from self._breaches(count)
            if start < len(postings.rows):
                self._scopes.answer()

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        is_done = False
        while not is_done:
            count, is_done = judge_silence(now_ns, *self._t)
            yield from self._breaches(count)

    def wake_at_ns(self) -> int | None:
        """When the second that is counted now is over, while anything is counted."""
        s = self._t.state
        is_active = s[tb.S_ACTIVE_SCOPES] or s[tb.S_ACTIVE_PAIRS] or s[tb.S_PEERS_UNTIL] >= s[tb.S_TICKED]
        return (int(s[tb.S_TICKED]) + 1) * SECOND_NS if is_active and s[tb.S_TICKED] else None

    def used(self) -> Mapping[str, int]:
        s, names = self._t.state, self.view.names
        scopes, pairs, hosts = (
            int(s[tb.S_SCOPES]) + 1,
            int(s[tb.S_PAIRS]) + 1,
            names.count(nm.HOST) + nm.FIRST,
        )
        return {
            "scopes": scopes,
            "cross": scopes,
            "rings": scopes,
            "active_scopes": int(s[tb.S_ACTIVE_SCOPES]),
            "pairs": pairs,
            "pair_rings": pairs,
            "active_pairs": int(s[tb.S_ACTIVE_PAIRS]),
            "models": pairs * tb.MEASURES,
            "hosts": hosts,
            "host_rings": hosts,
            "prices": names.count(nm.SYMBOL) + nm.FIRST,
            "venues": names.count(nm.VENUE) + nm.FIRST,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        told = state.get("state")
        if told is not None and len(told) == tb.STATE and told[tb.S_SHAPES] != self._shapes:
            msg = f"{self.family()}: a snapshot for limits by other kinds of scope"
            raise ValueError(msg)
        super().restore(state)
        self._scopes.restored()

    def _breaches(self, count: int) -> Iterator[Breach]:
        found_now = breaches(self._hits, count, self.family(), self.reasons, self.view.names)
        for hit, breach in zip(self._hits, found_now, strict=False):
            if hit[SCOPE_CODE] < 0:  # a scope with a cap
                yield replace(breach, scope=self._scopes.scope_of(-int(hit[SCOPE_CODE])))
            else:
                yield breach
