"""Clean flow on a stage, as violent as real flow: routers that work parents, and a strategy that quotes.

Every parent is conserved: its children's quantities sum to its own, each fill has an order and one booking,
and it is done after all of that.  Quotes have no parent; most are cancelled, some fill, minutes later too.

Assumptions (ours), fitted to what was measured on real order streams: the pace of a second is 25 times the
mean in one of 80, eight times in one of 20, else a half, so that the variance of its counts is 20 to 60 times
their mean; 0.87 cancels a quote, of which 1 in 12 fills; a parent has four children on average, 1.2 s apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from monitor.scenarios.randomness import layers, stream
from monitor.scenarios.stage import MS_NS, SECOND_NS, Line, Stage, delay_ns
from monitor.scenarios.trading import Order, Parent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BURSTS: Final = ((1 / 80, 25.0), (1 / 20, 8.0))
ELSE: Final = 0.5
CHILD_GAP_MIN_S: Final = 1.2
REJECTED, IOC, CANCELLED, REPLACED, TWICE = 0.003, 0.03, 0.12, 0.17, 0.33  # cumulated; the rest fills at once
QUOTE_FILLED: Final = 0.085
QUOTE_MOVED: Final = 0.20  # replaced once before its end


@dataclass(frozen=True, slots=True)
class Pace:
    """How busy it is: parents and quotes a second on average, and how that changes with time."""

    parents: float = 1.0
    quotes: float = 0.0
    of: Callable[[int], float] = lambda _ts: 1.0


def trade(
    stage: Stage,
    lines: Sequence[Line],
    pace: Pace,
    *,
    quoting: Sequence[Line] = (),
    symbols: Sequence[str] = (),
    start_ns: int | None = None,
    end_ns: int | None = None,
    lots: tuple[int, int] = (100, 1),
    name: str = "calm",
) -> None:
    """Clean flow on these lines from start to end; `lots`: median quantity of a parent, and its step."""
    start_ns = stage.start_ns + 2 * SECOND_NS if start_ns is None else start_ns
    end_ns = stage.end_ns if end_ns is None else end_ns
    symbols = symbols or tuple(stage.tape.of)
    for layer, share in enumerate(layers(stage.scale)):
        rng = stream(stage.seed, f"{stage.name} {name}", layer)
        for second in range(start_ns, end_ns, SECOND_NS):
            busy = pace.of(second) * _burst(rng)
            for sort, mean in (("p", pace.parents), ("q", pace.quotes)):
                n = int(rng.poisson(mean * busy))
                at = np.sort(second + (rng.random(n) * SECOND_NS).astype(np.int64)).tolist()
                kept = (rng.random(n) < share).tolist()
                for number, ts in enumerate(at):
                    if not kept[number]:
                        continue
                    own = stream(
                        stage.seed, f"{stage.name} {name} {sort}", layer, second // SECOND_NS, number
                    )
                    called = f"{name}.{sort}{layer}.{second // SECOND_NS % 100_000}.{number}"
                    if sort == "p":
                        _parent(stage, own, lines, symbols, ts, end_ns, lots, called)
                    elif quoting:
                        _quote(stage, own, quoting, symbols, ts, end_ns, lots, called)


def _burst(rng: np.random.Generator) -> float:
    drawn = float(rng.random())
    for share, times in BURSTS:
        if drawn < share:
            return times
        drawn -= share
    return ELSE


def _popular(rng: np.random.Generator, of: Sequence[str]) -> str:
    """The first ones more often: Zipf, 0.5."""
    shares = np.cumsum((1 + np.arange(len(of))) ** -0.5)
    return of[int(np.searchsorted(shares, rng.random() * shares[-1]))]


def _parent(
    stage: Stage,
    rng: np.random.Generator,
    lines: Sequence[Line],
    symbols: Sequence[str],
    ts: int,
    end_ns: int,
    lots: tuple[int, int],
    name: str,
) -> None:
    line = lines[int(rng.integers(len(lines)))]
    symbol = _popular(rng, symbols)
    side = ("buy", "sell", "sell_short")[int(np.searchsorted([0.5, 0.92], rng.random()))]
    median, step = lots
    count = 1 + min(int(rng.poisson(3)), 8)
    each = max(1, round(median / 4 * float(np.exp(0.7 * rng.standard_normal())) / step)) * step
    parent = Parent.accepted(
        stage, ts, line.account, line.strategy, symbol, side, each * count, luck=rng, name=name
    )
    sent, is_over = ts + delay_ns(rng, 20, 0.5, 5, 200), True
    for nth in range(count):
        if sent > end_ns - SECOND_NS:
            return  # it goes on after the end of what is told
        is_over &= _child(stage, rng, line, parent, sent, end_ns, each, f"{name}/{nth}")
        sent += int((CHILD_GAP_MIN_S + rng.exponential(1.5)) * SECOND_NS)
    if is_over:
        parent.done()


def _child(
    stage: Stage,
    rng: np.random.Generator,
    line: Line,
    parent: Parent,
    sent: int,
    end_ns: int,
    qty: int,
    name: str,
) -> bool:
    """One child; whether it is over before the end."""
    fate, symbol = float(rng.random()), parent.symbol
    away = int(rng.integers(-2, 3))
    price = stage.tape.price(symbol, sent, away)
    tif = "ioc" if REJECTED <= fate < IOC else "day"
    order = Order.sent(
        stage, line, sent, symbol, parent.side, qty, price, parent=parent, luck=rng, name=name, tif=tif
    )
    if fate < REJECTED:
        order.rejected("Unknown symbol at venue")
        return True
    order.acked()
    if fate < IOC:
        if qty > 1:
            order.filled(qty=qty // 2)
        order.out(order.at + MS_NS, "ioc")
        return True
    first = order.at + delay_ns(rng, 700, 1.1, 100, 20_000)
    second = first + delay_ns(rng, 400, 1.0, 81, 20_000)
    if second > end_ns - 100 * MS_NS:
        return False  # it rests
    if fate < CANCELLED:
        order.cancelled(first)
    elif fate < REPLACED:
        closer = stage.tape.on_grid(symbol, price, 1 if parent.side == "buy" else -1)
        order.replaced(first, qty, closer)
        order.filled(second)
    elif fate < TWICE and qty > 1:
        order.filled(first, qty // 2)
        order.filled(second)
    else:
        order.filled(first)
    return True


def _quote(
    stage: Stage,
    rng: np.random.Generator,
    quoting: Sequence[Line],
    symbols: Sequence[str],
    ts: int,
    end_ns: int,
    lots: tuple[int, int],
    name: str,
) -> None:
    """A quote: passive, on a grid of its own size, gone or filled sooner or later."""
    line, symbol = quoting[int(rng.integers(len(quoting)))], _popular(rng, symbols)
    is_buy = rng.random() < 0.5
    median, step = lots
    qty = int(rng.integers(1, 9)) * step * max(1, median // (4 * step))
    ticks = int(rng.integers(1, 12))
    price = stage.tape.price(symbol, ts, -ticks if is_buy else ticks)
    order = Order.sent(stage, line, ts, symbol, "buy" if is_buy else "sell", qty, price, luck=rng, name=name)
    order.acked()
    end = order.at + delay_ns(rng, 1_500, 1.3, 15, 240_000)
    if rng.random() < QUOTE_MOVED:
        moved = order.at + (end - order.at) // 2
        order.replaced(moved, qty, stage.tape.on_grid(symbol, price, -1 if is_buy else 1))
        end = max(end, order.at + MS_NS)
    if end > end_ns - 100 * MS_NS:
        return  # it rests
    if rng.random() < QUOTE_FILLED:
        order.filled(end)
    else:
        order.cancelled(end)
