"""The promises, watched while they are kept and judged at the end (DESIGN, "Invariants").

What may only be seen as it happens (a head that was published before it was durable, a latch that
opened, a lease that says "judging" while nothing comes in) fails at once, at its simulated time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from monitor.core.authority import Received, receive
from monitor.core.roads import ACKS, COMMANDS, LEASES, STATES
from tests.world.flow import Key
from tests.world.gateways import SITE
from tests.world.keys import keys
from tests.world.reference import key_of, trade_date

if TYPE_CHECKING:
    from monitor.core.trail import Head
    from tests.world.gateways import Gateway
    from tests.world.kafka import Record
    from tests.world.processes import Life
    from tests.world.world import World

SECOND: Final = 1_000_000_000
BLIND_NS: Final = 2 * SECOND
SLACK_NS: Final = 400_000_000  # one tick, one upkeep, and the rounding of both
OTHERS_WAITING_MAX: Final = 4  # lease, state in parts
ROADS: Final = (COMMANDS, STATES, LEASES)


class Watch:
    """Sees everything, changes nothing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._opened: dict[bytes, Mapping[str, Any]] = {}
        self.counts: Counter[str] = Counter()
        self.ids: dict[tuple[Key, str], set[str]] = {}  # (cause, trade date) -> halt ids
        self.halts: dict[str, Mapping[str, Any]] = {}  # on any road, by id
        self.decided: dict[Key, int] = {}  # by a monitor, first: when
        self.reached: dict[tuple[str, str], int] = {}  # (halt id, gateway) -> when
        self.leases: dict[str, list[tuple[int, str, tuple[str, ...]]]] = {}  # host -> commanded
        self._lines: dict[str, set[str]] = {}  # boot -> halt ids that its trail names
        world.kafka.on_append.append(self._appended)
        world.mqtt.on_publish.append(self._published)

    # -- what goes over the roads

    def _appended(self, topic: str, partition: int, record: Record) -> None:
        if topic in ROADS and record.value:
            self._said(record.value, "kafka")
        elif topic == ACKS:
            self.counts["acknowledged"] += 1

    def _published(self, topic: str, payload: bytes) -> None:
        if payload and "/ack/" not in topic:
            self._said(payload, "mqtt")

    def _said(self, raw: bytes, road: str) -> None:
        self._world.trace(road, raw)
        payload = self._opened.get(raw)
        if payload is None:
            received = receive(raw, keys().keyring, SITE, SITE)
            if not isinstance(received, Received):
                self._world.fail(f"a message on {road} that nobody may obey: {received}")
                return
            payload = self._opened[raw] = received.payload
            self._look_at(payload)

    def _look_at(self, payload: Mapping[str, Any]) -> None:
        """A message that was not said before."""
        self.counts[payload["type"]] += 1
        host = self._world.host_of(payload["issuer"])
        head = payload.get("audit_head")
        if head is not None and head["count"] and host.durable.get(head["count"]) != head["hash"]:
            self._world.fail(
                f"a {payload['type']} of {host.name} names line {head['count']}, which is not durable"
            )
        if payload["type"] == "halt":
            key = key_of(payload)
            self.ids.setdefault((key, trade_date(payload)), set()).add(payload["halt_id"])
            self.halts.setdefault(payload["halt_id"], payload)
            if payload["halt_id"] not in self._lines.get(payload["boot"], ()):
                self._world.fail(
                    f"halt {payload['halt_id'][:8]} of {host.name} was sent before its line was written"
                )

    # -- what a monitor writes

    def line(self, life: Life, what: str, fields: Mapping[str, Any], head: Head) -> None:
        now_ns = self._world.loop.now_ns
        if what in ("halt.commanded", "halt.resent"):
            self._lines.setdefault(life.boot, set()).add(fields["halt_id"])
            if what == "halt.commanded":
                self.decided.setdefault(key_of(fields), now_ns)
                self._world.happened("halt", f"{life.host.name} {key_of(fields)}")
                life.at_halt()
        elif what == "lease.commanded":
            self._lease(life, fields, now_ns)
        elif what == "detector.failed":
            self._world.fail(f"{life.host.name}: {fields}")

    def _lease(self, life: Life, fields: Mapping[str, Any], now_ns: int) -> None:
        status, reasons = fields["status"], tuple(fields["reasons"])
        said = self.leases.setdefault(life.host.name, [])
        if not said or said[-1][1:] != (status, reasons):
            self._world.happened("lease", f"{life.host.name} {status} {reasons}")
        said.append((now_ns, status, reasons))
        self._queues(life)
        if status != "judging":
            return
        for what, began_ns in self._world.unread(life):
            late_ns = now_ns - began_ns
            if late_ns > BLIND_NS + SLACK_NS:
                self._world.fail(f"{life.host.name} says judging {late_ns / SECOND:.1f} s into: {what}")

    def _queues(self, life: Life) -> None:
        """What waits for a road is one message a halt, those raised for a gateway too, and the latest of each other kind.

        A halt counts when a trail names it: with both roads down, none has reached anybody.
        """
        roads = life.monitor.performer.roads if life.monitor is not None else None
        if roads is not None:
            most = max(roads.kafka.waiting, roads.mqtt.waiting)
            halts = len(self.halts.keys() | set().union(*self._lines.values()))
            if most > OTHERS_WAITING_MAX + halts:
                self._world.fail(f"{life.host.name} has {most} messages waiting, of {halts} halts")

    # -- what a gateway holds

    def obeyed(self, gateway: Gateway) -> None:
        """A gateway heard of a halt: nothing that it held may have gone or become less."""
        assert gateway.gate is not None
        now_ns = self._world.now_ns()
        held = {(one.halt_id, one.scope.text): one.level for one in gateway.gate.open(now_ns)}
        for key, level in gateway.levels.items():
            if key not in held or held[key] < level:
                self._world.fail(f"{gateway.name} let go of {key}")
        for halt_id, _ in held.keys() - gateway.levels.keys():
            self.reached.setdefault((halt_id, gateway.name), self._world.loop.now_ns)
        gateway.levels = held
