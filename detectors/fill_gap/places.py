"""Whose something is: its session's or its strategy's, else its host's, its account's, the firm's.

A place is a row of its own, found by its name; when all rows are in use, what is new is the firm's.
"""

from __future__ import annotations

from detectors import names as nm
from detectors import posting as po
from detectors.fill_gap.tables import Q_CODE, Q_KIND, S_ASKED, S_PLACES
from detectors.kernel import compiled, inlined
from detectors.ledger.index import mix


@inlined
def place_of(t, p, by_strategy):
    """The place of a posting."""
    kind, code = _name_of(p, by_strategy)
    if code == 0:
        return 0
    key, mask = ((kind + 1) << 40) | code, t.codes.shape[0] - 1
    slot = mix(key, key >> 32) & mask
    while t.codes[slot, 0] != 0 and t.codes[slot, 0] != key:
        slot = (slot + 1) & mask
    if t.codes[slot, 0] == 0 and _begin(kind, code, t.places, t.state):
        t.codes[slot, 0] = key
        t.codes[slot, 1] = t.state[S_PLACES]
    return t.codes[slot, 1]


@inlined
def _name_of(p, by_strategy):
    """Kind and code of whose it is; code 0: nobody's."""
    if by_strategy and p[po.STRATEGY] > nm.OTHER:
        return nm.STRATEGY, p[po.STRATEGY]
    if not by_strategy and p[po.SESSION] > nm.OTHER:
        return nm.SESSION, p[po.SESSION]
    if p[po.HOST] > nm.OTHER:
        return nm.HOST, p[po.HOST]
    if p[po.ACCOUNT] > nm.OTHER:
        return nm.ACCOUNT, p[po.ACCOUNT]
    return nm.ACCOUNT, 0


@compiled
def _begin(kind, code, places, state):
    """A row for a name that is heard for the first time; whether there is one."""
    if state[S_PLACES] + 1 >= places.shape[0]:
        return False
    state[S_PLACES] += 1
    places[state[S_PLACES], Q_KIND] = kind + 1
    places[state[S_PLACES], Q_CODE] = code
    state[S_ASKED] = state[S_PLACES]  # somebody must say whether it is declared electronic
    return True
