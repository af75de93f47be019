"""The trail's writer: a line has its number and digest at once, the disk has it when it can.

`append` never waits: it numbers and chains the line, queues its bytes and returns the new head.
A thread writes and fsyncs what is queued; `durable` waits for it, never longer than told.  A
dead, full or hung disk fills the queue up to its bound; what comes after that is lost, counted,
and marked by one `audit.gap_marked` line when the disk is back, over which the chain goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from monitor.core.keyring import Signer
from monitor.core.trail import CHECKPOINT, GAP, OPENED, Head, sign_checkpoint, write_line
from monitor.edge.audit.disk import Disk
from monitor.edge.audit.evidence import RawRecord, write_evidence

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
CHUNK_BYTES: Final = 1024 * 1024  # one write and fsync
RETRY_S: Final = 0.25
DURABLE_S: Final = 0.02  # nothing waits longer for the disk


@dataclass(frozen=True, slots=True)
class Keeping:
    """The rule by which a trail is kept, and its bounds.

    A file is closed at `file_bytes_max` or when the UTC day of a line changes, and removed, with
    a `file.removed` line, when the file after it was opened `keep_days` ago; evidence likewise.
    """

    file_bytes_max: int = 64 * 1024 * 1024
    keep_days: int = 2_557  # seven years: more than SEC 17a-4 (six) and RTS 6 (five) ask
    checkpoint_lines: int = 1_000
    checkpoint_s: float = 10
    # At 100 lines of 300 bytes a second, a busy morning, the queue holds half an hour of a dead disk.
    queue_lines_max: int = 200_000
    queue_bytes_max: int = 64 * 1024 * 1024
    evidence_bytes_max: int = 64 * 1024 * 1024  # of all halts together, waiting to be written


@dataclass(frozen=True, slots=True)
class AuditStatus:
    """How the trail is doing, for metrics and pages."""

    head: Head
    durable: Head
    queued_lines: int
    lost_lines: int
    failing: str  # what the disk last said, "" when it works
    stuck_s: float  # how long the disk has not answered a write


@dataclass(frozen=True, slots=True)
class _Queued:
    file: str
    raw: bytes
    head: Head
    at_ns: int


@dataclass(frozen=True, slots=True)
class _Job:
    halt_id: str
    records: Sequence[RawRecord]
    at_ns: int
    after_line: int
    bytes: int


class AuditTrail:
    """The one writer of one folder.  Opening it reads the disk; nothing after that waits for it."""

    def __init__(
        self,
        folder: Path,
        *,
        at_ns: int,
        signer: Signer | None = None,
        keeping: Keeping | None = None,
        disk: Disk | None = None,
    ) -> None:
        self._keeping, self._signer = keeping or Keeping(), signer
        self._disk = disk or Disk(folder)
        found = self._disk.find()
        self.found_lines = found.head.count  # of lives before this one
        self._head = self._kept = found.head
        self._durable = Head()  # a killed process may have written without a sync: our first one covers it
        self._file, self._file_bytes, self._day = found.file, found.bytes, found.at_ns // DAY_NS
        self._queue: deque[_Queued] = deque()
        self._queue_bytes = 0
        self._jobs: deque[_Job] = deque()
        self._jobs_bytes = 0
        self._gap_from, self._gap_at = 0, 0  # number of the first lost line, 0: none is lost
        self._lost = 0
        self._checkpoint = Head(), 0  # and when
        self._failing, self._trouble = "", ""  # what the disk last said; what it said since it was last well
        self._busy_since = 0.0
        self._waiters: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Future[bool]]] = []
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._is_together = False
        self._closing = threading.Event()
        if found.head.count or found.torn:
            self.append("trail.reopened", {"after": found.head.payload, "torn": list(found.torn)}, at_ns)
        else:
            self.append("trail.begun", {}, at_ns)
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def head(self) -> Head:
        """All that was appended, on disk or not."""
        return self._head

    @property
    def durable_head(self) -> Head:
        """What the disk has: the head to publish where a crash may not make it a lie."""
        return self._durable

    def status(self) -> AuditStatus:
        stuck_s = time.monotonic() - self._busy_since if self._busy_since else 0.0
        return AuditStatus(self._head, self._durable, len(self._queue), self._lost, self._failing, stuck_s)

    def append(self, what: str, fields: Mapping[str, Any], at_ns: int) -> Head:
        """Put a line into the trail.  Never waits for the disk, never fails; any thread may call."""
        with self._news:
            self._append(what, fields, at_ns)
            last, signed_at = self._checkpoint
            due = self._head.count - last.count >= self._keeping.checkpoint_lines
            if due or at_ns - signed_at >= self._keeping.checkpoint_s * SECOND_NS:
                self._sign(at_ns)
            if not self._is_together:
                self._news.notify()
            return self._head

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """The lines of one fact: the writing thread is woken after the last of them.

        Woken by the first, it takes turns at the interpreter with a halt that is being signed and sent.
        """
        self._is_together = True
        try:
            yield
        finally:
            self._is_together = False
            if self._queue:
                with self._news:
                    self._news.notify()

    def keep_evidence(self, halt_id: str, records: Sequence[RawRecord], at_ns: int) -> None:
        """Copy a halt's records beside the trail, by the writing thread; `evidence.kept` follows."""
        size = sum(len(record.value) + 64 for record in records)
        with self._news:
            fits = self._jobs_bytes + size <= self._keeping.evidence_bytes_max
            if fits:
                self._jobs.append(_Job(halt_id, records, at_ns, self._head.count, size))
                self._jobs_bytes += size
                self._news.notify()
        if not fits:
            self.append(
                "evidence.lost",
                {"halt_id": halt_id, "records": len(records), "why": "no room in memory"},
                at_ns,
            )

    async def durable(self, timeout_s: float = DURABLE_S) -> bool:
        """Wait until the disk has all that was appended so far; False if it did not in time."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[bool] = loop.create_future()
        waiter = self._head.count, loop, told
        with self._lock:
            if self._durable.count >= waiter[0] or self._gap_from:
                return not self._gap_from
            self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                return await told
        except TimeoutError:
            return False
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    def close(self, at_ns: int, timeout_s: float = 5) -> bool:
        """Sign what there is, write it, stop.  False if the disk did not take it in time."""
        self.append("trail.closed", {}, at_ns)
        with self._news:
            self._sign(at_ns)
            self._closing.set()
            self._news.notify()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        self._disk.close()
        return self._durable == self._head

    def _append(self, what: str, fields: Mapping[str, Any], at_ns: int) -> None:
        room = len(self._queue) + 2 < self._keeping.queue_lines_max and not self._gap_from
        full = self._file_bytes >= self._keeping.file_bytes_max
        if room and (not self._file or full or at_ns // DAY_NS > self._day):
            self._file, self._file_bytes, self._day = (
                f"audit-{self._head.count + 1:012}.ndjson",
                0,
                at_ns // DAY_NS,
            )
            self._queue_line(OPENED, {"previous": self._head.payload}, at_ns)
        self._queue_line(what, fields, at_ns)

    def _queue_line(self, what: str, fields: Mapping[str, Any], at_ns: int) -> None:
        raw, head = write_line(self._head, at_ns, what, fields)
        over = len(self._queue) >= self._keeping.queue_lines_max
        if self._gap_from or over or self._queue_bytes + len(raw) > self._keeping.queue_bytes_max:
            self._gap_from = self._gap_from or head.count
            self._gap_at = at_ns
            self._lost += 1
        else:
            self._queue.append(_Queued(self._file, raw, head, at_ns))
            self._queue_bytes += len(raw)
            self._file_bytes += len(raw)
            self._kept = head
        self._head = head

    def _sign(self, at_ns: int) -> None:
        if self._signer and not self._gap_from and self._checkpoint[0] != self._head:
            self._queue_line(CHECKPOINT, sign_checkpoint(self._head, self._signer), at_ns)
            self._checkpoint = self._head, at_ns

    def _mark_gap(self) -> None:
        """All that was kept is written: say what was not, and go on after it."""
        why = self._trouble or "the disk did not answer in time"
        mark = {"from": self._gap_from, "to": self._head.count, "kept": self._kept.hash, "why": why}
        self._gap_from = 0
        self._queue_line(GAP, mark, self._gap_at)

    def _run(self) -> None:
        """Write what is queued, for ever; on failure try the same again."""
        while True:
            with self._news:
                while not (self._queue or self._jobs or self._closing.is_set()):
                    self._news.wait()
                chunk = self._chunk()
                if not chunk and not self._jobs:
                    return
            self._busy_since = time.monotonic()
            try:
                if chunk:
                    self._write(chunk)
                else:
                    self._write_evidence(self._jobs[0])
            except Exception as broken:  # noqa: BLE001 - our own fault, too, must show in the status and not end the thread
                self._failing = self._trouble = f"{type(broken).__name__}: {broken}"
                self._busy_since = 0.0
                if self._closing.wait(RETRY_S):
                    return
            self._busy_since = 0.0

    def _chunk(self) -> list[_Queued]:
        """The next lines of one file, at most `CHUNK_BYTES` and at least one."""
        chunk: list[_Queued] = []
        size = 0
        for queued in self._queue:
            if chunk and (queued.file != chunk[0].file or size + len(queued.raw) > CHUNK_BYTES):
                break
            chunk.append(queued)
            size += len(queued.raw)
        return chunk

    def _write(self, chunk: list[_Queued]) -> None:
        raw = b"".join(queued.raw for queued in chunk)
        self._disk.put(chunk[0].file, raw)
        with self._news:
            for _ in chunk:
                self._queue.popleft()
            self._queue_bytes -= len(raw)
            self._durable = chunk[-1].head
            if not self._queue:
                if self._gap_from:
                    self._mark_gap()
                self._trouble = ""
            ready = [waiter for waiter in self._waiters if waiter[0] <= self._durable.count]
        self._failing = ""
        for _, loop, future in ready:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
                loop.call_soon_threadsafe(_tell, future)
        if chunk[0].file == f"audit-{chunk[0].head.count:012}.ndjson":  # a file was begun
            self._forget(chunk[0].at_ns)

    def _write_evidence(self, job: _Job) -> None:
        kept = write_evidence(self._disk.folder, job.halt_id, job.after_line, job.records)
        with self._lock:
            self._jobs.popleft()
            self._jobs_bytes -= job.bytes
        self._failing = ""
        self.append("evidence.kept", kept, job.at_ns)

    def _forget(self, now_ns: int) -> None:
        before_ns = now_ns - self._keeping.keep_days * DAY_NS
        for name, head in self._disk.old_files(before_ns):
            self.append("file.removed", {"file": name, "through": head.payload}, now_ns)
            self._disk.remove(name)
        for name in self._disk.old_evidence(before_ns):
            self.append("file.removed", {"file": name}, now_ns)
            self._disk.remove(name)


def _tell(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(True)
