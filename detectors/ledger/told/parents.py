"""What is said of a parent order."""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.event import Kind
from detectors.kernel import compiled
from detectors.ledger import tables as t
from detectors.ledger.attribution import who_of
from detectors.ledger.emit import head, of_event, of_who, sign_of
from detectors.ledger.parents import booked_before, find_parent, has_ended, is_over, new_parent
from detectors.posting import Note, PostingKind


@compiled
def parent_told(
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
