"""Where reading begins and which partitions are read, worked out from what the configuration says."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from monitor.settings.sections import checked_partitions

if TYPE_CHECKING:
    from monitor.settings.sections import Telemetry

SECOND_NS: Final = 1_000_000_000


def session_start_ns(telemetry: Telemetry, now_ns: int) -> int:
    """When the session that runs now began: the last passing of its time of day, by its own clock.

    A time that a change to summer time leaves out is taken by the clock before the change, one that
    comes twice by its first coming: rather an hour too much is read than one too little.
    """
    zone = ZoneInfo(telemetry.session_zone)
    today = datetime.fromtimestamp(now_ns // SECOND_NS, zone).date()
    for day in (today, today - timedelta(days=1)):
        start = datetime.combine(day, time.fromisoformat(telemetry.session_start), zone)
        start_ns = int(start.timestamp()) * SECOND_NS
        if start_ns <= now_ns:
            return start_ns
    raise AssertionError("a time of day passed neither today nor yesterday")


def partitions_of(text: str) -> frozenset[int] | None:
    """Read "0-7,12"; None, all of them, if it is empty.  Raises `ValueError` with what is wrong."""
    if not checked_partitions(text):
        return None
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)
