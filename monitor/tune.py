"""What ordinary days look like, learned from recordings: rates by time of the session, messages, flags.

    learn(files, opens)  ->  Learned, from which `core.baseline.document` is made

Seconds in which a host and strategy sent something are gathered by five minutes of the session; what is kept
is the median and the median absolute deviation of orders, shares and dollars, so that one wild day among five
changes little.  Fewer than `SECONDS_MIN` such seconds say nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors import event as ev
from detectors import names as nm
from detectors.baseline import BEFORE_S, BIN_S, BINS, DAY_NS, Rates
from detectors.storm.masking import masked
from monitor.core.decode import Decoder
from monitor.edge import files as recordings

SECOND_NS: Final = 1_000_000_000
SECONDS_MIN: Final = 20  # of one host and strategy in one bin
TEXTS: Final = (ev.Kind.ERROR, ev.Kind.ORDER_REJECT, ev.Kind.CANCEL_REJECT, ev.Kind.SESSION_EVENT)
Pair = tuple[str, str]


@dataclass
class Learned:
    """What recordings said, before it is boiled down."""

    events: int = 0
    days: set[str] = field(default_factory=set)
    files: list[dict[str, str]] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    flags: dict[str, int] = field(default_factory=dict)
    seconds: dict[Pair, dict[int, list[float]]] = field(default_factory=lambda: defaultdict(dict))

    def rates(self, opens: NDArray[np.int64]) -> dict[Pair, dict[int, list[float]]]:
        """Median and MAD of orders, shares and dollars, of each bin that was busy enough."""
        found: dict[Pair, dict[int, list[float]]] = {}
        for pair, told in sorted(self.seconds.items()):
            at = np.array(list(told), np.int64)
            sums = np.array(list(told.values()))
            places = bins_of(at * SECOND_NS, opens)
            usual: dict[int, list[float]] = {}
            for place in np.unique(places[places >= 0]):
                some = sums[places == place]
                if len(some) >= SECONDS_MIN:
                    median = np.median(some, axis=0)
                    mad = np.median(np.abs(some - median), axis=0)
                    usual[int(place)] = [float(x) for pair in zip(median, mad, strict=True) for x in pair]
            if usual:
                found[pair] = usual
        return found


def bins_of(at_ns: NDArray[np.int64], opens: NDArray[np.int64]) -> NDArray[np.int64]:
    """As the detectors' own `bin_of`, of many times at once."""
    before = BEFORE_S * SECOND_NS
    session = np.searchsorted(opens, at_ns + before, side="right") - 1
    place = (at_ns - opens[np.maximum(session, 0)] + before) // (BIN_S * SECOND_NS)
    good: NDArray[np.int64] = np.where((session >= 0) & (place < BINS), place, -1)
    return good


def learn(paths: Sequence[Path], progress: Callable[[float, str], None] | None = None) -> Learned:
    """Read recordings one after another.  Raises `files.BadFile` with the file and why."""
    learned = Learned()
    for index, path in enumerate(paths):
        names = nm.Names()
        decoder = Decoder(names)

        def told(read: int, size: int, index: int = index) -> None:
            if progress is not None:
                share = (index + (read / size if size else 1.0)) / len(paths)
                progress(share, f"{learned.events:,} events")

        for piece in recordings.read(path, told):
            if isinstance(piece, recordings.Lines):
                decoded = decoder.decode_lines(piece.text, 0, piece.first_line)
            else:
                decoded = decoder.decode_table(piece.table, 0, piece.first_row)
            learned.events += decoded.events
            _take(learned, decoded.batch.rows, names)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        learned.files.append({"name": path.name, "sha256": digest})
    return learned


def _take(learned: Learned, rows: NDArray[np.int64], names: nm.Names) -> None:
    kind = rows[:, ev.KIND]
    _take_orders(learned, rows[kind == ev.Kind.ORDER_NEW], names)
    for code in np.unique(rows[np.isin(kind, TEXTS), ev.REASON]):
        if code > nm.OTHER:
            learned.reasons.add(masked(names.text(nm.REASON, int(code))))
    uses = np.isin(kind, (ev.Kind.HEARTBEAT, ev.Kind.ORDER_NEW, ev.Kind.PARENT_NEW))
    flagged = rows[uses & (rows[:, ev.FLAGS] > nm.OTHER)]
    for code in np.unique(flagged[:, ev.FLAGS]):
        day = int(flagged[flagged[:, ev.FLAGS] == code, ev.TS].max() // DAY_NS)
        for flag in names.flags(int(code)):
            learned.flags[flag] = max(day, learned.flags.get(flag, 0))


def _take_orders(learned: Learned, rows: NDArray[np.int64], names: nm.Names) -> None:
    if not len(rows):
        return
    learned.days |= {str(np.datetime64(int(day), "D")) for day in np.unique(rows[:, ev.TRADE_DATE])}
    keys = np.stack([rows[:, ev.HOST], rows[:, ev.STRATEGY], rows[:, ev.TS] // SECOND_NS], axis=1)
    whose, which = np.unique(keys, axis=0, return_inverse=True)
    which = which.reshape(-1)
    shares = rows[:, ev.QTY] / ev.UNIT
    price = np.where(rows[:, ev.PRICE] == ev.NONE, 0, rows[:, ev.PRICE]) / ev.UNIT
    sums = [
        np.bincount(which, weights=each, minlength=len(whose))
        for each in (np.ones(len(rows)), shares, shares * abs(price))
    ]
    for (host, strategy, second), *more in zip(whose.tolist(), *sums, strict=True):
        seconds = learned.seconds[names.text(nm.HOST, host), names.text(nm.STRATEGY, strategy)]
        before = seconds.get(second, [0.0, 0.0, 0.0])
        seconds[second] = [a + float(b) for a, b in zip(before, more, strict=True)]


def opens_or_midnights(opens: NDArray[np.int64] | None) -> NDArray[np.int64]:
    return Rates().opens if opens is None else opens


def described(document: Any) -> dict[str, Any]:
    """What was learned, in a few numbers."""
    return {
        "days": document["days"],
        "build": document["build"],
        "calendar": document["calendar"],
        "reasons": len(document["reasons"]),
        "flags": document["flags"],
        "hosts_and_strategies": len(document["rates"]),
    }
