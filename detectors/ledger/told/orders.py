"""What is said of an order between its sending and its fills: answers, requests, replaces, its end."""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.event import Kind
from detectors.kernel import inlined
from detectors.ledger import tables as t
from detectors.ledger.emit import head, of_event, of_order
from detectors.ledger.orders import (
    consume,
    find_order,
    heard_of,
    is_owner,
    name_order,
    replaced_before,
    retire,
    rework,
)
from detectors.posting import Note, PostingKind


@inlined
def order_told(rows, r, at, n, kind, out, o64, o32, id64, id32, id_index, x32, p32, who64, clocks, one):
    """Everything that is said of an order between its sending and its fills."""
    chained = kind == Kind.REPLACE_REQUEST or kind == Kind.CANCEL_REQUEST or kind == Kind.ORDER_REPLACE
    hi, lo = rows[r, ev.ORDER_HI], rows[r, ev.ORDER_LO]
    order, joined, is_answered = -1, False, False
    if chained or rows[r, ev.ORIG_HI] != 0 or rows[r, ev.ORIG_LO] != 0:
        order = heard_of(
            rows, r, at, rows[r, ev.ORIG_HI], rows[r, ev.ORIG_LO], o64, o32, id64, id32, id_index, x32, one
        )  # fmt: skip
        before = o64[order, t.WORKING]
        told = find_order(hi, lo, rows[r, ev.SESSION], o32, id64, id32, id_index)
        if told > 0 and order > 0 and told != order and o32[told, t.DATE] == rows[r, ev.TRADE_DATE]:
            if not o32[told, t.FLAGS] & t.ANNOUNCED:
                joined, is_answered = o64[told, t.QTY] != 0, o32[told, t.FLAGS] & t.ANSWERED != 0
                _join(told, order, at, o64, o32, id32, x32, one)
        name_order(order, hi, lo, o32, id64, id32, id_index, one)
    else:
        order = heard_of(rows, r, at, hi, lo, o64, o32, id64, id32, id_index, x32, one)
        before = o64[order, t.WORKING]
    if is_answered or (kind != Kind.REPLACE_REQUEST and kind != Kind.CANCEL_REQUEST):
        n = answer(rows, r, at, n, order, out, o64, o32, p32, who64, clocks, one)
    what = PostingKind.EVENT
    quantity, px, note = ev.NONE, ev.NONE, 0
    owner = is_owner(rows, r, order, o32, who64)
    if kind == Kind.ORDER_CANCEL or kind == Kind.ORDER_REJECT:
        if not owner:
            one[t.NOT_OWNER] += 1
        elif o32[order, t.FLAGS] & t.KILLED:
            what = PostingKind.DUPLICATE
            one[t.DUPLICATES] += 1
        else:
            what = PostingKind.ORDER_OUT
            quantity = o64[order, t.QTY]
            if kind == Kind.ORDER_REJECT:
                note = Note.REJECTED
            elif rows[r, ev.REASON_CLASS] <= 1:
                note = Note.REQUESTED
            o32[order, t.FLAGS] = (o32[order, t.FLAGS] | t.KILLED) & ~t.OPEN
            o64[order, t.WORKING] = 0
            retire(order, at, o64, o32, one)
    elif kind == Kind.ORDER_REPLACE and replaced_before(order, hi, lo, id64, id32, id_index):
        what = PostingKind.DUPLICATE
        one[t.DUPLICATES] += 1
    elif kind == Kind.ORDER_REPLACE:
        what = PostingKind.ORDER_CHANGED
        note = Note.REPLACED
        n_before = o64[order, t.QTY]
        if rows[r, ev.QTY] != ev.NONE and not joined:  # else the replace of this one was told before it
            o64[order, t.QTY] = rows[r, ev.QTY]
        if rows[r, ev.PRICE] != ev.NONE and not joined:
            o64[order, t.PX] = rows[r, ev.PRICE]
        if not owner and o64[order, t.QTY] < n_before:
            o64[order, t.QTY] = n_before
            one[t.NOT_OWNER] += 1
        quantity, px = o64[order, t.QTY], o64[order, t.PX]
        rework(order, quantity - o64[order, t.CONSUMED], at, o64, o32, one)
    elif kind == Kind.ORDER_RESTATE:
        what = PostingKind.ORDER_CHANGED
        quantity = o64[order, t.QTY]
        if owner or rows[r, ev.LEAVES_QTY] > before:
            rework(order, rows[r, ev.LEAVES_QTY], at, o64, o32, one)
        else:
            one[t.NOT_OWNER] += 1
    elif kind == Kind.CANCEL_REJECT:
        what = PostingKind.REQUEST_REFUSED
    elif kind != Kind.ORDER_ACK:
        what = PostingKind.REQUESTED
        quantity, px = rows[r, ev.QTY], rows[r, ev.PRICE]
    head(out, n, what, rows, r, at, clocks, one)
    of_order(out, n, order, o64, o32, who64, p32, one)
    if not o32[order, t.FLAGS] & t.ANNOUNCED:
        of_event(out, n, rows, r)
    out[n, po.QTY], out[n, po.PX] = quantity, px
    out[n, po.BITS] |= note
    out[n, po.WORK] = o64[order, t.WORKING] - before
    return n + 1


@inlined
def answer(rows, r, at, n, order, out, o64, o32, p32, who64, clocks, one):
    """The first answer to an order, whatever it is."""
    if o32[order, t.FLAGS] & t.ANSWERED or order == 0:
        return n
    o32[order, t.FLAGS] |= t.ANSWERED
    if not o32[order, t.FLAGS] & t.ANNOUNCED:
        return n  # said when the order is
    head(out, n, PostingKind.ORDER_ANSWERED, rows, r, at, clocks, one)
    of_order(out, n, order, o64, o32, who64, p32, one)
    return n + 1


@inlined
def _join(told, order, at, o64, o32, id32, x32, one):
    """What was told of a later id of an order, before its replace said whose it is, is the order's own."""
    node = o32[told, t.FIRST_ID]
    last = node
    while node != 0:
        id32[node, t.ID_ORDER] = order
        last = node
        node = id32[node, t.ID_NEXT]
    if last != 0:
        id32[last, t.ID_NEXT] = o32[order, t.FIRST_ID]
        o32[order, t.FIRST_ID] = o32[told, t.FIRST_ID]
    o32[told, t.FIRST_ID] = 0
    first = o32[told, t.FIRST_EXEC]
    x = first
    while x != 0:
        x32[x, t.X_ORDER] = order
        x = x32[x, t.X_NEXT_ORDER]
    if first != 0:
        if o32[order, t.FIRST_EXEC] == 0:
            o32[order, t.FIRST_EXEC] = first
        else:
            x32[o32[order, t.LAST_EXEC], t.X_NEXT_ORDER] = first
        o32[order, t.LAST_EXEC] = o32[told, t.LAST_EXEC]
        o32[told, t.FIRST_EXEC] = 0
        o32[told, t.LAST_EXEC] = 0
    o64[order, t.FILLED] += o64[told, t.FILLED]
    if o64[told, t.CONSUMED] != 0:
        consume(order, o64[told, t.CONSUMED], at, o64, o32, one)
    if o64[told, t.QTY] != 0:
        o64[order, t.QTY] = o64[told, t.QTY]
        if o64[told, t.PX] != ev.NONE:
            o64[order, t.PX] = o64[told, t.PX]
        rework(order, o64[order, t.QTY] - o64[order, t.CONSUMED], at, o64, o32, one)
    if not o32[order, t.FLAGS] & t.ANNOUNCED:
        o32[order, t.FLAGS] |= o32[told, t.FLAGS] & t.ANSWERED
    if o32[told, t.FLAGS] & t.KILLED:
        o32[order, t.FLAGS] = (o32[order, t.FLAGS] | t.KILLED) & ~t.OPEN
        o64[order, t.WORKING] = 0
        retire(order, at, o64, o32, one)
    if first != 0 and o32[order, t.FLAGS] & t.ANNOUNCED:
        one[t.TODO] = t.MOVING
        one[t.TODO_ORDER] = order
        one[t.TODO_CURSOR] = first
