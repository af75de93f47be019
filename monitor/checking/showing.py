"""What recordings show: who is named in them, what is traded a day, and what would have fired."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors.event import NONE, UNIT, Kind
from detectors.names import Names
from detectors.scope import KINDS
from monitor.core.engine import Engine
from monitor.replay import Trace, arrivals
from monitor.settings.policy import policy_of

if TYPE_CHECKING:
    from detectors.contract import Int64Array
    from monitor.settings import Config

WHOLE_FROM: Final = 1_000  # of such a number nobody reads the fraction


@dataclass
class Shown:
    """Everything that a configuration is compared with."""

    volumes: dict[str, float] = field(default_factory=dict)  # symbol: shares that trade on an average day
    prices: dict[str, float] = field(default_factory=dict)  # symbol: its last mark, else its last fill
    ids: dict[str, frozenset[str]] = field(default_factory=dict)  # kind of scope: who was named
    breaches: Sequence[Mapping[str, Any]] = ()
    _marked: set[str] = field(default_factory=set)

    def take(self, rows: Int64Array, names: Names) -> None:
        """The volumes and prices of a batch."""
        kinds = (Kind.INSTRUMENT, Kind.MARK, Kind.FILL)
        for row in np.flatnonzero(
            np.isin(rows[:, ev.KIND], kinds) & (rows[:, ev.SYMBOL] > nm.OTHER)
        ).tolist():
            one = rows[row]
            symbol = names.text(nm.SYMBOL, int(one[ev.SYMBOL]))
            if one[ev.KIND] != Kind.FILL and one[ev.ADV] != NONE:
                self.volumes[symbol] = int(one[ev.ADV]) / UNIT
            if one[ev.KIND] == Kind.MARK:
                self.prices[symbol] = abs(int(one[ev.PRICE])) / UNIT
                self._marked.add(symbol)
            elif one[ev.KIND] == Kind.FILL and symbol not in self._marked:
                self.prices[symbol] = abs(int(one[ev.LAST_PX])) / UNIT


def show(
    config: Config, paths: Sequence[Path], progress: Callable[[float, str], None] | None = None
) -> Shown:
    """Judge recordings by the configuration as it is.  Raises `files.BadFile`."""
    shown, trace = Shown(), Trace()
    engine = Engine(policy_of(config))
    for arrived, decoded in arrivals(engine, paths, trace, progress):
        trace.read(decoded)
        shown.take(decoded.batch.rows, engine.names)
        trace.said(engine.handle(arrived))
    shown.breaches = trace.breaches
    for number, word in enumerate(nm.KIND_WORDS):
        if word in KINDS:
            last = nm.FIRST + engine.names.count(number)
            shown.ids[word] = frozenset(engine.names.text(number, code) for code in range(nm.FIRST, last))
    return shown


def number(value: float) -> str:
    """As a person would write it in the file.

    >>> number(5e6), number(0.25), number(13_116_900.5)
    ('5_000_000', '0.25', '13_116_900')
    """
    is_whole = float(value).is_integer() or abs(value) >= WHOLE_FROM
    return f"{value:_.0f}" if is_whole else f"{value:g}"
