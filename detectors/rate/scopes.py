"""Whose messages count where: an attribution's scopes with a cap, its host and strategy; asked once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from detectors import names as nm
from detectors.limits import nearest, widest_first
from detectors.rate import tables as tb
from detectors.scope import FIRM, Scope

if TYPE_CHECKING:
    from detectors.contract import View
    from detectors.rate.settings import RateSettings

NO_CAP = 1 << 62
CODES = {word: kind for kind, word in enumerate(nm.KIND_WORDS)}


class Scopes:
    """The scopes with a cap and the pairs that were seen; the tables hold them, this finds them again."""

    def __init__(self, t: tb.Tables, settings: RateSettings, view: View) -> None:
        self.t, self.view = t, view
        self.shapes = settings.shapes()
        self.rows = widest_first(settings.limit)
        self.scopes: dict[tuple[int, ...], int] = {}
        self.pairs: dict[tuple[int, int], int] = {}

    def restored(self) -> None:
        """Find again what a snapshot brought; caps and baselines are the settings', not the snapshot's."""
        t = self.t
        self.scopes.clear()
        self.pairs.clear()
        for s in range(1, int(t.state[tb.S_SCOPES]) + 1):
            self.scopes[tuple(int(x) for x in t.scopes[s, : tb.C_CAP])] = s
            t.scopes[s, tb.C_CAP] = self._cap(s)
        for pair in range(1, int(t.state[tb.S_PAIRS]) + 1):
            host, strategy = int(t.pairs[pair, tb.P_HOST]), int(t.pairs[pair, tb.P_STRATEGY])
            self.pairs[host, strategy] = pair
            t.pairs[pair, tb.P_BASE] = self._base(host, strategy)

    def answer(self) -> None:
        """Say what the kernel has asked for."""
        t = self.t
        asked, code = int(t.state[tb.S_ASKED]), int(t.state[tb.S_CODE])
        t.state[tb.S_ASKED] = 0
        if asked == tb.ASK_WHO:
            told, whose = self.view.ledger.attributes(code), t.whos[code]
        else:
            text = self.view.names.text(nm.SESSION, code)
            told, whose = {"session": text} if code > nm.OTHER else {}, t.sessions[code]
        for shape, kinds in enumerate(self.shapes):
            if all(told.get(kind) for kind in kinds):
                whose[shape] = self._scope(shape, kinds, told)
        whose[tb.W_PAIR] = self._pair(told)
        whose[tb.W_ASKED] = 1

    def scope_of(self, s: int) -> Scope:
        row = self.t.scopes[s]
        kinds = self.shapes[int(row[tb.C_SHAPE])]
        texts = {
            kind: self.view.names.text(CODES[kind], int(row[tb.C_NAMES + n])) for n, kind in enumerate(kinds)
        }
        return Scope.of(texts) if texts else FIRM

    def _scope(self, shape: int, kinds: tuple[str, ...], told: Mapping[str, str]) -> int:
        codes = [self.view.names.code(CODES[kind], told[kind]) for kind in kinds]
        key = (shape, *codes, *[0] * (tb.KINDS_MAX - len(codes)))
        s = self.scopes.get(key, 0)
        if s == 0 and int(self.t.state[tb.S_SCOPES]) + 1 < tb.SCOPES_MAX:
            self.t.state[tb.S_SCOPES] += 1
            s = self.scopes[key] = int(self.t.state[tb.S_SCOPES])
            self.t.scopes[s, : tb.C_CAP] = key
            self.t.scopes[s, tb.C_CAP] = self._cap(s)
        return s

    def _cap(self, s: int) -> int:
        scope = self.scope_of(s)
        kinds = frozenset(kind for kind, _ in scope.conditions)
        return int(nearest(self.rows, kinds, scope.mapping).get("messages_per_s", NO_CAP))

    def _pair(self, told: Mapping[str, str]) -> int:
        names = self.view.names
        key = names.code(nm.HOST, told.get("host", "")), names.code(nm.STRATEGY, told.get("strategy", ""))
        pair = self.pairs.get(key, 0)
        if pair == 0 and int(self.t.state[tb.S_PAIRS]) + 1 < tb.PAIRS_MAX:
            self.t.state[tb.S_PAIRS] += 1
            pair = self.pairs[key] = int(self.t.state[tb.S_PAIRS])
            self.t.pairs[pair, tb.P_HOST], self.t.pairs[pair, tb.P_STRATEGY] = key
            self.t.pairs[pair, tb.P_BASE] = self._base(*key)
        return pair

    def _base(self, host: int, strategy: int) -> int:
        """The row of the baseline for a host and strategy, 0 if none was learned."""
        names = self.view.names
        return self.view.rates.row(names.text(nm.HOST, host), names.text(nm.STRATEGY, strategy))
