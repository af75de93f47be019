"""The columns of `Postings`: what an event did, in the words of the ledger.

The ledger turns each event into none, one or many postings, as a bookkeeper would:
an order that arrives after its fills posts each of them out of account `?` and into
its own account.  Families read postings only; who owns an order, what is a duplicate
and what a bust undoes is settled before they look.

Every posting carries the same attribution columns.  Three of them are *changes* and
may be summed by anyone: `FILL` (executed quantity), `WORK` (quantity working at venues)
and `POS` (signed position).  A `BUSTED` posts them negative.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

# fmt: off
(
    KIND,      # PostingKind
    ROW,       # row of the batch that caused it
    AT,        # ns: when it happened, never later than 5 s after its arrival
    CLOCK,     # ns: the clock of its partition after it
    LOW,       # ns: the lowest clock of the partitions heard in the last second; never falls
    PART, OFFSET,
    ORDER,     # code of the order (its whole replace chain), -1 if none
    PARENT,    # code of the parent, -1 if none
    WHO,       # code of the attribution (see Ledger.who)
    ACCOUNT, STRATEGY, HOST, SESSION,  # the most asked-for parts of WHO
    SYMBOL, VENUE,
    SIGN,      # +1 buys, -1 sells, 0 unknown
    PAIR,      # code of (account, symbol)
    QTY,       # what the event itself says: sent, total, last or booked quantity, 1e-8
    PX,        # its price, 1e-8, NONE if it has none
    FILL,      # change of the order's executed quantity, 1e-8, unsigned side
    WORK,      # change of the order's working quantity, 1e-8; 0 for conditional and package orders
    POS,       # change of the position, signed, 1e-8
    BASE,      # change of the position brought in from outside (kind POSITION): for basis "total" only
    EXEC,      # code of the execution, -1 if none
    BITS,      # Note
    SENT_AT,   # ns: when the order was sent (AT of ORDER_SENT), 0 if it was never announced
) = range(27)
# fmt: on
COLUMNS: Final = 27


class PostingKind(IntEnum):
    """What happened, told once and in order."""

    EVENT = 1  # nothing for the ledger; ROW is to be read by whom it concerns
    PARENT_OPENED = 2  # QTY; also when a parent that was known only by its children is announced
    PARENT_AMENDED = 3  # QTY is the new total; re-opens
    PARENT_HELD = 4
    PARENT_RELEASED = 5
    PARENT_BOOKED = 6  # QTY is the change of what is booked, may be negative
    PARENT_DONE = 7
    ORDER_SENT = 8  # QTY, PX, WORK
    ORDER_ANSWERED = 9  # the first answer of any kind to an order; comes before the answer's own posting
    ORDER_CHANGED = 10  # replaced or restated: QTY is the new total, WORK the change
    ORDER_OUT = 11  # cancelled, rejected, expired, closed: WORK takes back what was working
    EXECUTED = 12  # QTY, PX, FILL, WORK, POS
    BUSTED = 13  # FILL and POS negative
    CORRECTED = 14  # QTY and PX are the new ones; FILL and POS the differences
    MOVED_OUT = 15  # an execution leaves the account `?` ...
    MOVED_IN = 16  # ... and arrives where its late order says
    POSITION_SET = 17  # POS 0, BASE the change; PX if given
    MARKED = 18  # SYMBOL, PX: a reference price
    RATED = 19  # currency: VENUE column holds the currency code, PX dollars for one unit
    INSTRUMENT = 20  # SYMBOL: ROW says the rest
    REQUESTED = 21  # a replace or cancel was asked for
    REQUEST_REFUSED = 22  # cancel_reject
    DUPLICATE = 23  # seen before: no effect
    CONFLICT = 24  # the same execution with other content: FILL and POS are what the larger one adds


class Note(IntEnum):
    """Bits of a posting that a family may ask for."""

    CONDITIONAL = 1
    PACKAGE = 2
    PARENT_UNKNOWN = 4  # the parent it names was never announced
    ORDER_UNKNOWN = 8  # the order it names was never announced (yet)
    MANUAL = 16  # origin manual or external
    OFF_PARENT = 32  # a child whose symbol or side is not its parent's
    REJECTED = 64  # ORDER_OUT by order_reject
    DROP_COPY = 128  # the event came from source drop_copy
    REPLACED = 256  # ORDER_CHANGED by a replace (else restated)
    REQUESTED = 512  # ORDER_OUT by a cancel on request
    AUCTION = 1024  # tif opg or cls
    LATE_ORDER = 2048  # ORDER_SENT for an order whose fills came first
    BEFORE_START = 4096  # happened before this monitor's stream began (cold start)
