"""Tell a family a story, in the tiny notation of `tests.streams.orders` or as events; hear its breaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detectors.contract import Level, View
from detectors.halts import HaltsInForce
from detectors.ledger import Ledger
from detectors.names import Names
from tests.oracle.compare import decoded, in_words
from tests.oracle.event import Event
from tests.streams import orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from detectors.contract import Batch, Breach, Detector
    from tests.desk import Told


class Telling:
    """One family behind one ledger, told in as many pieces as one likes."""

    def __init__(
        self,
        family: type[Detector],
        settings: Mapping[str, Any] | None = None,
        *,
        cold: bool = False,
        scale: int = 1,
        **view: Any,
    ) -> None:
        self.names = Names()
        self.ledger = Ledger(self.names, cold=cold, scale=scale)
        self.halts = HaltsInForce(self.names)
        self.view = View(names=self.names, ledger=self.ledger, cold=cold, **{"halts": self.halts} | view)
        self.family = family
        self.settings = family.Settings(**(settings or {}))
        self.detector = family(self.settings, self.view)
        self.open_halts: dict[str, dict[str, Any]] = {}
        self.events = 0

    def tell(self, stream: Sequence[Told], parts: Sequence[int] | None = None) -> list[Breach]:
        return self.post(self.decode(stream, parts))

    def decode(self, stream: Sequence[Told], parts: Sequence[int] | None = None) -> Batch:
        batch = decoded(stream, self.names, parts, first=self.events)
        self.events += len(stream)
        return batch

    def post(self, batch: Batch) -> list[Breach]:
        return [breach for run in self.ledger.post(batch) for breach in self.detector.on_postings(run)]

    def wait(self, now_ns: int) -> list[Breach]:
        """Nothing happens until `now_ns`; the family is woken whenever it asked for it."""
        heard: list[Breach] = []
        while (wake := self.detector.wake_at_ns()) is not None and wake <= now_ns:
            assert wake > self.ledger.low_ns
            heard += self.detector.on_time(self.ledger.advance(wake))
        return heard + list(self.detector.on_time(self.ledger.advance(now_ns)))

    def halt(
        self,
        scope: Mapping[str, str],
        level: str,
        at_ns: int,
        *,
        by: Sequence[str] = ("gateway",),
        survivors: Sequence[str] = (),
        **more: Any,
    ) -> None:
        """One more halt is open since `at_ns`, and these gateways say that they obey it since then."""
        halt_id = f"{len(self.open_halts)}"
        self.open_halts[halt_id] = {"scope": dict(scope), "level": level, "event_ts": at_ns, **more}
        self.halts.tell(self.open_halts)
        for gateway in by:
            self.halts.hear_applied(halt_id, gateway, Level[level.upper()], at_ns, survivors)
        self.detector.on_halts()

    def restart(self) -> None:
        """A new instance goes on from a snapshot of this one."""
        state = self.detector.snapshot()
        self.detector = self.family(self.settings, self.view)
        self.detector.restore(state)


def tell(
    family: type[Detector],
    story: str | Iterable[Told],
    settings: Mapping[str, Any] | None = None,
    **view: Any,
) -> list[Breach]:
    stream = orders(story) if isinstance(story, str) else list(story)
    return Telling(family, settings, **view).tell(stream)


def side_by_side(
    telling: Telling, oracle: Any, stream: Sequence[Told], wait_ns: int | None = None
) -> Iterator[tuple[list[Breach], list[Any]]]:
    """What the family and its slow oracle say to each event, one by one; then, `wait_ns` later, to the silence."""
    for told in stream:
        for run in telling.ledger.post(telling.decode([told])):
            ours = list(telling.detector.on_postings(run))
            for row in run.rows:
                oracle.hear(in_words(row, telling.ledger, 0), Event(told))
            yield ours, oracle.said[:]
            oracle.said.clear()
    if wait_ns is not None:
        end = telling.ledger.low_ns + wait_ns
        ours = telling.wait(end)
        oracle.advance(end)
        yield ours, oracle.said[:]
