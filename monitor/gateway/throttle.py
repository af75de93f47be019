"""A cap on messages a second, exactly: in no window of one second are there more.

A bucket of tokens would let twice the cap through in its first second; this counts what was sent.
"""

from __future__ import annotations

from collections import deque
from typing import Final

SECOND_NS: Final = 1_000_000_000
# Times are kept for one second: 8 bytes each, so a cap of 100,000 is under 4 MB of integers.
# A throttle that allows more than that would cap nothing that a gateway can send.
SENT_MAX: Final = 100_000


class Window:
    """What was sent in the last second under one throttle."""

    def __init__(self) -> None:
        self._sent: deque[int] = deque()

    def count(self, now_ns: int, messages_per_s: float) -> tuple[int, int]:
        """How many were sent in the window, and how many may be.  Below 1/s the window is longer."""
        if messages_per_s <= 0:
            return 0, 0
        window_ns = int(SECOND_NS / min(messages_per_s, 1))
        while self._sent and self._sent[0] <= now_ns - window_ns:
            self._sent.popleft()
        return len(self._sent), int(min(max(messages_per_s, 1), SENT_MAX))

    def add(self, now_ns: int) -> None:
        self._sent.append(now_ns)
