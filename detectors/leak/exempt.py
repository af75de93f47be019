"""Orders that a gateway listed as survivors: whatever of their id is watched is so no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.kernel import compiled
from detectors.leak import tables as tb
from detectors.ledger import tables as lt
from detectors.ledger.index import place_of

if TYPE_CHECKING:
    from detectors.ledger import Ledger


def exempt(t: tb.Tables, ledger: Ledger) -> None:
    """Take the survivors that are known now out of what is watched."""
    if t.in_force[1]:
        books = ledger.tables
        _exempt(t.in_force, t.survivors, t.orders, books["id_index"], books["id64"], books["id32"])


@compiled
def _exempt(in_force, survivors, orders, id_index, id64, id32):
    for row in range(in_force[1]):
        node = id_index[place_of(id_index, id64, survivors[row, 1], survivors[row, 2])]
        while node != 0:
            orders[id32[node, lt.ID_ORDER], tb.O_WATCHED] = 0
            node = id32[node, lt.ID_OLDER]
