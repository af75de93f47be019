"""Between sent and answered, filled and booked: what is not confirmed must not be traded on.

    ack_gap           orders of a session that nothing has answered
    unconfirmed       age of a parent's oldest execution that the order system has not booked,
                      of a session's oldest execution that the drop copy has not told
    witness_missing   a declared witness is silent although there is something for it to confirm
    orphan_fill       executions whose order nobody announced within 2 s

Why: at Facebook's opening in 2012 orders were entered again while the first were unconfirmed, and all of
them filled; at Knight the order system never booked what the router bought.

How it counts: whatever waits for a confirmation is one entry with a beginning and an end, both in the
later of its own time and LOW.  Entries are judged each tenth of a second of LOW *as they stood then*: one
that ended later still waits at that tick.  Between two ticks nothing trips.  A session is judged until the
last of its entries is decided; a rung that it holds then, it holds until it is judged again.

A parent's gap begins when more is filled than booked; its level is what was filled then.  It ends when what
is booked reaches the level, and the next begins at once if more is filled by now; so a booking that lags
evenly shows its lag, and one that keeps up shows nothing.  The 2 s of lateness that an event is allowed
count first.  A rung that a gap has reached it holds until it ends.  Of a parent that the order system never
spoke of a gap is recorded and no more: that is `orphan_child`'s business.

A witness is heard and missed by partition: what it confirms is told there.

>>> from tests.detectors.tell import tell
>>> for breach in tell(FillGap, "P1 C F +2000ms C F +2000ms C", witnesses=frozenset({"parent_fill"})):
...     print(breach.severity.word, breach)
warn fill_gap unconfirmed parent=P1: 1.097 > 1
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.contract import Detector, Int64Array, Level, Reason, Result, Severity, setting
from detectors.evidence import (
    BEGUN,
    COUNT,
    HIT,
    LAST_AT,
    RING,
    SCOPE_CODE,
    SCOPE_KIND,
    breaches,
    dollars,
    found,
    remember,
)  # fmt: skip
from detectors.kernel import SECOND_NS, compiled, crossed, inlined
from detectors.ledger import tables as lt
from detectors.ledger.index import mix
from detectors.posting import Note, PostingKind
from detectors.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detectors.contract import Breach, Postings, View

WARN: Final = int(Severity.WARN)
HIGH: Final = int(Severity.HIGH)
HALT: Final = int(Severity.HALT)
NONE: Final = ev.NONE
UNIT: Final = ev.UNIT
MS_NS: Final = 1_000_000
TICK_NS: Final = 100 * MS_NS

ACK_GAP, UNCONFIRMED, WITNESS_MISSING, ORPHAN_FILL = range(4)
REASONS: Final = (
    Reason("ack_gap", "orders that nothing has answered", "orders", Level.HALT_NEW),
    Reason("unconfirmed", "executions not booked", "s", Level.HALT_NEW),
    Reason("witness_missing", "a declared witness is silent", "s", None),
    Reason("orphan_fill", "fills whose order nobody announced", "fills", Level.HALT_NEW),
)
WITNESSES: Final = ("order_ack", "parent_fill", "drop_copy")
ORDER_ACK, PARENT_FILL, DROP_COPY = range(3)
N_WITNESSES: Final = 3


@dataclass(frozen=True, slots=True)
class FillGapSettings:
    """Thresholds of DOMAIN section 2; what names no source there is ours, to be fitted by replay."""

    ack_warn_ns: int = setting(500 * MS_NS, "Orders unanswered for this long are recorded ...")
    ack_warn_count: int = setting(1, "... from so many of a session on.")
    ack_high_ns: int = setting(2 * SECOND_NS, "Orders unanswered for this long page ...")
    ack_high_count: int = setting(5, "... from so many of a session on.")
    ack_halt_ns: int = setting(2 * SECOND_NS, "Orders unanswered for this long stop the session ...")
    ack_halt_times: float = setting(
        5, "... or for this multiple of its p99 answer time if that is longer (30 s at most), ..."
    )
    ack_halt_count: int = setting(50, "... if there are so many of them, ...")
    ack_halt_share: float = setting(0.5, "... or they are this share of what it sent ...")
    ack_halt_sent_count: int = setting(20, "... and it sent at least so many, and goes on sending.")
    lost_after_ns: int = setting(
        60 * SECOND_NS,
        "An order that nothing answered, or an execution that the drop copy did not tell, for this long is "
        "lost and counts no more (60 s at most).",
    )
    sending_ns: int = setting(SECOND_NS, "Who sent an order within this time goes on sending.")
    unconfirmed_allowance_ns: int = setting(
        2 * SECOND_NS, "A booking may be told this late before its age counts."
    )
    unconfirmed_warn_ns: int = setting(SECOND_NS, "An execution not booked for this long is recorded.")
    unconfirmed_high_ns: int = setting(5 * SECOND_NS, "An execution not booked for this long pages.")
    unconfirmed_halt_ns: int = setting(
        15 * SECOND_NS, "An execution not booked for this long stops its parent ..."
    )
    unconfirmed_halt_usd: float = setting(
        1_000_000,
        "... if more than this is not booked, its strategy goes on sending and the witness is alive.",
    )
    unconfirmed_alive_ns: int = setting(
        5 * SECOND_NS, "A witness heard within this time is alive; a silent one only pages."
    )
    unconfirmed_widen_count: int = setting(
        3, "So many parents of one strategy at one rung are the strategy's."
    )
    witness_missing_ns: int = setting(
        5 * SECOND_NS, "A declared witness silent this long after what it should confirm pages."
    )
    orphan_fill_announce_ns: int = setting(
        2 * SECOND_NS, "The order of a fill may be announced this much later."
    )
    orphan_fill_warn_count: int = setting(1, "Fills without an order in a trade date that are recorded.")
    orphan_fill_high_usd: float = setting(250_000, "Dollars of such fills that page.")
    orphan_fill_halt_usd: float = setting(
        1_000_000, "Dollars of such fills that stop a session declared electronic."
    )
    orphan_fill_sessions: tuple[str, ...] = setting(
        ("*",), "Patterns of the sessions declared electronic: nobody trades on them by hand."
    )

    def __post_init__(self) -> None:
        if not 0 < self.lost_after_ns <= LOST_NS_MAX:
            msg = f"lost_after_ns is up to {LOST_NS_MAX}, not {self.lost_after_ns}"
            raise ValueError(msg)

    def fixed(self) -> list[int]:
        """As the kernels read them: whole numbers in the order above, scaled by the unit in the name."""
        scales = {"usd": ev.MONEY, "times": UNIT, "share": UNIT}
        told = {k: v for k, v in asdict(self).items() if k != "orphan_fill_sessions"}
        return [round(v * scales.get(k.rpartition("_")[2], 1)) for k, v in told.items()]


# fmt: off
(
    L_ACK_WARN_NS, L_ACK_WARN, L_ACK_HIGH_NS, L_ACK_HIGH, L_ACK_HALT_NS, L_ACK_TIMES, L_ACK_HALT, L_ACK_SHARE,
    L_ACK_SENT, L_LOST, L_SENDING,
    L_ALLOWANCE, L_WARN_NS, L_HIGH_NS, L_HALT_NS, L_HALT_USD, L_ALIVE, L_WIDEN,
    L_WITNESS, L_ANNOUNCE, L_ORPHAN_WARN, L_ORPHAN_HIGH, L_ORPHAN_HALT,
    L_HAS_ACK, L_HAS_BOOKED, L_HAS_COPY,
) = range(26)

# -- What is remembered, and its bounds ------------------------------------------------------------

# The time of an event that nobody confirms yet (see the ledger's clocks): it counts from when time is known.
DOUBTED: Final = 1 << 62

# What waits.  131,072 entries: 65 s of Knight's 2,020 orders a second if none of them were answered; 10 MB.
# What finds no room is not judged, and `results` says so.
WAITING_MAX: Final = 1 << 17
ACK, COPY, GAP, ORPHAN = range(4)
(W_WHAT, W_KEY, W_SINCE, W_END, W_PLACE, W_USD, W_PART, W_OFFSET, W_RUNG, W_DAY, W_COLD) = range(11)
WAIT: Final = 11
# W_KEY: code of order, execution or parent.  W_END: 0 while it waits.  W_RUNG: of a gap the rung reached, of
# the others whether it was counted.  W_COLD: of a gap its executions.

# Where an order waits: its entry + 1.  16 MB if two million were live.
ORDERS_MAX: Final = lt.ORDERS_MAX

# Executions that wait or may be moved, by the low bits of their code: those of the last 262,144.  16 MB.
EXECS_MAX: Final = 1 << 18
(X_EXEC, X_COPY, X_ORPHAN, X_PLACE, X_USD, X_DAY, X_COLD) = range(7)
EXEC: Final = 7
COUNTED: Final = -1  # X_ORPHAN of a fill that counts against its session

# A parent, by the ledger's code; 0 is the bucket, not judged.  14 columns: 117 MB if there are a million.
PARENTS_MAX: Final = lt.PARENTS_MAX
(
    P_CROSSED, _, _,            # three columns of `kernel.crossed`
    P_FLAGS, P_FILLED, P_BOOKED, P_LEVEL,
    P_GAP,                      # its entry + 1, 0: all is booked
    P_PX, P_PLACE, P_PART,      # last price; whose it is; partition of the order system's word + 1
    P_FILLS, P_LAST_PART, P_LAST_OFFSET,  # executions since the gap began, and the last of them
) = range(14)
PARENT: Final = 14
HEARD, OPENED = 1, 2

# A place is whose something is: a session or a strategy, else host, account; 0 is the firm and the bucket.
PLACES_MAX: Final = 1 << 12
CODES_MAX: Final = 1 << 14  # hash slots of places
BINS: Final = 64  # answer times, a tenth of a second each, the last one open
ANSWERS_KEPT: Final = 1 << 16  # beyond it all bins are halved: the last answers weigh most
(
    Q_KIND, Q_CODE, Q_ELECTRONIC, Q_UNTIL,
    Q_PATIENCE, Q_ACK_WARN, Q_ACK_HIGH, Q_ACK_HALT, Q_ACK_USD,   # of one tick
    Q_AGE, Q_COPIES_USD, Q_ALIVE_USD,                            # of one tick
    Q_FILLS, Q_FILLS_USD, Q_WARM_USD, Q_DAY,
    Q_GAPS, _, _,               # parents at or above each rung
    Q_ANSWERS,
    Q_BINS,
) = range(21)
PLACE: Final = Q_BINS + BINS    # 85 columns: 2.8 MB if there are 4,096

# What a place sent in each tenth of a second: (tenth, orders) each.  50 MB if 4,096 places all sent.
SENDS: Final = 768
AHEAD: Final = 100              # an order of a partition that is ahead counts in one of the next ten seconds
LOST_NS_MAX: Final = 60 * SECOND_NS  # and AHEAD fit into SENDS
PATIENCE_NS_MAX: Final = 30 * SECOND_NS

# A witness of a partition.  Times in ns, 0: never.  V_CLOCK: of the first one only, the partition's clock.
PARTS_MAX: Final = lt.PARTS_MAX
(V_CROSSED, _, _, V_ASKED, V_ASKED_OFFSET, V_END, V_NEXT, V_NEXT_OFFSET, V_HEARD, V_CLOCK) = range(10)
WATCH: Final = 10

# One-off numbers.
(
    S_TICKED, S_NEXT_NS, S_UNTIL, S_WAITING, S_PLACES, S_PARENTS, S_ORDERS, S_EXECS, S_PARTS, S_ASKED,
    S_FULL_AT, S_DOUBTED,
) = range(12)
# fmt: on

LANES: Final = 4  # crossings and evidence of a place: by what waits
PER_PLACE: Final = 12  # hits of one tick: three of its lanes, three of its gaps, two parents at each rung
HITS: Final = PER_PLACE * (PLACES_MAX + 1) + N_WITNESSES * PARTS_MAX
TICKS_AT_ONCE_MAX: Final = (
    1_024  # after a longer silence time jumps: nothing waits that long for a first verdict
)


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `judge` takes it."""

    limits: Int64Array
    state: Int64Array
    orders: Int64Array
    execs: Int64Array
    parents: Int64Array
    places: Int64Array
    sends: Int64Array
    cross: Int64Array
    rings: Int64Array
    watch: Int64Array
    codes: Int64Array
    waiting: Int64Array
    hits: Int64Array


# -- Who -------------------------------------------------------------------------------------------


@inlined
def _key_of(kind, code):
    return ((kind + 1) << 40) | code


@compiled
def _new_place(kind, code, slot, codes, places, state):
    """A place for a name that is heard for the first time; the bucket when all are in use."""
    if state[S_PLACES] + 1 >= places.shape[0]:
        return 0
    state[S_PLACES] += 1
    codes[slot, 0] = _key_of(kind, code)
    codes[slot, 1] = state[S_PLACES]
    places[state[S_PLACES], Q_KIND] = kind + 1
    places[state[S_PLACES], Q_CODE] = code
    state[S_ASKED] = state[S_PLACES]  # somebody must say whether it is declared electronic
    return state[S_PLACES]


@inlined
def _named(kind, code, codes, places, state):
    key, mask = _key_of(kind, code), codes.shape[0] - 1
    slot = mix(key, key >> 32) & mask
    while codes[slot, 0] != 0 and codes[slot, 0] != key:
        slot = (slot + 1) & mask
    return codes[slot, 1] if codes[slot, 0] != 0 else _new_place(kind, code, slot, codes, places, state)


@inlined
def _names(p, by_strategy):
    """Kind and code of whose it is: its session's or strategy's, else its host's, its account's, nobody's."""
    if by_strategy and p[po.STRATEGY] > nm.OTHER:
        return nm.STRATEGY, p[po.STRATEGY]
    if not by_strategy and p[po.SESSION] > nm.OTHER:
        return nm.SESSION, p[po.SESSION]
    if p[po.HOST] > nm.OTHER:
        return nm.HOST, p[po.HOST]
    if p[po.ACCOUNT] > nm.OTHER:
        return nm.ACCOUNT, p[po.ACCOUNT]
    return nm.ACCOUNT, 0


@inlined
def _place_of(p, by_strategy, codes, places, state):
    kind, code = _names(p, by_strategy)
    return _named(kind, code, codes, places, state) if code != 0 else 0


# -- Waiting ---------------------------------------------------------------------------------------


@inlined
def _tick_after(at):
    """The first tick after a time."""
    return at // TICK_NS + 1


@inlined
def _bucket_from(at):
    """The first tenth of a second that begins at or after a time."""
    return -(-at // TICK_NS)


@inlined
def _until(at, place, places, state):
    """Whoever waits is judged until then."""
    tick = _tick_after(at)
    places[place, Q_UNTIL] = max(tick, places[place, Q_UNTIL])
    state[S_UNTIL] = max(tick, state[S_UNTIL])


@inlined
def _watch_row(part, which):
    return (part if 0 <= part < PARTS_MAX else PARTS_MAX - 1) * N_WITNESSES + which


@inlined
def _since(p, row, watch):
    """Since when it waits: the later of its own time and LOW.

    A doubted event leaves its partition's clock where it was, or moves it by a long jump that it confirmed:
    only then is its row, which is far away, read.
    """
    moved = p[po.CLOCK] - watch[_watch_row(p[po.PART], 0), V_CLOCK]
    if moved == 0 or moved > lt.FUTURE_NS:
        if row[ev.ARRIVAL] <= 0 and row[ev.TS] - p[po.AT] > lt.FUTURE_NS:
            return DOUBTED
    return max(p[po.AT], p[po.LOW])


@inlined
def _wait(what, key, since, place, usd, part, offset, waiting, state):
    """Enter what waits; returns its entry + 1, 0 if there is no room."""
    w = state[S_WAITING]
    if w == waiting.shape[0]:
        state[S_FULL_AT] = state[S_NEXT_NS]
        return 0
    state[S_WAITING] = w + 1
    waiting[w, W_WHAT] = what
    waiting[w, W_KEY] = key
    waiting[w, W_SINCE] = since
    if since == DOUBTED:
        state[S_DOUBTED] += 1
    waiting[w, W_END] = 0
    waiting[w, W_PLACE] = place
    waiting[w, W_USD] = usd
    waiting[w, W_PART] = part
    waiting[w, W_OFFSET] = offset
    waiting[w, W_RUNG] = 0
    waiting[w, W_DAY] = 0
    waiting[w, W_COLD] = 0
    return w + 1


@inlined
def _ask(part, which, at, offset, limits, state, watch):
    """Something happened that a witness should confirm."""
    v = _watch_row(part, which)
    if at == DOUBTED:
        return
    if watch[v, V_ASKED] == 0:
        watch[v, V_ASKED] = at
        watch[v, V_ASKED_OFFSET] = offset
        state[S_PARTS] = max(v // N_WITNESSES + 1, state[S_PARTS])
        state[S_UNTIL] = max(_tick_after(at + limits[L_WITNESS]), state[S_UNTIL])
    elif watch[v, V_END] != 0 and watch[v, V_NEXT] == 0:
        watch[v, V_NEXT] = at
        watch[v, V_NEXT_OFFSET] = offset


@inlined
def _hear(part, which, at, limits, state, watch):
    """A witness has spoken.  A silence that was long enough ends at a tick, not before it was judged."""
    v = _watch_row(part, which)
    watch[v, V_HEARD] = max(at, watch[v, V_HEARD])
    state[S_PARTS] = max(v // N_WITNESSES + 1, state[S_PARTS])
    if watch[v, V_END] != 0:
        watch[v, V_NEXT] = 0
    elif watch[v, V_ASKED] != 0 and at - watch[v, V_ASKED] < limits[L_WITNESS]:
        watch[v, V_ASKED] = 0
    elif watch[v, V_ASKED] != 0:
        watch[v, V_END] = at
        state[S_UNTIL] = max(_tick_after(at), state[S_UNTIL])


# -- Orders ----------------------------------------------------------------------------------------


@inlined
def _count_sent(place, since, state, sends):
    bucket = since // TICK_NS
    if state[S_TICKED] != 0:
        bucket = min(bucket, state[S_TICKED] + AHEAD)
    cell = 2 * (bucket % SENDS)
    if sends[place, cell] != bucket:
        sends[place, cell] = bucket
        sends[place, cell + 1] = 0
    sends[place, cell + 1] += 1


@compiled
def _sent_between(place, first, last, sends):
    """Orders that a place sent in these tenths of a second."""
    orders = 0
    for bucket in range(max(first, last - SENDS + 1), last + 1):
        cell = 2 * (bucket % SENDS)
        if sends[place, cell] == bucket:
            orders += sends[place, cell + 1]
    return orders


@inlined
def _is_sending(place, tick, limits, sends):
    return _sent_between(place, _bucket_from(tick * TICK_NS - limits[L_SENDING]), tick - 1, sends) > 0


@inlined
def _sent(t, p, row, place, strategy):
    """An order was sent: it waits for an answer, and whoever sent it goes on sending."""
    limits, state, order = t.limits, t.state, p[po.ORDER]
    since, at = _since(p, row, t.watch), max(p[po.AT], p[po.LOW])
    _count_sent(place, at, state, t.sends)
    if strategy != place:
        _count_sent(strategy, at, state, t.sends)
    decided = max(limits[L_ACK_WARN_NS], limits[L_ACK_HIGH_NS], limits[L_SENDING])
    _until(at + decided, place, t.places, state)
    if limits[L_HAS_ACK] == 0 or order <= 0 or p[po.BITS] & Note.MANUAL:
        return
    usd = dollars(p[po.QTY], p[po.PX]) if p[po.PX] != NONE else 0
    state[S_ORDERS] = max(order + 1, state[S_ORDERS])
    t.orders[order] = _wait(ACK, order, since, place, usd, p[po.PART], p[po.OFFSET], t.waiting, state)
    _ask(p[po.PART], ORDER_ACK, since, p[po.OFFSET], limits, state, t.watch)


@inlined
def _answered(t, p):
    """An order waits no more: it was answered, or the venue closed on it."""
    entry = t.orders[p[po.ORDER]]
    if entry == 0:
        return
    w, at = entry - 1, max(p[po.AT], p[po.LOW])
    t.orders[p[po.ORDER]] = 0
    t.waiting[w, W_END] = at
    if at - t.waiting[w, W_SINCE] > t.limits[L_LOST]:
        return
    place = t.waiting[w, W_PLACE]
    _until(at, place, t.places, t.state)
    if p[po.KIND] != PostingKind.ORDER_ANSWERED:
        return
    _hear(t.waiting[w, W_PART], ORDER_ACK, at, t.limits, t.state, t.watch)
    spent = min(max((at - t.waiting[w, W_SINCE]) // TICK_NS, 0), BINS - 1)
    t.places[place, Q_BINS + spent] += 1
    t.places[place, Q_ANSWERS] += 1
    if t.places[place, Q_ANSWERS] >= ANSWERS_KEPT:
        _halve(place, t.places)


@compiled
def _halve(place, places):
    answers = 0
    for column in range(Q_BINS, Q_BINS + BINS):
        places[place, column] //= 2
        answers += places[place, column]
    places[place, Q_ANSWERS] = answers


@compiled
def _patience(place, limits, places):
    """How long a session's orders may be unanswered before they stop it."""
    answers, below = places[place, Q_ANSWERS], 0
    for column in range(BINS):
        below += places[place, Q_BINS + column]
        if answers > 0 and below * 100 >= answers * 99:
            p99 = (column + 1) * TICK_NS
            wait = np.int64(float(p99) * float(limits[L_ACK_TIMES]) / UNIT)
            return max(limits[L_ACK_HALT_NS], min(wait, PATIENCE_NS_MAX))
    return limits[L_ACK_HALT_NS]


# -- Executions ------------------------------------------------------------------------------------


@inlined
def _executed(t, p, row, place):
    """An execution seen for the first time: the drop copy should tell it too, and somebody its order."""
    limits, state, execs, x = t.limits, t.state, t.execs, p[po.EXEC]
    slot, since, at = x & (EXECS_MAX - 1), _since(p, row, t.watch), max(p[po.AT], p[po.LOW])
    is_copy = p[po.BITS] & Note.DROP_COPY != 0
    if limits[L_HAS_COPY] != 0 and is_copy:
        _hear(p[po.PART], DROP_COPY, at, limits, state, t.watch)
    if execs[slot, X_EXEC] != 0 and execs[slot, X_COPY] > 0:
        t.waiting[execs[slot, X_COPY] - 1, W_END] = 1  # a quarter of a million executions ago: lost
    execs[slot, X_EXEC] = 0
    if x <= 0 or p[po.FILL] == 0 or p[po.BITS] & Note.MANUAL:
        return
    is_orphan = p[po.BITS] & Note.ORDER_UNKNOWN != 0
    must_be_told = limits[L_HAS_COPY] != 0 and not is_copy
    if not is_orphan and not must_be_told:
        return
    usd = dollars(p[po.QTY], p[po.PX])
    state[S_EXECS] = max(slot + 1, state[S_EXECS])
    execs[slot, X_EXEC] = x + 1
    execs[slot, X_COPY] = 0
    execs[slot, X_ORPHAN] = 0
    execs[slot, X_PLACE] = place
    execs[slot, X_USD] = usd
    if must_be_told:
        execs[slot, X_COPY] = _wait(COPY, x, since, place, usd, p[po.PART], p[po.OFFSET], t.waiting, state)
        _until(at + limits[L_ALLOWANCE] + limits[L_HALT_NS], place, t.places, state)
        _ask(p[po.PART], DROP_COPY, since, p[po.OFFSET], limits, state, t.watch)
    if is_orphan:
        entry = _wait(ORPHAN, x, since, place, usd, p[po.PART], p[po.OFFSET], t.waiting, state)
        execs[slot, X_ORPHAN] = entry
        execs[slot, X_COLD] = p[po.BITS] & Note.BEFORE_START
        if entry > 0:
            t.waiting[entry - 1, W_DAY] = row[ev.TRADE_DATE]
            t.waiting[entry - 1, W_COLD] = execs[slot, X_COLD]
            _until(at + limits[L_ANNOUNCE], place, t.places, state)


@compiled
def _told_more(t, p):
    """More was said of an execution: by the drop copy, by its order, or that it is another or none."""
    execs, slot, kind = t.execs, p[po.EXEC] & (EXECS_MAX - 1), p[po.KIND]
    at, is_copy = max(p[po.AT], p[po.LOW]), p[po.BITS] & Note.DROP_COPY != 0
    if kind == PostingKind.MOVED_OUT:
        at = max(p[po.CLOCK], p[po.LOW])  # it keeps the time of its execution; now is when its order was told
    if is_copy and t.limits[L_HAS_COPY] != 0 and kind in (PostingKind.BUSTED, PostingKind.CORRECTED):
        _hear(p[po.PART], DROP_COPY, at, t.limits, t.state, t.watch)
    if execs[slot, X_EXEC] != p[po.EXEC] + 1:
        return
    place, is_gone = execs[slot, X_PLACE], kind == PostingKind.BUSTED
    entry = execs[slot, X_COPY]
    if entry > 0 and at - t.waiting[entry - 1, W_SINCE] > t.limits[L_LOST]:
        t.waiting[entry - 1, W_END] = at
        execs[slot, X_COPY] = 0
        entry = 0
    is_told = is_copy and kind != PostingKind.MOVED_OUT
    if entry > 0 and (is_told or is_gone):
        if is_told:
            _hear(t.waiting[entry - 1, W_PART], DROP_COPY, at, t.limits, t.state, t.watch)
            if p[po.PART] != t.waiting[entry - 1, W_PART]:
                _hear(p[po.PART], DROP_COPY, at, t.limits, t.state, t.watch)
        t.waiting[entry - 1, W_END] = at
        execs[slot, X_COPY] = 0
        _until(at, place, t.places, t.state)
    if is_gone or kind == PostingKind.MOVED_OUT:
        entry = execs[slot, X_ORPHAN]
        if entry > 0:
            t.waiting[entry - 1, W_END] = at
        elif entry == COUNTED:
            _count_orphan(place, -1, -execs[slot, X_USD], execs[slot, X_DAY], execs[slot, X_COLD], t.places)
        execs[slot, X_ORPHAN] = 0
        if entry != 0:
            _until(at, place, t.places, t.state)
    elif kind in (PostingKind.CORRECTED, PostingKind.CONFLICT):
        usd = dollars(p[po.QTY], p[po.PX])
        if execs[slot, X_COPY] > 0:
            t.waiting[execs[slot, X_COPY] - 1, W_USD] = usd
        if execs[slot, X_ORPHAN] > 0:
            t.waiting[execs[slot, X_ORPHAN] - 1, W_USD] = usd
        elif execs[slot, X_ORPHAN] == COUNTED:
            more = usd - execs[slot, X_USD]
            _count_orphan(place, 0, more, execs[slot, X_DAY], execs[slot, X_COLD], t.places)
            _until(at, place, t.places, t.state)
        execs[slot, X_USD] = usd


@compiled
def _count_orphan(place, fills, usd, day, is_cold, places):
    """Count a fill without an order, or take it back; of an earlier trade date nothing is left."""
    if places[place, Q_DAY] != day:
        return
    places[place, Q_FILLS] += fills
    places[place, Q_FILLS_USD] += usd
    if is_cold == 0:
        places[place, Q_WARM_USD] += usd


# -- Parents ---------------------------------------------------------------------------------------


@inlined
def _parent(t, p, row, strategy):
    """What a posting does to its parent: filled, booked, and whether a gap begins or ends."""
    kind, parent, bits = p[po.KIND], p[po.PARENT], p[po.BITS]
    m, state, at = t.parents[parent], t.state, max(p[po.AT], p[po.LOW])
    is_word = PostingKind.PARENT_OPENED <= kind <= PostingKind.PARENT_DONE
    is_opened = kind == PostingKind.PARENT_OPENED
    if m[P_FLAGS] & OPENED and (is_opened or bits & Note.PARENT_UNKNOWN):
        if m[P_GAP] != 0:
            t.waiting[m[P_GAP] - 1, W_END] = at
        m[:] = 0  # another parent has this code now
    state[S_PARENTS] = max(parent + 1, state[S_PARENTS])
    unbooked = max(m[P_FILLED] - m[P_BOOKED], 0)
    if is_word:
        m[P_FLAGS] |= HEARD | (OPENED if is_opened else 0)
        m[P_PART] = p[po.PART] + 1
        if kind != PostingKind.PARENT_BOOKED:
            return
        _hear(p[po.PART], PARENT_FILL, at, t.limits, state, t.watch)
        m[P_BOOKED] += p[po.QTY]
    else:
        if p[po.FILL] == 0 or bits & (Note.OFF_PARENT | Note.PACKAGE):
            return
        m[P_FILLED] += p[po.FILL]
        if kind in (PostingKind.EXECUTED, PostingKind.MOVED_IN):
            m[P_PX] = p[po.PX]
            m[P_PLACE] = strategy
            m[P_FILLS] += 1
            m[P_LAST_PART] = p[po.PART]
            m[P_LAST_OFFSET] = p[po.OFFSET]
    is_open = m[P_FILLED] > m[P_BOOKED]
    if m[P_GAP] != 0 and (not is_open or m[P_BOOKED] >= m[P_LEVEL]):
        w = m[P_GAP] - 1
        t.waiting[w, W_END] = at
        t.waiting[w, W_USD] = dollars(unbooked, m[P_PX])
        t.waiting[w, W_COLD] = m[P_FILLS]
        m[P_GAP] = 0
        state[S_UNTIL] = max(_tick_after(at), state[S_UNTIL])
    elif m[P_GAP] != 0:
        m[P_LEVEL] = min(m[P_FILLED], m[P_LEVEL])
        state[S_UNTIL] = max(_tick_after(at), state[S_UNTIL])
    if is_open and m[P_GAP] == 0:
        m[P_LEVEL] = m[P_FILLED]
        m[P_FILLS] = 0 if is_word else 1
        m[P_LAST_PART] = p[po.PART]
        m[P_LAST_OFFSET] = p[po.OFFSET]
        since = _since(p, row, t.watch)
        m[P_GAP] = _wait(GAP, parent, since, m[P_PLACE], 0, p[po.PART], p[po.OFFSET], t.waiting, state)
        due = at + t.limits[L_ALLOWANCE] + t.limits[L_HALT_NS]
        state[S_UNTIL] = max(_tick_after(due), state[S_UNTIL])
        if m[P_FLAGS] & HEARD:
            part = m[P_PART] - 1 if m[P_PART] > 0 else p[po.PART]
            _ask(part, PARENT_FILL, since, p[po.OFFSET], t.limits, state, t.watch)


@inlined
def _may_rise(w, at, limits, parents, waiting):
    """Whether a gap may have reached a rung that it has not: most have not, at most ticks."""
    reached = waiting[w, W_RUNG]
    if reached == HALT:
        return False
    due = limits[L_HALT_NS]
    if reached < HIGH:
        due = min(limits[L_HIGH_NS], due)
    if reached < WARN:
        due = min(limits[L_WARN_NS], due)
    if at - waiting[w, W_SINCE] - limits[L_ALLOWANCE] < due:
        return False
    m = parents[waiting[w, W_KEY]]
    unbooked = max(m[P_FILLED] - m[P_BOOKED], 0)
    return reached < HIGH or waiting[w, W_END] != 0 or dollars(unbooked, m[P_PX]) > limits[L_HALT_USD]


@compiled
def _gap(t, w, tick, row, n):
    """One parent's gap at a tick: a rung newly reached is its own or its strategy's."""
    at, limits, waiting = tick * TICK_NS, t.limits, t.waiting
    parent, place = waiting[w, W_KEY], waiting[w, W_PLACE]
    m, end = t.parents[parent], waiting[w, W_END]
    before, lane = waiting[w, W_RUNG], place * LANES + GAP
    if end != 0 and end < at:
        for rung in range(before):
            t.places[place, Q_GAPS + rung] -= 1
        crossed(t.parents, parent, 0, at)
        crossed(t.cross, lane, _shared_rung(place, limits, t.places), at)
        return n
    age = at - waiting[w, W_SINCE] - limits[L_ALLOWANCE]
    rung, limit = 0, 0
    usd, fills = waiting[w, W_USD], waiting[w, W_COLD]
    if end == 0:
        usd, fills = dollars(max(m[P_FILLED] - m[P_BOOKED], 0), m[P_PX]), m[P_FILLS]
    if age >= limits[L_WARN_NS]:
        rung, limit = WARN, limits[L_WARN_NS]
    if m[P_FLAGS] & HEARD and age >= limits[L_HIGH_NS]:
        rung, limit = HIGH, limits[L_HIGH_NS]
    if m[P_FLAGS] & HEARD and age >= limits[L_HALT_NS] and usd > limits[L_HALT_USD] and before < HALT:
        part = m[P_PART] - 1 if m[P_PART] > 0 else waiting[w, W_PART]
        is_alive = t.watch[_watch_row(part, PARENT_FILL), V_HEARD] >= at - limits[L_ALIVE]
        if is_alive and _is_sending(place, tick, limits, t.sends):
            rung, limit = HALT, limits[L_HALT_NS]
    if rung <= before:
        return n
    for each in range(before, rung):
        t.places[place, Q_GAPS + each] += 1
    waiting[w, W_RUNG] = rung
    remember(t.rings, 1 + lane, waiting[w, W_PART], waiting[w, W_OFFSET], at, limits[L_LOST])
    is_new = crossed(t.parents, parent, rung, at) != 0
    shared = crossed(t.cross, lane, _shared_rung(place, limits, t.places), at)
    is_own = is_new and t.places[place, Q_GAPS + rung - 1] < limits[L_WIDEN]
    for whose in range(2):
        if (shared == 0) if whose == 0 else (not is_own):
            continue
        kind, code, key = t.places[place, Q_KIND], t.places[place, Q_CODE], 1 + lane
        if whose == 1:
            kind, code, key, shared = 0, parent, 0, rung
            _begin_scratch(t.rings)
            remember(t.rings, 0, waiting[w, W_PART], waiting[w, W_OFFSET], at, limits[L_LOST])
            remember(t.rings, 0, m[P_LAST_PART], m[P_LAST_OFFSET], at, limits[L_LOST])
            t.rings[0, COUNT] = max(fills, 1)
        n = found(
            t.hits, n, UNCONFIRMED, shared, row, at, kind, code, age // 10, limit // 10, 0, usd, t.rings, key
        )
    return n


@inlined
def _shared_rung(place, limits, places):
    """The highest rung that so many parents of a strategy have reached that it is the strategy's."""
    shared = 0
    for rung in range(HALT):
        if places[place, Q_GAPS + rung] >= limits[L_WIDEN]:
            shared = rung + 1
    return shared


@compiled
def _begin_scratch(rings):
    rings[0, COUNT] = 0
    rings[0, BEGUN] = 0
    rings[0, LAST_AT] = 0


# -- Time ------------------------------------------------------------------------------------------


@compiled
def _count_order(t, w, tick):
    """An order that waits at a tick; whether it is still worth waiting for."""
    at, limits, waiting = tick * TICK_NS, t.limits, t.waiting
    place, since, usd = waiting[w, W_PLACE], waiting[w, W_SINCE], waiting[w, W_USD]
    age = at - since
    if age > limits[L_LOST]:
        if waiting[w, W_END] == 0:
            t.orders[waiting[w, W_KEY]] = 0
        return False
    if age >= limits[L_ACK_WARN_NS]:
        t.places[place, Q_ACK_WARN] += 1
        t.places[place, Q_ACK_USD] += usd
        if waiting[w, W_RUNG] == 0:
            waiting[w, W_RUNG] = 1
            key = 1 + place * LANES + ACK
            remember(t.rings, key, waiting[w, W_PART], waiting[w, W_OFFSET], at, limits[L_LOST])
    if age >= limits[L_ACK_HIGH_NS]:
        t.places[place, Q_ACK_HIGH] += 1
    bucket = since // TICK_NS
    if age >= limits[L_ACK_HALT_NS] and bucket >= _bucket_from(at - limits[L_LOST]):
        if t.places[place, Q_PATIENCE] == 0:  # seldom asked for, so worked out once a tick at most
            t.places[place, Q_PATIENCE] = _patience(place, limits, t.places)
        if bucket < (at - t.places[place, Q_PATIENCE]) // TICK_NS:
            t.places[place, Q_ACK_HALT] += 1
    return True


@compiled
def _count_copy(t, w, tick):
    """An execution that the drop copy has not told at a tick; whether it is still worth waiting for."""
    at, limits, waiting = tick * TICK_NS, t.limits, t.waiting
    place, age, usd = waiting[w, W_PLACE], at - waiting[w, W_SINCE], waiting[w, W_USD]
    if age > limits[L_LOST]:
        x = waiting[w, W_KEY]
        if waiting[w, W_END] == 0 and t.execs[x & (EXECS_MAX - 1), X_EXEC] == x + 1:
            t.execs[x & (EXECS_MAX - 1), X_COPY] = 0
        return False
    if age < 0:
        return True
    t.places[place, Q_AGE] = max(age, t.places[place, Q_AGE])
    t.places[place, Q_COPIES_USD] += usd
    if t.watch[_watch_row(waiting[w, W_PART], DROP_COPY), V_HEARD] >= at - limits[L_ALIVE]:
        t.places[place, Q_ALIVE_USD] += usd
    if waiting[w, W_RUNG] == 0 and age - limits[L_ALLOWANCE] >= limits[L_WARN_NS]:
        waiting[w, W_RUNG] = 1
        remember(
            t.rings, 1 + place * LANES + COPY, waiting[w, W_PART], waiting[w, W_OFFSET], at, limits[L_LOST]
        )
    return True


@compiled
def _age_orphan(t, w, tick):
    """A fill whose order may still be announced; whether it must be looked at again."""
    at, waiting = tick * TICK_NS, t.waiting
    place, usd, is_cold = waiting[w, W_PLACE], waiting[w, W_USD], waiting[w, W_COLD]
    end, x = waiting[w, W_END], waiting[w, W_KEY]
    if end != 0 and end < at:
        if waiting[w, W_RUNG] != 0:
            _count_orphan(place, -1, -usd, waiting[w, W_DAY], is_cold, t.places)
        return False
    if waiting[w, W_RUNG] != 0 or at - waiting[w, W_SINCE] < t.limits[L_ANNOUNCE]:
        return True
    if waiting[w, W_DAY] > t.places[place, Q_DAY]:
        t.places[place, Q_DAY] = waiting[w, W_DAY]
        t.places[place, Q_FILLS] = 0
        t.places[place, Q_FILLS_USD] = 0
        t.places[place, Q_WARM_USD] = 0
    waiting[w, W_RUNG] = 1
    waiting[w, W_DAY] = t.places[place, Q_DAY]
    _count_orphan(place, 1, usd, waiting[w, W_DAY], is_cold, t.places)
    key = 1 + place * LANES + ORPHAN
    remember(t.rings, key, waiting[w, W_PART], waiting[w, W_OFFSET], at, 24 * 3600 * SECOND_NS)
    if end == 0 and t.execs[x & (EXECS_MAX - 1), X_EXEC] == x + 1:
        t.execs[x & (EXECS_MAX - 1), X_ORPHAN] = COUNTED
        t.execs[x & (EXECS_MAX - 1), X_DAY] = waiting[w, W_DAY]
    return end != 0


@compiled
def _judge_place(t, place, tick, row, n):
    """A session's unanswered orders, executions untold by the drop copy, and fills without an order."""
    at, limits, q = tick * TICK_NS, t.limits, t.places[place]
    to_fixed = UNIT // ev.MONEY
    for lane in (ACK, COPY, ORPHAN):
        rung, in_usd, measured, limit, usd, reason = 0, 0, 0, 0, NONE, UNCONFIRMED
        if lane == ACK:
            reason, measured, limit = ACK_GAP, q[Q_ACK_WARN] * UNIT, limits[L_ACK_WARN] * UNIT
            if q[Q_ACK_USD] > 0:
                usd = q[Q_ACK_USD]
            if q[Q_ACK_WARN] >= limits[L_ACK_WARN]:
                rung = WARN
            if q[Q_ACK_HIGH] >= limits[L_ACK_HIGH]:
                rung, measured, limit = HIGH, q[Q_ACK_HIGH] * UNIT, limits[L_ACK_HIGH] * UNIT
            halting = q[Q_ACK_HALT]
            if halting > 0 and _is_sending(place, tick, limits, t.sends):
                first, last = _bucket_from(at - limits[L_LOST]), (at - q[Q_PATIENCE]) // TICK_NS - 1
                sent = _sent_between(place, first, last, t.sends)
                share = int(np.ceil(float(sent) * float(limits[L_ACK_SHARE]) / UNIT))
                if halting >= limits[L_ACK_HALT]:
                    rung, measured, limit = HALT, halting * UNIT, limits[L_ACK_HALT] * UNIT
                elif sent >= limits[L_ACK_SENT] and halting >= share:
                    rung, measured, limit = HALT, halting * UNIT, share * UNIT
        elif lane == COPY and q[Q_AGE] >= 0:
            age, usd = q[Q_AGE] - limits[L_ALLOWANCE], q[Q_COPIES_USD]
            measured = age // 10
            if age >= limits[L_WARN_NS]:
                rung, limit = WARN, limits[L_WARN_NS] // 10
            if age >= limits[L_HIGH_NS]:
                rung, limit = HIGH, limits[L_HIGH_NS] // 10
            if age >= limits[L_HALT_NS] and q[Q_ALIVE_USD] > limits[L_HALT_USD]:
                if _is_sending(place, tick, limits, t.sends):
                    rung, limit = HALT, limits[L_HALT_NS] // 10
        elif lane == ORPHAN and q[Q_FILLS] > 0:
            reason, usd = ORPHAN_FILL, q[Q_FILLS_USD]
            measured, limit = q[Q_FILLS] * UNIT, limits[L_ORPHAN_WARN] * UNIT
            if q[Q_FILLS] >= limits[L_ORPHAN_WARN]:
                rung = WARN
            if usd >= limits[L_ORPHAN_HIGH]:
                rung, in_usd, limit = HIGH, 1, limits[L_ORPHAN_HIGH] * to_fixed
            if q[Q_WARM_USD] >= limits[L_ORPHAN_HALT] and q[Q_ELECTRONIC] != 0:
                rung, in_usd, limit = HALT, 1, limits[L_ORPHAN_HALT] * to_fixed
            if in_usd:
                measured = usd * to_fixed
        key = place * LANES + lane
        rung = crossed(t.cross, key, rung, at)
        if rung != 0:
            kind, code = q[Q_KIND], q[Q_CODE]
            n = found(
                t.hits, n, reason, rung, row, at, kind, code, measured, limit, in_usd, usd, t.rings, 1 + key
            )
    return n


@inlined
def _is_held(place, cross):
    """Whether a place holds a rung, which may fall."""
    lane = place * LANES
    return cross[lane + ACK, 0] != 0 or cross[lane + COPY, 0] != 0 or cross[lane + ORPHAN, 0] != 0


@inlined
def _is_idle(place, places):
    """Whether nothing of a place counts at this tick."""
    orders = places[place, Q_ACK_WARN] + places[place, Q_ACK_HIGH] + places[place, Q_ACK_HALT]
    return orders == 0 and places[place, Q_AGE] < 0 and places[place, Q_FILLS] == 0


@compiled
def _judge_witnesses(t, tick, row, n):
    """Declared witnesses that are silent although there is something to confirm."""
    at, limits, watch = tick * TICK_NS, t.limits, t.watch
    for v in range(t.state[S_PARTS] * N_WITNESSES):
        if watch[v, V_ASKED] == 0:
            continue
        if watch[v, V_END] != 0 and watch[v, V_END] < at:
            crossed(watch, v, 0, at)
            watch[v, V_ASKED] = watch[v, V_NEXT]
            watch[v, V_ASKED_OFFSET] = watch[v, V_NEXT_OFFSET]
            watch[v, V_END] = 0
            watch[v, V_NEXT] = 0
            if watch[v, V_ASKED] != 0:
                t.state[S_UNTIL] = max(_tick_after(watch[v, V_ASKED] + limits[L_WITNESS]), t.state[S_UNTIL])
            continue
        silent = at - watch[v, V_ASKED]
        if silent >= limits[L_WITNESS] and crossed(watch, v, HIGH, at) != 0:
            _begin_scratch(t.rings)
            remember(t.rings, 0, v // N_WITNESSES, watch[v, V_ASKED_OFFSET], at, limits[L_LOST])
            measured, limit = silent // 10, limits[L_WITNESS] // 10
            n = found(t.hits, n, WITNESS_MISSING, HIGH, row, at, 0, 0, measured, limit, 0, NONE, t.rings, 0)
    return n


@compiled
def _know_again(t, low):
    """Time is known again: what came while it was doubted waits from now on."""
    limits, waiting = t.limits, t.waiting
    longest = max(limits[L_ACK_WARN_NS], limits[L_ACK_HIGH_NS], limits[L_ANNOUNCE])
    longest = max(limits[L_ALLOWANCE] + limits[L_HALT_NS], longest)
    for w in range(t.state[S_WAITING]):
        if waiting[w, W_SINCE] == DOUBTED:
            waiting[w, W_SINCE] = low
            _until(low + longest, waiting[w, W_PLACE], t.places, t.state)
    t.state[S_DOUBTED] = 0


@inlined
def _keep(w, kept, waiting, orders, execs, parents):
    """Close up: an entry stands at its new place, and who waits in it knows."""
    for column in range(WAIT):
        waiting[kept, column] = waiting[w, column]
    if waiting[w, W_END] != 0:
        return
    what, key = waiting[w, W_WHAT], waiting[w, W_KEY]
    if what == ACK:
        orders[key] = kept + 1
    elif what == GAP:
        parents[key, P_GAP] = kept + 1
    elif execs[key & (EXECS_MAX - 1), X_EXEC] == key + 1:
        execs[key & (EXECS_MAX - 1), X_COPY if what == COPY else X_ORPHAN] = kept + 1


@compiled
def _pass_time(t, low, row, n):
    """Judge each tick that LOW has passed; returns (hits, whether there was room for all)."""
    state, places, waiting = t.state, t.places, t.waiting
    target = low // TICK_NS
    if state[S_TICKED] == 0:
        state[S_TICKED] = target  # the first time that is known
    if state[S_DOUBTED] != 0 and target > state[S_TICKED] and row >= 0:
        _know_again(t, low)  # by an event: silence alone confirms nobody's time
    jump = state[S_TICKED] + TICKS_AT_ONCE_MAX
    while state[S_TICKED] < target:
        if state[S_UNTIL] <= state[S_TICKED]:
            state[S_TICKED] = target
            break
        if n + PER_PLACE * (state[S_PLACES] + 1) + N_WITNESSES * state[S_PARTS] > t.hits.shape[0]:
            return n, False
        tick = state[S_TICKED] + 1 if state[S_TICKED] < jump else target
        for place in range(state[S_PLACES] + 1):
            if places[place, Q_UNTIL] >= tick:
                for column in range(Q_PATIENCE, Q_FILLS):
                    places[place, column] = 0
                places[place, Q_AGE] = -1
        kept = 0
        for w in range(state[S_WAITING]):  # whatever waits, once: counted where it belongs
            what, end = waiting[w, W_WHAT], waiting[w, W_END]
            keep = end == 0 or end >= tick * TICK_NS
            if what == GAP:
                if not keep or _may_rise(w, tick * TICK_NS, t.limits, t.parents, waiting):
                    n = _gap(t, w, tick, row, n)
            elif what == ORPHAN:
                keep = _age_orphan(t, w, tick)
            elif keep and what == ACK:
                keep = _count_order(t, w, tick)
            elif keep:
                keep = _count_copy(t, w, tick)
            if keep:
                if kept != w:
                    _keep(w, kept, waiting, t.orders, t.execs, t.parents)
                kept += 1
        state[S_WAITING] = kept
        for place in range(state[S_PLACES] + 1):
            if places[place, Q_UNTIL] < tick or (_is_idle(place, places) and not _is_held(place, t.cross)):
                continue
            n = _judge_place(t, place, tick, row, n)
        n = _judge_witnesses(t, tick, row, n)
        state[S_TICKED] = tick
    state[S_NEXT_NS] = (state[S_TICKED] + 1) * TICK_NS
    return n, True


# -- The loop --------------------------------------------------------------------------------------


@compiled
def judge(
    postings, start, rows, now_ns, limits, state, orders, execs, parents, places, sends, cross, rings, watch,
    codes, waiting, hits,
):  # fmt: skip
    """Judge from `start`, then silence until `now_ns`; returns (next posting, hits, whether that is all).

    Stops where hits are full or a place is new.
    """
    t = Tables(
        limits, state, orders, execs, parents, places, sends, cross, rings, watch, codes, waiting, hits
    )
    n = 0
    for i in range(start, postings.shape[0]):
        p = postings[i]
        if p[po.LOW] >= state[S_NEXT_NS]:
            n, done = _pass_time(t, p[po.LOW], p[po.ROW], n)
            if not done:
                return i, n, False
        kind, place, strategy = p[po.KIND], 0, 0
        if kind in (PostingKind.ORDER_SENT, PostingKind.EXECUTED, PostingKind.MOVED_IN):
            place = _place_of(p, False, codes, places, state)
            if state[S_ASKED] == 0:
                strategy = _place_of(p, True, codes, places, state)
            if state[S_ASKED] != 0:
                return i, n, False
        if kind == PostingKind.ORDER_SENT:
            _sent(t, p, rows[p[po.ROW]], place, strategy)
        elif kind in (PostingKind.ORDER_ANSWERED, PostingKind.ORDER_OUT):
            if p[po.ORDER] > 0:
                _answered(t, p)
        elif kind == PostingKind.EXECUTED:
            _executed(t, p, rows[p[po.ROW]], place)
        elif kind >= PostingKind.BUSTED and p[po.EXEC] > 0 and kind != PostingKind.MOVED_IN:
            _told_more(t, p)
        if p[po.PARENT] > 0 and limits[L_HAS_BOOKED] != 0:
            if p[po.FILL] != 0 or PostingKind.PARENT_OPENED <= kind <= PostingKind.PARENT_DONE:
                _parent(t, p, rows[p[po.ROW]], strategy)
        watch[_watch_row(p[po.PART], 0), V_CLOCK] = p[po.CLOCK]
    n, done = _pass_time(t, now_ns, -1, n)
    return postings.shape[0], n, done


class FillGap(Detector):
    """The family: orders against their answers, executions against their bookings, orders and drop copies."""

    reasons = REASONS
    Settings = FillGapSettings
    # 250 MB if all were full; about 60 MB with 100,000 parents, a million live orders and a hundred sessions.
    BYTES_MAX = 8 * (
        16
        + ORDERS_MAX
        + EXECS_MAX * EXEC
        + PARENTS_MAX * PARENT
        + PLACES_MAX * (PLACE + 2 * SENDS + LANES * (3 + RING))
        + RING
        + PARTS_MAX * N_WITNESSES * WATCH
        + CODES_MAX * 2
        + WAITING_MAX * WAIT
        + HITS * HIT
    )

    def __init__(self, settings: FillGapSettings, view: View) -> None:
        super().__init__(settings, view)
        shapes: dict[str, tuple[int, ...]] = {
            "state": (16,),
            "orders": (ORDERS_MAX,),
            "execs": (EXECS_MAX, EXEC),
            "parents": (PARENTS_MAX, PARENT),
            "places": (PLACES_MAX, PLACE),
            "sends": (PLACES_MAX, 2 * SENDS),
            "cross": (PLACES_MAX * LANES, 3),
            "rings": (1 + PLACES_MAX * LANES, RING),
            "watch": (PARTS_MAX * N_WITNESSES, WATCH),
            "codes": (CODES_MAX, 2),
            "waiting": (WAITING_MAX, WAIT),
        }
        self.tables = {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}
        self._hits = np.zeros((HITS, HIT), np.int64)
        declared = [int(witness in view.witnesses) for witness in WITNESSES]
        limits = [*settings.fixed(), *declared]
        self._t = Tables(np.array(limits, np.int64), **self.tables, hits=self._hits)

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        yield from self._judge(postings.rows, postings.batch.rows, 0)

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        nothing = np.zeros((0, 0), np.int64)
        yield from self._judge(nothing, nothing, now_ns)

    def wake_at_ns(self) -> int | None:
        """The next tick, while one may say something."""
        s = self.tables["state"]
        return (int(s[S_TICKED]) + 1) * TICK_NS if s[S_UNTIL] > s[S_TICKED] else None

    def results(self) -> Mapping[str, Result]:
        """What found no room to wait is not judged."""
        s = self.tables["state"]
        is_full = s[S_FULL_AT] != 0 and s[S_FULL_AT] + self.settings.lost_after_ns > s[S_TICKED] * TICK_NS
        return {f"{reason.code} *": Result.STALE for reason in REASONS} if is_full else {}

    def used(self) -> Mapping[str, int]:
        s = self.tables["state"]
        places = int(s[S_PLACES]) + 1
        return {
            "orders": int(s[S_ORDERS]),
            "execs": int(s[S_EXECS]),
            "parents": int(s[S_PARENTS]),
            "places": places,
            "sends": places,
            "cross": places * LANES,
            "rings": 1 + places * LANES,
            "watch": int(s[S_PARTS]) * N_WITNESSES,
            "waiting": int(s[S_WAITING]),
        }

    def _judge(self, postings: Int64Array, rows: Int64Array, now_ns: int) -> Iterator[Breach]:
        start, done = 0, False
        while not done:
            start, count, done = judge(postings, start, rows, now_ns, *self._t)
            yield from self._breaches(count)
            self._answer()

    def _breaches(self, count: int) -> Iterator[Breach]:
        found_now = breaches(self._hits, count, self.family(), self.reasons, self.view.names)
        for hit, breach in zip(self._hits, found_now, strict=False):
            parent = int(hit[SCOPE_CODE])
            if hit[SCOPE_KIND] == 0 and parent > 0:
                yield replace(breach, scope=Scope.of(parent=self.view.ledger.parent_text(parent)))
            else:
                yield breach

    def _answer(self) -> None:
        """Say of a new place whether it is declared electronic."""
        place = int(self.tables["state"][S_ASKED])
        if place == 0:
            return
        q = self.tables["places"][place]
        text = self.view.names.text(int(q[Q_KIND]) - 1, int(q[Q_CODE]))
        q[Q_ELECTRONIC] = int(any(fnmatchcase(text, each) for each in self.settings.orphan_fill_sessions))
        self.tables["state"][S_ASKED] = 0
