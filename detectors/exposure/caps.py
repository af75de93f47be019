"""One order against its cap, and a trade date's orders against theirs.

order     above 75 % of the cap: recorded    above the cap: paged
          above three times the cap, or the fifth over it in ten seconds: its session is stopped
a day     above 75 % of the cap: recorded    above the cap: paged    above the hard cap: halted
"""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.evidence import SCOPE_CODE, SCOPE_KIND, remember
from detectors.exposure import tables as tb
from detectors.exposure.crossing import crossed_at_events, say
from detectors.exposure.reasons import HALT, HIGH, N_REASONS, ORDER_NOTIONAL, SESSION_NOTIONAL, WARN
from detectors.exposure.worth import rate_for
from detectors.kernel import compiled, crossed, inlined
from detectors.posting import Note, PostingKind
from detectors.pricing import worth


@compiled
def judge_caps(t, postings, i, c, date, n):
    """An order that is new, or was raised, against the caps of all scopes of its cell."""
    is_new = postings[i, po.KIND] == PostingKind.ORDER_SENT
    qty, added = postings[i, po.QTY], postings[i, po.QTY] if is_new else postings[i, po.WORK]
    is_package = postings[i, po.BITS] & Note.PACKAGE != 0
    is_conditional = postings[i, po.BITS] & Note.CONDITIONAL != 0
    rate = rate_for(t, c)
    usd = worth(qty, rate) if rate > 0.0 else t.limits[tb.L_UNPRICED]
    added_usd = worth(added, rate) if rate > 0.0 else (t.limits[tb.L_UNPRICED] if is_new else 0)
    for j in range(t.plan[t.cells[c, tb.C_GRAIN], tb.G_SHAPES]):
        s = t.cells[c, tb.C_SCOPES + j]
        if t.scopes[s, tb.S_HAS_CAPS] == 0:
            continue
        t.scopes[s, tb.S_DATE] = max(date, t.scopes[s, tb.S_DATE])
        if t.caps[s, tb.P_DATE] < t.scopes[s, tb.S_DATE]:
            t.caps[s, tb.P_DATE] = t.scopes[s, tb.S_DATE]
            t.caps[s, tb.P_COUNT] = 0
            t.caps[s, tb.P_TOTAL] = 0
        if is_new:
            t.caps[s, tb.P_COUNT] += ev.UNIT
        if not is_package and not is_conditional:
            t.caps[s, tb.P_TOTAL] = min(t.caps[s, tb.P_TOTAL] + added_usd, tb.USD_MAX // 2)
        for which in range(2):  # in dollars; in units, or orders
            n = _judge_order(t, postings, i, s, which, qty if which else (0 if is_package else usd), n)
            n = _judge_day(t, postings, i, s, which, n)
    return n


@inlined
def _share_of(limit, share):
    return np.int64(float(limit) * share)


@inlined
def _judge_order(t, postings, i, s, which, measured, n):
    """One order against the cap of a scope."""
    cap = t.caps[s, tb.P_NOTIONAL + which]
    warn = _share_of(cap, t.shares[tb.R_WARN])
    if cap == 0 or measured <= warn:
        return n
    low, at, session = postings[i, po.LOW], postings[i, po.AT], postings[i, po.SESSION]
    remember(t.rings, 2 * s + 1, postings[i, po.PART], postings[i, po.OFFSET], at, tb.QUIET_NS)
    rung, limit, is_of_session = np.int64(WARN), warn, False
    if measured > cap:
        rung, limit = np.int64(HIGH), cap
        extreme = _share_of(cap, t.shares[tb.R_HALT_TIMES])
        is_burst, is_one = _one_over(t.caps, t.limits, s, which, low, session)
        is_of_session = session > nm.OTHER and (measured > extreme or is_one)
        if measured > extreme or is_burst:
            is_new = True
            if is_of_session:
                is_new = crossed_at_events(t.sessions, 2 * session + which, np.int64(HALT), low) != 0
            if is_new:
                rung, limit = np.int64(HALT), extreme if measured > extreme else cap
    reason = np.int64(ORDER_NOTIONAL + which)
    is_said = crossed_at_events(t.cross, s * N_REASONS + reason, rung, low) != 0
    stops_session = rung == HALT and is_of_session
    if is_said or stops_session:
        row = postings[i, po.ROW]
        n = say(t.hits, t.scopes, t.rings, n, reason, rung, row, at, s, measured, limit, np.int64(0))
        if stops_session:
            t.hits[n - 1, SCOPE_KIND] = tb.OF_SESSION
            t.hits[n - 1, SCOPE_CODE] = session
    return n


@inlined
def _one_over(caps, limits, s, which, low, session):
    """One more order over its cap; whether it ends a burst, and whether one session sent all of it."""
    overs, needed = caps[s, tb.P_OVERS + which], limits[tb.L_OVERS]
    first = tb.P_OVER + 2 * which * tb.OVER_MAX
    caps[s, first + 2 * (overs % needed)] = low
    caps[s, first + 2 * (overs % needed) + 1] = session
    caps[s, tb.P_OVERS + which] = overs + 1
    oldest = caps[s, first + 2 * ((overs + 1) % needed)]
    is_one = True
    for k in range(needed):
        is_one &= caps[s, first + 2 * k + 1] == session
    return overs + 1 >= needed and low - oldest < limits[tb.L_OVER_WINDOW], is_one


@inlined
def _judge_day(t, postings, i, s, which, n):
    """A day's total or count against the caps of a scope; of these the dollars stand last in each list."""
    measured = t.caps[s, tb.P_TOTAL - which]
    cap, hard = t.caps[s, tb.P_DAY_NOTIONAL - which], t.caps[s, tb.P_HARD_NOTIONAL - which]
    warn = _share_of(cap, t.shares[tb.R_WARN])
    rung, limit = np.int64(0), np.int64(0)
    if cap != 0 and measured > warn:
        rung, limit = np.int64(WARN), warn
    if cap != 0 and measured > cap:
        rung, limit = np.int64(HIGH), cap
    if hard != 0 and measured > hard:
        rung, limit = np.int64(HALT), hard
    reason = np.int64(SESSION_NOTIONAL - which)
    if crossed(t.cross, s * N_REASONS + reason, rung, postings[i, po.LOW]) == 0:
        return n
    at, row = postings[i, po.AT], postings[i, po.ROW]
    remember(t.rings, 2 * s, postings[i, po.PART], postings[i, po.OFFSET], at, tb.QUIET_NS)
    return say(t.hits, t.scopes, t.rings, n, reason, rung, row, at, s, measured, limit, np.int64(0))
