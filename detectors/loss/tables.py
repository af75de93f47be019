"""What is remembered: columns and bounds of the tables, and what they come to.

A *cell* is one symbol of one scope, a *scope* is whoever has a limit.  What a cell has made or lost is a sum
over its fills, so a scope is the sum of its cells, and each is kept for each limit that asks for it.
Each table is allocated whole: pages never written cost nothing, so a bound is a promise and not a price.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Int32Array, Int64Array
from detectors.evidence import HIT, RING
from detectors.kernel import SECOND_NS
from detectors.ledger import tables as lt
from detectors.loss.reasons import N_REASONS
from detectors.pricing import CURRENCIES_MAX, CURRENCY, SYMBOL, SYMBOLS_MAX

# fmt: off
# What the limits ask for: of each shape the number of its kinds, and where the value of each is found.
SHAPES_MAX: Final = 8
K_ACCOUNT, K_SYMBOL, K_VENUE = 20, 21, 22
KINDS: Final = {kind: column for column, kind in enumerate(lt.WHO_KINDS) if kind != "account"} | {
    "account": K_ACCOUNT, "symbol": K_SYMBOL, "venue": K_VENUE,
}
SHAPE: Final = 1 + len(KINDS)

# Cells: 12 columns, 25 MB if there were a quarter of a million.
CELLS_MAX: Final = 1 << 18
(
    C_HI, C_LO, C_NEXT,         # C_NEXT: the next cell of its symbol
    C_SCOPE, C_SYMBOL,
    C_POS, C_COST,              # units held; what they cost, 1e-4 of their currency, without multiplier
    C_OPEN,                     # units brought in from outside before there was any price: no cost yet
    C_PX, C_PX_BEFORE,          # of its last own fill, and of the one before; 0: none
    C_PNL, C_UNVALUED,          # made or lost, 1e-4 dollars; whether nobody knows
) = range(12)
CELL: Final = 12

# Scopes: 84 columns, 44 MB if there were 65,536.  0 is nobody.
SCOPES_MAX: Final = 1 << 16
MINUTE: Final = 60
(
    S_HI, S_LO, S_SHAPE, S_WHO, S_ACCOUNT, S_SYMBOL, S_VENUE,
    S_DAILY, S_VELOCITY,        # limits, 1e-4 dollars
    S_PNL, S_BASELINE, S_DATE,  # made or lost ever; when the trade date began; that date
    S_UNVALUED,                 # cells that nobody can value
    S_STAMP, S_BEFORE, S_SEEN,  # what it had lost before the posting of that stamp; the one that is evidence
    S_ACTIVE, S_SAME, S_RUNS, _,  # S_RUNS: of each reason evaluations running at or above a rung, a byte each
    S_SECOND, S_NET, S_GONE,    # the newest second of the minute; its sum, and that of its losing seconds
    S_MINUTE,
) = range(24)
SCOPE: Final = S_MINUTE + MINUTE
NO_LIMIT: Final = (1 << 63) - 1

# Prices of executions, by the low bits of their code: those of the last 262,144, 4 MB.  A correction of an
# older one counts as if its price had been the new one all along.
EXECS_MAX: Final = 1 << 18
(X_EXEC, X_PX) = range(2)       # X_EXEC: its code + 1, 0: it counts no more

# One-off numbers.
(
    ST_TICKED, ST_NEXT_NS, ST_CURSOR, ST_KEPT, ST_ACTIVE, ST_STAMP, ST_CELLS, ST_SCOPES, ST_SYMBOLS, ST_EXECS,
    ST_ANSWERED, ST_CURRENCY,
    ST_FULL,                    # a scope or a cell found no room
) = range(13)
STATE: Final = 13
# Settings as kernels read them.
L_RUNNING: Final = 0
LIMITS: Final = 1
(R_NEAR, R_WARN, R_HIGH, R_HALT) = range(4)

QUIET_NS: Final = 3600 * SECOND_NS
BY_MARK: Final = HIT
HITS_OF_ONE: Final = SHAPES_MAX
HITS_OF_SCOPE: Final = N_REASONS
HITS: Final = 128
PNL_MAX: Final = 4.0e18          # 1e-4 dollars
SAID_MAX: Final = 900_000_000_000_000  # 1e-4 dollars: what a hit can say, 1e-8
# fmt: on


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `loop.judge` takes it."""

    limits: Int64Array
    shares: NDArray[np.float64]
    who64: Int64Array  # the ledger's attributions
    x32: Int32Array  # the ledger's executions
    hits: Int64Array
    legs: Int64Array  # of one posting, for each shape: its cell, 0 if it has none
    shapes: Int64Array
    state: Int64Array
    cells: Int64Array
    cell_index: Int32Array
    scopes: Int64Array
    scope_index: Int32Array
    cross: Int64Array  # `kernel.crossed`, a row a scope and reason
    rings: Int64Array
    active: Int32Array  # scopes to be evaluated each second
    execs: Int64Array
    symbols: Int64Array
    currencies: Int64Array
    pair_cells: Int32Array  # of an account and symbol: its cell of each shape of no more; found again


def empty(shapes: Int64Array) -> dict[str, NDArray[Any]]:
    """The tables of one detector, which are its snapshot too."""
    int64: dict[str, tuple[int, ...]] = {
        "state": (STATE,),
        "cells": (CELLS_MAX, CELL),
        "scopes": (SCOPES_MAX, SCOPE),
        "cross": (SCOPES_MAX * N_REASONS, 3),
        "rings": (SCOPES_MAX, RING),
        "execs": (EXECS_MAX, 2),
        "symbols": (SYMBOLS_MAX, SYMBOL),
        "currencies": (CURRENCIES_MAX, CURRENCY),
    }
    int32 = {"cell_index": 2 * CELLS_MAX, "scope_index": 2 * SCOPES_MAX, "active": SCOPES_MAX}
    return {
        "shapes": shapes,
        **{name: np.zeros(shape, np.int64) for name, shape in int64.items()},
        **{name: np.zeros(size, np.int32) for name, size in int32.items()},
    }


# 127 MB if every table were full; about 2 MB with a thousand accounts, of which only touched pages count.
BYTES_MAX: Final = 8 * (
    SHAPES_MAX * SHAPE
    + CELLS_MAX * (CELL + 1)
    + SCOPES_MAX * (SCOPE + 3 * N_REASONS + RING + 2)
    + EXECS_MAX * 2
    + SYMBOLS_MAX * SYMBOL
    + CURRENCIES_MAX * CURRENCY
    + HITS * (HIT + 1)
    + lt.PAIRS_MAX * SHAPES_MAX // 2
)
