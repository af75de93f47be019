"""Progress of a long verb, on standard error: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE_EVERY_S: Final = 10.0


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[float, str], None]]:
    """Yield `step(share, detail)`; `share` is 0 to 1.  Cheap enough to be called for every batch."""
    if not sys.stderr.isatty():
        yield _lines(what)
        return
    from rich.console import Console  # noqa: PLC0415 - not needed to show help
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[detail]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0, detail="")

        def step(share: float, detail: str) -> None:
            bar.update(task, completed=min(share, 1.0), detail=detail)

        yield step


def _lines(what: str) -> Callable[[float, str], None]:
    said_s = time.monotonic()

    def step(share: float, detail: str) -> None:
        nonlocal said_s
        now_s = time.monotonic()
        if now_s - said_s >= LINE_EVERY_S:
            said_s = now_s
            print(f"{what} {share:.0%} {detail}".rstrip(), file=sys.stderr, flush=True)

    return step
