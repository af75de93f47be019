"""When an exchange's sessions open: by its own calendar, with holidays and summer time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST: Final = "2000-01-01"  # recordings of the past; the library itself looks a year ahead


class NoCalendar(ValueError):
    """There is no such calendar."""


def opens_ns(name: str) -> NDArray[np.int64]:
    """When each session of an exchange opens (XNYS, XLON, ...), rising, in nanoseconds since 1970."""
    return np.ascontiguousarray(sessions_ns(name)[:, 0])


def sessions_ns(name: str) -> NDArray[np.int64]:
    """Open and close of each session of an exchange."""
    import exchange_calendars as known  # noqa: PLC0415 - seconds to import, and most configurations name none
    from exchange_calendars import errors  # noqa: PLC0415

    try:
        calendar = known.get_calendar(name, start=FIRST)
    except errors.InvalidCalendarName as unknown:
        names = ", ".join(sorted(each for each in known.get_calendar_names() if len(each) == 4)[:8])
        raise NoCalendar(f"{name} is no exchange calendar; known: {names}, ...") from unknown
    both = zip(calendar.opens, calendar.closes, strict=True)
    return np.array([(opened.value, closed.value) for opened, closed in both], np.int64)
