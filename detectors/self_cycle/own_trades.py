"""Own against own: two executions of one match, one bought and one sold, of one entity.

A trade counts for the pair of strategies that made it, and accuses both; an entity that nobody named is
everybody's.  A match is one venue's: another venue's may have the same number.
"""

from __future__ import annotations

import numpy as np

from detectors import places as pl
from detectors import posting as po
from detectors.event import NONE, UNIT
from detectors.evidence import found, remember
from detectors.kernel import SECOND_NS, compiled, inlined
from detectors.ledger.index import mix, place_of
from detectors.ledger.tables import W_ENTITY
from detectors.rungs import HALT, HIGH, WARN, rises
from detectors.self_cycle import tables as tb
from detectors.self_cycle.minute import add, hold_while
from detectors.self_cycle.reasons import OWN_TRADES


@compiled
def judge_match(t, postings, i, match, place, now, n):
    """One side of a match: it waits for the other one, or is it."""
    key = mix(match, postings[i, po.VENUE])
    m, sign = key & (tb.MATCHES_MAX - 1), np.int64(-1 if postings[i, po.POS] < 0 else 1)
    entity, other = t.who64[postings[i, po.WHO], W_ENTITY], t.matches[m, tb.M_ENTITY]
    is_recent = now - t.matches[m, tb.M_AT] < t.limits[tb.L_WINDOW] * SECOND_NS
    if t.matches[m, tb.M_KEY] == key and t.matches[m, tb.M_AT] != 0 and is_recent:
        is_one = entity == other or entity == 0 or other == 0
        if t.matches[m, tb.M_SIGN] != -sign or not is_one:
            return n
        t.matches[m, tb.M_SIGN] = 0
        return _count(t, postings, i, m, place, now, n)
    t.matches[m, tb.M_KEY] = key
    t.matches[m, tb.M_AT] = now
    t.matches[m, tb.M_PLACE] = place
    t.matches[m, tb.M_SIGN] = sign
    t.matches[m, tb.M_ENTITY] = entity
    t.matches[m, tb.M_PART] = postings[i, po.PART]
    t.matches[m, tb.M_OFFSET] = postings[i, po.OFFSET]
    return n


@inlined
def _pair_of(t, place, other):
    """The row of two strategies; 0, the firm's, when all are in use."""
    lower, upper = min(place, other), max(place, other)
    slot = place_of(t.pair_index, t.pairs, lower, upper)
    if t.pair_index[slot] == 0:
        if t.state[tb.ST_PAIRS] + 1 >= tb.PAIRS_MAX:
            return np.int64(0)
        t.state[tb.ST_PAIRS] += 1
        t.pair_index[slot] = t.state[tb.ST_PAIRS]
        t.pairs[t.state[tb.ST_PAIRS], tb.A_HI] = lower
        t.pairs[t.state[tb.ST_PAIRS], tb.A_LO] = upper
    return np.int64(t.pair_index[slot])


@compiled
def _count(t, postings, i, m, place, now, n):
    """One more trade of a pair; what is newly reached is said of both."""
    key, window = _pair_of(t, place, t.matches[m, tb.M_PLACE]), t.limits[tb.L_WINDOW]
    add(t.owns, key, now // SECOND_NS, window, np.int64(0))
    quiet_ns = window * SECOND_NS
    remember(t.owns_rings, key, t.matches[m, tb.M_PART], t.matches[m, tb.M_OFFSET], now, quiet_ns)
    remember(t.owns_rings, key, postings[i, po.PART], postings[i, po.OFFSET], now, quiet_ns)
    count, rung, limit = t.owns[key, tb.W_COUNT], np.int64(0), np.int64(0)
    for each in (WARN, HIGH, HALT):
        needed = t.limits[tb.L_OWN_WARN + each - WARN]
        if count >= needed:
            rung, limit = np.int64(each), needed
    is_said = rises(t.owns_until, key, rung, now)
    for each in (WARN, HIGH, HALT):
        needed = t.limits[tb.L_OWN_WARN + each - WARN]
        hold_while(t.owns, t.owns_until, key, window, each, needed, np.int64(0))
    if not is_said:
        return n
    row, at, usd = postings[i, po.ROW], postings[i, po.AT], np.int64(NONE)
    zero, reason, measured = np.int64(0), np.int64(OWN_TRADES), count * UNIT
    limit *= UNIT
    for side in range(2):
        if side == 1 and t.pairs[key, tb.A_HI] == t.pairs[key, tb.A_LO]:
            break
        accused = t.pairs[key, tb.A_HI + side]
        kind, code = pl.scope_kind(t.places, accused), pl.scope_code(t.places, accused)
        n = found(t.hits, n, reason, rung, row, at, kind, code, measured, limit, zero, usd, t.owns_rings, key)
    return n
