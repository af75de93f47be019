"""What is filled of a parent and what the order system has booked: the gap between them begins and ends.

A gap begins when more is filled than booked; its level is what was filled then.  It ends when what is
booked reaches the level, or when nothing is missing any more.  What was filled meanwhile is marked, so that
the next gap begins when the oldest of it was filled, and not when the booking came.
"""

from __future__ import annotations

import numpy as np

from detectors import posting as po
from detectors.evidence import dollars
from detectors.fill_gap import tables as tb
from detectors.fill_gap.clock import now_of, since_of, wake
from detectors.fill_gap.prices import price_of
from detectors.fill_gap.waiting import wait
from detectors.fill_gap.witnesses import PARENT_FILL, ask, hear
from detectors.kernel import inlined
from detectors.posting import Note, PostingKind


@inlined
def missing_usd(m):
    """What of a parent is filled and not booked."""
    return dollars(max(m[tb.P_FILLED] - m[tb.P_BOOKED], 0), m[tb.P_PX])


@inlined
def word_part(m, otherwise):
    """The partition in which the order system speaks of a parent."""
    return m[tb.P_PART] - 1 if m[tb.P_PART] > 0 else otherwise


@inlined
def of_parent(t, p, row, strategy):
    """What a posting does to its parent."""
    kind, parent, bits = p[po.KIND], p[po.PARENT], p[po.BITS]
    m, now = t.parents[parent], now_of(p)
    is_word = PostingKind.PARENT_OPENED <= kind <= PostingKind.PARENT_DONE
    is_opened = kind == PostingKind.PARENT_OPENED
    if m[tb.P_FLAGS] & tb.OPENED and (is_opened or bits & Note.PARENT_UNKNOWN):
        if m[tb.P_GAP] != 0:
            t.waiting[m[tb.P_GAP] - 1, tb.W_END] = now
        m[:] = 0  # another parent has this code now
    t.state[tb.S_PARENTS] = max(parent + 1, t.state[tb.S_PARENTS])
    missing = max(m[tb.P_FILLED] - m[tb.P_BOOKED], 0)
    if is_word:
        m[tb.P_FLAGS] |= tb.HEARD | (tb.OPENED if is_opened else 0)
        m[tb.P_PART] = p[po.PART] + 1
        if kind != PostingKind.PARENT_BOOKED:
            return
        hear(t, PARENT_FILL, p[po.PART], now)
        m[tb.P_BOOKED] += p[po.QTY]
    else:
        if bits & (Note.OFF_PARENT | Note.PACKAGE):
            return
        _filled(t, m, p, strategy)
    since = since_of(t, p, row)
    if m[tb.P_GAP] != 0:
        _close(t, m, now, missing)
        if p[po.FILL] > 0 and since != tb.DOUBTED:
            _mark(m, now)
    if m[tb.P_FILLED] > m[tb.P_BOOKED] and m[tb.P_GAP] == 0:
        oldest = _unmark(m)
        m[tb.P_FILLS] = 0 if is_word else 1
        m[tb.P_LAST_PART] = p[po.PART]
        m[tb.P_LAST_OFFSET] = p[po.OFFSET]
        began = oldest if oldest != 0 else since
        m[tb.P_GAP] = wait(t, p, tb.GAP, parent, began, m[tb.P_PLACE], 0)
        wake(t, now + t.limits[tb.L_ALLOWANCE] + t.limits[tb.L_HALT_NS])
        if m[tb.P_FLAGS] & tb.HEARD:
            ask(t, PARENT_FILL, word_part(m, p[po.PART]), since, p[po.OFFSET])


@inlined
def _filled(t, m, p, strategy):
    """More of it is filled, or less."""
    m[tb.P_FILLED] += p[po.FILL]
    if p[po.KIND] in (PostingKind.EXECUTED, PostingKind.MOVED_IN):
        m[tb.P_PX] = price_of(t, p)
        m[tb.P_PLACE] = strategy
        m[tb.P_FILLS] += 1
        m[tb.P_LAST_PART] = p[po.PART]
        m[tb.P_LAST_OFFSET] = p[po.OFFSET]


@inlined
def _close(t, m, now, missing):
    """End the gap if it is over; it keeps what was missing before, for the tick that judges it last."""
    wake(t, now)
    if m[tb.P_FILLED] > m[tb.P_BOOKED] and m[tb.P_BOOKED] < m[tb.P_LEVEL]:
        m[tb.P_LEVEL] = min(m[tb.P_FILLED], m[tb.P_LEVEL])
        return
    if m[tb.P_FILLED] <= m[tb.P_BOOKED]:
        m[tb.P_MARKS] = 0
    e = t.waiting[m[tb.P_GAP] - 1]
    e[tb.W_END] = now
    e[tb.W_USD] = dollars(missing, m[tb.P_PX])
    e[tb.W_FILLS] = m[tb.P_FILLS]
    m[tb.P_GAP] = 0


@inlined
def _mark(m, now):
    """Remember how much is filled now; within two seconds it is one mark, of the latest time."""
    marks = m[tb.P_MARKS]
    if marks == 0 or (marks < tb.MARKS and now - m[tb.P_MARKED_AT] >= tb.MARK_NS):
        marks += 1
        m[tb.P_MARKS] = marks
        m[tb.P_MARKED_AT] = now
        m[tb.P_MARK + 2 * (marks - 1)] = now
    newest = tb.P_MARK + 2 * (marks - 1)
    m[newest] = max(now, m[newest])
    m[newest + 1] = m[tb.P_FILLED]


@inlined
def _unmark(m):
    """When the oldest mark that is not booked was made, 0 if none is; its level, else that of now."""
    oldest, kept = np.int64(0), np.int64(0)
    m[tb.P_LEVEL] = m[tb.P_FILLED]
    for k in range(m[tb.P_MARKS]):
        at, filled = m[tb.P_MARK + 2 * k], m[tb.P_MARK + 2 * k + 1]
        if oldest != 0:
            m[tb.P_MARK + 2 * kept] = at
            m[tb.P_MARK + 2 * kept + 1] = filled
            kept += 1
        elif filled > m[tb.P_BOOKED]:
            oldest = at
            m[tb.P_LEVEL] = min(filled, m[tb.P_FILLED])
    m[tb.P_MARKS] = kept
    return oldest
