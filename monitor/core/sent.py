"""Who sent orders of late: when each of the newest orders left, and whose it was.

>>> sent = Sent()
>>> sent.take(np.array([[10, 1], [20, 2], [30, 2]]))
>>> sent.by_attribution(20, 3, NOBODY).tolist(), sent.by_attribution(20, 3, np.array([[31, 1]])).tolist()
([0, 0, 2], [0, 1, 2])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from detectors import posting as po

if TYPE_CHECKING:
    from detectors.contract import Int64Array

# A minute of 2,184 orders a second (Knight at full: 2,020); past it what is looked back on is shorter.  2 MB,
# twice, so that they move to the front once in so many orders and not at each.
ORDERS_MAX: Final = 1 << 17
ORDER_SENT: Final = int(po.PostingKind.ORDER_SENT)
NOBODY: Final = np.zeros((0, 2), np.int64)


def orders_in(postings: Int64Array) -> Int64Array:
    """(when, whose) of each order that these postings say was sent.  Asked of every run: most have few."""
    (sent,) = (postings[:, po.KIND] == ORDER_SENT).nonzero()
    if not sent.size:
        return NOBODY
    found = np.empty((sent.size, 2), np.int64)
    found[:, 0], found[:, 1] = postings[sent, po.AT], postings[sent, po.WHO]
    return found


class Sent:
    """The newest orders, in the order in which they came."""

    def __init__(self) -> None:
        self._rows = np.zeros((2 * ORDERS_MAX, 2), np.int64)
        self._count = 0

    def take(self, orders: Int64Array) -> None:
        if not orders.size:
            return
        new = orders[-ORDERS_MAX:]
        if self._count + len(new) > len(self._rows):
            self._rows[:ORDERS_MAX] = self.newest().copy()
            self._count = ORDERS_MAX
        self._rows[self._count : self._count + len(new)] = new
        self._count += len(new)

    def by_attribution(self, since_ns: int, size: int, more: Int64Array) -> Int64Array:
        """How many orders each attribution sent after this time, with `more` that came behind them."""
        rows = np.concatenate([self.newest(), more])[-ORDERS_MAX:]
        recent = rows[(rows[:, 0] >= since_ns) & (rows[:, 1] < size), 1]
        counts: Int64Array = np.bincount(recent, minlength=size)
        return counts

    def newest(self) -> Int64Array:
        return self._rows[max(self._count - ORDERS_MAX, 0) : self._count]

    def restore(self, rows: Int64Array) -> None:
        self._count = 0
        self.take(rows)
