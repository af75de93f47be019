"""What the servers say of themselves: roll-out, heartbeats, and 97 errors that nobody read.

Facts: eight servers, new code rolled out from 27 July, one missed; 97 messages "Power Peg disabled" from
about 08:01; the new code was taken off the seven good servers (at 09:50, by our reckoning).
Assumption (ours): the roll-out's steps, two servers a day, three on the last one.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np

from detectors.event import Kind
from monitor.scenarios.day import (
    BUILD_NEW,
    BUILD_OLD,
    FAULTY_HOST,
    MS_NS,
    OPEN_NS,
    ROLLBACK_NS,
    ROUTER_BUILD_TEXT,
    ROUTER_TEXT,
    SECOND_NS,
    boots,
    eastern_ns,
    host_name,
)
from monitor.scenarios.randomness import stream
from monitor.scenarios.rows import FLEET, HOSTS, LOG, Ints, Rows, make_rows

ERRORS: Final = 97
ERRORS_FROM_NS: Final = eastern_ns(8, 1)
CLOCK_BOUND_NS: Final = 5 * MS_NS
ROLL_OUT_DAYS: Final = {1: 27, 2: 27, 3: 30, 4: 30, 5: 31, 6: 31, 7: 31}  # July
FLAG_OF: Final = {BUILD_NEW: "rlp", BUILD_OLD: "power_peg"}


def deploys() -> Rows:
    """The roll-out as it was recorded: planned for eight, done on seven; and the roll-back."""
    steps = [
        (eastern_ns(7, 0, host, month=7, day=27), host, BUILD_NEW, "planned") for host in range(1, HOSTS + 1)
    ]
    for host, day in ROLL_OUT_DAYS.items():
        at = eastern_ns(18, 5 * host, month=7, day=day)
        steps += [(at, host, BUILD_NEW, "started"), (at + 95 * SECOND_NS, host, BUILD_NEW, "done")]
    steps += [
        (ROLLBACK_NS - SECOND_NS + host * MS_NS, host, BUILD_NEW, "rolled_back")
        for host in range(1, HOSTS + 1)
        if host != FAULTY_HOST
    ]
    ts = np.array([at for at, *_ in steps])
    hosts = [host for _, host, *_ in steps]
    bodies = [
        f'{{"kind":"deploy","ts":{at},"source":"control","host":"{host_name(host)}","build":"{build}",'
        f'"role":"router","phase":"{phase}","actor":"release","ticket":"CHG-20120727"'
        for at, host, build, phase in steps
    ]
    return make_rows(Kind.DEPLOY, ts, [host_name(host) for host in hosts], bodies)


def heartbeats(start_ns: int, end_ns: int) -> Rows:
    """Each host each second, a few milliseconds apart."""
    beats = np.arange(-(-start_ns // SECOND_NS) * SECOND_NS, end_ns, SECOND_NS, dtype=np.int64)
    host = np.tile(np.arange(1, HOSTS + 1), len(beats))
    ts = np.repeat(beats, HOSTS) + host * 3 * MS_NS
    boot = boots(host, ts)
    tail = {
        of: f'{text},"role":"router","config_hash":"{zlib.crc32(text.rpartition(":")[2].encode()):08x}",'
        f'"flags":["{FLAG_OF[text.split(chr(34))[-2]]}"],"clock_bound_ns":{CLOCK_BOUND_NS},"stream":"hb"'
        for of, text in ROUTER_BUILD_TEXT.items()
    }
    bodies = [
        f'{{"kind":"heartbeat","ts":{t},"source":"fleet",{tail[h, b]}'
        for t, h, b in zip(ts.tolist(), host.tolist(), boot.tolist(), strict=True)
    ]
    return make_rows(
        Kind.HEARTBEAT, ts, [host_name(h) for h in host.tolist()], bodies, writer=_beat_writer(host, boot)
    )


def _beat_writer(host: Ints, boot: Ints) -> Ints:
    return FLEET + (boot - 1) * (HOSTS + 1) + host


def errors(seed: int) -> Rows:
    """Poisson times, given that they were 97."""
    rng = stream(seed, "errors")
    ts = np.sort(ERRORS_FROM_NS + (rng.random(ERRORS) * (OPEN_NS - ERRORS_FROM_NS)).astype(np.int64))
    name = host_name(FAULTY_HOST)
    bodies = [
        f'{{"kind":"error","ts":{t},{ROUTER_TEXT[FAULTY_HOST, 1]},"reason":"Power Peg disabled",'
        '"count":1,"stream":"log"'
        for t in ts.tolist()
    ]
    return make_rows(Kind.ERROR, ts, [name] * ERRORS, bodies, host=FAULTY_HOST, writer=LOG)
