"""One family behind one ledger, told a stream in any pieces: what it says must not depend on them.

    run(make, stream, cuts={3}, restarts={5}, ticks={2: now_ns})  ->  its breaches, in words

`cuts` and `restarts` are positions in the stream; before the event of that position the batch ends, or all
that is known goes through a snapshot into new instances.  `ticks` are the positions at which time passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.contract import Level, View
from detectors.halts import HaltsInForce
from detectors.ledger import Ledger
from detectors.names import Names
from tests.desk import SECOND, START
from tests.oracle.compare import decoded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from detectors.contract import Batch, Breach, Detector
    from tests.desk import Told

SCALE: Final = 1 << 10  # of the ledger's bounds: a snapshot of a small test shall be small
FOREVER: Final = 1 << 62
SILENCE_NS: Final = 30 * SECOND  # heard after the last event, so that what time finds is found
VIEW: Final[Mapping[str, Any]] = {
    "witnesses": frozenset({"parent_fill", "order_ack", "drop_copy"}),
    "parented": ({"hosts": ("*",), "strategies": ("*",)},),
}
IN_FORCE: Final[Mapping[str, Mapping[str, Any]]] = {  # open and obeyed since before the first event
    "one": {"level": "halt_new", "scope": {"host": "a-gw-1"}, "event_ts": START},
    "two": {"level": "reduce_only", "scope": {"account": "a-34"}, "event_ts": START},
    "three": {
        "level": "throttle", "scope": {"session": "a-s2"}, "event_ts": START, "params": {"messages_per_s": 1},
    },
}  # fmt: skip


@dataclass
class Watch:
    """A family, its ledger and its names; everything that a snapshot must hold."""

    make: type[Detector]
    settings: Any
    retain_ns: int = FOREVER
    cold: bool = False

    def __post_init__(self) -> None:
        self.names = Names()
        self.ledger = Ledger(self.names, cold=self.cold, retain_ns=self.retain_ns, scale=SCALE)
        self.halts = HaltsInForce(self.names)
        self.halts.tell(IN_FORCE)
        for halt_id, halt in IN_FORCE.items():
            self.halts.hear_applied(halt_id, "gateway", Level[halt["level"].upper()], START, ())
        view = View(names=self.names, ledger=self.ledger, cold=self.cold, halts=self.halts, **VIEW)
        self.detector = self.make(self.settings, view)
        self.detector.on_halts()

    def judge(self, batch: Batch, first: int) -> list[Breach]:
        before = batch.rows.copy()
        heard = [
            replace(breach, row=breach.row + first if breach.row >= 0 else -1)
            for postings in self.ledger.post(batch)
            for breach in self.detector.on_postings(postings)
        ]
        assert np.array_equal(before, batch.rows), f"{self.make.family()} wrote into its batch"
        self.check_wake()
        return heard

    def tick(self, now_ns: int) -> list[Breach]:
        """Time passes; the family is woken whenever it asked for it."""
        heard: list[Breach] = []
        while (wake := self.detector.wake_at_ns()) is not None and wake < now_ns:
            heard += self.detector.on_time(self.ledger.advance(wake))
            self.check_wake()
        heard += self.detector.on_time(self.ledger.advance(now_ns))
        self.check_wake()
        return heard

    def check_wake(self) -> None:
        wake = self.detector.wake_at_ns()
        assert wake is None or wake > self.ledger.low_ns, f"{self.make.family()} asks to be woken in the past"

    def restarted(self) -> Watch:
        """Another process, that knows what the snapshot holds and nothing else."""
        other = Watch(self.make, self.settings, self.retain_ns, self.cold)
        other.names.restore(self.names.snapshot())
        other.ledger.restore(self.ledger.snapshot())
        other.halts.restore(self.halts.snapshot())
        other.detector.restore(self.detector.snapshot())
        return other


def run(
    make: type[Detector],
    stream: Sequence[Told],
    *,
    settings: Any = None,
    parts: Sequence[int] | None = None,
    offsets: Sequence[int] | None = None,
    cuts: Collection[int] = (),
    restarts: Collection[int] = (),
    ticks: Mapping[int, int] | None = None,
    until_ns: int | None = None,
    retain_ns: int = FOREVER,
    cold: bool = False,
) -> list[Breach]:
    """All breaches of the stream and of the silence after it."""
    ticks = ticks or {}
    watch = Watch(make, make.Settings() if settings is None else settings, retain_ns, cold)
    stops = sorted({0, len(stream), *ticks, *(c for c in (*cuts, *restarts) if 0 < c < len(stream))})
    heard: list[Breach] = []
    for start, stop in zip(stops, [*stops[1:], len(stream)], strict=True):
        if start in restarts:
            watch = watch.restarted()
        if start in ticks:
            heard += watch.tick(ticks[start])
        if start < stop:
            some = slice(start, stop)
            batch = decoded(
                stream[some],
                watch.names,
                parts[some] if parts is not None else None,
                start,
                offsets[some] if offsets is not None else None,
            )
            heard += watch.judge(batch, start)
    end = until_ns if until_ns is not None else max((told["ts"] for told in stream), default=0) + SILENCE_NS
    heard += watch.tick(end)
    assert sum(table.nbytes for table in watch.detector.tables.values()) <= make.BYTES_MAX
    return heard


def in_words(breaches: Iterable[Breach], *, without: Collection[str] = ()) -> list[str]:
    """One line a breach, all of it, for a difference that can be read."""
    fields = (
        "at_ns",
        "row",
        "reason",
        "severity",
        "scope",
        "measured",
        "limit",
        "unit",
        "exposed_usd",
        "by_mark",
        "evidence",
    )
    return [
        " ".join(f"{field}={_text(getattr(b, field))}" for field in fields if field not in without)
        for b in breaches
    ]


def _text(value: Any) -> str:
    return str(getattr(value, "text", None) or getattr(value, "word", None) or value)
