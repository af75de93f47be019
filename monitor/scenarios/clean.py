"""Who trades on a clean day: four routers that work parents, two servers that quote, 24 stocks, 40 accounts.

    day(name, ...)  ->  Stage     with positions, marks and violent clean flow; the day adds what is its own

Told in ten minutes and more of event time.  Assumptions (ours): all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from monitor.scenarios.calm import Pace, trade
from monitor.scenarios.cast import at_ns
from monitor.scenarios.incident import Told, incident, policy, told
from monitor.scenarios.randomness import stream
from monitor.scenarios.stage import SECOND_NS, Host, Line, Stage
from monitor.scenarios.tape import Instrument

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.scenarios.scenario import Scenario

DATE: Final = "2024-03-08"
VENUES: Final = ("NYSE", "ARCA", "NSDQ", "BATS")
BUILD: Final = "r7.3"
ROUTERS: Final = tuple(Host(f"rt-{number}", role="router", build=BUILD) for number in range(1, 5))
QUOTERS: Final = tuple(Host(f"mm-{number}", role="quoter", build="q2.1") for number in (1, 2))
ACCOUNTS: Final = 40
NAMES: Final = (
    "AA", "BAC", "C", "DIS", "F", "GE", "HPQ", "IBM", "JNJ", "KO", "LMT", "MRK",
    "NKE", "ORCL", "PFE", "QCOM", "RTX", "SBUX", "T", "UPS", "VZ", "WFC", "XOM", "YUM",
)  # fmt: skip
INSTRUMENTS: Final = tuple(
    Instrument(name, round(14 + nth * 37 % 160 + 0.35, 2), adv=3_000_000 + nth * 400_000)
    for nth, name in enumerate(NAMES)
)
WORKING: Final = tuple(
    Line(
        ROUTERS[nth % 4],
        f"{VENUES[nth // 4 % 4][:2]}{nth % 4 + 1}",
        VENUES[nth // 4 % 4],
        f"C{nth:02d}",
        strategy,
    )
    for nth, strategy in enumerate((["vwap", "sor", "retail", "retail"] * ACCOUNTS)[:ACCOUNTS])
)
QUOTING: Final = tuple(
    Line(host, f"MM{nth}{letter}", venue, f"M{nth}", "quote")
    for nth, host in enumerate(QUOTERS, 1)
    for letter, venue in zip("ABCD", VENUES, strict=True)
)


def new_york(time: str) -> int:
    """Nanoseconds since the epoch of a New York time on the clean days' date."""
    return at_ns(DATE, time, -5)


@dataclass(frozen=True, slots=True)
class Span:
    """What is told of a day."""

    start: str
    minutes: int

    @property
    def ns(self) -> tuple[int, int]:
        start = new_york(self.start)
        return start, start + self.minutes * 60 * SECOND_NS


def day(
    name: str,
    seed: int,
    scale: float,
    span: Span,
    *,
    pace: Pace | None = None,
    hosts: Sequence[Host] = (),
    instruments: Sequence[Instrument] = (),
    usd: dict[str, float] | None = None,
    phase: str = "open",
    prepare: Callable[[Stage], None] = lambda _stage: None,
    working: Sequence[Line] = WORKING,
    venues: Sequence[str] = VENUES,
    spans: Sequence[tuple[int, int]] = (),
) -> Stage:
    """`prepare` says what changes the flow itself: price paths, hosts that are down; `spans`: when."""
    start, end = span.ns
    stage = Stage(
        name, seed, scale, start_ns=start, end_ns=end, instruments=(*INSTRUMENTS, *instruments),
        hosts=(*ROUTERS, *QUOTERS, *hosts), venues=venues, usd=usd, phase=phase,
    )  # fmt: skip
    rng = stream(seed, "overnight")
    for nth, line in enumerate(WORKING):
        for k in range(3):
            symbol = NAMES[(nth * 5 + k * 7) % len(NAMES)]
            stage.holds(line.account, symbol, int(rng.integers(-20, 21)) * 100 or 100)
    prepare(stage)
    stage.marks(every_ns=2 * SECOND_NS)
    for nth, (begin, until) in enumerate(spans or [(start + 5 * SECOND_NS, end)]):
        trade(
            stage, working, Pace(1.2, 5.0) if pace is None else pace, quoting=QUOTING, symbols=NAMES,
            lots=(400, 1), start_ns=begin, end_ns=until, name=f"calm{nth}",
        )  # fmt: skip
    return stage


def clean(
    name: str,
    claim: str,
    span: Span,
    tell: Callable[[int, float], Stage],
    manifest: Sequence[dict[str, Any]] = (),
    hosts: Sequence[str] = (),
    parented: Sequence[dict[str, Any]] = (),
    limits: Sequence[dict[str, Any]] = (),
    firm_gross: float = 1e9,
) -> Scenario:
    """A clean day; whatever a monitor halts on it is a mistake."""

    def whole(seed: int, scale: float) -> Told:
        return told(tell(seed, scale))

    rows = [
        {"role": "router", "hosts": ["rt-*"], "count": len(ROUTERS), "build": BUILD},
        {"role": "quoter", "hosts": ["mm-*"], "count": len(QUOTERS), "build": "q2.1"},
        *manifest,
    ]
    return incident(
        name, claim, span.ns, whole,
        policy(
            hosts=["rt-*", "mm-*", *hosts],
            exposure=[
                {"scope": "account=*", "gross": 25e6, "net": 25e6},
                {"scope": "account=M1", "gross": 80e6}, {"scope": "account=M2", "gross": 80e6},
                *limits,
                {"scope": "*", "gross": firm_gross},
            ],
            rate=[
                {"scope": "session=*", "messages_per_s": 500},
                {"scope": "host=*", "messages_per_s": 1_000},
            ],
            loss=[{"scope": "account=*", "daily": 5e6}],
            manifest=rows,
            parented=[{"hosts": ["rt-*"], "strategies": ["vwap", "sor", "retail"]}, *parented],
        ),
    )  # fmt: skip
