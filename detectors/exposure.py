"""What is held and what is working, in dollars and in units, against the limits of every scope that has one.

    gross     sum over (account, symbol) of max(|position + buys|, |position - sells|) x USD of one unit
    net       max(|sum (position + buys) x ...|, |sum (position - sells) x ...|)
    quantity  as gross, in units of one symbol; of a scope without a symbol each symbol by itself
    time_to_limit      seconds until the nearest of these limits, as 1 s and 10 s of growth say
    order_notional, order_quantity        one order against its cap
    session_orders, session_notional      a trade date's orders and their worth

Why: Knight's error account had a limit of $2 M gross that nothing enforced; it held $7 bn 45 minutes later
(SEC Release 34-70694).

How it counts: a *cell* is one account in one symbol (of one strategy, host ..., where a limit asks for it);
its value is worked out anew whenever it changes, rounded to 1e-4 dollars, and its scopes' sums take the exact
difference, so a position that is flat has no exposure and a bust leaves what was before.  Working quantity
belongs to the order's own cell, also where an execution was booked elsewhere.  Prices: see `pricing`; the
own last fill is the cell's.  A cell without a price counts at `unpriced_notional` and makes its scopes stale.
An order or a fill that raises a measure trips at once; what a mark, a rate or a statement alone moves must
stand for three evaluations, one each second of LOW.

>>> from tests.detectors.tell import tell
>>> limit = {"scope": "account=*", "gross": 4_000}
>>> for breach in tell(Exposure, "P1 C F C F C F C F C", {"limit": (limit,)}):
...     print(breach.severity.word, breach)
high exposure gross account=a-33: 4000 > 3600
halt exposure gross account=a-33: 5000 > 4000
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.contract import (
    Breach,
    Detector,
    Int32Array,
    Int64Array,
    Level,
    Reason,
    Result,
    Severity,
    setting,
)  # fmt: skip
from detectors.evidence import (
    AT,
    FOUND,
    HIT,
    LIMIT,
    MEASURED,
    REASON,
    RING,
    ROW,
    SCOPE_CODE,
    SCOPE_KIND,
    SEVERITY,
    USD,
    evidence,
    found,
    remember,
)
from detectors.kernel import REARM_NS, SECOND_NS, compiled, crossed, inlined
from detectors.ledger import tables as lt
from detectors.ledger.index import mix, place_of
from detectors.posting import Note, PostingKind
from detectors.pricing import (
    CURRENCIES_MAX,
    F_DOLLAR,
    F_KNOWN,
    F_OTHER,
    F_USD,
    SYMBOL,
    SYMBOLS_MAX,
    Y_CURRENCY,
    Y_HEAD,
    Y_MARK,
    Y_MULTIPLIER,
    dollars_for_one,
    filled_at,
    marked,
    multiplier_of,
    rate_of,
    worth,
)  # fmt: skip
from detectors.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from detectors.contract import Postings, View

WARN: Final = int(Severity.WARN)
HIGH: Final = int(Severity.HIGH)
HALT: Final = int(Severity.HALT)

GROSS, NET, QUANTITY, TIME, ORDER_NOTIONAL, ORDER_QUANTITY, SESSION_ORDERS, SESSION_NOTIONAL = range(8)
MEASURES: Final = 3
REASONS: Final = (
    Reason("gross", "gross exposure over its limit", "USD", Level.REDUCE_ONLY),
    Reason("net", "net exposure over its limit", "USD", Level.REDUCE_ONLY),
    Reason("quantity", "units of one symbol over their limit", "units", Level.REDUCE_ONLY),
    Reason("time_to_limit", "exposure grows towards its limit", "s", None),
    Reason("order_notional", "one order worth more than its cap", "USD", Level.REDUCE_ONLY),
    Reason("order_quantity", "one order larger than its cap", "units", Level.REDUCE_ONLY),
    Reason("session_orders", "more orders in a day than their cap", "orders", Level.REDUCE_ONLY),
    Reason("session_notional", "a day's orders worth more than their cap", "USD", Level.REDUCE_ONLY),
)
IN_MONEY: Final = frozenset({GROSS, NET, ORDER_NOTIONAL, SESSION_NOTIONAL})
N_REASONS: Final = 8

BASES: Final = ("intraday", "total")
INTRADAY, TOTAL = range(2)


# -- Settings --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExposureSettings:
    """Limits by scope, and the shares of them that are recorded and that page (DOMAIN section 2)."""

    limit: tuple[Mapping[str, Any], ...] = setting(
        (),
        "Limits by scope: gross, net (dollars), quantity (units of one symbol); order_notional and "
        "order_quantity of one order; session_orders and session_notional of a trade date, with "
        "hard_orders and hard_notional where the day's total shall halt. basis: intraday (default) counts "
        "what was built since the trade date began, total also what a position brought in.",
    )
    warn_share: float = setting(0.75, "Above this share of a limit it is recorded.")
    high_share: float = setting(0.9, "Above this share of an exposure limit people are paged, once a day.")
    unpriced_notional: float = setting(
        1_000_000, "Dollars that a position or working order in one symbol counts for while it has no price."
    )
    mark_near_share: float = setting(
        0.2, "A mark further than this from the reference waits for a fill or a second mark to confirm it."
    )
    running_count: int = setting(
        3, "One-second evaluations running that a mark alone must stand above a limit, or growth page."
    )
    warn_time_to_limit_s: float = setting(120, "Growth that reaches a limit within this is recorded.")
    high_time_to_limit_s: float = setting(30, "Growth that reaches a limit within this pages.")
    order_halt_times: float = setting(3, "An order above this multiple of its cap stops its session.")
    orders_over_count: int = setting(5, "So many orders over their cap within the window stop the session.")
    orders_over_window_s: float = setting(10, "The window of orders_over_count.")

    def __post_init__(self) -> None:
        if not 0 < self.warn_share <= self.high_share <= 1:
            msg = (
                f"warn_share {self.warn_share} and high_share {self.high_share}; write 0 < warn <= high <= 1"
            )
            raise ValueError(msg)
        if not 1 <= self.orders_over_count <= OVER_MAX or not 1 <= self.running_count <= RUNNING_MAX:
            msg = (
                f"orders_over_count is from 1 to {OVER_MAX} and running_count from 1 to {RUNNING_MAX}; "
                "write smaller ones"
            )
            raise ValueError(msg)
        Shapes.of(self.limit)

    @property
    def floor_share(self) -> float:
        """Where growth begins to be watched: a tenth of less, each second, is too slow for a warning."""
        return min(0.5, 1 / (1 + self.warn_time_to_limit_s / 10))


Conditions = tuple[tuple[str, str | None], ...]


def conditions_of(text: str) -> Conditions:
    """The conditions of a limit's scope; None stands for `*`, each id by itself."""
    written = dict(part.partition("=")[::2] for part in text.split("&")) if text != "*" else {}
    return tuple((k, None if written[k] == "*" else value) for k, value in Scope.parse(text).conditions)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Which kinds the limits name.  A grain is what a cell is kept by besides account and symbol."""

    rows: tuple[tuple[Conditions, Mapping[str, Any]], ...]  # widest first, so that the nearest wins
    shapes: tuple[tuple[frozenset[str], bool], ...]  # kinds; whether symbol stands there for `quantity` only
    grains: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, limits: Sequence[Mapping[str, Any]]) -> Shapes:
        rows = sorted(
            ((conditions_of(row["scope"]), row) for row in limits),
            key=lambda row: (sum(value is None for _, value in row[0]), row[1]["scope"]),
            reverse=True,
        )
        shapes = set()
        for conditions, row in rows:
            kinds = frozenset(kind for kind, _ in conditions)
            _refuse(row, dict(conditions), kinds)
            shapes.add((kinds, False))
            if "quantity" in row and "symbol" not in kinds:
                shapes.add((kinds | {"symbol"}, True))
        ordered = sorted(shapes, key=lambda shape: (_grain(shape[0]), sorted(shape[0]), shape[1]))
        grains = sorted({_grain(kinds) for kinds, _ in ordered} | {()})
        of_grain = [sum(_grain(kinds) == grain for kinds, _ in ordered) for grain in grains]
        if len(grains) > GRAINS_MAX or max(of_grain) > SHAPES_OF_GRAIN:
            msg = f"limits by {len(grains)} sorts of scope; at most {GRAINS_MAX} besides account and symbol"
            raise ValueError(msg)
        return cls(tuple(rows), tuple(ordered), tuple(grains))

    def limits(self, kinds: frozenset[str], values: Mapping[str, str]) -> dict[str, Any]:
        """What the scope with these values may have: each key from the nearest row that has it."""
        merged: dict[str, Any] = {}
        for conditions, row in self.rows:
            if kinds == {kind for kind, _ in conditions} and all(
                value in (None, values[kind]) for kind, value in conditions
            ):
                merged |= row
        return merged

    def tables(self) -> tuple[Int64Array, Int64Array]:
        """As the kernels read them: `plan` and `shapes`."""
        plan = np.zeros((len(self.grains), PLAN), np.int64)
        shapes = np.zeros((max(len(self.shapes), 1), 3), np.int64)
        for g, grain in enumerate(self.grains):
            own = [i for i, (kinds, _) in enumerate(self.shapes) if _grain(kinds) == grain]
            plan[g, G_KINDS], plan[g, G_SHAPES] = len(grain), len(own)
            plan[g, G_FIRST] = own[0] if own else 0
            plan[g, G_KIND : G_KIND + len(grain)] = [VALUES[kind] for kind in grain]
        for i, (kinds, _) in enumerate(self.shapes):
            shapes[i, H_ACCOUNT], shapes[i, H_SYMBOL] = "account" in kinds, "symbol" in kinds
        return plan, shapes


def _grain(kinds: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(kinds - {"account", "symbol"}))


def _refuse(row: Mapping[str, Any], written: Mapping[str, str | None], kinds: frozenset[str]) -> None:
    if unknown := kinds - {"account", "symbol", *VALUES}:
        msg = (
            f"limit {row['scope']}: exposure is not kept by {', '.join(sorted(unknown))}; write another scope"
        )
        raise ValueError(msg)
    if written.get("side") not in (None, "buy", "sell"):
        msg = f"limit {row['scope']}: sales of every sort are one side; write side=buy or side=sell"
        raise ValueError(msg)
    if row.get("basis") == "total" and _grain(kinds):
        msg = f'limit {row["scope"]}: a position names account and symbol alone; write basis = "intraday"'
        raise ValueError(msg)


# -- What is remembered, and its bounds ------------------------------------------------------------

# fmt: off
# Where the value of a kind is found: a column of the attribution, or of the posting.
K_VENUE, K_SIDE = 20, 21
VALUES: Final = {kind: column for column, kind in enumerate(lt.WHO_KINDS) if kind != "account"} | {
    "venue": K_VENUE, "side": K_SIDE,
}
BUYS, SELLS = nm.FIRST, nm.FIRST + 1  # codes of a side
GRAINS_MAX: Final = 4
SHAPES_OF_GRAIN: Final = 6  # with or without account and symbol, and those that stand for a quantity
(G_KINDS, G_FIRST, G_SHAPES, G_KIND) = range(4)
PLAN: Final = G_KIND + len(VALUES)
(H_ACCOUNT, H_SYMBOL, H_FIRM) = range(3)  # H_FIRM: the scope of a shape without conditions

# A cell, 48 columns: 201 MB if there are half a million.  0 is the bucket of the pairs over the bound: units
# filled and working, all on one side, at the highest price that was seen; it counts for the firm.
CELLS_MAX: Final = 1 << 19
FILLS: Final = 4  # own fills whose price is remembered, so that a bust takes its price back too
(
    C_HI, C_LO, C_POS, C_BUYS, C_SELLS, C_BASE, C_DAY_POS,  # C_DAY_POS: position when the trade date began
    C_NEXT_OF_SYMBOL,           # so far a cache line: what a mark looks at
    C_GRAIN, C_ACCOUNT, C_SYMBOL, C_NEXT_OF_ACCOUNT,
    C_SAID_PX, C_FILLED,        # C_FILLED: how often it was filled, the ring's head
    C_FILL,                     # from here: (execution + 1, price) of the last fills
) = range(15)
C_VALUES: Final = C_FILL + 2 * FILLS  # from here, for each basis, what scopes sum
(V_GROSS, V_LONG, V_SHORT, V_QTY, V_UNPRICED, V_UNSTATED) = range(6)
N_VALUES: Final = 6
C_SCOPES: Final = C_VALUES + 2 * N_VALUES
CELL: Final = C_SCOPES + SHAPES_OF_GRAIN

# A scope, 60 columns: 126 MB if there are a quarter of a million; beyond it a cell counts for the firm only.
# 0 is nobody.
SCOPES_MAX: Final = 1 << 18
GROWTH: Final = 11  # one-second values: now, a second ago, ten seconds ago
(
    S_HI, S_LO, S_BASIS, S_WATCHED, S_HAS_CAPS, S_ACTIVE,
    S_HELD,                     # whether a rung may be held
    S_VALUES, _, _, _, _, _,    # what its cells sum to
    S_COARSE,                   # sum of the cells' gross in 2^20 units: says whether the sums can be believed
    S_STAMP, S_BEFORE, _, _,    # the measures before the posting of that stamp
    S_STEP, _, _, _, _, _, _, _, _, _, _, _, _, _, _,  # floor, half, warn, high, limit, of each measure
    S_RUNS, _, _,               # of each measure: evaluations running at or above each rung, a byte each
    S_PAGED_ON, _, _,           # of each measure: trade date of its last page
    S_DATE, S_SEEN, S_SAME, S_TIME_RUNS,
    S_SHAPE, S_WHO, S_ACCOUNT, S_SYMBOL, S_VENUE, S_SIDE,
    S_RING,
) = range(50)
SCOPE: Final = S_RING + GROWTH
STEPS: Final = 5
(FLOOR, HALF, _, _, LIMITED) = range(STEPS)  # the step of a rung is HALF + rung
NO_LIMIT: Final = (1 << 63) - 1
COARSE_BITS: Final = 20
COARSE_MAX: Final = 1 << 42
USD_MAX: Final = 9_000_000_000_000_000_000

# What is asked of single orders and of a day's, by scope: 36 columns, 75 MB if every scope had caps.
OVER_MAX: Final = 8
RUNNING_MAX: Final = 100
(
    P_NOTIONAL, P_QTY, P_ORDERS, P_DAY_NOTIONAL, P_HARD_ORDERS, P_HARD_NOTIONAL,
    P_DATE, P_COUNT, P_TOTAL, P_OVERS, _, P_OVER,
) = range(12)
CAP: Final = P_OVER + 2 * 2 * OVER_MAX  # (time, session) of the last orders over each cap

ORDERS_MAX: Final = lt.ORDERS_MAX  # 4 bytes for each grain: 33 MB if all were in use, with four grains
(A_DATE, A_HEAD, A_STATED) = range(3)
ACCOUNTS_MAX: Final = 1 << 16
SESSIONS_MAX: Final = 1 << 14  # as many as have a name
CROSS: Final = 4  # `kernel.crossed`, and the time of the last event

(ST_TICKED, ST_NEXT_NS, ST_CURSOR, ST_KEPT, ST_ACTIVE, ST_STAMP, ST_CELLS, ST_SCOPES, ST_ORDERS, ST_SYMBOLS,
 ST_ANSWERED, ST_CURRENCY) = range(12)
# What does not change, as the kernels read it.
(
    L_BASES, L_UNPRICED, L_RUNNING, L_TIME_WARN, L_TIME_HIGH, L_FLOOR, L_OVERS, L_OVER_WINDOW, L_HAS_CAPS,
) = range(9)
(R_NEAR, R_HALT_TIMES, R_WARN) = range(3)

OF_SCOPE, OF_SESSION = -1, -2  # SCOPE_KIND of a hit: one of our scopes, or a session's code
BY_MARK: Final = HIT
QUIET_NS: Final = 3600 * SECOND_NS
HITS_OF_ONE: Final = 2 * GRAINS_MAX * SHAPES_OF_GRAIN * N_REASONS
HITS_OF_SCOPE: Final = MEASURES + 1
HITS: Final = 2 * HITS_OF_ONE
# fmt: on

# 1,050 MB if every table were full; about 2 MB with a thousand accounts, of which only touched pages count.
BYTES_MAX: Final = 8 * (
    CELLS_MAX * (CELL + 1 + 2)
    + SCOPES_MAX * (SCOPE + CAP + 1 + 2)
    + SCOPES_MAX * (N_REASONS * CROSS + 2 * RING)
    + SESSIONS_MAX * 2 * CROSS
    + ORDERS_MAX * GRAINS_MAX
    + SYMBOLS_MAX * (SYMBOL + 1)
    + CURRENCIES_MAX * 2
    + ACCOUNTS_MAX * 3
    + lt.PAIRS_MAX
    + HITS * (HIT + 1)
)


class Tables(NamedTuple):
    """All that the kernels read and write, in the order in which `judge` takes it."""

    limits: Int64Array
    shares: NDArray[np.float64]
    who64: Int64Array
    x32: Int32Array
    hits: Int64Array
    legs: Int64Array
    plan: Int64Array
    shapes: Int64Array
    state: Int64Array
    cells: Int64Array
    rates: NDArray[np.float64]
    mark_rates: NDArray[np.float64]
    cell_index: Int32Array
    pairs: Int32Array
    scopes: Int64Array
    scope_index: Int32Array
    cross: Int64Array
    rings: Int64Array
    active: Int32Array
    caps: Int64Array
    sessions: Int64Array
    orders: Int32Array
    accounts: Int64Array
    symbols: Int64Array
    currencies: Int64Array


# -- Cells and the scopes that they belong to ------------------------------------------------------


@inlined
def _value(postings, i, kind, who64):
    """Whose flow it is, by one kind; 0 or 1 if it does not say."""
    if kind == K_VENUE:
        return postings[i, po.VENUE]
    if kind == K_SIDE:
        sign = postings[i, po.SIGN]
        return 0 if sign == 0 else (BUYS if sign > 0 else SELLS)
    return who64[postings[i, po.WHO], kind]


@inlined
def _cell_of(t, postings, i, grain):
    """The posting's cell; 0 the bucket, -1 if its flow does not carry what this grain asks for."""
    pair = postings[i, po.PAIR]
    if grain == 0:
        cell = t.pairs[pair]
        return (
            np.int64(cell)
            if cell != 0 or pair == 0
            else _new_cell(t, postings, i, np.int64(0), np.int64(0), pair)
        )
    hi, lo = mix(grain, pair), mix(pair, ~grain)
    for k in range(t.plan[grain, G_KINDS]):
        value = _value(postings, i, t.plan[grain, G_KIND + k], t.who64)
        if value <= nm.OTHER:
            return -1
        hi, lo = mix(hi, value), mix(value, lo)
    cell = t.cell_index[place_of(t.cell_index, t.cells, hi, lo)]
    return np.int64(cell) if cell != 0 else _new_cell(t, postings, i, grain, hi, lo)


@compiled
def _new_cell(t, postings, i, grain, hi, lo):
    """A cell for a pair (of a grain) that is seen for the first time."""
    if t.state[ST_CELLS] + 1 >= t.cells.shape[0]:
        return 0 if grain == 0 else -1
    t.state[ST_CELLS] += 1
    c = t.state[ST_CELLS]
    if grain == 0:
        t.pairs[lo] = c
    else:
        t.cell_index[place_of(t.cell_index, t.cells, hi, lo)] = c
    account, symbol = postings[i, po.ACCOUNT], postings[i, po.SYMBOL]
    t.cells[c, C_HI] = hi
    t.cells[c, C_LO] = lo
    t.cells[c, C_GRAIN] = grain
    t.cells[c, C_ACCOUNT] = account
    t.cells[c, C_SYMBOL] = symbol
    t.cells[c, C_NEXT_OF_ACCOUNT] = t.accounts[account, A_HEAD]
    t.accounts[account, A_HEAD] = c
    t.cells[c, C_NEXT_OF_SYMBOL] = t.symbols[symbol, Y_HEAD]
    t.symbols[symbol, Y_HEAD] = c
    t.state[ST_SYMBOLS] = max(symbol + 1, t.state[ST_SYMBOLS])
    for j in range(t.plan[grain, G_SHAPES]):
        t.cells[c, C_SCOPES + j] = _scope_of(t, postings, i, grain, t.plan[grain, G_FIRST] + j)
    return c


@compiled
def _scope_of(t, postings, i, grain, shape):
    """The scope of a shape that the posting is in; 0 if it lacks a condition, or all are in use."""
    account = postings[i, po.ACCOUNT] if t.shapes[shape, H_ACCOUNT] else 0
    symbol = postings[i, po.SYMBOL] if t.shapes[shape, H_SYMBOL] else 0
    if t.shapes[shape, H_FIRM] != 0:
        return t.shapes[shape, H_FIRM]
    if t.shapes[shape, H_ACCOUNT] and account <= nm.OTHER:
        return 0
    if t.shapes[shape, H_SYMBOL] and symbol <= nm.OTHER:
        return 0
    hi, lo = mix(shape, account), mix(account, symbol)
    hi = mix(hi, symbol)
    for k in range(t.plan[grain, G_KINDS]):
        value = _value(postings, i, t.plan[grain, G_KIND + k], t.who64)
        hi, lo = mix(hi, value), mix(value, lo)
    slot = place_of(t.scope_index, t.scopes, hi, lo)
    if t.scope_index[slot] != 0:
        return np.int64(t.scope_index[slot])
    if t.state[ST_SCOPES] + 1 >= t.scopes.shape[0]:
        return 0
    t.state[ST_SCOPES] += 1
    s = t.state[ST_SCOPES]
    t.scope_index[slot] = s
    t.scopes[s, S_HI] = hi
    t.scopes[s, S_LO] = lo
    t.scopes[s, S_SHAPE] = shape
    t.scopes[s, S_WHO] = postings[i, po.WHO]
    t.scopes[s, S_ACCOUNT] = account
    t.scopes[s, S_SYMBOL] = symbol
    t.scopes[s, S_VENUE] = postings[i, po.VENUE]
    t.scopes[s, S_SIDE] = postings[i, po.SIGN]
    return s


# -- What a cell is worth --------------------------------------------------------------------------


@inlined
def _reprice(t, c):
    """The cell's own rate, for a symbol without a mark: by its last fill, else what was said; 0.0 if none."""
    symbol, px, head = t.cells[c, C_SYMBOL], 0, t.cells[c, C_FILLED]
    for back in range(FILLS):
        slot = C_FILL + 2 * ((head - back) % FILLS)
        if px == 0 and t.cells[c, slot] != 0:
            px = t.cells[c, slot + 1]
    if px == 0:
        px = t.cells[c, C_SAID_PX]
    usd = dollars_for_one(t.symbols, symbol, t.currencies)
    t.rates[c] = rate_of(px, multiplier_of(t.symbols, symbol), usd)


@inlined
def _remember_fill(t, postings, i, c):
    """The price of an own fill: a new one, a corrected one, or one that is gone."""
    kind, key, px = postings[i, po.KIND], postings[i, po.EXEC] + 1, postings[i, po.PX]
    if kind == PostingKind.EXECUTED or kind == PostingKind.MOVED_IN:
        if px != ev.NONE and px != 0:
            t.cells[c, C_FILLED] += 1
            slot = C_FILL + 2 * (t.cells[c, C_FILLED] % FILLS)
            t.cells[c, slot] = key
            t.cells[c, slot + 1] = px
        return
    for k in range(FILLS):
        slot = C_FILL + 2 * k
        if t.cells[c, slot] == key:
            if kind == PostingKind.BUSTED or kind == PostingKind.MOVED_OUT:
                t.cells[c, slot] = 0
            elif px != ev.NONE and px != 0:
                t.cells[c, slot + 1] = px


@inlined
def _sum_up(t, c, basis, gross, long, short, qty, unpriced, unstated):
    """Write a cell's values, and give its scopes the differences."""
    v = C_VALUES + N_VALUES * basis
    d_gross, d_long, d_short = gross - t.cells[c, v], long - t.cells[c, v + 1], short - t.cells[c, v + 2]
    d_qty, d_unpriced = qty - t.cells[c, v + V_QTY], unpriced - t.cells[c, v + V_UNPRICED]
    d_unstated = unstated - t.cells[c, v + V_UNSTATED]
    if d_gross | d_long | d_short | d_qty | d_unpriced | d_unstated == 0:
        return
    d_coarse = (gross >> COARSE_BITS) - (t.cells[c, v] >> COARSE_BITS)
    t.cells[c, v] = gross
    t.cells[c, v + V_LONG] = long
    t.cells[c, v + V_SHORT] = short
    t.cells[c, v + V_QTY] = qty
    t.cells[c, v + V_UNPRICED] = unpriced
    t.cells[c, v + V_UNSTATED] = unstated
    stamp = t.state[ST_STAMP]
    for j in range(t.plan[t.cells[c, C_GRAIN], G_SHAPES]):
        s = t.cells[c, C_SCOPES + j]
        if s == 0 or t.scopes[s, S_WATCHED] == 0 or t.scopes[s, S_BASIS] != basis:
            continue
        if t.scopes[s, S_STAMP] != stamp:
            t.scopes[s, S_STAMP] = stamp
            for m in range(MEASURES):
                t.scopes[s, S_BEFORE + m] = _measure(t.scopes, s, m)
        t.scopes[s, S_VALUES + V_GROSS] += d_gross
        t.scopes[s, S_VALUES + V_LONG] += d_long
        t.scopes[s, S_VALUES + V_SHORT] += d_short
        t.scopes[s, S_VALUES + V_QTY] += d_qty
        t.scopes[s, S_VALUES + V_UNPRICED] += d_unpriced
        t.scopes[s, S_VALUES + V_UNSTATED] += d_unstated
        t.scopes[s, S_COARSE] += d_coarse
        if t.scopes[s, S_ACTIVE] == 0 and _is_above(t.scopes, s, FLOOR):
            t.scopes[s, S_ACTIVE] = 1
            t.active[t.state[ST_ACTIVE]] = s
            t.state[ST_ACTIVE] += 1


@inlined
def _step(scopes, s, m, step):
    """One step towards a measure's limit."""
    return scopes[s, S_STEP + MEASURES * step + m]


@inlined
def _is_above(scopes, s, step):
    """Whether a measure stands above that step of its limit."""
    return (
        scopes[s, S_VALUES + V_GROSS] > _step(scopes, s, GROSS, step)
        or abs(scopes[s, S_VALUES + V_LONG]) > _step(scopes, s, NET, step)
        or abs(scopes[s, S_VALUES + V_SHORT]) > _step(scopes, s, NET, step)
        or scopes[s, S_VALUES + V_QTY] > _step(scopes, s, QUANTITY, step)
        or scopes[s, S_COARSE] > COARSE_MAX
    )


@inlined
def _measure(scopes, s, m):
    """Gross, net or quantity of a scope; as much as there is where the sum does not fit."""
    if m == QUANTITY:
        return scopes[s, S_VALUES + V_QTY]
    if scopes[s, S_COARSE] > COARSE_MAX:
        return USD_MAX
    if m == GROSS:
        return scopes[s, S_VALUES + V_GROSS]
    return max(abs(scopes[s, S_VALUES + V_LONG]), abs(scopes[s, S_VALUES + V_SHORT]))


@inlined
def _revalue(t, c):
    """What the cell is worth now, on each basis that a limit asks for."""
    symbol = t.cells[c, C_SYMBOL]
    rate = t.rates[c] if t.symbols[symbol, Y_MARK] == 0 else t.mark_rates[symbol]
    for basis in range(2):
        if not t.limits[L_BASES] & (1 << basis):
            continue
        position = t.cells[c, C_POS]
        if basis == INTRADAY:
            position -= t.cells[c, C_DAY_POS]
        else:
            position += t.cells[c, C_BASE]
        up, down = position + t.cells[c, C_BUYS], position - t.cells[c, C_SELLS]
        qty = max(abs(up), abs(down))
        gross, long, short, unpriced, unstated = 0, 0, 0, 0, 0
        if qty != 0:
            if rate > 0.0:
                gross, long, short = worth(qty, rate), worth(up, rate), worth(down, rate)
            else:
                gross, unpriced = t.limits[L_UNPRICED], 1
                long = gross if up > 0 else (-gross if up < 0 else 0)
                short = gross if down > 0 else (-gross if down < 0 else 0)
            if basis == TOTAL and t.accounts[t.cells[c, C_ACCOUNT], A_STATED] == 0:
                unstated = 1
        _sum_up(t, c, basis, gross, long, short, qty, unpriced, unstated)


@inlined
def _fill_bucket(t, postings, i):
    """Pairs over the bound: whatever was filled and works, at the highest price that was seen."""
    t.cells[0, C_POS] = max(t.cells[0, C_POS] + postings[i, po.FILL], 0)
    t.cells[0, C_BUYS] = max(t.cells[0, C_BUYS] + postings[i, po.WORK], 0)
    symbol, px = postings[i, po.SYMBOL], postings[i, po.PX]
    px = t.symbols[symbol, Y_MARK] if px == ev.NONE or px == 0 else px
    usd = dollars_for_one(t.symbols, symbol, t.currencies)
    t.rates[0] = max(t.rates[0], rate_of(px, multiplier_of(t.symbols, symbol), usd))
    _revalue(t, np.int64(0))


@inlined
def _apply(t, postings, i, c, is_position, has_work, sells, date):
    """What one posting does to one of its cells."""
    if c == 0:
        _fill_bucket(t, postings, i)
        return
    kind, px = postings[i, po.KIND], postings[i, po.PX]
    if is_position:
        change = postings[i, po.POS]
        t.cells[c, C_POS] += change
        t.cells[c, C_BASE] += postings[i, po.BASE]
        if change != 0:
            if date < t.accounts[t.cells[c, C_ACCOUNT], A_DATE]:
                t.cells[c, C_DAY_POS] += change  # it belongs to a day that is over, as does its bust
            _remember_fill(t, postings, i, c)
    if has_work:
        if sells:
            t.cells[c, C_SELLS] += postings[i, po.WORK]
        else:
            t.cells[c, C_BUYS] += postings[i, po.WORK]
    if (
        kind == PostingKind.ORDER_SENT
        or kind == PostingKind.ORDER_CHANGED
        or kind == PostingKind.POSITION_SET
    ):
        if px != ev.NONE and not postings[i, po.BITS] & Note.PACKAGE:
            t.cells[c, C_SAID_PX] = px
    if t.symbols[t.cells[c, C_SYMBOL], Y_MARK] == 0:
        _reprice(t, c)
    _revalue(t, c)


# -- What moves many cells: prices, rates, days, statements ----------------------------------------


@compiled
def _revalue_symbol(t, symbol, postings, i):
    """A mark, an instrument or a rate: every cell of the symbol that is not flat is worth something else."""
    usd = dollars_for_one(t.symbols, symbol, t.currencies)
    t.mark_rates[symbol] = rate_of(t.symbols[symbol, Y_MARK], multiplier_of(t.symbols, symbol), usd)
    has_mark = t.symbols[symbol, Y_MARK] != 0
    c = t.symbols[symbol, Y_HEAD]
    while c != 0:
        if not has_mark:
            _reprice(t, c)
        if (
            t.cells[c, C_POS] != 0
            or t.cells[c, C_BUYS] != 0
            or t.cells[c, C_SELLS] != 0
            or t.cells[c, C_BASE] != 0
        ):
            _revalue(t, c)
            for j in range(t.plan[t.cells[c, C_GRAIN], G_SHAPES]):
                s = t.cells[c, C_SCOPES + j]
                is_new = (
                    t.scopes[s, S_STAMP] == t.state[ST_STAMP] and t.scopes[s, S_SEEN] != t.state[ST_STAMP]
                )
                if is_new and _is_above(t.scopes, s, HALF):
                    for m in range(MEASURES):
                        before = _level(t.scopes, s, m, t.scopes[s, S_BEFORE + m])
                        if _level(t.scopes, s, m, _measure(t.scopes, s, m)) > before:
                            t.scopes[s, S_SEEN] = t.state[ST_STAMP]
                    if t.scopes[s, S_SEEN] == t.state[ST_STAMP]:
                        part, offset = postings[i, po.PART], postings[i, po.OFFSET]
                        remember(t.rings, 2 * s, part, offset, postings[i, po.AT], QUIET_NS)
        c = t.cells[c, C_NEXT_OF_SYMBOL]


@compiled
def _rated(t, currency, usd, postings, i):
    """A rate for a currency, which is not the dollar."""
    if currency <= nm.OTHER or usd == ev.NONE or usd <= 0 or t.currencies[currency, F_USD] == usd:
        return
    t.currencies[currency, F_USD] = usd
    for symbol in range(nm.FIRST, t.state[ST_SYMBOLS]):
        if t.symbols[symbol, Y_CURRENCY] == currency:
            _revalue_symbol(t, symbol, postings, i)


@compiled
def _instrument(t, symbol, multiplier, currency, postings, i):
    """What one unit of a symbol stands for."""
    t.state[ST_SYMBOLS] = max(symbol + 1, t.state[ST_SYMBOLS])
    t.symbols[symbol, Y_MULTIPLIER] = multiplier if multiplier != ev.NONE else 0
    t.symbols[symbol, Y_CURRENCY] = currency
    _revalue_symbol(t, symbol, postings, i)


@compiled
def _begin_day(t, account, date):
    """A trade date begins for an account: what it holds now is what it brought."""
    is_first = t.accounts[account, A_DATE] == 0
    t.accounts[account, A_DATE] = date
    if is_first:
        return
    c = t.accounts[account, A_HEAD]
    while c != 0:
        t.cells[c, C_DAY_POS] = t.cells[c, C_POS]
        _revalue(t, c)
        c = t.cells[c, C_NEXT_OF_ACCOUNT]


@compiled
def _stated(t, account):
    """The first position that anybody stated for an account."""
    t.accounts[account, A_STATED] = 1
    c = t.accounts[account, A_HEAD]
    while c != 0:
        _revalue(t, c)
        c = t.cells[c, C_NEXT_OF_ACCOUNT]


# -- Judging a scope -------------------------------------------------------------------------------


@inlined
def _level(scopes, s, m, measured):
    """The rung that a measure stands above."""
    return (
        np.int64(measured > _step(scopes, s, m, HALF + WARN))
        + np.int64(measured > _step(scopes, s, m, HALF + HIGH))
        + np.int64(measured > _step(scopes, s, m, HALF + HALT))
    )


@inlined
def _held(cross, key, at):
    """The rung that is held now: after `REARM_NS` below, the lower one."""
    if cross[key, 1] != 0 and at - cross[key, 1] >= REARM_NS:
        cross[key, 0] = cross[key, 2]
        cross[key, 1] = 0
    return cross[key, 0]


@inlined
def _paged_today(scopes, s, m, rung):
    """Whether this is a page that the scope had today already."""
    if rung != HIGH:
        return False
    if scopes[s, S_PAGED_ON + m] == scopes[s, S_DATE]:
        return True
    scopes[s, S_PAGED_ON + m] = scopes[s, S_DATE]
    return False


@inlined
def _say(t, n, reason, rung, row, at, s, measured, limit, by_mark):
    """One more hit, against a scope."""
    t.hits[n, BY_MARK] = by_mark
    ring = 2 * s + np.int64(ORDER_NOTIONAL <= reason <= ORDER_QUANTITY)
    usd = _measure(t.scopes, s, np.int64(GROSS))
    scope, in_usd = np.int64(OF_SCOPE), np.int64(0)
    return found(t.hits, n, reason, rung, row, at, scope, s, measured, limit, in_usd, usd, t.rings, ring)


@inlined
def _judge_scope(t, postings, i, s, date, may_rise, n):
    """The three measures after a posting: one that it raised may cross upwards, any may fall."""
    if t.scopes[s, S_STAMP] != t.state[ST_STAMP]:
        return n
    t.scopes[s, S_DATE] = max(date, t.scopes[s, S_DATE])
    if t.scopes[s, S_HELD] == 0 and not _is_above(t.scopes, s, HALF):
        return n
    low, at = postings[i, po.LOW], postings[i, po.AT]
    if may_rise and t.scopes[s, S_SEEN] != t.state[ST_STAMP]:
        for m in range(MEASURES):
            measured = _measure(t.scopes, s, m)
            has_risen = measured > t.scopes[s, S_BEFORE + m]
            if has_risen and measured > _step(t.scopes, s, m, HALF):
                t.scopes[s, S_SEEN] = t.state[ST_STAMP]
        if t.scopes[s, S_SEEN] == t.state[ST_STAMP]:
            remember(t.rings, 2 * s, postings[i, po.PART], postings[i, po.OFFSET], at, QUIET_NS)
    is_held = 0
    for m in range(MEASURES):
        key = s * N_REASONS + m
        measured = _measure(t.scopes, s, m)
        level = _level(t.scopes, s, m, measured)
        held = _held(t.cross, key, low)
        if not may_rise or measured <= t.scopes[s, S_BEFORE + m]:
            level = min(level, held)
        rung = crossed(t.cross, key, level, low)
        is_held |= t.cross[key, 0] | level
        if rung != 0 and not _paged_today(t.scopes, s, m, rung):
            limit = _step(t.scopes, s, m, HALF + rung)
            n = _say(t, n, m, rung, postings[i, po.ROW], at, s, measured, limit, np.int64(0))
    t.scopes[s, S_HELD] = is_held
    return n


@compiled
def _evaluate(t, s, second, row, n):
    """What stands a second later: exposure that no order raised, and how fast the limit comes near."""
    at, running = second * SECOND_NS, t.limits[L_RUNNING]
    share, is_held = 0.0, t.scopes[s, S_HELD]
    for m in range(MEASURES):
        limit = _step(t.scopes, s, m, LIMITED)
        if limit == NO_LIMIT:
            continue
        measured = _measure(t.scopes, s, m)
        share = max(share, float(measured) / float(limit))
        level, runs = _level(t.scopes, s, m, measured), t.scopes[s, S_RUNS + m]
        stands, counts = 0, 0
        for rung in range(1, HALT + 1):
            count = min(((runs >> (8 * rung)) & 255) + 1, running) if level >= rung else 0
            counts |= count << (8 * rung)
            if count >= running:
                stands = rung
        t.scopes[s, S_RUNS + m] = counts
        key = s * N_REASONS + m
        held = _held(t.cross, key, at)
        rung = crossed(t.cross, key, max(min(level, held), stands), at)
        is_held = max(is_held, t.cross[key, 0])
        if rung != 0 and not _paged_today(t.scopes, s, m, rung):
            n = _say(
                t,
                n,
                m,
                rung,
                row,
                at,
                s,
                measured,
                _step(t.scopes, s, m, HALF + rung),
                np.int64(1),
            )
    t.scopes[s, S_HELD] = is_held
    floor = t.limits[L_FLOOR]
    now = max(np.int64(min(share, 1.0e6) * ev.UNIT), floor)
    before = max(t.scopes[s, S_RING + (second - 1) % GROWTH], floor)
    long_before = max(t.scopes[s, S_RING + (second - 10) % GROWTH], floor)
    t.scopes[s, S_RING + second % GROWTH] = now
    t.scopes[s, S_SAME] = t.scopes[s, S_SAME] + 1 if now == before else 0
    growth = min(float(now - before), float(now - long_before) / 10)
    rung, left, limit = 0, np.int64(NO_LIMIT), t.limits[L_TIME_WARN]
    if growth > 0.0 and now < ev.UNIT:
        left = np.int64(min((ev.UNIT - now) / growth * ev.UNIT, 9e18))
    t.scopes[s, S_TIME_RUNS] = t.scopes[s, S_TIME_RUNS] + 1 if left < t.limits[L_TIME_HIGH] else 0
    if left < limit:
        rung = WARN
    if t.scopes[s, S_TIME_RUNS] >= running:
        rung, limit = HIGH, t.limits[L_TIME_HIGH]
    if crossed(t.cross, s * N_REASONS + TIME, np.int64(rung), at) != 0:
        n = _say(t, n, np.int64(TIME), np.int64(rung), row, at, s, left, limit, np.int64(0))
    return n


@compiled
def _tick(t, low, row, n):
    """The evaluations that are due by `low`; returns (hits, whether there was room for all)."""
    target = low // SECOND_NS
    if t.state[ST_TICKED] == 0:
        t.state[ST_TICKED] = target  # the first time that is known
    while t.state[ST_TICKED] < target:
        if t.state[ST_ACTIVE] == 0:
            t.state[ST_TICKED] = target
            break
        # A scope is dropped after one ring of equal values, so a silence is over after so many.
        second = t.state[ST_TICKED] + 1
        while t.state[ST_CURSOR] < t.state[ST_ACTIVE]:
            if n + HITS_OF_SCOPE > t.hits.shape[0]:
                return n, False
            s = np.int64(t.active[t.state[ST_CURSOR]])
            n = _evaluate(t, s, second, row, n)
            if t.scopes[s, S_SAME] < GROWTH + t.limits[L_RUNNING]:
                t.active[t.state[ST_KEPT]] = s
                t.state[ST_KEPT] += 1
            else:
                t.scopes[s, S_ACTIVE] = 0
            t.state[ST_CURSOR] += 1
        t.state[ST_ACTIVE] = t.state[ST_KEPT]
        t.state[ST_CURSOR] = 0
        t.state[ST_KEPT] = 0
        t.state[ST_TICKED] = second
    t.state[ST_NEXT_NS] = (t.state[ST_TICKED] + 1) * SECOND_NS
    return n, True


# -- Caps of orders and of a day -------------------------------------------------------------------


@inlined
def _share_of(limit, share):
    return np.int64(float(limit) * share)


@compiled
def _caps(t, postings, i, c, date, n):
    """One order, and the day's orders, against their caps."""
    if c <= 0:
        return n
    is_new = postings[i, po.KIND] == PostingKind.ORDER_SENT
    qty, added = postings[i, po.QTY], postings[i, po.QTY] if is_new else postings[i, po.WORK]
    is_package = postings[i, po.BITS] & Note.PACKAGE != 0
    is_conditional = postings[i, po.BITS] & Note.CONDITIONAL != 0
    symbol = t.cells[c, C_SYMBOL]
    rate = t.rates[c] if t.symbols[symbol, Y_MARK] == 0 else t.mark_rates[symbol]
    usd = worth(qty, rate) if rate > 0.0 else t.limits[L_UNPRICED]
    added_usd = worth(added, rate) if rate > 0.0 else (t.limits[L_UNPRICED] if is_new else 0)
    for j in range(t.plan[t.cells[c, C_GRAIN], G_SHAPES]):
        s = t.cells[c, C_SCOPES + j]
        if t.scopes[s, S_HAS_CAPS] == 0:
            continue
        t.scopes[s, S_DATE] = max(date, t.scopes[s, S_DATE])
        if t.caps[s, P_DATE] < t.scopes[s, S_DATE]:
            t.caps[s, P_DATE] = t.scopes[s, S_DATE]
            t.caps[s, P_COUNT] = 0
            t.caps[s, P_TOTAL] = 0
        if is_new:
            t.caps[s, P_COUNT] += ev.UNIT
        if not is_package and not is_conditional:
            t.caps[s, P_TOTAL] = min(t.caps[s, P_TOTAL] + added_usd, USD_MAX // 2)
        for which in range(2):  # in dollars, in units or orders
            n = _cap(t, postings, i, s, which, qty if which else (0 if is_package else usd), n)
            n = _day(t, postings, i, s, which, n)
    return n


@inlined
def _crossed_at_events(cross, key, rung, at):
    """As `crossed`, for what is true at the instant of an event only: right after it, it fell."""
    crossed(cross, key, np.int64(0), cross[key, 3])
    cross[key, 3] = max(at, cross[key, 3])
    return crossed(cross, key, rung, at)


@compiled
def _cap(t, postings, i, s, which, measured, n):
    """One order: 75 %, the cap, three times the cap, or the fifth over it in ten seconds."""
    cap = t.caps[s, P_NOTIONAL + which]
    warn = _share_of(cap, t.shares[R_WARN])
    if cap == 0 or measured <= warn:
        return n
    low, at, session = postings[i, po.LOW], postings[i, po.AT], postings[i, po.SESSION]
    remember(t.rings, 2 * s + 1, postings[i, po.PART], postings[i, po.OFFSET], at, QUIET_NS)
    rung, limit, key, is_of_session = WARN, warn, s * N_REASONS + ORDER_NOTIONAL + which, False
    if measured > cap:
        rung, limit = HIGH, cap
        extreme = _share_of(cap, t.shares[R_HALT_TIMES])
        is_burst, is_one = _one_over(t, s, which, low, session)
        is_of_session = session > nm.OTHER and (measured > extreme or is_one)
        if measured > extreme or is_burst:
            is_new = True
            if is_of_session:
                is_new = _crossed_at_events(t.sessions, 2 * session + which, np.int64(HALT), low) != 0
            if is_new:
                rung, limit = HALT, extreme if measured > extreme else cap
    is_said = _crossed_at_events(t.cross, key, np.int64(rung), low) != 0
    if is_said or (rung == HALT and is_of_session):
        reason, row = ORDER_NOTIONAL + which, postings[i, po.ROW]
        n = _say(t, n, reason, np.int64(rung), row, at, s, measured, limit, np.int64(0))
        if rung == HALT and is_of_session:
            t.hits[n - 1, SCOPE_KIND] = OF_SESSION
            t.hits[n - 1, SCOPE_CODE] = session
    return n


@inlined
def _one_over(t, s, which, low, session):
    """One more order over its cap; whether it ends a burst, and whether one session sent all of it."""
    overs, needed = t.caps[s, P_OVERS + which], t.limits[L_OVERS]
    first = P_OVER + 2 * which * OVER_MAX
    t.caps[s, first + 2 * (overs % needed)] = low
    t.caps[s, first + 2 * (overs % needed) + 1] = session
    t.caps[s, P_OVERS + which] = overs + 1
    oldest = t.caps[s, first + 2 * ((overs + 1) % needed)]
    is_one = True
    for k in range(needed):
        is_one &= t.caps[s, first + 2 * k + 1] == session
    return overs + 1 >= needed and low - oldest < t.limits[L_OVER_WINDOW], is_one


@compiled
def _day(t, postings, i, s, which, n):
    """A day's count or total: 75 %, the cap, and the hard cap if there is one."""
    measured, cap, hard = (
        t.caps[s, P_TOTAL - which],
        t.caps[s, P_DAY_NOTIONAL - which],
        t.caps[s, P_HARD_NOTIONAL - which],
    )
    rung, limit, reason = 0, 0, SESSION_NOTIONAL - which
    if cap != 0 and measured > _share_of(cap, t.shares[R_WARN]):
        rung, limit = WARN, _share_of(cap, t.shares[R_WARN])
    if cap != 0 and measured > cap:
        rung, limit = HIGH, cap
    if hard != 0 and measured > hard:
        rung, limit = HALT, hard
    if crossed(t.cross, s * N_REASONS + reason, np.int64(rung), postings[i, po.LOW]) == 0:
        return n
    at, row = postings[i, po.AT], postings[i, po.ROW]
    remember(t.rings, 2 * s, postings[i, po.PART], postings[i, po.OFFSET], at, QUIET_NS)
    return _say(t, n, reason, np.int64(rung), row, at, s, measured, limit, np.int64(0))


# -- The loop --------------------------------------------------------------------------------------


@inlined
def _is_idle(postings, i):
    """Whether a posting moves neither a position, nor a working quantity, nor a price."""
    kind = postings[i, po.KIND]
    return (
        postings[i, po.POS] == 0
        and postings[i, po.WORK] == 0
        and postings[i, po.BASE] == 0
        and kind != PostingKind.ORDER_SENT
        and kind != PostingKind.ORDER_CHANGED
        and not PostingKind.POSITION_SET <= kind <= PostingKind.INSTRUMENT
    )


@inlined
def _reference(t, postings, i, rows):
    """A price, a rate or an instrument; whether it was one."""
    kind, symbol, row = postings[i, po.KIND], postings[i, po.SYMBOL], postings[i, po.ROW]
    if kind == PostingKind.MARKED:
        if symbol > nm.OTHER:
            before = t.symbols[symbol, Y_MARK]
            t.state[ST_SYMBOLS] = max(symbol + 1, t.state[ST_SYMBOLS])
            if (
                marked(t.symbols, symbol, postings[i, po.PX], t.shares[R_NEAR])
                and t.symbols[symbol, Y_MARK] != before
            ):
                t.state[ST_STAMP] += 1
                _revalue_symbol(t, symbol, postings, i)
        return True
    if kind == PostingKind.RATED:
        currency = postings[i, po.VENUE]
        if t.currencies[currency, F_KNOWN] != F_DOLLAR:
            t.state[ST_STAMP] += 1
            _rated(t, currency, postings[i, po.PX], postings, i)
        return True
    if kind == PostingKind.INSTRUMENT:
        if symbol > nm.OTHER:
            t.state[ST_STAMP] += 1
            _instrument(t, symbol, rows[row, ev.MULTIPLIER], rows[row, ev.CURRENCY], postings, i)
        return True
    return False


@inlined
def _currency_asked(t, postings, i, rows):
    """A currency that nobody said yet whether it is the dollar; 0 if there is none in this posting."""
    currency = 0
    if postings[i, po.KIND] == PostingKind.RATED:
        currency = postings[i, po.VENUE]
    elif postings[i, po.KIND] == PostingKind.INSTRUMENT:
        currency = rows[postings[i, po.ROW], ev.CURRENCY]
    return currency if currency > nm.OTHER and t.currencies[currency, F_KNOWN] == 0 else 0


@inlined
def _date_of(t, postings, i, rows):
    """The trade date that an execution belongs to, or else an order."""
    kind = postings[i, po.KIND]
    if postings[i, po.EXEC] >= 0 and kind != PostingKind.EXECUTED:
        return np.int64(t.x32[postings[i, po.EXEC], lt.X_DATE])
    return rows[postings[i, po.ROW], ev.TRADE_DATE]


@inlined
def _find_legs(t, postings, i):
    """The cells of a posting: for each grain where an order works, and where a position is; -1 if none."""
    kind, order = postings[i, po.KIND], postings[i, po.ORDER]
    is_sent = kind == PostingKind.ORDER_SENT
    has_position = (
        is_sent or kind == PostingKind.POSITION_SET or postings[i, po.POS] != 0 or postings[i, po.BASE] != 0
    )
    has_work = postings[i, po.WORK] != 0 or kind == PostingKind.ORDER_CHANGED
    is_unknown = kind == PostingKind.ORDER_CHANGED and postings[i, po.BITS] & Note.ORDER_UNKNOWN != 0
    has_work = has_work and order > 0 and not is_sent and not is_unknown
    sells = int(postings[i, po.SIGN] < 0)
    for grain in range(t.plan.shape[0]):
        work, position = -1, -1
        if t.plan[grain, G_SHAPES] != 0:
            if has_position:
                position = _cell_of(t, postings, i, grain)
            if has_work and t.orders[order, grain] != 0:
                work = int(t.orders[order, grain] - 1) >> 1
                sells = int(t.orders[order, grain] - 1) & 1
            if is_sent and order > 0:
                t.orders[order, grain] = 2 * position + sells + 1 if position >= 0 else 0
        t.legs[2 * grain] = work
        t.legs[2 * grain + 1] = position
    if is_sent and order > 0:
        t.state[ST_ORDERS] = max(order + 1, t.state[ST_ORDERS])
    return sells


@inlined
def _book(t, postings, i, date, sells):
    """Apply a posting to all of its cells."""
    kind = postings[i, po.KIND]
    for grain in range(t.plan.shape[0]):
        work, position = t.legs[2 * grain], t.legs[2 * grain + 1]
        for leg in range(2):
            c = t.legs[2 * grain + leg]
            if c < 0 or (leg == 0 and work == position):
                continue
            has_work = leg == 0 or work == position or kind == PostingKind.ORDER_SENT
            _apply(t, postings, i, c, leg == 1, has_work, sells, date)


@inlined
def _prepare(t, postings, i, rows):
    """What a posting moves besides its own cells: a new day, a mark that waited, a first statement."""
    kind, row, account = postings[i, po.KIND], postings[i, po.ROW], postings[i, po.ACCOUNT]
    symbol, px = postings[i, po.SYMBOL], postings[i, po.PX]
    is_moved = kind == PostingKind.MOVED_OUT or kind == PostingKind.MOVED_IN
    date = rows[row, ev.TRADE_DATE]
    if date > t.accounts[account, A_DATE] and not is_moved and postings[i, po.AT] >= rows[row, ev.TS]:
        t.state[ST_STAMP] += 1
        _begin_day(t, account, date)
    if kind == PostingKind.EXECUTED and postings[i, po.POS] != 0 and symbol > nm.OTHER:
        if px != 0 and px != ev.NONE and filled_at(t.symbols, symbol, px, t.shares[R_NEAR]):
            t.state[ST_STAMP] += 1
            _revalue_symbol(t, symbol, postings, i)
    if kind == PostingKind.POSITION_SET and t.accounts[account, A_STATED] == 0:
        t.state[ST_STAMP] += 1
        _stated(t, account)


@compiled
def judge(
    postings, start, rows, limits, shares, who64, x32, hits, legs, plan, shapes, state, cells, rates,
    mark_rates, cell_index, pairs, scopes, scope_index, cross, rings, active, caps, sessions, orders,
    accounts, symbols, currencies,
):  # fmt: skip
    """Judge postings from `start`; returns (next posting, hits); stops where hits are full or it must ask."""
    t = Tables(
        limits, shares, who64, x32, hits, legs, plan, shapes, state, cells, rates, mark_rates, cell_index,
        pairs, scopes, scope_index, cross, rings, active, caps, sessions, orders, accounts, symbols,
        currencies,
    )  # fmt: skip
    n = np.int64(0)
    for i in range(start, postings.shape[0]):
        if postings[i, po.LOW] >= state[ST_NEXT_NS] and postings[i, po.LOW] > 0:
            n, done = _tick(t, postings[i, po.LOW], postings[i, po.ROW], n)
            if not done:
                return i, n
        if _is_idle(postings, i):
            continue
        if n + HITS_OF_ONE > hits.shape[0]:
            return i, n
        state[ST_CURRENCY] = _currency_asked(t, postings, i, rows)
        if state[ST_CURRENCY] != 0:
            return i, n
        if _reference(t, postings, i, rows):
            continue
        sells = _find_legs(t, postings, i)
        if state[ST_ANSWERED] < state[ST_SCOPES]:
            return i, n
        _prepare(t, postings, i, rows)
        kind, account = postings[i, po.KIND], postings[i, po.ACCOUNT]
        if kind != PostingKind.MOVED_IN:  # it is one with the MOVED_OUT before it
            state[ST_STAMP] += 1
        _book(t, postings, i, _date_of(t, postings, i, rows), sells)
        may_rise = kind != PostingKind.POSITION_SET
        is_capped = kind == PostingKind.ORDER_SENT or (
            kind == PostingKind.ORDER_CHANGED
            and postings[i, po.WORK] > 0
            and postings[i, po.BITS] & Note.REPLACED
        )
        for leg in range(2 * plan.shape[0]):
            c = legs[leg]
            if c < 0:
                continue
            for j in range(plan[cells[c, C_GRAIN], G_SHAPES]):
                if cells[c, C_SCOPES + j] != 0:
                    n = _judge_scope(
                        t, postings, i, cells[c, C_SCOPES + j], accounts[account, A_DATE], may_rise, n
                    )
            if limits[L_HAS_CAPS] and is_capped:
                n = _caps(t, postings, i, c, accounts[account, A_DATE], n)
    return postings.shape[0], n


@compiled
def judge_silence(
    now_ns, limits, shares, who64, x32, hits, legs, plan, shapes, state, cells, rates,
    mark_rates, cell_index, pairs, scopes, scope_index, cross, rings, active, caps, sessions, orders,
    accounts, symbols, currencies,
):  # fmt: skip
    """Time has passed; returns (hits, whether there was room for all)."""
    t = Tables(
        limits, shares, who64, x32, hits, legs, plan, shapes, state, cells, rates, mark_rates, cell_index,
        pairs, scopes, scope_index, cross, rings, active, caps, sessions, orders, accounts, symbols,
        currencies,
    )  # fmt: skip
    return _tick(t, now_ns, np.int64(-1), np.int64(0))


class Exposure(Detector):
    """Positions and working orders against limits: gross, net and units, of one order and of a day."""

    reasons = REASONS
    Settings = ExposureSettings
    LIMIT_KEYS: ClassVar[tuple[str, ...]] = (
        "gross", "net", "quantity", "order_notional", "order_quantity", "session_orders", "session_notional",
        "hard_orders", "hard_notional",
    )  # fmt: skip
    LIMIT_WORDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"basis": BASES, "currency": ("USD",)}
    BYTES_MAX = BYTES_MAX

    def __init__(self, settings: ExposureSettings, view: View) -> None:
        super().__init__(settings, view)
        self.shapes = Shapes.of(settings.limit)
        plan, shapes = self.shapes.tables()
        int64: dict[str, tuple[int, ...]] = {
            "state": (16,),
            "cells": (CELLS_MAX, CELL),
            "scopes": (SCOPES_MAX, SCOPE),
            "cross": (SCOPES_MAX * N_REASONS, CROSS),
            "rings": (SCOPES_MAX * 2, RING),
            "caps": (SCOPES_MAX, CAP),
            "sessions": (SESSIONS_MAX * 2, CROSS),
            "accounts": (ACCOUNTS_MAX, 3),
            "symbols": (SYMBOLS_MAX, SYMBOL),
            "currencies": (CURRENCIES_MAX, 2),
        }
        int32: dict[str, tuple[int, ...]] = {
            "cell_index": (2 * CELLS_MAX,),
            "pairs": (lt.PAIRS_MAX,),
            "scope_index": (2 * SCOPES_MAX,),
            "active": (SCOPES_MAX,),
            "orders": (ORDERS_MAX, len(plan)),
        }
        self.tables = {
            "plan": plan,
            "shapes": shapes,
            "rates": np.zeros(CELLS_MAX, np.float64),
            "mark_rates": np.zeros(SYMBOLS_MAX, np.float64),
            **{name: np.zeros(shape, np.int64) for name, shape in int64.items()},
            **{name: np.zeros(shape, np.int32) for name, shape in int32.items()},
        }
        has_caps = any(set(row) & set(self.LIMIT_KEYS[3:]) for row in settings.limit)
        bases = sum({1 << BASES.index(row.get("basis", BASES[INTRADAY])) for row in settings.limit})
        seconds = (settings.warn_time_to_limit_s, settings.high_time_to_limit_s)
        fixed = {
            L_BASES: bases,
            L_UNPRICED: _fixed(settings.unpriced_notional, ev.MONEY),
            L_RUNNING: settings.running_count,
            L_TIME_WARN: _fixed(seconds[0], ev.UNIT),
            L_TIME_HIGH: _fixed(seconds[1], ev.UNIT),
            L_FLOOR: _fixed(settings.floor_share, ev.UNIT),
            L_OVERS: settings.orders_over_count,
            L_OVER_WINDOW: _fixed(settings.orders_over_window_s, SECOND_NS),
            L_HAS_CAPS: int(has_caps),
        }
        self._hits = np.zeros((HITS, HIT + 1), np.int64)
        self._t = Tables(
            limits=np.array([fixed[column] for column in sorted(fixed)], np.int64),
            shares=np.array([settings.mark_near_share, settings.order_halt_times, settings.warn_share]),
            who64=view.ledger.tables["who64"],
            x32=view.ledger.tables["x32"],
            hits=self._hits,
            legs=np.zeros(2 * GRAINS_MAX, np.int64),
            **self.tables,
        )
        self._open_firm()

    def _open_firm(self) -> None:
        """The firm is a scope from the beginning: the bucket of cells belongs to it."""
        t = self.tables
        for shape, (kinds, _) in enumerate(self.shapes.shapes):
            if not kinds:
                scope = t["state"][ST_SCOPES] = t["state"][ST_SCOPES] + 1
                t["shapes"][shape, H_FIRM] = scope
                t["scopes"][scope, S_SHAPE] = shape
                t["cells"][0, C_SCOPES + shape - t["plan"][0, G_FIRST]] = scope
        self._answer()

    def on_postings(self, postings: Postings) -> Iterator[Breach]:
        start, state = 0, self.tables["state"]
        self._answer()
        while start < len(postings.rows):
            start, count = judge(postings.rows, start, postings.batch.rows, *self._t)
            yield from self._said(count)
            self._answer()
            if state[ST_CURRENCY]:
                self._name_currency(int(state[ST_CURRENCY]))

    def on_time(self, now_ns: int) -> Iterator[Breach]:
        self._answer()
        done = now_ns < self.tables["state"][ST_NEXT_NS]
        while not done:
            count, done = judge_silence(now_ns, *self._t)
            yield from self._said(count)

    def wake_at_ns(self) -> int | None:
        """The next second while anything moved or stands to be confirmed."""
        s = self.tables["state"]
        return int(s[ST_TICKED] + 1) * SECOND_NS if s[ST_ACTIVE] and s[ST_TICKED] else None

    def results(self) -> Mapping[str, Result]:
        """Stale: a price, a rate or a stated position is missing; what there is is judged all the same."""
        scopes = self.tables["scopes"][: int(self.tables["state"][ST_SCOPES]) + 1]
        doubt = (scopes[:, S_VALUES + V_UNPRICED] > 0) | (scopes[:, S_VALUES + V_UNSTATED] > 0)
        stale = {}
        for scope in np.flatnonzero(doubt & (scopes[:, S_WATCHED] > 0)):
            for measure in range(MEASURES):
                is_limited = scopes[scope, S_STEP + MEASURES * LIMITED + measure] != NO_LIMIT
                if is_limited and (measure != QUANTITY or scopes[scope, S_VALUES + V_UNSTATED] > 0):
                    stale[f"{REASONS[measure].code} {self._scope(int(scope))}"] = Result.STALE
        return stale

    def used(self) -> Mapping[str, int]:
        s, names = self.tables["state"], self.view.names
        cells, scopes = int(s[ST_CELLS]) + 1, int(s[ST_SCOPES]) + 1
        return {
            "cells": cells,
            "rates": cells,
            "scopes": scopes,
            "cross": scopes * N_REASONS,
            "rings": scopes * 2,
            "caps": scopes,
            "active": int(s[ST_ACTIVE]),
            "sessions": 2 * (names.count(nm.SESSION) + nm.FIRST),
            "accounts": names.count(nm.ACCOUNT) + nm.FIRST,
            "symbols": names.count(nm.SYMBOL) + nm.FIRST,
            "mark_rates": names.count(nm.SYMBOL) + nm.FIRST,
            "currencies": names.count(nm.CURRENCY) + nm.FIRST,
            "orders": int(s[ST_ORDERS]),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        for name in ("plan", "shapes"):
            if name in state and not np.array_equal(state[name], self.tables[name]):
                msg = f"{self.family()}: a snapshot for limits by other kinds of scope"
                raise ValueError(msg)
        super().restore(state)
        self.tables["state"][ST_ANSWERED] = 0  # limits are the settings', not the snapshot's

    # -- what the kernels ask ----------------------------------------------------------------------

    def _answer(self) -> None:
        """The limits of scopes that are new."""
        state, scopes, caps = (self.tables[name] for name in ("state", "scopes", "caps"))
        for scope in range(int(state[ST_ANSWERED]) + 1, int(state[ST_SCOPES]) + 1):
            kinds, is_quantity = self.shapes.shapes[int(scopes[scope, S_SHAPE])]
            asked = kinds - {"symbol"} if is_quantity else kinds
            limits = self.shapes.limits(asked, self._scope(scope).mapping)
            steps = scopes[scope, S_STEP : S_STEP + STEPS * MEASURES].reshape(STEPS, MEASURES).T
            steps[:] = NO_LIMIT
            for measure, (key, unit) in enumerate(
                (("gross", ev.MONEY), ("net", ev.MONEY), ("quantity", ev.UNIT))
            ):
                is_wide = key == "quantity" and "symbol" not in kinds  # asked of each symbol by itself
                if key in limits and not is_wide and (not is_quantity or measure == QUANTITY):
                    limit = _fixed(limits[key], unit)
                    own = self.settings
                    shares = (own.floor_share, 0.5, own.warn_share, own.high_share)
                    steps[measure] = [*(int(limit * share) for share in shares), limit]
            scopes[scope, S_BASIS] = BASES.index(limits.get("basis", BASES[INTRADAY]))
            has_caps = not is_quantity and bool(set(limits) & set(self.LIMIT_KEYS[3:]))
            scopes[scope, S_HAS_CAPS] = has_caps
            scopes[scope, S_WATCHED] = has_caps or (steps[:, LIMITED] != NO_LIMIT).any()
            if has_caps:
                for column, (key, unit) in CAP_KEYS.items():
                    caps[scope, column] = _fixed(limits.get(key, 0), unit)
        state[ST_ANSWERED] = state[ST_SCOPES]

    def _name_currency(self, currency: int) -> None:
        """Whether a currency is the dollar."""
        is_dollar = self.view.names.text(nm.CURRENCY, currency) == "USD"
        self.tables["currencies"][currency, F_KNOWN] = F_DOLLAR if is_dollar else F_OTHER
        if is_dollar:
            self.tables["currencies"][currency, F_USD] = ev.UNIT

    def _scope(self, scope: int) -> Scope:
        """The scope that a limit is written for."""
        row, names = self.tables["scopes"][scope], self.view.names
        kinds, is_quantity = self.shapes.shapes[int(row[S_SHAPE])]
        told = {
            **self.view.ledger.attributes(int(row[S_WHO])),
            "account": names.text(nm.ACCOUNT, int(row[S_ACCOUNT])),
            "symbol": names.text(nm.SYMBOL, int(row[S_SYMBOL])),
            "venue": names.text(nm.VENUE, int(row[S_VENUE])),
            "side": "buy" if row[S_SIDE] > 0 else "sell",
        }
        return Scope.of({kind: told[kind] for kind in kinds if kind != "symbol" or not is_quantity})

    def _said(self, count: int) -> Iterator[Breach]:
        """The hits as sentences, in the order in which they were found."""
        names = self.view.names
        for hit in self._hits[:count]:
            code = int(hit[SCOPE_CODE])
            reason = REASONS[int(hit[REASON])]
            unit = ev.MONEY if int(hit[REASON]) in IN_MONEY else ev.UNIT
            is_ours = hit[SCOPE_KIND] == OF_SCOPE
            yield Breach(
                detector=self.family(),
                reason=reason.code,
                severity=Severity(int(hit[SEVERITY])),
                scope=self._scope(code) if is_ours else Scope.of(session=names.text(nm.SESSION, code)),
                measured=_number(int(hit[MEASURED]), unit),
                limit=_number(int(hit[LIMIT]), unit),
                unit=reason.unit,
                evidence=evidence(hit[FOUND:HIT]),
                at_ns=int(hit[AT]),
                row=int(hit[ROW]),
                exposed_usd=int(hit[USD]) / ev.MONEY,
                by_mark=bool(hit[BY_MARK]),
            )


CAP_KEYS: Final = {
    P_NOTIONAL: ("order_notional", ev.MONEY),
    P_QTY: ("order_quantity", ev.UNIT),
    P_ORDERS: ("session_orders", ev.UNIT),
    P_DAY_NOTIONAL: ("session_notional", ev.MONEY),
    P_HARD_ORDERS: ("hard_orders", ev.UNIT),
    P_HARD_NOTIONAL: ("hard_notional", ev.MONEY),
}


def _fixed(value: float, unit: int) -> int:
    return min(round(value * unit), NO_LIMIT - 1)


def _number(fixed: int, unit: int) -> int | float:
    return fixed // unit if fixed % unit == 0 else fixed / unit
