"""Tell a family a story in the middle of which a halt is open and obeyed; hear its breaches after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.desk import SECOND
from tests.detectors.tell import Telling
from tests.streams import orders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detectors.contract import Breach, Detector


def halted(
    family: type[Detector],
    before: str,
    scope: Mapping[str, str],
    level: str,
    after: str,
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> list[Breach]:
    """The halt is obeyed from the last event of `before` on; `after` begins a second later."""
    stream = orders(f"{before} +1000ms {after}")
    first = len(orders(before))
    telling = Telling(family, settings)
    told = telling.tell(stream[:first])
    assert not told, told
    at_ns = max(event["ts"] for event in stream[:first])
    telling.halt(scope, level, at_ns, **more)
    return telling.tell(stream[first:]) + telling.wait(stream[-1]["ts"] + 10 * SECOND)
