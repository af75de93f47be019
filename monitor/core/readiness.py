"""Whether a role may trade: every host of its manifest alive and as declared, and nobody else there.

    ready  =  no problem of any host, and none of the role

Why: new code came to seven of Knight's eight routers, and nobody compared them (SEC Release 34-70694).  What
is not known is a problem and never a pass: a host not heard, a flag not said, a roll-out begun and not done.

The build expected of a host is the one that its last declared roll-out brought, else the manifest's; after
`rolled_back` the manifest's again.  Hosts of one build say one configuration, whether declared or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from detectors.fleet.manifest import WILD, matches
from detectors.kernel import SECOND_NS
from monitor.core.host_standing import Standing, age_s_of, alive, stand
from monitor.core.roll_call import Heard, RollCall

if TYPE_CHECKING:
    from detectors.fleet import FleetSettings, ManifestRow

ORDERS_BACK_NS: Final = 600 * SECOND_NS  # whoever sent an order within this time is there
DAY_NS: Final = 86_400 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Pilot:
    """What is young runs under limits of its own."""

    days: int  # younger than this is young; 0: nothing is
    proven: frozenset[str]  # builds that are older than any record
    since_ns: Mapping[str, int]  # when a build first passed
    limited: frozenset[str]  # builds that a limit names

    def problem_of(self, build: str, now_ns: int) -> str:
        """Why this build must not run as it is; empty if it may."""
        age_ns = now_ns - self.since_ns.get(build, now_ns)
        is_old = build in self.proven or age_ns >= self.days * DAY_NS
        if is_old or build in self.limited:
            return ""
        return (
            f"build {build} is {age_ns // DAY_NS} days old, younger than {self.days}, and no limit names it; "
            f'write a limit with scope = "build={build}"'
        )


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer, with all that it rests on."""

    role: str
    at_ns: int
    declared: int
    arrived: int
    hosts: tuple[Standing, ...]
    problems: tuple[str, ...] = ()  # of the role as a whole
    builds: Mapping[str, int] = field(default_factory=dict)  # live hosts of the role by build

    @property
    def is_ready(self) -> bool:
        return not self.problems and not any(host.problems for host in self.hosts)

    @property
    def document(self) -> dict[str, Any]:
        return {
            "ready": self.is_ready,
            "role": self.role,
            "at": self.at_ns,
            "declared": self.declared,
            "arrived": self.arrived,
            "builds": dict(self.builds),
            "hosts": [host.document for host in self.hosts],
            "problems": list(self.problems),
        }


def unanswerable(fleet: FleetSettings, role: str) -> Iterator[tuple[str, str, str]]:
    """What the manifest must say before anybody can answer for a role: (key, what, what to write)."""
    for index, row in enumerate(fleet.rows):
        if row.role != role:
            continue
        key = f"manifest[{index}]"
        if not row.build:
            yield f"{key}.build", "is not said: any build would do", 'write build = "..."'
        if not row.count and any(WILD & set(pattern) for pattern in row.hosts):
            yield f"{key}.count", "is not said: a host that never came would not be missed", "write count = N"


def judge(
    fleet: FleetSettings,
    role: str,
    call: RollCall,
    now_ns: int,
    *,
    build: str = "",
    pilot: Pilot | None = None,
) -> Readiness:
    """Judge a role by what was heard until now.  `build`: what every host must run, whatever was declared."""
    rows = fleet.rows
    mine = [index for index, row in enumerate(rows) if row.role == role]
    placed = {host: _row_of(rows, host) for host in {*call.hosts, *_named(rows, mine)}}
    config_of = _configs_agreed(fleet, role, call, now_ns)
    hosts = []
    for host in sorted(placed):
        heard, index = call.hosts.get(host, Heard()), placed[host]
        if index in mine:
            hosts.append(stand(fleet, host, index, heard, now_ns, build, config_of))
        elif why := _stranger(rows, role, index, heard, now_ns, fleet):
            voices = alive(fleet, heard, now_ns)
            hosts.append(Standing(host, None, "", voices, age_s_of(heard, now_ns), "", (why,)))
    members = [host for host in hosts if host.row is not None]
    arrived = sum(bool(host.voices) for host in members)
    builds = Counter(voice.build for host in members for voice in host.voices)
    problems = list(_counted(fleet, mine, members))
    if pilot is not None:
        problems += [why for one in sorted(builds) if (why := pilot.problem_of(one, now_ns))]
    declared = sum(_declared(rows[index]) for index in mine)
    return Readiness(
        role, now_ns, declared, arrived, tuple(hosts), tuple(problems), dict(sorted(builds.items()))
    )


def _row_of(rows: Sequence[ManifestRow], host: str) -> int | None:
    return next((index for index, row in enumerate(rows) if matches(host, row.hosts)), None)


def _named(rows: Sequence[ManifestRow], mine: Sequence[int]) -> set[str]:
    """Hosts that the manifest names one by one."""
    return {host for index in mine for host in rows[index].hosts if not WILD & set(host)}


def _declared(row: ManifestRow) -> int:
    return row.count or len(set(row.hosts))


def _counted(fleet: FleetSettings, mine: Sequence[int], members: Sequence[Standing]) -> Iterator[str]:
    for index in mine:
        arrived = sum(host.row == index and bool(host.voices) for host in members)
        declared = _declared(fleet.rows[index])
        if arrived != declared:
            yield f"detectors.fleet.manifest[{index}]: declared {declared}, arrived {arrived}"


def _configs_agreed(fleet: FleetSettings, role: str, call: RollCall, now_ns: int) -> dict[str, str | None]:
    """Of each build the configuration that more than half of its live hosts say; None: there is none."""
    said: dict[str, Counter[str]] = {}
    for host, heard in call.hosts.items():
        index = _row_of(fleet.rows, host)
        if index is None or fleet.rows[index].role != role:
            continue
        for voice in alive(fleet, heard, now_ns):
            said.setdefault(voice.build, Counter())[voice.config_hash] += 1
    agreed: dict[str, str | None] = {}
    for build, counts in said.items():
        config, count = counts.most_common(1)[0]
        agreed[build] = config if 2 * count > counts.total() else None
    return agreed


def _stranger(
    rows: Sequence[ManifestRow], role: str, index: int | None, heard: Heard, now_ns: int, fleet: FleetSettings
) -> str:
    """Why a host that the role's manifest does not name is in the way; empty if it is not."""
    for voice in alive(fleet, heard, now_ns):
        if index is None and voice.role in ("", role):
            return "nobody named it in the manifest, and it is alive"
        if index is not None and voice.role == role:
            return f"says that it is a {role}, but manifest[{index}] makes it a {rows[index].role}"
    if index is None and heard.ordered_ns and now_ns - heard.ordered_ns < ORDERS_BACK_NS:
        return "nobody named it in the manifest, and it sends orders"
    return ""
