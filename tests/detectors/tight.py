"""Settings that a small stream can break: defaults, or thresholds a tenth as high."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from detectors.contract import Detector

# What a family needs besides numbers, so that it judges at all.
NEEDS: Final[dict[str, dict[str, Any]]] = {}


@st.composite
def settings_for(draw: st.DrawFn, make: type[Detector]) -> Any:
    """The family's settings: all as they come, or each number perhaps a tenth of its default."""
    changed: dict[str, Any] = dict(NEEDS.get(make.family(), {}))
    if draw(st.booleans()):
        for setting in dataclasses.fields(make.Settings):
            default = setting.default
            if isinstance(default, (int, float)) and not isinstance(default, bool) and draw(st.booleans()):
                lower = default / 10 if isinstance(default, float) else max(default // 10, min(default, 1))
                changed[setting.name] = type(default)(lower)
    return make.Settings(**changed)
