"""What is remembered: the columns and the bounds of every table, and what it costs if all were full.

A *cell* is one account in one symbol, of one strategy, host ... where a limit asks for it (its *grain*).
A *scope* is whoever has a limit; each cell belongs to at most one scope of each *shape* of its grain.
Each table is allocated whole: pages never written cost nothing, so a bound is a promise and not a price.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Int32Array, Int64Array
from detectors.evidence import HIT, RING
from detectors.exposure.reasons import MEASURES, N_REASONS
from detectors.kernel import SECOND_NS
from detectors.ledger import tables as lt
from detectors.pricing import CURRENCIES_MAX, CURRENCY, SYMBOL, SYMBOLS_MAX

INTRADAY, TOTAL = range(2)  # bases

# fmt: off
# -- what the limits ask for: a row a grain, a row a shape -----------------------------------------

GRAINS_MAX: Final = 4
SHAPES_OF_GRAIN: Final = 6  # with or without account and symbol, and those that stand for a quantity
# Where the value of a kind is found: a column of the attribution, or of the posting.
K_VENUE, K_SIDE = 20, 21
KINDS: Final = {kind: column for column, kind in enumerate(lt.WHO_KINDS) if kind != "account"} | {
    "venue": K_VENUE, "side": K_SIDE,
}
(G_KINDS, G_FIRST, G_SHAPES, G_KIND) = range(4)  # kinds, first shape, shapes, and from G_KIND on the kinds
PLAN: Final = G_KIND + len(KINDS)
# H_FIRM: the scope of a shape without conditions; H_WIDE: of one by symbol for `quantity` only, the shape of
# the limit itself, + 1.
(H_ACCOUNT, H_SYMBOL, H_FIRM, H_WIDE) = range(4)
SHAPE: Final = 4

# -- cells -----------------------------------------------------------------------------------------

# 40 columns: 168 MB if there are half a million.  0 is the bucket of the pairs over the bound: units
# filled and working, all on one side, at the highest price that was seen; it counts for the firm.
CELLS_MAX: Final = 1 << 19
FILLS: Final = 4  # own fills whose price is remembered, so that a bust takes its price back too
(
    C_HI, C_LO, C_POS, C_BUYS, C_SELLS, C_BASE, C_DAY_POS,  # C_DAY_POS: position when the trade date began
    C_NEXT_OF_SYMBOL,           # so far a cache line: what a mark looks at
    C_GRAIN, C_ACCOUNT, C_SYMBOL, C_NEXT_OF_ACCOUNT,
    C_SAID_PX, C_FILLED,        # C_FILLED: how often it was filled, the ring's head
    C_FILL,                     # from here: (execution + 1, price) of the last fills
) = range(15)
C_VALUES: Final = C_FILL + 2 * FILLS  # from here, for each basis, what scopes sum
(V_GROSS, V_LONG, V_SHORT, V_QTY, V_UNPRICED, V_UNSTATED) = range(6)
N_VALUES: Final = 6
C_SCOPES: Final = C_VALUES + 2 * N_VALUES
CELL: Final = C_SCOPES + SHAPES_OF_GRAIN

# -- scopes ----------------------------------------------------------------------------------------

# 62 columns: 130 MB if there are a quarter of a million; beyond it a cell counts for the firm only.
# 0 is nobody.
SCOPES_MAX: Final = 1 << 18
GROWTH: Final = 11  # one-second values: now, a second ago, ten seconds ago
(
    S_HI, S_LO, S_BASIS, S_WATCHED, S_HAS_CAPS, S_ACTIVE,
    S_HELD,                     # whether a rung is held
    S_VALUES, _, _, _, _, _,    # what its cells sum to
    S_COARSE,                   # sum of the cells' gross in 2^20 units: says whether the sums can be believed
    S_STAMP, S_BEFORE, _, _,    # the measures before the posting of that stamp
    S_STEP, _, _, _, _, _, _, _, _, _, _, _, _, _, _,  # floor, half, warn, high, limit, of each measure
    S_RUNS, _, _,               # of each measure: evaluations running at or above each rung, a byte each
    S_PAGED_ON, _, _,           # of each measure: trade date of its last page
    S_DATE, S_SEEN, S_SAME, S_TIME_RUNS,
    S_SHAPE, S_WHO, S_ACCOUNT, S_SYMBOL, S_VENUE, S_SIDE,
    S_WIDE,                     # of one symbol's quantity: the scope that is paged for it, 0: itself
    S_RING,
) = range(51)
SCOPE: Final = S_RING + GROWTH
STEPS: Final = 5
(FLOOR, HALF, _, _, LIMITED) = range(STEPS)  # the step of a rung is HALF + rung
NO_LIMIT: Final = (1 << 63) - 1
COARSE_BITS: Final = 20
COARSE_MAX: Final = 1 << 42
USD_MAX: Final = 9_000_000_000_000_000_000
RUNNING_MAX: Final = 100  # evaluations running, in a byte of S_RUNS

# Caps of single orders and of a day's, by scope: 43 columns, 90 MB if every scope had caps.
OVER_MAX: Final = 8
(
    P_NOTIONAL, P_QTY, P_ORDERS, P_DAY_NOTIONAL, P_HARD_ORDERS, P_HARD_NOTIONAL,
    P_DATE, P_COUNT, P_TOTAL, P_OVERS, _, P_OVER,
) = range(12)
CAP: Final = P_OVER + 2 * 2 * OVER_MAX  # (time, session) of the last orders over each cap

CROSS: Final = 4  # `kernel.crossed`, and the time of the last event; a row a scope and reason

# -- by the codes of others ------------------------------------------------------------------------

ORDERS_MAX: Final = lt.ORDERS_MAX  # 4 bytes for each grain: 33 MB if all were in use, with four grains
(A_DATE, A_HEAD, A_STATED) = range(3)
ACCOUNT: Final = 3
ACCOUNTS_MAX: Final = 1 << 16
SESSIONS_MAX: Final = 1 << 14  # as many as have a name

# -- one-off numbers -------------------------------------------------------------------------------

(ST_TICKED, ST_NEXT_NS, ST_CURSOR, ST_KEPT, ST_ACTIVE, ST_STAMP, ST_CELLS, ST_SCOPES, ST_ORDERS, ST_SYMBOLS,
 ST_ANSWERED, ST_CURRENCY) = range(12)
STATE: Final = 16
# What does not change, as the kernels read it: `limits` are integers, `shares` are not.
(
    L_BASES, L_UNPRICED, L_RUNNING, L_TIME_WARN, L_TIME_HIGH, L_FLOOR, L_OVERS, L_OVER_WINDOW, L_HAS_CAPS,
) = range(9)
LIMITS: Final = 9
(R_NEAR, R_HALT_TIMES, R_WARN) = range(3)

# -- hits ------------------------------------------------------------------------------------------

OF_SCOPE, OF_SESSION = -1, -2  # SCOPE_KIND of a hit: one of our scopes, or a session's code
BY_MARK: Final = HIT
QUIET_NS: Final = 3600 * SECOND_NS
HITS_OF_ONE: Final = 2 * GRAINS_MAX * SHAPES_OF_GRAIN * N_REASONS
HITS_OF_SCOPE: Final = MEASURES + 1
HITS: Final = 2 * HITS_OF_ONE
# fmt: on

# 764 MB if every table were full; about 2 MB with a thousand accounts, of which only touched pages count.
BYTES_MAX: Final = 8 * (
    CELLS_MAX * (CELL + 1 + 2)
    + SCOPES_MAX * (SCOPE + CAP + 1 + 2)
    + SCOPES_MAX * (N_REASONS * CROSS + 2 * RING)
    + SESSIONS_MAX * 2 * CROSS
    + ORDERS_MAX * GRAINS_MAX
    + SYMBOLS_MAX * (SYMBOL + 1)
    + CURRENCIES_MAX * CURRENCY
    + ACCOUNTS_MAX * ACCOUNT
    + lt.PAIRS_MAX
    + HITS * (HIT + 1)
)


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `loop.judge` takes it."""

    limits: Int64Array
    shares: NDArray[np.float64]
    who64: Int64Array  # the ledger's attributions
    x32: Int32Array  # the ledger's executions
    hits: Int64Array
    legs: Int64Array  # of one posting, for each grain: the cell where its order works, and its position's
    plan: Int64Array
    shapes: Int64Array
    state: Int64Array
    cells: Int64Array
    rates: NDArray[np.float64]  # of a cell: 1e-4 dollars for 1e-8 of a unit, 0 if it has no price of its own
    mark_rates: NDArray[np.float64]  # of a symbol: the same by its mark
    cell_index: Int32Array
    pairs: Int32Array  # cell of a pair, where nothing but account and symbol is asked for
    scopes: Int64Array
    scope_index: Int32Array
    cross: Int64Array
    rings: Int64Array  # two a scope: evidence of its measures and days, and of its orders
    active: Int32Array  # scopes to be evaluated each second
    caps: Int64Array
    sessions: Int64Array  # `crossed` of a session: in dollars and in units
    orders: Int32Array  # of an order, for each grain: 2 x the cell where it works + whether it sells + 1
    accounts: Int64Array
    symbols: Int64Array
    currencies: Int64Array


def empty(plan: Int64Array, shapes: Int64Array) -> dict[str, NDArray[Any]]:
    """The tables of one detector, which are its snapshot too."""
    int64: dict[str, tuple[int, ...]] = {
        "state": (STATE,),
        "cells": (CELLS_MAX, CELL),
        "scopes": (SCOPES_MAX, SCOPE),
        "cross": (SCOPES_MAX * N_REASONS, CROSS),
        "rings": (SCOPES_MAX * 2, RING),
        "caps": (SCOPES_MAX, CAP),
        "sessions": (SESSIONS_MAX * 2, CROSS),
        "accounts": (ACCOUNTS_MAX, ACCOUNT),
        "symbols": (SYMBOLS_MAX, SYMBOL),
        "currencies": (CURRENCIES_MAX, CURRENCY),
    }
    int32: dict[str, tuple[int, ...]] = {
        "cell_index": (2 * CELLS_MAX,),
        "pairs": (lt.PAIRS_MAX,),
        "scope_index": (2 * SCOPES_MAX,),
        "active": (SCOPES_MAX,),
        "orders": (ORDERS_MAX, len(plan)),
    }
    return {
        "plan": plan,
        "shapes": shapes,
        "rates": np.zeros(CELLS_MAX, np.float64),
        "mark_rates": np.zeros(SYMBOLS_MAX, np.float64),
        **{name: np.zeros(shape, np.int64) for name, shape in int64.items()},
        **{name: np.zeros(shape, np.int32) for name, shape in int32.items()},
    }
