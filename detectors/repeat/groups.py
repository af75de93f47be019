"""Equal orders: same account, session, venue, symbol, side, quantity and price.

A group is found by a hash of those seven.  It is forgotten when nothing in it can matter any more, by LOW
alone, so that it makes no difference whether its row was taken by another group meanwhile.
"""

from __future__ import annotations

from detectors import posting as po
from detectors.kernel import SECOND_NS, inlined
from detectors.ledger.index import erase, mix, place_of
from detectors.repeat import tables as tb

_OTHERWISE = 0x5851F42D4C957F2D  # two hashes of the same seven, as of an id


@inlined
def key_of(p, quantity):
    """What an order is equal to, as two numbers."""
    where = (p[po.SYMBOL] << 32) | (p[po.VENUE] << 2) | (p[po.SIGN] + 1)
    who, terms = mix(p[po.ACCOUNT] | (p[po.SESSION] << 32), where), mix(quantity, p[po.PX])
    return mix(who, terms), mix(terms ^ _OTHERWISE, who)


@inlined
def group_of(t, hi, lo, low):
    """The group of these orders, begun now if there is none or if it is forgotten."""
    group = t.slots[place_of(t.slots, t.groups, hi, lo)]
    if group == 0:
        group = _room(low, t.limits, t.state, t.groups, t.slots)
        t.slots[place_of(t.slots, t.groups, hi, lo)] = group
        _begin(group, hi, lo, t.groups, t.state)
    elif _is_over(t.groups[group], low, t.limits):
        _begin(group, hi, lo, t.groups, t.state)
    return group


@inlined
def life_of(group, groups):
    """A group, and which life of it: one number."""
    return (groups[group, tb.G_LIFE] << tb.GROUP_BITS) | group


@inlined
def alive(life, groups):
    """The group of a life, 0 if that life is over."""
    group = life & (tb.GROUPS_MAX - 1)
    return group if groups[group, tb.G_LIFE] == life >> tb.GROUP_BITS else 0


@inlined
def _is_over(g, low, limits):
    """Whether nothing in it can matter any more."""
    remembered = max(limits[tb.L_RESENT_NS], 10 * SECOND_NS)
    if g[tb.G_SENT] > g[tb.G_ANSWERED]:
        remembered = max(limits[tb.L_UNANSWERED_NS], remembered)
    return low - g[tb.G_NEWEST] > remembered


@inlined
def _begin(group, hi, lo, groups, state):
    state[tb.S_LIVES] += 1
    for column in range(tb.GROUP):
        groups[group, column] = 0
    groups[group, tb.G_HI] = hi
    groups[group, tb.G_LO] = lo
    groups[group, tb.G_LIFE] = state[tb.S_LIVES]


@inlined
def _room(low, limits, state, groups, slots):
    """A row that nobody needs: one that is over, else one never used, else whichever comes next."""
    used, is_over = state[tb.S_GROUPS], False
    for _ in range(min(tb.STEPS_MAX, used)):
        state[tb.S_HAND] = state[tb.S_HAND] % used + 1
        is_over = _is_over(groups[state[tb.S_HAND]], low, limits)
        if is_over:
            break
    if not is_over and used + 1 < groups.shape[0]:
        state[tb.S_GROUPS] = used + 1
        return used + 1
    group = state[tb.S_HAND]
    if not is_over:
        state[tb.S_FORGOTTEN] += 1
    erase(slots, groups, place_of(slots, groups, groups[group, tb.G_HI], groups[group, tb.G_LO]))
    return group
