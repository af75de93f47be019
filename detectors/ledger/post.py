"""From an event to its postings: the one pass over a batch.

`post_rows` reads the rows in order and stops where `out` might not hold the next row's
postings, or at the end; a row whose postings have no bound (a close that ends a million
day orders) is left half done in `one[TODO]` and taken up again at the next call.
"""

from __future__ import annotations

from typing import Final

from detectors import event as ev
from detectors import posting as po
from detectors.event import Kind
from detectors.kernel import compiled, inlined
from detectors.ledger import tables as t
from detectors.ledger.attribution import pair_of, who_of, who_with_account
from detectors.ledger.clocks import tell_time
from detectors.ledger.emit import head, of_event, of_order, of_parent, of_who, sign_of
from detectors.ledger.executions import (
    book,
    find_execution,
    is_older,
    linked_before,
    names_already,
    new_execution,
    session_of,
    space_of,
)
from detectors.ledger.index import mix
from detectors.ledger.orders import (
    find_order,
    is_yesterdays,
    name_order,
    new_order,
    replaced_before,
    retire,
)
from detectors.ledger.parents import (
    booked_before,
    find_parent,
    has_ended,
    is_over,
    new_parent,
    still_parent,
)
from detectors.posting import Note, PostingKind

ROW_POSTINGS_MAX: Final = 8  # of an ordinary row: answered, sent, answered late, ...
MOVING: Final = 1  # one[TODO]: executions of a late order are being moved
CLOSING: Final = 2  # one[TODO]: day orders of a venue are being closed


@compiled
def post_rows(
    rows, start, text, out,
    o64, o32, id64, id32, id_index,
    x64, x32, x_index,
    p64, p32, p_index, p_text, p_books,
    pair64, pair_index, who64, who_index,
    clocks, streams, stream_index, host_build, one,
):  # fmt: skip
    """Post rows from `start`; returns (next row to post, postings written)."""
    n = 0
    r = start
    while r < rows.shape[0]:
        if n + ROW_POSTINGS_MAX > out.shape[0]:
            return r, n
        kind = rows[r, ev.KIND]
        if one[t.TODO] != 0:
            at = one[t.TODO_AT]
            if one[t.TODO] == MOVING:
                n = _move(
                    rows, r, n, out, o64, o32, x64, x32, p32, pair64, pair_index, who64, who_index, clocks,
                    one,
                )  # fmt: skip
            else:
                n = _close(rows, r, at, n, out, o64, o32, p32, who64, clocks, one)
            if one[t.TODO] != 0:
                return r, n
            r += 1
            continue
        at = tell_time(rows, r, clocks, one)
        one[t.TODO_AT] = at
        if rows[r, ev.TRADE_DATE] > one[t.NEWEST_DATE]:
            if one[t.NEWEST_DATE] != 0:
                one[t.COLD] = 0  # a session has begun before our eyes
            one[t.NEWEST_DATE] = rows[r, ev.TRADE_DATE]
        if rows[r, ev.SEQ] != ev.NONE and _told_before(rows, r, kind, streams, stream_index, one):
            head(out, n, PostingKind.DUPLICATE, rows, r, at, clocks, one)
            of_event(out, n, rows, r)
            one[t.DUPLICATES] += 1
            n += 1
        elif kind == Kind.FILL:
            n = _fill(
                rows, r, at, n, text, out, o64, o32, id64, id32, id_index, x64, x32, x_index,
                p64, p32, p_index, p_text, p_books, pair64, pair_index, who64, who_index, host_build, clocks,
                one,
            )  # fmt: skip
        elif kind == Kind.ORDER_NEW:
            n = _order_new(
                rows, r, at, n, text, out, o64, o32, id64, id32, id_index, x32, p64, p32, p_index,
                p_text, p_books, pair64, pair_index, who64, who_index, host_build, clocks, one,
            )  # fmt: skip
        elif Kind.ORDER_ACK <= kind <= Kind.ORDER_RESTATE:
            n = _order_told(
                rows, r, at, n, kind, out, o64, o32, id64, id32, id_index, x32, p32, who64, clocks, one
            )  # fmt: skip
        elif Kind.PARENT_NEW <= kind <= Kind.PARENT_DONE:
            n = _parent_told(
                rows, r, at, n, kind, text, out, p64, p32, p_index, p_text, p_books, who64, who_index,
                host_build, clocks, one,
            )  # fmt: skip
        elif kind == Kind.FILL_BUST or kind == Kind.FILL_CORRECT:
            n = _undo(rows, r, at, n, kind, out, o64, o32, x64, x32, x_index, p32, pair64, who64, clocks, one)
        else:
            n = _reference(rows, r, at, n, kind, out, x64, x32, pair64, pair_index, host_build, clocks, one)
        if one[t.TODO] != 0:
            continue
        r += 1
    return r, n


@inlined
def _told_before(rows, r, kind, streams, stream_index, one):
    """Whether a numbered stream says this number again with the same kind and time."""
    h = mix(rows[r, ev.SOURCE] ^ (rows[r, ev.HOST] << 8) ^ (rows[r, ev.BOOT] << 32), rows[r, ev.STREAM])
    mask = stream_index.size - 1
    slot = h & mask
    while stream_index[slot] != 0 and streams[stream_index[slot], 0] != h:
        slot = (slot + 1) & mask
    stream = stream_index[slot]
    if stream == 0:
        if one[t.N_STREAMS] + 1 >= t.STREAMS_MAX:
            one[t.OVERFLOWED] += 1
            return False
        one[t.N_STREAMS] += 1
        stream = one[t.N_STREAMS]
        stream_index[slot] = stream
        streams[stream, 0] = h
    seen = mix(mix(rows[r, ev.SEQ], rows[r, ev.TS]), kind) | 1
    cell = 1 + (rows[r, ev.SEQ] & (t.SEQ_REMEMBERED - 1))
    if streams[stream, cell] == seen:
        return True
    streams[stream, cell] = seen
    return False


@inlined
def _order_new(
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
    parent = _parent_named(rows, r, at, -1, text, p64, p32, p_index, p_text, p_books, one)
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
        one[t.TODO] = MOVING
        one[t.TODO_ORDER] = order
        one[t.TODO_CURSOR] = o32[order, t.FIRST_EXEC]
    return n


@compiled
def _move(rows, r, n, out, o64, o32, x64, x32, p32, pair64, pair_index, who64, who_index, clocks, one):
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
        _link(x, pair, x32, pair64, one)
        if live:
            head(out, n, PostingKind.MOVED_IN, rows, r, x64[x, t.X_AT], clocks, one)
            _of_execution(out, n, x, o64, o32, x32, x64, pair64, who64, p32, one)
            if not unbooked:
                out[n, po.FILL] = quantity
                out[n, po.POS] = sign * quantity
                out[n, po.BASE] = book(sign * quantity, x64[x, t.X_AT], pair, pair64)
            n += 1
        x = x32[x, t.X_NEXT_ORDER]
    one[t.TODO] = 0
    return n


@inlined
def _link(x, pair, x32, pair64, one):
    """Enter an execution in its pair's list, once, where a later stated position looks for it."""
    if x32[x, t.X_STATE] & t.X_LINKED:
        return
    x32[x, t.X_STATE] |= t.X_LINKED
    one[t.N_LINKS] = 1 + one[t.N_LINKS] % (t.LINKS - 1)
    x32[x, t.X_LINK] = one[t.N_LINKS]
    x32[x, t.X_NEXT_PAIR] = pair64[pair, t.PAIR_LAST_EXEC]
    pair64[pair, t.PAIR_LAST_EXEC] = x


@inlined
def _parent_named(rows, r, at, own, text, p64, p32, p_index, p_text, p_books, one):
    """The parent that an order or a fill names, known or not; -1 if it names none.

    One that ended on an earlier trade date is not meant where the id came back and the child came before
    its parent; the `own` parent of a fill's order is meant all the same.
    """
    if rows[r, ev.PARENT_HI] == 0 and rows[r, ev.PARENT_LO] == 0:
        return -1
    parent = find_parent(rows, r, p64, p_index)
    may_be_new = parent != own and has_ended(parent, p64, p32)
    if parent == 0 or (may_be_new and is_over(rows, r, at, parent, p64, p32)):
        return new_parent(rows, r, at, text, p64, p32, p_index, p_text, p_books, one)
    p64[parent, t.P_TOUCHED_AT] = max(at, p64[parent, t.P_TOUCHED_AT])
    return parent


@inlined
def _heard_of(rows, r, at, hi, lo, o64, o32, id64, id32, id_index, x32, one):
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
def _answer(rows, r, at, n, order, out, o64, o32, p32, who64, clocks, one):
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
def _is_owner(rows, r, order, o32, who64):
    """A router speaks for its own orders only; venues and drop copies speak for all."""
    host = who64[o32[order, t.WHO], t.W_HOST]
    stranger = rows[r, ev.HOST] != 0 and host != 0 and host != rows[r, ev.HOST]
    return not (stranger and rows[r, ev.SOURCE] == ev.Source.ROUTER)


@inlined
def _order_told(rows, r, at, n, kind, out, o64, o32, id64, id32, id_index, x32, p32, who64, clocks, one):
    """Everything that is said of an order between its sending and its fills."""
    chained = kind == Kind.REPLACE_REQUEST or kind == Kind.CANCEL_REQUEST or kind == Kind.ORDER_REPLACE
    hi, lo = rows[r, ev.ORDER_HI], rows[r, ev.ORDER_LO]
    order, joined, is_answered = -1, False, False
    if chained or rows[r, ev.ORIG_HI] != 0 or rows[r, ev.ORIG_LO] != 0:
        order = _heard_of(
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
        order = _heard_of(rows, r, at, hi, lo, o64, o32, id64, id32, id_index, x32, one)
        before = o64[order, t.WORKING]
    if is_answered or (kind != Kind.REPLACE_REQUEST and kind != Kind.CANCEL_REQUEST):
        n = _answer(rows, r, at, n, order, out, o64, o32, p32, who64, clocks, one)
    what = PostingKind.EVENT
    quantity, px, note = ev.NONE, ev.NONE, 0
    owner = _is_owner(rows, r, order, o32, who64)
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
        _rework(order, quantity - o64[order, t.CONSUMED], at, o64, o32, one)
    elif kind == Kind.ORDER_RESTATE:
        what = PostingKind.ORDER_CHANGED
        quantity = o64[order, t.QTY]
        if owner or rows[r, ev.LEAVES_QTY] > before:
            _rework(order, rows[r, ev.LEAVES_QTY], at, o64, o32, one)
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
        _consume(order, o64[told, t.CONSUMED], at, o64, o32, one)
    if o64[told, t.QTY] != 0:
        o64[order, t.QTY] = o64[told, t.QTY]
        if o64[told, t.PX] != ev.NONE:
            o64[order, t.PX] = o64[told, t.PX]
        _rework(order, o64[order, t.QTY] - o64[order, t.CONSUMED], at, o64, o32, one)
    if not o32[order, t.FLAGS] & t.ANNOUNCED:
        o32[order, t.FLAGS] |= o32[told, t.FLAGS] & t.ANSWERED
    if o32[told, t.FLAGS] & t.KILLED:
        o32[order, t.FLAGS] = (o32[order, t.FLAGS] | t.KILLED) & ~t.OPEN
        o64[order, t.WORKING] = 0
        retire(order, at, o64, o32, one)
    if first != 0 and o32[order, t.FLAGS] & t.ANNOUNCED:
        one[t.TODO] = MOVING
        one[t.TODO_ORDER] = order
        one[t.TODO_CURSOR] = first


@inlined
def _rework(order, leaves, at, o64, o32, one):
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


@inlined
def _fill(
    rows, r, at, n, text, out, o64, o32, id64, id32, id_index, x64, x32, x_index,
    p64, p32, p_index, p_text, p_books, pair64, pair_index, who64, who_index, host_build, clocks, one,
):  # fmt: skip
    """An execution: the same one counts once, with whoever owns its order."""
    order = _heard_of(
        rows, r, at, rows[r, ev.ORDER_HI], rows[r, ev.ORDER_LO], o64, o32, id64, id32, id_index, x32, one
    )  # fmt: skip
    space = space_of(rows, r, order, o32)
    hi, lo = rows[r, ev.EXEC_HI], rows[r, ev.EXEC_LO]
    quantity, px = rows[r, ev.LAST_QTY], rows[r, ev.LAST_PX]
    session, date = session_of(rows, r, order, o32), rows[r, ev.TRADE_DATE]
    x = find_execution(hi, lo, space, session, order, date, False, x64, x32, x_index, who64, one)
    state = x32[x, t.X_STATE] & 15 if x > 0 else 0
    if state != 0 and state != t.X_EARLY_BUST and state != t.X_EARLY_CORRECTION:
        return _fill_again(
            rows, r, at, n, x, out, o64, o32, x64, x32, x_index, p32, pair64, who64, clocks, one
        )
    n = _answer(rows, r, at, n, order, out, o64, o32, p32, who64, clocks, one)
    known = o32[order, t.FLAGS] & t.ANNOUNCED
    account = rows[r, ev.ACCOUNT]
    who = o32[order, t.WHO]
    if known and (account == 0 or account == who64[who, t.W_ACCOUNT]):
        account = who64[who, t.W_ACCOUNT]
    elif known:
        who = who_with_account(who, account, who64, who_index, one)
    else:
        account = account if account != 0 else one[t.UNKNOWN_ACCOUNT]
        who = who_of(rows, r, account, host_build, who64, who_index, one)
    symbol = rows[r, ev.SYMBOL] if rows[r, ev.SYMBOL] != 0 else o32[order, t.SYMBOL]
    sign = sign_of(rows[r, ev.SIDE])
    sideless = sign == 0
    if sideless:
        sign = o32[order, t.SIGN]
    if sign == 0:
        sign = 1  # nobody said: it is exposure all the same
        one[t.UNKNOWN_SIDE] += 1
    package = rows[r, ev.MULTILEG] == ev.Multileg.PACKAGE or (
        o32[order, t.FLAGS] & t.PACKAGE and rows[r, ev.MULTILEG] != ev.Multileg.LEG
    )
    pair = pair_of(account, symbol, pair64, pair_index, one)
    consumed = quantity
    if x == 0:
        x = new_execution(hi, lo, 0, o32, x64, x32, x_index, one)
        state = t.X_LIVE
    elif state == t.X_EARLY_BUST:
        state = t.X_BUSTED
    else:
        consumed = max(quantity, x64[x, t.X_QTY])
        quantity, px = x64[x, t.X_QTY], x64[x, t.X_PX]
        state = t.X_LIVE | t.X_CORRECTED
    if package:
        state = (state & ~15) | t.X_UNBOOKED
    live = state & 15 == t.X_LIVE
    x64[x, t.X_SPACE] = space
    x64[x, t.X_QTY] = quantity
    x64[x, t.X_PX] = px
    x64[x, t.X_AT] = at
    x32[x, t.X_DATE] = rows[r, ev.TRADE_DATE]
    x32[x, t.X_WHO] = who
    x32[x, t.X_PAIR] = pair
    own = still_parent(o32[order, t.PARENT], o32[order, t.DATE], p32)
    parent = _parent_named(rows, r, at, own, text, p64, p32, p_index, p_text, p_books, one)
    if parent < 0:
        parent = own
    if rows[r, ev.MULTILEG] == ev.Multileg.LEG:
        state |= t.X_LEG
    x32[x, t.X_PARENT] = parent
    x32[x, t.X_VENUE] = rows[r, ev.VENUE] if rows[r, ev.VENUE] != 0 else o32[order, t.VENUE]
    x32[x, t.X_ORDER] = order
    x32[x, t.X_STATE] = (
        state | (t.X_SELLS if sign < 0 else 0) | (t.X_SIDELESS if sideless and not known else 0)
    )
    if account != one[t.UNKNOWN_ACCOUNT] and symbol != 0:
        _link(x, pair, x32, pair64, one)
    if order > 0:
        if o32[order, t.FIRST_EXEC] == 0:
            o32[order, t.FIRST_EXEC] = x
        else:
            x32[o32[order, t.LAST_EXEC], t.X_NEXT_ORDER] = x
        o32[order, t.LAST_EXEC] = x
    work = _consume(
        order, consumed if not package or o32[order, t.FLAGS] & t.PACKAGE else 0, at, o64, o32, one
    )
    head(out, n, PostingKind.EXECUTED, rows, r, at, clocks, one)
    of_order(out, n, order, o64, o32, who64, p32, one)
    of_who(out, n, who, who64)
    out[n, po.SYMBOL], out[n, po.PAIR], out[n, po.SIGN] = symbol, pair, sign
    out[n, po.VENUE] = x32[x, t.X_VENUE]
    of_parent(out, n, parent, symbol, sign, p32, one)
    out[n, po.QTY], out[n, po.PX], out[n, po.WORK], out[n, po.EXEC] = quantity, px, work, x
    if live:
        out[n, po.FILL] = quantity
        out[n, po.POS] = sign * quantity
        out[n, po.BASE] = book(sign * quantity, at, pair, pair64)
        o64[order, t.FILLED] += quantity
    if package:
        out[n, po.BITS] |= Note.PACKAGE
    return n + 1


@inlined
def _consume(order, quantity, at, o64, o32, one):
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
def _of_execution(out, n, x, o64, o32, x32, x64, pair64, who64, p32, one):
    """Attribute a posting to an execution, which remembers its own, over what its order says."""
    if x32[x, t.X_ORDER] > 0:
        of_order(out, n, x32[x, t.X_ORDER], o64, o32, who64, p32, one)
    if x32[x, t.X_STATE] & 15 == t.X_UNBOOKED:
        out[n, po.BITS] |= Note.PACKAGE
    of_who(out, n, x32[x, t.X_WHO], who64)
    sign = -1 if x32[x, t.X_STATE] & t.X_SELLS else 1
    out[n, po.EXEC] = x
    out[n, po.ORDER] = x32[x, t.X_ORDER] if x32[x, t.X_ORDER] > 0 else -1
    out[n, po.PAIR] = x32[x, t.X_PAIR]
    out[n, po.SYMBOL] = pair64[x32[x, t.X_PAIR], t.PAIR_SYMBOL]
    out[n, po.ACCOUNT] = pair64[x32[x, t.X_PAIR], t.PAIR_ACCOUNT]
    out[n, po.VENUE] = x32[x, t.X_VENUE]
    out[n, po.SIGN] = sign
    out[n, po.QTY] = x64[x, t.X_QTY]
    out[n, po.PX] = x64[x, t.X_PX]
    parent = still_parent(x32[x, t.X_PARENT], x32[x, t.X_DATE], p32)
    of_parent(out, n, parent, out[n, po.SYMBOL], sign, p32, one)
    return sign


@compiled
def _fill_again(rows, r, at, n, x, out, o64, o32, x64, x32, x_index, p32, pair64, who64, clocks, one):
    """The same execution once more: a no-op, or a conflict in which the larger exposure counts."""
    state = x32[x, t.X_STATE]
    same = rows[r, ev.LAST_QTY] == x64[x, t.X_QTY] and rows[r, ev.LAST_PX] == x64[x, t.X_PX]
    if rows[r, ev.SIDE] != 0 and not state & t.X_SIDELESS:
        same = same and (sign_of(rows[r, ev.SIDE]) < 0) == (state & t.X_SELLS != 0)
    conflict = state & 15 == t.X_LIVE and not same and not state & t.X_CORRECTED
    head(out, n, PostingKind.CONFLICT if conflict else PostingKind.DUPLICATE, rows, r, at, clocks, one)
    sign = _of_execution(out, n, x, o64, o32, x32, x64, pair64, who64, p32, one)
    if not conflict:
        one[t.DUPLICATES] += 1
        return n + 1
    one[t.CONFLICTS] += 1
    theirs = float(rows[r, ev.LAST_QTY]) * abs(float(rows[r, ev.LAST_PX]))
    larger = theirs > float(x64[x, t.X_QTY]) * abs(float(x64[x, t.X_PX]))
    if larger:
        change = rows[r, ev.LAST_QTY] - x64[x, t.X_QTY]
        _rebook(out, n, x, change, sign, at, x64, x32, x_index, o64, o32, pair64, one)
        x64[x, t.X_QTY] = rows[r, ev.LAST_QTY]
        x64[x, t.X_PX] = rows[r, ev.LAST_PX]
        out[n, po.QTY], out[n, po.PX] = rows[r, ev.LAST_QTY], rows[r, ev.LAST_PX]
    return n + 1


@compiled
def _rebook(out, n, x, change, sign, at, x64, x32, x_index, o64, o32, pair64, one):
    """Post a change of an execution's quantity.  More takes from the leaves, less gives none back."""
    order = x32[x, t.X_ORDER]
    if order > 0:
        o64[order, t.FILLED] += change
        if change > 0:
            out[n, po.WORK] = _consume(order, change, at, o64, o32, one)
    out[n, po.FILL] = change
    out[n, po.POS] = sign * change
    out[n, po.BASE] = book(sign * change, at, x32[x, t.X_PAIR], pair64)
    if x32[x, t.X_STATE] & t.X_LINKED:
        y = new_execution(x64[x, t.X_HI], x64[x, t.X_LO], x, o32, x64, x32, x_index, one)
        x64[y, t.X_AT], x64[y, t.X_QTY] = at, sign * change
        x32[y, t.X_STATE], x32[y, t.X_ORDER] = t.X_CHANGE, x
        _link(y, x32[x, t.X_PAIR], x32, pair64, one)


@compiled
def _undo(rows, r, at, n, kind, out, o64, o32, x64, x32, x_index, p32, pair64, who64, clocks, one):
    """A bust or a correction of an execution, perhaps told before it."""
    space = space_of(rows, r, -1, o32) if rows[r, ev.VENUE] != 0 or rows[r, ev.SESSION] != 0 else 0
    hi, lo = rows[r, ev.EXEC_REF_HI], rows[r, ev.EXEC_REF_LO]
    x = find_execution(hi, lo, space, 0, -1, rows[r, ev.TRADE_DATE], True, x64, x32, x_index, who64, one)
    corrects, quantity, px, early_name = kind == Kind.FILL_CORRECT, ev.NONE, ev.NONE, 0
    bust = not corrects
    if corrects:
        quantity, px = rows[r, ev.LAST_QTY], rows[r, ev.LAST_PX]
        early_name = _told_before_it(rows, r, x, space, x64, x32, x_index, who64, one)
        if early_name > 0:  # what was told of this correction before it came holds now
            bust = x32[early_name, t.X_STATE] & 15 == t.X_EARLY_BUST
            quantity, px = x64[early_name, t.X_QTY], x64[early_name, t.X_PX]
    what = PostingKind.BUSTED if bust else PostingKind.CORRECTED
    if x == 0:
        x = new_execution(hi, lo, early_name, o32, x64, x32, x_index, one)
        x64[x, t.X_SPACE] = space
        x64[x, t.X_AT] = at
        x32[x, t.X_DATE] = rows[r, ev.TRADE_DATE]
        x32[x, t.X_STATE] = t.X_EARLY_BUST if bust else t.X_EARLY_CORRECTION
        if corrects:
            x64[x, t.X_QTY] = quantity
            x64[x, t.X_PX] = px
            _alias(rows, r, x, early_name, o32, x64, x32, x_index, one)
        head(out, n, what, rows, r, at, clocks, one)
        of_event(out, n, rows, r)
        out[n, po.BITS] |= Note.ORDER_UNKNOWN
        return n + 1
    state = x32[x, t.X_STATE]
    early = state & 15 == t.X_EARLY_CORRECTION or state & 15 == t.X_EARLY_BUST
    gone = state & 15 == t.X_BUSTED or state & 15 == t.X_EARLY_BUST
    named = corrects and names_already(rows[r, ev.EXEC_HI], rows[r, ev.EXEC_LO], x, x64, x32, x_index, one)
    again = gone or named or (not bust and x64[x, t.X_QTY] == quantity and x64[x, t.X_PX] == px)
    if not again and not early and (bust or quantity < x64[x, t.X_QTY]):
        if not _is_owner(rows, r, x32[x, t.X_ORDER], o32, who64):
            what = PostingKind.EVENT  # a router does not lower what another one's order executed
            one[t.NOT_OWNER] += 1
    head(out, n, PostingKind.DUPLICATE if again else what, rows, r, at, clocks, one)
    if early:
        of_event(out, n, rows, r)
        sign = 1
    else:
        sign = _of_execution(out, n, x, o64, o32, x32, x64, pair64, who64, p32, one)
    if what == PostingKind.EVENT:
        return n + 1
    if corrects and not named:
        _alias(rows, r, x, early_name, o32, x64, x32, x_index, one)
    if again:
        one[t.DUPLICATES] += 1
        return n + 1
    live = state & 15 == t.X_LIVE
    if bust:
        if live:
            _rebook(out, n, x, -x64[x, t.X_QTY], sign, at, x64, x32, x_index, o64, o32, pair64, one)
        x32[x, t.X_STATE] = (state & ~15) | (t.X_EARLY_BUST if early else t.X_BUSTED)
        return n + 1
    if live:
        change = quantity - x64[x, t.X_QTY]
        _rebook(out, n, x, change, sign, at, x64, x32, x_index, o64, o32, pair64, one)
    x64[x, t.X_QTY] = quantity
    x64[x, t.X_PX] = px
    x32[x, t.X_STATE] |= t.X_CORRECTED
    out[n, po.QTY], out[n, po.PX] = quantity, px
    return n + 1


@inlined
def _told_before_it(rows, r, x, space, x64, x32, x_index, who64, one):
    """A bust or a correction that named this correction's exec id before it came; 0 if there was none."""
    if rows[r, ev.EXEC_HI] == 0 and rows[r, ev.EXEC_LO] == 0:
        return 0
    if space == 0 and x > 0:
        space = x64[x, t.X_SPACE]
    hi, lo, date = rows[r, ev.EXEC_HI], rows[r, ev.EXEC_LO], rows[r, ev.TRADE_DATE]
    y = find_execution(hi, lo, space, 0, -1, date, True, x64, x32, x_index, who64, one)
    early = x32[y, t.X_STATE] & 15 == t.X_EARLY_BUST or x32[y, t.X_STATE] & 15 == t.X_EARLY_CORRECTION
    return y if y > 0 and y != x and early else 0


@inlined
def _alias(rows, r, x, early_name, o32, x64, x32, x_index, one):
    """A correction has an exec id of its own; a later bust may name it, or an earlier one has."""
    if rows[r, ev.EXEC_HI] == 0 and rows[r, ev.EXEC_LO] == 0:
        return
    if rows[r, ev.EXEC_HI] == rows[r, ev.EXEC_REF_HI] and rows[r, ev.EXEC_LO] == rows[r, ev.EXEC_REF_LO]:
        return
    other, ahead = early_name, 0
    if other == 0:
        other = new_execution(rows[r, ev.EXEC_HI], rows[r, ev.EXEC_LO], x, o32, x64, x32, x_index, one)
    elif not is_older(x, other, x64, one):
        ahead = t.X_AHEAD
    x32[other, t.X_STATE] = t.X_ALIAS | ahead
    x32[other, t.X_ORDER] = x


@compiled
def _parent_told(
    rows, r, at, n, kind, text, out, p64, p32, p_index, p_text, p_books, who64, who_index, host_build, clocks,
    one,
):  # fmt: skip
    """Everything that is said of a parent order."""
    parent = find_parent(rows, r, p64, p_index)
    flags = p32[parent, t.P_FLAGS]
    if kind == Kind.PARENT_NEW and parent > 0 and flags & t.P_KNOWN:
        if not has_ended(parent, p64, p32) or p32[parent, t.P_DATE] >= rows[r, ev.TRADE_DATE]:
            head(out, n, PostingKind.DUPLICATE, rows, r, at, clocks, one)
            of_event(out, n, rows, r)
            out[n, po.PARENT] = parent
            one[t.DUPLICATES] += 1
            return n + 1
        parent = 0
    elif kind == Kind.PARENT_NEW and is_over(rows, r, at, parent, p64, p32):
        parent = 0  # nobody announced the one of that id; it was another day's
    if parent == 0:
        parent = new_parent(rows, r, at, text, p64, p32, p_index, p_text, p_books, one)
    p64[parent, t.P_TOUCHED_AT] = max(at, p64[parent, t.P_TOUCHED_AT])
    what = PostingKind.DUPLICATE
    quantity = rows[r, ev.QTY]
    px = rows[r, ev.PRICE]
    if kind == Kind.PARENT_NEW:
        what = PostingKind.PARENT_OPENED
        p32[parent, t.P_FLAGS] |= t.P_KNOWN
        p32[parent, t.P_DATE] = rows[r, ev.TRADE_DATE]
        p32[parent, t.P_WHO] = who_of(rows, r, rows[r, ev.ACCOUNT], host_build, who64, who_index, one)
        p32[parent, t.P_SYMBOL] = rows[r, ev.SYMBOL]
        p32[parent, t.P_SIGN] = sign_of(rows[r, ev.SIDE])
        if p64[parent, t.P_QTY] == 0:
            p64[parent, t.P_QTY] = quantity
        if parent == 0:
            p32[parent, t.P_FLAGS] = 0  # the bucket has no quantity of its own to be held to
    elif kind == Kind.PARENT_REPLACE:
        if quantity != p64[parent, t.P_QTY] or p32[parent, t.P_FLAGS] & t.P_DONE:
            what = PostingKind.PARENT_AMENDED
        p64[parent, t.P_QTY] = quantity
        p32[parent, t.P_FLAGS] &= ~t.P_DONE
    elif kind == Kind.PARENT_SUSPEND:
        held = rows[r, ev.BITS] & ev.Bit.SUSPENDED != 0
        if held != (flags & t.P_HELD != 0):
            what = PostingKind.PARENT_HELD if held else PostingKind.PARENT_RELEASED
        p32[parent, t.P_FLAGS] = (flags | t.P_HELD) if held else (flags & ~t.P_HELD)
        quantity, px = ev.NONE, ev.NONE
    elif kind == Kind.PARENT_FILL:
        px = rows[r, ev.LAST_PX]
        if rows[r, ev.CUM_QTY] != ev.NONE:
            quantity = rows[r, ev.CUM_QTY] - p64[parent, t.P_BOOKED]
            if quantity != 0:
                what = PostingKind.PARENT_BOOKED
        elif not booked_before(parent, rows, r, p64, p_books):
            quantity = rows[r, ev.LAST_QTY]
            what = PostingKind.PARENT_BOOKED
        else:
            quantity = 0
        p64[parent, t.P_BOOKED] += quantity
    else:
        if not flags & t.P_DONE:
            what = PostingKind.PARENT_DONE
        p32[parent, t.P_FLAGS] |= t.P_DONE
        quantity, px = ev.NONE, ev.NONE
    head(out, n, what, rows, r, at, clocks, one)
    of_event(out, n, rows, r)
    if p32[parent, t.P_FLAGS] & t.P_KNOWN:
        of_who(out, n, p32[parent, t.P_WHO], who64)
        out[n, po.SYMBOL] = p32[parent, t.P_SYMBOL]
        out[n, po.SIGN] = p32[parent, t.P_SIGN]
    else:
        out[n, po.BITS] |= Note.PARENT_UNKNOWN | (Note.BEFORE_START if one[t.COLD] else 0)
    out[n, po.PARENT] = parent
    out[n, po.QTY], out[n, po.PX] = quantity, px
    if what == PostingKind.DUPLICATE:
        one[t.DUPLICATES] += 1
    return n + 1


@inlined
def _reference(rows, r, at, n, kind, out, x64, x32, pair64, pair_index, host_build, clocks, one):
    """What is known from elsewhere: positions, prices, rates, phases; and what is nothing to the ledger."""
    what = PostingKind.EVENT
    pair, change, quantity, px, venue = 0, 0, ev.NONE, ev.NONE, rows[r, ev.VENUE]
    if kind == Kind.POSITION:
        pair = pair_of(rows[r, ev.ACCOUNT], rows[r, ev.SYMBOL], pair64, pair_index, one)
        if rows[r, ev.AS_OF] < pair64[pair, t.PAIR_AS_OF]:
            what = PostingKind.DUPLICATE
            one[t.DUPLICATES] += 1
        else:
            what = PostingKind.POSITION_SET
            quantity, px = rows[r, ev.QTY], rows[r, ev.PRICE]
            since, link = 0, 1 + one[t.N_LINKS] % (t.LINKS - 1)
            x = pair64[pair, t.PAIR_LAST_EXEC]
            while x != 0 and linked_before(x32[x, t.X_LINK], link):  # else the ring has forgotten it
                link = x32[x, t.X_LINK]
                state = x32[x, t.X_STATE]
                if state & t.X_CHANGE:  # of an execution that the stated position still held whole
                    of = x32[x, t.X_ORDER]
                    is_kept = linked_before(x32[of, t.X_LINK], link)
                    if is_kept and x64[of, t.X_AT] <= rows[r, ev.AS_OF] < x64[x, t.X_AT]:
                        since += x64[x, t.X_QTY]
                elif state & 15 == t.X_LIVE and x64[x, t.X_AT] > rows[r, ev.AS_OF]:
                    since += -x64[x, t.X_QTY] if state & t.X_SELLS else x64[x, t.X_QTY]
                x = x32[x, t.X_NEXT_PAIR]
            change = quantity + since - pair64[pair, t.PAIR_POS] - pair64[pair, t.PAIR_BASE]
            pair64[pair, t.PAIR_BASE] += change
            pair64[pair, t.PAIR_AS_OF] = rows[r, ev.AS_OF]
    elif kind == Kind.MARK:
        what = PostingKind.MARKED
        px = rows[r, ev.PRICE]
    elif kind == Kind.FX:
        what = PostingKind.RATED
        px = rows[r, ev.USD]
        venue = rows[r, ev.CURRENCY]
    elif kind == Kind.INSTRUMENT:
        what = PostingKind.INSTRUMENT
    elif kind == Kind.HEARTBEAT:
        if 0 < rows[r, ev.HOST] < host_build.size:
            host_build[rows[r, ev.HOST]] = rows[r, ev.BUILD]
    elif kind == Kind.SESSION_PHASE:
        if rows[r, ev.PHASE] == ev.Phase.PRE_OPEN:
            one[t.COLD] = 0
        elif rows[r, ev.PHASE] == ev.Phase.CLOSED:
            one[t.TODO] = CLOSING
            one[t.TODO_CURSOR] = 1
    head(out, n, what, rows, r, at, clocks, one)
    of_event(out, n, rows, r)
    out[n, po.VENUE], out[n, po.PAIR], out[n, po.QTY], out[n, po.PX], out[n, po.BASE] = (
        venue,
        pair,
        quantity,
        px,
        change,
    )
    return n + 1


@compiled
def _close(rows, r, at, n, out, o64, o32, p32, who64, clocks, one):
    """The venue has closed: its day orders are out."""
    order = one[t.TODO_CURSOR]
    while order <= one[t.N_ORDERS]:
        if n >= out.shape[0]:
            one[t.TODO_CURSOR] = order
            return n
        live = t.OPEN | t.ANNOUNCED | t.DAY
        today = (
            o32[order, t.DATE] <= rows[r, ev.TRADE_DATE]
        )  # yesterday's close, told late, ends none of today's
        if today and o32[order, t.FLAGS] & live == live and o32[order, t.VENUE] == rows[r, ev.VENUE]:
            head(out, n, PostingKind.ORDER_OUT, rows, r, at, clocks, one)
            of_order(out, n, order, o64, o32, who64, p32, one)
            out[n, po.QTY] = o64[order, t.QTY]
            out[n, po.WORK] = -o64[order, t.WORKING]
            o64[order, t.WORKING] = 0
            o32[order, t.FLAGS] = (o32[order, t.FLAGS] | t.KILLED) & ~t.OPEN
            retire(order, at, o64, o32, one)
            n += 1
        order += 1
    one[t.TODO] = 0
    return n
