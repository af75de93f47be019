"""repeated_execution: how often a strategy was filled and entered again, with no person in between.

A strategy that has a limit is counted by symbol: its first order after a fill there is one more execution.
A child within its live parent is none: whoever sent the parent decided once.  An order by hand shows a
person: the count begins anew, as it does on a new trade date and when the limit is reached.
"""

from __future__ import annotations

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.event import NONE, UNIT
from detectors.evidence import BEGUN, COUNT, found, remember
from detectors.kernel import compiled, inlined
from detectors.ledger.index import mix
from detectors.places import named
from detectors.posting import Note
from detectors.repeat import tables as tb
from detectors.repeat.parents import is_covered
from detectors.repeat.reasons import REPEATED_EXECUTION
from detectors.rungs import HALT, WARN


@inlined
def is_asking(p, strategies, state):
    """Whether somebody must say first what limit this strategy has."""
    strategy = p[po.STRATEGY]
    if strategy > nm.ABSENT and strategies[strategy, tb.ST_LIMIT] == 0:
        state[tb.S_ASKED] = strategy
        return True
    return False


@inlined
def entered(t, p, row, n):
    """An order was sent: perhaps the strategy's next execution; returns the next free hit."""
    s = t.strategies[p[po.STRATEGY]]
    if s[tb.ST_LIMIT] <= 1:
        return n
    if row[ev.TRADE_DATE] > s[tb.ST_DATE]:
        s[tb.ST_DATE] = row[ev.TRADE_DATE]
        _begin(s)
    is_by_hand = p[po.BITS] & Note.MANUAL != 0
    if is_by_hand:
        _begin(s)
    if not is_by_hand and is_covered(p, t.parents, t.limits):
        return n
    is_after_fill = _take(p, t.strategies, t.cells, t.state)
    return _judge(t, p, s, n) if is_after_fill and not is_by_hand else n


@compiled
def _judge(t, p, s, n):
    """One more execution; at the limit it is said, and counting begins anew."""
    limit, lane = (s[tb.ST_LIMIT] - 1) * UNIT, named(t.places, t.codes, nm.STRATEGY, p[po.STRATEGY])
    lane = lane * tb.LANES + tb.EXECUTIONS
    if s[tb.ST_COUNT] == 0:
        t.rings[lane, COUNT], t.rings[lane, BEGUN] = 0, 0
    s[tb.ST_COUNT] += 1
    remember(t.rings, lane, p[po.PART], p[po.OFFSET], p[po.AT], tb.DAY_NS)
    count, warn, rung = s[tb.ST_COUNT] * UNIT, (s[tb.ST_LIMIT] - 1) * t.limits[tb.L_EXEC_SHARE], 0
    if count >= limit:
        rung = HALT
    elif count >= warn and s[tb.ST_WARNED] == 0:
        rung, limit = WARN, warn
    if rung == 0:
        return n
    s[tb.ST_WARNED] = 1
    if rung == HALT:
        _begin(s)
    row, at, kind, code = p[po.ROW], p[po.AT], nm.STRATEGY + 1, p[po.STRATEGY]
    return found(
        t.hits, n, REPEATED_EXECUTION, rung, row, at, kind, code, count, limit, 0, NONE, t.rings, lane
    )


@inlined
def _begin(s):
    s[tb.ST_COUNT] = 0
    s[tb.ST_WARNED] = 0


@inlined
def was_filled(p, strategies, cells, state):
    """A strategy that has a limit was filled: its next order in this symbol is one more execution."""
    if strategies[p[po.STRATEGY], tb.ST_LIMIT] <= 1:
        return
    cell = _cell_of(p, cells, state)
    if cell < 0:
        strategies[p[po.STRATEGY], tb.ST_FILLED] = 1
    else:
        cells[cell, 1] = 1


@inlined
def _take(p, strategies, cells, state):
    """Whether the strategy was filled since its last order in this symbol; from now on it was not."""
    cell = _cell_of(p, cells, state)
    if cell < 0:
        is_filled = strategies[p[po.STRATEGY], tb.ST_FILLED] != 0
        strategies[p[po.STRATEGY], tb.ST_FILLED] = 0
    else:
        is_filled = cells[cell, 1] != 0
        cells[cell, 1] = 0
    return is_filled


@inlined
def _cell_of(p, cells, state):
    """The cell of a strategy in a symbol; -1 if there is no room for one more."""
    key, mask = (p[po.STRATEGY] << 32) | p[po.SYMBOL], cells.shape[0] - 1
    slot = mix(key, key >> 32) & mask
    while cells[slot, 0] != 0 and cells[slot, 0] != key:
        slot = (slot + 1) & mask
    if cells[slot, 0] == 0:
        if 4 * state[tb.S_CELLS] >= 3 * cells.shape[0]:
            return -1
        state[tb.S_CELLS] += 1
        cells[slot, 0] = key
    return slot
