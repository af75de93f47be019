"""What the firm does: a small clean flow, and runaways whose halts are known from how they are made.

Each account trades through a host, a session and a strategy of its own and is written to one partition.
`Truth` names the halts that a runaway must lead to; a clean flow leads to none.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

MS: Final = 1_000_000
SECOND: Final = 1_000 * MS
TELEMETRY, REFERENCE = "trading.telemetry.v1", "trading.reference.v1"
SYMBOLS: Final = ("NOK", "ES", "IBM")
PRICE: Final = {"NOK": 10.0, "ES": 50.0, "IBM": 200.0}
LONGEST_NS: Final = 600 * SECOND  # of a runaway: after hours one of them is others too
NIGHT_PACE_S: Final = 20.0  # seconds between two parents, from which on everything else is slow too
RUNAWAYS: Final = ("after_done", "overcommit", "exposure", "unconfirmed")
GROSS_OF_SMALL: Final = 100_000  # the limit of account "small", that the runaway `exposure` passes

Key = tuple[str, str, str]  # detector, reason, scope


@dataclass(frozen=True, slots=True)
class Told:
    """One event: when it happens, and where it is written."""

    ts: int
    topic: str
    partition: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Truth:
    """What a runaway must lead to, and when it began."""

    runaway: str
    onset_ns: int
    halts: frozenset[Key]


@dataclass
class Flow:
    """The day of one firm, drawn from one generator.  `parts`: partitions of the telemetry topic."""

    chance: Random
    start_ns: int
    end_ns: int
    parts: int
    runaways: tuple[str, ...]
    pace_s: float = 0.5  # between two parents
    last_ns: int = 45 * SECOND  # a runaway begins so long before the end, and then goes on until it
    truths: list[Truth] = field(default_factory=list)
    _heap: list[tuple[int, int, str, int, dict[str, Any]]] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _order: int = 0

    def events(self) -> list[Told]:
        """Everything, in the order in which it happens."""
        self._world()
        self._clean()
        for runaway in self.runaways:
            first = max(self.start_ns + 4 * SECOND, self.end_ns - LONGEST_NS)
            onset = self.chance.randrange(first, max(self.end_ns - self.last_ns, first + SECOND))
            halts = getattr(self, f"_{runaway}")(onset)
            self.truths.append(Truth(runaway, onset, frozenset(halts)))
        return list(self._written())

    # -- telling

    def _tell(self, ts: int, account: str, kind: str, source: str = "router", **fields: Any) -> None:
        # A number for each account, so that a removed account moves nobody's partition.
        partition = sum(account.encode()) % self.parts
        told = {
            "kind": kind,
            "ts": ts,
            "source": source,
            "host": f"h-{account}",
            "account": account,
            **fields,
        }
        self._put(ts, TELEMETRY, partition, told)

    def _put(self, ts: int, topic: str, partition: int, told: dict[str, Any]) -> None:
        self._order += 1
        heapq.heappush(self._heap, (ts, self._order, topic, partition, told))

    def _written(self) -> Iterator[Told]:
        seqs: Counter[tuple[str, str, int]] = Counter()
        while self._heap:
            ts, _, topic, partition, told = heapq.heappop(self._heap)
            if ts >= self.end_ns:
                return
            stream = (told["source"], told.get("host", ""), partition)
            seqs[stream] += 1
            told |= {"seq": seqs[stream], "stream": str(partition), "boot": "b"}
            yield Told(ts, topic, partition, json.dumps(told, separators=(",", ":")).encode())

    def _id(self, letter: str) -> str:
        self._counts[letter] += 1
        return f"{letter}{self._counts[letter]}"

    # -- the world, and everybody's heartbeat

    def _world(self) -> None:
        for symbol in SYMBOLS:
            at = self.start_ns + 10 * MS
            while at < self.end_ns:
                told = {"kind": "mark", "ts": at, "source": "market", "host": "md", "symbol": symbol}
                wander = round(PRICE[symbol] * self.chance.uniform(0.999, 1.001), 2)
                self._put(at, REFERENCE, 0, {**told, "price": wander})
                at += self.chance.randrange(1 * SECOND, 5 * SECOND) * (6 if self._is_night else 1)
        for account in self._accounts:
            period = 5 * SECOND if self._is_night else 800 * MS
            for at in range(self.start_ns, self.end_ns, period):
                self._tell(at + self.chance.randrange(400 * MS), account, "heartbeat", build="v1")

    @property
    def _is_night(self) -> bool:
        return self.pace_s >= NIGHT_PACE_S

    @property
    def _accounts(self) -> list[str]:
        return [f"a{n}" for n in range(4)] + [f"x-{name}" for name in self.runaways]

    # -- clean

    def _clean(self) -> None:
        chance = self.chance
        at = self.start_ns + SECOND
        while at < self.end_ns - 5 * SECOND:
            account = f"a{chance.randrange(4)}"
            self._parent(at, account, chance.choice(SYMBOLS), chance.randrange(1, 6) * 100)
            at += int(chance.expovariate(1 / self.pace_s) * SECOND)

    def _parent(self, at: int, account: str, symbol: str, qty: int) -> tuple[str, int]:
        """A parent that is bought or sold by children and ends; returns its id and when it is done."""
        chance, parent = self.chance, self._id("P")
        side = chance.choice(("buy", "sell"))
        self._tell(
            at, account, "parent_new", "oms", parent_id=parent, symbol=symbol, side=side, qty=qty,
            strategy=f"s-{account}",
        )  # fmt: skip
        left, booked, book_at = qty, 0, at
        while left > 0:
            at += chance.randrange(1 * MS, 300 * MS)
            piece = min(left, chance.randrange(1, 4) * 100)
            child, at = self._child(at, account, parent, symbol, side, piece)
            fate = chance.random()
            if fate < 0.1:
                self._tell(at, account, "order_cancel", order_id=child)
                continue
            parts = [piece] if fate < 0.8 else [piece // 4, piece - piece // 4]
            for part in parts:
                at = self._fill(at, account, child, parent, symbol, side, part)
                booked += part
                book_at = max(book_at, at) + chance.randrange(1 * MS, 200 * MS)
                self._book(book_at, account, parent, part, booked)
            left -= piece
        done = max(at, book_at) + 700 * MS
        self._tell(done, account, "parent_done", "oms", parent_id=parent)
        return parent, done

    def _child(self, at: int, account: str, parent: str, symbol: str, side: str, qty: int) -> tuple[str, int]:
        child = self._id("C")
        self._tell(
            at, account, "order_new", order_id=child, symbol=symbol, side=side, qty=qty, parent_id=parent,
            price=PRICE[symbol], session=f"S-{account}", strategy=f"s-{account}", venue="XNYS",
        )  # fmt: skip
        at += self.chance.randrange(1 * MS, 60 * MS)
        self._tell(at, account, "order_ack", order_id=child, venue_order_id=f"v{child}")
        return child, at

    def _fill(self, at: int, account: str, child: str, parent: str, symbol: str, side: str, qty: int) -> int:
        at += self.chance.randrange(1 * MS, 200 * MS)
        self._tell(
            at, account, "fill", exec_id=self._id("X"), order_id=child, last_qty=qty, last_px=PRICE[symbol],
            symbol=symbol, side=side, parent_id=parent, venue="XNYS",
        )  # fmt: skip
        return at

    def _book(self, at: int, account: str, parent: str, qty: int, total: int) -> None:
        self._tell(at, account, "parent_fill", "oms", parent_id=parent, last_qty=qty, cum_qty=total)

    # -- runaways: for ever, and so far longer than the lateness that is allowed

    def _after_done(self, onset: int) -> set[Key]:
        """Children for a parent that is done."""
        account = "x-after_done"
        parent, at = self._parent(onset - 3 * SECOND, account, "NOK", 100)
        while at < self.end_ns:
            at += self.chance.randrange(300 * MS, 1_500 * MS)
            child, acked = self._child(at, account, parent, "NOK", "buy", 1)
            self._tell(acked + 20 * MS, account, "order_cancel", order_id=child)
        return {("child_parent", "child_after_done", f"host=h-{account}")}

    def _overcommit(self, onset: int) -> set[Key]:
        """Fills beyond what the parent wanted."""
        account, parent, at = "x-overcommit", self._id("P"), onset
        self._tell(
            at, account, "parent_new", "oms", parent_id=parent, symbol="IBM", side="buy", qty=1_000,
            strategy=f"s-{account}",
        )  # fmt: skip
        n = 0
        while at < self.end_ns:
            n += 1
            at += self.chance.randrange(100 * MS, 400 * MS) if n < 25 else 3 * SECOND
            child, acked = self._child(at, account, parent, "IBM", "buy", 100)
            filled = self._fill(acked, account, child, parent, "IBM", "buy", 100)
            self._book(filled + 50 * MS, account, parent, 100, 100 * n)
        return {("child_parent", "overcommit", f"host=h-{account}")}

    def _exposure(self, onset: int) -> set[Key]:
        """A position that nobody may hold, bought by the rules otherwise."""
        account, at = "x-exposure", onset
        for _ in range(6):
            parent, qty, booked = self._id("P"), 500, 0
            self._tell(
                at, account, "parent_new", "oms", parent_id=parent, symbol="ES", side="buy", qty=qty,
                strategy=f"s-{account}",
            )  # fmt: skip
            child, at = self._child(at + 20 * MS, account, parent, "ES", "buy", qty)
            at = self._fill(at, account, child, parent, "ES", "buy", qty)
            self._book(at + 30 * MS, account, parent, qty, booked + qty)
            self._tell(at + 300 * MS, account, "parent_done", "oms", parent_id=parent)
            at += 500 * MS
        return {("exposure", reason, f"account={account}") for reason in ("gross", "net")}

    def _unconfirmed(self, onset: int) -> set[Key]:
        """Executions that the order system never books, while it books others'."""
        account, parent, at = "x-unconfirmed", self._id("P"), onset
        self._tell(
            at, account, "parent_new", "oms", parent_id=parent, symbol="IBM", side="buy", qty=1_000_000,
            strategy=f"s-{account}",
        )  # fmt: skip
        while at < self.end_ns:
            at += self.chance.randrange(200 * MS, 900 * MS)
            child, acked = self._child(at, account, parent, "IBM", "buy", 400)
            self._fill(acked, account, child, parent, "IBM", "buy", 400)
        # Its witness is alive: on the same partition it books another parent's executions.
        at = onset
        while at < self.end_ns:
            _, at = self._parent(at, account, "NOK", 100)
            at += SECOND
        return {("fill_gap", "unconfirmed", f"parent={parent}")}
