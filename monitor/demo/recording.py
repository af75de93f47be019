"""What the monitor judged, line by line in its order: a file that `knightwatch replay` reads.

    {"kind":"fill",...}  arrived at 17   ->   {"arrival_ts":17,"kind":"fill",...}

The order is that of the audit trail's `records.arrived` ranges, so the trail's facts and these
lines together are all that the engine was ever told.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.core.inputs import SourcePart


class Recording:
    """Written beside the judging, buffered; whole when it is closed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=1 << 20)
        self.records = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(
        self,
        _part: SourcePart,
        values: Iterable[bytes],
        _offsets: NDArray[np.int64],
        arrived_ns: NDArray[np.int64],
    ) -> None:
        """Take records as they go to the engine (the monitor's `on_records`)."""
        lines = [line_of(value, at_ns) for value, at_ns in zip(values, arrived_ns.tolist(), strict=True)]
        self.records += len(lines)
        self._file.write(b"".join(lines))


def line_of(value: bytes, arrived_ns: int) -> bytes:
    r"""One record as a line.  A newline inside a record is a space to JSON, and an end to a file of lines.

    >>> line_of(b'{"kind":"mark"}', 17)
    b'{"arrival_ts":17,"kind":"mark"}\n'
    """
    opening, brace, rest = value.replace(b"\n", b" ").partition(b"{")
    if not brace or opening.strip():
        return opening + brace + rest + b"\n"  # no object: broken then, and broken again in a replay
    comma = b"" if rest.lstrip().startswith(b"}") else b","
    return b'{"arrival_ts":%d%b%b\n' % (arrived_ns, comma, rest)
