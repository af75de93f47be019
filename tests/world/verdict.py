"""What must hold at the end of a run, when nothing has been broken for a while."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from monitor.core.keyring import Keyring
from monitor.core.trail import BadLine, Follower, read_line
from tests.world.again import judge_again
from tests.world.flow import Key
from tests.world.keys import keys

if TYPE_CHECKING:
    from tests.world.processes import Host
    from tests.world.reference import Reference
    from tests.world.world import World

SECOND: Final = 1_000_000_000
ROAD_NS: Final = 1 * SECOND  # from a decision to a gateway that is there, both roads open
DECIDED_NS: Final = 3 * SECOND  # later than the reference, nothing being broken
CALM_NS: Final = 20 * SECOND  # what a fault may do to a time ends so long after it
JUDGED_AGAIN: Final = 3  # each third seed: it costs as much as the seed itself
DISK_FAULTS: Final = ("disk_full", "disk_hung")


def judge(world: World, reference: Reference) -> None:
    """Each of the promises, by itself."""
    expected = reference.halts.keys()
    _truths(world, expected)
    _same_halts(world, reference)
    _same_ids(world, reference)
    _in_time(world, reference)
    _gateways_hold_all(world)
    _everybody_judges(world)
    for host in world.hosts:
        _trail(world, host)
        if not world.failures and world.plan.seed % JUDGED_AGAIN == 0:
            judge_again(world, host)


def _truths(world: World, expected: object) -> None:
    """The runaways are found, and nothing else is, where nothing happens."""
    wanted = frozenset[Key]().union(*(truth.halts for truth in world.flow.truths))
    if wanted != set(expected):  # type: ignore[call-overload]
        world.fail(f"the undisturbed run halts {sorted(expected)}, and the truth is {sorted(wanted)}")  # type: ignore[call-overload]


def _same_halts(world: World, reference: Reference) -> None:
    """No lost breach, no halt without one; and in time, where nothing was broken."""
    decided = {key: at for key, at in world.watch.decided.items() if "gateway=" not in key[2]}
    extra, lost = decided.keys() - reference.halts.keys(), reference.halts.keys() - decided.keys()
    if world.plan.loses_records:
        return  # what was lost may hide a breach, or make one; that it was is said
    for key in sorted(extra):
        world.fail(f"halted without a breach: {key}")
    for key in sorted(lost):
        world.fail(f"never halted: {key}")


def _in_time(world: World, reference: Reference) -> None:
    """Where nothing is broken a breach is decided at once, and every gateway obeys within a second."""
    disturbed = [
        (fault.at_s * SECOND, (fault.at_s + fault.for_s) * SECOND) for fault in world.plan.faults
    ]  # and deaths, which may come long after the fault that lit their fuse
    for host in world.hosts:
        disturbed += [(dead.died_ns, after.born_ns) for dead, after in pairwise(host.lives)]
    for key, at_ns in sorted(world.watch.decided.items()):
        if any(began - SECOND <= at_ns <= ended + CALM_NS for began, ended in disturbed):
            continue
        due_ns = reference.at_ns.get(key, world.now_ns()) - world.start_ns
        if at_ns > due_ns + DECIDED_NS:
            world.fail(f"{key} was decided {(at_ns - due_ns) / SECOND:.1f} s late")
        identity = reference.halts.get(key, "")
        for gateway in world.gateways:
            reached_ns = world.watch.reached.get((identity, gateway.name), world.loop.now_ns)
            if reached_ns > at_ns + ROAD_NS:
                late_s = (reached_ns - at_ns) / SECOND
                world.fail(f"{key} reached {gateway.name} {late_s:.1f} s after it was decided")


def _same_ids(world: World, reference: Reference) -> None:
    for (key, date), ids in world.watch.ids.items():
        known = reference.ids.get((key, date))
        if len(ids) > 1:
            world.fail(f"{key} of day {date} has {len(ids)} ids: {sorted(i[:8] for i in ids)}")
        elif known is not None and known not in ids:
            world.fail(f"{key} has another id than in the undisturbed run")


def _gateways_hold_all(world: World) -> None:
    """Every halt that was ever sent holds at every gateway, and in what every monitor says is open."""
    sent = set(world.watch.halts)
    for gateway in world.gateways:
        held = {halt_id for halt_id, _ in gateway.levels}
        for halt_id in sorted(sent - held):
            world.fail(f"{gateway.name} does not hold {halt_id[:8]}: {world.watch.halts[halt_id]['scope']}")
        if gateway.gate is None or not gateway.gate.started:
            world.fail(f"{gateway.name} has heard no state")
    for host in world.hosts:
        monitor = host.life.monitor if host.life is not None else None
        if monitor is None:
            world.fail(f"{host.name} does not run")
            continue
        for halt_id in sorted(sent - monitor.engine.halts.open.keys()):
            world.fail(f"{host.name} does not say that {halt_id[:8]} is open")


def _everybody_judges(world: World) -> None:
    """With all roads back every monitor sees, has nothing unsent, and every halt is confirmed."""
    for host in world.hosts:
        life = host.life
        if life is None or life.monitor is None:
            continue
        said = world.watch.leases.get(host.name, [])
        late = not said or world.loop.now_ns - said[-1][0] > 2 * SECOND
        if late:
            world.fail(f"{host.name} sends no lease")
        elif said[-1][1] != "judging" and not world.plan.loses_records:
            world.fail(f"{host.name} is still {said[-1][1]}: {said[-1][2]}")
        roads = life.monitor.performer.roads
        if roads is not None and (roads.kafka.waiting > 2 or roads.mqtt.waiting > 2):
            world.fail(f"{host.name} has {roads.kafka.waiting} and {roads.mqtt.waiting} messages unsent")
        for waiting in life.monitor.engine.follow_up.waiting.values():
            if waiting.missing:
                world.fail(f"{host.name} waits for {sorted(waiting.missing)}: {waiting.payload['scope']}")


def _trail(world: World, host: Host) -> None:
    """What the disk has verifies; a gap is marked only where the disk was broken."""
    ring: Keyring = keys().keyring
    follower = Follower(ring)
    for name in sorted(n for n in host.files.names if n.startswith("audit-") and n.endswith(".ndjson")):
        for number, raw in enumerate(bytes(host.files.names[name].data).splitlines(keepends=True)):
            try:
                follower.follow(read_line(raw), opens_file=number == 0)
            except BadLine as bad:
                world.fail(f"{host.name}: {name}:{number + 1}: {bad}")
                return
    if follower.gaps and not world.plan.has(*DISK_FAULTS):
        world.fail(f"{host.name}: its trail has gaps: {follower.gaps}")
