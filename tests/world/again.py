"""Each trail judged again, with the records that its lives read: the same lines must come out, byte for byte."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from monitor.core import journal
from monitor.core.trail import GAP, Line, read_line
from monitor.demo.recording import line_of
from monitor.trail_replay import STARTED, NotReplayable, replay_lines

if TYPE_CHECKING:
    from tests.world.processes import Host
    from tests.world.world import World

UNPLACED: Final = (
    "disk_full",
    "disk_hung",
    "disk_rot",
    "power_loss",
)  # may leave a snapshot ahead of its trail


def judge_again(world: World, host: Host) -> None:
    """Where the disk kept all lines; a trail with a hole says that it has one, and cannot be judged again."""
    trail = list(_lines(host))
    if any(line.what == GAP for line in trail):
        return
    try:
        found = replay_lines(io.BytesIO(_recording(host, trail)), lambda: iter(trail), host.config)
    except NotReplayable as why:
        if not world.plan.has(*UNPLACED):
            world.fail(f"{host.name}: its trail cannot be judged again: {why}")
        return
    if not found.is_equal:
        world.fail(f"{host.name}: line {found.line} was {found.written} and is now {found.judged}")
    world.replayed += found.facts


def _lines(host: Host) -> Iterator[Line]:
    for name in sorted(n for n in host.files.names if n.startswith("audit-") and n.endswith(".ndjson")):
        for raw in bytes(host.files.names[name].data).splitlines(keepends=True):
            yield read_line(raw)


def _recording(host: Host, trail: list[Line]) -> bytes:
    """The records of the trail's arrivals, as each life read them."""
    lives = {life.boot: life for life in host.lives}
    records: list[bytes] = []
    for line in trail:
        if line.what == STARTED:
            life = lives[line.fields["boot"]]
        if line.what != journal.ARRIVED:
            continue
        holes = {
            (part, at) for part, first, last in line.fields.get("holes", ()) for at in range(first, last + 1)
        }
        for part, first, last in line.fields["ranges"]:
            for offset in range(first, last + 1):
                if (part, offset) not in holes:
                    read = life.records[(*life.parts[part], offset)]
                    records.append(line_of(*read.popleft()))
    return b"".join(records)
