"""What the family remembers: the columns of its tables, their bounds and the sums behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from detectors.evidence import HIT, RING
from detectors.fleet.reasons import N_REASONS, STATES
from detectors.fleet.settings import MANIFEST_MAX
from detectors.kernel import SECOND_NS
from detectors.ledger.tables import WHOS_MAX

if TYPE_CHECKING:
    from detectors.contract import Int64Array

# fmt: off
# Limits: see `FleetSettings.fixed`.
(
    L_SILENT_WARN, L_SILENT_HIGH, L_WRONG_HIGH, L_IDLE_HALT, L_ARRIVAL, L_GRACE, L_ROLLOUT_SILENCE, L_DORMANT,
    L_HAS_GRANTS,
) = range(9)

# One-off numbers.
(
    S_TICKED, S_NEXT_NS, S_UNTIL,  # the last second judged; when the next one ends; the last that may say
    S_HOSTS,                       # host codes seen, 1 more than the highest
    S_ASKED, S_CODE,               # what the kernel has to know before it goes on, and of which code
    S_FIRST_AT,                    # when the fleet was first heard
    S_TOLD, S_OPEN,                # venues that told a phase; venues that are not closed
    S_EXPECT_AT,                   # since when hosts are expected again after all venues were closed
    S_ROLES,                       # which roles the tables are of
) = range(11)
STATE: Final = 16
ASK_HOST, ASK_BUILD, ASK_CONFIG, ASK_FLAGS, ASK_WHO = 1, 2, 3, 4, 5

# A host: 26 columns, 0.9 MB if there are 4,096; its evidence 2 kB, 8.4 MB.
HOSTS_MAX: Final = 1 << 12
(
    H_ROW,                         # row of the manifest + 1, -1 none, 0 nobody was asked yet
    H_ROLE,                        # its role, 0 none
    H_BEAT_AT, H_BUILD, H_CONFIG, H_FLAGS,   # what its last heartbeat said
    H_WRONG, _, _,                 # since when it is not as declared, by reason; 0: it is
    H_ORDERED_AT,                  # its last order while it was not
    H_OWN, H_PHASE, H_PHASE_AT, H_OLD,  # the build declared for it, how far, since when; what it ran then
    H_SLEPT, H_USED_AT,            # a flag that woke: how many days it slept, when the host last used it
) = range(16)
HOST: Final = 16
CROSS: Final = 4
BUILDS_MAX, CONFIGS_MAX, FLAG_SETS_MAX = 1 << 12, 1 << 14, 1 << 10
STRATEGIES_MAX, VENUES_MAX = 1 << 16, 1 << 12
ASKED: Final = 62                  # bit of a mask that says that somebody answered
ANY_FLAGS: Final = 33              # how many flags a set has, and the code of each
(F_DAY, F_WOKE_AT, F_SLEPT) = range(3)  # of a flag: its last day + 1, when it woke, how long it slept
FLAG_COLUMNS: Final = 3

# A role: what is counted of it, anew at each second and whenever one of its hosts changes.
ROLES_MAX: Final = MANIFEST_MAX + 1
BUILDS_DECLARED: Final = 8         # builds of a role that a roll-out declared, the newest of them
(R_LIVE, R_WRONG, _, _, R_HEARD, R_SILENT, R_TRADED_AT, R_NEXT) = range(8)
R_DECLARED: Final = 8
ROLE: Final = R_DECLARED + BUILDS_DECLARED
UNASKED, GRANTED, NO_HOST, NO_STRATEGY, NO_ACCOUNT = 0, 1, 2, 3, 4  # of a WHO
HITS_OF_ONE: Final = 4 * N_REASONS
AT_WORK_NS: Final = 600 * SECOND_NS  # a role that sent within this time is at work
IN_USE_NS: Final = 60 * SECOND_NS  # a flag that slept is in use for so long after it was seen
SETTLING_S: Final = 3              # after the last threshold each rung is held for one second more
CATCH_UP_S: Final = 30             # seconds that one host is judged by when its heartbeat comes late
# fmt: on

SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "state": (STATE,),
    "hosts": (HOSTS_MAX, HOST),
    "cross": (HOSTS_MAX * N_REASONS, CROSS),
    "rings": (HOSTS_MAX * N_REASONS, RING),
    "flags": (FLAG_SETS_MAX, FLAG_COLUMNS),
    "roles": (ROLES_MAX, ROLE),
    "role_cross": (ROLES_MAX, CROSS),
    "role_rings": (ROLES_MAX, RING),
    "strategy_cross": (STRATEGIES_MAX, CROSS),
    "strategy_rings": (STRATEGIES_MAX, RING),
    "venues": (VENUES_MAX,),
}
# What the manifest and the grants say of a code.  No part of a snapshot: they may say otherwise after it.
ANSWERS: Final[dict[str, tuple[int, ...]]] = {
    "builds": (BUILDS_MAX,),
    "configs": (CONFIGS_MAX,),
    "flag_masks": (FLAG_SETS_MAX,),
    "flag_sets": (FLAG_SETS_MAX, ANY_FLAGS),
    "whos": (WHOS_MAX,),
}
HITS_MAX: Final = HOSTS_MAX * N_REASONS + ROLES_MAX + HITS_OF_ONE


class Tables(NamedTuple):
    """All that the kernels read and write."""

    limits: Int64Array
    manifest: Int64Array  # of a row: its role, whether it names flags, a configuration, a build
    counts: Int64Array  # of a role: how many hosts are declared
    sessions: Int64Array  # (open, close) of each session of each calendar that the manifest names
    state: Int64Array
    hosts: Int64Array
    cross: Int64Array  # by host and reason, as are the rings of evidence
    rings: Int64Array
    builds: Int64Array  # bits of the manifest's rows that expect it, and `ASKED`
    configs: Int64Array
    flag_masks: Int64Array
    flag_sets: Int64Array
    flags: Int64Array
    roles: Int64Array
    role_cross: Int64Array
    role_rings: Int64Array
    strategy_cross: Int64Array
    strategy_rings: Int64Array
    venues: Int64Array
    whos: Int64Array
    hits: Int64Array


M_ROLE, M_FLAGS, M_CONFIG, M_BUILD, M_SESSIONS, M_SESSIONS_END = range(6)  # the last two of `sessions`
MANIFEST: Final = 6
assert STATES == H_ORDERED_AT - H_WRONG

# 49 MB if all were full, of which only touched pages are resident; 8.6 MB more for what is found at once.
BYTES_MAX: Final = 8 * (
    HITS_MAX * HIT + sum(int(np.prod(shape)) for shape in (*SHAPES.values(), *ANSWERS.values()))
)
