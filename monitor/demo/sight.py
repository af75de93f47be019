"""What passes before the monitor's eyes, counted: parents, children, each host's pace and ratio.

It is fed with the very records that are judged, and judges nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from monitor.scenarios.day import SECOND_NS

PACE_NS: Final = SECOND_NS
RATIO_NS: Final = 10 * SECOND_NS  # the window of `child_parent.ratio`


class _Seen(msgspec.Struct):
    kind: str = ""
    ts: int = 0
    host: str = ""
    build: str = ""
    parent_id: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Seen)


@dataclass(slots=True)
class Host:
    """One server: what it runs, and the children that it sent of late."""

    build: str = ""
    sent: int = 0
    recent: deque[tuple[int, str]] = field(default_factory=deque)  # (ts, parent) of the last ten seconds
    parents: Counter[str] = field(default_factory=Counter)

    def send(self, ts: int, parent: str) -> None:
        self.sent += 1
        self.recent.append((ts, parent))
        self.parents[parent] += 1

    def forget(self, now_ns: int) -> None:
        while self.recent and self.recent[0][0] <= now_ns - RATIO_NS:
            _, parent = self.recent.popleft()
            self.parents[parent] -= 1
            if not self.parents[parent]:
                del self.parents[parent]

    def pace(self, now_ns: int) -> int:
        """Orders in the last second."""
        return sum(ts > now_ns - PACE_NS for ts, _ in self.recent)

    @property
    def ratio(self) -> float | None:
        """Children for each parent that had one in the last ten seconds."""
        return len(self.recent) / len(self.parents) if self.parents else None


class Sight:
    """Counters over the records that came."""

    def __init__(self) -> None:
        self.records = 0
        self.parents = 0
        self.children = 0
        self.now_ns = 0
        self.hosts: defaultdict[str, Host] = defaultdict(Host)

    def on_records(self, _part: Any, values: Iterable[bytes], _offsets: Any, _arrived_ns: Any) -> None:
        for value in values:
            self.records += 1
            try:
                seen = _DECODER.decode(value)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # the monitor says what is wrong with it
            self._count(seen)

    def _count(self, seen: _Seen) -> None:
        match seen.kind:
            case "parent_new":
                self.parents += 1
            case "order_new":
                self.children += 1
                self.hosts[seen.host].send(seen.ts, seen.parent_id or "")
            case "heartbeat":
                self.hosts[seen.host].build = seen.build
            case _:
                return
        self.now_ns = max(self.now_ns, seen.ts)

    @property
    def ratio(self) -> float | None:
        """The same over all hosts."""
        parents = set().union(*(host.parents for host in self.hosts.values()))
        return sum(len(host.recent) for host in self.hosts.values()) / len(parents) if parents else None

    @property
    def usual_build(self) -> str:
        """What most hosts run."""
        builds = Counter(host.build for host in self.hosts.values() if host.build)
        return builds.most_common(1)[0][0] if builds else ""

    def forget(self, now_ns: int) -> None:
        """Let the windows end at this time."""
        for host in self.hosts.values():
            host.forget(now_ns)
