"""Saying so: evidence is kept by place and reason, and a hit carries what was kept until then."""

from __future__ import annotations

from detectors import posting as po
from detectors.child_parent.reasons import CLEAR
from detectors.child_parent.tables import N_REASONS, PL_CODE, PL_KIND
from detectors.evidence import found, remember
from detectors.kernel import REARM_NS, compiled, crossed, inlined


@inlined
def keep(t, p, place, reason, quiet_ns):
    """Count this posting as evidence."""
    remember(t.rings, place * N_REASONS + reason, p[po.PART], p[po.OFFSET], p[po.AT], quiet_ns)


@compiled
def accuse(t, n, reason, rung, row, at, place, measured, limit, usd):
    """One more hit, against a place; returns the next free one."""
    kind, code = t.places[place, PL_KIND], t.places[place, PL_CODE]
    key = place * N_REASONS + reason
    return found(t.hits, n, reason, rung, row, at, kind, code, measured, limit, 0, usd, t.rings, key)


@compiled
def crossed_at_events(cross, key, rung, at):
    """As `kernel.crossed` for what is true at the instant of an event only: right after it, it fell."""
    if at - cross[key, 3] >= REARM_NS:
        cross[key, 0], cross[key, 1], cross[key, 2] = 0, 0, 0
    else:
        crossed(cross, key, CLEAR, cross[key, 3])
    cross[key, 3] = max(at, cross[key, 3])
    return crossed(cross, key, rung, at)
