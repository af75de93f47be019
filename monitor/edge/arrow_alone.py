"""pyarrow, without the pandas that it would load at its first conversion: 50 MB and a quarter of a second.

Nothing here is ever made a data frame.  What imports pandas itself still gets it.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import pyarrow as pa

PANDAS: Final = "pandas"


class _Nowhere:
    """Finds no pandas."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == PANDAS:
            raise ImportError(name)


def leave_pandas_out() -> None:
    """Pyarrow asks once in a process; it is told no, unless somebody has loaded pandas before.

    >>> leave_pandas_out()
    >>> pa.array([1, 2]).to_numpy().tolist()
    [1, 2]
    """
    if PANDAS in sys.modules:
        return
    nowhere: Any = _Nowhere()
    sys.meta_path.insert(0, nowhere)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(nowhere)
