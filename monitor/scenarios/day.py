"""The day and the fleet: 1 August 2012, eight routing servers, one of them missed by the roll-out.

Times of the SEC's order (Release 34-70694) are New York's, four hours behind UTC.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np

from monitor.scenarios.rows import GROUPS, Ints

SECOND_NS: Final = 1_000_000_000
MS_NS: Final = 1_000_000


def eastern_ns(hour: int, minute: int = 0, second: float = 0, *, month: int = 8, day: int = 1) -> int:
    """Nanoseconds since the epoch of a New York time in the summer of 2012."""
    at = dt.datetime(2012, month, day, hour, minute, tzinfo=dt.timezone(dt.timedelta(hours=-4)))
    return int(at.timestamp()) * SECOND_NS + round(second * SECOND_NS)


START_NS: Final = eastern_ns(8)
OPEN_NS: Final = eastern_ns(9, 30)
ONSET_NS: Final = eastern_ns(9, 30, 1)  # the first second of wrong children
ROLLBACK_NS: Final = eastern_ns(
    9, 50
)  # the new code is taken off the seven good servers: all eight misbehave
END_NS: Final = eastern_ns(10, 15)

BUILD_NEW: Final = "rlp-2012.07.27"
BUILD_OLD: Final = "legacy-2005"
FAULTY_HOST: Final = 8
VENUES: Final = ("NYSE", "ARCA", "NSDQ", "BATS", "EDGX")
ACKS_FIRST: Final = (
    False,
    False,
    True,
    True,
    False,
)  # acknowledges an order before it says that it is filled (ours)
GROUP_KEYS: Final = tuple(f"g{group:02}" for group in range(GROUPS))


def host_name(host: int) -> str:
    return f"smars-{host}"


def boots(host: Ints, ts: Ints) -> Ints:
    """Incarnation of a host's process at a time: the roll-back restarted the seven."""
    return np.where((ts >= ROLLBACK_NS) & (host != FAULTY_HOST), 2, 1)


def build_of(host: int, boot: int) -> str:
    return BUILD_OLD if host == FAULTY_HOST or boot == 2 else BUILD_NEW


# What a router writes about itself into each event, by boot and host.
ROUTER_TEXT: Final = {
    (host, boot): f'"host":"{host_name(host)}","boot":"{host_name(host)}.{boot}"'
    for host in range(1, 9)
    for boot in (1, 2)
}
ROUTER_BUILD_TEXT: Final = {
    (host, boot): f'{text},"build":"{build_of(host, boot)}"' for (host, boot), text in ROUTER_TEXT.items()
}
