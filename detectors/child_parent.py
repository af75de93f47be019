"""Children against their parent: what an order router sends must be covered by an order that wants it.

    child_after_done   a child sent later than its parent's end + grace, and told later too
    overcommit         filled + working of a parent  >  highest quantity accepted so far + 100 shares
    orphan_child       orders without a known parent in 10 s, where every order must name one
    ratio              children / parents with a child in 10 s, by host and strategy
    chain_growth       total of a replace chain / quantity of its first order

Why: at Knight one server sent children for ever for 212 small parents that another part of the system
knew to be filled.  No order was too large and no symbol too busy; conservation between parent and
children was broken by the first child (SEC Release 34-70694).

How it counts: what is asked of one parent is answered at each posting, in the order of its partition.
What is asked of a host is a ring of the parents that it last wronged, or a window of buckets that closes
at a boundary of LOW.  An order without a host is its session's, else its account's, else the firm's.

>>> from tests.detectors.tell import tell
>>> for breach in tell(ChildParent, "P1 C F done P2 C F done P3 C F done +1000ms P1 C P2 C P3 C"):
...     print(breach.severity.word, breach)
warn child_parent child_after_done host=a-gw-1: 1 > 1
halt child_parent child_after_done host=a-gw-1: 3 > 3
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.contract import Detector, Int64Array, Level, Reason, Severity, setting
from detectors.evidence import COUNT, HIT, RING, breaches, dollars, found, remember
from detectors.kernel import REARM_NS, SECOND_NS, compiled, crossed, inlined
from detectors.ledger.index import mix
from detectors.posting import Note, PostingKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detectors.contract import Breach, Postings, View

WARN: Final = int(Severity.WARN)
HIGH: Final = int(Severity.HIGH)
HALT: Final = int(Severity.HALT)
NONE: Final = ev.NONE
UNIT: Final = ev.UNIT

AFTER_DONE, OVERCOMMIT, ORPHAN, RATIO, CHAIN = range(5)
N_REASONS: Final = 5
REASONS: Final = (
    Reason("child_after_done", "children after parent done", "children", Level.HALT_CANCEL),
    Reason("overcommit", "filled and working beyond the parent's quantity", "shares", Level.HALT_CANCEL),
    Reason("orphan_child", "orders without a known parent", "orders", Level.HALT_CANCEL),
    Reason("ratio", "children per parent in 10 s", "children/parent", Level.HALT_CANCEL),
    Reason("chain_growth", "replace chain grown beyond its first order", "times", Level.HALT_CANCEL),
)


@dataclass(frozen=True, slots=True)
class ChildParentSettings:
    """Thresholds of DOMAIN section 2; what names no source there is ours, to be fitted by replay."""

    after_done_grace_ns_min: int = setting(
        250_000_000, "A child within this time of its parent's end crossed it on the way."
    )
    after_done_grace_bounds_count: int = setting(
        2, "The grace is at least this often the larger clock bound of the two hosts."
    )
    after_done_high_count: int = setting(2, "So many late children of one parent page.")
    after_done_halt_count: int = setting(
        3, "So many late children of one parent within the window stop the host (at most 16)."
    )
    after_done_halt_window_ns: int = setting(SECOND_NS, "The window of after_done_halt_count.")
    after_done_halt_total_count: int = setting(
        10, "So many late children of one parent in all stop the host."
    )
    after_done_parents_count: int = setting(
        3, "Late children of so many distinct parents stop the host that sent them (at most 16)."
    )
    after_done_parents_window_ns: int = setting(5 * SECOND_NS, "The window of after_done_parents_count.")
    after_done_widen_count: int = setting(
        3, "So many hosts at once stop the build or the strategy that they share, else the firm."
    )
    overcommit_slack_qty: float = setting(100, "Filled and working may exceed the parent by this much.")
    overcommit_high_after_ns: int = setting(SECOND_NS, "A parent overcommitted for this long pages.")
    overcommit_halt_times: float = setting(
        1.1, "Fills beyond this multiple of the quantity stop the host ..."
    )
    overcommit_halt_usd: float = setting(50_000, "... if what is over is worth more than this.")
    orphan_announce_ns: int = setting(
        2 * SECOND_NS, "A parent may be announced this much later than its first child."
    )
    orphan_warn_count: int = setting(5, "Orders without a known parent in 10 s that are recorded.")
    orphan_high_count: int = setting(50, "Orders without a known parent in 10 s that page.")
    orphan_high_usd: float = setting(250_000, "Dollars of such orders in 10 s that page.")
    orphan_halt_count: int = setting(200, "Orders without a known parent in 10 s that stop the host ...")
    orphan_halt_usd: float = setting(1_000_000, "... if they are worth this much.")
    ratio_warn_times: float = setting(
        10, "Children per parent in 10 s that are recorded: 10, or three times the p99.9 of clean days."
    )
    ratio_high_times: float = setting(2, "This multiple of ratio_warn_times pages.")
    ratio_halt_times: float = setting(
        4, "This multiple stops the host, if its parents are filled and working beyond their quantity."
    )
    ratio_running_count: int = setting(3, "Evaluations running, one a second, that page or stop.")
    chain_warn_times: float = setting(2, "A replace chain's total against its first order's: recorded.")
    chain_high_times: float = setting(3, "This multiple pages ...")
    chain_high_usd: float = setting(250_000, "... if the chain is worth this much.")
    chain_halt_times: float = setting(5, "This multiple stops the session ...")
    chain_halt_usd: float = setting(1_000_000, "... if the chain is worth this much.")
    unpriced_usd: float = setting(
        10_000, "What an order counts for if neither it nor its symbol ever had a price."
    )

    def fixed(self) -> Int64Array:
        """As the kernels read them: whole numbers in the order above, scaled by the unit in the name."""
        scales = {"usd": ev.MONEY, "times": UNIT, "qty": UNIT}
        told = zip(fields(self), astuple(self), strict=True)
        return np.array([round(v * scales.get(f.name.rpartition("_")[2], 1)) for f, v in told], np.int64)


# fmt: off
(
    L_GRACE, L_BOUNDS, L_DONE_HIGH, L_DONE_HALT, L_DONE_WINDOW, L_DONE_TOTAL,
    L_PARENTS, L_PARENTS_WINDOW, L_WIDEN,
    L_SLACK, L_OVER_AFTER, L_OVER_TIMES, L_OVER_USD,
    L_ANNOUNCE, L_ORPHAN_WARN, L_ORPHAN_HIGH, L_ORPHAN_HIGH_USD, L_ORPHAN_HALT, L_ORPHAN_HALT_USD,
    L_RATIO_WARN, L_RATIO_HIGH, L_RATIO_HALT, L_RATIO_RUNNING,
    L_CHAIN_WARN, L_CHAIN_HIGH, L_CHAIN_HIGH_USD, L_CHAIN_HALT, L_CHAIN_HALT_USD, L_UNPRICED,
    L_CLOCK_BOUND,
) = range(30)

# -- What is remembered, and its bounds ------------------------------------------------------------

# A parent, by the ledger's code.  0 is the ledger's bucket: sums of all that have no code, and never done.
# 34 columns at most: 285 MB if a million parents are each judged, 28 MB for 100,000.
PARENTS_MAX: Final = 1 << 20
(
    P_CROSSED, _, _,            # of overcommit: three columns of `kernel.crossed`
    P_FLAGS, P_LIFE, P_QTY, P_FILLED, P_WORKING, P_BOOKED,
    P_DONE_AT,                  # while it is not done: when it was opened again
    P_DONE_HOST, P_DONE_PART, P_DONE_OFFSET,
    P_VOIDED,                   # rises when the counts are withdrawn
    P_LATE, P_LATE_USD, P_LATE_PLACE,
    P_OVER_AT, P_OVER_PLACE,    # since when it is overcommitted, 0: it is not; by whom
    P_PLACE,                    # who sent its last child
    P_RECENT,                   # from here: times of the last late children
) = range(21)
HEARD, OPENED, DONE, PAGED = 1, 2, 4, 8  # the order system spoke of it; announced; done; overcommit paged

# A place is whom an order belongs to: its host, else its session, else its account; 0 is the firm and the
# bucket.  512 columns: 17 MB if there are 4,096.
PLACES_MAX: Final = 1 << 12
RING_PARENTS: Final = 16
ORPHAN_BUCKETS, ORPHAN_WINDOW, ORPHANS_AHEAD, TICK_NS = 128, 100, 27, 100_000_000
SETTLING_S: Final = 5  # after a window is empty: each of three rungs is held for one second more
(PL_KIND, PL_CODE, PL_BUILD, PL_STRATEGY, PL_USD, PL_HALTED_AT, PL_NEWEST, PL_UNTIL, PL_WRONGED) = range(9)
PL_ORPHANS: Final = PL_WRONGED + 3 * RING_PARENTS  # (parent, at, voided) each, then (bucket, count, usd) each
PLACE: Final = PL_ORPHANS + 3 * ORPHAN_BUCKETS
CROSS: Final = 4  # of each place and reason: `kernel.crossed`, and the time of the last event

# A pair is a place and a strategy; 0 is the bucket.  73 columns: 4.8 MB if there are 8,192.
PAIRS_MAX: Final = 1 << 13
RATIO_BUCKETS, RATIO_WINDOW, CHILDREN_AHEAD, TICKS_A_SECOND = 16, 10, 5, 10
QUIET_TICKS: Final = TICKS_A_SECOND * (RATIO_WINDOW + CHILDREN_AHEAD + SETTLING_S + 1)
(PR_CROSSED, _, _, PR_PLACE, PR_STRATEGY, PR_PARENTED, PR_UNTIL, PR_HIGH, PR_HALT, PR_RING) = range(10)
PR_PARENTS: Final = PR_RING + 2 * RATIO_BUCKETS  # (second, children of it) each, then ...
PAIR: Final = PR_PARENTS + 2 * RATIO_BUCKETS  # ... (second, parents with a child in the ten before it) each
YES, NO = 1, 2

# Which parents count for a pair at which seconds: (parent, pair, last second, bits of the 64 up to it), 4 MB.
# Beyond it a child still counts and its parent does not, so the ratio is too high rather than too low.
SEEN_MAX: Final = 1 << 17
SEEN_PROBES: Final = 16
CODES_MAX: Final = 1 << 15  # hash slots of places and pairs, at most 3/8 full
HOSTS_MAX: Final = 1 << 12  # as many as have a name
SYMBOLS_MAX: Final = 1 << 16
(H_BOUND, H_BUILD, H_PLACE) = range(3)  # H_BOUND: clock bound + 1, 0 if it told none
ORDERS_MAX: Final = 1 << 21  # 8 bytes each, and 48 for each that was replaced: 117 MB if all two million were
(C_CROSSED, _, _, C_SENT_AT, C_EARLY_QTY, C_EARLY_AT) = range(6)
EARLY_NS: Final = 10 * SECOND_NS  # a replace told this much before its order is of an order long forgotten

# What time must decide: a parent overcommitted for a second, an order whose parent may yet be announced.
# 2 seconds of 32,768 such orders a second; beyond it they count at once.  4.7 MB.
WAITING_MAX: Final = 1 << 16
(W_WHAT, W_PARENT, W_LIFE, W_DUE, W_SINCE, W_PLACE, W_WORTH, W_PART, W_OFFSET) = range(9)
# W_WORTH: dollars of an order, price of a parent's share.

# One-off numbers.
(S_TICKED, S_NEXT_NS, S_PLACES, S_PAIRS, S_PARENTS, S_ORDERS, S_WAITING, S_ORPHANS_UNTIL, S_CHILDREN_UNTIL,
 S_ASKED, S_COLD, S_DATE) = range(12)
# fmt: on

QUIET_NS: Final = 3600 * SECOND_NS  # evidence older than an hour of quiet is another story's
HITS_OF_ONE: Final = 8
HITS: Final = PLACES_MAX + PAIRS_MAX + 64  # a tick finds at most one for each place and each pair


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `judge` takes it."""

    limits: Int64Array
    state: Int64Array
    parents: Int64Array
    places: Int64Array
    pairs: Int64Array
    cross: Int64Array
    rings: Int64Array
    seen: Int64Array
    codes: Int64Array
    hosts: Int64Array
    prices: Int64Array
    firsts: Int64Array
    chains: Int64Array
    waiting: Int64Array
    hits: Int64Array


# -- Who -------------------------------------------------------------------------------------------


@inlined
def _slot_of(codes, key):
    mask = codes.shape[0] - 1
    slot = mix(key, key >> 32) & mask
    while codes[slot, 0] != 0 and codes[slot, 0] != key:
        slot = (slot + 1) & mask
    return slot


@compiled
def _named(kind, code, codes, places, state):
    """The place of a name; the bucket when all are in use."""
    key = ((kind + 1) << 40) | code
    slot = _slot_of(codes, key)
    if codes[slot, 0] == 0:
        if state[S_PLACES] + 1 >= places.shape[0]:
            return 0
        state[S_PLACES] += 1
        codes[slot, 0] = key
        codes[slot, 1] = state[S_PLACES]
        places[state[S_PLACES], PL_KIND] = kind + 1
        places[state[S_PLACES], PL_CODE] = code
    return codes[slot, 1]


@inlined
def _place_of(p, hosts, codes, places, state):
    """Whose order it is: its host's, else its session's, else its account's, else the firm's."""
    host = p[po.HOST]
    if host > nm.OTHER:
        if hosts[host, H_PLACE] == 0:
            hosts[host, H_PLACE] = _named(nm.HOST, host, codes, places, state)
        return hosts[host, H_PLACE]
    if p[po.SESSION] > nm.OTHER:
        return _named(nm.SESSION, p[po.SESSION], codes, places, state)
    if p[po.ACCOUNT] > nm.OTHER:
        return _named(nm.ACCOUNT, p[po.ACCOUNT], codes, places, state)
    return 0


@compiled
def _session_of(p, hosts, codes, places, state):
    if p[po.SESSION] > nm.OTHER:
        return _named(nm.SESSION, p[po.SESSION], codes, places, state)
    return _place_of(p, hosts, codes, places, state)


@inlined
def _pair_of(place, strategy, codes, pairs, state):
    """The pair of a place and a strategy; asks, in `state`, if nobody has said yet whether it is parented."""
    key = (1 << 60) | (place << 32) | strategy
    slot = _slot_of(codes, key)
    pair = codes[slot, 1]
    if codes[slot, 0] == 0 and state[S_PAIRS] + 1 < pairs.shape[0]:
        state[S_PAIRS] += 1
        pair = state[S_PAIRS]
        codes[slot, 0] = key
        codes[slot, 1] = pair
        pairs[pair, PR_PLACE] = place
        pairs[pair, PR_STRATEGY] = strategy
    if pairs[pair, PR_PARENTED] == 0:
        state[S_ASKED] = pair + 1
    return pair


# -- What it is worth, and saying so ---------------------------------------------------------------


@inlined
def _price(p, prices):
    """The posting's price, else the symbol's last; `NONE` if it never had one."""
    if p[po.PX] != NONE and p[po.PX] != 0:
        return p[po.PX]
    px = prices[p[po.SYMBOL]] if p[po.SYMBOL] > nm.OTHER else 0
    return px if px != 0 else NONE


@inlined
def _dollars_or(quantity, px, limits):
    """What it is worth; never nothing because nobody knows."""
    return dollars(quantity, px) if px != NONE else limits[L_UNPRICED]


@inlined
def _remember(t, p, place, reason, quiet_ns):
    remember(t.rings, place * N_REASONS + reason, p[po.PART], p[po.OFFSET], p[po.AT], quiet_ns)


@compiled
def _accuse(t, n, reason, rung, row, at, place, measured, limit, in_usd, usd):
    """One more hit, against a place."""
    kind, code = t.places[place, PL_KIND], t.places[place, PL_CODE]
    key = place * N_REASONS + reason
    return found(t.hits, n, reason, rung, row, at, kind, code, measured, limit, in_usd, usd, t.rings, key)


@compiled
def _crossed_at_events(cross, key, rung, at):
    """As `kernel.crossed` for what is true at the instant of an event only: right after it, it fell."""
    if at - cross[key, 3] >= REARM_NS:
        cross[key, 0], cross[key, 1], cross[key, 2] = 0, 0, 0
    else:
        crossed(cross, key, 0, cross[key, 3])
    cross[key, 3] = max(at, cross[key, 3])
    return crossed(cross, key, rung, at)


# -- child_after_done ------------------------------------------------------------------------------


@inlined
def _is_overfilled(m, slack):
    return m[P_QTY] > 0 and m[P_FILLED] > m[P_QTY] + slack


@compiled
def _is_late(p, m, hosts, limits):
    """Sent later than the parent's end, by more than clocks and the way between two systems explain."""
    if not m[P_FLAGS] & DONE:
        return False
    bound = 0
    for host in (p[po.HOST], m[P_DONE_HOST]):
        told = hosts[host, H_BOUND]
        bound = max(bound, told - 1 if told > 0 else limits[L_CLOCK_BOUND])
    return p[po.AT] - m[P_DONE_AT] > max(limits[L_GRACE], limits[L_BOUNDS] * bound)


@compiled
def _after_done(t, p, place, build, usd, n):
    """A child of a parent that is done, or filled beyond its quantity."""
    at, m, q, limits = p[po.AT], t.parents[p[po.PARENT]], t.places[place], t.limits
    late = _is_late(p, m, t.hosts, limits)
    if not late and not _is_overfilled(m, limits[L_SLACK]):
        return n
    key = place * N_REASONS + AFTER_DONE
    rung, measured, limit = 0, 0, 1
    if late:
        if m[P_LATE] == 0:
            remember(t.rings, key, m[P_DONE_PART], m[P_DONE_OFFSET], at, QUIET_NS)
            t.rings[key, COUNT] -= 1  # the parent's end is shown, and is not one of the children counted
        before = (
            t.parents.shape[1] - P_RECENT
        )  # of so many late children before this one, when was the first?
        in_window = before == 0
        if before > 0:
            cell = P_RECENT + m[P_LATE] % before
            in_window = m[P_LATE] >= before and at - m[cell] < limits[L_DONE_WINDOW]
            m[cell] = at
        m[P_LATE] += 1
        m[P_LATE_USD] += usd
        m[P_LATE_PLACE] = place
        rung, measured = WARN, m[P_LATE]
        if m[P_LATE] >= limits[L_DONE_HIGH]:
            rung, limit = HIGH, limits[L_DONE_HIGH]
        if in_window:
            rung, measured, limit = HALT, limits[L_DONE_HALT], limits[L_DONE_HALT]
        if m[P_LATE] >= limits[L_DONE_TOTAL]:
            rung, measured, limit = HALT, m[P_LATE], limits[L_DONE_TOTAL]
    q[PL_USD] += usd
    q[PL_NEWEST] = max(at, q[PL_NEWEST])
    q[PL_STRATEGY] = p[po.STRATEGY]
    if build > nm.OTHER:
        q[PL_BUILD] = build
    _remember(t, p, place, AFTER_DONE, QUIET_NS)
    wronged = _wronged(p[po.PARENT], at, limits, t.parents, q)
    if wronged >= limits[L_PARENTS] and rung < HALT:
        rung, measured, limit = HALT, wronged, limits[L_PARENTS]
    if rung == HALT:
        q[PL_HALTED_AT] = max(at, q[PL_HALTED_AT])
    rung = _crossed_at_events(t.cross, key, rung, at)
    if rung == 0:
        return n
    kind, code, usd = q[PL_KIND], q[PL_CODE], q[PL_USD]
    if rung == HALT:
        kind, code, usd = _shared(place, at, limits, t.state, t.places)
    measured, limit = measured * UNIT, limit * UNIT
    return found(
        t.hits, n, AFTER_DONE, rung, p[po.ROW], at, kind, code, measured, limit, 0, usd, t.rings, key
    )


@compiled
def _wronged(parent, at, limits, parents, q):
    """Distinct parents that a place wronged in the window; a parent that was re-opened since is none."""
    slot = PL_WRONGED
    for s in range(PL_WRONGED, PL_ORPHANS, 3):
        if q[s + 1] != 0 and q[s] == parent:
            slot = s
            break
        if q[s + 1] < q[slot + 1]:
            slot = s
    q[slot + 1] = max(at, q[slot + 1]) if q[slot] == parent else at
    q[slot] = parent
    q[slot + 2] = parents[parent, P_VOIDED]
    wronged = 0
    for s in range(PL_WRONGED, PL_ORPHANS, 3):
        m = parents[q[s]]
        if q[s + 1] == 0 or q[PL_NEWEST] - q[s + 1] >= limits[L_PARENTS_WINDOW] or m[P_VOIDED] != q[s + 2]:
            continue
        if m[P_LATE] > 0 or _is_overfilled(m, limits[L_SLACK]):
            wronged += 1
    return wronged


@compiled
def _shared(place, at, limits, state, places):
    """The place; but of three in five seconds what they share: the build, the strategy, the firm."""
    usd, count = 0, 0
    build, strategy = places[place, PL_BUILD], places[place, PL_STRATEGY]
    for other in range(state[S_PLACES] + 1):
        q = places[other]
        if q[PL_HALTED_AT] == 0 or at - q[PL_HALTED_AT] >= limits[L_PARENTS_WINDOW]:
            continue
        count += 1
        usd += q[PL_USD]
        if q[PL_BUILD] != build:
            build = 0
        if q[PL_STRATEGY] != strategy:
            strategy = 0
    if count < limits[L_WIDEN]:
        return places[place, PL_KIND], places[place, PL_CODE], places[place, PL_USD]
    if build > nm.OTHER:
        return nm.BUILD + 1, build, usd
    if strategy > nm.OTHER:
        return nm.STRATEGY + 1, strategy, usd
    return 0, 0, usd


@compiled
def _reopen(m, at, places):
    """The parent wants children again: what was counted against it is void."""
    places[m[P_LATE_PLACE], PL_USD] -= min(m[P_LATE_USD], places[m[P_LATE_PLACE], PL_USD])
    m[P_FLAGS] &= ~DONE
    m[P_DONE_AT] = at
    m[P_LATE] = 0
    m[P_LATE_USD] = 0
    m[P_VOIDED] += 1


@compiled
def _forget(m, places):
    """Another parent has this code now."""
    _reopen(m, 0, places)
    life, voided = m[P_LIFE], m[P_VOIDED]
    m[:] = 0
    m[P_LIFE] = life + 1
    m[P_VOIDED] = voided


@compiled
def _parent_told(p, row, parents, places):
    """What the order system says of a parent."""
    kind, parent = p[po.KIND], p[po.PARENT]
    m = parents[parent]
    if parent == 0:
        if kind == PostingKind.PARENT_OPENED:
            m[P_QTY] += p[po.QTY]
        return
    if kind == PostingKind.PARENT_OPENED:
        if m[P_FLAGS] & OPENED:
            _forget(m, places)
        m[P_FLAGS] |= OPENED
        m[P_QTY] = max(p[po.QTY], m[P_QTY])
    elif kind == PostingKind.PARENT_AMENDED:
        m[P_QTY] = max(p[po.QTY], m[P_QTY])
        if m[P_FLAGS] & DONE:
            _reopen(m, p[po.AT], places)
    elif kind == PostingKind.PARENT_BOOKED:
        m[P_BOOKED] += p[po.QTY]
        # The order system took a booking back: it will want those shares again.
        if p[po.QTY] < 0 and m[P_FLAGS] & DONE and (m[P_QTY] == 0 or m[P_BOOKED] < m[P_QTY]):
            _reopen(m, p[po.AT], places)
    elif kind == PostingKind.PARENT_DONE:
        _done(p, row, m)
    m[P_FLAGS] |= HEARD


@compiled
def _done(p, row, m):
    """Nothing may be sent for it any more; the first word counts."""
    if not m[P_FLAGS] & DONE:
        m[P_FLAGS] |= DONE
        m[P_DONE_AT] = p[po.AT]
        m[P_DONE_HOST] = row[ev.HOST]
        m[P_DONE_PART] = p[po.PART]
        m[P_DONE_OFFSET] = p[po.OFFSET]


# -- overcommit ------------------------------------------------------------------------------------


@compiled
def _overcommit(t, p, place, n):
    """Filled and working of a parent beyond the highest quantity accepted."""
    parent, at, limits = p[po.PARENT], p[po.AT], t.limits
    m = t.parents[parent]
    covered = m[P_FILLED] + max(m[P_WORKING], 0)
    allowed = m[P_QTY] + limits[L_SLACK]
    px = _price(p, t.prices)
    if covered <= allowed:
        if m[P_OVER_AT] != 0:
            m[P_OVER_AT] = 0
            m[P_FLAGS] &= ~PAGED
            crossed(t.parents, parent, 0, at)
    else:
        if m[P_OVER_AT] == 0:
            m[P_OVER_AT] = max(at, p[po.LOW])
            m[P_OVER_PLACE] = place
            if not _wait(
                OVERCOMMIT, p, m, m[P_OVER_AT] + limits[L_OVER_AFTER], place, px, t.state, t.waiting
            ):
                m[P_FLAGS] |= PAGED  # too many are waiting: its time is now
        _remember(t, p, place, OVERCOMMIT, QUIET_NS)
        rung = crossed(t.parents, parent, HIGH if m[P_FLAGS] & PAGED else WARN, at)
        if rung != 0:
            usd = _dollars_or(covered - m[P_QTY], px, limits)
            n = _accuse(t, n, OVERCOMMIT, rung, p[po.ROW], at, place, covered, allowed, 0, usd)
    if p[po.FILL] <= 0 or float(m[P_FILLED]) * UNIT <= float(m[P_QTY]) * limits[L_OVER_TIMES]:
        return n
    usd = _dollars_or(m[P_FILLED] - m[P_QTY], px, limits)
    if usd <= limits[L_OVER_USD]:
        return n
    if m[P_OVER_AT] != 0 and 0 < p[po.SENT_AT] < m[P_OVER_AT]:
        place = m[P_OVER_PLACE]  # this order was sent while there was room: accused is who took more
        _remember(t, p, place, OVERCOMMIT, QUIET_NS)
    elif m[P_OVER_AT] == 0:
        _remember(t, p, place, OVERCOMMIT, QUIET_NS)
    if _crossed_at_events(t.cross, place * N_REASONS + OVERCOMMIT, HALT, at) == 0:
        return n
    allowed = np.int64(np.rint(float(m[P_QTY]) * limits[L_OVER_TIMES] / UNIT))
    return _accuse(t, n, OVERCOMMIT, HALT, p[po.ROW], at, place, m[P_FILLED], allowed, 0, usd)


@compiled
def _wait(what, p, m, due, place, worth, state, waiting):
    """Let time decide; whether there was room."""
    w = state[S_WAITING]
    if w == waiting.shape[0]:
        return False
    state[S_WAITING] = w + 1
    waiting[w, W_WHAT] = what
    waiting[w, W_PARENT] = p[po.PARENT]
    waiting[w, W_LIFE] = m[P_LIFE]
    waiting[w, W_DUE] = due
    waiting[w, W_SINCE] = m[P_OVER_AT]
    waiting[w, W_PLACE] = place
    waiting[w, W_WORTH] = worth
    waiting[w, W_PART] = p[po.PART]
    waiting[w, W_OFFSET] = p[po.OFFSET]
    return True


@compiled
def _decide_waiting(t, tick, row, n):
    """What is due by this tick: overcommitted for long enough, or a parent that nobody announced."""
    at, waiting, limits = tick * TICK_NS, t.waiting, t.limits
    kept, done = 0, True
    for w in range(t.state[S_WAITING]):
        parent, place = waiting[w, W_PARENT], waiting[w, W_PLACE]
        m = t.parents[parent]
        is_same = m[P_LIFE] == waiting[w, W_LIFE]
        if waiting[w, W_DUE] > at or n == t.hits.shape[0]:
            done = done and waiting[w, W_DUE] > at
            for column in range(waiting.shape[1]):
                waiting[kept, column] = waiting[w, column]
            kept += 1
        elif waiting[w, W_WHAT] == ORPHAN:
            if not is_same or not m[P_FLAGS] & HEARD:
                part, offset, usd = waiting[w, W_PART], waiting[w, W_OFFSET], waiting[w, W_WORTH]
                _orphan(place, part, offset, usd, at - 1, t.state, t.places, t.rings)
        elif is_same and m[P_OVER_AT] == waiting[w, W_SINCE]:
            m[P_FLAGS] |= PAGED
            if crossed(t.parents, parent, HIGH, at) != 0:
                covered = m[P_FILLED] + max(m[P_WORKING], 0)
                usd = _dollars_or(covered - m[P_QTY], waiting[w, W_WORTH], limits)
                allowed = m[P_QTY] + limits[L_SLACK]
                n = _accuse(t, n, OVERCOMMIT, HIGH, row, at, place, covered, allowed, 0, usd)
    t.state[S_WAITING] = kept
    return n, done


# -- orphan_child ----------------------------------------------------------------------------------


@compiled
def _orphan(place, part, offset, usd, at, state, places, rings):
    """Count one order without a known parent in its bucket of 100 ms."""
    q = places[place]
    bucket = at // TICK_NS
    if not state[S_TICKED] - ORPHAN_WINDOW < bucket <= state[S_TICKED] + ORPHANS_AHEAD:
        bucket = state[S_TICKED]  # too late or too early for its own bucket: it counts now
    b = PL_ORPHANS + 3 * (bucket % ORPHAN_BUCKETS)
    if q[b] != bucket:
        q[b], q[b + 1], q[b + 2] = bucket, 0, 0
    q[b + 1] += 1
    q[b + 2] += usd
    q[PL_UNTIL] = max(bucket + ORPHAN_WINDOW + SETTLING_S * TICKS_A_SECOND, q[PL_UNTIL])
    state[S_ORPHANS_UNTIL] = max(q[PL_UNTIL], state[S_ORPHANS_UNTIL])
    remember(rings, place * N_REASONS + ORPHAN, part, offset, at, ORPHAN_WINDOW * TICK_NS)


@compiled
def _close_orphans(t, tick, row, n):
    """Ten seconds of orders without a known parent, by place."""
    at, limits = tick * TICK_NS, t.limits
    for place in range(t.state[S_PLACES] + 1):
        q = t.places[place]
        if q[PL_UNTIL] < tick:
            continue
        count, usd = 0, 0
        for bucket in range(max(tick - ORPHAN_WINDOW, 0), tick):
            b = PL_ORPHANS + 3 * (bucket % ORPHAN_BUCKETS)
            if q[b] == bucket:
                count += q[b + 1]
                usd += q[b + 2]
        rung, measured, limit, in_usd = 0, count * UNIT, limits[L_ORPHAN_WARN] * UNIT, 0
        if count >= limits[L_ORPHAN_WARN]:
            rung = WARN
        if count >= limits[L_ORPHAN_HIGH]:
            rung, limit = HIGH, limits[L_ORPHAN_HIGH] * UNIT
        elif usd >= limits[L_ORPHAN_HIGH_USD] and count > 0:
            rung, in_usd = HIGH, 1
            measured, limit = usd * (UNIT // ev.MONEY), limits[L_ORPHAN_HIGH_USD] * (UNIT // ev.MONEY)
        is_many = count >= limits[L_ORPHAN_HALT] and usd >= limits[L_ORPHAN_HALT_USD]
        if is_many and t.state[S_COLD] == 0:
            rung, limit = HALT, limits[L_ORPHAN_HALT] * UNIT
        rung = crossed(t.cross, place * N_REASONS + ORPHAN, rung, at)
        if rung != 0:
            n = _accuse(t, n, ORPHAN, rung, row, at, place, measured, limit, in_usd, usd)
    return n


# -- ratio -----------------------------------------------------------------------------------------


@inlined
def _child(pair, parent, at, state, pairs, seen):
    """Count one child in its second, and its parent at each of the ten evaluations that see it."""
    r = pairs[pair]
    now = state[S_TICKED] // TICKS_A_SECOND
    second = at // SECOND_NS
    if not now - RATIO_WINDOW < second <= now + CHILDREN_AHEAD:
        second = now
    b = PR_RING + 2 * (second % RATIO_BUCKETS)
    if r[b] != second:
        r[b], r[b + 1] = second, 0
    r[b + 1] += 1
    until = second + RATIO_WINDOW
    r[PR_UNTIL] = max(until + SETTLING_S, r[PR_UNTIL])
    state[S_CHILDREN_UNTIL] = max(r[PR_UNTIL], state[S_CHILDREN_UNTIL])
    s = _seen(pair, parent, now, seen)
    if s < 0:
        return
    if until - seen[s, 2] >= 64:
        seen[s, 3] = 0
    for later in range(max(seen[s, 2] + 1, until - 63), until + 1):
        seen[s, 3] &= ~(1 << (later & 63))
    seen[s, 2] = max(until, seen[s, 2])
    for later in range(max(second, now) + 1, until + 1):
        bit = 1 << (later & 63)
        if seen[s, 3] & bit == 0:
            seen[s, 3] |= bit
            b = PR_PARENTS + 2 * (later % RATIO_BUCKETS)
            if r[b] != later:
                r[b], r[b + 1] = later, 0
            r[b + 1] += 1


@inlined
def _seen(pair, parent, now, seen):
    """Where the parent's seconds for this pair are kept; -1 if there is no room."""
    home = mix(parent, pair)
    free = -1
    for probe in range(SEEN_PROBES):
        s = (home + probe) & (seen.shape[0] - 1)
        if seen[s, 2] > now:
            if seen[s, 0] == parent and seen[s, 1] == pair:
                return s
        elif free < 0:
            free = s
    if free >= 0:
        seen[free, 0] = parent
        seen[free, 1] = pair
        seen[free, 2] = 0
        seen[free, 3] = 0
    return free


@compiled
def _close_ratio(t, tick, row, n):
    """Ten seconds of children and their parents, by place and strategy, once a second."""
    now, at, limits = tick // TICKS_A_SECOND, tick * TICK_NS, t.limits
    for pair in range(t.state[S_PAIRS] + 1):
        r = t.pairs[pair]
        if r[PR_UNTIL] < now:
            continue
        children = 0
        for second in range(max(now - RATIO_WINDOW, 0), now):
            b = PR_RING + 2 * (second % RATIO_BUCKETS)
            if r[b] == second:
                children += r[b + 1]
        b = PR_PARENTS + 2 * (now % RATIO_BUCKETS)
        wanted = r[b + 1] if r[b] == now else 0
        ratio = children * UNIT // max(wanted, 1)
        limit = limits[L_RATIO_WARN]
        high = np.int64(limit * (float(limits[L_RATIO_HIGH]) / UNIT))
        halt = np.int64(limit * (float(limits[L_RATIO_HALT]) / UNIT))
        r[PR_HIGH] = r[PR_HIGH] + 1 if ratio >= high else 0
        r[PR_HALT] = r[PR_HALT] + 1 if ratio >= halt else 0
        rung = WARN if ratio >= limit else 0
        if r[PR_HIGH] >= limits[L_RATIO_RUNNING]:
            rung, limit = HIGH, high
        if r[PR_HALT] >= limits[L_RATIO_RUNNING] and _is_beyond(pair, now, t.parents, t.seen):
            rung, limit = HALT, halt
        rung = crossed(t.pairs, pair, rung, at)
        if rung != 0:
            n = _accuse(t, n, RATIO, rung, row, at, r[PR_PLACE], ratio, limit, 0, NONE)
    return n


@compiled
def _is_beyond(pair, now, parents, seen):
    """Whether the pair's parents together are filled and working beyond their quantity."""
    covered, wanted = 0.0, 0.0
    for s in range(seen.shape[0]):
        if seen[s, 1] == pair and seen[s, 2] >= now and seen[s, 3] & (1 << (now & 63)):
            m = parents[seen[s, 0]]
            if m[P_QTY] > 0:
                covered += m[P_FILLED] + max(m[P_WORKING], 0)
                wanted += m[P_QTY]
    return covered > wanted


# -- chain_growth ----------------------------------------------------------------------------------


@compiled
def _replaced(t, p, n):
    """An order has a new total; if nobody announced it yet, its first one is still to come."""
    order = p[po.ORDER]
    t.state[S_ORDERS] = max(order + 1, t.state[S_ORDERS])
    if p[po.BITS] & Note.ORDER_UNKNOWN:
        t.chains[order, C_EARLY_QTY] = p[po.QTY]
        t.chains[order, C_EARLY_AT] = p[po.AT]
        return n
    return _chain(t, p, p[po.QTY], n)


@compiled
def _chain(t, p, total, n):
    """The total of a replace chain against its first order's quantity."""
    order, at, limits = p[po.ORDER], p[po.AT], t.limits
    c, first = t.chains[order], float(t.firsts[order])
    if c[C_SENT_AT] != p[po.SENT_AT]:
        c[:] = 0  # another order has this code now
        c[C_SENT_AT] = p[po.SENT_AT]
    if first <= 0.0:
        return n
    usd = _dollars_or(total, _price(p, t.prices), limits)
    times = float(total) * UNIT / first
    rung, limit = 0, limits[L_CHAIN_WARN]
    if times >= limit:
        rung = WARN
    if times >= limits[L_CHAIN_HIGH] and usd >= limits[L_CHAIN_HIGH_USD]:
        rung, limit = HIGH, limits[L_CHAIN_HIGH]
    if times >= limits[L_CHAIN_HALT] and usd >= limits[L_CHAIN_HALT_USD]:
        rung, limit = HALT, limits[L_CHAIN_HALT]
    place = _session_of(p, t.hosts, t.codes, t.places, t.state)
    if rung != 0:
        _remember(t, p, place, CHAIN, QUIET_NS)
    rung = crossed(t.chains, order, rung, at)
    if rung == 0:
        return n
    measured = np.int64(np.rint(min(times, 9e18)))
    return _accuse(t, n, CHAIN, rung, p[po.ROW], at, place, measured, limit, 0, usd)


# -- Time and the loop -----------------------------------------------------------------------------


@inlined
def _is_quiet(low, state):
    """Whether nothing is counted and nothing waits, so that time may jump to `low`."""
    until = max(state[S_ORPHANS_UNTIL], TICKS_A_SECOND * state[S_CHILDREN_UNTIL])
    if state[S_WAITING] != 0 or until > state[S_TICKED]:
        return False
    state[S_TICKED] = low // TICK_NS
    state[S_NEXT_NS] = (state[S_TICKED] + 1) * TICK_NS
    return True


@compiled
def _tick(t, low, row, n):
    """Close the buckets that end by `low`; returns (hits, whether there was room for all)."""
    state = t.state
    target = low // TICK_NS
    if state[S_TICKED] == 0:
        state[S_TICKED] = target  # the first time that is known
    jump = state[S_TICKED] + QUIET_TICKS  # by then every window is empty and every rung let go
    while state[S_TICKED] < target:
        tick = state[S_TICKED] + 1 if state[S_TICKED] < jump else target
        if _is_quiet(low, state):
            break
        n, done = _decide_waiting(t, tick, row, n)
        if not done or n + state[S_PLACES] + state[S_PAIRS] + 2 > t.hits.shape[0]:
            return n, False
        if state[S_ORPHANS_UNTIL] >= tick:
            n = _close_orphans(t, tick, row, n)
        if tick % TICKS_A_SECOND == 0 and state[S_CHILDREN_UNTIL] >= tick // TICKS_A_SECOND:
            n = _close_ratio(t, tick, row, n)
        state[S_TICKED] = tick
    state[S_NEXT_NS] = (state[S_TICKED] + 1) * TICK_NS
    return n, True


@inlined
def _warm(row, state):
    """A session begins before our eyes: from here on nothing was announced before the stream began."""
    if state[S_DATE] == 0:
        state[S_DATE] = row[ev.TRADE_DATE]
    is_opening = row[ev.KIND] == ev.Kind.SESSION_PHASE and row[ev.PHASE] == ev.Phase.PRE_OPEN
    if is_opening or row[ev.TRADE_DATE] > state[S_DATE]:
        state[S_COLD] = 0


@inlined
def _heartbeat(row, hosts):
    """How far a host's clock may be off, and what it runs."""
    host = row[ev.HOST]
    if row[ev.KIND] != ev.Kind.HEARTBEAT or host <= nm.OTHER:
        return
    if row[ev.CLOCK_BOUND] != NONE:
        hosts[host, H_BOUND] = row[ev.CLOCK_BOUND] + 1
    if row[ev.BUILD] > nm.OTHER:
        hosts[host, H_BUILD] = row[ev.BUILD]


@inlined
def _sent(t, p, rows, place, pair, n):
    """A child order was sent."""
    order, parent, at, state = p[po.ORDER], p[po.PARENT], p[po.AT], t.state
    if order > 0:
        state[S_ORDERS] = max(order + 1, state[S_ORDERS])
        t.firsts[order] = p[po.QTY]
        if p[po.BITS] & Note.LATE_ORDER and at - t.chains[order, C_EARLY_AT] < EARLY_NS:
            n = _chain(t, p, t.chains[order, C_EARLY_QTY], n)
    is_parented = t.pairs[pair, PR_PARENTED] == YES
    if parent < 0 and not is_parented:
        return n
    usd = _dollars_or(p[po.QTY], _price(p, t.prices), t.limits)
    if parent < 0:
        _orphan(place, p[po.PART], p[po.OFFSET], usd, at, state, t.places, t.rings)
        return n
    m = t.parents[parent]
    m[P_PLACE] = place
    _child(pair, parent, at, state, t.pairs, t.seen)
    _remember(t, p, place, RATIO, RATIO_WINDOW * SECOND_NS)
    if is_parented and parent > 0 and not m[P_FLAGS] & HEARD:
        due = max(p[po.CLOCK], p[po.LOW]) + t.limits[L_ANNOUNCE]
        if not _wait(ORPHAN, p, m, due, place, usd, state, t.waiting):
            _orphan(place, p[po.PART], p[po.OFFSET], usd, at, state, t.places, t.rings)
    if m[P_FLAGS] & DONE or _is_overfilled(m, t.limits[L_SLACK]):
        build = rows[p[po.ROW], ev.BUILD]
        n = _after_done(t, p, place, build if build > nm.OTHER else t.hosts[p[po.HOST], H_BUILD], usd, n)
    return n


@inlined
def _take(t, p, row):
    """Book what a posting does to its parent; whether it may have changed what the parent covers."""
    kind, m = p[po.KIND], t.parents[p[po.PARENT]]
    t.state[S_PARENTS] = max(p[po.PARENT] + 1, t.state[S_PARENTS])
    if PostingKind.PARENT_OPENED <= kind <= PostingKind.PARENT_DONE:
        _parent_told(p, row, t.parents, t.places)
        return True
    is_done_again = kind == PostingKind.DUPLICATE and row[ev.KIND] == ev.Kind.PARENT_DONE and p[po.PARENT] > 0
    if is_done_again and p[po.AT] > m[P_DONE_AT]:
        _done(p, row, m)  # done again after a bust: to the ledger it was done all the while
    if (p[po.FILL] == 0 and p[po.WORK] == 0) or p[po.BITS] & (Note.OFF_PARENT | Note.PACKAGE):
        return False
    m[P_FILLED] += p[po.FILL]
    m[P_WORKING] += p[po.WORK]
    is_undone = p[po.FILL] < 0 and kind in (PostingKind.BUSTED, PostingKind.CORRECTED)
    if is_undone and m[P_FLAGS] & DONE and p[po.SENT_AT] <= m[P_DONE_AT] + t.limits[L_GRACE]:
        _reopen(
            m, p[po.AT], t.places
        )  # what the parent was done by is gone; a late child's own is no reason for more
    return kind != PostingKind.MOVED_OUT  # its MOVED_IN comes next


@compiled
def judge(
    postings, start, rows, limits, state, parents, places, pairs, cross, rings, seen, codes, hosts, prices,
    firsts, chains, waiting, hits,
):  # fmt: skip
    """Judge from `start`; returns (next posting, hits).  Stops where hits are full or a pair is new."""
    t = Tables(
        limits, state, parents, places, pairs, cross, rings, seen, codes, hosts, prices, firsts, chains,
        waiting, hits,
    )  # fmt: skip
    n = 0
    for i in range(start, postings.shape[0]):
        p = postings[i]
        if p[po.LOW] >= state[S_NEXT_NS] and not _is_quiet(p[po.LOW], state):
            n, done = _tick(t, p[po.LOW], p[po.ROW], n)
            if not done:
                return i, n
        if n + HITS_OF_ONE > hits.shape[0]:
            return i, n
        if state[S_COLD] != 0:
            _warm(rows[p[po.ROW]], state)
        kind, parent = p[po.KIND], p[po.PARENT]
        if kind in (PostingKind.EXECUTED, PostingKind.MARKED):
            if p[po.PX] != NONE and p[po.PX] != 0 and p[po.SYMBOL] > nm.OTHER:
                prices[p[po.SYMBOL]] = p[po.PX]
        elif kind == PostingKind.EVENT:
            _heartbeat(rows[p[po.ROW]], hosts)
        elif kind == PostingKind.ORDER_CHANGED and p[po.BITS] & Note.REPLACED and p[po.ORDER] > 0:
            n = _replaced(t, p, n)
        if parent >= 0 and p[po.BITS] & Note.PARENT_UNKNOWN and parents[parent, P_FLAGS] & OPENED:
            _forget(parents[parent], places)  # unknown again: another parent's code now
        if kind == PostingKind.ORDER_SENT:
            place = _place_of(p, hosts, codes, places, state)
            pair = _pair_of(place, p[po.STRATEGY], codes, pairs, state)
            if state[S_ASKED] != 0:
                return i, n
            n = _sent(t, p, rows, place, pair, n)
        if parent >= 0 and _take(t, p, rows[p[po.ROW]]):
            m = parents[parent]
            if m[P_QTY] > 0 and (m[P_OVER_AT] != 0 or m[P_FILLED] + max(m[P_WORKING], 0) > m[P_QTY]):
                place = m[P_PLACE]  # an event of the parent itself concerns who sent its last child
                if kind > PostingKind.PARENT_DONE:
                    place = _place_of(p, hosts, codes, places, state)
                n = _overcommit(t, p, place, n)
    return postings.shape[0], n


@compiled
def judge_silence(
    now_ns, limits, state, parents, places, pairs, cross, rings, seen, codes, hosts, prices, firsts, chains,
    waiting, hits,
):  # fmt: skip
    """Time has passed; returns (hits, whether there was room for all)."""
    t = Tables(
        limits, state, parents, places, pairs, cross, rings, seen, codes, hosts, prices, firsts, chains,
        waiting, hits,
    )  # fmt: skip
    return _tick(t, now_ns, -1, 0)


class ChildParent(Detector):
    """The family: parents, chains, hosts and strategies, each against what may be sent for it."""

    reasons = REASONS
    Settings = ChildParentSettings
    # about 480 MB if all were full; about 40 MB with 100,000 parents and a million live orders.
    BYTES_MAX = 8 * (
        16
        + PARENTS_MAX * (P_RECENT + RING_PARENTS - 1)
        + PLACES_MAX * (PLACE + N_REASONS * (CROSS + RING))
        + PAIRS_MAX * PAIR
        + SEEN_MAX * 4
        + CODES_MAX * 2
        + HOSTS_MAX * 3
        + SYMBOLS_MAX
        + ORDERS_MAX * 7
        + WAITING_MAX * 9
        + HITS * HIT
    )

    def __init__(self, settings: ChildParentSettings, view: View) -> None:
        super().__init__(settings, view)
        for name in ("after_done_halt_count", "after_done_parents_count"):
            if not 1 <= getattr(settings, name) <= RING_PARENTS:
                msg = f"{name} is from 1 to {RING_PARENTS}, not {getattr(settings, name)}"
                raise ValueError(msg)
        shapes: dict[str, tuple[int, ...]] = {
            "state": (16,),
            "parents": (PARENTS_MAX, P_RECENT + settings.after_done_halt_count - 1),
            "places": (PLACES_MAX, PLACE),
            "pairs": (PAIRS_MAX, PAIR),
            "cross": (PLACES_MAX * N_REASONS, CROSS),
            "rings": (PLACES_MAX * N_REASONS, RING),
            "seen": (SEEN_MAX, 4),
            "codes": (CODES_MAX, 2),
            "hosts": (HOSTS_MAX, 3),
            "prices": (SYMBOLS_MAX,),
            "firsts": (ORDERS_MAX,),
            "chains": (ORDERS_MAX, 6),
            "waiting": (WAITING_MAX, 9),
        }
        self.tables = {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}
        self.tables["state"][S_COLD] = int(view.cold)
        self._hits = np.zeros((HITS, HIT), np.int64)
        limits = np.append(settings.fixed(), view.clock_bound_ns)
        self._t = Tables(limits, **self.tables, hits=self._hits)

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        start = 0
        while start < len(postings.rows):
            start, count = judge(postings.rows, start, postings.batch.rows, *self._t)
            yield from breaches(self._hits, count, self.family(), self.reasons, self.view.names)
            if self.tables["state"][S_ASKED]:
                self._answer(int(self.tables["state"][S_ASKED]) - 1)

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        done = False
        while not done:
            count, done = judge_silence(now_ns, *self._t)
            yield from breaches(self._hits, count, self.family(), self.reasons, self.view.names)

    def wake_at_ns(self) -> int | None:
        """The next tick while anything waits; the next second while children are counted."""
        s = self.tables["state"]
        tick = int(s[S_TICKED]) + 1
        if s[S_WAITING] or s[S_ORPHANS_UNTIL] >= tick:
            return tick * TICK_NS
        second = -(-tick // TICKS_A_SECOND)
        return second * SECOND_NS if s[S_CHILDREN_UNTIL] >= second else None

    def used(self) -> Mapping[str, int]:
        s, names = self.tables["state"], self.view.names
        places = int(s[S_PLACES]) + 1
        return {
            "parents": int(s[S_PARENTS]),
            "places": places,
            "pairs": int(s[S_PAIRS]) + 1,
            "cross": places * N_REASONS,
            "rings": places * N_REASONS,
            "hosts": names.count(nm.HOST) + nm.FIRST,
            "prices": names.count(nm.SYMBOL) + nm.FIRST,
            "firsts": int(s[S_ORDERS]),
            "chains": int(s[S_ORDERS]),
            "waiting": int(s[S_WAITING]),
        }

    def _answer(self, pair: int) -> None:
        """Say whether a pair's orders must name a parent; the bucket's must if anybody's must."""
        t, names = self.tables, self.view.names
        place = t["places"][t["pairs"][pair, PR_PLACE]]
        host = names.text(nm.HOST, int(place[PL_CODE])) if place[PL_KIND] == nm.HOST + 1 else ""
        strategy = names.text(nm.STRATEGY, int(t["pairs"][pair, PR_STRATEGY]))
        is_parented = any(
            pair == 0 or (_matches(host, told.get("hosts")) and _matches(strategy, told.get("strategies")))
            for told in self.view.parented
        )
        t["pairs"][pair, PR_PARENTED] = YES if is_parented else NO
        t["state"][S_ASKED] = 0


def _matches(text: str, patterns: tuple[str, ...] | None) -> bool:
    return patterns is None or any(fnmatchcase(text, pattern) for pattern in patterns)
