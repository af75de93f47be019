"""Whose something is: a session's or a strategy's, else its host's, its account's, the firm's.

A place is a row of its own, found by its name; row 0 is the firm, and whoever is new when all are in use.

>>> places, codes = tables(8)
>>> named(places, codes, nm.SESSION, 7), named(places, codes, nm.HOST, 7), named(places, codes, nm.SESSION, 7)
(1, 2, 1)
>>> places[1, KIND] - 1 == nm.SESSION, count(places)
(np.True_, 3)
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import names as nm
from detectors import posting as po
from detectors.contract import Int64Array
from detectors.kernel import compiled, inlined
from detectors.ledger.index import mix

(KIND, CODE) = range(2)  # a kind of name + 1, its code; of row 0: nothing, and how many are in use
PLACE: Final = 2


def tables(places_max: int) -> tuple[Int64Array, Int64Array]:
    """Places, and the hash table that finds them: at most half full."""
    return np.zeros((places_max, PLACE), np.int64), np.zeros((2 * places_max, 2), np.int64)


def count(places: Int64Array) -> int:
    """Rows in use, the firm's included."""
    return int(places[0, CODE]) + 1


@compiled
def named(places, codes, kind, code):
    """The place of a name."""
    key, mask = ((kind + 1) << 40) | code, codes.shape[0] - 1
    slot = mix(key, key >> 32) & mask
    while codes[slot, 0] != 0 and codes[slot, 0] != key:
        slot = (slot + 1) & mask
    if codes[slot, 0] == 0:
        if places[0, CODE] + 1 >= places.shape[0]:
            return 0
        places[0, CODE] += 1
        codes[slot, 0] = key
        codes[slot, 1] = places[0, CODE]
        places[codes[slot, 1], KIND] = kind + 1
        places[codes[slot, 1], CODE] = code
    return codes[slot, 1]


@inlined
def scope_kind(places, place):
    """As a hit says it: a kind of name + 1, 0 the firm."""
    return places[place, KIND]


@inlined
def scope_code(places, place):
    """As a hit says it: the code of the name."""
    return places[place, CODE] if place != 0 else 0


@inlined
def session_of(postings, i, places, codes):
    """The session that something belongs to, else its host, its account, the firm."""
    if postings[i, po.SESSION] > nm.OTHER:
        return named(places, codes, nm.SESSION, postings[i, po.SESSION])
    return _host_of(postings, i, places, codes)


@inlined
def strategy_of(postings, i, places, codes):
    """The strategy that something belongs to, else its host, its account, the firm."""
    if postings[i, po.STRATEGY] > nm.OTHER:
        return named(places, codes, nm.STRATEGY, postings[i, po.STRATEGY])
    return _host_of(postings, i, places, codes)


@inlined
def _host_of(postings, i, places, codes):
    if postings[i, po.HOST] > nm.OTHER:
        return named(places, codes, nm.HOST, postings[i, po.HOST])
    if postings[i, po.ACCOUNT] > nm.OTHER:
        return named(places, codes, nm.ACCOUNT, postings[i, po.ACCOUNT])
    return 0
