"""Settings that a small stream can break: defaults, or thresholds a tenth as high."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from detectors.contract import Detector

# What a family needs besides numbers, so that it judges at all.
NEEDS: Final[dict[str, dict[str, Any]]] = {
    "exposure": {
        "limit": (
            {"scope": "account=*", "gross": 100_000, "net": 20_000, "basis": "intraday"},
            {"scope": "account=a-33", "gross": 2_000, "basis": "total"},
            {"scope": "session=*", "order_notional": 50_000, "order_quantity": 10_000, "session_orders": 5},
            {"scope": "host=*", "gross": 200_000},
            {"scope": "account=*&symbol=*", "quantity": 1_000},
            {"scope": "*", "gross": 5_000_000},
        )
    },
    "repeat": {
        "limit": ({"scope": "strategy=*", "executions": 5}, {"scope": "strategy=a-st0", "executions": 2}),
    },
    "loss": {
        "limit": (
            {"scope": "account=*", "daily": 2_000},
            {"scope": "strategy=*", "daily": 500, "velocity": 100},
            {"scope": "account=*&symbol=*", "velocity": 50},
        )
    },
    "rate": {
        "limit": (
            {"scope": "session=*", "messages_per_s": 6},
            {"scope": "account=a-33", "messages_per_s": 3},
            {"scope": "account=*&host=*", "messages_per_s": 5},
        )
    },
    "fleet": {
        "manifest": tuple(
            {"role": desk, "hosts": (f"{desk}-gw-*",), "count": 2, "build": "v0", "flags": ("x",)}
            for desk in "ab"
        ),
        "grants": ({"hosts": ("*-1",), "strategies": ("?-st0",)}, {"hosts": ("*-2",), "accounts": ("*-33",)}),
    },
}


@st.composite
def settings_for(draw: st.DrawFn, make: type[Detector]) -> Any:
    """The family's settings: all as they come, or each number perhaps a tenth of its default."""
    needed = NEEDS.get(make.family(), {})
    changed: dict[str, Any] = {}
    if draw(st.booleans()):
        for setting in dataclasses.fields(make.Settings):
            default = setting.default
            if isinstance(default, (int, float)) and not isinstance(default, bool) and draw(st.booleans()):
                lower = default / 10 if isinstance(default, float) else max(default // 10, min(default, 1))
                changed[setting.name] = type(default)(lower)
    try:
        return make.Settings(**needed, **changed)
    except ValueError:  # two numbers that contradict each other: the family says so, and that is another test
        return make.Settings(**needed)
