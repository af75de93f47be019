"""What the family remembers: the columns of its tables, their bounds and the sums behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.evidence import HIT, RING
from detectors.kernel import SECOND_NS
from detectors.ledger.tables import WHOS_MAX

if TYPE_CHECKING:
    from detectors.contract import Int64Array

# fmt: off
# Thresholds: see `settings.THRESHOLDS`.
(
    L_WARN, L_HALT, L_RUNNING, L_ABNORMAL_WARN, L_ABNORMAL_HIGH, L_QUANTILE, L_FLOOR, _, _, L_WARM_UP,
    L_DRIFT, L_PEER_WARN, L_PEER_HIGH, L_PEER_FLOOR, L_PEER_HOSTS,
) = range(15)

# One-off numbers.
(
    S_TICKED, S_NEXT_NS,             # the last second that is judged; when the next one ends
    S_SCOPES, S_PAIRS, S_HOSTS,      # rows in use besides row 0
    S_ACTIVE_SCOPES, S_ACTIVE_PAIRS, S_PEERS_UNTIL,
    S_SCOPES_TOLD, S_PAIRS_TOLD,     # rows of which the settings said what they have to say
    S_OPENED_AT,                     # when a venue last opened
    S_KNOWN_HOSTS,                   # codes of hosts that told a role, 1 more than the highest
    S_SHAPES,                        # which sorts of scope the rows are of
) = range(13)
STATE: Final = 16

# What was counted lies in seconds of event time; what comes later than its second counts in the one that is
# not judged yet, what comes earlier in the last one that there is room for.
BUCKETS: Final = 16
AHEAD: Final = 12
KEEP_S: Final = 4                    # seconds that a scope is judged after it last counted: rungs are let go

# A scope with a cap: 31 columns, 16 MB if there are 65,536; its evidence 408 bytes, 27 MB.
SCOPES_MAX: Final = 1 << 16
SHAPES_MAX: Final = 8
KINDS_MAX: Final = 4                 # of one sort of scope
(
    C_SHAPE, C_NAMES, _, _, _,       # which sort, and the codes of its names
    C_CAP,                           # messages in a second; no part of the state, the settings say it
    C_RUNS, C_UNTIL, C_ACTIVE,       # evaluations running over the cap; the last second it is evaluated
) = range(9)
C_COUNTS: Final = 9                  # (second, messages) each
SCOPE: Final = C_COUNTS + 2 * BUCKETS
CROSS: Final = 4

# A host and a strategy: 78 columns and 3 x 20 of its models, 9 MB if there are 8,192; evidence 3.3 MB.
PAIRS_MAX: Final = 1 << 13
MEASURES: Final = 3                  # orders, shares, dollars
(P_CROSSED, _, _, P_HOST, P_STRATEGY, P_BASE, P_UNTIL, P_ACTIVE, P_RUNS) = range(9)
P_SUMS: Final = 9          # (second, orders, shares, dollars) each
PAIR: Final = P_SUMS + 4 * BUCKETS

# Its models, one row a measure: a quantile (P2), exponentially weighted mean and variance, and a drift.
(
    M_SEEN, M_HEIGHT, _, _, _, _, M_PLACE, _, _, _, _, M_WANTED, _, _, _, _, M_MEAN, M_VARIANCE,
    M_DRIFT_N, M_DRIFT_MEAN, M_DRIFT_SUM, M_DRIFT_MIN,
) = range(22)
MODEL: Final = 22
SEEN_MIN: Final = 300                # seconds with something sent, before a model of today says anything
QUANTILE: Final = 0.99
FADING: Final = 0.01
DRIFT_DELTA: Final = 1.0
DRIFT_CAP: Final = 20.0              # deviations of one second count at most so much in a drift
PER_MAD: Final = 1.4826              # a median absolute deviation as a standard one

HOSTS_MAX: Final = 1 << 12
(H_CROSSED, _, _, H_ROLE, H_RUNS, H_UNTIL) = range(6)
H_COUNTS: Final = 6
HOST: Final = H_COUNTS + 2 * BUCKETS
SYMBOLS_MAX: Final = 1 << 16         # the last price of each
SESSIONS_MAX: Final = 1 << 14
VENUES_MAX: Final = 1 << 12
WHO_KEYS: Final = SHAPES_MAX + 2     # scopes of an attribution, its pair, and whether they were found
W_PAIR, W_FOUND = SHAPES_MAX, SHAPES_MAX + 1
HITS_OF_ONE: Final = SHAPES_MAX
# fmt: on

INT64: Final[dict[str, tuple[int, ...]]] = {
    "state": (STATE,),
    "scopes": (SCOPES_MAX, SCOPE),
    "cross": (SCOPES_MAX, CROSS),
    "rings": (SCOPES_MAX, RING),
    "active_scopes": (SCOPES_MAX,),
    "pairs": (PAIRS_MAX, PAIR),
    "pair_rings": (PAIRS_MAX, RING),
    "active_pairs": (PAIRS_MAX,),
    "hosts": (HOSTS_MAX, HOST),
    "host_rings": (HOSTS_MAX, RING),
    "prices": (SYMBOLS_MAX,),
    "venues": (VENUES_MAX,),
}
MODELS: Final = (PAIRS_MAX * MEASURES, MODEL)
HITS_MAX: Final = SCOPES_MAX + PAIRS_MAX + HOSTS_MAX + HITS_OF_ONE
QUIET_NS: Final = np.int64(3600 * SECOND_NS)  # evidence before an hour of quiet is another story's
# Found again after a snapshot, and no part of it; the indexes are at most half full.
ANSWERS: Final = {
    "whos": (WHOS_MAX, WHO_KEYS),
    "sessions": (SESSIONS_MAX, WHO_KEYS),
    "scope_index": (2 * SCOPES_MAX,),
    "pair_index": (2 * PAIRS_MAX,),
}


class Tables(NamedTuple):
    """All that the kernels read and write."""

    limits: NDArray[np.float64]
    base: NDArray[np.float64]  # learned: (row, bin of the day, measure, (median, MAD)); row 0 is nobody's
    opens: Int64Array  # when sessions open, rising; of a day by UTC where nobody said
    state: Int64Array
    scopes: Int64Array
    cross: Int64Array
    rings: Int64Array
    active_scopes: Int64Array
    pairs: Int64Array
    pair_rings: Int64Array
    active_pairs: Int64Array
    models: NDArray[np.float64]
    hosts: Int64Array
    host_rings: Int64Array
    prices: Int64Array
    venues: Int64Array
    whos: NDArray[np.int32]
    sessions: NDArray[np.int32]
    scope_index: NDArray[np.int32]
    pair_index: NDArray[np.int32]
    shapes: Int64Array  # of a sort of scope: how many kinds, and which of `ledger.tables.W_...`
    who64: Int64Array  # the ledger's attributions
    hits: Int64Array


def empty() -> dict[str, NDArray[Any]]:
    """What is a snapshot too."""
    tables: dict[str, NDArray[Any]] = {name: np.zeros(shape, np.int64) for name, shape in INT64.items()}
    return {**tables, "models": np.zeros(MODELS, np.float64)}


# 95 MB if all were full, and 39 MB for what one second may find; untouched pages cost nothing.
BYTES_MAX: Final = 8 * (
    HITS_MAX * HIT
    + sum(int(np.prod(shape)) for shape in (*INT64.values(), MODELS))
    + sum(int(np.prod(shape)) for shape in ANSWERS.values())
)
