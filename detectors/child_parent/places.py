"""Whom an order belongs to: its host, else its session, else its account, else the firm."""

from __future__ import annotations

from detectors import names as nm
from detectors import posting as po
from detectors.child_parent import tables as tb
from detectors.kernel import compiled, inlined
from detectors.ledger.index import mix


@inlined
def place_of(p, hosts, codes, places, state):
    """The place that sent an order."""
    host = p[po.HOST]
    if host > nm.OTHER:
        if hosts[host, tb.H_PLACE] == 0:
            hosts[host, tb.H_PLACE] = _named(nm.HOST, host, codes, places, state)
        return hosts[host, tb.H_PLACE]
    if p[po.SESSION] > nm.OTHER:
        return _named(nm.SESSION, p[po.SESSION], codes, places, state)
    if p[po.ACCOUNT] > nm.OTHER:
        return _named(nm.ACCOUNT, p[po.ACCOUNT], codes, places, state)
    return 0


@compiled
def session_of(p, hosts, codes, places, state):
    """The session that sent an order, as a place of its own; without one, the place."""
    if p[po.SESSION] > nm.OTHER:
        return _named(nm.SESSION, p[po.SESSION], codes, places, state)
    return place_of(p, hosts, codes, places, state)


@inlined
def pair_of(place, strategy, codes, pairs, state):
    """The pair of a place and a strategy; asks, in `state`, if nobody has said yet whether it is parented."""
    key = (1 << 60) | (place << 32) | strategy
    slot = _slot_of(codes, key)
    pair = codes[slot, 1]
    if codes[slot, 0] == 0 and state[tb.S_PAIRS] + 1 < pairs.shape[0]:
        state[tb.S_PAIRS] += 1
        pair = state[tb.S_PAIRS]
        codes[slot, 0] = key
        codes[slot, 1] = pair
        pairs[pair, tb.PR_PLACE] = place
        pairs[pair, tb.PR_STRATEGY] = strategy
    if pairs[pair, tb.PR_PARENTED] == tb.UNASKED:
        state[tb.S_ASKED] = pair + 1
    return pair


@compiled
def _named(kind, code, codes, places, state):
    """The place of a name; the bucket when all are in use."""
    key = ((kind + 1) << 40) | code
    slot = _slot_of(codes, key)
    if codes[slot, 0] == 0:
        if state[tb.S_PLACES] + 1 >= places.shape[0]:
            return 0
        state[tb.S_PLACES] += 1
        codes[slot, 0] = key
        codes[slot, 1] = state[tb.S_PLACES]
        places[state[tb.S_PLACES], tb.PL_KIND] = kind + 1
        places[state[tb.S_PLACES], tb.PL_CODE] = code
    return codes[slot, 1]


@inlined
def _slot_of(codes, key):
    mask = codes.shape[0] - 1
    slot = mix(key, key >> 32) & mask
    while codes[slot, 0] != 0 and codes[slot, 0] != key:
        slot = (slot + 1) & mask
    return slot
