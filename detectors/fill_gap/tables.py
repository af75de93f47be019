"""What the family remembers: columns and bounds of its tables, and what they come to.

Each table is allocated whole at its bound; pages never written cost nothing.  In the kernels `t` is all of
them, `p` a posting, `e` the row of an entry, `m` of an execution or a parent, `q` of a place: each with
columns of its own (`W_`, `X_`, `P_`, `Q_`).
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Final, NamedTuple

from detectors.evidence import HIT, RING
from detectors.kernel import SECOND_NS
from detectors.ledger import tables as lt
from detectors.pricing import CURRENCIES_MAX, CURRENCY, SYMBOL, SYMBOLS_MAX

if TYPE_CHECKING:
    from detectors.contract import Int64Array

TICK_NS: Final = SECOND_NS // 10

# fmt: off
# Limits: the settings in their order, then whether each witness is declared.
(
    L_ACK_WARN_NS, L_ACK_WARN, L_ACK_HIGH_NS, L_ACK_HIGH, L_ACK_HALT_NS, L_ACK_TIMES, L_ACK_HALT, L_ACK_SHARE,
    L_ACK_SENT, L_LOST, L_SENDING,
    L_ALLOWANCE, L_WARN_NS, L_HIGH_NS, L_HALT_NS, L_HALT_USD, L_ALIVE, L_WIDEN,
    L_WITNESS, L_ANNOUNCE, L_ORPHAN_WARN, L_ORPHAN_HIGH, L_ORPHAN_HALT,
    L_HAS_ACK, L_HAS_BOOKED, L_HAS_COPY,
) = range(26)

# What waits.  131,072 entries: 65 s of Knight's 2,020 orders a second if none of them were answered; 12 MB.
# What finds no room is not judged, and `results` says so.
WAITING_MAX: Final = 1 << 17
ACK, COPY, GAP, ORPHAN = range(4)
(
    W_WHAT,                     # one of the four above
    W_KEY,                      # code of its order, execution or parent
    W_SINCE, W_END,             # ns; end 0: it waits
    W_PLACE, W_USD, W_PART, W_OFFSET,
    W_RUNG,                     # of a gap the rung it has reached, of the others whether it was counted
    W_DAY, W_COLD,              # of a fill without an order: trade date, whether it came before the start
) = range(11)
WAIT: Final = 11
W_FILLS: Final = W_COLD         # of a gap that has ended: its executions

# Since when it waits where nobody confirms its time yet (see the ledger's clocks): from when time is known.
DOUBTED: Final = 1 << 62

# Where an order waits: its entry + 1.  16 MB if two million were live.
ORDERS_MAX: Final = lt.ORDERS_MAX

# Executions that wait or may be moved, by the low bits of their code: those of the last 262,144.  15 MB.
EXECS_MAX: Final = 1 << 18
(
    X_EXEC,                     # its code + 1: another one has the same low bits
    X_COPY, X_ORPHAN,           # its entries + 1
    X_PLACE, X_USD, X_DAY, X_COLD,
) = range(7)
EXEC: Final = 7
COUNTED: Final = -1             # X_ORPHAN of a fill that counts against its session

# A parent, by the ledger's code; 0 is the bucket, not judged.  33 columns: 277 MB if there are a million.
PARENTS_MAX: Final = lt.PARENTS_MAX
(
    P_CROSSED, _, _,            # three columns of `kernel.crossed`
    P_FLAGS, P_FILLED, P_BOOKED, P_LEVEL,
    P_GAP,                      # its entry + 1, 0: all is booked
    P_PX, P_PLACE, P_PART,      # last price in dollars; whose it is; partition of the order system's word + 1
    P_FILLS, P_LAST_PART, P_LAST_OFFSET,  # executions since the gap began, and the last of them
    P_MARKS, P_MARKED_AT,       # marks in use; when the newest was begun
    P_MARK,                     # from here: (when, what was filled then) each
) = range(17)
MARKS: Final = 8                # of what was filled since the gap began, 2 s each: 16 s
MARK_NS: Final = 2 * SECOND_NS
PARENT: Final = P_MARK + 2 * MARKS
HEARD, OPENED = 1, 2            # P_FLAGS: the order system spoke of it, announced it

# A place is whose something is: a session or a strategy, else host, account; 0 is the firm and the bucket.
# 85 columns: 2.8 MB if there are 4,096.
PLACES_MAX: Final = 1 << 12
BINS: Final = 64                # answer times, a tenth of a second each, the last one open
ANSWERS_KEPT: Final = 1 << 16   # beyond it all bins are halved: the last answers weigh most
(
    Q_KIND, Q_CODE,             # kind of name + 1, and the name
    Q_ELECTRONIC,               # declared so: nobody trades on it by hand
    Q_UNTIL,                    # it is judged until this tick
    Q_PATIENCE, Q_ACK_WARN, Q_ACK_HIGH, Q_ACK_HALT, Q_ACK_USD,   # of one tick
    Q_AGE, Q_COPIES_USD, Q_ALIVE_USD,                            # of one tick
    Q_FILLS, Q_FILLS_USD, Q_WARM_USD, Q_DAY,                     # fills without an order, of one trade date
    Q_GAPS, _, _,               # parents at or above each rung
    Q_ANSWERS,
    Q_BINS,
) = range(21)
PLACE: Final = Q_BINS + BINS
LANES: Final = 4                # crossings and evidence of a place: by what waits

CODES_MAX: Final = 1 << 14      # hash slots of places: name, place

# What a place sent in each tenth of a second: (tenth, orders) each.  50 MB if 4,096 places all sent.
SENDS: Final = 768
AHEAD: Final = 100              # an order of a partition that is ahead counts in one of the next ten seconds
LOST_NS_MAX: Final = 60 * SECOND_NS  # this and AHEAD fit into SENDS
PATIENCE_NS_MAX: Final = 30 * SECOND_NS

# A witness of a partition.  Times in ns, 0: never.
PARTS_MAX: Final = lt.PARTS_MAX
N_WITNESSES: Final = 3
(
    V_CROSSED, _, _,            # three columns of `kernel.crossed`
    V_ASKED, V_ASKED_OFFSET,    # what it should have confirmed first
    V_END,                      # its silence ended, and is judged once more
    V_NEXT, V_NEXT_OFFSET,      # what it should confirm after that
    V_HEARD,
    V_CLOCK,                    # of the first witness only: its partition's clock
) = range(10)
WATCH: Final = 10

# One-off numbers.
(
    S_TICKED, S_NEXT_NS,        # the last tick judged, the time of the next one
    S_UNTIL,                    # the last tick at which something may be said
    S_WAITING, S_PLACES, S_PARENTS, S_ORDERS, S_EXECS, S_PARTS,  # rows in use
    S_ASKED,                    # a new place: somebody must say whether it is declared electronic
    S_FULL_AT, S_DOUBTED,       # when there was no room; entries whose time is doubted
    S_CURRENCY,                 # nobody has said yet whether this currency is the dollar
) = range(13)
STATE: Final = 16
# fmt: on

PER_PLACE: Final = 12  # hits of one tick: three of its lanes, three of its gaps, two parents at each rung
HITS: Final = PER_PLACE * (PLACES_MAX + 1) + N_WITNESSES * PARTS_MAX

# 400 MB if all were full; about 75 MB with 100,000 parents, a million live orders and a hundred sessions.
SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "state": (STATE,),
    "orders": (ORDERS_MAX,),
    "execs": (EXECS_MAX, EXEC),
    "parents": (PARENTS_MAX, PARENT),
    "places": (PLACES_MAX, PLACE),
    "sends": (PLACES_MAX, 2 * SENDS),
    "cross": (PLACES_MAX * LANES, 3),
    "rings": (1 + PLACES_MAX * LANES, RING),  # row 0: evidence of one hit alone
    "watch": (PARTS_MAX * N_WITNESSES, WATCH),
    "codes": (CODES_MAX, 2),
    "symbols": (SYMBOLS_MAX, SYMBOL),
    "currencies": (CURRENCIES_MAX, CURRENCY),
    "waiting": (WAITING_MAX, WAIT),
}
BYTES_MAX: Final = 8 * (sum(prod(shape) for shape in SHAPES.values()) + HITS * HIT)


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `judge` takes it."""

    limits: Int64Array
    state: Int64Array
    orders: Int64Array
    execs: Int64Array
    parents: Int64Array
    places: Int64Array
    sends: Int64Array
    cross: Int64Array
    rings: Int64Array
    watch: Int64Array
    codes: Int64Array
    symbols: Int64Array
    currencies: Int64Array
    waiting: Int64Array
    hits: Int64Array
