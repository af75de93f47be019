"""Hosts against their manifest, and senders against their grants.

    build_mismatch    a live host runs a build (or that build's configuration) that neither the manifest
                      nor a declared roll-out names
    undeclared_flag   it has a flag that the manifest does not list
    dormant_flag      it uses a flag that nobody used for `dormant_days`
    silent_host       no heartbeat while its calendar expects it; or fewer hosts than are declared
    not_granted       an order of a host, strategy and account that no grant covers: deny by default

Why: new code came to seven of Knight's eight routers and nobody compared them; the eighth still had code,
dormant for nine years, behind a flag that was used again (SEC Release 34-70694).

How it counts: a heartbeat says what its host runs.  One of few of its role that is not as declared is
stopped at its first order, or, where others of its role send already, before it; a whole role alike is more
likely a manifest that is out of date, so people are asked.  Each name is compared with the manifest once, in
Python, and answered from a table afterwards.

>>> from tests.detectors.tell import tell
>>> beat = {"kind": "heartbeat", "source": "fleet"}
>>> order = {"kind": "order_new", "host": "r-3", "order_id": "1", "account": "A"}
>>> order |= {"symbol": "S", "side": "buy", "qty": 1}
>>> builds = {"r-1": "v2", "r-2": "v2", "r-3": "v1"}
>>> story = [beat | {"ts": 10**18 + n, "host": h, "build": b} for n, (h, b) in enumerate(builds.items())]
>>> manifest = ({"role": "router", "hosts": ("r-*",), "count": 3, "build": "v2"},)
>>> for breach in tell(Fleet, [*story, order | {"ts": 10**18 + 9}], {"manifest": manifest}):
...     print(breach.severity.word, breach)
warn fleet build_mismatch host=r-3: 1 > 0
halt fleet build_mismatch host=r-3: 1 > 0

Where: `judge` takes postings to the questions, `ticks` takes time to them; `hosts` hears heartbeats and
roll-outs, `standing` says where a host stands, `roles` counts them, `sending` judges orders and flags;
`manifest` and `grants` compare names with the settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors import names as nm
from detectors.contract import Detector
from detectors.evidence import HIT, breaches
from detectors.fleet import tables as tb
from detectors.fleet.grants import Grants
from detectors.fleet.judge import judge_postings, judge_silence
from detectors.fleet.manifest import Wrong, answer, place_host, problems
from detectors.fleet.reasons import N_REASONS, REASONS, SAID
from detectors.fleet.settings import FleetSettings, GrantRow, ManifestRow
from detectors.kernel import SECOND_NS
from detectors.names import id_hash

if TYPE_CHECKING:
    from detectors.contract import Breach, Postings, View

__all__ = ["Fleet", "FleetSettings", "GrantRow", "ManifestRow"]


class Fleet(Detector):
    """Hosts against the manifest and its roll-outs, senders against their grants."""

    reasons = REASONS
    Settings = FleetSettings
    LIVES_ON = ("heartbeat", "order_new")
    BYTES_MAX = tb.BYTES_MAX
    ROWS: ClassVar[Mapping[str, type]] = {"manifest": ManifestRow, "grants": GrantRow}
    ARMED_NEEDS: ClassVar[tuple[str, ...]] = ("grants",)

    @classmethod
    def idle(cls, settings: FleetSettings) -> tuple[str, str] | None:
        if settings.manifest or settings.grants:
            return None
        return "it has no manifest and no grants", "write manifest = [...]"

    def __init__(self, settings: FleetSettings, view: View) -> None:
        super().__init__(settings, view)
        self.tables = {name: np.zeros(shape, np.int64) for name, shape in tb.SHAPES.items()}
        answers = {name: np.zeros(shape, np.int64) for name, shape in tb.ANSWERS.items()}
        roles = settings.roles
        slices, sessions = _joined(view.sessions)
        manifest = np.zeros((max(len(settings.manifest), 1), tb.MANIFEST), np.int64)
        counts = np.zeros(len(roles) + 1, np.int64)
        for n, row in enumerate(settings.rows):
            role = 1 + roles.index(row.role)
            at = slices.get(row.calendar, (0, 0))
            manifest[n] = role, row.flags is not None, bool(row.config_hash), bool(row.build), *at
            counts[role] += row.count
        hits = np.zeros((tb.HITS_MAX, HIT), np.int64)
        self._t = tb.Tables(
            limits=settings.fixed(),
            manifest=manifest,
            counts=counts,
            sessions=sessions,
            hits=hits,
            **self.tables,
            **answers,
        )
        self._grants = Grants(self._t, settings, view)
        self._roles = id_hash("&".join(roles))[0]
        self._t.state[tb.S_ROLES] = self._roles

    @classmethod
    def problems(cls, table: Mapping[str, Any]) -> Iterator[Wrong]:
        return problems(table)

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        start = 0
        while start < len(postings.rows):
            start, count = judge_postings(postings.rows, start, postings.batch.rows, *self._t)
            yield from self._breaches(count)
            if self._t.state[tb.S_ASKED]:
                self._answer()

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        is_done = False
        while not is_done:
            count, is_done = judge_silence(now_ns, *self._t)
            yield from self._breaches(count)

    def wake_at_ns(self) -> int | None:
        """The next second while a host may yet be missed."""
        state = self._t.state
        due = state[tb.S_UNTIL] > state[tb.S_TICKED] > 0
        return (int(state[tb.S_TICKED]) + 1) * SECOND_NS if due else None

    def used(self) -> Mapping[str, int]:
        names = self.view.names
        hosts, strategies = names.count(nm.HOST) + nm.FIRST, names.count(nm.STRATEGY) + nm.FIRST
        return {
            "hosts": hosts,
            "cross": hosts * N_REASONS,
            "rings": hosts * N_REASONS,
            "flags": names.count(nm.FLAG_SET) + nm.FIRST,
            "strategy_cross": strategies,
            "strategy_rings": strategies,
            "venues": names.count(nm.VENUE) + nm.FIRST,
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        super().restore(state)
        self._grants.forget()
        t = self._t
        if t.state[tb.S_ROLES] != self._roles:  # another manifest: what was counted by role is another's
            for table in (t.roles, t.role_cross, t.role_rings):
                table[:] = 0
            t.state[tb.S_ROLES] = self._roles
        for host in np.flatnonzero(t.hosts[:, tb.H_ROW]):
            place_host(t, self.settings, self.view, int(host))

    def _answer(self) -> None:
        """Say what the kernel has asked for."""
        state = self._t.state
        asked, code = int(state[tb.S_ASKED]), int(state[tb.S_CODE])
        state[tb.S_ASKED] = 0
        if asked == tb.ASK_WHO:
            self._grants.answer(code)
        else:
            answer(self._t, self.settings, self.view, asked, code)

    def _breaches(self, count: int) -> Iterator[Breach]:
        return breaches(self._t.hits, count, self.family(), SAID, self.view.names)


def _joined(
    sessions: Mapping[str, NDArray[np.int64]],
) -> tuple[dict[str, tuple[int, int]], NDArray[np.int64]]:
    """All calendars as one table, and where in it each lies."""
    slices, end = {}, 0
    for name, rows in sorted(sessions.items()):
        slices[name] = (end, end + len(rows))
        end += len(rows)
    every = [rows for _, rows in sorted(sessions.items())]
    return slices, np.concatenate([np.zeros((0, 2), np.int64), *every])
