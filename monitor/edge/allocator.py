"""Tables are allocated at their bounds and cost only the pages that are used; malloc must not undo that.

glibc maps a large piece apart, all zero and untouched; but once such a piece was freed it takes the next
one of that size from its heap, where `np.zeros` has to write every page: 200 MB after a warm-up of kernels.

numpy asks for huge pages for what is large.  Tables that grow by some hundred bytes an order then stood the
loop for 5 to 8 ms at each new 2 MB, every other second at 10,000 events a second.
"""

from __future__ import annotations

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
APART_BYTES: Final = 4 * 1024 * 1024  # what tables are above, and batches of a log below
KEPT_BYTES: Final = 16 * 1024 * 1024  # free memory that stays ours: batches come and go by the megabyte
PR_SET_THP_DISABLE: Final = 41  # of Linux


def map_tables_apart() -> None:
    """Do so from now on (glibc), and in small pages (Linux); what the platform does not know is left out."""
    libc = ctypes.CDLL(None)
    mallopt = getattr(libc, "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, APART_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    prctl = getattr(libc, "prctl", None)
    if prctl is not None:
        prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
