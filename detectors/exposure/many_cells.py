"""What moves many cells at once: a price, a rate, an instrument, a new trade date, a first statement."""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.evidence import remember
from detectors.exposure import tables as tb
from detectors.exposure.measures import is_above, level_of, measure
from detectors.exposure.reasons import MEASURES
from detectors.exposure.worth import reprice, revalue
from detectors.kernel import compiled, inlined
from detectors.posting import PostingKind
from detectors.pricing import (
    Y_CURRENCY,
    Y_HEAD,
    Y_MARK,
    dollars_for_one,
    filled_at,
    instrument_told,
    marked,
    multiplier_of,
    rate_of,
    rate_told,
)


@inlined
def hear_reference(t, postings, i, rows):
    """A price, a rate or an instrument, and all cells that it moves."""
    if postings[i, po.KIND] == PostingKind.MARKED:
        _hear_mark(t, postings, i)
    else:
        _hear_rate_or_instrument(t, postings, i, rows)


@inlined
def _hear_mark(t, postings, i):
    symbol = postings[i, po.SYMBOL]
    if symbol <= nm.OTHER:
        return
    before = t.symbols[symbol, Y_MARK]
    t.state[tb.ST_SYMBOLS] = max(symbol + 1, t.state[tb.ST_SYMBOLS])
    is_confirmed = marked(t.symbols, symbol, postings[i, po.PX], t.shares[tb.R_NEAR])
    if is_confirmed and t.symbols[symbol, Y_MARK] != before:
        t.state[tb.ST_STAMP] += 1
        _revalue_symbol(t, symbol, postings, i)


@compiled
def _hear_rate_or_instrument(t, postings, i, rows):
    """Dollars for one unit of a currency, or what one unit of a symbol stands for."""
    t.state[tb.ST_STAMP] += 1
    if postings[i, po.KIND] == PostingKind.INSTRUMENT:
        told = instrument_told(t.symbols, postings, i, rows)
        if told != 0:
            t.state[tb.ST_SYMBOLS] = max(told + 1, t.state[tb.ST_SYMBOLS])
            _revalue_symbol(t, told, postings, i)
        return
    currency = rate_told(t.currencies, postings, i)
    if currency == 0:
        return
    for symbol in range(nm.FIRST, t.state[tb.ST_SYMBOLS]):
        if t.symbols[symbol, Y_CURRENCY] == currency:
            _revalue_symbol(t, symbol, postings, i)


@inlined
def prepare(t, postings, i, rows):
    """What a posting moves besides its own cells: a new day, a mark that waited, a first statement."""
    kind, row, account = postings[i, po.KIND], postings[i, po.ROW], postings[i, po.ACCOUNT]
    symbol, px = postings[i, po.SYMBOL], postings[i, po.PX]
    is_moved = kind == PostingKind.MOVED_OUT or kind == PostingKind.MOVED_IN
    date, today = rows[row, ev.TRADE_DATE], t.accounts[account, tb.A_DATE]
    is_new_day, is_first_statement = False, False
    if date > today and not is_moved and postings[i, po.AT] >= rows[row, ev.TS]:
        t.accounts[account, tb.A_DATE] = date
        is_new_day = today != 0  # before the first day it held nothing
    if kind == PostingKind.POSITION_SET and t.accounts[account, tb.A_STATED] == 0:
        t.accounts[account, tb.A_STATED] = 1
        is_first_statement = True
    if is_new_day or is_first_statement:
        t.state[tb.ST_STAMP] += 1
        _revalue_account(t, account, is_new_day)
    if kind == PostingKind.EXECUTED and postings[i, po.POS] != 0 and symbol > nm.OTHER:
        if px != 0 and px != ev.NONE and filled_at(t.symbols, symbol, px, t.shares[tb.R_NEAR]):
            t.state[tb.ST_STAMP] += 1
            _revalue_symbol(t, symbol, postings, i)


@compiled
def _revalue_account(t, account, begins_day):
    """All cells of an account, which was stated for the first time, or begins a day with what it holds."""
    c = t.accounts[account, tb.A_HEAD]
    while c != 0:
        if begins_day:
            t.cells[c, tb.C_DAY_POS] = t.cells[c, tb.C_POS]
        revalue(t, c)
        c = t.cells[c, tb.C_NEXT_OF_ACCOUNT]


@compiled
def _revalue_symbol(t, symbol, postings, i):
    """Every cell of a symbol that is not flat is worth something else."""
    usd = dollars_for_one(t.symbols, symbol, t.currencies)
    t.mark_rates[symbol] = rate_of(t.symbols[symbol, Y_MARK], multiplier_of(t.symbols, symbol), usd)
    has_mark = t.symbols[symbol, Y_MARK] != 0
    c = t.symbols[symbol, Y_HEAD]
    while c != 0:
        if not has_mark:
            reprice(t, c)
        if (
            t.cells[c, tb.C_POS] != 0
            or t.cells[c, tb.C_BUYS] != 0
            or t.cells[c, tb.C_SELLS] != 0
            or t.cells[c, tb.C_BASE] != 0
        ):
            revalue(t, c)
            for j in range(t.plan[t.cells[c, tb.C_GRAIN], tb.G_SHAPES]):
                _remember_price(t, t.cells[c, tb.C_SCOPES + j], postings, i)
        c = t.cells[c, tb.C_NEXT_OF_SYMBOL]


@inlined
def _remember_price(t, s, postings, i):
    """A price that lifts a measure to another rung is evidence: once, however many cells it moves."""
    stamp = t.state[tb.ST_STAMP]
    if t.scopes[s, tb.S_STAMP] != stamp or t.scopes[s, tb.S_SEEN] == stamp:
        return
    if not is_above(t.scopes, s, np.int64(tb.HALF)):
        return
    has_risen = False
    for m in range(MEASURES):
        before = level_of(t.scopes, s, m, t.scopes[s, tb.S_BEFORE + m])
        has_risen |= level_of(t.scopes, s, m, measure(t.scopes, s, m)) > before
    if has_risen:
        t.scopes[s, tb.S_SEEN] = stamp
        part, offset = postings[i, po.PART], postings[i, po.OFFSET]
        remember(t.rings, 2 * s, part, offset, postings[i, po.AT], tb.QUIET_NS)
