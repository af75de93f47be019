"""What becomes of each child of the clean flow, written down outcome by outcome.

A child is answered, then filled (at once, in two parts, or after a replace), or out (on request, with
nothing or one part filled; what an immediate order leaves; a reject); its fills are booked; and when
all of a parent's children and their bookings are over, the parent is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.scenarios.background import (
    CANCELLED,
    FILLED,
    FILLED_TWICE,
    IOC,
    PART_CANCELLED,
    REJECTED,
    REPLACED,
    Drawn,
)
from monitor.scenarios.day import MS_NS, START_NS
from monitor.scenarios.market import HALF_SPREAD
from monitor.scenarios.randomness import layers
from monitor.scenarios.rows import NO_ROWS

if TYPE_CHECKING:
    from monitor.scenarios.market import Market
    from monitor.scenarios.rows import Bools, Ints, Rows, Texts


def block(of: Market, seed: int, scale: float, start_ns: int, end_ns: int) -> list[Rows]:
    """All that follows from the parents that arrive in [start, end); much of it happens later."""
    parts: list[Rows] = []
    if start_ns == START_NS:
        return [NO_ROWS]  # trading begins when positions and instruments are known
    for layer, share in enumerate(layers(scale)):
        drawn = Drawn.draw(of, seed, layer, share, start_ns, end_ns)
        if len(drawn.parents.number):
            parts += lives(drawn, of)
    return parts or [NO_ROWS]


def lives(drawn: Drawn, of: Market) -> list[Rows]:
    """Write down what happens, outcome by outcome."""
    orders, outcome = drawn.orders, drawn.outcome
    answered = orders.sent_ts + drawn.ack_ns
    first = answered + np.where(outcome == IOC, MS_NS, drawn.first_ns)
    after = first + drawn.answer_ns
    second = np.where(outcome == REPLACED, after, first) + drawn.second_ns
    last = second + drawn.answer_ns
    over = answered.copy()  # when each child and all its bookings are over
    parents_price = np.round(of.reference[_symbol_index(of, drawn.parents.symbol)], 2)
    parts = [drawn.parents.opened(drawn.parent_ts, parents_price), orders.sent()]

    rejected = outcome == REJECTED
    parts.append(orders.take(rejected).rejected(answered[rejected], "Unknown symbol at venue"))
    parts.append(orders.take(~rejected).acknowledged(answered[~rejected]))

    def fill(
        which: Bools, at: Ints, qty: Ints, leaves: Ints, nth: int, *, after_replace: bool = False
    ) -> None:
        mine = orders.take(which)
        better = np.where(mine.side == 0, -1, 1) * HALF_SPREAD * mine.price
        price = np.round(mine.price + better * (mine.price > 5), 2)
        parts.append(
            mine.filled(at[which], qty[which], price, leaves[which], "ab"[nth], after_replace=after_replace)
        )
        booked = at[which] + drawn.booking_ns[which, nth]
        owners = drawn.parents.take(drawn.owner[which])
        parts.append(owners.booked(booked, qty[which], price, mine.number, at[which]))
        over[which] = np.maximum(over[which], booked)

    none = np.zeros_like(orders.qty)
    half = np.maximum(1, orders.qty // 2)
    rest = orders.qty - half
    fill(outcome == FILLED, first, orders.qty, none, 0)
    twice = (outcome == FILLED_TWICE) & (rest > 0)
    fill((outcome == FILLED_TWICE) & (rest == 0), first, orders.qty, none, 0)
    fill(twice, first, half, rest, 0)
    fill(twice, second, rest, none, 1)

    part = (outcome == PART_CANCELLED) & (rest > 0)
    fill(part, first, half, rest, 0)
    asked = np.where(part, second, first)
    gone = np.where(part, last, after)
    cancelled = (outcome == CANCELLED) | (outcome == PART_CANCELLED)
    parts.append(orders.take(cancelled).cancel_requested(asked[cancelled]))
    parts.append(orders.take(cancelled).cancelled(gone[cancelled], asked[cancelled]))
    over[cancelled] = np.maximum(over[cancelled], gone[cancelled])

    moved = outcome == REPLACED
    mine = orders.take(moved)
    tick = np.maximum(0.01, 0.0005 * mine.price)
    closer = np.round(mine.price + np.where(mine.side == 0, tick, -tick), 2)
    parts.append(mine.replace_requested(first[moved], closer))
    parts.append(mine.replaced(after[moved], closer, first[moved]))
    fill(moved, second, orders.qty, none, 0, after_replace=True)

    ioc = outcome == IOC
    fill(ioc & (rest > 0), first, half, rest, 0)
    parts.append(orders.take(ioc).expired_at_once(first[ioc] + MS_NS))
    over[ioc] = np.maximum(over[ioc], first[ioc] + MS_NS)

    done = np.zeros(len(drawn.parents.number), np.int64)
    np.maximum.at(done, drawn.owner, over)
    parts.append(drawn.parents.done(done + drawn.done_ns))
    return parts


def _symbol_index(of: Market, names: Texts) -> Ints:
    index = {name: i for i, name in enumerate(of.names)}
    return np.array([index[name] for name in names.tolist()], np.int64)
