"""One order's quantity against what a day trades, and against all there is.

    adv          an order above 5 % of the average daily volume is recorded, a parent above 25 % pages,
                 a child above 25 % that is worth more than $1 M stops its session
    shares_out   an order for more than all shares outstanding stops its session

A symbol of which nobody said the one or the other is not asked for it.
"""

from __future__ import annotations

import numpy as np

from detectors import names as nm
from detectors import posting as po
from detectors.event import NONE, UNIT
from detectors.evidence import remember
from detectors.kernel import SECOND_NS, compiled, inlined
from detectors.posting import Note
from detectors.rungs import HALT, HIGH, WARN, hold, rises
from detectors.sanity import tables as tb
from detectors.sanity.places import say, worth_of
from detectors.sanity.reasons import ADV, SHARES_OUT

QUIET_NS = 10 * SECOND_NS


@inlined
def judge_size(t, postings, i, place, now, is_parent, n):
    """An order or a parent that is new, or was given another quantity."""
    symbol, qty = postings[i, po.SYMBOL], postings[i, po.QTY]
    if symbol <= nm.OTHER or qty == NONE or postings[i, po.BITS] & Note.PACKAGE != 0:
        return n
    adv, shares_out = t.facts[symbol, tb.F_ADV], t.facts[symbol, tb.F_SHARES_OUT]
    if adv > 0 and float(qty) > t.shares[tb.R_ADV_WARN] * float(adv):
        n = _against_volume(t, postings, i, place, now, is_parent, n)
    if shares_out > 0 and float(qty) > t.shares[tb.R_SHARES_OUT] * float(shares_out):
        share, limit = _share(qty, shares_out), np.int64(np.rint(t.shares[tb.R_SHARES_OUT] * UNIT))
        usd = worth_of(t, postings, i)
        n = _judge(t, postings, i, place, now, SHARES_OUT, tb.LANE_SHARES_OUT, HALT, share, limit, usd, n)
    return n


@compiled
def _against_volume(t, postings, i, place, now, is_parent, n):
    qty, adv = postings[i, po.QTY], t.facts[postings[i, po.SYMBOL], tb.F_ADV]
    usd = worth_of(t, postings, i)
    rung, limit = np.int64(WARN), t.shares[tb.R_ADV_WARN]
    if is_parent and float(qty) > t.shares[tb.R_ADV_HIGH] * float(adv):
        rung, limit = np.int64(HIGH), t.shares[tb.R_ADV_HIGH]
    is_dear = usd == NONE or usd > t.limits[tb.L_ADV_USD]
    if not is_parent and is_dear and float(qty) > t.shares[tb.R_ADV_HALT] * float(adv):
        rung, limit = np.int64(HALT), t.shares[tb.R_ADV_HALT]
    fixed = np.int64(np.rint(limit * UNIT))
    return _judge(t, postings, i, place, now, ADV, tb.LANE_ADV, rung, _share(qty, adv), fixed, usd, n)


@inlined
def _share(qty, whole):
    """A quantity as a part of another, 1e-8, as far as it fits."""
    return np.int64(np.rint(min(float(qty) / float(whole), 1.0e9) * UNIT))


@compiled
def _judge(t, postings, i, place, now, reason, lane, rung, measured, limit, usd, n):
    """What is true of one order, at its instant."""
    key = place * tb.LANES + lane
    remember(t.rings, 1 + key, postings[i, po.PART], postings[i, po.OFFSET], now, QUIET_NS)
    is_said = rises(t.until, key, rung, now)
    hold(t.until, key, rung, now)
    return say(t, postings, i, n, reason, lane, rung, place, measured, limit, usd) if is_said else n
