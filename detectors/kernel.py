"""The one place that knows how a hot loop is compiled and where its cache lies.

numba's own cache stamps only the file that defines a function, so a constant changed
elsewhere would give stale answers: the cache folder is named by the digest of every
source file that compiled code can see, and by numba's version.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

SECOND_NS: Final = 1_000_000_000
REARM_NS: Final = SECOND_NS  # a breach re-arms when it was below its rung this long


def _digest() -> str:
    """What compiled code depends on: all of `detectors`, the scanner, numba, the bounds checks."""
    here = Path(__file__).resolve().parent
    seen = hashlib.sha256(
        f"{numba.__version__} {sys.version} {os.environ.get('NUMBA_BOUNDSCHECK', '')}".encode()
    )
    for source in sorted([*here.rglob("*.py"), *(here.parent / "monitor" / "core").glob("scan*.py")]):
        seen.update(source.relative_to(here.parent).as_posix().encode())
        seen.update(source.read_bytes())
    return seen.hexdigest()[:16]


def cache_folder() -> Path:
    """Where kernels lie compiled: beside the installation, or where KNIGHTWATCH_KERNELS says."""
    root = os.environ.get("KNIGHTWATCH_KERNELS") or Path(sys.prefix) / "share" / "knightwatch" / "kernels"
    return Path(root) / _digest()


CACHE: Final = cache_folder()
_NUMBA: Final[Any] = numba  # its stubs know neither CACHE_DIR nor _nrt
_NUMBA.config.CACHE_DIR = str(CACHE)
_NJIT: Final = _NUMBA.njit


def compiled(function: F) -> F:
    """Compile at first call, keep on disk.  No fastmath: equal input, equal bits.

    Kernels allocate nothing and return numbers only, so numba's reference counts are off
    (`_nrt`): counting each array at each call took 9 of 10 parts of the ledger's time.
    """
    return cast("F", _NJIT(cache=True, nogil=True, _nrt=False)(function))


def inlined(function: F) -> F:
    """As `compiled`, for a piece of a hot loop: always inlined.

    A call passes each array as nine words; a ledger's worth of tables costs 0.2 µs a call.
    """
    return cast("F", _NJIT(cache=True, nogil=True, forceinline=True, _nrt=False)(function))


def compiled_with_bounds(function: F) -> F:
    """As `compiled`, with array bounds checked also in service: for code that eats what strangers send."""
    return cast("F", _NJIT(cache=True, nogil=True, boundscheck=True)(function))


@inlined
def crossed(state, key, rung, at):
    """Whether `rung` is an upward crossing for `key`: the rung crossed to, else 0.

    `state` is (keys, 3) int64: the rung held, since when below it (0: it is not), and
    the highest rung seen since then.  After `REARM_NS` below, the lower rung is held.
    """
    if state[key, 1] != 0 and at - state[key, 1] >= REARM_NS:
        state[key, 0] = state[key, 2]
        state[key, 1] = 0
    if rung >= state[key, 0]:
        state[key, 1] = 0
        if rung > state[key, 0]:
            state[key, 0] = rung
            return rung
        return 0
    if state[key, 1] == 0:
        state[key, 1] = at
        state[key, 2] = rung
    elif rung > state[key, 2]:
        state[key, 2] = rung
    return 0
