"""A changed configuration becomes a fact: read and validated whole, or every problem in it.

    SIGHUP, or the file changed  ->  load  ->  PolicyRead | PolicyBroken  ->  Engine.handle

Only what judges is taken while we run: detectors and ladder.  Addresses, keys and folders want a restart, and
a configuration that changes one of them is refused whole, by name: half of a file is nobody's configuration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from monitor.core.inputs import Input, PolicyBroken, PolicyRead
from monitor.edge.config_file import ConfigFile
from monitor.settings import Config, ConfigError, load
from monitor.settings.policy import policy_of
from monitor.settings.render import text_of

if TYPE_CHECKING:
    from monitor.edge.clock import Clock
    from monitor.edge.metrics import Metrics

LOOK_EVERY_S: Final = 1.0
TAKEN_WHILE_RUNNING: Final = frozenset({"detectors", "ladder"})


class Reloading:
    """Watches one configuration file; `ask` reads it now."""

    def __init__(self, config: Config, clock: Clock, metrics: Metrics, tell: Callable[[Input], None]) -> None:
        self._config = config
        self._clock = clock
        self._metrics = metrics
        self._tell = tell
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read it again, changed or not (SIGHUP)."""
        self._asked.set()

    async def run(self) -> None:
        """For ever.  A configuration that was no file is never read again."""
        path = Path(self._config.source)
        file = ConfigFile(path)
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._asked.wait()
            except TimeoutError:
                if not await asyncio.to_thread(file.is_changed):
                    continue
            self._asked.clear()
            self._tell(await asyncio.to_thread(self._read, path))

    def _read(self, path: Path) -> Input:
        try:
            config = load(path)
            policy = policy_of(config)
            problems = tuple(unlike(self._config.document, config.document))
        except ConfigError as wrong:
            problems = tuple(f"{one.key}: {one.sentence}" for one in wrong.problems)
        self._metrics.config_broken.set(bool(problems))
        if problems:
            return PolicyBroken(problems, self._clock.now_ns())
        return PolicyRead(policy, text_of(config), self._clock.now_ns())


def unlike(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """What differs and wants a restart, by key."""
    for key in sorted(old.keys() | new.keys()):
        where, before, after = f"{path}{key}", old.get(key), new.get(key)
        if (not path and key in TAKEN_WHILE_RUNNING) or before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from unlike(before, after, f"{where}.")
        else:
            yield f"{where}: changed from {before!r} to {after!r}; restart to have it in force"
