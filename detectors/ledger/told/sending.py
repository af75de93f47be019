"""An order was sent, perhaps after its fills were told; these move then to where they belong."""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.kernel import compiled, inlined
from detectors.ledger import tables as t
from detectors.ledger.attribution import pair_of, who_of, who_with_account
from detectors.ledger.emit import head, of_execution, of_order, of_parent, of_who, sign_of
from detectors.ledger.executions import book, link_to_pair
from detectors.ledger.orders import find_order, is_yesterdays, name_order, new_order, retire
from detectors.ledger.parents import parent_named, still_parent
from detectors.posting import Note, PostingKind


@inlined
def order_new(
    rows, r, at, n, text, out, o64, o32, id64, id32, id_index, x32, p64, p32, p_index,
    p_text, p_books, pair64, pair_index, who64, who_index, host_build, clocks, one,
):  # fmt: skip
    """A child order was sent; perhaps its fills, or its end, were told before."""
    order = find_order(
        rows[r, ev.ORDER_HI], rows[r, ev.ORDER_LO], rows[r, ev.SESSION], o32, id64, id32, id_index
    )
    late = False
    if order >= 0:
        flags = o32[order, t.FLAGS]
        if flags & t.ANNOUNCED:
            # Of another day: the same one only if it outlives its day (gtc), or says that it is a repetition.
            outlives = not flags & t.DAY or rows[r, ev.BITS] & ev.Bit.POSS_DUP
            if o32[order, t.DATE] >= rows[r, ev.TRADE_DATE] or (flags & t.OPEN and outlives):
                head(out, n, PostingKind.DUPLICATE, rows, r, at, clocks, one)
                of_order(out, n, order, o64, o32, who64, p32, one)
                one[t.DUPLICATES] += 1
                return n + 1
            order = -1
        elif is_yesterdays(rows, r, at, order, o64, o32):
            order = -1  # what was heard of it was of another order of this id
        else:
            late = True
    if order < 0:
        order = new_order(rows, r, at, o64, o32, id64, id32, id_index, x32, one)
        name_order(order, rows[r, ev.ORDER_HI], rows[r, ev.ORDER_LO], o32, id64, id32, id_index, one)
    who = who_of(rows, r, rows[r, ev.ACCOUNT], host_build, who64, who_index, one)
    who64[who, t.W_SENT_AT] = max(at, who64[who, t.W_SENT_AT])
    who64[who, t.W_ORDERS] += 1
    sign = sign_of(rows[r, ev.SIDE])
    flags = o32[order, t.FLAGS] | t.ANNOUNCED | t.USED
    if rows[r, ev.TIF] <= 1:
        flags |= t.DAY  # FIX: an order without a time in force is a day order
    elif rows[r, ev.TIF] == ev.Tif.OPG or rows[r, ev.TIF] == ev.Tif.CLS:
        flags |= t.AUCTION | t.DAY
    if rows[r, ev.BITS] & ev.Bit.CONDITIONAL:
        flags |= t.CONDITIONAL
    if rows[r, ev.MULTILEG] == ev.Multileg.PACKAGE:
        flags |= t.PACKAGE
    if rows[r, ev.ORIGIN] > 1:
        flags |= t.MANUAL
    parent = parent_named(rows, r, at, -1, text, p64, p32, p_index, p_text, p_books, one)
    o32[order, t.FLAGS] = flags
    o32[order, t.WHO] = who
    o32[order, t.PARENT] = parent
    o32[order, t.SYMBOL] = rows[r, ev.SYMBOL]
    o32[order, t.SIGN] = sign
    o32[order, t.PAIR] = pair_of(rows[r, ev.ACCOUNT], rows[r, ev.SYMBOL], pair64, pair_index, one)
    if rows[r, ev.VENUE] != 0:
        o32[order, t.VENUE] = rows[r, ev.VENUE]
    o32[order, t.SESSION] = rows[r, ev.SESSION]
    if o64[order, t.QTY] == 0:
        o64[order, t.QTY] = rows[r, ev.QTY]
        o64[order, t.PX] = rows[r, ev.PRICE]
    o64[order, t.SENT_AT] = at
    working = 0
    if flags & t.OPEN and not flags & (t.CONDITIONAL | t.PACKAGE):
        working = max(o64[order, t.QTY] - o64[order, t.CONSUMED], 0)
    if flags & t.OPEN and o64[order, t.CONSUMED] >= o64[order, t.QTY]:
        o32[order, t.FLAGS] &= ~t.OPEN
    if order == 0:
        working = rows[r, ev.QTY]  # the bucket: it counts, and nothing will take it back
    else:
        o64[order, t.WORKING] = working
    head(out, n, PostingKind.ORDER_SENT, rows, r, at, clocks, one)
    of_order(out, n, order, o64, o32, who64, p32, one)
    out[n, po.QTY] = rows[r, ev.QTY]
    out[n, po.PX] = rows[r, ev.PRICE]
    out[n, po.WORK] = working
    if late:
        out[n, po.BITS] |= Note.LATE_ORDER
    n += 1
    if late and flags & t.ANSWERED:
        head(out, n, PostingKind.ORDER_ANSWERED, rows, r, at, clocks, one)
        of_order(out, n, order, o64, o32, who64, p32, one)
        n += 1
    if not o32[order, t.FLAGS] & t.OPEN:
        retire(order, at, o64, o32, one)
    if late and o32[order, t.FIRST_EXEC] != 0:
        one[t.TODO] = t.MOVING
        one[t.TODO_ORDER] = order
        one[t.TODO_CURSOR] = o32[order, t.FIRST_EXEC]
    return n


@compiled
def move_executions(
    rows, r, n, out, o64, o32, x64, x32, p32, pair64, pair_index, who64, who_index, clocks, one
):
    """Move the executions of a late order from where they were booked to where they belong."""
    order = one[t.TODO_ORDER]
    x = one[t.TODO_CURSOR]
    while x != 0:
        if n + 2 > out.shape[0]:
            one[t.TODO_CURSOR] = x
            return n
        old_pair = x32[x, t.X_PAIR]
        state = x32[x, t.X_STATE]
        old_sign = -1 if state & t.X_SELLS else 1
        account = pair64[old_pair, t.PAIR_ACCOUNT]
        symbol = pair64[old_pair, t.PAIR_SYMBOL]
        if account == one[t.UNKNOWN_ACCOUNT]:
            account = who64[o32[order, t.WHO], t.W_ACCOUNT]
        if symbol == 0:
            symbol = o32[order, t.SYMBOL]
        pair = pair_of(account, symbol, pair64, pair_index, one)
        sign = old_sign
        if state & t.X_SIDELESS:
            sign = o32[order, t.SIGN]
            state = state & ~(t.X_SIDELESS | t.X_SELLS) | (t.X_SELLS if sign < 0 else 0)
        live = state & 15 == t.X_LIVE
        if live:
            quantity = x64[x, t.X_QTY]
            head(out, n, PostingKind.MOVED_OUT, rows, r, x64[x, t.X_AT], clocks, one)
            of_who(out, n, x32[x, t.X_WHO], who64)
            out[n, po.ORDER] = order
            out[n, po.SYMBOL] = pair64[old_pair, t.PAIR_SYMBOL]
            out[n, po.VENUE] = x32[x, t.X_VENUE]
            out[n, po.PAIR] = old_pair
            out[n, po.SIGN] = old_sign
            out[n, po.QTY] = quantity
            out[n, po.PX] = x64[x, t.X_PX]
            out[n, po.FILL] = -quantity
            out[n, po.POS] = -old_sign * quantity
            out[n, po.BASE] = book(-old_sign * quantity, x64[x, t.X_AT], old_pair, pair64)
            out[n, po.EXEC] = x
            out[n, po.BITS] |= Note.ORDER_UNKNOWN
            parent = still_parent(x32[x, t.X_PARENT], x32[x, t.X_DATE], p32)
            of_parent(out, n, parent, out[n, po.SYMBOL], old_sign, p32, one)
            n += 1
        # A package's own executions are not booked; who told them before the order could not know.
        unbooked = live and o32[order, t.FLAGS] & t.PACKAGE and not state & t.X_LEG
        if unbooked:
            state = (state & ~15) | t.X_UNBOOKED
            o64[order, t.FILLED] -= x64[x, t.X_QTY]
        x32[x, t.X_STATE] = state
        x32[x, t.X_PAIR] = pair
        who = o32[order, t.WHO]
        if account != who64[who, t.W_ACCOUNT]:
            who = who_with_account(who, account, who64, who_index, one)
        x32[x, t.X_WHO] = who
        if x32[x, t.X_PARENT] < 0:
            x32[x, t.X_PARENT] = o32[order, t.PARENT]
        if x32[x, t.X_VENUE] == 0:
            x32[x, t.X_VENUE] = o32[order, t.VENUE]
        link_to_pair(x, pair, x32, pair64, one)
        if live:
            head(out, n, PostingKind.MOVED_IN, rows, r, x64[x, t.X_AT], clocks, one)
            of_execution(out, n, x, o64, o32, x32, x64, pair64, who64, p32, one)
            if not unbooked:
                out[n, po.FILL] = quantity
                out[n, po.POS] = sign * quantity
                out[n, po.BASE] = book(sign * quantity, x64[x, t.X_AT], pair, pair64)
            n += 1
        x = x32[x, t.X_NEXT_ORDER]
    one[t.TODO] = 0
    return n
