"""Writing one posting: its head from the event, its attribution from whom it concerns."""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.kernel import inlined
from detectors.ledger import tables as t
from detectors.ledger.parents import still_parent


@inlined
def head(out, n, kind, rows, r, at, clocks, one):
    """Begin posting `n`, attributed to nobody.  (Cells, not row views: a view costs a reference count.)"""
    for column in range(po.COLUMNS):
        out[n, column] = 0
    part = rows[r, ev.PART]
    out[n, po.KIND] = kind
    out[n, po.ROW] = r
    out[n, po.AT] = at
    out[n, po.CLOCK] = clocks[part if 0 <= part < t.PARTS_MAX else t.PARTS_MAX - 1, t.C_CLOCK]
    out[n, po.LOW] = one[t.LOW]
    out[n, po.PART] = part
    out[n, po.OFFSET] = rows[r, ev.OFFSET]
    out[n, po.ORDER] = -1
    out[n, po.PARENT] = -1
    out[n, po.EXEC] = -1
    out[n, po.PX] = ev.NONE
    out[n, po.QTY] = ev.NONE
    if rows[r, ev.SOURCE] == 3:
        out[n, po.BITS] = po.Note.DROP_COPY
    if rows[r, ev.ORIGIN] > 1:
        out[n, po.BITS] |= po.Note.MANUAL


@inlined
def of_who(out, n, who, who64):
    """Attribute a posting to an attribution."""
    out[n, po.WHO] = who
    out[n, po.ACCOUNT] = who64[who, t.W_ACCOUNT]
    out[n, po.STRATEGY] = who64[who, t.W_STRATEGY]
    out[n, po.HOST] = who64[who, t.W_HOST]
    out[n, po.SESSION] = who64[who, t.W_SESSION]


@inlined
def of_event(out, n, rows, r):
    """Attribute a posting to whom the event itself names."""
    out[n, po.ACCOUNT] = rows[r, ev.ACCOUNT]
    out[n, po.STRATEGY] = rows[r, ev.STRATEGY]
    out[n, po.HOST] = rows[r, ev.HOST]
    out[n, po.SESSION] = rows[r, ev.SESSION]
    out[n, po.SYMBOL] = rows[r, ev.SYMBOL]
    out[n, po.VENUE] = rows[r, ev.VENUE]
    out[n, po.SIGN] = sign_of(rows[r, ev.SIDE])


@inlined
def of_order(out, n, order, o64, o32, who64, p32, one):
    """Attribute a posting to an order and its parent, and note what kind of order it is."""
    flags = o32[order, t.FLAGS]
    of_who(out, n, o32[order, t.WHO], who64)
    out[n, po.ORDER] = order
    out[n, po.SYMBOL] = o32[order, t.SYMBOL]
    out[n, po.VENUE] = o32[order, t.VENUE]
    out[n, po.SIGN] = o32[order, t.SIGN]
    out[n, po.PAIR] = o32[order, t.PAIR]
    out[n, po.SENT_AT] = o64[order, t.SENT_AT]
    if flags & t.CONDITIONAL:
        out[n, po.BITS] |= po.Note.CONDITIONAL
    if flags & t.PACKAGE:
        out[n, po.BITS] |= po.Note.PACKAGE
    if flags & t.MANUAL:
        out[n, po.BITS] |= po.Note.MANUAL
    if flags & t.AUCTION:
        out[n, po.BITS] |= po.Note.AUCTION
    if not flags & t.ANNOUNCED:
        out[n, po.BITS] |= po.Note.ORDER_UNKNOWN
        if one[t.COLD]:
            out[n, po.BITS] |= po.Note.BEFORE_START
    parent = still_parent(o32[order, t.PARENT], o32[order, t.DATE], p32)
    of_parent(out, n, parent, o32[order, t.SYMBOL], o32[order, t.SIGN], p32, one)


@inlined
def of_parent(out, n, parent, symbol, sign, p32, one):
    """Say whose child it is (-1: nobody's), and whether it looks like its parent."""
    out[n, po.PARENT] = parent
    if parent < 0:
        return
    if not p32[parent, t.P_FLAGS] & t.P_KNOWN:
        out[n, po.BITS] |= po.Note.PARENT_UNKNOWN
        if one[t.COLD]:
            out[n, po.BITS] |= po.Note.BEFORE_START
    elif p32[parent, t.P_SYMBOL] != symbol or p32[parent, t.P_SIGN] != sign:
        out[n, po.BITS] |= po.Note.OFF_PARENT


@inlined
def sign_of(side):
    """+1 buys, -1 sells (short too), 0 nobody said."""
    if side == 0:
        return 0
    return 1 if side == 1 else -1


@inlined
def of_execution(out, n, x, o64, o32, x32, x64, pair64, who64, p32, one):
    """Attribute a posting to an execution, which remembers its own, over what its order says."""
    if x32[x, t.X_ORDER] > 0:
        of_order(out, n, x32[x, t.X_ORDER], o64, o32, who64, p32, one)
    if x32[x, t.X_STATE] & 15 == t.X_UNBOOKED:
        out[n, po.BITS] |= po.Note.PACKAGE
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
