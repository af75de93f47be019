"""What will happen to one seed's world, drawn before it begins: how large it is, and which faults when.

The faults are over some time before the end, so that everything that must come right has time to.

What a simulated hour is made of, by the stretch that a seed draws:

    day      90 to 140 s, 2 to 60 events a second, a look at the clock each 100 ms; 220 faults an hour
    long     3 to 10 min, 5 events a second, 100 ms; 60 faults an hour
    night    30 min to 2 h, about one event a second and its last ten minutes as busy as a day where runaways
             begin, 500 ms; 15 faults an hour; every second one goes over midnight

Most of the hours are nights'.  The total says how many hours, events, restarts and faults were of which, and how
much of a processor each took: days and long ones shall have half of it.  Nothing is left out of a night: the same engine, shell,
clients and checkers, each lease and each line of the trail.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.world.chance import Chance
from tests.world.flow import RUNAWAYS

HEAL_S: Final = 45.0  # of running without faults at the end
NIGHTS: Final = 0.2  # of the seeds: hours in which hardly anything is traded
LONG: Final = 0.1
NIGHT_FAULTS: Final = (0, 5, 10, 20, 40)  # an hour
DAY_START_NS: Final = 1_343_827_800_000_000_000  # 1 August 2012, 09:30 in New York
MIDNIGHT_NS: Final = (
    1_343_865_600_000_000_000  # the next in UTC: another trade date, another file of the trail
)
RELOADED: Final = 0.5  # of the seeds have their configuration changed while they run
RARELY: Final = 0.15  # of the seeds lose records for ever

# What can happen, how often beside the others, and for how long.
KINDS: Final[dict[str, tuple[int, tuple[float, float]]]] = {
    "kill": (4, (0.1, 8.0)),
    "kill_at_disk_step": (4, (0.1, 8.0)),
    "kill_at_halt": (3, (0.1, 5.0)),
    "power_loss": (3, (0.2, 8.0)),
    "terminate": (1, (0.1, 5.0)),
    "pause": (2, (0.3, 12.0)),
    "kafka_down": (3, (0.2, 12.0)),
    "leader_gone": (3, (0.2, 12.0)),
    "partition_frozen": (2, (0.5, 8.0)),
    "kafka_slow": (2, (1.0, 10.0)),
    "kafka_acks_lost": (2, (1.0, 15.0)),
    "client_fails": (1, (1.0, 10.0)),
    "mqtt_crash": (3, (0.1, 10.0)),
    "mqtt_acks_lost": (2, (1.0, 15.0)),
    "mqtt_denies": (1, (1.0, 10.0)),
    "disk_full": (2, (0.5, 15.0)),
    "disk_hung": (2, (0.5, 15.0)),
    "disk_rot": (1, (0.1, 3.0)),
    "pager_failing": (1, (1.0, 30.0)),
    "pager_stuck": (1, (1.0, 30.0)),
    "clock_step": (2, (1.0, 20.0)),
    "gateway_killed": (2, (0.1, 8.0)),
    "gateway_cut": (2, (0.5, 10.0)),
    "told_twice": (2, (2.0, 20.0)),
    "partition_late": (2, (2.0, 20.0)),
    "broken_records": (1, (1.0, 10.0)),
}
LOSING: Final[dict[str, tuple[int, tuple[float, float]]]] = {
    "truncated": (1, (0.0, 0.0)),
    "retention": (1, (0.1, 5.0)),
    "recreated": (1, (0.0, 0.0)),
}

RELOADS: Final[dict[str, tuple[int, tuple[float, float]]]] = {
    "reload_good": (1, (4.0, 30.0)),
    "reload_broken": (1, (4.0, 30.0)),
}
EVERY: Final = KINDS | LOSING | RELOADS


@dataclass(frozen=True, slots=True)
class Fault:
    at_s: float
    kind: str
    for_s: float
    number: int  # picks whom or what, and how much


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    stretch: str  # "day", "long", "night"
    start_ns: int
    monitors: int
    gateways: int
    parts: int
    seconds: float  # of the firm's day
    pace_s: float  # between two parents
    tick_s: float  # between two looks of a monitor at its clock
    runaways: tuple[str, ...]
    faults: tuple[Fault, ...] = field(default=())

    @property
    def loses_records(self) -> bool:
        return any(fault.kind in LOSING for fault in self.faults)

    def has(self, *kinds: str) -> bool:
        return any(fault.kind in kinds for fault in self.faults)


def plan_of(seed: int, *, faults: Collection[str] | None = None, seconds: float | None = None) -> Plan:
    """Draw a plan.  `faults`: only these kinds (None: all); `seconds`: how long its day is."""
    chance = Chance(seed).of("plan")
    kind = chance.random()
    is_night, is_long = kind < NIGHTS, kind < NIGHTS + LONG
    if is_night:
        day_s = chance.uniform(1_800, 7_200)
    else:
        day_s = chance.uniform(200, 600) if is_long else chance.uniform(90, 140)
    stretch = "night" if is_night else "long" if is_long else "day"
    monitors = chance.choice((1, 1, 2))
    gateways, parts = chance.randint(1, 3), chance.randint(1, 4)
    runaways = tuple(name for name in RUNAWAYS if chance.random() < 0.4)
    pace_s = 40.0 if is_night else 4.0 if is_long else chance.choice((0.3, 0.6, 2.0))
    tick_s = 0.5 if is_night else 0.1
    count = chance.choice((0, 2, 5, 10, 20))
    night = Chance(seed).of("night")
    if is_night:
        count = round(night.choice(NIGHT_FAULTS) * day_s / 3_600)
    over_midnight = is_night and night.random() < 0.5
    start_ns = MIDNIGHT_NS - int(night.uniform(0.1, 0.9) * day_s * 1e9) if over_midnight else DAY_START_NS
    known = KINDS | (LOSING if chance.random() < RARELY else {})
    day_s = day_s if seconds is None else max(seconds, HEAL_S + 20)
    drawn = _faults(chance, known, count, day_s - HEAL_S)
    again = Chance(seed).of("reloads")  # of its own: what else happens to a seed stays the same
    if again.random() < RELOADED:
        drawn += _faults(again, RELOADS, again.randint(1, max(3, count // 4)), day_s - HEAL_S)
    wanted = drawn if faults is None else [one for one in drawn if one.kind in faults]
    if faults:  # named: each comes at least once
        wanted += [
            _fault(chance, kind, day_s - HEAL_S) for kind in faults if not any(f.kind == kind for f in wanted)
        ]
    ordered = tuple(sorted(wanted, key=lambda fault: fault.at_s))
    return Plan(seed, stretch, start_ns, monitors, gateways, parts, day_s, pace_s, tick_s, runaways, ordered)


def _faults(
    chance: Random, known: dict[str, tuple[int, tuple[float, float]]], count: int, until_s: float
) -> list[Fault]:
    names = list(known)
    pick: Callable[[], str] = lambda: chance.choices(names, [known[name][0] for name in names])[0]  # noqa: E731
    return [_fault(chance, pick(), until_s) for _ in range(count)]


def _fault(chance: Random, kind: str, until_s: float) -> Fault:
    shortest, longest = EVERY[kind][1]
    for_s = chance.uniform(shortest, longest)
    at_s = chance.uniform(0.5, max(until_s - for_s, 1.0))
    return Fault(round(at_s, 6), kind, round(for_s, 6), chance.randrange(1 << 30))
