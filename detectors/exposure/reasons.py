"""The closed list of what exposure says, and its numbers in compiled code: the place in the list."""

from __future__ import annotations

from typing import Final

from detectors.contract import Level, Reason, Severity

WARN: Final = int(Severity.WARN)
HIGH: Final = int(Severity.HIGH)
HALT: Final = int(Severity.HALT)

GROSS, NET, QUANTITY, TIME, ORDER_NOTIONAL, ORDER_QUANTITY, SESSION_ORDERS, SESSION_NOTIONAL = range(8)
REASONS: Final = (
    Reason("gross", "gross exposure over its limit", "USD", Level.REDUCE_ONLY),
    Reason("net", "net exposure over its limit", "USD", Level.REDUCE_ONLY),
    Reason("quantity", "units of one symbol over their limit", "units", Level.REDUCE_ONLY),
    Reason("time_to_limit", "exposure grows towards its limit", "s", None),
    Reason("order_notional", "one order worth more than its cap", "USD", Level.REDUCE_ONLY),
    Reason("order_quantity", "one order larger than its cap", "units", Level.REDUCE_ONLY),
    Reason("session_orders", "more orders in a day than their cap", "orders", Level.REDUCE_ONLY),
    Reason("session_notional", "a day's orders worth more than their cap", "USD", Level.REDUCE_ONLY),
)
N_REASONS: Final = len(REASONS)
MEASURES: Final = (
    3  # gross, net and quantity: what a scope has at any time; the others are of an event or a rate
)
IN_MONEY: Final = frozenset({GROSS, NET, ORDER_NOTIONAL, SESSION_NOTIONAL})  # 1e-4 dollars; the others 1e-8
