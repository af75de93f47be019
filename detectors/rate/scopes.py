"""Whose messages count where: an attribution's scopes with a cap, its host and strategy; found once.

Kernels find them, as attributions are many; what a scope's cap is, and which row of the baseline a host and
strategy have, the settings say: a kernel that meets a new one stops until it was answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detectors import names as nm
from detectors.kernel import compiled, inlined
from detectors.ledger import tables as lt
from detectors.ledger.index import mix
from detectors.limits import nearest, widest_first
from detectors.rate import tables as tb
from detectors.scope import FIRM, Scope

if TYPE_CHECKING:
    from detectors.contract import View
    from detectors.rate.settings import RateSettings

NO_CAP = 1 << 62
CODES = {word: kind for kind, word in enumerate(nm.KIND_WORDS)}


class Scopes:
    """What the settings say of the scopes with a cap, and of the pairs, that the kernels found."""

    def __init__(self, t: tb.Tables, settings: RateSettings, view: View) -> None:
        self.t, self.view = t, view
        self.shapes = settings.shapes()
        self.rows = widest_first(settings.limit)

    def restored(self) -> None:
        """Find again what a snapshot brought; caps and baselines are the settings', not the snapshot's."""
        t = self.t
        for table in (t.whos, t.sessions, t.scope_index, t.pair_index):
            table[:] = 0
        find_again(*t)
        t.state[tb.S_SCOPES_TOLD] = t.state[tb.S_PAIRS_TOLD] = 0
        self.answer()

    def answer(self) -> None:
        """Tell the kernels what they stopped for: the caps and baselines of what is new."""
        t = self.t
        for s in range(int(t.state[tb.S_SCOPES_TOLD]) + 1, int(t.state[tb.S_SCOPES]) + 1):
            scope = self.scope_of(s)
            kinds = frozenset(kind for kind, _ in scope.conditions)
            t.scopes[s, tb.C_CAP] = nearest(self.rows, kinds, scope.mapping).get("messages_per_s", NO_CAP)
        for pair in range(int(t.state[tb.S_PAIRS_TOLD]) + 1, int(t.state[tb.S_PAIRS]) + 1):
            host, strategy = int(t.pairs[pair, tb.P_HOST]), int(t.pairs[pair, tb.P_STRATEGY])
            texts = self.view.names.text(nm.HOST, host), self.view.names.text(nm.STRATEGY, strategy)
            t.pairs[pair, tb.P_BASE] = self.view.rates.row(*texts)  # 0 if none was learned
        t.state[tb.S_SCOPES_TOLD] = t.state[tb.S_SCOPES]
        t.state[tb.S_PAIRS_TOLD] = t.state[tb.S_PAIRS]

    def scope_of(self, s: int) -> Scope:
        row = self.t.scopes[s]
        kinds = self.shapes[int(row[tb.C_SHAPE])]
        texts = {
            kind: self.view.names.text(CODES[kind], int(row[tb.C_NAMES + n])) for n, kind in enumerate(kinds)
        }
        return Scope.of(texts) if texts else FIRM


@inlined
def is_told(t):
    """Whether all that was found is answered."""
    state = t.state
    is_scopes = state[tb.S_SCOPES_TOLD] == state[tb.S_SCOPES]
    return is_scopes and state[tb.S_PAIRS_TOLD] == state[tb.S_PAIRS]


@compiled
def find(t, whose, who, session):
    """Write where an attribution counts; of one that is not known, its session.  Again changes nothing."""
    for shape in range(t.shapes.shape[0]):
        whose[shape] = _scope(t, np.int64(shape), who, session)
    whose[tb.W_PAIR] = _pair(t, _code(t, who, session, lt.W_HOST), _code(t, who, session, lt.W_STRATEGY))
    whose[tb.W_FOUND] = 1


@inlined
def _code(t, who, session, kind):
    """The code of one of its names, 0 if it has none."""
    if who != 0:
        return t.who64[who, kind]
    return session if kind == lt.W_SESSION else np.int64(0)


@inlined
def _scope(t, shape, who, session):
    """Its scope of one sort, 0 if it lacks a name for it or there is no room."""
    new = t.state[tb.S_SCOPES] + 1  # written where it would go; kept only if there is none yet
    if new >= tb.SCOPES_MAX:
        new = np.int64(0)  # a row that is nobody's
    row = t.scopes[new]
    row[tb.C_SHAPE] = shape
    for k in range(tb.KINDS_MAX):
        row[tb.C_NAMES + k] = 0
        if k < t.shapes[shape, 0]:
            row[tb.C_NAMES + k] = _code(t, who, session, t.shapes[shape, 1 + k])
            if row[tb.C_NAMES + k] == 0:
                _forget(row)
                return np.int64(0)
    slot = _slot(t.scope_index, t.scopes, tb.C_SHAPE, tb.C_CAP, new)
    if t.scope_index[slot] == 0 and new != 0:
        t.scope_index[slot] = new
        t.state[tb.S_SCOPES] = new
    else:
        _forget(row)
    return np.int64(t.scope_index[slot])


@inlined
def _forget(row):
    for column in range(tb.C_SHAPE, tb.C_CAP):
        row[column] = 0


@inlined
def _pair(t, host, strategy):
    """The row of a host and strategy, 0 if there is no room."""
    new = t.state[tb.S_PAIRS] + 1
    if new >= tb.PAIRS_MAX:
        new = np.int64(0)
    row = t.pairs[new]
    row[tb.P_HOST], row[tb.P_STRATEGY] = host, strategy
    slot = _slot(t.pair_index, t.pairs, tb.P_HOST, tb.P_BASE, new)
    if t.pair_index[slot] == 0 and new != 0:
        t.pair_index[slot] = new
        t.state[tb.S_PAIRS] = new
    else:
        row[tb.P_HOST], row[tb.P_STRATEGY] = 0, 0
    return np.int64(t.pair_index[slot])


@inlined
def _slot(index, rows, first, end, new):
    """Where an index holds the row that is as this one between two columns, or would hold it."""
    h = np.int64(0)
    for column in range(first, end):
        h = mix(h, rows[new, column])
    mask = index.shape[0] - 1
    slot = h & mask
    while index[slot] != 0:
        is_same = True
        for column in range(first, end):
            is_same &= rows[index[slot], column] == rows[new, column]
        if is_same:
            break
        slot = (slot + 1) & mask
    return slot


@compiled
def find_again(*tables):  # noqa: ANN002  Tables
    """Fill the indexes anew, of rows that a snapshot brought."""
    t = tb.Tables(*tables)
    for s in range(1, t.state[tb.S_SCOPES] + 1):
        t.scope_index[_slot(t.scope_index, t.scopes, tb.C_SHAPE, tb.C_CAP, s)] = s
    for pair in range(1, t.state[tb.S_PAIRS] + 1):
        t.pair_index[_slot(t.pair_index, t.pairs, tb.P_HOST, tb.P_BASE, pair)] = pair
