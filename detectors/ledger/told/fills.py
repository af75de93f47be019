"""An execution was told, or the same one once more; and how a change of one is booked."""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.kernel import compiled, inlined
from detectors.ledger import tables as t
from detectors.ledger.attribution import pair_of, who_of, who_with_account
from detectors.ledger.emit import head, of_execution, of_order, of_parent, of_who, sign_of
from detectors.ledger.executions import (
    book,
    find_execution,
    link_to_pair,
    new_execution,
    session_of,
    space_of,
)
from detectors.ledger.orders import consume, heard_of
from detectors.ledger.parents import parent_named, still_parent
from detectors.ledger.told.orders import answer
from detectors.posting import Note, PostingKind


@inlined
def fill(
    rows, r, at, n, text, out, o64, o32, id64, id32, id_index, x64, x32, x_index,
    p64, p32, p_index, p_text, p_books, pair64, pair_index, who64, who_index, host_build, clocks, one,
):  # fmt: skip
    """An execution: the same one counts once, with whoever owns its order."""
    order = heard_of(
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
    n = answer(rows, r, at, n, order, out, o64, o32, p32, who64, clocks, one)
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
    parent = parent_named(rows, r, at, own, text, p64, p32, p_index, p_text, p_books, one)
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
        link_to_pair(x, pair, x32, pair64, one)
    if order > 0:
        if o32[order, t.FIRST_EXEC] == 0:
            o32[order, t.FIRST_EXEC] = x
        else:
            x32[o32[order, t.LAST_EXEC], t.X_NEXT_ORDER] = x
        o32[order, t.LAST_EXEC] = x
    work = consume(
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


@compiled
def _fill_again(rows, r, at, n, x, out, o64, o32, x64, x32, x_index, p32, pair64, who64, clocks, one):
    """The same execution once more: a no-op, or a conflict in which the larger exposure counts."""
    state = x32[x, t.X_STATE]
    same = rows[r, ev.LAST_QTY] == x64[x, t.X_QTY] and rows[r, ev.LAST_PX] == x64[x, t.X_PX]
    if rows[r, ev.SIDE] != 0 and not state & t.X_SIDELESS:
        same = same and (sign_of(rows[r, ev.SIDE]) < 0) == (state & t.X_SELLS != 0)
    conflict = state & 15 == t.X_LIVE and not same and not state & t.X_CORRECTED
    head(out, n, PostingKind.CONFLICT if conflict else PostingKind.DUPLICATE, rows, r, at, clocks, one)
    sign = of_execution(out, n, x, o64, o32, x32, x64, pair64, who64, p32, one)
    if not conflict:
        one[t.DUPLICATES] += 1
        return n + 1
    one[t.CONFLICTS] += 1
    theirs = float(rows[r, ev.LAST_QTY]) * abs(float(rows[r, ev.LAST_PX]))
    larger = theirs > float(x64[x, t.X_QTY]) * abs(float(x64[x, t.X_PX]))
    if larger:
        change = rows[r, ev.LAST_QTY] - x64[x, t.X_QTY]
        rebook(out, n, x, change, sign, at, x64, x32, x_index, o64, o32, pair64, one)
        x64[x, t.X_QTY] = rows[r, ev.LAST_QTY]
        x64[x, t.X_PX] = rows[r, ev.LAST_PX]
        out[n, po.QTY], out[n, po.PX] = rows[r, ev.LAST_QTY], rows[r, ev.LAST_PX]
    return n + 1


@compiled
def rebook(out, n, x, change, sign, at, x64, x32, x_index, o64, o32, pair64, one):
    """Post a change of an execution's quantity.  More takes from the leaves, less gives none back."""
    order = x32[x, t.X_ORDER]
    if order > 0:
        o64[order, t.FILLED] += change
        if change > 0:
            out[n, po.WORK] = consume(order, change, at, o64, o32, one)
    out[n, po.FILL] = change
    out[n, po.POS] = sign * change
    out[n, po.BASE] = book(sign * change, at, x32[x, t.X_PAIR], pair64)
    if x32[x, t.X_STATE] & t.X_LINKED:
        y = new_execution(x64[x, t.X_HI], x64[x, t.X_LO], x, o32, x64, x32, x_index, one)
        x64[y, t.X_AT], x64[y, t.X_QTY] = at, sign * change
        x32[y, t.X_STATE], x32[y, t.X_ORDER] = t.X_CHANGE, x
        link_to_pair(y, x32[x, t.X_PAIR], x32, pair64, one)
