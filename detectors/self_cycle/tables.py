"""What the family remembers: columns and bounds of its tables, and what they come to.

Each table is allocated whole at its bound; pages never written cost nothing.  In the kernels `t` is all of
them, `i` the row of a posting.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import places as pl
from detectors.contract import Int64Array
from detectors.evidence import HIT, RING
from detectors.pricing import CURRENCIES_MAX, CURRENCY, SYMBOL, SYMBOLS_MAX
from detectors.rungs import RUNGS

# fmt: off
# Settings, in their order.
(
    L_WINDOW, L_TRIPS_WARN, L_TRIPS_HIGH, L_TRIPS_HALT, L_TRIPS_USD, L_OWN_WARN, L_OWN_HIGH, L_OWN_HALT,
) = range(8)

# Strategies, else hosts, accounts: with their minutes and evidence 12 MB if there were 8,192.
PLACES_MAX: Final = 1 << 13
# Pairs of them that trade with each other: 6 MB if there were 4,096; beyond it they count for the firm.
PAIRS_MAX: Final = 1 << 12
(A_HI, A_LO) = range(2)          # of a pair: its places, the lower one first

# A minute, by the second: how many there were, and dollars.
WINDOW_MAX: Final = 60
(W_SECOND, W_COUNT, W_USD, W_BUCKETS) = range(4)  # from W_BUCKETS: (count, dollars) of each second
WINDOW: Final = W_BUCKETS + 2 * WINDOW_MAX

# What a strategy opened in an account and symbol within the window: sets of four, the one that was quiet
# longest gives way.  8,192 of them are 4 MB; one that was quiet for a window holds nothing to be closed.
CELLS_MAX: Final = 1 << 13
WAYS: Final = 4
LOTS: Final = 16                 # what is bought or sold beyond it is one lot with the oldest
(C_PLACE, C_PAIR, C_AT, C_SIGN, C_EDGE, C_HEAD, C_COUNT, C_LOTS) = range(8)  # C_EDGE: earned so far
(O_AT, O_QTY, O_COST) = range(3)  # of a lot: its newest fill, units, 1e-4 of its currency
CELL: Final = C_LOTS + 3 * LOTS

# Executions that name a match: 65,536, 4 MB.  Both sides of a trade are told within a second or so; of two
# matches with the same low bits the newer one is remembered.
MATCHES_MAX: Final = 1 << 16
(M_KEY, M_AT, M_PLACE, M_SIGN, M_ENTITY, M_PART, M_OFFSET) = range(7)  # M_SIGN 0: counted already
MATCH: Final = 7

# Executions whose order nobody has announced yet, by the low bits of their code: 16,384, 0.3 MB.
EXECS_MAX: Final = 1 << 14
(X_EXEC, X_MATCH) = range(2)     # X_EXEC: its code + 1

# One-off numbers.
# ST_OUT_COUNTED: what is being moved was counted before; ST_WINDOW: the setting that its minutes are kept by.
(ST_CURRENCY, ST_PAIRS, ST_OUT_COUNTED, ST_WINDOW) = range(4)
STATE: Final = 4

HITS_OF_ONE: Final = 3
HITS: Final = 64
# fmt: on


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `loop.judge` takes it."""

    limits: Int64Array
    who64: Int64Array  # the ledger's attributions
    hits: Int64Array
    state: Int64Array
    symbols: Int64Array
    currencies: Int64Array
    places: Int64Array
    codes: Int64Array
    trips: Int64Array  # the minute of a place
    trips_until: Int64Array  # until when each rung is held
    trips_rings: Int64Array
    pairs: Int64Array
    pair_index: NDArray[np.int32]
    owns: Int64Array  # the same of a pair
    owns_until: Int64Array
    owns_rings: Int64Array
    cells: Int64Array
    matches: Int64Array
    execs: Int64Array


def empty() -> dict[str, NDArray[Any]]:
    """The tables of one detector, which are its snapshot too."""
    places, codes = pl.tables(PLACES_MAX)
    shapes: dict[str, tuple[int, ...]] = {
        "state": (STATE,),
        "symbols": (SYMBOLS_MAX, SYMBOL),
        "currencies": (CURRENCIES_MAX, CURRENCY),
        "trips": (PLACES_MAX, WINDOW),
        "trips_until": (PLACES_MAX, RUNGS),
        "trips_rings": (PLACES_MAX, RING),
        "pairs": (PAIRS_MAX, 2),
        "owns": (PAIRS_MAX, WINDOW),
        "owns_until": (PAIRS_MAX, RUNGS),
        "owns_rings": (PAIRS_MAX, RING),
        "cells": (CELLS_MAX, CELL),
        "matches": (MATCHES_MAX, MATCH),
        "execs": (EXECS_MAX, 2),
    }
    return {
        **{name: np.zeros(shape, np.int64) for name, shape in shapes.items()},
        "pair_index": np.zeros(2 * PAIRS_MAX, np.int32),
        "places": places,
        "codes": codes,
    }


# 30 MB if all were full.
BYTES_MAX: Final = HITS * HIT * 8 + sum(table.nbytes for table in empty().values())
