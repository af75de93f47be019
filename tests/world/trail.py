"""The real audit trail, written by no thread but by the loop, a while after each line, on the simulated disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextvars import copy_context
from random import Random
from typing import Any, Final
from unittest import mock

from monitor.core.keyring import Signer
from monitor.core.trail import Head
from monitor.edge.audit import AuditTrail
from monitor.edge.audit.evidence import RawRecord
from tests.world.disk import Mount, TrailDisk

RETRY_S: Final = 0.25


class _NoThread:
    """Its work is done by `WorldTrail.pump`."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def start(self) -> None:
        pass

    def join(self, timeout: float | None = None) -> None:
        pass

    def is_alive(self) -> bool:
        return False


class WorldTrail(AuditTrail):
    """`heard` is told each line that is appended, before any disk has it."""

    def __init__(self, mount: Mount, at_ns: int, signer: Signer, chance: Random, heard: Any) -> None:
        self._mount, self._chance, self._heard = mount, chance, heard
        self._pumping = False
        self._loop = asyncio.get_running_loop()
        with mock.patch.object(threading, "Thread", _NoThread):
            super().__init__(TrailDisk.folder, at_ns=at_ns, signer=signer, disk=TrailDisk(mount))  # type: ignore[arg-type]

    def append(self, what: str, fields: Mapping[str, Any], at_ns: int) -> Head:
        head = super().append(what, fields, at_ns)
        self._heard(what, fields, head)
        self._wake(self._chance.uniform(0.0005, 0.02))
        return head

    def keep_evidence(self, halt_id: str, records: Any, at_ns: int) -> None:
        """Copied evidence is a file of its own, and not this world's matter; that it was kept is a line."""
        super().keep_evidence(halt_id, [RawRecord("", 0, 0, b"")][:0], at_ns)
        self._jobs.clear()
        self._jobs_bytes = 0

    def close(self, at_ns: int, timeout_s: float = 5) -> bool:
        self.append("trail.closed", {}, at_ns)
        self._sign(at_ns)
        while self._queue and not self._mount.files.hung:
            try:
                self._write(self._chunk())
            except OSError:
                return False
        return self._durable == self._head

    def _wake(self, after_s: float) -> None:
        if not self._pumping:
            self._pumping = True
            self._loop.call_later(after_s, self._pump, context=copy_context())

    def _pump(self) -> None:
        """What the thread's loop does once."""
        self._pumping = False
        if self._mount.files.hung:
            self._wake(0.05)
            return
        chunk = self._chunk()
        if not chunk:
            return
        try:
            self._write(chunk)
        except OSError as broken:
            self._failing = self._trouble = f"{type(broken).__name__}: {broken}"
            self._wake(RETRY_S)
            return
        if self._queue:
            self._wake(self._chance.uniform(0.0005, 0.02))
