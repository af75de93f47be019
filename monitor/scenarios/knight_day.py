"""The whole morning of `knight`: the incident, the clean flow around it, and the truth about both."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from monitor.scenarios import background, knight, lives, market, servers
from monitor.scenarios.day import (
    BUILD_NEW,
    END_NS,
    FAULTY_HOST,
    ONSET_NS,
    OPEN_NS,
    SECOND_NS,
    START_NS,
    host_name,
)
from monitor.scenarios.incident import policy
from monitor.scenarios.knight import ERROR_ACCOUNT, Wrong, wrong
from monitor.scenarios.randomness import layers
from monitor.scenarios.scenario import History, Scenario, Truth, blocks_between

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.scenarios.rows import Rows

BLOCKS: Final = blocks_between(START_NS, OPEN_NS, END_NS, 10 * SECOND_NS, 5 * SECOND_NS)
ACCOUNT_LIMIT: Final = 2_000_000.0  # on the error account: the limit that nothing enforced
TRUTH_WITHIN_NS: Final = (
    120 * SECOND_NS
)  # how long after the open the truth looks for the moments of detection
MARGIN_NS: Final = SECOND_NS


def once(seed: int) -> list[Rows]:
    of = market.market(seed)
    return [
        servers.deploys(),
        market.instruments(of, seed),
        market.phases(),
        background.positions(of, seed),
        servers.errors(seed),
        knight.legitimate(seed),
    ]


def flow(seed: int, scale: float, start_ns: int, end_ns: int) -> list[Rows]:
    of = market.market(seed)
    return [
        servers.heartbeats(start_ns, end_ns),
        market.marks(of, start_ns, end_ns),
        *lives.block(of, seed, scale, start_ns, end_ns),
        *knight.wrong_rows(seed, scale, start_ns, end_ns),
    ]


def wrong_in(seed: int, scale: float, start_ns: int, until_ns: int) -> Iterator[Wrong]:
    """All wrong children of the blocks between two times, block by block, layers side by side."""
    spans = [(a, b) for a, b in itertools.pairwise(BLOCKS) if start_ns <= a < until_ns]
    return (wrong(seed, layer, share, a, b) for a, b in spans for layer, share in enumerate(layers(scale)))


def truth(seed: int, scale: float) -> Truth:
    """Read from the plan when a third parent, $2 M on account 33 and $1 M unbooked for 15 s are there."""
    parts = list(wrong_in(seed, scale, OPEN_NS, OPEN_NS + TRUTH_WITHIN_NS))
    ts = np.concatenate([w.ts for w in parts])
    by_time = np.argsort(ts, kind="stable")
    ts = ts[by_time]
    parent = np.concatenate([w.parent for w in parts])[by_time]
    dollars = np.concatenate([w.qty * w.fill_price * w.filled for w in parts])[by_time]
    expected: list[dict[str, Any]] = []

    def by(detector: str, at_ns: int) -> None:
        expected.append({"detector": detector, "not_later_than_ts": at_ns + MARGIN_NS})

    for row in range(len(ts)):
        recent = parent[(ts > ts[row] - 5 * SECOND_NS) & (ts <= ts[row])]
        if len(np.unique(recent)) >= 3 or np.count_nonzero(parent[: row + 1] == parent[row]) >= 10:
            by("child_parent", int(ts[row]))
            break
    if len(ts):
        by("fleet", int(ts[0]))  # of eight hosts one differs, and it sends an order
    gross = np.cumsum(dollars)
    if len(gross) and gross[-1] > ACCOUNT_LIMIT:
        by("exposure", int(ts[np.searchsorted(gross, ACCOUNT_LIMIT, side="right")]))
    sums = np.zeros(knight.PARENTS)
    for at, of, more in zip(ts.tolist(), parent.tolist(), dollars.tolist(), strict=True):
        sums[of] += more
        if sums[of] > 1_000_000:
            by("fill_gap", at + 17 * SECOND_NS)  # 15 s after the 2 s allowance
            break
    by("storm", int(servers.errors(seed).ts[2]))  # "Power Peg disabled", thrice in ten minutes or not
    return {
        "onset_ts": int(ts[0]) if len(ts) else ONSET_NS,
        "scopes": [{"host": host_name(FAULTY_HOST)}, {"account": ERROR_ACCOUNT}],
        "expected": expected,
    }


@lru_cache(maxsize=8)  # four Knights share it, and it takes seconds
def history(seed: int, scale: float, until_ns: int | None = None) -> History:
    """Add up the wrong executions; the loss is against the prices to which the market returned."""
    of, end_ns = market.market(seed), END_NS if until_ns is None else min(until_ns, END_NS)
    executions = shares = 0
    gross = loss = 0.0
    for w in wrong_in(seed, scale, OPEN_NS, end_ns):
        filled = w.filled & (w.fill_ts < end_ns)
        qty, price, symbol = w.qty[filled], w.fill_price[filled], w.symbol[filled]
        side = np.where(of.move[symbol] > 0, 1, -1)
        executions += len(qty)
        shares += int(qty.sum())
        gross += float((qty * price).sum())
        loss += float((side * qty * (price - of.reference[symbol])).sum())
    return History(executions, shares, gross, loss)


POLICY: Final = policy(
    hosts=["smars-*"],
    exposure=[
        {"scope": "account=*", "gross": 25e6, "net": 25e6},
        {"scope": f"account={ERROR_ACCOUNT}", "gross": ACCOUNT_LIMIT},
        {"scope": "*", "gross": 1e9},
    ],
    rate=[{"scope": "session=*", "messages_per_s": 2_000}, {"scope": "host=*", "messages_per_s": 5_000}],
    loss=[{"scope": "account=*", "daily": 5e6}, {"scope": f"account={ERROR_ACCOUNT}", "daily": 1e6}],
    manifest=[{"role": "router", "hosts": ["smars-*"], "count": 8, "build": BUILD_NEW, "flags": ["rlp"]}],
    parented=[{"hosts": ["smars-*"], "strategies": ["*"]}],
)
KNIGHT: Final = Scenario(
    "knight", "children of done parents, from one server of eight", BLOCKS, once, flow, truth, history, POLICY
)
