"""Parents: announced once, known by their children before that.

Identity: the parent id within its trade date, unless it is still working.
"""

from __future__ import annotations

from detectors import event as ev
from detectors.kernel import inlined
from detectors.ledger import tables as t
from detectors.ledger.index import erase, mix, place_of

RECYCLE_STEPS_MAX = 64  # parents looked at for a free code at one event, so that no event waits for all


@inlined
def find_parent(rows, r, p64, p_index):
    """Code of the latest parent of this id; 0 if none."""
    return p_index[place_of(p_index, p64, rows[r, ev.PARENT_HI], rows[r, ev.PARENT_LO])]


@inlined
def still_parent(parent, date, p32):
    """The parent of an order or execution of this date; -1 where its code is another's since (`P_AGAIN`)."""
    if parent > 0 and p32[parent, t.P_FLAGS] & t.P_AGAIN and p32[parent, t.P_DATE] > date:
        return -1
    return parent


@inlined
def is_over(rows, r, at, parent, p64, p32):
    """Whether nothing was heard of a parent of an earlier trade date for long: its id may have come back."""
    is_older = p32[parent, t.P_DATE] < rows[r, ev.TRADE_DATE]
    return is_older and p64[parent, t.P_TOUCHED_AT] + t.OVER_NS < at


@inlined
def has_ended(parent, p64, p32):
    """Whether a parent works no more: it is done, or booked in full and nobody said so."""
    is_booked = 0 < p64[parent, t.P_QTY] <= p64[parent, t.P_BOOKED]
    return p32[parent, t.P_FLAGS] & t.P_DONE != 0 or is_booked


@inlined
def new_parent(rows, r, at, text, p64, p32, p_index, p_text, p_books, one):
    """A fresh code under the event's parent id; 0, the bucket, when every code is in use."""
    again = 0
    if one[t.N_PARENTS] + 1 < p64.shape[0]:
        one[t.N_PARENTS] += 1
        parent = one[t.N_PARENTS]
    else:
        parent = _recycled_parent(rows, r, p64, p32, p_index, one)
        if parent == 0:
            one[t.OVERFLOWED] += 1
            return 0
        again = t.P_AGAIN
    p64[parent, :] = 0
    p32[parent, :] = 0
    p32[parent, t.P_FLAGS] = again
    p_books[parent, :] = 0
    p64[parent, t.P_HI] = rows[r, ev.PARENT_HI]
    p64[parent, t.P_LO] = rows[r, ev.PARENT_LO]
    p64[parent, t.P_TOUCHED_AT] = at
    p32[parent, t.P_DATE] = rows[r, ev.TRADE_DATE]
    start = rows[r, ev.PARENT_AT] >> 8
    length = min(rows[r, ev.PARENT_AT] & 255, t.PARENT_TEXT_BYTES)
    p_text[parent, :] = 0
    for i in range(length):
        p_text[parent, i] = text[start + i]
    p_index[place_of(p_index, p64, rows[r, ev.PARENT_HI], rows[r, ev.PARENT_LO])] = parent
    return parent


@inlined
def _recycled_parent(rows, r, p64, p32, p_index, one):
    """A parent of an earlier trade date that is done, or one only heard of long ago."""
    for _ in range(RECYCLE_STEPS_MAX):
        one[t.PARENT_HAND] = 1 + one[t.PARENT_HAND] % (p64.shape[0] - 1)
        p = one[t.PARENT_HAND]
        idle = p64[p, t.P_TOUCHED_AT] + one[t.RETAIN] < one[t.LOW]
        known = p32[p, t.P_FLAGS] & t.P_KNOWN
        past = p32[p, t.P_FLAGS] & t.P_DONE and p32[p, t.P_DATE] < rows[r, ev.TRADE_DATE]
        if idle and (past or not known):
            slot = place_of(p_index, p64, p64[p, t.P_HI], p64[p, t.P_LO])
            if p_index[slot] == p:
                erase(p_index, p64, slot)
            one[t.RECYCLED] += 1
            return p
    return 0


@inlined
def booked_before(parent, rows, r, p64, p_books):
    """Whether this booking (without a total of its own) is one of the parent's last eight, told again."""
    h = mix(mix(rows[r, ev.TS], rows[r, ev.LAST_QTY]), rows[r, ev.LAST_PX]) | 1
    for i in range(t.BOOKINGS_REMEMBERED):
        if p_books[parent, i] == h:
            return True
    p_books[parent, p64[parent, t.P_CURSOR] % t.BOOKINGS_REMEMBERED] = h
    p64[parent, t.P_CURSOR] += 1
    return False


@inlined
def parent_named(rows, r, at, own, text, p64, p32, p_index, p_text, p_books, one):
    """The parent that an order or a fill names, known or not; -1 if it names none.

    One that ended on an earlier trade date is not meant where the id came back and the child came before
    its parent; the `own` parent of a fill's order is meant all the same.
    """
    if rows[r, ev.PARENT_HI] == 0 and rows[r, ev.PARENT_LO] == 0:
        return -1
    parent = find_parent(rows, r, p64, p_index)
    may_be_new = parent != own and has_ended(parent, p64, p32)
    if parent == 0 or (may_be_new and is_over(rows, r, at, parent, p64, p32)):
        return new_parent(rows, r, at, text, p64, p32, p_index, p_text, p_books, one)
    p64[parent, t.P_TOUCHED_AT] = max(at, p64[parent, t.P_TOUCHED_AT])
    return parent
