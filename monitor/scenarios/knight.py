"""Knight Capital, 1 August 2012: one server of eight sends children of parents that are done, for 45 minutes.

Facts (SEC Release 34-70694): 212 parents for the opening auction over 154 stocks, 80 bought and 74 sold;
over 4 million executions of 397 million shares; all eight servers after the roll-back.

Assumptions (ours): the pace, the children's quantities (nine in ten are 100 shares, mean 99) and the
stocks' shares in them (Zipf 0.60); that 58 stocks had two parents; that the true children of the 212 were
auction orders of the seven good servers; that two venues in five acknowledge before they execute; latencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from monitor.scenarios import background
from monitor.scenarios.background import account_name, delays_ns, group_of_account
from monitor.scenarios.day import (
    ACKS_FIRST,
    END_NS,
    FAULTY_HOST,
    MS_NS,
    ONSET_NS,
    OPEN_NS,
    ROLLBACK_NS,
    SECOND_NS,
    VENUES,
    eastern_ns,
)
from monitor.scenarios.market import KNIGHT_SYMBOLS, market, wrong_rate
from monitor.scenarios.orders import Orders, Parents
from monitor.scenarios.randomness import layers, stream
from monitor.scenarios.rows import HOSTS, NO_ROWS, Bools, Floats, Ints, Rows, objects

PARENTS: Final = 212
PARENTS_FROM_NS: Final = eastern_ns(9)
PARENTS_UNTIL_NS: Final = eastern_ns(9, 29, 50)
ERROR_ACCOUNT: Final = "33"
FILLED_SHARE: Final = 0.95
EVEN_LOTS: Final = 0.9
_LANE: Final = 1 << 60  # order and parent numbers of the incident, apart from the background's


@dataclass(slots=True)
class Flagged:
    """The 212, and which of them belong to each stock."""

    parents: Parents
    ts: Ints
    symbol: Ints
    of_symbol: Ints  # (stocks, 2): indices of its parents, the same one twice where it has one


@lru_cache(maxsize=4)
def flagged(seed: int) -> Flagged:
    of = market(seed)
    rng = stream(seed, "flagged")
    twice = rng.permutation(KNIGHT_SYMBOLS)[: PARENTS - KNIGHT_SYMBOLS]
    symbol = rng.permutation(np.concatenate([np.arange(KNIGHT_SYMBOLS), twice]))
    ts = np.sort(
        PARENTS_FROM_NS + (rng.random(PARENTS) * (PARENTS_UNTIL_NS - PARENTS_FROM_NS)).astype(np.int64)
    )
    qty = np.clip(np.round(np.exp(np.log(300) + 0.6 * rng.standard_normal(PARENTS))), 10, 2000).astype(
        np.int64
    )
    account = rng.integers(0, background.ACCOUNTS, PARENTS)
    of_symbol = np.empty((KNIGHT_SYMBOLS, 2), np.int64)
    of_symbol[symbol, 0] = np.arange(PARENTS)
    of_symbol[symbol[::-1], 1] = np.arange(PARENTS)[::-1]
    parents = Parents(
        number=_LANE + np.arange(PARENTS),
        group=group_of_account(account),
        name=objects([f"R{n:03}" for n in range(1, PARENTS + 1)]),
        account=account_name(account),
        strategy=objects(["rlp"] * PARENTS),
        symbol=np.array(of.names, object)[symbol],
        side=np.where(of.move[symbol] > 0, 0, 1),
        qty=qty,
    )
    return Flagged(parents, ts, symbol, of_symbol)


def legitimate(seed: int) -> Rows:
    """The 212 as they should have gone: auction orders of good servers, filled and booked at the open."""
    of, flag = market(seed), flagged(seed)
    rng = stream(seed, "legitimate")
    parents = flag.parents
    count = np.minimum(rng.integers(1, 4, PARENTS), parents.qty)
    owner = np.repeat(np.arange(PARENTS), count)
    nth = np.arange(len(owner)) - (np.cumsum(count) - count)[owner]
    n = len(owner)
    share = parents.qty // count
    qty = np.where(nth == count[owner] - 1, (parents.qty - share * (count - 1))[owner], share[owner])
    sent = flag.ts[owner] + delays_ns(rng, n, 20, 0.5, 5, 200) + nth * 20 * MS_NS
    symbol = flag.symbol[owner]
    side = parents.side[owner]
    limit = np.round(of.reference[symbol] * np.where(side == 0, 1.01, 0.99), 2)
    orders = Orders(
        number=_LANE + np.arange(n), parent=parents.number[owner],
        group=parents.group[owner],
        name=parents.name[owner] + objects([f"/{k}" for k in (1, 2, 3)])[nth],
        parent_name=parents.name[owner],
        account=parents.account[owner], strategy=parents.strategy[owner],
        symbol=parents.symbol[owner], side=side,
        qty=qty, price=limit, host=rng.integers(1, 8, PARENTS)[owner], line=rng.integers(0, 2, n),
        venue=np.zeros(n, np.int64), tif=objects(["opg"] * n), sent_ts=sent,
    )  # fmt: skip
    # All is over by 09:30:00.5: fills until .300, bookings within 100 ms, the end within 50 ms of the last.
    fill_ts = OPEN_NS + (rng.uniform(0.005, 0.3, KNIGHT_SYMBOLS)[symbol] * SECOND_NS).astype(np.int64) + nth
    price = np.round(of.mid(symbol, fill_ts), 2)
    booked_ts = fill_ts + delays_ns(rng, n, 10, 0.8, 1, 100)
    done_ts = np.zeros(PARENTS, np.int64)
    np.maximum.at(done_ts, owner, booked_ts)
    return Rows.joined(
        [
            parents.opened(flag.ts, np.round(of.reference[flag.symbol], 2)),
            orders.sent(),
            orders.acknowledged(sent + delays_ns(rng, n, 2, 0.6, 0.3, 80)),
            orders.filled(fill_ts, qty, price, np.zeros(n, np.int64), "a"),
            parents.take(owner).booked(booked_ts, qty, price, orders.number, fill_ts),
            parents.done(done_ts + delays_ns(rng, PARENTS, 10, 0.5, 2, 50)),
        ]
    )


@dataclass(slots=True)
class Wrong:
    """Wrong children of one block of time, and what becomes of each."""

    index: Ints  # within the block, the same at every scale
    ts: Ints
    host: Ints
    symbol: Ints
    parent: Ints  # index into the 212
    qty: Ints
    filled: Bools
    fill_ts: Ints  # or when what was not filled is out
    fill_price: Floats
    limit: Floats
    venue: Ints
    line: Ints
    ack_ts: Ints

    def take(self, which: Bools) -> Wrong:
        return Wrong(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def wrong(seed: int, layer: int, share: float, start_ns: int, end_ns: int) -> Wrong:
    """Draw the wrong children of [start, end): `share` of them, fewer being a subset of more."""
    of, flag = market(seed), flagged(seed)
    first = (start_ns - OPEN_NS) // SECOND_NS
    seconds = np.arange(first, (end_ns - OPEN_NS) // SECOND_NS)
    rng = stream(seed, "wrong", layer, first)
    at = np.repeat(OPEN_NS + seconds * SECOND_NS, wrong_rate(seconds))
    n = len(at)
    ts = np.sort(at + (rng.random(n) * SECOND_NS).astype(np.int64))
    cumulated = np.cumsum(of.weight[:KNIGHT_SYMBOLS])
    symbol = np.minimum(np.searchsorted(cumulated, rng.random(n)), KNIGHT_SYMBOLS - 1)
    parent = flag.of_symbol[symbol, rng.integers(0, 2, n)]
    host = np.where(ts < ROLLBACK_NS, FAULTY_HOST, rng.integers(1, HOSTS + 1, n))
    qty = np.where(rng.random(n) < EVEN_LOTS, 100, rng.integers(1, 180, n))
    filled = rng.random(n) < FILLED_SHARE
    venue = rng.integers(0, len(VENUES), n)
    line = rng.integers(0, 2, n)
    ack_ts = ts + delays_ns(rng, n, 1, 0.5, 0.2, 20)
    fill_ts = ack_ts + delays_ns(rng, n, 2, 0.6, 0.2, 40)
    kept = rng.random(n) < share
    mid = of.mid(symbol, ts)
    toward = np.where(of.move[symbol] > 0, 1, -1)
    everything = Wrong(
        np.arange(n), ts, host, symbol, parent, qty, filled, fill_ts,
        fill_price=np.round(mid * (1 + 0.0002 * toward), 2), limit=np.round(mid * (1 + 0.003 * toward), 2),
        venue=venue, line=line, ack_ts=ack_ts,
    )  # fmt: skip
    return everything.take(kept)


def wrong_rows(seed: int, scale: float, start_ns: int, end_ns: int) -> list[Rows]:
    """The same as telemetry.  Nobody books these fills: the order system knows that the parents are done."""
    if end_ns <= ONSET_NS or start_ns >= END_NS:
        return [NO_ROWS]
    parents = flagged(seed).parents
    first = (start_ns - OPEN_NS) // SECOND_NS
    parts: list[Rows] = []
    for layer, share in enumerate(layers(scale)):
        w = wrong(seed, layer, share, start_ns, end_ns)
        n = len(w.ts)
        of = parents.take(w.parent)
        orders = Orders(
            number=_LANE + (layer << 50) + (first << 24) + (1 << 20) + w.index,
            parent=of.number, group=of.group,
            name=objects([f"W{layer}.{first}.{i}" for i in w.index.tolist()]), parent_name=of.name,
            account=objects([ERROR_ACCOUNT] * n), strategy=of.strategy, symbol=of.symbol, side=of.side,
            qty=w.qty, price=w.limit, host=w.host, line=w.line, venue=w.venue, tif=objects(["ioc"] * n),
            sent_ts=w.ts,
        )  # fmt: skip
        acked = ~w.filled | np.array(ACKS_FIRST)[w.venue]
        mine = orders.take(w.filled)
        parts += [
            orders.sent(),
            orders.take(acked).acknowledged(w.ack_ts[acked]),
            mine.filled(w.fill_ts[w.filled], mine.qty, w.fill_price[w.filled], np.zeros_like(mine.qty), "a"),
            orders.take(~w.filled).expired_at_once(w.fill_ts[~w.filled]),
        ]
    return parts
