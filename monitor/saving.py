"""The engine's memory to disk and back: what we know, with the offsets that it belongs to, as one value."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from monitor.core import snapshot
from monitor.core.inputs import CommandSettled, Input

if TYPE_CHECKING:
    from monitor.core.engine import Engine
    from monitor.edge.audit import AuditTrail
    from monitor.edge.clock import Clock
    from monitor.edge.metrics import Metrics
    from monitor.edge.store import Store


class Saving:
    """Snapshots of one engine.  `flush` puts what was judged into the trail first."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        audit: AuditTrail,
        clock: Clock,
        log: Any,
        metrics: Metrics,
        flush: Callable[[], None],
        tell: Callable[[Input], None],
        topic_ids: Callable[[], Mapping[str, bytes]],
    ) -> None:
        self._engine = engine
        self._store = store
        self._audit = audit
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._flush = flush
        self._tell = tell
        self._topic_ids = topic_ids
        self._task: asyncio.Task[None] | None = None
        self.restored_topic_ids: dict[str, bytes] = {}
        self.restored_after: int | None = None  # line of the trail behind which our snapshot stood

    def restore(self) -> None:
        """The newest state that can be read; what cannot is set aside, and said."""
        state, wrong = self._store.load(snapshot.decode, snapshot.BadSnapshot)
        for what in wrong:
            self._log.error("snapshot.set_aside", what=what)
            self._audit.append("snapshot.set_aside", {"what": what}, self._clock.now_ns())
        if state is None:
            self._log.warning("state.cold", why="no snapshot: reading from the session's start")
            return
        engine, shell = self._engine, state["shell"]
        engine.restore(state)
        self.restored_topic_ids = {topic: bytes.fromhex(text) for topic, text in shell["topic_ids"].items()}
        self.restored_after = shell["audit_lines"]
        self._log.info("state.restored", offsets=len(engine.next_offsets), open=len(engine.halts.open))

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Save beside the stream, unless that is being done."""
        if self._task is None or self._task.done():
            self._task = tasks.create_task(self.save())

    async def finish(self, timeout_s: float) -> None:
        """Wait for what is being saved, then save what is known now: the last act of a wanted end."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout_s)
        await self.save()

    async def save(self) -> None:
        self._flush()
        state = self._engine.snapshot()
        ids = {topic: identity.hex() for topic, identity in self._topic_ids().items()}
        state["shell"] = {"topic_ids": ids, "audit_lines": self._audit.head.count}
        at_ns = self._clock.now_ns()
        try:
            pieces = await asyncio.to_thread(snapshot.encode, state)
            await asyncio.to_thread(self._store.save, pieces, at_ns)
        except OSError as broken:
            self._metrics.snapshot_failures.inc()
            self._tell(
                CommandSettled("snapshot", "snapshot", "disk", ok=False, at_ns=at_ns, detail=str(broken))
            )
            return
        self._metrics.snapshot_saved(at_ns)
