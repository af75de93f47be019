"""Days that others recorded and days that a scenario wrote, told to one detector as the monitor reads them."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from detectors.contract import Breach, Severity
from monitor.core.decode import Decoder

if TYPE_CHECKING:
    from tests.detectors.tell import Telling

DATA = Path(os.environ.get("KNIGHTWATCH_DATA", Path(__file__).parents[3] / "shared" / "data"))
BOTH = pytest.mark.parametrize("name", ["abides", "bitstamp"])
BATCH_EVENTS = 4_096


def recorded(name: str) -> list[bytes]:
    """The lines of a recording; a machine that does not hold it skips the test, and says where to put it."""
    path = DATA / f"{name}.ndjson.gz"
    if not path.exists():
        pytest.skip(f"no {path.name}: name the folder that holds it in KNIGHTWATCH_DATA")
    return gzip.decompress(path.read_bytes()).splitlines()


def day(telling: Telling, lines: list[bytes]) -> list[Breach]:
    """What the detector says about these lines; not one of them may be broken."""
    decoder, said = Decoder(telling.names), []
    for first in range(0, len(lines), BATCH_EVENTS):
        part = lines[first : first + BATCH_EVENTS]
        nowhere = np.zeros(len(part), np.int64)
        read = decoder.decode(part, nowhere, np.arange(first, first + len(part), dtype=np.int64), nowhere)
        assert not read.quarantined
        said += telling.post(read.batch)
    return said


def loud(said: list[Breach]) -> list[Breach]:
    """What a person would be woken for."""
    return [b for b in said if b.severity > Severity.WARN]
