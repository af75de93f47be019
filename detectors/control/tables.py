"""What the family remembers: columns and bounds of its tables, and what they come to."""

from __future__ import annotations

from typing import Final

# Incarnations of processes on a host: the last of them, so that two processes side by side are no restarts.
HOSTS_MAX: Final = 1 << 12  # as many as have a name
BOOTS: Final = 8
(H_BEAT_AT, H_COUNT, H_BOOTS) = range(3)
HOST: Final = H_BOOTS + BOOTS

# Changes that were told: the last of them, so that one told again is none.
TOLD_MAX: Final = 256
(S_TOLD,) = range(1)  # how many were told
STATE: Final = 2

# What a run of postings asks of Python: which posting, what it is.
ASKED_MAX: Final = 64
(A_POSTING, A_WHAT) = range(2)
LIMIT, DEPLOY, RESTART = range(3)

SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "hosts": (HOSTS_MAX, HOST),
    "told": (TOLD_MAX,),
    "state": (STATE,),
}
BYTES_MAX: Final = 8 * (HOSTS_MAX * HOST + TOLD_MAX + STATE + 2 * ASKED_MAX)  # 0.4 MB
