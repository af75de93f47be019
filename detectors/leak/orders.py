"""Orders and positions while a halt is in force: taken over from the ledger, then followed by postings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detectors import event as ev
from detectors import posting as po
from detectors.event import Side
from detectors.halts import SELLS
from detectors.kernel import inlined
from detectors.leak import tables as tb
from detectors.ledger import tables as lt
from detectors.posting import Note

if TYPE_CHECKING:
    from detectors.ledger import Ledger


def take_over(t: tb.Tables, ledger: Ledger) -> None:
    """What the ledger knows between two events: all of it that the rules ask for."""
    orders, pairs = int(ledger.one[lt.N_ORDERS]) + 1, int(ledger.one[lt.N_PAIRS]) + 1
    o64, o32 = ledger.tables["o64"][:orders], ledger.tables["o32"][:orders]
    own = t.orders[:orders]
    own[:] = 0
    is_announced = (o32[:, lt.FLAGS] & lt.ANNOUNCED) != 0
    own[:, tb.O_SENT] = np.where(is_announced, o64[:, lt.SENT_AT], 0)
    own[:, tb.O_QTY], own[:, tb.O_PX], own[:, tb.O_WORK] = o64[:, lt.QTY], o64[:, lt.PX], o64[:, lt.WORKING]
    own[:, tb.O_WHO], own[:, tb.O_PAIR] = o32[:, lt.WHO], o32[:, lt.PAIR]
    own[:, tb.O_VENUE], own[:, tb.O_SYMBOL] = o32[:, lt.VENUE], o32[:, lt.SYMBOL]
    own[:, tb.O_SIDE] = np.choose(np.sign(o32[:, lt.SIGN]) + 1, (SELLS, 0, int(Side.BUY)))
    is_child = o32[:, lt.PARENT] >= 0
    own[is_child, tb.O_PARENT_HI : tb.O_PARENT_LO + 1] = ledger.tables["p64"][o32[is_child, lt.PARENT], :2]
    is_unbooked = (o32[:, lt.FLAGS] & (lt.CONDITIONAL | lt.PACKAGE)) != 0
    own[:, tb.O_MARKS] = np.where(is_unbooked, tb.UNBOOKED, 0)
    own[0] = 0  # the bucket is nobody's order
    pair64 = ledger.tables["pair64"][:pairs]
    t.pairs[:pairs] = 0
    t.pairs[:pairs, tb.A_POSITION] = pair64[:, lt.PAIR_POS] + pair64[:, lt.PAIR_BASE]
    for column, is_buy in ((tb.A_BUYS, True), (tb.A_SELLS, False)):
        theirs = (own[:, tb.O_SIDE] == Side.BUY) == is_buy
        np.add.at(t.pairs[:, column], own[theirs, tb.O_PAIR], own[theirs, tb.O_WORK])
    t.state[tb.S_FOLLOWS], t.state[tb.S_ORDERS] = 1, orders


def let_go(t: tb.Tables) -> None:
    """No halt is in force: nothing is followed until there is one."""
    t.orders[: int(t.state[tb.S_ORDERS])] = 0
    t.pairs[:] = 0
    t.state[:] = 0


@inlined
def is_known(t, p):
    """Whether a posting is of an order that is followed: its code may have been another's."""
    order = p[po.ORDER]
    return order > 0 and p[po.SENT_AT] != 0 and t.orders[order, tb.O_SENT] == p[po.SENT_AT]


@inlined
def begin(t, p, row):
    """Take in an order that was sent."""
    o = t.orders[p[po.ORDER]]
    for column in range(tb.ORDER):
        o[column] = 0
    o[tb.O_SENT], o[tb.O_QTY], o[tb.O_PX] = p[po.SENT_AT], p[po.QTY], p[po.PX]
    o[tb.O_WHO], o[tb.O_PAIR], o[tb.O_VENUE] = p[po.WHO], p[po.PAIR], p[po.VENUE]
    o[tb.O_SYMBOL], o[tb.O_SIDE] = p[po.SYMBOL], row[ev.SIDE]
    o[tb.O_PARENT_HI], o[tb.O_PARENT_LO] = row[ev.PARENT_HI], row[ev.PARENT_LO]
    if p[po.BITS] & (Note.CONDITIONAL | Note.PACKAGE):
        o[tb.O_MARKS] = tb.UNBOOKED
    t.state[tb.S_ORDERS] = max(p[po.ORDER] + 1, t.state[tb.S_ORDERS])


@inlined
def work(t, p):
    """What works changes with its own order's account and side, whatever the fill says."""
    o = t.orders[p[po.ORDER]]
    o[tb.O_WORK] += p[po.WORK]
    column = tb.A_BUYS if o[tb.O_SIDE] == Side.BUY else tb.A_SELLS
    t.pairs[o[tb.O_PAIR], column] += p[po.WORK]


@inlined
def raises(t, o, quantity):
    """Whether `quantity` more of an order brought |position + working| of its side further from nothing."""
    pair = t.pairs[o[tb.O_PAIR]]
    if o[tb.O_SIDE] == Side.BUY:
        after = pair[tb.A_POSITION] + pair[tb.A_BUYS]
        return abs(after) > abs(after - quantity)
    after = pair[tb.A_POSITION] - pair[tb.A_SELLS]
    return abs(after) > abs(after + quantity)
