"""The one place that knows how a hot loop is compiled and where its cache lies.

numba's own cache stamps only the file that defines a function, so a constant changed
elsewhere would give stale answers: the cache folder of a file is named by the digest of
every source file that it imports, directly or not, and of numba's version.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

SECOND_NS: Final = 1_000_000_000
REARM_NS: Final = SECOND_NS  # a breach re-arms when it was below its rung this long


ROOT: Final = Path(__file__).resolve().parent.parent


def _sources(file: Path, seen: set[Path]) -> set[Path]:
    """A source file and all of ours that it imports, directly or not: what its compiled code can see."""
    if file not in seen:
        seen.add(file)
        for source in _imported(file):
            _sources(source, seen)
    return seen


@functools.cache  # a dozen digests look at the same files: reading each once saves seconds of a start
def _imported(file: Path) -> tuple[Path, ...]:
    """A package's contents page counts only where a name comes from it, not on the way to a module."""
    sources: list[Path | None] = []
    for node in _executed(ast.parse(file.read_bytes()).body):
        if isinstance(node, ast.Import):
            sources += (_source(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = _source(node.module)
            sources += (_source(f"{node.module}.{alias.name}") or whole for alias in node.names)
    return tuple(source for source in sources if source is not None)


def _executed(statements: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Statements, also inside others.  What stands there for the type checker only, compiled code never sees.

    Expressions hold no import, and are nine tenths of a file: looking at them cost a start 0.1 s.
    """
    for each in statements:
        if not (isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"):
            yield each
            for inside in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _executed(getattr(each, inside, ()))


def _source(module: str) -> Path | None:
    """The file of a module of ours."""
    base = ROOT.joinpath(*module.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


@functools.cache
def _digest(file: Path) -> str:
    machine = f"{numba.__version__} {sys.version} {os.environ.get('NUMBA_BOUNDSCHECK', '')}"
    seen = hashlib.sha256(machine.encode())
    for source in sorted(_sources(file, set())):
        seen.update(source.relative_to(ROOT).as_posix().encode())
        seen.update(source.read_bytes())
    return seen.hexdigest()[:16]


def cache_root() -> Path:
    """Where kernels lie compiled: beside the installation, or where KNIGHTWATCH_KERNELS says."""
    beside = Path(sys.prefix) / "share" / "knightwatch" / "kernels"
    return Path(os.environ.get("KNIGHTWATCH_KERNELS") or beside)


def sources_digest() -> str:
    """One digest of all compiled code, for `version` and the audit trail."""
    files = [*(ROOT / "detectors").rglob("*.py"), *(ROOT / "monitor" / "core").glob("scan*.py")]
    return hashlib.sha256("".join(_digest(file) for file in sorted(files)).encode()).hexdigest()[:16]


_NUMBA: Final[Any] = numba  # its stubs know neither CACHE_DIR nor _nrt


def _compile(function: F, **how: Any) -> F:
    file = Path(function.__code__.co_filename).resolve()
    _NUMBA.config.CACHE_DIR = str(cache_root() / f"{file.stem}-{_digest(file)}")
    return cast("F", _NUMBA.njit(cache=True, nogil=True, **how)(function))


def compiled(function: F) -> F:
    """Compile at first call, keep on disk.  No fastmath: equal input, equal bits.

    Kernels allocate nothing and return numbers only, so numba's reference counts are off
    (`_nrt`): counting each array at each call took 9 of 10 parts of the ledger's time.
    """
    return _compile(function, _nrt=False)


def inlined(function: F) -> F:
    """As `compiled`, for a piece of a hot loop: always inlined.

    A call passes each array as nine words; a ledger's worth of tables costs 0.2 µs a call.
    """
    return _compile(function, forceinline=True, _nrt=False)


def compiled_with_bounds(function: F) -> F:
    """As `compiled`, with array bounds checked also in service: for code that eats what strangers send."""
    return _compile(function, boundscheck=True, _nrt=False)


def inlined_with_bounds(function: F) -> F:
    """As `compiled_with_bounds`, for a piece of a hot loop: always inlined."""
    return _compile(function, boundscheck=True, forceinline=True, _nrt=False)


@inlined
def held(state, key, at):
    """The rung that `key` holds now: after `REARM_NS` below it, the lower one.  `state` as for `crossed`."""
    if state[key, 1] != 0 and at - state[key, 1] >= REARM_NS:
        state[key, 0] = state[key, 2]
        state[key, 1] = 0
    return state[key, 0]


@inlined
def crossed(state, key, rung, at):
    """Whether `rung` is an upward crossing for `key`: the rung crossed to, else 0.

    `state` is (keys, 3) int64: the rung held, since when below it (0: it is not), and
    the highest rung seen since then.  After `REARM_NS` below, the lower rung is held.
    """
    if rung >= held(state, key, at):
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
