"""What one posting does to a cell, what the cell has made then, and the sums of its scope.

    made  =  (position x reference - cost) x multiplier x dollars for one

A fill costs its quantity at its price, exactly; a bust takes the same back.  What a statement brings in costs
what it is worth at that moment.  Reference: the symbol's confirmed mark, else the cell's last own fill.
"""

from __future__ import annotations

import numpy as np

from detectors import posting as po
from detectors.event import MONEY, NONE, UNIT
from detectors.kernel import SECOND_NS, inlined
from detectors.loss import tables as tb
from detectors.loss.minute import add, may_be_fast
from detectors.posting import PostingKind
from detectors.pricing import Y_MARK, dollars_for_one, multiplier_of


@inlined
def cost_of(quantity, px):
    """Quantity at a price (1e-8 each) in 1e-4 of its currency."""
    cost = float(quantity) * float(px) * (MONEY / (float(UNIT) * float(UNIT)))
    return np.int64(np.rint(min(max(cost, -tb.PNL_MAX), tb.PNL_MAX)))


@inlined
def price_change(t, postings, i):
    """What a posting's fills cost; also of a correction, whose execution had another price before."""
    kind, x, px = postings[i, po.KIND], postings[i, po.EXEC], postings[i, po.PX]
    px = 0 if px == NONE else px
    cost = cost_of(postings[i, po.POS], px)
    if x < 0 or kind == PostingKind.POSITION_SET:
        return cost
    slot = x % tb.EXECS_MAX
    t.state[tb.ST_EXECS] = max(slot + 1, t.state[tb.ST_EXECS])
    is_known = t.execs[slot, tb.X_EXEC] == x + 1
    if kind == PostingKind.CORRECTED or kind == PostingKind.CONFLICT:
        if not is_known:
            return cost
        qty, sign = postings[i, po.QTY], postings[i, po.SIGN]
        before = cost_of(sign * (qty - postings[i, po.FILL]), t.execs[slot, tb.X_PX])
        t.execs[slot, tb.X_PX] = px
        return cost_of(sign * qty, px) - before
    if (kind == PostingKind.EXECUTED or kind == PostingKind.MOVED_IN) and postings[i, po.POS] != 0:
        t.execs[slot, tb.X_EXEC] = x + 1
        t.execs[slot, tb.X_PX] = px
    elif (kind == PostingKind.BUSTED or kind == PostingKind.MOVED_OUT) and is_known:
        t.execs[slot, tb.X_EXEC] = 0
    return cost


@inlined
def apply(t, postings, i, c, cost):
    """What a posting does to one of its cells."""
    kind, px = postings[i, po.KIND], postings[i, po.PX]
    t.cells[c, tb.C_POS] += postings[i, po.POS] + postings[i, po.BASE]
    t.cells[c, tb.C_COST] += cost
    t.cells[c, tb.C_OPEN] += postings[i, po.BASE]
    if px == NONE or px == 0:
        return
    if kind == PostingKind.EXECUTED or kind == PostingKind.MOVED_IN:
        t.cells[c, tb.C_PX_BEFORE] = t.cells[c, tb.C_PX]
        t.cells[c, tb.C_PX] = px
    elif kind == PostingKind.BUSTED and t.cells[c, tb.C_PX] == px and t.cells[c, tb.C_PX_BEFORE] != 0:
        t.cells[c, tb.C_PX] = t.cells[c, tb.C_PX_BEFORE]
    elif kind == PostingKind.POSITION_SET and t.cells[c, tb.C_PX] == 0:
        t.cells[c, tb.C_PX] = px


@inlined
def revalue(t, c, by_posting, belongs_before, low):
    """What a cell has made now; its scope takes the exact difference.  Passing all tables would cost more."""
    s, symbol = t.cells[c, tb.C_SCOPE], t.cells[c, tb.C_SYMBOL]
    ref = t.symbols[symbol, Y_MARK]
    if ref == 0:
        ref = t.cells[c, tb.C_PX]
    if ref != 0 and t.cells[c, tb.C_OPEN] != 0:
        t.cells[c, tb.C_COST] += cost_of(t.cells[c, tb.C_OPEN], ref)
        t.cells[c, tb.C_OPEN] = 0
    usd, pnl = dollars_for_one(t.symbols, symbol, t.currencies), np.int64(0)
    held = t.cells[c, tb.C_POS] - t.cells[c, tb.C_OPEN]
    unvalued = np.int64(
        t.cells[c, tb.C_OPEN] != 0 or (usd == 0 and (held != 0 or t.cells[c, tb.C_COST] != 0))
    )
    if usd != 0:
        made = float(held) * float(ref) * (MONEY / (float(UNIT) * float(UNIT))) - float(t.cells[c, tb.C_COST])
        value = made * (float(multiplier_of(t.symbols, symbol)) / UNIT) * (float(usd) / UNIT)
        pnl = np.int64(np.rint(min(max(value, -tb.PNL_MAX), tb.PNL_MAX)))
    t.scopes[s, tb.S_UNVALUED] += unvalued - t.cells[c, tb.C_UNVALUED]
    t.cells[c, tb.C_UNVALUED] = unvalued
    change = pnl - t.cells[c, tb.C_PNL]
    if change == 0:
        return
    t.cells[c, tb.C_PNL] = pnl
    if t.scopes[s, tb.S_STAMP] != t.state[tb.ST_STAMP]:
        t.scopes[s, tb.S_STAMP] = t.state[tb.ST_STAMP]
        t.scopes[s, tb.S_BEFORE] = lost(t, s)
    t.scopes[s, tb.S_PNL] += change
    t.scopes[s, tb.S_SAME] = 0
    if belongs_before:
        t.scopes[s, tb.S_BASELINE] += change
    elif by_posting:
        add(t.scopes, s, low // SECOND_NS, change)
    activate(t, s)


@inlined
def lost(t, s):
    """What a scope has lost since its trade date began, 1e-4 dollars; less than zero if it has made some."""
    return t.scopes[s, tb.S_BASELINE] - t.scopes[s, tb.S_PNL]


@inlined
def activate(t, s):
    """A scope is evaluated each second while it stands, or may come to stand, on a rung."""
    if t.scopes[s, tb.S_ACTIVE] != 0:
        return
    is_low = float(lost(t, s)) > t.shares[tb.R_WARN] * float(t.scopes[s, tb.S_DAILY])
    held = t.cross[2 * s, 0] | t.cross[2 * s + 1, 0] | t.scopes[s, tb.S_RUNS] | t.scopes[s, tb.S_RUNS + 1]
    if is_low or held != 0 or may_be_fast(t, s):
        t.scopes[s, tb.S_ACTIVE] = 1
        t.active[t.state[tb.ST_ACTIVE]] = s
        t.state[tb.ST_ACTIVE] += 1
