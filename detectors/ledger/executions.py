"""Executions: counted once, busted, corrected, and told apart on two venues.

Identity: (venue, else session, else order; trade date; exec id).  An execution keeps its own
attribution, so that a bust hours later still finds whom it concerns.  A bust or a
correction that comes before its fill is kept until the fill comes.
"""

from __future__ import annotations

from detectors import event as ev
from detectors.kernel import inlined
from detectors.ledger import tables as t
from detectors.ledger.index import erase, mix, place_of


@inlined
def space_of(rows, r, order, o32):
    """Where an exec id is unique: a venue, else a session, else an order; 0 if nothing says."""
    venue = rows[r, ev.VENUE]
    if venue == 0 and order > 0:
        venue = o32[order, t.VENUE]
    if venue != 0:
        return (1 << 32) | venue
    session = rows[r, ev.SESSION]
    if session == 0 and order > 0:
        session = o32[order, t.SESSION]
    if session != 0:
        return (2 << 32) | session
    if rows[r, ev.ORDER_HI] != 0 or rows[r, ev.ORDER_LO] != 0:
        return (3 << 32) | (mix(rows[r, ev.ORDER_HI], rows[r, ev.ORDER_LO]) & 0xFFFFFFFF)
    return 0


@inlined
def is_older(x, than, x64, one):
    """Whether a row of the ring was given away before another one: false where it is another's since."""
    capacity = x64.shape[0] - 1
    newest = (one[t.N_EXECS] - 1) % capacity + 1
    return (newest - x) % capacity > (newest - than) % capacity


@inlined
def actual(x, x64, x32, one):
    """The execution behind a correction's exec id; 0 if the ring has forgotten it."""
    while x > 0 and x32[x, t.X_STATE] & t.X_ALIAS:
        behind = x32[x, t.X_ORDER]
        x = behind if x32[x, t.X_STATE] & t.X_AHEAD or is_older(behind, x, x64, one) else 0
    return x


@inlined
def linked_before(link, than):
    """Whether a place in the lists of pairs comes before another; places begin again after two billion."""
    return link > 0 and 0 < (than - link) % t.LINKS < t.LINKS // 2


@inlined
def session_of(rows, r, order, o32):
    """The space that the session of an event, or of its order, would be; 0 if nothing says."""
    session = rows[r, ev.SESSION]
    if session == 0 and order > 0:
        session = o32[order, t.SESSION]
    return (2 << 32) | session if session != 0 else 0


@inlined
def find_execution(hi, lo, space, session, order, date, undoes, x64, x32, x_index, who64, one):
    """Code of that execution; 0 if none.  `space` 0 and `order` -1 mean: whichever is the latest.

    Who `undoes` one may be of any date, and name only its venue or only its session.  What was told of an
    execution before it came (a bust, a correction) may have named its session only: `session`.
    """
    best = 0
    x = x_index[place_of(x_index, x64, hi, lo)]
    while x != 0:
        found = actual(x, x64, x32, one)
        if found > 0 and not x32[x, t.X_STATE] & t.X_CHANGE:
            own = x64[found, t.X_SPACE]
            state = x32[found, t.X_STATE] & 15
            is_early = state == t.X_EARLY_BUST or state == t.X_EARLY_CORRECTION
            here = (
                (space == 0 and order <= 0)
                or own == space
                or own == 0
                or (is_early and own == session)
                or (
                    order > 0 and x32[found, t.X_ORDER] == order and not (own >> 32 == 1 and space >> 32 == 1)
                )
            )
            if undoes and not here and not is_early:
                its_venue = (1 << 32) | x32[found, t.X_VENUE]
                its_session = (2 << 32) | who64[x32[found, t.X_WHO], t.W_SESSION]
                here = space == its_venue
                here |= space == its_session
            if here:
                if x32[found, t.X_DATE] == date:
                    return found
                if best == 0 and (undoes or is_early):
                    best = found
        x = x32[x, t.X_OLDER]
    return best


@inlined
def names_already(hi, lo, x, x64, x32, x_index, one):
    """Whether a correction of this exec id was taken over by the execution before."""
    if (hi == 0 and lo == 0) or (hi == x64[x, t.X_HI] and lo == x64[x, t.X_LO]):
        return False
    other = x_index[place_of(x_index, x64, hi, lo)]
    while other != 0:
        if x32[other, t.X_STATE] & t.X_ALIAS and actual(other, x64, x32, one) == x:
            return True
        other = x32[other, t.X_OLDER]
    return False


@inlined
def new_execution(hi, lo, kept, o32, x64, x32, x_index, one):
    """A code for an exec id.  The table is a ring: past its bound the oldest is forgotten, and counted.

    `kept`: an execution that the new code says something of.  If it is the oldest, it becomes the newest.
    """
    capacity = x64.shape[0] - 1
    one[t.N_EXECS] += 1
    x = 1 + (one[t.N_EXECS] - 1) % capacity
    if one[t.N_EXECS] > capacity and x == kept:
        one[t.N_EXECS] += 1
        x = 1 + (one[t.N_EXECS] - 1) % capacity
    if one[t.N_EXECS] > capacity:
        _forget_execution(x, o32, x64, x32, x_index)
        one[t.FORGOTTEN] += 1
    x64[x, :] = 0
    x32[x, :] = 0
    x64[x, t.X_HI] = hi
    x64[x, t.X_LO] = lo
    slot = place_of(x_index, x64, hi, lo)
    x32[x, t.X_OLDER] = x_index[slot]
    x_index[slot] = x
    return x


@inlined
def _forget_execution(x, o32, x64, x32, x_index):
    if not x32[x, t.X_STATE] & (t.X_ALIAS | t.X_CHANGE) and x32[x, t.X_ORDER] > 0:
        _leave_order(x, x32[x, t.X_ORDER], o32, x32)
    slot = place_of(x_index, x64, x64[x, t.X_HI], x64[x, t.X_LO])
    if x_index[slot] == x:
        if x32[x, t.X_OLDER] != 0:
            x_index[slot] = x32[x, t.X_OLDER]
        else:
            erase(x_index, x64, slot)
        return
    newer = x_index[slot]
    while newer != 0 and x32[newer, t.X_OLDER] != x:
        newer = x32[newer, t.X_OLDER]
    if newer != 0:
        x32[newer, t.X_OLDER] = x32[x, t.X_OLDER]


@inlined
def _leave_order(x, order, o32, x32):
    """Take an execution out of the list of its order, which may outlive it."""
    before, each = 0, o32[order, t.FIRST_EXEC]
    while each != 0 and each != x:  # it is the first, but where a bust came before its fill
        before, each = each, x32[each, t.X_NEXT_ORDER]
    if each == 0:
        return
    if before == 0:
        o32[order, t.FIRST_EXEC] = x32[x, t.X_NEXT_ORDER]
    else:
        x32[before, t.X_NEXT_ORDER] = x32[x, t.X_NEXT_ORDER]
    if o32[order, t.LAST_EXEC] == x:
        o32[order, t.LAST_EXEC] = before


@inlined
def book(change, at, pair, pair64):
    """Add an executed quantity to a pair; returns the change of BASE that keeps a later total right."""
    pair64[pair, t.PAIR_POS] += change
    if pair64[pair, t.PAIR_AS_OF] >= at:  # the position that was stated holds it already
        pair64[pair, t.PAIR_BASE] -= change
        return -change
    return 0


@inlined
def link_to_pair(x, pair, x32, pair64, one):
    """Enter an execution in its pair's list, once, where a later stated position looks for it."""
    if x32[x, t.X_STATE] & t.X_LINKED:
        return
    x32[x, t.X_STATE] |= t.X_LINKED
    one[t.N_LINKS] = 1 + one[t.N_LINKS] % (t.LINKS - 1)
    x32[x, t.X_LINK] = one[t.N_LINKS]
    x32[x, t.X_NEXT_PAIR] = pair64[pair, t.PAIR_LAST_EXEC]
    pair64[pair, t.PAIR_LAST_EXEC] = x
