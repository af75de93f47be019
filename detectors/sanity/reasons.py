"""The closed list of what sanity says, and its numbers in compiled code: the place in the list."""

from __future__ import annotations

from typing import Final

from detectors.contract import ANY_FAMILY, Level, Reason

COLLAR, ADV, SHARES_OUT, BAD_REFERENCE, ONE_PRICE = range(5)
REASONS: Final = (
    Reason("collar", "orders priced through the reference in 10 s", "orders", Level.HALT_CANCEL),
    Reason("adv", "an order too large for what a day trades", "of a day's volume", Level.HALT_CANCEL),
    Reason("shares_out", "an order for more than there is", "of all shares", Level.HALT_CANCEL),
    Reason("bad_reference", "a reference price that cannot be", "price", None),
    Reason(
        "one_price", "symbols ordered at exactly one price in 10 s", "symbols", Level.HALT_CANCEL, ANY_FAMILY
    ),
)
