"""Whether a live parent wants what is sent: announced, not done or held, and not yet covered by others."""

from __future__ import annotations

from detectors import posting as po
from detectors.kernel import inlined
from detectors.posting import Note, PostingKind
from detectors.repeat import tables as tb


@inlined
def is_covered(p, parents, limits):
    """Whether the order that was just sent stays within its live parent, and is that parent's at all."""
    if p[po.PARENT] <= 0 or p[po.BITS] & (Note.PARENT_UNKNOWN | Note.OFF_PARENT):
        return False
    m = parents[p[po.PARENT]]
    if m[tb.P_FLAGS] & tb.HELD or not m[tb.P_FLAGS] & tb.OPENED:
        return False
    if m[tb.P_FLAGS] & tb.DONE and p[po.AT] - m[tb.P_DONE_AT] > limits[tb.L_GRACE]:
        return False
    return m[tb.P_FILLED] + max(m[tb.P_WORKING], 0) <= m[tb.P_QTY]


@inlined
def take(p, parents, state):
    """What a posting does to its parent."""
    kind, parent, bits = p[po.KIND], p[po.PARENT], p[po.BITS]
    m = parents[parent]
    state[tb.S_PARENTS] = max(parent + 1, state[tb.S_PARENTS])
    is_another = kind == PostingKind.PARENT_OPENED or bits & Note.PARENT_UNKNOWN != 0
    if is_another and m[tb.P_FLAGS] & tb.OPENED:
        m[:] = 0  # another parent has this code now
    if kind == PostingKind.PARENT_OPENED:
        m[tb.P_FLAGS] |= tb.OPENED
        m[tb.P_QTY] = max(p[po.QTY], m[tb.P_QTY])
    elif kind == PostingKind.PARENT_AMENDED:
        m[tb.P_QTY] = max(p[po.QTY], m[tb.P_QTY])  # what was sent for the higher one may still be on its way
        m[tb.P_FLAGS] &= ~tb.DONE
    elif kind == PostingKind.PARENT_HELD:
        m[tb.P_FLAGS] |= tb.HELD
    elif kind == PostingKind.PARENT_RELEASED:
        m[tb.P_FLAGS] &= ~tb.HELD
    elif kind == PostingKind.PARENT_DONE:
        m[tb.P_FLAGS] |= tb.DONE
        m[tb.P_DONE_AT] = p[po.AT]
    elif not bits & (Note.OFF_PARENT | Note.PACKAGE):
        m[tb.P_FILLED] += p[po.FILL]
        m[tb.P_WORKING] += p[po.WORK]
        if p[po.FILL] < 0 and kind in (PostingKind.BUSTED, PostingKind.CORRECTED):
            m[tb.P_FLAGS] &= ~tb.DONE  # what it was done by is gone
