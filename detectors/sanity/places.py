"""Saying so: a hit against a session (else host, account), and what its order is worth."""

from __future__ import annotations

import numpy as np

from detectors import places as pl
from detectors import posting as po
from detectors.event import NONE
from detectors.evidence import found
from detectors.kernel import compiled, inlined
from detectors.pricing import Y_MARK, dollars_for_one, multiplier_of, rate_of, worth
from detectors.sanity import tables as tb


@inlined
def worth_of(t, postings, i):
    """Dollars of an order by its symbol's mark, else by its own price; `NONE` if nobody knows."""
    symbol, px = postings[i, po.SYMBOL], postings[i, po.PX]
    if t.symbols[symbol, Y_MARK] != 0:
        px = t.symbols[symbol, Y_MARK]
    if px == NONE or px == 0:
        return np.int64(NONE)
    usd = dollars_for_one(t.symbols, symbol, t.currencies)
    rate = rate_of(px, multiplier_of(t.symbols, symbol), usd)
    return worth(postings[i, po.QTY], rate) if rate > 0.0 else np.int64(NONE)


@compiled
def say(t, postings, i, n, reason, lane, rung, place, measured, limit, usd):
    """One more hit, against a place; returns the next free one."""
    kind, code = pl.scope_kind(t.places, place), pl.scope_code(t.places, place)
    row, at, ring = postings[i, po.ROW], postings[i, po.AT], 1 + place * tb.LANES + lane
    return found(t.hits, n, reason, rung, row, at, kind, code, measured, limit, 0, usd, t.rings, ring)
