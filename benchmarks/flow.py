"""An orderly firm's morning, as JSON records of 220 bytes on average: what every benchmark here is fed.

256 parents live at once, worked by 8 routers for 64 accounts in 154 symbols; each has 5 children that are sent,
acknowledged, filled and booked, and is then done.  Buys are followed by equal sells, so that exposure stays
bounded, and nothing in it is a breach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LANES: Final = 256
HOSTS: Final = 8
ACCOUNTS: Final = 64
SYMBOLS: Final = 154
CHILDREN: Final = 5
STEPS: Final = 2 + 4 * CHILDREN
BEAT_EVERY: Final = 1_250  # of 10,000 events a second: eight hosts, once a second each
STEP_NS: Final = 100_000  # 10,000 events a second
BUILD: Final = "rlp-2012.07.27"


def events(
    count: int, start_ns: int, step_ns: int = STEP_NS, name: str = ""
) -> Iterator[tuple[int, int, bytes]]:
    """(what to partition by, ts, record), in order of time.  `name` sets the ids of two flows apart."""
    for n in range(count):
        ts = start_ns + n * step_ns
        beats, since = divmod(n, BEAT_EVERY)
        if since == 0:
            host = beats % HOSTS
            yield host, ts, _heartbeat(ts, host)
            continue
        turn, lane = divmod(n - beats - 1, LANES)  # a heartbeat takes nobody's turn
        yield lane % ACCOUNTS, ts, _told(ts, lane, *divmod(turn, STEPS), name)


def _told(ts: int, lane: int, parent: int, step: int, name: str) -> bytes:
    """What is told of a lane's parent at one of its steps."""
    host = lane % HOSTS
    where = f'"ts":{ts},"host":"smars-{host}","boot":"smars-{host}.1"'
    booked = f'"ts":{ts},"source":"oms","host":"oms-1"'
    of_parent = f'"parent_id":"P{name}{lane:03}-{parent:06}"'
    symbol = (lane * 7 + parent // 2) % SYMBOLS
    what = f'"account":"EQ-{lane % ACCOUNTS:04}","symbol":"SYM{symbol:03}","side":"{"sell" if parent % 2 else "buy"}"'
    price = f"{20 + symbol % 60}.{parent % 90 + 10}"
    if step == 0:
        return f'{{"kind":"parent_new",{booked},{of_parent},{what},"qty":500,"price":{price},"flags":["rlp"]}}'.encode()
    if step == STEPS - 1:
        return f'{{"kind":"parent_done",{booked},{of_parent},"reason":"filled"}}'.encode()
    child, stage = divmod(step - 1, 4)
    order = f'"order_id":"O{name}{lane:03}-{parent:06}/{child}"'
    session = f'"session":"NYSE-{host}","venue":"NYSE"'
    if stage == 0:
        return (
            f'{{"kind":"order_new",{where},"build":"{BUILD}",{what},"strategy":"rlp-{lane % 4}",{session},{order},'
            f'{of_parent},"qty":100,"price":{price},"order_type":"limit","tif":"day"}}'
        ).encode()
    if stage == 1:
        return f'{{"kind":"order_ack",{where},{session},{order},"venue_order_id":"V{name}{lane:03}-{parent:06}-{child}"}}'.encode()
    done = (
        f'"exec_id":"E{name}{lane:03}-{parent:06}-{child}"'
        if stage == 2
        else f'"cum_qty":{100 * child + 100}'
    )
    if stage == 2:
        return (
            f'{{"kind":"fill",{where},"source":"drop_copy",{what},{session},{order},{done},'
            f'"last_qty":100,"last_px":{price},"leaves_qty":0}}'
        ).encode()
    return f'{{"kind":"parent_fill",{booked},{of_parent},"last_qty":100,"last_px":{price},{done}}}'.encode()


def _heartbeat(ts: int, host: int) -> bytes:
    return (
        f'{{"kind":"heartbeat","ts":{ts},"source":"fleet","host":"smars-{host}","boot":"smars-{host}.1",'
        f'"build":"{BUILD}","role":"router","config_hash":"04771f4d","flags":["rlp"],"clock_bound_ns":5000000}}'
    ).encode()
