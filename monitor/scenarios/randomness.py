"""One random stream a concern: what one draws never moves what another draws.

With a single generator `--scale` would change the past.  A stream's key is its name
and its numbers, so any block of any concern can be drawn again alone.

>>> float(stream(7, "faulty", 0, 12).random()) == float(stream(7, "faulty", 0, 12).random())
True
>>> float(stream(7, "faulty", 0, 12).random()) == float(stream(7, "background", 0, 12).random())
False
"""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, concern: str, *numbers: int) -> np.random.Generator:
    """Give the generator of one concern (and, say, one layer and block of it)."""
    key = (zlib.crc32(concern.encode()), *numbers)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def layers(scale: float) -> list[float]:
    """Give the share to keep of each layer of flow: whole ones, then a thinned one.

    Flow at a smaller scale is thus a subset of the flow at a larger one.

    >>> layers(0.25), layers(2.5)
    ([0.25], [1.0, 1.0, 0.5])
    """
    if not 0 < scale <= 100:
        raise ValueError(f"scale {scale}: more than 0, at most 100")
    whole = int(scale)
    rest = scale - whole
    return [1.0] * whole + ([rest] if rest > 1e-12 else [])
