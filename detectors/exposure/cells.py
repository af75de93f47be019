"""Which cell a posting belongs to, and which scopes a cell belongs to."""

from __future__ import annotations

import numpy as np

from detectors import names as nm
from detectors import posting as po
from detectors.exposure import tables as tb
from detectors.kernel import compiled, inlined
from detectors.ledger.index import mix, place_of
from detectors.pricing import Y_HEAD

BUYS, SELLS = nm.FIRST, nm.FIRST + 1  # codes of a side


@inlined
def _value(postings, i, kind, who64):
    """Whose flow it is, by one kind; 0 or 1 if it does not say."""
    if kind == tb.K_VENUE:
        return postings[i, po.VENUE]
    if kind == tb.K_SIDE:
        sign = postings[i, po.SIGN]
        return 0 if sign == 0 else (BUYS if sign > 0 else SELLS)
    return who64[postings[i, po.WHO], kind]


@inlined
def cell_of(t, postings, i, grain):
    """The posting's cell; 0 the bucket, -1 if its flow does not carry what this grain asks for."""
    pair = postings[i, po.PAIR]
    if grain == 0:
        hi, lo = np.int64(0), pair
        cell = np.int64(t.pairs[pair])
        if pair == 0:
            return cell
    else:
        hi, lo = mix(grain, pair), mix(pair, ~grain)
        for k in range(t.plan[grain, tb.G_KINDS]):
            value = _value(postings, i, t.plan[grain, tb.G_KIND + k], t.who64)
            if value <= nm.OTHER:
                return np.int64(-1)
            hi, lo = mix(hi, value), mix(value, lo)
        cell = np.int64(t.cell_index[place_of(t.cell_index, t.cells, hi, lo)])
    return cell if cell != 0 else _new_cell(t, postings, i, grain, hi, lo)


@compiled
def _new_cell(t, postings, i, grain, hi, lo):
    """A cell for a pair (of a grain) that is seen for the first time."""
    if t.state[tb.ST_CELLS] + 1 >= t.cells.shape[0]:
        return np.int64(0 if grain == 0 else -1)
    t.state[tb.ST_CELLS] += 1
    c = t.state[tb.ST_CELLS]
    if grain == 0:
        t.pairs[lo] = c
    else:
        t.cell_index[place_of(t.cell_index, t.cells, hi, lo)] = c
    account, symbol = postings[i, po.ACCOUNT], postings[i, po.SYMBOL]
    t.cells[c, tb.C_HI] = hi
    t.cells[c, tb.C_LO] = lo
    t.cells[c, tb.C_GRAIN] = grain
    t.cells[c, tb.C_ACCOUNT] = account
    t.cells[c, tb.C_SYMBOL] = symbol
    t.cells[c, tb.C_NEXT_OF_ACCOUNT] = t.accounts[account, tb.A_HEAD]
    t.accounts[account, tb.A_HEAD] = c
    t.cells[c, tb.C_NEXT_OF_SYMBOL] = t.symbols[symbol, Y_HEAD]
    t.symbols[symbol, Y_HEAD] = c
    t.state[tb.ST_SYMBOLS] = max(symbol + 1, t.state[tb.ST_SYMBOLS])
    for j in range(t.plan[grain, tb.G_SHAPES]):
        t.cells[c, tb.C_SCOPES + j] = _scope_of(t, postings, i, grain, t.plan[grain, tb.G_FIRST] + j)
    for j in range(t.plan[grain, tb.G_SHAPES]):
        s, wide = t.cells[c, tb.C_SCOPES + j], t.shapes[t.plan[grain, tb.G_FIRST] + j, tb.H_WIDE] - 1
        if s != 0 and wide >= 0:
            t.scopes[s, tb.S_WIDE] = t.cells[c, tb.C_SCOPES + wide - t.plan[grain, tb.G_FIRST]]
    return c


@inlined
def _scope_of(t, postings, i, grain, shape):
    """The scope of a shape that the posting is in; 0 if it lacks a condition, or all are in use."""
    if t.shapes[shape, tb.H_FIRM] != 0:
        return t.shapes[shape, tb.H_FIRM]
    account = postings[i, po.ACCOUNT] if t.shapes[shape, tb.H_ACCOUNT] else 0
    symbol = postings[i, po.SYMBOL] if t.shapes[shape, tb.H_SYMBOL] else 0
    if t.shapes[shape, tb.H_ACCOUNT] and account <= nm.OTHER:
        return 0
    if t.shapes[shape, tb.H_SYMBOL] and symbol <= nm.OTHER:
        return 0
    hi, lo = mix(mix(shape, account), symbol), mix(account, symbol)
    for k in range(t.plan[grain, tb.G_KINDS]):
        value = _value(postings, i, t.plan[grain, tb.G_KIND + k], t.who64)
        hi, lo = mix(hi, value), mix(value, lo)
    slot = place_of(t.scope_index, t.scopes, hi, lo)
    if t.scope_index[slot] != 0:
        return np.int64(t.scope_index[slot])
    if t.state[tb.ST_SCOPES] + 1 >= t.scopes.shape[0]:
        return 0
    t.state[tb.ST_SCOPES] += 1
    s = t.state[tb.ST_SCOPES]
    t.scope_index[slot] = s
    t.scopes[s, tb.S_HI] = hi
    t.scopes[s, tb.S_LO] = lo
    t.scopes[s, tb.S_SHAPE] = shape
    t.scopes[s, tb.S_WHO] = postings[i, po.WHO]
    t.scopes[s, tb.S_ACCOUNT] = account
    t.scopes[s, tb.S_SYMBOL] = symbol
    t.scopes[s, tb.S_VENUE] = postings[i, po.VENUE]
    t.scopes[s, tb.S_SIDE] = postings[i, po.SIGN]
    return s
