"""What is known from elsewhere: positions, prices, rates, phases; at a close, day orders are out."""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.event import Kind
from detectors.kernel import compiled, inlined
from detectors.ledger import tables as t
from detectors.ledger.attribution import pair_of
from detectors.ledger.emit import head, of_event, of_order
from detectors.ledger.executions import linked_before
from detectors.ledger.orders import retire
from detectors.posting import PostingKind


@inlined
def reference(rows, r, at, n, kind, out, x64, x32, pair64, pair_index, host_build, clocks, one):
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
            one[t.TODO] = t.CLOSING
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
def close_day_orders(rows, r, at, n, out, o64, o32, p32, who64, clocks, one):
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
