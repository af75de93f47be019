"""Who is granted what: an attribution's answer, of what each row of the grants says of its three names.

A name is compared with the patterns once.  Attributions are many (each session of each account is one), so
all that the books know are answered in one go, from the names alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

from detectors import names as nm
from detectors.fleet import tables as tb
from detectors.fleet.manifest import matches
from detectors.ledger import tables as lt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detectors.contract import View
    from detectors.fleet.settings import FleetSettings

# Names of an attribution, in the order in which they are asked for.
ASKED_OF: Final = (lt.W_HOST, lt.W_STRATEGY, lt.W_ACCOUNT)


class Grants:
    """What the grants say of attributions.  It changes `Tables.whos` and nothing else."""

    def __init__(self, t: tb.Tables, settings: FleetSettings, view: View) -> None:
        self._t, self._view, self._rows = t, view, settings.granted
        self._answered = 0  # the highest attribution that is
        self.forget()

    def forget(self) -> None:
        """Other books: their attributions and codes are others."""
        self._t.whos[: self._answered + 1] = tb.UNASKED
        self._answered = 0
        self._hosts = _matching(self._view, nm.HOST, [row.hosts for row in self._rows])
        self._strategies = _matching(self._view, nm.STRATEGY, [row.strategies for row in self._rows])
        self._accounts = _matching(self._view, nm.ACCOUNT, [row.accounts for row in self._rows])

    def answer(self, who: int) -> None:
        """Answer for one attribution, and for all that are new besides."""
        if who == 0:  # the bucket of those over the bound is nobody
            self._t.whos[0] = self._granted(nm.ABSENT, nm.ABSENT, nm.ABSENT)
            return
        ledger = self._view.ledger
        first, last = self._answered + 1, int(ledger.one[lt.N_WHOS])
        told = ledger.tables["who64"][first : last + 1, ASKED_OF].tolist()
        self._t.whos[first : last + 1] = [self._granted(*names) for names in told]
        self._answered = last

    def _granted(self, host: int, strategy: int, account: int) -> int:
        rows = self._hosts(host)
        if not rows:
            return tb.NO_HOST
        rows &= self._strategies(strategy)
        if not rows:
            return tb.NO_STRATEGY
        return tb.GRANTED if rows & self._accounts(account) else tb.NO_ACCOUNT


def _matching(view: View, kind: int, patterns: Sequence[Sequence[str]]) -> Callable[[int], int]:
    """Which rows a name is in, as bits, by its code; a code is never another name's later."""

    @cache
    def rows_of(code: int) -> int:
        text = view.names.text(kind, code)
        return sum(int(matches(text, each)) << row for row, each in enumerate(patterns))

    return rows_of
