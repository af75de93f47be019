"""Tables are allocated at their bounds and cost only the pages that are used; malloc must not undo that.

glibc maps a large piece apart, all zero and untouched; but once such a piece was freed it takes the next
one of that size from its heap, where `np.zeros` has to write every page: 200 MB after a warm-up of kernels.
"""

from __future__ import annotations

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
APART_BYTES: Final = 4 * 1024 * 1024  # what tables are above, and batches of a log below
KEPT_BYTES: Final = 16 * 1024 * 1024  # free memory that stays ours: batches come and go by the megabyte


def map_tables_apart() -> None:
    """Do so from now on.  Elsewhere than on glibc nothing is done."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, APART_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
