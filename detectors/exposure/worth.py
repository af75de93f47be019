"""What one posting does to a cell, what the cell is worth then, and the sums of its scopes.

    qty    =  max(|position + buys|, |position - sells|)          gross  =  qty x rate
    long   =  (position + buys) x rate                            short  =  (position - sells) x rate

A cell is worked out anew whenever anything of it changes, and its scopes take the exact difference.
"""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import posting as po
from detectors.exposure import tables as tb
from detectors.exposure.measures import is_above, measure
from detectors.exposure.reasons import MEASURES
from detectors.kernel import inlined
from detectors.posting import Note, PostingKind
from detectors.pricing import Y_MARK, dollars_for_one, multiplier_of, rate_of, worth


@inlined
def apply(t, postings, i, c, is_position, has_work, sells, date):
    """What one posting does to one of its cells."""
    if c == 0:
        _fill_bucket(t, postings, i)
    else:
        _change(t, postings, i, c, is_position, has_work, sells, date)
        if t.symbols[t.cells[c, tb.C_SYMBOL], Y_MARK] == 0:
            reprice(t, c)
    revalue(t, c)


@inlined
def _fill_bucket(t, postings, i):
    """Pairs over the bound: whatever was filled and works, at the highest price that was seen."""
    t.cells[0, tb.C_POS] = max(t.cells[0, tb.C_POS] + postings[i, po.FILL], 0)
    t.cells[0, tb.C_BUYS] = max(t.cells[0, tb.C_BUYS] + postings[i, po.WORK], 0)
    symbol, px = postings[i, po.SYMBOL], postings[i, po.PX]
    px = t.symbols[symbol, Y_MARK] if px == ev.NONE or px == 0 else px
    usd = dollars_for_one(t.symbols, symbol, t.currencies)
    t.rates[0] = max(t.rates[0], rate_of(px, multiplier_of(t.symbols, symbol), usd))


@inlined
def _change(t, postings, i, c, is_position, has_work, sells, date):
    """Position, working quantity and prices of a cell."""
    kind, px = postings[i, po.KIND], postings[i, po.PX]
    if is_position:
        change = postings[i, po.POS]
        t.cells[c, tb.C_POS] += change
        t.cells[c, tb.C_BASE] += postings[i, po.BASE]
        if change != 0:
            if date < t.accounts[t.cells[c, tb.C_ACCOUNT], tb.A_DATE]:
                t.cells[c, tb.C_DAY_POS] += change  # it belongs to a day that is over, as does its bust
        if change != 0 or is_restated(postings, i):
            _remember_fill(t.cells, postings, i, c)
    if has_work:
        if sells:
            t.cells[c, tb.C_SELLS] += postings[i, po.WORK]
        else:
            t.cells[c, tb.C_BUYS] += postings[i, po.WORK]
    if (
        kind == PostingKind.ORDER_SENT
        or kind == PostingKind.ORDER_CHANGED
        or kind == PostingKind.POSITION_SET
    ):
        if px != ev.NONE and not postings[i, po.BITS] & Note.PACKAGE:
            t.cells[c, tb.C_SAID_PX] = px


@inlined
def is_restated(postings, i):
    """Whether an execution has other numbers now, perhaps only another price."""
    kind = postings[i, po.KIND]
    return (kind == PostingKind.CORRECTED or kind == PostingKind.CONFLICT) and postings[i, po.EXEC] > 0


@inlined
def _remember_fill(cells, postings, i, c):
    """The price of an own fill: a new one, a corrected one, or one that is gone."""
    kind, key, px = postings[i, po.KIND], postings[i, po.EXEC] + 1, postings[i, po.PX]
    if kind == PostingKind.EXECUTED or kind == PostingKind.MOVED_IN:
        if px != ev.NONE and px != 0:
            cells[c, tb.C_FILLED] += 1
            slot = tb.C_FILL + 2 * (cells[c, tb.C_FILLED] % tb.FILLS)
            cells[c, slot] = key
            cells[c, slot + 1] = px
        return
    for k in range(tb.FILLS):
        slot = tb.C_FILL + 2 * k
        if cells[c, slot] == key:
            if kind == PostingKind.BUSTED or kind == PostingKind.MOVED_OUT:
                cells[c, slot] = 0
            elif px != ev.NONE and px != 0:
                cells[c, slot + 1] = px


@inlined
def reprice(t, c):
    """The cell's own rate, for a symbol without a mark: by its last fill, else what was said; 0.0 if none."""
    symbol, px, head = t.cells[c, tb.C_SYMBOL], 0, t.cells[c, tb.C_FILLED]
    for back in range(tb.FILLS):
        slot = tb.C_FILL + 2 * ((head - back) % tb.FILLS)
        if px == 0 and t.cells[c, slot] != 0:
            px = t.cells[c, slot + 1]
    if px == 0:
        px = t.cells[c, tb.C_SAID_PX]
    usd = dollars_for_one(t.symbols, symbol, t.currencies)
    t.rates[c] = rate_of(px, multiplier_of(t.symbols, symbol), usd)


@inlined
def rate_for(t, c):
    """What counts for a cell: its symbol's mark, else its own rate; 0.0 if it has no price."""
    symbol = t.cells[c, tb.C_SYMBOL]
    return t.rates[c] if t.symbols[symbol, Y_MARK] == 0 else t.mark_rates[symbol]


@inlined
def revalue(t, c):
    """What the cell is worth now, on each basis that a limit asks for."""
    rate = rate_for(t, c)
    for basis in range(2):
        if not t.limits[tb.L_BASES] & (1 << basis):
            continue
        position = t.cells[c, tb.C_POS]
        if basis == tb.INTRADAY:
            position -= t.cells[c, tb.C_DAY_POS]
        else:
            position += t.cells[c, tb.C_BASE]
        up, down = position + t.cells[c, tb.C_BUYS], position - t.cells[c, tb.C_SELLS]
        qty = max(abs(up), abs(down))
        gross, long, short, unpriced, unstated = 0, 0, 0, 0, 0
        if qty != 0:
            if rate > 0.0:
                gross, long, short = worth(qty, rate), worth(up, rate), worth(down, rate)
            else:
                gross, unpriced = t.limits[tb.L_UNPRICED], 1
                long = gross if up > 0 else (-gross if up < 0 else 0)
                short = gross if down > 0 else (-gross if down < 0 else 0)
            if basis == tb.TOTAL and t.accounts[t.cells[c, tb.C_ACCOUNT], tb.A_STATED] == 0:
                unstated = 1
        _sum_up(t, c, basis, (gross, long, short, qty, unpriced, unstated))


@inlined
def _sum_up(t, c, basis, values):
    """Write a cell's values, in the order of `V_GROSS` and so on, and give its scopes the differences."""
    first = tb.C_VALUES + tb.N_VALUES * basis
    is_same = True
    for v in range(tb.N_VALUES):
        is_same &= values[v] == t.cells[c, first + v]
    if is_same:
        return
    coarse = (values[tb.V_GROSS] >> tb.COARSE_BITS) - (t.cells[c, first] >> tb.COARSE_BITS)
    stamp = t.state[tb.ST_STAMP]
    for j in range(t.plan[t.cells[c, tb.C_GRAIN], tb.G_SHAPES]):
        s = t.cells[c, tb.C_SCOPES + j]
        if s == 0 or t.scopes[s, tb.S_WATCHED] == 0 or t.scopes[s, tb.S_BASIS] != basis:
            continue
        if t.scopes[s, tb.S_STAMP] != stamp:
            t.scopes[s, tb.S_STAMP] = stamp
            for m in range(MEASURES):
                t.scopes[s, tb.S_BEFORE + m] = measure(t.scopes, s, m)
        for v in range(tb.N_VALUES):
            t.scopes[s, tb.S_VALUES + v] += values[v] - t.cells[c, first + v]
        t.scopes[s, tb.S_COARSE] += coarse
        # One that stood above the floor when it was dropped is seen to fall too: growth begins from there.
        stood = t.scopes[s, tb.S_RING] > t.limits[tb.L_FLOOR]
        if t.scopes[s, tb.S_ACTIVE] == 0 and (stood or is_above(t.scopes, s, np.int64(tb.FLOOR))):
            t.scopes[s, tb.S_ACTIVE] = 1
            t.active[t.state[tb.ST_ACTIVE]] = s
            t.state[tb.ST_ACTIVE] += 1
    for v in range(tb.N_VALUES):
        t.cells[c, first + v] = values[v]
