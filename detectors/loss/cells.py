"""Which cells a posting moves: one for each shape of scope that its flow belongs to."""

from __future__ import annotations

import numpy as np

from detectors import names as nm
from detectors import posting as po
from detectors.kernel import compiled, inlined
from detectors.ledger.index import mix, place_of
from detectors.loss import tables as tb
from detectors.posting import PostingKind
from detectors.pricing import Y_HEAD


@inlined
def is_idle(postings, i):
    """Whether a posting changes nothing that was made or lost."""
    kind = postings[i, po.KIND]
    is_restated = kind == PostingKind.CORRECTED or kind == PostingKind.CONFLICT
    return postings[i, po.POS] == 0 and postings[i, po.BASE] == 0 and not is_restated


@inlined
def find_legs(t, postings, i):
    """Write `legs`, 0 where its flow does not carry what a shape asks for.  Again changes nothing."""
    pair = postings[i, po.PAIR]
    if postings[i, po.WHO] == 0:
        pair = np.int64(0)  # an attribution over the bound has no account, though its pair has
    for shape in range(t.legs.shape[0]):
        cell = np.int64(t.pair_cells[pair, shape])
        if cell == 0:
            cell = _cell_of(t, postings, i, shape)
            if pair != 0 and _is_of_pair(t, shape):
                t.pair_cells[pair, shape] = cell
        t.legs[shape] = cell


@inlined
def _is_of_pair(t, shape):
    """Whether account and symbol say all that a shape asks for."""
    for k in range(t.shapes[shape, 0]):
        kind = t.shapes[shape, 1 + k]
        if kind != tb.K_ACCOUNT and kind != tb.K_SYMBOL:
            return False
    return True


@inlined
def _value(t, postings, i, kind):
    """Whose flow it is, by one kind; 0 or 1 if it does not say."""
    if kind == tb.K_ACCOUNT:
        return postings[i, po.ACCOUNT]
    if kind == tb.K_SYMBOL:
        return postings[i, po.SYMBOL]
    if kind == tb.K_VENUE:
        return postings[i, po.VENUE]
    return t.who64[postings[i, po.WHO], kind]


@inlined
def _cell_of(t, postings, i, shape):
    hi, lo, symbol = mix(shape, 1), np.int64(shape), postings[i, po.SYMBOL]
    for k in range(t.shapes[shape, 0]):
        value = _value(t, postings, i, t.shapes[shape, 1 + k])
        if value <= nm.OTHER:
            return np.int64(0)
        hi, lo = mix(hi, value), mix(value, lo)
    own_hi, own_lo = mix(hi, symbol), mix(symbol, lo)
    cell = np.int64(t.cell_index[place_of(t.cell_index, t.cells, own_hi, own_lo)])
    return cell if cell != 0 else _new_cell(t, postings, i, shape, hi, lo, own_hi, own_lo)


@compiled
def _new_cell(t, postings, i, shape, hi, lo, own_hi, own_lo):
    """A cell for what is seen for the first time; 0 if there is no room, which `results` says."""
    scope, symbol = _scope_of(t, postings, i, shape, hi, lo), postings[i, po.SYMBOL]
    if scope == 0 or t.state[tb.ST_CELLS] + 1 >= t.cells.shape[0]:
        t.state[tb.ST_FULL] = 1
        return np.int64(0)
    t.state[tb.ST_CELLS] += 1
    c = t.state[tb.ST_CELLS]
    t.cell_index[place_of(t.cell_index, t.cells, own_hi, own_lo)] = c
    t.cells[c, tb.C_HI] = own_hi
    t.cells[c, tb.C_LO] = own_lo
    t.cells[c, tb.C_SCOPE] = scope
    t.cells[c, tb.C_SYMBOL] = symbol
    t.cells[c, tb.C_NEXT] = t.symbols[symbol, Y_HEAD]
    t.symbols[symbol, Y_HEAD] = c
    t.state[tb.ST_SYMBOLS] = max(symbol + 1, t.state[tb.ST_SYMBOLS])
    return c


@inlined
def _scope_of(t, postings, i, shape, hi, lo):
    slot = place_of(t.scope_index, t.scopes, hi, lo)
    if t.scope_index[slot] != 0:
        return np.int64(t.scope_index[slot])
    if t.state[tb.ST_SCOPES] + 1 >= t.scopes.shape[0]:
        return np.int64(0)
    t.state[tb.ST_SCOPES] += 1
    s = t.state[tb.ST_SCOPES]
    t.scope_index[slot] = s
    t.scopes[s, tb.S_HI] = hi
    t.scopes[s, tb.S_LO] = lo
    t.scopes[s, tb.S_SHAPE] = shape
    t.scopes[s, tb.S_WHO] = postings[i, po.WHO]
    t.scopes[s, tb.S_ACCOUNT] = postings[i, po.ACCOUNT]
    t.scopes[s, tb.S_SYMBOL] = postings[i, po.SYMBOL]
    t.scopes[s, tb.S_VENUE] = postings[i, po.VENUE]
    return s
