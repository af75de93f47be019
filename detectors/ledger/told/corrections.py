"""An execution was busted or corrected, perhaps before it was told."""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.event import Kind
from detectors.kernel import compiled, inlined
from detectors.ledger import tables as t
from detectors.ledger.emit import head, of_event, of_execution
from detectors.ledger.executions import find_execution, is_older, names_already, new_execution, space_of
from detectors.ledger.orders import is_owner
from detectors.ledger.told.fills import rebook
from detectors.posting import Note, PostingKind


@compiled
def undo(rows, r, at, n, kind, out, o64, o32, x64, x32, x_index, p32, pair64, who64, clocks, one):
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
        if not is_owner(rows, r, x32[x, t.X_ORDER], o32, who64):
            what = PostingKind.EVENT  # a router does not lower what another one's order executed
            one[t.NOT_OWNER] += 1
    head(out, n, PostingKind.DUPLICATE if again else what, rows, r, at, clocks, one)
    if early:
        of_event(out, n, rows, r)
        sign = 1
    else:
        sign = of_execution(out, n, x, o64, o32, x32, x64, pair64, who64, p32, one)
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
            rebook(out, n, x, -x64[x, t.X_QTY], sign, at, x64, x32, x_index, o64, o32, pair64, one)
        x32[x, t.X_STATE] = (state & ~15) | (t.X_EARLY_BUST if early else t.X_BUSTED)
        return n + 1
    if live:
        change = quantity - x64[x, t.X_QTY]
        rebook(out, n, x, change, sign, at, x64, x32, x_index, o64, o32, pair64, one)
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
