"""The books of the ledger: columns and bounds of its tables.

Each table is allocated whole at its bound: pages never written cost nothing, so a bound
is a promise and not a price.  Code 0 of every table is the bucket for what is over the
bound: it still counts in every total, it only has no name of its own.
"""

from __future__ import annotations

from typing import Final

from detectors.bounds import EXECUTIONS_MAX, ORDERS_MAX, PARENTS_MAX

__all__ = ["EXECUTIONS_MAX", "ORDERS_MAX", "PARENTS_MAX"]

IDS_OF_ORDER: Final = 2  # on average; one of CME's was replaced 332 times
PAIRS_MAX: Final = 1 << 19  # (account, symbol)
WHOS_MAX: Final = 1 << 18  # distinct attributions
STREAMS_MAX: Final = 1 << 12  # numbered streams (source, host, boot, stream)
PARTS_MAX: Final = 1 << 10  # partitions and files
LINKS: Final = (1 << 31) - 1  # places in the lists of pairs; a list never spans half of them
SEQ_REMEMBERED: Final = 64  # numbers of a stream whose repetition is recognised
BOOKINGS_REMEMBERED: Final = 8  # bookings of a parent whose repetition is recognised
PARENT_TEXT_BYTES: Final = 64

RETAIN_NS: Final = 300 * 1_000_000_000  # an order that is out is known this much longer
# Ids come back.  What is over since an earlier trade date, and so long ago, is not meant by its id any more.
OVER_NS: Final = RETAIN_NS
FUTURE_NS: Final = 5 * 1_000_000_000  # a ts this far ahead of its arrival moves no clock
HEARD_NS: Final = 1_000_000_000  # a partition not heard this long does not hold LOW back

# fmt: off
# Orders, int64.
(QTY, FILLED, CONSUMED, WORKING, PX, SENT_AT, TOUCHED_AT) = range(7)
ORDER64: Final = 7
# Orders, int32.  SIGN: +1, -1, 0 unknown.
(
    FLAGS, DATE, PARENT, WHO, SYMBOL, VENUE, SIGN, PAIR, SESSION, FIRST_ID, FIRST_EXEC, LAST_EXEC, NEXT,
) = range(13)
ORDER32: Final = 13

OPEN, ANNOUNCED, ANSWERED, DAY, CONDITIONAL, PACKAGE, MANUAL, KILLED, QUEUED, AUCTION, USED = (
    1 << bit for bit in range(11)
)

# Ids of orders: int64 HI, LO; int32 order, the older one with the same id, the next id of the same order.
(ID_ORDER, ID_OLDER, ID_NEXT, ID_REPLACED) = range(4)  # ID_REPLACED: a replace to this id was taken in
ORDER_ID32: Final = 4

# Executions, int64 (HI, LO first: the index reads them) and int32.
(X_HI, X_LO, X_SPACE, X_QTY, X_PX, X_AT) = range(6)
EXEC64: Final = 6
(
    X_DATE, X_WHO, X_PAIR, X_PARENT, X_VENUE, X_ORDER, X_OLDER, X_NEXT_ORDER, X_NEXT_PAIR, X_STATE, X_LINK,
) = range(11)
EXEC32: Final = 11  # X_LINK: rises along a pair's list; where it does not, an older execution was forgotten
X_LIVE, X_BUSTED, X_EARLY_BUST, X_EARLY_CORRECTION, X_UNBOOKED = 1, 2, 3, 4, 5  # X_STATE & 15
X_SELLS: Final = 16  # X_STATE bit: the execution sold
X_ALIAS: Final = 32  # X_STATE bit: only another name (a correction's exec id) of execution X_ORDER
X_CORRECTED: Final = 64  # X_STATE bit: its numbers are a correction's
X_SIDELESS: Final = 128  # X_STATE bit: nobody said the side; counted as a buy until the order comes
X_LINKED: Final = 256  # X_STATE bit: it is in the list of its pair
X_LEG: Final = 512  # X_STATE bit: of a leg, so booked also where its order is a package
X_CHANGE: Final = 1024  # X_STATE bit: no execution but a dated change (X_QTY, signed) of execution X_ORDER
X_AHEAD: Final = 2048  # X_STATE bit: of a name that was told before its execution, and is forgotten before it

# Parents, int64 (HI, LO first) and int32.
(P_HI, P_LO, P_QTY, P_BOOKED, P_CURSOR, P_TOUCHED_AT, P_SPARE, P_OLDER) = range(8)
PARENT64: Final = 8
(P_FLAGS, P_DATE, P_WHO, P_SYMBOL, P_SIGN) = range(5)
PARENT32: Final = 5
P_KNOWN, P_DONE, P_HELD = 1, 2, 4
P_AGAIN: Final = 8  # the code was another parent's: what names it from an earlier trade date means that one

# (account, symbol), int64.
(PAIR_ACCOUNT, PAIR_SYMBOL, PAIR_LAST_EXEC, PAIR_AS_OF, PAIR_POS, PAIR_BASE) = range(6)
PAIR64: Final = 6

# Attributions, int64: in the order of `WHO_KINDS`.
(
    W_ACCOUNT, W_ENTITY, W_DESK, W_TRADER, W_CLIENT, W_STRATEGY, W_ALGO, W_BUILD, W_HOST, W_GATEWAY,
    W_SESSION,
) = range(11)
# Not part of what it is: when it last sent an order, and how many it has sent.
W_SENT_AT, W_ORDERS = 11, 12
WHO_KEYS: Final = 11
WHO64: Final = 13
WHO_KINDS: Final = (
    "account", "entity", "desk", "trader", "client", "strategy", "algo", "build", "host", "gateway",
    "session",
)

# Clocks of partitions, int64.
(C_CLOCK, C_HEARD, C_TRUST, C_AHEAD_TS, C_AHEAD_HOST, C_AHEAD_COUNT) = range(6)
CLOCK64: Final = 6

# One-off numbers of the ledger, int64.
(
    LOW, NEWEST, LOW_PART, PARTS,
    N_ORDERS, N_IDS, FREE_ID, QUEUE_HEAD, QUEUE_TAIL, N_EXECS, EXECS_BOUND, N_PARENTS, N_PAIRS, N_WHOS,
    N_STREAMS,
    COLD, NEWEST_DATE, RETAIN, UNKNOWN_ACCOUNT,
    TODO, TODO_CURSOR, TODO_ORDER, TODO_AT,
    # counters for people and metrics
    DUPLICATES, CONFLICTS, RECYCLED, OVERFLOWED, FORGOTTEN, SKEWED, NOT_OWNER, UNKNOWN_SIDE, PARENT_HAND,
    OPEN_ORDERS, N_LINKS,
) = range(34)
ONE_OFFS: Final = 34
MOVING: Final = 1  # in TODO: executions of a late order are being moved
CLOSING: Final = 2  # in TODO: day orders of a venue are being closed
# fmt: on
