"""The engine's memory to disk and back: what we know, with the offsets that it belongs to, as one value.

Saving stands beside judging: the store's child sees memory as it was, and encodes, writes and syncs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from monitor.core import snapshot
from monitor.core.engine import Engine
from monitor.core.inputs import CommandSettled, Input, LifeBegan
from monitor.edge.kafka_in import Bearings
from monitor.failpoints import failpoint

if TYPE_CHECKING:
    from monitor.core.policy import Policy
    from monitor.edge.audit import AuditTrail
    from monitor.edge.clock import Clock
    from monitor.edge.metrics import Metrics

# With 20 ms each: a trail that takes longer is not waited for, its disk is dead.
TRAIL_TRIES: Final = 50


class SnapshotStore(Protocol):
    """Where snapshots lie."""

    async def save(self, pieces: Callable[[], Iterable[bytes | memoryview]], at_ns: int) -> float:
        """Write what `pieces` gives at this very call, whole or not at all; raises `OSError`.

        Returns for how many seconds nobody could judge.
        """

    def load(self, decode: Callable[[bytes], Any], bad: type[Exception]) -> tuple[Any | None, list[str]]:
        """The newest that can be decoded; and what was wrong with newer ones, which are set aside."""


class Saving:
    """Snapshots of one engine.  `flush` puts what was judged into the trail first."""

    def __init__(
        self,
        store: SnapshotStore,
        audit: AuditTrail,
        clock: Clock,
        log: Any,
        metrics: Metrics,
        flush: Callable[[], None],
        tell: Callable[[Input], None],
        bearings: Callable[[], Bearings],
        said: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._flush = flush
        self._tell = tell
        self._bearings = bearings
        self._said = said
        self._task: asyncio.Task[None] | None = None
        self.restored_bearings = Bearings()
        self.restored_said: Mapping[str, Any] = {}  # what the performer knew of what it had said
        self.restored_after: int | None = None  # line of the trail behind which our snapshot stood

    def restore(self, policy: Policy) -> tuple[Engine, LifeBegan]:
        """An engine with the newest state that can be read, and what it must be told of how that went."""
        found, wrong = self._store.load(lambda raw: _read(raw, policy), snapshot.BadSnapshot)
        for what in wrong:
            self._log.error("snapshot.set_aside", what=what)
        if found is None:
            self._log.warning("state.cold", why="no snapshot can be read: reading from the session's start")
            self._engine = Engine(policy)
        else:
            self._engine, shell, before = found
            self.restored_bearings, self.restored_said = shell["bearings"], shell["said"]
            after, found_lines = shell["audit_lines"], self._audit.found_lines
            if after <= found_lines:
                self.restored_after = after
            else:  # the disk of the trail was dead, or it is another trail: the state is good all the same
                self._warn("snapshot.ahead", {"stood_after": after, "trail_has": found_lines})
            if before != policy.digest:
                anew = dict(self._engine.began_anew)
                self._warn("policy.differs", {"before": before, "after": policy.digest, "began_anew": anew})
            known, stopped = len(self._engine.next_offsets), len(self._engine.halts.open)
            self._log.info("state.restored", offsets=known, open=stopped)
            failpoint("state.restored")
        life = LifeBegan(found is not None, tuple(wrong), bool(self._audit.found_lines), self._clock.now_ns())
        return self._engine, life

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
        """What is known now, with all that led to it in the trail before it."""
        await self._trail_is_written()
        shell = {"bearings": self._bearings().plain(), "audit_lines": self._audit.head.count}
        at_ns = self._clock.now_ns()
        try:
            paused_s = await self._store.save(
                lambda: snapshot.encode({**self._engine.views(), "shell": {**shell, "said": self._said()}}),
                at_ns,
            )
        except OSError as broken:
            self._metrics.snapshot_failures.inc()
            self._tell(
                CommandSettled("snapshot", "snapshot", "disk", ok=False, at_ns=at_ns, detail=str(broken))
            )
            return
        self._metrics.snapshot_saved(at_ns)
        self._log.info("snapshot.saved", paused_ms=round(paused_s * 1e3, 1))

    async def _trail_is_written(self) -> None:
        """A snapshot stands behind a line of the trail: after a crash that line shall be there.

        Judging goes on while the disk writes, so this asks for a moment in which nothing waits for it.
        """
        for _ in range(TRAIL_TRIES):
            self._flush()
            if self._audit.durable_head == self._audit.head:
                return
            await self._audit.durable()

    def _warn(self, what: str, fields: Mapping[str, Any]) -> None:
        self._log.warning(what, **fields)
        self._audit.append(what, fields, self._clock.now_ns())


def _read(raw: bytes, policy: Policy) -> tuple[Engine, Mapping[str, Any], str]:
    """An engine as it was, what the shell knew, by which policy it judged.  Raises `BadSnapshot`."""
    state = snapshot.decode(raw)
    try:
        engine, shell = Engine(policy), state["shell"]
        engine.restore(state)
        known = {
            "bearings": Bearings.of(shell["bearings"]),
            "audit_lines": shell["audit_lines"],
            "said": shell["said"],
        }
        return engine, known, str(state["engine"]["policy_digest"])
    except (ValueError, KeyError, TypeError, IndexError) as unfit:
        raise snapshot.BadSnapshot(f"is not of this program: {type(unfit).__name__}: {unfit}") from unfit
