"""Whose an event is: attributions and (account, symbol) pairs, each with a dense code.

Eleven attributes are one WHO, because the flow of a firm knows far fewer combinations
than events, and because a scope is a question about a WHO.
"""

from __future__ import annotations

from detectors import event as ev
from detectors.kernel import inlined
from detectors.ledger import tables as t
from detectors.ledger.index import mix


@inlined
def who_of(rows, r, account, host_build, who64, index, one):
    """Code of the event's attribution with this account; 0 when the table is full."""
    if one[t.N_WHOS] + 2 >= t.WHOS_MAX:
        one[t.OVERFLOWED] += 1
        return 0
    new = one[t.N_WHOS] + 1  # written where it would go; kept only if nobody is the same
    host = rows[r, ev.HOST]
    build = rows[r, ev.BUILD]
    if build == 0 and 0 < host < host_build.size:
        build = host_build[host]  # an order seldom names the software that sent it, a heartbeat does
    who64[new, t.W_ACCOUNT] = account
    who64[new, t.W_ENTITY] = rows[r, ev.ENTITY]
    who64[new, t.W_DESK] = rows[r, ev.DESK]
    who64[new, t.W_TRADER] = rows[r, ev.TRADER]
    who64[new, t.W_CLIENT] = rows[r, ev.CLIENT]
    who64[new, t.W_STRATEGY] = rows[r, ev.STRATEGY]
    who64[new, t.W_ALGO] = rows[r, ev.ALGO]
    who64[new, t.W_BUILD] = build
    who64[new, t.W_HOST] = host
    who64[new, t.W_GATEWAY] = rows[r, ev.GATEWAY]
    who64[new, t.W_SESSION] = rows[r, ev.SESSION]
    return _interned(new, who64, index, one)


@inlined
def who_with_account(who, account, who64, index, one):
    """The same attribution, booked on another account (a give-up, an allocation at the fill)."""
    if one[t.N_WHOS] + 2 >= t.WHOS_MAX:
        one[t.OVERFLOWED] += 1
        return 0
    new = one[t.N_WHOS] + 1
    for column in range(t.WHO_KEYS):
        who64[new, column] = who64[who, column]
    who64[new, t.W_ACCOUNT] = account
    return _interned(new, who64, index, one)


@inlined
def _interned(new, who64, index, one):
    h = 0
    for column in range(0, t.WHO_KEYS - 1, 2):
        h = mix(h ^ (who64[new, column] << 32), who64[new, column + 1])
    h = mix(h, who64[new, t.WHO_KEYS - 1])
    mask = index.size - 1
    slot = h & mask
    while index[slot] != 0:
        code = index[slot]
        same = True
        for column in range(t.WHO_KEYS):
            same &= who64[code, column] == who64[new, column]
        if same:
            return code
        slot = (slot + 1) & mask
    who64[new, t.W_SENT_AT] = 0
    who64[new, t.W_ORDERS] = 0
    one[t.N_WHOS] = new
    index[slot] = new
    return new


@inlined
def pair_of(account, symbol, pair64, index, one):
    """Code of (account, symbol); 0 when the table is full."""
    mask = index.size - 1
    slot = mix(account, symbol) & mask
    while index[slot] != 0:
        code = index[slot]
        if pair64[code, t.PAIR_ACCOUNT] == account and pair64[code, t.PAIR_SYMBOL] == symbol:
            return code
        slot = (slot + 1) & mask
    if one[t.N_PAIRS] + 1 >= t.PAIRS_MAX:
        one[t.OVERFLOWED] += 1
        return 0
    one[t.N_PAIRS] += 1
    code = one[t.N_PAIRS]
    index[slot] = code
    pair64[code, t.PAIR_ACCOUNT] = account
    pair64[code, t.PAIR_SYMBOL] = symbol
    return code
