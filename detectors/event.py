"""The columns of a `Batch`: what one telemetry event looks like to compiled code.

A batch is one table of int64, a row an event, a column a field of the telemetry
contract (section 1).  One table rather than forty arrays because a kernel is
called with it for a batch of one too, and because a row is read where it was written.

* Quantities and prices are fixed point, 1e-8 of a unit; `NONE` where the field is absent.
* Names (host, account, ...) are dense codes of `Names`, one code space a kind of name;
  0 is "absent", 1 is the bucket of all names over the bound.
* Ids of orders, executions and parents are 128-bit hashes in two columns; both 0 is absent.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

NONE: Final = -(1 << 63)  # an absent number; no field of the contract reaches it
UNIT: Final = 100_000_000  # quantities and prices: 1e-8
MONEY: Final = 10_000  # money: 1e-4

# fmt: off
(
    # ARRIVAL: the broker's time, 0 = unknown; PART: index of the source partition.
    KIND, TS, ARRIVAL, PART, OFFSET,
    SOURCE, HOST, BUILD, BOOT, STREAM, SEQ,  # SEQ: NONE if absent
    TRADE_DATE,  # days since 1970-01-01
    ACCOUNT, STRATEGY, ALGO, TRADER, DESK, CLIENT, ENTITY, GATEWAY, SESSION, VENUE,
    SYMBOL, CURRENCY, SIDE, ORIGIN, BITS,
    PARENT_HI, PARENT_LO, PARENT_AT,  # PARENT_AT: where the id's text lies in Batch.text: start << 8 | length
    ORDER_HI, ORDER_LO, ORIG_HI, ORIG_LO,
    EXEC_HI, EXEC_LO, EXEC_REF_HI, EXEC_REF_LO,
    QTY, PRICE, STOP_PRICE, LAST_QTY, LAST_PX, CUM_QTY, LEAVES_QTY,
    ORDER_TYPE, TIF, MULTILEG, REASON_CLASS, REASON, FLAGS,
    COUNT, EVENT, PHASE, ROLE, CONFIG_HASH, CLOCK_BOUND,  # CLOCK_BOUND: ns, NONE if absent
    # USD: dollars for one unit, 1e-8; MATCH: 64-bit hash of match_id.
    AS_OF, MULTIPLIER, ADV, SHARES_OUT, USD, MATCH,
    # BEFORE, AFTER: name codes of the text form of the value.
    ASSET_CLASS, TICK, ACTOR, TICKET, KEY, BEFORE, AFTER,
) = range(70)
# fmt: on
COLUMNS: Final = 70


class Kind(IntEnum):
    """The kinds of the contract; `UNKNOWN` is counted and passed over."""

    UNKNOWN = 0
    PARENT_NEW = 1
    PARENT_REPLACE = 2
    PARENT_SUSPEND = 3
    PARENT_FILL = 4
    PARENT_DONE = 5
    ORDER_NEW = 6
    ORDER_ACK = 7
    ORDER_REJECT = 8
    REPLACE_REQUEST = 9
    CANCEL_REQUEST = 10
    ORDER_REPLACE = 11
    ORDER_CANCEL = 12
    CANCEL_REJECT = 13
    ORDER_RESTATE = 14
    FILL = 15
    FILL_BUST = 16
    FILL_CORRECT = 17
    SESSION_EVENT = 18
    ERROR = 19
    HEARTBEAT = 20
    DEPLOY = 21
    LIMIT_CHANGE = 22
    INSTRUMENT = 23
    MARK = 24
    FX = 25
    POSITION = 26
    SESSION_PHASE = 27


class Source(IntEnum):
    """Who says it [contract: `source`]."""

    ROUTER = 1
    OMS = 2
    DROP_COPY = 3
    GATEWAY = 4
    FLEET = 5
    MARKET = 6
    CONTROL = 7


class Side(IntEnum):
    """FIX tag 54.  0 is absent."""

    BUY = 1
    SELL = 2
    SELL_SHORT = 3
    SELL_SHORT_EXEMPT = 4


class Origin(IntEnum):
    """Who entered the order."""

    ELECTRONIC = 1
    MANUAL = 2
    EXTERNAL = 3


class Bit(IntEnum):
    """Booleans of one event, in column `BITS`."""

    POSS_DUP = 1
    POSS_RESEND = 2
    CONDITIONAL = 4
    SUSPENDED = 8
    NEGATIVE_PRICE_OK = 16


class Multileg(IntEnum):
    """`single` and `leg` are booked, a `package` is not."""

    SINGLE = 1
    LEG = 2
    PACKAGE = 3


class OrderType(IntEnum):
    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    PEGGED = 5
    OTHER = 6


class Tif(IntEnum):
    DAY = 1
    GTC = 2
    IOC = 3
    FOK = 4
    OPG = 5
    CLS = 6
    GTD = 7
    OTHER = 8


class ReasonClass(IntEnum):
    """Why an order is out."""

    REQUESTED = 1
    IOC = 2
    EXPIRED = 3
    SELF_TRADE = 4
    VENUE = 5
    RISK = 6


class SessionEvent(IntEnum):
    LOGON = 1
    LOGOUT = 2
    RESEND_REQUEST = 3
    REJECT = 4
    BUSINESS_REJECT = 5


class Phase(IntEnum):
    """Phases of a session (1-5) and of a roll-out (6-9); the kind says which are allowed."""

    PRE_OPEN = 1
    OPEN = 2
    AUCTION = 3
    CLOSED = 4
    HALTED = 5
    PLANNED = 6
    STARTED = 7
    DONE = 8
    ROLLED_BACK = 9
