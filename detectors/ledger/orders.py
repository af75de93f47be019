"""Orders: one code a replace chain, many ids, recycled when long out.

Identity: (session, trade date of first sight, order id); an event that names no session
means the latest order of that id.  Codes are recycled by event time only, oldest first, so
that the same stream gives the same codes wherever it is cut.
"""

from __future__ import annotations

from detectors import event as ev
from detectors.event import Kind
from detectors.kernel import inlined
from detectors.ledger import tables as t
from detectors.ledger.index import erase, place_of


@inlined
def find_order(hi, lo, session, o32, id64, id32, id_index):
    """Code of the latest order of this id (and session, where both name one); -1 if none."""
    node = id_index[place_of(id_index, id64, hi, lo)]
    while node != 0:
        order = id32[node, t.ID_ORDER]
        if session == 0 or o32[order, t.SESSION] == 0 or o32[order, t.SESSION] == session:
            return order
        node = id32[node, t.ID_OLDER]
    return -1


@inlined
def is_yesterdays(rows, r, at, order, o64, o32):
    """Whether an order is over, or was only heard of, long ago on an earlier trade date: its id came back."""
    is_live = o32[order, t.FLAGS] & t.OPEN and o32[order, t.FLAGS] & t.ANNOUNCED
    is_older = o32[order, t.DATE] < rows[r, ev.TRADE_DATE] and o64[order, t.TOUCHED_AT] + t.OVER_NS < at
    return order > 0 and is_older and not is_live


@inlined
def name_order(order, hi, lo, o32, id64, id32, id_index, one):
    """Give an order one more id.  The newest order of an id stands first."""
    if order <= 0:
        return
    slot = place_of(id_index, id64, hi, lo)
    node = id_index[slot]
    while node != 0:
        if id32[node, t.ID_ORDER] == order:
            return
        node = id32[node, t.ID_OLDER]
    if one[t.FREE_ID] != 0:
        node = one[t.FREE_ID]
        one[t.FREE_ID] = id32[node, t.ID_NEXT]
    elif one[t.N_IDS] + 1 < id64.shape[0]:
        one[t.N_IDS] += 1
        node = one[t.N_IDS]
    else:
        one[t.OVERFLOWED] += 1
        return
    id64[node, 0] = hi
    id64[node, 1] = lo
    id32[node, t.ID_ORDER] = order
    id32[node, t.ID_REPLACED] = 0
    id32[node, t.ID_OLDER] = id_index[slot]
    id32[node, t.ID_NEXT] = o32[order, t.FIRST_ID]
    o32[order, t.FIRST_ID] = node
    id_index[slot] = node


@inlined
def replaced_before(order, hi, lo, id64, id32, id_index):
    """Whether the order was replaced to this id before; from now on it was."""
    node = id_index[place_of(id_index, id64, hi, lo)]
    while node != 0 and id32[node, t.ID_ORDER] != order:
        node = id32[node, t.ID_OLDER]
    before = id32[node, t.ID_REPLACED] != 0
    id32[node, t.ID_REPLACED] = node != 0
    return before


@inlined
def _forget_ids(order, o32, id64, id32, id_index, one):
    node = o32[order, t.FIRST_ID]
    while node != 0:
        following = id32[node, t.ID_NEXT]
        slot = place_of(id_index, id64, id64[node, 0], id64[node, 1])
        if id_index[slot] == node:
            if id32[node, t.ID_OLDER] != 0:
                id_index[slot] = id32[node, t.ID_OLDER]
            else:
                erase(id_index, id64, slot)
        else:
            newer = id_index[slot]
            while id32[newer, t.ID_OLDER] != node:
                newer = id32[newer, t.ID_OLDER]
            id32[newer, t.ID_OLDER] = id32[node, t.ID_OLDER]
        id32[node, t.ID_NEXT] = one[t.FREE_ID]
        one[t.FREE_ID] = node
        node = following
    o32[order, t.FIRST_ID] = 0


@inlined
def retire(order, at, o64, o32, one):
    """Put an order that is out (or was only heard of) at the end of the queue of those to be forgotten."""
    o64[order, t.TOUCHED_AT] = at
    if order <= 0 or o32[order, t.FLAGS] & t.QUEUED:
        return
    o32[order, t.FLAGS] |= t.QUEUED
    o32[order, t.NEXT] = 0
    if one[t.QUEUE_TAIL] != 0:
        o32[one[t.QUEUE_TAIL], t.NEXT] = order
    else:
        one[t.QUEUE_HEAD] = order
    one[t.QUEUE_TAIL] = order


@inlined
def _pop_retired(o32, one):
    order = one[t.QUEUE_HEAD]
    one[t.QUEUE_HEAD] = o32[order, t.NEXT]
    if one[t.QUEUE_HEAD] == 0:
        one[t.QUEUE_TAIL] = 0
    o32[order, t.FLAGS] &= ~t.QUEUED
    return order


@inlined
def _recyclable(o64, o32, id64, id32, id_index, x32, one):
    """An order that has been out long enough, with all traces of it gone; 0 if there is none yet."""
    for _ in range(8):
        head = one[t.QUEUE_HEAD]
        if head == 0:
            return 0
        flags = o32[head, t.FLAGS]
        working = flags & t.OPEN and flags & t.ANNOUNCED
        if not working and o64[head, t.TOUCHED_AT] + one[t.RETAIN] >= one[t.LOW]:
            return 0
        order = _pop_retired(o32, one)
        if working:
            continue  # re-opened since
        _forget_ids(order, o32, id64, id32, id_index, one)
        x = o32[order, t.FIRST_EXEC]
        while x != 0:
            x32[x, t.X_ORDER] = 0
            x = x32[x, t.X_NEXT_ORDER]
        one[t.RECYCLED] += 1
        return order
    return 0


@inlined
def new_order(rows, r, at, o64, o32, id64, id32, id_index, x32, one):
    """A fresh code under the event's order id; 0, the bucket, when every code is in use."""
    order = _recyclable(o64, o32, id64, id32, id_index, x32, one)
    if order == 0 and one[t.N_ORDERS] + 1 < o64.shape[0]:
        one[t.N_ORDERS] += 1
        order = one[t.N_ORDERS]
    if order == 0:
        one[t.OVERFLOWED] += 1
    o64[order, :] = 0
    o64[order, t.PX] = ev.NONE
    o64[order, t.TOUCHED_AT] = at
    o32[order, :] = 0
    o32[order, t.FLAGS] = t.OPEN | t.USED
    o32[order, t.DATE] = rows[r, ev.TRADE_DATE]
    o32[order, t.SESSION] = rows[r, ev.SESSION]
    o32[order, t.VENUE] = rows[r, ev.VENUE]
    o32[order, t.PARENT] = -1
    return order


@inlined
def heard_of(rows, r, at, hi, lo, o64, o32, id64, id32, id_index, x32, one):
    """The order that an event names; a placeholder if nobody announced it yet."""
    order = find_order(hi, lo, rows[r, ev.SESSION], o32, id64, id32, id_index)
    kind = rows[r, ev.KIND]
    # What answers or fills an order a day after its end is about another one that had to come first.  A
    # replace may re-open it, and its end may be told the next morning once more.
    is_ioc = kind == Kind.ORDER_CANCEL and rows[r, ev.REASON_CLASS] == ev.ReasonClass.IOC
    may_be_new = kind == Kind.FILL or Kind.ORDER_ACK <= kind <= Kind.ORDER_REJECT or is_ioc
    if order < 0 or (may_be_new and is_yesterdays(rows, r, at, order, o64, o32)):
        order = new_order(rows, r, at, o64, o32, id64, id32, id_index, x32, one)
        name_order(order, hi, lo, o32, id64, id32, id_index, one)
        retire(order, at, o64, o32, one)
    return order


@inlined
def is_owner(rows, r, order, o32, who64):
    """A router speaks for its own orders only; venues and drop copies speak for all."""
    host = who64[o32[order, t.WHO], t.W_HOST]
    stranger = rows[r, ev.HOST] != 0 and host != 0 and host != rows[r, ev.HOST]
    return not (stranger and rows[r, ev.SOURCE] == ev.Source.ROUTER)


@inlined
def consume(order, quantity, at, o64, o32, one):
    """Take an executed quantity off an order's leaves; returns the change of what is working."""
    if order == 0:
        return 0
    o64[order, t.CONSUMED] += quantity
    before = o64[order, t.WORKING]
    o64[order, t.WORKING] = max(before - quantity, 0)
    if o32[order, t.FLAGS] & t.ANNOUNCED and o64[order, t.CONSUMED] >= o64[order, t.QTY]:
        o32[order, t.FLAGS] &= ~t.OPEN
        retire(order, at, o64, o32, one)
    o64[order, t.TOUCHED_AT] = at
    return o64[order, t.WORKING] - before


@inlined
def rework(order, leaves, at, o64, o32, one):
    """Give an order new leaves.  One that was cancelled or rejected stays out."""
    flags = o32[order, t.FLAGS]
    if flags & t.KILLED or not flags & t.ANNOUNCED:
        return
    if leaves > 0:
        o32[order, t.FLAGS] |= t.OPEN
    else:
        o32[order, t.FLAGS] &= ~t.OPEN
        retire(order, at, o64, o32, one)
    if not flags & (t.CONDITIONAL | t.PACKAGE):
        o64[order, t.WORKING] = max(leaves, 0)
