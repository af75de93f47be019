"""One event as it was told, with the defaults of the contract filled in and its numbers made exact.

>>> told = Event({"kind": "fill", "ts": 86_400_000_000_000, "last_qty": 0.3, "side": "sell_short"})
>>> told.trade_date, told.number("last_qty"), told.sign, told.text("account")
('1970-01-02', 30000000, -1, '')
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

UNIT: Final = 10**8
SIGN: Final = {"buy": 1, "sell": -1, "sell_short": -1, "sell_short_exempt": -1}
WHO: Final = (
    "account", "entity", "desk", "trader", "client", "strategy", "algo", "build", "host", "gateway", "session",
)  # fmt: skip


class Event(dict[str, Any]):
    """A dict in which an absent field is `None`."""

    def __missing__(self, field: str) -> None:
        return None

    def text(self, field: str) -> str:
        return self[field] or ""

    def number(self, field: str) -> int | None:
        """A quantity or a price in 1e-8; what is finer is rounded to the nearest."""
        told = self[field]
        return None if told is None else round(Decimal(str(told)) * UNIT)

    @property
    def ts(self) -> int:
        return int(self["ts"])

    @property
    def trade_date(self) -> str:
        if self["trade_date"]:
            return str(self["trade_date"])
        return datetime.fromtimestamp(self.ts // 10**9, UTC).date().isoformat()

    @property
    def source(self) -> str:
        return self["source"] or "router"

    @property
    def sign(self) -> int:
        return SIGN.get(self["side"], 0)

    @property
    def who(self) -> dict[str, str]:
        return {kind: self.text(kind) for kind in WHO}

    @property
    def stream(self) -> tuple[str, ...]:
        return (self.source, self.text("host"), self.text("boot"), self.text("stream"))
