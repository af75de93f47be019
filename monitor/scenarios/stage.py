"""The stage of an incident: one firm's hosts, its venues, its order system and what each of them says.

Whatever is told here is told consistently: each order is announced, answered and accounted for, each fill
is in the drop copy and, where it has a parent, booked on it.  An incident says what was sent and what became
of it; what history would have lost by it is added up from the fills of its wrong lines.

Assumptions (ours), for all incidents: answers take 0.2 to 80 ms, bookings 1 to 300 ms, marks come every
second, heartbeats too; eight record keys.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from detectors.event import Kind
from monitor.scenarios.randomness import stream
from monitor.scenarios.rows import NOBODY, WRITERS, Rows, objects
from monitor.scenarios.tape import Instrument, Tape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MS_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000
KEYS: Final = 8
CLOCK_BOUND_NS: Final = 5 * MS_NS


@dataclass(frozen=True, slots=True)
class Host:
    """A server, and what it runs."""

    name: str
    role: str = "router"
    build: str = "b42"
    flags: tuple[str, ...] = ()
    config_hash: str = "c0ffee00"


@dataclass(frozen=True, slots=True)
class Line:
    """The way that orders take: a host's session to a venue, for one account and strategy."""

    host: Host
    session: str
    venue: str
    account: str
    strategy: str
    wrong: bool = False  # its fills are the harm
    who: Mapping[str, Any] = field(default_factory=dict)  # entity, desk, trader: what else its orders say


@dataclass(frozen=True, slots=True)
class Harm:
    """One wrong execution, in dollars."""

    ts: int
    qty: float
    dollars: float
    loss: float  # against the price before it all


class Stage:
    """Gathers what is said between two times; rows lie in the order in which they arrive."""

    def __init__(
        self,
        name: str,
        seed: int,
        scale: float,
        *,
        start_ns: int,
        end_ns: int,
        instruments: Sequence[Instrument],
        hosts: Sequence[Host],
        venues: Sequence[str],
        usd: Mapping[str, float] | None = None,
        phase: str = "open",
        trade_date: str | None = None,
    ) -> None:
        """`trade_date` is said by every event, where it is not the UTC date."""
        self.name, self.seed, self.scale = name, seed, scale
        self.start_ns, self.end_ns = start_ns, end_ns
        self.hosts = tuple(hosts)
        self.tape = Tape(instruments, seed)
        self.luck = stream(seed, name)
        self.trade_date = trade_date
        self.harm: list[Harm] = []
        self.usd = dict(usd or {})
        self.silent: dict[str, tuple[int, int]] = {}  # hosts that are down, from and until
        self.fast: dict[str, int] = {}  # hosts whose clock is ahead, by how much
        self.changed: dict[str, tuple[int, Host, str]] = {}  # hosts that run another build from then on
        self._failover: tuple[int, int, int] | None = None
        self._ids = 0
        self._said: list[tuple[int, int, int, str, str]] = []
        self._writers: dict[tuple[str | None, ...], int] = {}
        self._begin(venues, phase)

    def ids(self) -> int:
        self._ids += 1
        return self._ids

    def say(
        self,
        kind: Kind,
        ts: int,
        record: str,
        source: str,
        /,
        *,
        host: str | None = None,
        boot: str | None = None,
        stream: str | None = None,
        **fields: Any,
    ) -> None:
        """One event; with `stream` it is numbered in its source, host and boot."""
        if source == "drop_copy" and self._failover is not None:
            ts, boot, again = self._copied(ts)
            if again is not None:
                self._tell(kind, again, record, source, host, "dc.2", stream, fields | {"poss_dup": True})
        self._tell(kind, ts, record, source, host, boot, stream, fields)

    def _tell(
        self,
        kind: Kind,
        ts: int,
        key: str,
        source: str,
        host: str | None,
        boot: str | None,
        stream: str | None,
        fields: Mapping[str, Any],
    ) -> None:
        stamped = int(ts) + self.fast.get(host or "", 0)
        said = {"kind": kind.name.lower(), "ts": stamped, "source": source, "host": host, "boot": boot}
        said |= {"trade_date": self.trade_date, **fields, "stream": stream}
        body = msgspec.json.encode({name: value for name, value in said.items() if value is not None})
        writer = NOBODY
        if stream is not None:
            writer = self._writers.setdefault((source, host, boot, stream), len(self._writers))
            assert writer < WRITERS, "more streams than the sequencer numbers"
        self._said.append((int(ts), int(kind), writer, key, body[:-1].decode()))

    def drop_copy_fails(self, at_ns: int, *, late_ns: int, again_ns: int) -> None:
        """The drop copy is silent for `late_ns`; then it tells that, and all of `again_ns` before again."""
        self._failover = at_ns, late_ns, again_ns

    def _copied(self, ts: int) -> tuple[int, str, int | None]:
        """When a copy is told, by which boot, and when it is told again."""
        assert self._failover is not None
        failed, late, again = self._failover
        if ts >= failed:
            back = failed + late
            told = ts if ts > back + SECOND_NS else back + (ts - failed) // 8 + SECOND_NS // 2
            return told, "dc.2", None
        repeated = failed + late + (ts - failed + again) // 200 if ts >= failed - again else None
        return ts, "dc.1", repeated

    def boot(self, host: str, ts: int) -> str:
        changed = self.changed.get(host)
        return changed[2] if changed is not None and ts >= changed[0] else f"{host}.1"

    def running(self, host: Host, ts: int) -> Host:
        changed = self.changed.get(host.name)
        return changed[1] if changed is not None and ts >= changed[0] else host

    # What the world says

    def _begin(self, venues: Sequence[str], phase: str) -> None:
        at = self.start_ns
        for number, each in enumerate(self.tape.of.values()):
            self.say(
                Kind.INSTRUMENT, at + number * MS_NS // 4, each.symbol, "market", symbol=each.symbol,
                asset_class=each.asset_class, currency=each.currency, multiplier=each.multiplier,
                tick=each.tick, adv=each.adv, shares_out=each.shares_out,
            )  # fmt: skip
        for currency, usd in self.usd.items():
            self.say(Kind.FX, at, currency, "market", currency=currency, usd=usd)
        for venue in venues:
            self.say(Kind.SESSION_PHASE, at, venue, "market", venue=venue, phase=phase)

    def holds(self, account: str, symbol: str, qty: int) -> None:
        """What an account held overnight."""
        price = self.tape.of[symbol].price
        self.say(
            Kind.POSITION, self.start_ns + 100 * MS_NS, account, "oms", account=account, symbol=symbol,
            qty=qty, as_of=self.start_ns, price=price,
        )  # fmt: skip

    def marks(self, *, every_ns: int = SECOND_NS, but: Sequence[str] = ()) -> None:
        """Reference prices of everything but some, all along."""
        symbols = [symbol for symbol in self.tape.of if symbol not in but]
        for number, symbol in enumerate(symbols):
            offset = 50 * MS_NS + number * (every_ns // 2) // max(len(symbols), 1)
            for ts in range(self.start_ns + offset, self.end_ns, every_ns):
                self.mark(symbol, ts, self.tape.price(symbol, ts))

    def mark(self, symbol: str, ts: int, price: float) -> None:
        self.say(Kind.MARK, ts, symbol, "market", symbol=symbol, price=price)

    def heartbeats(self) -> None:
        """Each host each second while it is up, with what it runs then."""
        for number, host in enumerate(self.hosts):
            down = self.silent.get(host.name, (0, 0))
            for beat in range(self.start_ns, self.end_ns, SECOND_NS):
                ts = beat + (7 + 3 * number) * MS_NS
                if down[0] <= ts < down[1]:
                    continue
                now = self.running(host, ts)
                self.say(
                    Kind.HEARTBEAT, ts, host.name, "fleet", host=host.name, boot=self.boot(host.name, ts),
                    build=now.build, role=now.role, config_hash=now.config_hash, flags=list(now.flags),
                    clock_bound_ns=CLOCK_BOUND_NS, stream="hb",
                )  # fmt: skip

    def rows(self) -> Rows:
        """All that was said, in order of time."""
        ts, kind, writer, key, body = zip(*self._said, strict=True)
        none = np.full(len(ts), NOBODY, np.int64)
        at = np.array(ts, np.int64)
        return Rows(
            ts=at, kind=np.array(kind, np.int64), host=np.zeros_like(at), writer=np.array(writer, np.int64),
            order=none, parent=none, cause_ts=at, key=objects(key), body=objects(body),
        ).sorted()  # fmt: skip

    def dollars(self, symbol: str, qty: float, price: float) -> float:
        of = self.tape.of[symbol]
        return qty * price * of.multiplier * self.usd.get(of.currency, 1.0)


def key_of(account: str) -> str:
    """The record key, and stream, of an account: whatever concerns one parent shares it."""
    return f"g{zlib.crc32(account.encode()) % KEYS}"


def delay_ns(
    luck: np.random.Generator, median_ms: float, sigma: float, least_ms: float, most_ms: float
) -> int:
    """A log-normal delay, cut at both ends."""
    ms = median_ms * float(np.exp(sigma * luck.standard_normal()))
    return int(min(max(ms, least_ms), most_ms) * MS_NS)
