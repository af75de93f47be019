"""Who sends, as it was known at one row of a batch: what lies behind that row has not happened yet.

A ledger posts a whole batch before its breaches are weighed.  What is read from it here is what it would have
said had the batch been cut behind the row: where a stream is cut changes no command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors import posting as po
from detectors.ledger import tables
from monitor.core.sent import NOBODY, Sent, orders_in

if TYPE_CHECKING:
    from detectors.contract import Int64Array, Postings
    from detectors.ledger import Ledger
    from detectors.scope import Scope
    from monitor.core.scopes import Weighed

OTHERS_NS: Final = 60_000_000_000  # how recently others must have traded for us to say that they do
EVIDENCE_NS: Final = 10_000_000_000  # what a breach rests on: the window of most claims


class Flow:
    """The senders of one ledger.  A row below zero is now: time tipped it, not an order."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._judged: Postings | None = None  # the run that breaches are being weighed of
        self._before = int(ledger.one[tables.N_WHOS])  # attributions that were known before that run
        self.sent = Sent()  # before that run

    def judging(self, postings: Postings) -> None:
        """Rows are this run's from here on."""
        self._judged = postings

    def judged(self) -> None:
        """That run has been weighed."""
        if self._judged is not None:
            self.sent.take(orders_in(self._judged.rows))
        self._judged = None
        self._before = int(self._ledger.one[tables.N_WHOS])

    def sender(self, row: int) -> Mapping[str, str] | None:
        """Whose order tipped a verdict, in words; None where time did, or no order."""
        if self._judged is None or row < 0:
            return None
        rows = self._judged.rows
        whos = rows[(rows[:, po.ROW] == row) & (rows[:, po.WHO] > 0), po.WHO]
        return self._ledger.attributes(int(whos[-1])) if len(whos) else None

    def known(self, row: int) -> list[Mapping[str, str]]:
        """Every attribution seen until this row, in words."""
        return [self._ledger.attributes(who) for who in range(1, self._count(row) + 1)]

    def carries(self, kind: str, row: int) -> bool:
        """Whether every order until this row names one; of what is no part of an attribution: yes."""
        if kind not in tables.WHO_KINDS:
            return True
        sent = self._of_the_day(row)
        codes = self._ledger.tables["who64"][: len(sent), tables.WHO_KINDS.index(kind)]
        return bool((codes[sent > 0] != 0).all())

    def inside_and_outside(self, scope: Scope, row: int) -> tuple[Weighed, Weighed]:
        """Who sent the orders that a scope holds, and all others; how many each until this row.

        Inside it is the breach's window that counts, or the nearest time before it in which anybody there
        sent; outside it is the last minute.  Who has sent nothing then has no weight, but an order of theirs
        may yet come.  Where nobody has sent anything, whoever is known counts alike: by their fills alone.
        """
        day = self._of_the_day(row)
        if not day.any():
            day = day + 1
        low = self._low(row)
        window, minute = (self._since(low - span, row) for span in (EVIDENCE_NS, OTHERS_NS))
        senders = [(who, self._ledger.attributes(who)) for who in (np.flatnonzero(day[1:]) + 1).tolist()]
        parent = scope.mapping.get("parent")
        if parent is None:
            accused = [who for who, attributes in senders if _names(scope, attributes)]
            accused = accused or [who for who, attributes in senders if scope.holds_for(attributes)]
            most = np.zeros_like(day)
            most[accused] = day[accused]
        else:
            most = np.minimum(day, self._ledger.orders_of_parent(parent)[: len(day)])
        held = next((held for sent in (window, minute) if (held := np.minimum(sent, most)).any()), most)
        evidence = [(attributes, float(held[who])) for who, attributes in senders if most[who]]
        others = [
            (attributes, float(max(minute[who] - most[who], 0)))
            for who, attributes in senders
            if day[who] > most[who]
        ]
        return evidence, others

    def others_trade(self, scope: Scope) -> bool:
        """Whether somebody outside the scope has sent an order in the last minute, by our own sight."""
        recent = self._ledger.sent_since(self._ledger.low_ns - OTHERS_NS)
        return any(not scope.holds_for(self._ledger.attributes(who)) for who in recent)

    def _until(self, row: int) -> Int64Array | None:
        """Postings of the run that were there at this row; None: all of them, and what they did is done."""
        if self._judged is None or row < 0:
            return None
        rows = self._judged.rows
        return rows[rows[:, po.ROW] <= row]

    def _low(self, row: int) -> int:
        rows = self._until(row)
        return self._ledger.low_ns if rows is None or not len(rows) else int(rows[-1, po.LOW])

    def _of_the_day(self, row: int) -> Int64Array:
        """How many orders each attribution has sent until this row, ever."""
        sent = self._ledger.orders_sent()
        if self._judged is not None and row >= 0:
            rows = self._judged.rows
            behind = (rows[:, po.ROW] > row) & (rows[:, po.KIND] == po.PostingKind.ORDER_SENT)
            np.subtract.at(sent, rows[behind, po.WHO], 1)
        return sent[: self._count(row) + 1]

    def _since(self, since_ns: int, row: int) -> Int64Array:
        """The same of the orders sent since then."""
        rows = self._until(row)
        if rows is None and self._judged is not None:
            rows = self._judged.rows
        more = NOBODY if rows is None else orders_in(rows)
        return self.sent.by_attribution(since_ns, self._count(row) + 1, more)

    def _count(self, row: int) -> int:
        rows = self._until(row)
        if rows is None:
            return int(self._ledger.one[tables.N_WHOS])
        return max(self._before, int(rows[:, po.WHO].max(initial=0)))


def _names(scope: Scope, attributes: Mapping[str, str]) -> bool:
    """Whether a sender is one that the scope names: one that lacks the attribute is stopped, not accused."""
    return all(attributes.get(kind) == value for kind, value in scope.conditions if kind in tables.WHO_KINDS)
