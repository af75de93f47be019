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

if TYPE_CHECKING:
    from detectors.contract import Postings
    from detectors.ledger import Ledger
    from detectors.scope import Scope
    from monitor.core.scopes import Weighed

OTHERS_NS: Final = 60_000_000_000  # how recently others must have traded for us to say that they do


class Flow:
    """The senders of one ledger.  A row below zero is now: time tipped it, not an order."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._judged: Postings | None = None  # the run that breaches are being weighed of
        self._before = int(ledger.one[tables.N_WHOS])  # attributions that were known before that run

    def judging(self, postings: Postings) -> None:
        """Rows are this run's from here on."""
        self._judged = postings

    def judged(self) -> None:
        """That run has been weighed."""
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

    def inside_and_outside(self, scope: Scope, row: int) -> tuple[Weighed, Weighed]:
        """Who sent the orders that a scope holds, and all others; how many each until this row.

        Whoever is known counts as one order more: a session may be known by its fills alone.
        """
        sent = self._ledger.orders_sent() + 1
        if self._judged is not None and row >= 0:
            rows = self._judged.rows
            behind = (rows[:, po.ROW] > row) & (rows[:, po.KIND] == po.PostingKind.ORDER_SENT)
            np.subtract.at(sent, rows[behind, po.WHO], 1)
        parent, of_parent = scope.mapping.get("parent"), np.zeros_like(sent)
        if parent is not None:
            of_parent = np.minimum(sent, self._ledger.orders_of_parent(parent))
        evidence: list[tuple[Mapping[str, str], float]] = []
        others: list[tuple[Mapping[str, str], float]] = []
        for who, attributes in enumerate(self.known(row), 1):
            held = sent[who] if scope.holds_for(attributes) else of_parent[who]
            if held > 0:
                evidence.append((attributes, float(held)))
            if sent[who] > held:
                others.append((attributes, float(sent[who] - held)))
        return evidence, others

    def others_trade(self, scope: Scope) -> bool:
        """Whether somebody outside the scope has sent an order in the last minute, by our own sight."""
        recent = self._ledger.sent_since(self._ledger.low_ns - OTHERS_NS)
        return any(not scope.holds_for(self._ledger.attributes(who)) for who in recent)

    def _count(self, row: int) -> int:
        if self._judged is None or row < 0:
            return int(self._ledger.one[tables.N_WHOS])
        rows = self._judged.rows
        until = rows[rows[:, po.ROW] <= row, po.WHO]
        return max(self._before, int(until.max(initial=0)))
