"""What compiled code found, and which records a human should open first.

A ring is one row of an int64 table: how many events counted, and the sixteen newest ranges of
records that hold them.  A hit is a row too: what was found, with a copy of its ring as it stood
at that event, so that a breach reads the same wherever its batch was cut.

>>> rings = np.zeros((1, RING), np.int64)
>>> for offset in (7, 8, 9, 40):
...     remember(rings, 0, 2, offset, offset, 60)
>>> evidence(rings[0])
Evidence(ranges=((2, 7, 9), (2, 40, 40)), count=4)
>>> remember(rings, 0, 2, 500, 500, 60)  # 460 ns of quiet: the old story is over
>>> evidence(rings[0])
Evidence(ranges=((2, 500, 500),), count=1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.contract import EVIDENCE_RANGES_MAX, Breach, Evidence, Int64Array, Severity
from detectors.event import MONEY, NONE, UNIT
from detectors.kernel import compiled
from detectors.names import KIND_WORDS, OTHER
from detectors.scope import FIRM, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from detectors.contract import Reason
    from detectors.names import Names

# A ring: events counted, ranges ever begun, time of the newest, then (PART, first OFFSET, last OFFSET) each.
(COUNT, BEGUN, LAST_AT, RANGES) = range(4)
SLOTS: Final = EVIDENCE_RANGES_MAX
RING: Final = RANGES + 3 * SLOTS  # 51 columns, 408 bytes a key

# A hit: REASON is an index into the family's reasons; SCOPE_KIND a kind of name + 1, 0 the firm; MEASURED and
# LIMIT 1e-8, USD 1e-4, `NONE` where unknown; IN_USD: measured in dollars rather than the reason's unit.
(REASON, SEVERITY, ROW, AT, SCOPE_KIND, SCOPE_CODE, MEASURED, LIMIT, IN_USD, USD, FOUND) = range(11)
HIT: Final = FOUND + RING

USD_MAX: Final = 9e18  # in 1e-4 dollars: what int64 holds; beyond it a sum stays there


@compiled
def remember(rings, key, part, offset, at, quiet_ns):
    """Count one event as evidence for `key`; after `quiet_ns` without one, begin anew."""
    if at - rings[key, LAST_AT] > quiet_ns:
        rings[key, COUNT] = 0
        rings[key, BEGUN] = 0
    rings[key, LAST_AT] = max(at, rings[key, LAST_AT])
    rings[key, COUNT] += 1
    begun = rings[key, BEGUN]
    if begun > 0:
        newest = RANGES + 3 * ((begun - 1) % SLOTS)
        if rings[key, newest] == part and rings[key, newest + 1] <= offset <= rings[key, newest + 2] + 1:
            rings[key, newest + 2] = max(offset, rings[key, newest + 2])
            return
    slot = RANGES + 3 * (begun % SLOTS)
    rings[key, slot] = part
    rings[key, slot + 1] = offset
    rings[key, slot + 2] = offset
    rings[key, BEGUN] = begun + 1


@compiled
def found(hits, n, reason, severity, row, at, kind, code, measured, limit, in_usd, usd, rings, key):
    """Write hit `n` with the evidence of `key`; returns the next free hit."""
    hits[n, REASON] = reason
    hits[n, SEVERITY] = severity
    hits[n, ROW] = row
    hits[n, AT] = at
    hits[n, SCOPE_KIND] = kind
    hits[n, SCOPE_CODE] = code
    hits[n, MEASURED] = measured
    hits[n, LIMIT] = limit
    hits[n, IN_USD] = in_usd
    hits[n, USD] = usd
    for column in range(RING):
        hits[n, FOUND + column] = rings[key, column]
    return n + 1


@compiled
def dollars(quantity, price):
    """Quantity times price (1e-8 each) as money (1e-4), whatever the sign of the price."""
    value = abs(float(quantity) * float(price)) * (MONEY / (float(UNIT) * float(UNIT)))
    return np.int64(np.rint(min(value, USD_MAX)))


def evidence(ring: Int64Array) -> Evidence:
    """The ranges of a ring, in the order of the records."""
    ranges = ring[RANGES:].reshape(SLOTS, 3)[: min(int(ring[BEGUN]), SLOTS)]
    return Evidence(tuple(sorted((int(p), int(a), int(b)) for p, a, b in ranges)), int(ring[COUNT]))


def breaches(
    hits: Int64Array, count: int, family: str, reasons: Sequence[Reason], names: Names
) -> Iterator[Breach]:
    """The hits as sentences, in the order in which they were found."""
    for hit in hits[:count]:
        reason = reasons[int(hit[REASON])]
        yield Breach(
            detector=family,
            reason=reason.code,
            severity=Severity(int(hit[SEVERITY])),
            scope=_scope(int(hit[SCOPE_KIND]), int(hit[SCOPE_CODE]), names),
            measured=_number(int(hit[MEASURED])),
            limit=None if hit[LIMIT] == NONE else _number(int(hit[LIMIT])),
            unit="USD" if hit[IN_USD] else reason.unit,
            evidence=evidence(hit[FOUND:]),
            at_ns=int(hit[AT]),
            row=int(hit[ROW]),
            exposed_usd=None if hit[USD] == NONE else int(hit[USD]) / MONEY,
        )


def _scope(kind: int, code: int, names: Names) -> Scope:
    """A name that is absent, or in the bucket of those over the bound, can only be the firm."""
    if kind == 0 or code <= OTHER:
        return FIRM
    return Scope.of({KIND_WORDS[kind - 1]: names.text(kind - 1, code)})


def _number(fixed: int) -> int | float:
    return fixed // UNIT if fixed % UNIT == 0 else fixed / UNIT
