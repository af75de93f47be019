"""How often in the last ten buckets of time: ten counts of six bits in one number.

A window belongs to the newest thing in it: the ten tenths of a second, or the ten seconds, that end with
that one's.  What comes later than that is too late to count.  A bucket counts to 63 and no further.

>>> row = np.zeros(2, np.int64)
>>> [count(row, 0, bucket) for bucket in (70, 70, 79, 72, 80, 69)], count(row, 0, 200)
([1, 2, 3, 4, 3, 3], 1)
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.kernel import inlined

__all__ = ["COUNTED_MAX", "count", "np"]

COUNTED_MAX: Final = 63  # what one bucket holds, so what is reached wherever the window lies
_BUCKETS: Final = 10
_BITS: Final = 6
_ALL: Final = (1 << (_BUCKETS * _BITS)) - 1


@inlined
def count(row, column, bucket):
    """Count one thing in its bucket; returns how many are in the window.

    `row[column]` is the newest bucket, `row[column + 1]` its counts, the newest lowest.
    """
    newest, counts = row[column], row[column + 1]
    if bucket > newest:
        later = bucket - newest
        counts = (counts << (later * _BITS)) & _ALL if later < _BUCKETS else 0
        newest = bucket
    age = newest - bucket
    if age < _BUCKETS and (counts >> (age * _BITS)) & COUNTED_MAX < COUNTED_MAX:
        counts += 1 << (age * _BITS)
    row[column], row[column + 1] = newest, counts
    total = 0
    for bucket_age in range(_BUCKETS):
        total += (counts >> (bucket_age * _BITS)) & COUNTED_MAX
    return total
