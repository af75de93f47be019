"""The clean flow around an incident: seven routers, 400 accounts, an opening surge of eight times.

Every parent is conserved: its children's quantities sum to its own, each fill has an order and
one booking within 0.3 s, each order an answer within 80 ms, and the parent is done after all of that.

Assumptions (ours): all of it.  Parents arrive as a Poisson process: a tenth of the later pace before
the open, eight times it at the open, which fades with a time constant of two minutes.  They have five
children on average, at least 1.2 s apart on one router, log-normal sizes with median 250 shares and at most
$50,000, and log-normal latencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from detectors.event import Kind
from monitor.scenarios.day import MS_NS, OPEN_NS, SECOND_NS, START_NS, VENUES
from monitor.scenarios.market import SYMBOLS, Market
from monitor.scenarios.orders import Orders, Parents, columns
from monitor.scenarios.randomness import stream
from monitor.scenarios.rows import GROUPS, Floats, Ints, Rows, Texts, make_rows, objects

ACCOUNTS: Final = 400
POSITIONS_PER_ACCOUNT: Final = 5
PARENTS_PER_S: Final = 17.0  # at the pace of the later morning, scale 1
NOTIONAL_MAX: Final = 50_000.0  # of a parent, so that no account nears a limit in seconds
SURGE: Final = 8.0
SURGE_DECAY_S: Final = 120.0
QUIET: Final = 0.1  # before the open
CHILDREN_MEAN: Final = 5
CHILD_GAP_MIN_S: Final = 1.2  # so that no parent has ten children in ten seconds
STRATEGIES: Final = objects(["retail", "retail", "retail", "vwap", "vwap", "sor", "sor", "peg", "rlp", "rlp"])

# What becomes of a child, and how often.
FILLED, FILLED_TWICE, CANCELLED, PART_CANCELLED, REPLACED, IOC, REJECTED = range(7)
OUTCOMES: Final = np.array([0.63, 0.16, 0.08, 0.06, 0.05, 0.017, 0.003])

_ACCOUNT_NAMES: Final = objects([f"C{n:04}" for n in range(1, ACCOUNTS + 1)])
_BUSY: Final = (1 + np.arange(ACCOUNTS)) ** -0.4
_POPULAR: Final = (1 + np.arange(SYMBOLS)) ** -0.5


def group_of_account(account: Ints) -> Ints:
    return account % GROUPS


def account_name(account: Ints) -> Texts:
    return _ACCOUNT_NAMES[account]


def pace(ts_ns: int) -> float:
    """How busy it is, 1 being the later morning."""
    if ts_ns < OPEN_NS:
        return QUIET
    return 1 + (SURGE - 1) * float(np.exp(-(ts_ns - OPEN_NS) / SECOND_NS / SURGE_DECAY_S))


def positions(of: Market, seed: int) -> Rows:
    """What each account held overnight."""
    rng = stream(seed, "positions")
    account = np.repeat(np.arange(ACCOUNTS), POSITIONS_PER_ACCOUNT)
    symbol = (
        rng.integers(0, SYMBOLS, ACCOUNTS)[:, None] + 13 * np.arange(POSITIONS_PER_ACCOUNT)
    ).ravel() % SYMBOLS
    qty = rng.integers(1, 11, len(account)) * 100 * rng.choice([-1, 1], len(account))
    ts = START_NS + 2 * SECOND_NS + np.arange(len(account)) * (MS_NS // 2)
    bodies = [
        f'{{"kind":"position","ts":{t},"source":"oms","account":"{name}","symbol":"{of.names[s]}","qty":{q},'
        f'"as_of":{START_NS},"price":{p}'
        for t, name, s, q, p in columns(ts, account_name(account), symbol, qty, of.reference[symbol])
    ]
    return make_rows(Kind.POSITION, ts, account_name(account), bodies)


@lru_cache(maxsize=4)
def _popularity(seed: int) -> Floats:
    """Which stocks the clean flow likes is drawn apart from what the wrong flow does."""
    return np.cumsum(stream(seed, "popularity").permutation(_POPULAR / _POPULAR.sum()))


def _pick(rng: np.random.Generator, cumulated: Floats, n: int) -> Ints:
    return np.minimum(np.searchsorted(cumulated, rng.random(n)), len(cumulated) - 1)


def delays_ns(
    rng: np.random.Generator, n: int, median_ms: float, sigma: float, least_ms: float, most_ms: float
) -> Ints:
    """Log-normal delays, cut at both ends."""
    ms = np.clip(median_ms * np.exp(sigma * rng.standard_normal(n)), least_ms, most_ms)
    return np.asarray((ms * MS_NS).astype(np.int64))


@dataclass(slots=True)
class Drawn:
    """The intended orders of one block and what will become of each."""

    parents: Parents
    parent_ts: Ints
    orders: Orders
    owner: Ints  # index of each child's parent in `parents`
    outcome: Ints
    ack_ns: Ints
    first_ns: Ints  # from the answer to the first fill, cancel request or replace request
    second_ns: Ints  # from there to what comes next
    answer_ns: Ints  # of a cancel or replace
    booking_ns: Ints  # (children, 2)
    done_ns: Ints

    @classmethod
    def draw(cls, of: Market, seed: int, layer: int, share: float, start_ns: int, end_ns: int) -> Drawn:
        number = (start_ns - START_NS) // SECOND_NS
        rng = stream(seed, "background", layer, number)
        seconds = (end_ns - start_ns) / SECOND_NS
        n = int(rng.poisson(PARENTS_PER_S * pace((start_ns + end_ns) // 2) * seconds))
        ts = np.sort(start_ns + (rng.random(n) * (end_ns - start_ns)).astype(np.int64))
        account = _pick(rng, np.cumsum(_BUSY / _BUSY.sum()), n)
        symbol = _pick(rng, _popularity(seed), n)
        qty = np.clip(np.exp(np.log(250) + 0.8 * rng.standard_normal(n)), 20, 3000).astype(np.int64)
        side = np.searchsorted([0.5, 0.92], rng.random(n))
        qty = np.minimum(qty, (NOTIONAL_MAX / of.reference[symbol]).astype(np.int64))
        strategy = STRATEGIES[rng.integers(0, len(STRATEGIES), n)]
        host = rng.integers(1, 8, n)
        count = 1 + np.minimum(rng.poisson(CHILDREN_MEAN - 1, n), 11)
        kept = rng.random(n) < share

        # Children: quantities as equal as they can be, the last takes what is left.
        owner = np.repeat(np.arange(n), count)
        first = np.cumsum(count) - count
        nth = np.arange(len(owner)) - first[owner]
        m = len(owner)
        gap = 0.02 + (nth > 0) * (CHILD_GAP_MIN_S - 0.02 + rng.exponential(2.0, m))
        since = np.cumsum(gap)
        since -= (since - gap)[first[owner]] if m else 0
        share_qty = qty // count
        child_qty = np.where(
            nth == count[owner] - 1, (qty - share_qty * (count - 1))[owner], share_qty[owner]
        )
        sent = ts[owner] + (since * SECOND_NS).astype(np.int64)
        outcome = _pick(rng, np.cumsum(OUTCOMES), m)
        line = rng.integers(0, 2, m)
        venue = rng.integers(0, len(VENUES), m)
        away = 1 + np.where(side[owner] == 0, 1, -1) * rng.uniform(-0.0005, 0.001, m)
        price = np.round(of.mid(symbol[owner], sent) * away, 2)
        draws = {
            "ack_ns": delays_ns(rng, m, 2, 0.6, 0.3, 80),
            "first_ns": delays_ns(rng, m, 800, 1.2, 200, 60_000),
            "second_ns": delays_ns(rng, m, 500, 1.0, 5, 20_000),
            "answer_ns": delays_ns(rng, m, 2, 0.6, 0.3, 80),
            "booking_ns": delays_ns(rng, 2 * m, 12, 0.8, 1, 300).reshape(m, 2),
            "done_ns": delays_ns(rng, n, 10, 0.5, 2, 50),
        }
        names = np.array(of.names, object)
        parent_name = objects([f"B{layer}.{number}.{i}" for i in range(n)])
        base = (layer << 40) + (number << 20)
        group = group_of_account(account)
        parents = Parents(
            base + np.arange(n), group, parent_name, account_name(account), strategy, names[symbol], side, qty
        )
        orders = Orders(
            number=base + np.arange(m),
            parent=base + owner,
            group=group[owner],
            name=parent_name[owner] + np.where(nth < 26, objects([f"/{k}" for k in range(1, 28)])[nth], ""),
            parent_name=parent_name[owner],
            account=account_name(account)[owner],
            strategy=strategy[owner],
            symbol=names[symbol[owner]],
            side=side[owner],
            qty=child_qty,
            price=price,
            host=host[owner],
            line=line,
            venue=venue,
            tif=np.where(outcome == IOC, objects(["ioc"] * m), objects(["day"] * m)),
            sent_ts=sent,
        )
        mine = kept[owner]
        return cls(
            parents.take(kept), ts[kept], orders.take(mine), (np.cumsum(kept) - 1)[owner[mine]],
            outcome[mine],
            **{name: d[kept] if name == "done_ns" else d[mine] for name, d in draws.items()},
        )  # fmt: skip
