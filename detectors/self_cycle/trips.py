"""Round trips: what a strategy opened in an account and symbol within the minute, and closed again at a loss.

    a trip   fills open from flat, and others close all of it, the oldest first, at worse prices in sum

What is older than a minute is no longer part of it.  A bust takes back no trip: it was made.  Fills that only
lower what is held are none: on simulated clean days a strategy of a hundred accounts makes 103 such orders a
minute at a loss, and 40 losing trips.
"""

from __future__ import annotations

import numpy as np

from detectors import names as nm
from detectors import places as pl
from detectors import posting as po
from detectors.event import MONEY, NONE, UNIT
from detectors.evidence import found, remember
from detectors.kernel import SECOND_NS, compiled, inlined
from detectors.ledger.index import mix
from detectors.pricing import dollars_for_one, multiplier_of
from detectors.rungs import HALT, HIGH, WARN, rises
from detectors.self_cycle import tables as tb
from detectors.self_cycle.minute import add, hold_while
from detectors.self_cycle.reasons import ROUND_TRIPS


@inlined
def judge_trip(t, postings, i, place, now, n):
    """A fill closes what the other side opened, which may end a trip, then opens what is left of it."""
    symbol, px, sign = postings[i, po.SYMBOL], postings[i, po.PX], np.int64(1)
    pair = postings[i, po.PAIR]
    if symbol <= nm.OTHER or pair == 0 or px == NONE:
        return n
    if postings[i, po.POS] < 0:
        sign = np.int64(-1)
    c, qty = _find(t.cells, place, pair), abs(postings[i, po.POS])
    window = t.limits[tb.L_WINDOW]
    t.cells[c, tb.C_AT] = max(now, t.cells[c, tb.C_AT])
    _forget(t.cells, c, t.cells[c, tb.C_AT] - window * SECOND_NS)
    if t.cells[c, tb.C_COUNT] == 0:
        t.cells[c, tb.C_EDGE] = 0
    elif t.cells[c, tb.C_SIGN] != sign:
        qty, edge = _close(t.cells, c, qty, px)
        t.cells[c, tb.C_EDGE] += edge
        if t.cells[c, tb.C_COUNT] == 0 and t.cells[c, tb.C_EDGE] < 0:
            n = _count(t, postings, i, place, symbol, -t.cells[c, tb.C_EDGE], now, n)
    if qty > 0:
        _open(t.cells, c, sign, qty, px)
    return n


@inlined
def _find(cells, place, pair):
    """The row of an account and symbol of a place; of four, what was quiet longest gives way to a new one."""
    first = (mix(pair, place) & (tb.CELLS_MAX // tb.WAYS - 1)) * tb.WAYS
    quietest = first
    for c in range(first, first + tb.WAYS):
        if cells[c, tb.C_AT] != 0 and cells[c, tb.C_PAIR] == pair and cells[c, tb.C_PLACE] == place:
            return c
        if cells[c, tb.C_AT] < cells[quietest, tb.C_AT]:
            quietest = c
    cells[quietest, tb.C_PLACE] = place
    cells[quietest, tb.C_PAIR] = pair
    cells[quietest, tb.C_AT] = 0
    cells[quietest, tb.C_HEAD] = 0
    cells[quietest, tb.C_COUNT] = 0
    return quietest


@inlined
def _lot(cells, c, back):
    """The column of a lot, the oldest first."""
    return tb.C_LOTS + 3 * ((cells[c, tb.C_HEAD] + back) % tb.LOTS)


@inlined
def _drop(cells, c):
    cells[c, tb.C_HEAD] = (cells[c, tb.C_HEAD] + 1) % tb.LOTS
    cells[c, tb.C_COUNT] -= 1


@inlined
def _forget(cells, c, since):
    """Lots that were opened before the window."""
    while cells[c, tb.C_COUNT] > 0 and cells[c, _lot(cells, c, 0) + tb.O_AT] <= since:
        _drop(cells, c)


@inlined
def _cost_of(qty, px):
    """Quantity at a price (1e-8 each) in 1e-4 of its currency."""
    return np.int64(np.rint(float(qty) * float(px) * (MONEY / (float(UNIT) * float(UNIT)))))


@compiled
def _close(cells, c, qty, px):
    """Take a fill off the oldest lots; returns (what is left of it, what they earned)."""
    edge, sign = np.int64(0), cells[c, tb.C_SIGN]
    while qty > 0 and cells[c, tb.C_COUNT] > 0:
        lot = _lot(cells, c, 0)
        taken, cost = cells[c, lot + tb.O_QTY], cells[c, lot + tb.O_COST]
        if taken > qty:
            cost = np.int64(np.rint(float(cost) * (float(qty) / float(taken))))
            taken = qty
        edge += sign * (_cost_of(taken, px) - cost)
        qty -= taken
        cells[c, lot + tb.O_QTY] -= taken
        cells[c, lot + tb.O_COST] -= cost
        if cells[c, lot + tb.O_QTY] == 0:
            _drop(cells, c)
    return qty, edge


@compiled
def _open(cells, c, sign, qty, px):
    """One more lot; when all are in use the two oldest become one."""
    cells[c, tb.C_SIGN] = sign
    if cells[c, tb.C_COUNT] == tb.LOTS:
        oldest, next_one = _lot(cells, c, 0), _lot(cells, c, 1)
        cells[c, next_one + tb.O_QTY] += cells[c, oldest + tb.O_QTY]
        cells[c, next_one + tb.O_COST] += cells[c, oldest + tb.O_COST]
        _drop(cells, c)
    lot = _lot(cells, c, cells[c, tb.C_COUNT])
    cells[c, lot + tb.O_AT] = cells[c, tb.C_AT]
    cells[c, lot + tb.O_QTY] = qty
    cells[c, lot + tb.O_COST] = _cost_of(qty, px)
    cells[c, tb.C_COUNT] += 1


@compiled
def _count(t, postings, i, place, symbol, loss, now, n):
    """One more trip of a strategy; what is newly reached is said."""
    usd = dollars_for_one(t.symbols, symbol, t.currencies)
    usd = UNIT if usd == 0 else usd  # a currency that nobody rated counts one for one
    lost = float(loss) * (float(multiplier_of(t.symbols, symbol)) / UNIT) * (float(usd) / UNIT)
    window, key = t.limits[tb.L_WINDOW], place
    add(t.trips, key, now // SECOND_NS, window, np.int64(np.rint(min(lost, 9e16))))
    remember(t.trips_rings, key, postings[i, po.PART], postings[i, po.OFFSET], now, window * SECOND_NS)
    rung, limit = np.int64(0), np.int64(0)
    for each in (WARN, HIGH, HALT):
        needed = t.limits[tb.L_TRIPS_WARN + each - WARN]
        is_dear = each != HALT or t.trips[key, tb.W_USD] >= t.limits[tb.L_TRIPS_USD]
        if t.trips[key, tb.W_COUNT] >= needed and is_dear:
            rung, limit = np.int64(each), needed
    is_said = rises(t.trips_until, key, rung, now)
    for each in (WARN, HIGH, HALT):
        dear = t.limits[tb.L_TRIPS_USD] if each == HALT else np.int64(0)
        needed = t.limits[tb.L_TRIPS_WARN + each - WARN]
        hold_while(t.trips, t.trips_until, key, window, each, needed, dear)
    if not is_said:
        return n
    kind, code = pl.scope_kind(t.places, place), pl.scope_code(t.places, place)
    row, at, measured = postings[i, po.ROW], postings[i, po.AT], t.trips[key, tb.W_COUNT] * UNIT
    dollars, zero, reason = t.trips[key, tb.W_USD], np.int64(0), np.int64(ROUND_TRIPS)
    limit *= UNIT
    return found(
        t.hits, n, reason, rung, row, at, kind, code, measured, limit, zero, dollars, t.trips_rings, key
    )
