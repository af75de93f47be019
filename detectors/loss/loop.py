"""The loop over postings: seconds that are due, then what each posting moves, then whom that concerns."""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.kernel import compiled, inlined
from detectors.ledger import tables as lt
from detectors.loss import tables as tb
from detectors.loss.cells import find_legs, is_idle
from detectors.loss.judging import judge_posting, keep, tick
from detectors.loss.tables import Tables
from detectors.loss.worth import activate, apply, price_change, revalue
from detectors.posting import PostingKind
from detectors.pricing import (
    Y_CURRENCY,
    Y_HEAD,
    Y_MARK,
    currency_asked,
    filled_at,
    instrument_told,
    is_reference,
    marked,
    rate_told,
)


@compiled
def judge(postings, start, rows, *tables):  # noqa: ANN002  Tables
    """Judge postings from `start`; returns (next posting, hits); stops where hits are full or it must ask."""
    t = Tables(*tables)
    n = np.int64(0)
    for i in range(start, postings.shape[0]):
        if postings[i, po.LOW] >= t.state[tb.ST_NEXT_NS] and postings[i, po.LOW] > 0:
            n, done = tick(t, postings[i, po.LOW], postings[i, po.ROW], n)
            if not done:
                return i, n
        if is_reference(postings[i, po.KIND]):
            t.state[tb.ST_CURRENCY] = currency_asked(t.currencies, postings, i, rows)
            if t.state[tb.ST_CURRENCY] != 0:
                return i, n
            _hear_reference(t, postings, i, rows)
        elif not is_idle(postings, i):
            if n + tb.HITS_OF_ONE > t.hits.shape[0]:
                return i, n
            find_legs(t, postings, i)
            if t.state[tb.ST_ANSWERED] < t.state[tb.ST_SCOPES]:
                return i, n
            n = _book(t, postings, i, rows, n)
    return postings.shape[0], n


@inlined
def _book(t, postings, i, rows, n):
    """A posting that made or lost something, of each scope that it is in."""
    kind, px, symbol = postings[i, po.KIND], postings[i, po.PX], postings[i, po.SYMBOL]
    if kind == PostingKind.EXECUTED and postings[i, po.POS] != 0 and symbol > nm.OTHER:
        if px != 0 and px != ev.NONE and filled_at(t.symbols, symbol, px, t.shares[tb.R_NEAR]):
            t.state[tb.ST_STAMP] += 1
            _revalue_symbol(t, postings, i, symbol)
    if kind != PostingKind.MOVED_IN:  # it is one with the MOVED_OUT before it
        t.state[tb.ST_STAMP] += 1
    cost, date = price_change(t, postings, i), _date_of(t.x32, postings, i, rows)
    low = postings[i, po.LOW]
    for shape in range(t.legs.shape[0]):
        c = t.legs[shape]
        if c != 0:
            _begin_day(t, postings, i, rows, t.cells[c, tb.C_SCOPE])
            apply(t, postings, i, c, cost)
            revalue(t, c, True, date < t.scopes[t.cells[c, tb.C_SCOPE], tb.S_DATE], low)
    if kind != PostingKind.MOVED_OUT:
        for shape in range(t.legs.shape[0]):
            if t.legs[shape] != 0:
                n = judge_posting(t, postings, i, t.cells[t.legs[shape], tb.C_SCOPE], n)
    return n


@inlined
def _begin_day(t, postings, i, rows, s):
    """A scope's day begins with its first posting of a later trade date: what it lost before is over."""
    kind, row = postings[i, po.KIND], postings[i, po.ROW]
    is_moved = kind == PostingKind.MOVED_OUT or kind == PostingKind.MOVED_IN
    date = rows[row, ev.TRADE_DATE]
    if date > t.scopes[s, tb.S_DATE] and not is_moved and postings[i, po.AT] >= rows[row, ev.TS]:
        t.scopes[s, tb.S_DATE] = date
        t.scopes[s, tb.S_BASELINE] = t.scopes[s, tb.S_PNL]
        t.scopes[s, tb.S_SAME] = 0
        activate(t, s)


@inlined
def _date_of(x32, postings, i, rows):
    """The trade date that an execution belongs to, or else its event."""
    if postings[i, po.EXEC] >= 0 and postings[i, po.KIND] != PostingKind.EXECUTED:
        return np.int64(x32[postings[i, po.EXEC], lt.X_DATE])
    return rows[postings[i, po.ROW], ev.TRADE_DATE]


@compiled
def _hear_reference(t, postings, i, rows):
    """A price, a rate or an instrument, and all cells that it moves."""
    kind, symbol = postings[i, po.KIND], postings[i, po.SYMBOL]
    t.state[tb.ST_STAMP] += 1
    if kind == PostingKind.RATED:
        currency = rate_told(t.currencies, postings, i)
        if currency != 0:
            for each in range(nm.FIRST, t.state[tb.ST_SYMBOLS]):
                if t.symbols[each, Y_CURRENCY] == currency:
                    _revalue_symbol(t, postings, i, each)
    elif symbol > nm.OTHER:
        t.state[tb.ST_SYMBOLS] = max(symbol + 1, t.state[tb.ST_SYMBOLS])
        before = t.symbols[symbol, Y_MARK]
        if kind == PostingKind.INSTRUMENT:
            instrument_told(t.symbols, postings, i, rows)
            _revalue_symbol(t, postings, i, symbol)
        elif marked(t.symbols, symbol, postings[i, po.PX], t.shares[tb.R_NEAR]):
            if t.symbols[symbol, Y_MARK] != before:
                _revalue_symbol(t, postings, i, symbol)


@compiled
def _revalue_symbol(t, postings, i, symbol):
    """Every cell of a symbol has made something else; nobody traded."""
    c = t.symbols[symbol, Y_HEAD]
    while c != 0:
        revalue(t, c, False, False, postings[i, po.LOW])
        c = t.cells[c, tb.C_NEXT]
    c = t.symbols[symbol, Y_HEAD]
    while c != 0:
        keep(t, postings, i, t.cells[c, tb.C_SCOPE])
        c = t.cells[c, tb.C_NEXT]


@compiled
def judge_silence(now_ns, *tables):  # noqa: ANN002  Tables
    """Time has passed; returns (hits, whether there was room for all)."""
    return tick(Tables(*tables), now_ns, np.int64(-1), np.int64(0))
