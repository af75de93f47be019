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
from detectors.ledger import tables as lt
from detectors.pricing import CURRENCIES_MAX, CURRENCY, SYMBOL, SYMBOLS_MAX
from detectors.rungs import RUNGS

# fmt: off
# Settings as kernels read them, in the order of these names: whole numbers, and others.
LIMIT_NAMES: Final = (
    "collar_warn_count", "collar_high_count", "collar_halt_count", "collar_window_s", "reference_age_s",
    "adv_halt_usd", "bad_reference_running_count", "in_use_s",
    "one_price_warn_count", "one_price_high_count", "one_price_window_s",
)
(
    L_COLLAR_WARN, L_COLLAR_HIGH, L_COLLAR_HALT, L_COLLAR_WINDOW, L_AGE, L_ADV_USD, L_RUNNING, L_IN_USE,
    L_PRICE_WARN, L_PRICE_HIGH, L_PRICE_WINDOW,
) = range(11)
LIMITS: Final = 11
SHARE_NAMES: Final = (
    "collar_other_share", "collar_equity_share", "collar_future_share", "collar_option_share",
    "collar_low_share", "collar_ticks", "mark_near_share", "adv_warn_share", "adv_high_share",
    "adv_halt_share", "shares_out_times", "bad_reference_times",
)
(
    R_OTHER, R_EQUITY, R_FUTURE, R_OPTION, R_LOW, R_TICKS, R_NEAR, R_ADV_WARN, R_ADV_HIGH, R_ADV_HALT,
    R_SHARES_OUT, R_TIMES, R_LOW_PX,
) = range(13)
SHARES: Final = 13
# A class of instruments is the column of its share; 0 is whatever nobody said to be another.
CLASSES: Final = {"equity": R_EQUITY, "future": R_FUTURE, "fx": R_FUTURE, "option": R_OPTION}
CLASSES_MAX: Final = 256         # as many as have a name; a row: its class + 1, 0: not asked yet

# A symbol, besides what `pricing` keeps of it: 15 columns, 8 MB if all 65,536 were known.
(
    F_MARKED_AT,                 # when its reference was told
    F_WAITING_AT,                # when the mark was told that waits to be confirmed
    F_TICK, F_ADV, F_SHARES_OUT, # 0: nobody said
    F_CLASS, F_NEGATIVE_OK,
    F_USED_AT,                   # of its last order or fill
    F_STALE_AT,                  # of the last order that found no reference; 0: the last one found one
    F_BAD, F_LAST,               # the bad mark that was told last, and what it was compared with
    F_LISTED, F_RUNS, F_PART, F_OFFSET,
) = range(15)
FACT: Final = 15
NOT_BAD: Final = -(1 << 63)      # F_BAD of a listed symbol whose reference is good again

# Sessions, else hosts, accounts.  Each has a ring of the times of its orders through the collar, and for
# each reason that accuses it how long a rung is held, and its evidence: 19 MB if there were 8,192.
PLACES_MAX: Final = 1 << 13
TIMES_MAX: Final = 64
LANES: Final = 4                 # collar, adv, shares_out, one_price
(LANE_COLLAR, LANE_ADV, LANE_SHARES_OUT, LANE_PRICE) = range(LANES)

# A price at which a session sent orders: sets of four, the one that was quiet longest gives way.  4,096 of
# them are 2.2 MB, and hold 10 s of 400 new prices a second; a price in use is never the one that gives way.
PRICES_MAX: Final = 1 << 12
WAYS: Final = 4
SYMBOLS_OF_PRICE: Final = 32
(Q_PLACE, Q_PX, Q_COUNT, Q_PAIRS) = range(4)  # from Q_PAIRS: (time, symbol), newest first
PRICE: Final = Q_PAIRS + 2 * SYMBOLS_OF_PRICE

# One-off numbers.
(ST_TICKED, ST_NEXT_NS, ST_CURSOR, ST_KEPT, ST_BAD, ST_CURRENCY, ST_CLASS, ST_ORDERS) = range(8)
STATE: Final = 8

HITS_OF_ONE: Final = LANES
HITS: Final = 64
# fmt: on


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `loop.judge` takes it."""

    limits: Int64Array
    shares: NDArray[np.float64]
    hits: Int64Array
    state: Int64Array
    symbols: Int64Array
    currencies: Int64Array
    facts: Int64Array
    classes: Int64Array
    held: Int64Array  # of a symbol's reference: until when each rung is held
    bad: Int64Array  # symbols with a bad reference
    stops: NDArray[np.int8]  # of an order: whether it waits for a price
    places: Int64Array
    codes: Int64Array
    times: Int64Array
    until: Int64Array  # of a place and lane: until when each rung is held
    rings: Int64Array  # row 0: evidence of one hit alone
    prices: Int64Array
    priced: Int64Array  # of a price: until when each rung is held


def empty() -> dict[str, NDArray[Any]]:
    """The tables of one detector, which are its snapshot too."""
    places, codes = pl.tables(PLACES_MAX)
    shapes: dict[str, tuple[int, ...]] = {
        "state": (STATE,),
        "symbols": (SYMBOLS_MAX, SYMBOL),
        "currencies": (CURRENCIES_MAX, CURRENCY),
        "facts": (SYMBOLS_MAX, FACT),
        "classes": (CLASSES_MAX,),
        "held": (SYMBOLS_MAX, RUNGS),
        "bad": (SYMBOLS_MAX,),
        "times": (PLACES_MAX, 1 + TIMES_MAX),
        "until": (PLACES_MAX * LANES, RUNGS),
        "rings": (1 + PLACES_MAX * LANES, RING),
        "prices": (PRICES_MAX, PRICE),
        "priced": (PRICES_MAX, RUNGS),
    }
    return {
        **{name: np.zeros(shape, np.int64) for name, shape in shapes.items()},
        "stops": np.zeros(lt.ORDERS_MAX, np.int8),
        "places": places,
        "codes": codes,
    }


# 37 MB if all were full; under 1 MB with a hundred sessions and a thousand symbols, besides the prices.
BYTES_MAX: Final = HITS * HIT * 8 + sum(table.nbytes for table in empty().values())
