"""What is known of a parent: what it wants, what was filled and works for it, whether it is done.

A parent that wants children again voids what was counted against it.  Its code may be another's one day.
"""

from __future__ import annotations

from detectors import event as ev
from detectors import posting as po
from detectors.child_parent import tables as tb
from detectors.kernel import compiled, inlined
from detectors.posting import Note, PostingKind


@inlined
def covered(m):
    """What children took of it, or may yet."""
    return m[tb.P_FILLED] + max(m[tb.P_WORKING], 0)


@inlined
def is_overfilled(m, limits):
    """Whether more was filled than was ever wanted, and the slack."""
    return m[tb.P_QTY] > 0 and m[tb.P_FILLED] > m[tb.P_QTY] + limits[tb.L_SLACK]


@inlined
def take(t, p, row):
    """Book what a posting does to its parent; whether it may have changed what the parent covers."""
    kind, parent = p[po.KIND], p[po.PARENT]
    m = t.parents[parent]
    t.state[tb.S_PARENTS] = max(parent + 1, t.state[tb.S_PARENTS])
    if PostingKind.PARENT_OPENED <= kind <= PostingKind.PARENT_DONE:
        _told(p, row, t.parents, t.places)
        return True
    is_done_again = kind == PostingKind.DUPLICATE and row[ev.KIND] == ev.Kind.PARENT_DONE and parent > 0
    if is_done_again and p[po.AT] > m[tb.P_DONE_AT]:
        _done(p, row, m)  # done again after a bust: to the ledger it was done all the while
    if (p[po.FILL] == 0 and p[po.WORK] == 0) or p[po.BITS] & (Note.OFF_PARENT | Note.PACKAGE):
        return False
    m[tb.P_FILLED] += p[po.FILL]
    m[tb.P_WORKING] += p[po.WORK]
    # What the parent was done by is gone; what a late child filled, and lost again, is no reason for more.
    is_undone = p[po.FILL] < 0 and kind in (PostingKind.BUSTED, PostingKind.CORRECTED)
    is_timely = p[po.SENT_AT] <= m[tb.P_DONE_AT] + t.limits[tb.L_GRACE]
    if is_undone and is_timely and m[tb.P_FLAGS] & tb.DONE:
        _reopen(m, p[po.AT], t.places)
    return kind != PostingKind.MOVED_OUT  # its MOVED_IN comes next


@compiled
def forget(m, places):
    """Another parent has this code now."""
    _void(m, places)
    life, voided = m[tb.P_LIFE], m[tb.P_VOIDED]
    m[:] = 0
    m[tb.P_LIFE] = life + 1
    m[tb.P_VOIDED] = voided


@compiled
def _told(p, row, parents, places):
    """What the order system says of a parent."""
    kind, parent = p[po.KIND], p[po.PARENT]
    m = parents[parent]
    if parent == 0:
        if kind == PostingKind.PARENT_OPENED:
            m[tb.P_QTY] += p[po.QTY]
        return
    if kind == PostingKind.PARENT_OPENED:
        if m[tb.P_FLAGS] & tb.OPENED:
            forget(m, places)
        m[tb.P_FLAGS] |= tb.OPENED
        m[tb.P_QTY] = max(p[po.QTY], m[tb.P_QTY])
    elif kind == PostingKind.PARENT_AMENDED:
        m[tb.P_QTY] = max(p[po.QTY], m[tb.P_QTY])
        if m[tb.P_FLAGS] & tb.DONE:
            _reopen(m, p[po.AT], places)
    elif kind == PostingKind.PARENT_BOOKED:
        m[tb.P_BOOKED] += p[po.QTY]
        # The order system took a booking back: it will want those shares again.
        is_short = m[tb.P_QTY] == 0 or m[tb.P_BOOKED] < m[tb.P_QTY]
        if p[po.QTY] < 0 and is_short and m[tb.P_FLAGS] & tb.DONE:
            _reopen(m, p[po.AT], places)
    elif kind == PostingKind.PARENT_DONE:
        _done(p, row, m)
    m[tb.P_FLAGS] |= tb.HEARD


@inlined
def _done(p, row, m):
    """Nothing may be sent for it any more; the first word counts."""
    if not m[tb.P_FLAGS] & tb.DONE:
        m[tb.P_FLAGS] |= tb.DONE
        m[tb.P_DONE_AT] = p[po.AT]
        m[tb.P_DONE_HOST] = row[ev.HOST]
        m[tb.P_DONE_PART] = p[po.PART]
        m[tb.P_DONE_OFFSET] = p[po.OFFSET]


@compiled
def _reopen(m, at, places):
    """The parent wants children again."""
    _void(m, places)
    m[tb.P_FLAGS] &= ~tb.DONE
    m[tb.P_DONE_AT] = at


@inlined
def _void(m, places):
    """Withdraw what was counted against its children."""
    accused = places[m[tb.P_LATE_PLACE]]
    accused[tb.PL_USD] -= min(m[tb.P_LATE_USD], accused[tb.PL_USD])
    m[tb.P_LATE] = 0
    m[tb.P_LATE_USD] = 0
    m[tb.P_VOIDED] += 1
