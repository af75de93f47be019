"""What a watcher sees of a morning while it passes: plain lines here, a cockpit on a terminal."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from monitor.core.phone import money

if TYPE_CHECKING:
    from monitor.demo.morning import Morning
    from monitor.feeding import OnRecords

LINE_EVERY_S: Final = 1.0
NEW_YORK: Final = timezone(timedelta(hours=-4))  # in August


class View:
    """Plain lines on standard error, one a second: for machines, logs and pipes."""

    on_records: OnRecords | None = None

    def __init__(self) -> None:
        self._pages = 0

    def say(self, text: str) -> None:
        """What is being made ready."""
        print(text, file=sys.stderr, flush=True)

    async def look(self, morning: Morning) -> None:
        """Show it for as long as it passes."""
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            if morning.begun.is_set() and morning.happened.end is None:
                self._tell(morning)

    def last_look(self, morning: Morning) -> None:
        """Show how it ended."""
        self._tell(morning)

    def _tell(self, morning: Morning) -> None:
        for page in morning.happened.pages[self._pages :]:
            self.say(page)
        self._pages = len(morning.happened.pages)
        now = morning.moment()
        self.say(
            f"{clock_text(now.at_ns)}  {morning.records:,} records judged, {now.children:,} wrong children, "
            f"{money(now.gross)} on account 33, applied by {len(morning.happened.applied_by)} of 8"
        )


def clock_text(at_ns: int) -> str:
    """New York's time of day.

    >>> clock_text(1343827801_250000000)
    '09:30:01.2'
    """
    at = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).astimezone(NEW_YORK)
    return f"{at:%H:%M:%S}.{at_ns // 100_000_000 % 10}"
