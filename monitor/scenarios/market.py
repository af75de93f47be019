"""The market: 200 stocks, their prices through the morning, and what is known of them at its start.

Facts (DOMAIN, SEC Release 34-70694): Knight traded 154 of them, 80 bought, 74 sold; 75 moved over 5 %, 37
of those over 10 %; it ended about $3.5 bn long and $3.15 bn short and lost $440 M to $460 M.

Assumptions (ours): prices are log-normal around $20, from $3 to $90, and move the way that the wrong flow
pushed them, in step with a power of its cumulated count; the stocks traded most moved most; the loss
is what was paid above (or got below) the prices before it, to which they returned.  Prices and moves
are then fitted to those three sums, which takes the median price to about $15: $6.65 bn for 397 million
shares is $16.75 a share.  Beside that a stock breathes by 0.15 %.  Prices follow history also where a closed
loop stops the flow that pushed them: in the seconds that matter that is less than their breath.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from detectors.event import Kind
from monitor.scenarios.day import END_NS, MS_NS, OPEN_NS, ROLLBACK_NS, SECOND_NS, START_NS, VENUES
from monitor.scenarios.randomness import stream
from monitor.scenarios.rows import Floats, Ints, Rows, make_rows

KNIGHT_SYMBOLS: Final = 154
SYMBOLS: Final = 200
BOUGHT: Final = 80
LONG_DOLLARS: Final = 3.5e9
SHORT_DOLLARS: Final = 3.15e9
LOSS_DOLLARS: Final = 450e6
SHARES: Final = 397.3e6
ZIPF_EXPONENT: Final = 0.60
MOVED_OVER_10: Final = 37
MOVED_OVER_5: Final = 75
PUSH_POWER: Final = 0.7  # price move ~ (cumulated wrong flow) ** this
BREATH: Final = 0.0015
HALF_SPREAD: Final = 0.0003
MARK_EVERY_NS: Final = 5 * SECOND_NS
QUIET_MARK_EVERY_NS: Final = 60 * SECOND_NS  # before the open
PHASES: Final = ((START_NS, "pre_open"), (OPEN_NS, "open"))


def wrong_rate(second: Ints) -> Ints:
    """Wrong children in the given seconds after the open: min(1000, 100 a second), then 2,020."""
    ramp = np.minimum(1000, 100 * second)
    rate = np.where(second < (ROLLBACK_NS - OPEN_NS) // SECOND_NS, ramp, 2020)
    return np.where((second >= 1) & (second < (END_NS - OPEN_NS) // SECOND_NS), rate, 0)


_SECONDS: Final = np.arange((END_NS - OPEN_NS) // SECOND_NS + 1)
_FLOW: Final = np.concatenate([[0], np.cumsum(wrong_rate(_SECONDS))[:-1]])
_PUSH: Final = (_FLOW / _FLOW[-1]) ** PUSH_POWER


def push(ts: Ints) -> Floats:
    """How far through its whole move a price is."""
    return np.asarray(np.interp((ts - OPEN_NS) / SECOND_NS, _SECONDS, _PUSH))


@dataclass(frozen=True, slots=True)
class Market:
    """Prices as a function of stock and time: nothing to remember, nothing to draw."""

    names: tuple[str, ...]
    reference: Floats  # before the open
    move: Floats  # the log of the whole move
    weight: Floats  # share of the wrong flow, 0 for the stocks that it left alone
    period_s: Floats
    phase: Floats

    def mid(self, symbol: Ints, ts: Ints) -> Floats:
        seconds = (ts - START_NS) / SECOND_NS
        breath = BREATH * np.sin(2 * np.pi * seconds / self.period_s[symbol] + self.phase[symbol])
        return self.reference[symbol] * np.exp(self.move[symbol] * push(ts) + breath)


def _tickers(count: int) -> tuple[str, ...]:
    """Made-up tickers of three letters; NOK leads, as in the limit that nothing enforced."""
    letters = "ABCDEFGHIJKLMNOPRSTUVWXY"
    rest = (
        letters[i % 24] + letters[(i * 7 + 3) % 24] + letters[(i // 24 * 5 + i) % 24]
        for i in range(4 * count)
    )
    return tuple(dict.fromkeys(["NOK", *rest]))[:count]


@lru_cache(maxsize=4)
def market(seed: int) -> Market:
    """Draw the stocks of a seed and fit prices and moves to the published sums."""
    rng = stream(seed, "symbols")
    price = np.clip(np.exp(np.log(20) + 0.7 * rng.standard_normal(SYMBOLS)), 3, 90)
    rank = rng.permutation(KNIGHT_SYMBOLS)
    zipf = (1 + np.arange(KNIGHT_SYMBOLS)) ** -ZIPF_EXPONENT
    weight = np.zeros(SYMBOLS)
    weight[:KNIGHT_SYMBOLS] = (zipf / zipf.sum())[rank]

    # Every 154/80th of the ranks is bought, so that both sides have their share of the busy stocks.
    bought_rank = np.diff(np.floor(np.arange(KNIGHT_SYMBOLS + 1) * BOUGHT / KNIGHT_SYMBOLS)) > 0
    sign = np.zeros(SYMBOLS)
    sign[:KNIGHT_SYMBOLS] = np.where(bought_rank[rank], 1, -1)

    spread = rng.random(SYMBOLS)
    band = np.zeros(SYMBOLS)
    band[:KNIGHT_SYMBOLS] = np.where(rank < MOVED_OVER_10, 2, np.where(rank < MOVED_OVER_5, 1, 0))
    small = np.where(band == 1, 0.060 + 0.030 * spread, 0.003 + 0.037 * spread)
    flow = np.diff(_PUSH ** (1 / PUSH_POWER))
    path = (_PUSH[:-1] + _PUSH[1:]) / 2

    size = 1.0
    move = np.zeros(SYMBOLS)
    for _ in range(60):  # converges: each sum hangs mostly on one of the three knobs
        move = sign * np.where(band == 2, 0.118 + size * spread, small)
        move[KNIGHT_SYMBOLS:] = 0
        paid = flow @ np.exp(np.outer(path, move))  # average price paid, over the reference
        shares = SHARES * weight
        for side, dollars in ((1, LONG_DOLLARS), (-1, SHORT_DOLLARS)):
            mine = sign == side
            price[mine] = np.clip(price[mine] * dollars / (shares * paid * price)[mine].sum(), 3, 90)
        loss = (sign * shares * price * (paid - 1)).sum()
        size = max(0.01, size * (LOSS_DOLLARS / loss))
    return Market(
        names=_tickers(SYMBOLS),
        reference=np.round(price, 2),
        move=move,
        weight=weight,
        period_s=300 + 900 * rng.random(SYMBOLS),
        phase=2 * np.pi * rng.random(SYMBOLS),
    )


def instruments(of: Market, seed: int) -> Rows:
    rng = stream(seed, "instruments")
    adv = np.round(np.exp(np.log(6e6) + 0.8 * rng.standard_normal(SYMBOLS)), -2).astype(np.int64)
    shares_out = adv * rng.integers(60, 200, SYMBOLS)
    ts = START_NS + np.arange(SYMBOLS) * MS_NS
    bodies = [
        f'{{"kind":"instrument","ts":{t},"source":"market","symbol":"{name}","asset_class":"equity",'
        f'"currency":"USD","multiplier":1,"tick":0.01,"adv":{a},"shares_out":{out}'
        for t, name, a, out in zip(ts.tolist(), of.names, adv.tolist(), shares_out.tolist(), strict=True)
    ]
    return make_rows(Kind.INSTRUMENT, ts, of.names, bodies)


def phases() -> Rows:
    """Session phases of every venue."""
    ts = np.array([at for at, _ in PHASES for _ in VENUES])
    bodies = [
        f'{{"kind":"session_phase","ts":{at},"source":"market","venue":"{venue}","phase":"{phase}",'
        '"trade_date":"2012-08-01"'
        for at, phase in PHASES
        for venue in VENUES
    ]
    return make_rows(Kind.SESSION_PHASE, ts, VENUES * len(PHASES), bodies)


def marks(of: Market, start_ns: int, end_ns: int) -> Rows:
    """Marks of every stock in [start, end): each five seconds, each minute before the open."""
    offset = np.arange(SYMBOLS) * (20 * MS_NS)  # not all in one instant
    every = MARK_EVERY_NS if start_ns >= OPEN_NS else QUIET_MARK_EVERY_NS
    first = -(-(start_ns - START_NS) // every) * every + START_NS
    beats = np.arange(first, end_ns, every, dtype=np.int64)
    ts = (beats[:, None] + SECOND_NS // 2 + offset[None, :]).ravel()
    symbol = np.tile(np.arange(SYMBOLS), len(beats))
    price = np.round(of.mid(symbol, ts), 2)
    bodies = [
        f'{{"kind":"mark","ts":{t},"source":"market","symbol":"{of.names[s]}","price":{p}'
        for t, s, p in zip(ts.tolist(), symbol.tolist(), price.tolist(), strict=True)
    ]
    names = np.array(of.names, object)
    return make_rows(Kind.MARK, ts, names[symbol], bodies)
