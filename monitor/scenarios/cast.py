"""Who is on a stage: three servers of one firm, their clean lines, and the line that will go wrong.

The wrong line shares its server with clean ones, so a halt of the server would be wider than it must be.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from monitor.scenarios.calm import Pace, trade
from monitor.scenarios.incident import policy
from monitor.scenarios.stage import SECOND_NS, Host, Line, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.scenarios.tape import Instrument

SERVERS: Final = 3


@dataclass(frozen=True, slots=True)
class Cast:
    """The firm of one incident."""

    hosts: tuple[Host, ...]
    working: tuple[Line, ...]  # clean lines that work parents
    quoting: tuple[Line, ...]
    rogue: Line
    venue: str

    @classmethod
    def of(cls, venue: str, strategy: str, account: str, *, who: Mapping[str, Any] | None = None) -> Cast:
        hosts = tuple(Host(f"ats-{number}", role="ats") for number in range(1, SERVERS + 1))
        working = tuple(
            Line(host, f"W{number}", venue, f"C{number}{letter}", word)
            for number, host in enumerate(hosts, 1)
            for letter, word in (("A", "vwap"), ("B", "sor"))
        )
        quoting = tuple(
            Line(host, f"Q{number}", venue, f"M{number}", "quote") for number, host in enumerate(hosts, 1)
        )
        rogue = Line(hosts[-1], "R1", venue, account, strategy, wrong=True, who=dict(who or {}))
        return cls(hosts, working, quoting, rogue, venue)

    @property
    def clean(self) -> Line:
        """The wrong line before it went wrong."""
        return replace(self.rogue, wrong=False)

    @property
    def scopes(self) -> list[dict[str, str]]:
        """What holds all of the wrong flow and nothing else, the narrowest kinds first."""
        rogue = self.rogue
        return [{"session": rogue.session}, {"account": rogue.account}, {"strategy": rogue.strategy}]

    def stage(
        self,
        name: str,
        seed: int,
        scale: float,
        span: tuple[int, int],
        instruments: Sequence[Instrument],
        *,
        usd: Mapping[str, float] | None = None,
        phase: str = "open",
        pace: Pace | None = None,
        lots: tuple[int, int] = (4, 1),
        symbols: Sequence[str] = (),
        marks_but: Sequence[str] = (),
        trade_date: str | None = None,
        paths: Mapping[str, Sequence[tuple[int, float]]] | None = None,
    ) -> Stage:
        """A stage with marks and this cast's clean flow on it; `paths`: prices as times their reference."""
        stage = Stage(
            name, seed, scale, start_ns=span[0], end_ns=span[1], instruments=instruments, hosts=self.hosts,
            venues=[self.venue], usd=usd, phase=phase, trade_date=trade_date,
        )  # fmt: skip
        for symbol, points in (paths or {}).items():
            stage.tape.moves(symbol, *points)
        stage.marks(but=marks_but)
        pace = Pace(parents=1.0, quotes=4.0) if pace is None else pace
        trade(stage, self.working, pace, quoting=self.quoting, lots=lots, symbols=symbols)
        return stage

    def policy(
        self,
        *,
        gross: float,
        messages_per_s: float = 500,
        order_quantity: float | None = None,
        rogue_gross: float | None = None,
        firm_gross: float = 1e9,
        loss: float = 20e6,
    ) -> dict[str, Any]:
        """Limits of each account, of the wrong one if it has its own, and of each session."""
        caps = {} if order_quantity is None else {"order_quantity": order_quantity}
        own = (
            [] if rogue_gross is None else [{"scope": f"account={self.rogue.account}", "gross": rogue_gross}]
        )
        return policy(
            hosts=["ats-*"],
            exposure=[
                {"scope": "account=*", "gross": gross} | caps,
                *own,
                {"scope": "*", "gross": firm_gross},
            ],
            rate=[
                {"scope": "session=*", "messages_per_s": messages_per_s},
                {"scope": "host=*", "messages_per_s": 20 * messages_per_s},
            ],
            manifest=[{"role": "ats", "hosts": ["ats-*"], "count": SERVERS, "build": "b42"}],
            parented=[{"hosts": ["ats-*"], "strategies": ["vwap", "sor", "retail"]}],
            loss=[{"scope": "account=*", "daily": loss}],
        )


def at_ns(date: str, time: str, hours_of_utc: float) -> int:
    """Nanoseconds since the epoch of a local time.

    >>> at_ns("2010-02-03", "13:26:28", -6)
    1265225188000000000
    """
    zone = dt.timezone(dt.timedelta(hours=hours_of_utc))
    moment = dt.datetime.fromisoformat(f"{date}T{time}").replace(tzinfo=zone)
    return int(moment.timestamp()) * SECOND_NS + moment.microsecond * 1_000


def around(onset_ns: int, before_s: int, after_s: int) -> tuple[int, int]:
    """From when until when is told."""
    return onset_ns - before_s * SECOND_NS, onset_ns + after_s * SECOND_NS
