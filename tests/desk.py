"""A small simulated desk: systems that tell what they do, orderly or not, as dicts of the contract.

Every desk has its own hosts, sessions, accounts and ids; the symbols are everybody's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

Told = dict[str, Any]

MS: Final = 1_000_000
SECOND: Final = 1_000 * MS
DAY: Final = 86_400 * SECOND
START: Final = 1_343_827_800 * SECOND  # 1 August 2012, 09:30 in New York

SYMBOLS: Final = ("NOK", "ES", "BTC")
VENUES: Final = ("XNYS", "BATS")
SIDES: Final = ("buy", "sell", "sell_short", "sell_short_exempt")
QUANTITIES: Final = (100, 300, 0.25, 1e-8, 7, 50_000, 12.5, 1_000_000)
PRICES: Final = (10, 20.5, 0.0001, 99.99)
GAPS: Final = (0, 1 * MS, 7 * MS, 120 * MS, 300 * MS, 600 * MS, 1_100 * MS, 4 * SECOND, 17 * SECOND)


@dataclass
class Child:
    order_id: str
    host: str
    session: str
    account: str
    symbol: str
    side: str
    venue: str
    qty: float
    price: float
    parent_id: str | None = None
    left: float = 0


@dataclass
class Desk:
    """One desk's systems; every public method is a move: it takes two small numbers and tells some events."""

    name: str = "a"
    with_seq: bool = True
    with_arrival: bool = True
    with_delays: bool = True  # else everything arrives when it happens
    now: int = START
    heard: list[tuple[int, Told]] = field(default_factory=list)  # (when it arrives, event)
    parents: list[Told] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    fills: list[Told] = field(default_factory=list)
    counts: Counter[Any] = field(default_factory=Counter)

    # -- telling ------------------------------------------------------------------------------

    def tell(self, kind: str, host: str, *, delay: int = 0, source: str | None = None, **fields: Any) -> Told:
        told: Told = {"kind": kind, "ts": self.now, "host": host}
        told |= {name: value for name, value in fields.items() if value is not None}
        if source:
            told["source"] = source
        if self.with_seq:
            stream = (source, host)
            self.counts[stream] += 1
            told["seq"] = self.counts[stream]
        self.arrive(told, delay)
        return told

    def arrive(self, told: Told, delay: int = 0) -> None:
        at = self.now + (delay if self.with_delays else 0)
        self.heard.append((at, {**told, "arrival_ts": at} if self.with_arrival else dict(told)))

    def events(self) -> list[Told]:
        """In order of arrival."""
        return [told for _, told in sorted(self.heard, key=lambda pair: pair[0])]

    def new_id(self, letter: str, per: str = "") -> str:
        self.counts[letter, per] += 1
        return f"{self.name}{letter}{self.counts[letter, per]}"

    def host(self, n: int) -> str:
        return f"{self.name}-gw-{n % 2 + 1}"

    def account(self, n: int) -> str:
        return f"{self.name}-{33 + n % 2}"

    # -- parents ------------------------------------------------------------------------------

    def parent(self, n: int, m: int) -> None:
        told = self.tell(
            "parent_new",
            self.host(n),
            source="oms",
            parent_id=self.new_id("P"),
            account=self.account(n),
            symbol=SYMBOLS[m % 3],
            side=SIDES[n % 3],
            qty=QUANTITIES[m % 6],
            price=PRICES[m % 2] if n % 2 else None,
        )
        self.parents.append({**told, "booked": 0})

    def parent_amended(self, n: int, m: int) -> None:
        if self.parents:
            parent = self.parents[n % len(self.parents)]
            self.tell(
                "parent_replace",
                parent["host"],
                source="oms",
                parent_id=parent["parent_id"],
                qty=QUANTITIES[m % 6],
            )

    def parent_suspended(self, n: int, m: int) -> None:
        if self.parents:
            parent = self.parents[n % len(self.parents)]
            self.tell(
                "parent_suspend",
                parent["host"],
                source="oms",
                parent_id=parent["parent_id"],
                suspended=m % 2 == 0,
            )

    def booked(self, n: int, m: int) -> None:
        """The order system books the next execution that it has not booked yet, with or without a total."""
        waiting = [fill for fill in self.fills if fill["parent_id"] and not fill["booked"]]
        if not waiting:
            return
        fill = waiting[n % len(waiting)]
        fill["booked"] = True
        self.counts["booked", fill["parent_id"]] += round(fill["last_qty"] * 1e8)
        total = self.counts["booked", fill["parent_id"]] / 1e8 if m % 2 else None
        self.tell(
            "parent_fill", self.host(0), source="oms", parent_id=fill["parent_id"],
            last_qty=fill["last_qty"], last_px=fill["last_px"], cum_qty=total,
        )  # fmt: skip

    def booked_unasked(self, n: int, m: int) -> None:
        """A total that nobody's executions explain; also one that falls."""
        name = self.parents[n % len(self.parents)]["parent_id"] if self.parents else f"{self.name}P?"
        self.tell(
            "parent_fill",
            self.host(0),
            source="oms",
            parent_id=name,
            last_qty=QUANTITIES[n % 3],
            cum_qty=QUANTITIES[m % 5],
        )

    def done(self, n: int, m: int) -> None:
        if self.parents:
            parent = self.parents[n % len(self.parents)]
            self.tell(
                "parent_done",
                parent["host"],
                source="oms",
                parent_id=parent["parent_id"],
                delay=(m % 2) * 20 * MS,
            )

    # -- orders -------------------------------------------------------------------------------

    def child(self, n: int, m: int) -> None:
        self._send(n, m, self.parents[n % len(self.parents)] if self.parents else None)

    def child_of_the_latest(self, n: int, m: int) -> None:
        self._send(n, m, self.parents[-1] if self.parents else None)

    def child_of_nobody(self, n: int, m: int) -> None:
        self._send(n, m, None, parent_id=(None, f"{self.name}P?", f"{self.name}P9")[m % 3])

    def _send(self, n: int, m: int, parent: Told | None, *, delay: int = 0, **more: Any) -> Child:
        symbol = parent["symbol"] if parent and m % 7 else SYMBOLS[n % 3]
        side = parent["side"] if parent and m % 5 else SIDES[n % 4]
        child = Child(
            order_id=self.new_id("O"),
            host=self.host(m),
            session=f"{self.name}-s{m % 2 + 1}",
            account=parent["account"] if parent else self.account(m),
            symbol=symbol,
            side=side,
            venue=VENUES[n % 2],
            qty=QUANTITIES[(n + m) % 8],
            price=PRICES[m % 4],
            parent_id=parent["parent_id"] if parent else None,
        )
        child.left = child.qty
        self.children.append(child)
        fields: Told = {
            "parent_id": child.parent_id,
            "price": child.price if m % 3 else None,
            "order_type": "limit" if m % 3 else "market",
            "tif": (None, "day", "gtc", "ioc", "opg", "cls")[n % 6],
            "conditional": True if (n, m) in {(3, 3), (5, 2)} else None,
            "multileg": {(2, 2): "package", (2, 3): "leg"}.get((n, m)),
            "origin": {(6, 1): "manual", (7, 1): "external"}.get((n, m)),
            "strategy": f"{self.name}-st{n % 2}",
            "build": "v1" if m == 6 else None,
        } | more
        self._announce(child, fields, delay)
        return child

    def _announce(self, child: Child, fields: Told, delay: int = 0) -> None:
        self.tell(
            "order_new", child.host, delay=delay, order_id=child.order_id, account=child.account, symbol=child.symbol,
            side=child.side, qty=child.qty, session=child.session, venue=child.venue, **fields,
        )  # fmt: skip

    def _pick(self, n: int) -> Child | None:
        return self.children[-1 - n % len(self.children)] if self.children else None

    def acked(self, n: int, m: int) -> None:
        if child := self._pick(n):
            self.tell(
                "order_ack", child.host, order_id=child.order_id, session=child.session if m % 2 else None
            )

    def rejected(self, n: int, m: int) -> None:
        if child := self._pick(n):
            self.tell(
                "order_reject", child.host, order_id=child.order_id, session=child.session, reason="too late"
            )

    def cancelled(self, n: int, m: int) -> None:
        if child := self._pick(n):
            why = (None, "ioc", "expired", "venue")[m % 4]
            host = self.host(n) if m == 7 else child.host  # a stranger's word, at times
            self.tell("order_cancel", host, order_id=child.order_id, session=child.session, reason_class=why)

    def cancel_asked(self, n: int, m: int) -> None:
        if child := self._pick(n):
            request = self.new_id("O")
            self.tell(
                "cancel_request",
                child.host,
                order_id=request,
                orig_order_id=child.order_id,
                session=child.session,
            )
            if m % 3 == 0:
                self.now += 3 * MS
                orig = child.order_id if m % 2 else None
                self.tell(
                    "cancel_reject", child.host, order_id=request, orig_order_id=orig, session=child.session
                )
            elif m % 3 == 1:
                self.now += 3 * MS
                self.tell(
                    "order_cancel",
                    child.host,
                    order_id=request if m == 4 else child.order_id,
                    session=child.session,
                )

    def replaced(self, n: int, m: int) -> None:
        """Asked for, answered, or both; afterwards the child goes by its new id (or still by the old one)."""
        if not (child := self._pick(n)):
            return
        new, old = self.new_id("O"), child.order_id
        qty, price = QUANTITIES[m % 6], PRICES[n % 2] if m % 2 else None
        if m % 4 != 3:
            self.tell(
                "replace_request",
                child.host,
                order_id=new,
                orig_order_id=old,
                qty=qty,
                price=price,
                session=child.session,
            )
        if m % 4 != 2:
            self.tell(
                "order_replace",
                child.host,
                order_id=new,
                orig_order_id=old,
                qty=qty,
                price=price,
                session=child.session,
            )
            child.qty = child.left = qty
            if m != 5:  # else a fill on the old id will follow
                child.order_id = new

    def restated(self, n: int, m: int) -> None:
        if child := self._pick(n):
            child.left = (0, 1, 50, 0.25)[m % 4]
            self.tell(
                "order_restate", child.host, order_id=child.order_id, leaves_qty=child.left, reason="venue"
            )

    def unheard_of(self, n: int, m: int) -> None:
        """An answer to an order that nobody announced (yet)."""
        kind = ("order_ack", "order_cancel", "order_reject", "order_restate", "order_replace")[m % 5]
        more: Told = {"leaves_qty": 5} if kind == "order_restate" else {}
        if kind == "order_replace":
            more = {"orig_order_id": f"{self.name}O{self.counts['O', ''] + 1 + n % 2}", "qty": 40}
        order_id = (
            f"{self.name}OR{n}"
            if kind == "order_replace"
            else f"{self.name}O{self.counts['O', ''] + 1 + n % 2}"
        )
        self.tell(kind, self.host(n), order_id=order_id, **more)

    # -- executions ---------------------------------------------------------------------------

    def filled(self, n: int, m: int) -> None:
        if child := self._pick(n):
            self._fill(child, m)

    def filled_in_full(self, n: int, m: int) -> None:
        if (child := self._pick(n)) and child.left:
            self._fill(child, m, child.left)

    def filled_first(self, n: int, m: int) -> None:
        """The drop copy leads: the fill arrives 10 ms before its order."""
        child = self._send(n, m, self.parents[-1] if self.parents and m % 2 else None, delay=10 * MS)
        self._fill(child, 1 + 4 * (m % 2))
        self.now += 11 * MS

    def filled_first_elsewhere(self, n: int, m: int) -> None:
        """The same, and the fill says another account, side or venue than its order, or a parent of its own."""
        child = self._send(m, n, self.parents[-1] if self.parents and m % 2 else None, delay=10 * MS)
        self._fill_elsewhere(child, n)
        self.now += 11 * MS

    def filled_elsewhere(self, n: int, m: int) -> None:
        """A give-up: the fill names another account, side or venue than its order, or is of a leg."""
        if child := self._pick(m):
            self._fill_elsewhere(child, n)

    def replaced_late(self, n: int, m: int) -> None:
        """A fill, a cancel or another replace of a new id, told before the replace that says whose it is."""
        if not (child := self._pick(n)):
            return
        new, old, dc = self.new_id("O"), child.order_id, f"{self.name}-dc"
        child.order_id = new
        if m % 2:
            self._fill(child, n | 1)
        if m in (4, 5):
            self.tell("order_cancel", dc, source="drop_copy", order_id=new)
        if m in (2, 3, 7):
            child.order_id = self.new_id("O")
            asked = "cancel_request" if m == 7 else "order_replace"
            common: Told = {"order_id": child.order_id, "orig_order_id": new, "qty": QUANTITIES[n % 6]}
            self.tell(asked, child.host, **common, session=child.session if n % 2 else None)
        asked = "replace_request" if m == 6 else "order_replace"
        qty, price = QUANTITIES[m % 6], PRICES[n % 2] if n % 3 else None
        self.tell(
            asked, child.host, order_id=new, orig_order_id=old, qty=qty, price=price, session=child.session
        )

    def _fill_elsewhere(self, child: Child, n: int) -> None:
        own: Told = (
            {"account": self.account(child.account == self.account(0))},
            {"side": "buy"},
            {"venue": VENUES[1]},
            {"venue": None, "session": child.session},
            {"parent_id": f"{self.name}P1"},
            {"multileg": "package"},
            {"multileg": "leg"},
            {"symbol": "ES", "account": self.account(0)},
        )[n]
        fill: Told = {
            "exec_id": self.new_id("E", child.venue),
            "order_id": child.order_id,
            "venue": child.venue,
        }
        fill |= {"last_qty": 25, "last_px": child.price}
        self.tell("fill", f"{self.name}-dc", source="drop_copy", **(fill | own))
        self.fills.append(
            {**fill, "parent_id": child.parent_id, "booked": False, "host": child.host, "corrections": []}
        )

    def filled_for_nobody(self, n: int, m: int) -> None:
        exec_id = self.new_id("E", VENUES[0])
        self.tell(
            "fill", f"{self.name}-dc", source="drop_copy", order_id=f"{self.name}X{n}", exec_id=exec_id, last_qty=QUANTITIES[m % 3],
            last_px=PRICES[n % 2], venue=VENUES[0], origin="manual" if n == 1 else None, parent_id=f"{self.name}P1" if m == 3 else None,
            account=self.account(n) if m % 4 == 2 else None, symbol=SYMBOLS[n % 3] if m % 2 else None, side="sell" if m == 5 else None,
        )  # fmt: skip

    def _fill(self, child: Child, m: int, qty: float | None = None) -> None:
        """Told by the router, by the drop copy, or by both; exec ids count up at each venue by itself."""
        qty = qty or QUANTITIES[m % 5]
        fill: Told = {
            "exec_id": self.new_id("E", child.venue),
            "order_id": child.order_id,
            "last_qty": qty,
            "last_px": child.price,
            "venue": child.venue,
        }
        own: Told = (
            {"account": child.account, "symbol": child.symbol, "side": child.side} if m % 4 == 2 else {}
        )
        child.left = max(child.left - qty, 0)
        if m % 2 == 0 or m == 7:
            self.tell(
                "fill",
                child.host,
                **fill,
                **own,
                session=child.session,
                parent_id=child.parent_id if m == 6 else None,
            )
        if m % 2 == 1:
            self.tell("fill", f"{self.name}-dc", source="drop_copy", **fill, **own)
        self.fills.append(
            {**fill, "parent_id": child.parent_id, "booked": False, "host": child.host, "corrections": []}
        )

    def fill_told_otherwise(self, n: int, m: int) -> None:
        """The same execution with other content: a conflict."""
        if self.fills:
            fill = {
                name: self.fills[-1 - n % len(self.fills)][name]
                for name in ("exec_id", "order_id", "last_px", "venue")
            }
            self.tell("fill", f"{self.name}-dc", source="drop_copy", **fill, last_qty=QUANTITIES[m % 5])

    def busted(self, n: int, m: int) -> None:
        if self.fills:
            fill = self.fills[-1 - n % len(self.fills)]
            ref = (fill["corrections"] or [fill["exec_id"]])[-1] if m % 2 else fill["exec_id"]
            self.tell(
                "fill_bust", f"{self.name}-dc", source="drop_copy", exec_ref_id=ref, venue=fill["venue"],
                exec_id=self.new_id("B") if m % 3 == 0 else None,
            )  # fmt: skip

    def busted_vaguely(self, n: int, m: int) -> None:
        """A bust or correction that says little: no venue, or the session only; or a stranger's word."""
        if not self.fills:
            return
        fill = self.fills[-1 - n % len(self.fills)]
        session = f"{self.name}-s{1 + m % 2}"
        said: Told = ({}, {"session": session}, {"session": session}, {"venue": VENUES[1]})[m % 4]
        router = "" if m < 4 else self.host(n)
        numbers: Told = {} if router else {"last_qty": QUANTITIES[n % 5], "last_px": 7}
        self.tell(
            "fill_correct" if numbers else "fill_bust", router or f"{self.name}-dc",
            source=None if router else "drop_copy", exec_ref_id=fill["exec_id"], **said, **numbers,
        )  # fmt: skip

    def corrected(self, n: int, m: int) -> None:
        if self.fills:
            fill = self.fills[-1 - n % len(self.fills)]
            ref = (fill["corrections"] or [fill["exec_id"]])[-1] if m % 2 else fill["exec_id"]
            new = self.new_id("K")
            fill["corrections"].append(new)
            self.tell(
                "fill_correct", f"{self.name}-dc", source="drop_copy", exec_ref_id=ref, venue=fill["venue"], exec_id=new,
                last_qty=QUANTITIES[m % 5], last_px=PRICES[n % 2],
            )  # fmt: skip

    def busted_first(self, n: int, m: int) -> None:
        """A bust, or a correction, that arrives before its fill."""
        if not (child := self._pick(n)):
            return
        exec_id = f"{self.name}E{self.counts['E', child.venue] + 1}"
        if m % 2:
            self.tell(
                "fill_bust", f"{self.name}-dc", source="drop_copy", exec_ref_id=exec_id, venue=child.venue
            )
        else:
            self.tell(
                "fill_correct", f"{self.name}-dc", source="drop_copy", exec_ref_id=exec_id, venue=child.venue,
                exec_id=self.new_id("K"), last_qty=3, last_px=11,
            )  # fmt: skip
        self._fill(child, 1)

    def undone_early(self, n: int, m: int) -> None:
        """A bust, or a correction, of a correction that comes only after it."""
        if not self.fills:
            return
        fill = self.fills[-1 - n % len(self.fills)]
        router = self.host(n) if m > 5 else ""
        venue = fill["venue"] if m % 3 else None
        common: Told = {"source": None if router else "drop_copy", "venue": venue}
        host, new = router or f"{self.name}-dc", self.new_id("K")
        if m % 2:
            self.tell("fill_bust", host, exec_ref_id=new, **common)
        else:
            self.tell(
                "fill_correct", host, exec_ref_id=new, exec_id=self.new_id("K"), last_qty=QUANTITIES[n % 5],
                last_px=PRICES[m % 2], **common,
            )  # fmt: skip
        fill["corrections"].append(new)
        self.tell(
            "fill_correct", host, exec_ref_id=fill["exec_id"], exec_id=new, last_qty=QUANTITIES[m % 5],
            last_px=PRICES[n % 2], **common,
        )  # fmt: skip

    # -- the rest -----------------------------------------------------------------------------

    def position(self, n: int, m: int) -> None:
        self.tell(
            "position", f"{self.name}-oms", source="oms", account=self.account(n), symbol=SYMBOLS[m % 3],
            qty=(0, 500, -300, 0.5)[n % 4], as_of=self.now - GAPS[m % 8], price=PRICES[n % 2] if m % 2 else None,
        )  # fmt: skip

    def closed(self, n: int, m: int) -> None:
        self.tell(
            "session_phase", "md", source="market", venue=VENUES[n % 2], phase="open" if m % 2 else "closed"
        )

    def heartbeat(self, n: int, m: int) -> None:
        self.tell(
            "heartbeat",
            self.host(n),
            source="fleet",
            build=f"v{m % 2}",
            clock_bound_ns=50 * MS if m % 3 else None,
        )

    def beat(self, n: int, m: int) -> None:
        """Both hosts, and what they run; sometimes one of them is not like the other."""
        for host in (0, 1):
            self.tell(
                "heartbeat", self.host(host), source="fleet", build=f"v{(n * host) % 3}", role="router",
                flags=(None, [], ["x"], ["x", "y"])[(m * (1 + host)) % 4], config_hash=(None, "c1", "c2")[(n + m) % 3],
            )  # fmt: skip

    def beating(self, n: int, m: int) -> None:
        """A heartbeat each second for a while."""
        for _ in range(3 * (1 + n)):
            self.beat(m, m)
            self.now += SECOND

    def deployed(self, n: int, m: int) -> None:
        phase = ("planned", "started", "done", "rolled_back")[m % 4]
        self.tell("deploy", self.host(n), source="control", build=f"v{n % 3}", role="router", phase=phase)

    def limit_changed(self, n: int, m: int) -> None:
        """Somebody moves a control: up, down, off, away."""
        before, after = (
            ("1e6", "2e6"), ("2e6", "1e6"), ("on", "off"), ("off", "on"), ("5", None), (None, "5"), ("a", "b"),
            ("7", "7"),
        )[m]  # fmt: skip
        whose: Told = ({"account": self.account(n)}, {"strategy": f"{self.name}-st0"}, {})[n % 3]
        self.tell(
            "limit_change", self.host(n), source="control", actor="ops", reason="?", key=f"k{n % 2}",
            before=before, after=after, **whose,
        )  # fmt: skip

    def rebooted(self, n: int, m: int) -> None:
        """A heartbeat that names its process."""
        self.tell("heartbeat", self.host(n), source="fleet", build="v0", boot=f"b{m % 3}")

    def flagged(self, n: int, m: int) -> None:
        """A child that carries flags."""
        parent = self.parents[-1] if self.parents else None
        self._send(n, m, parent, flags=(["x"], ["z"], ["x", "z"], [])[m % 4])

    def said(self, n: int, m: int) -> None:
        """What software writes for nobody, or a session rejects: some of it by all, some by one."""
        texts = ("Power Peg disabled", "queue 7 full", "queue 12 full", "slow", "down", "lost", "?", "ok")
        text, count = texts[n], (None, 1, 3, 20)[m % 4]
        if m < 6:
            self.tell("error", self.host(m), reason=text, count=count)
        else:
            event, session = "reject" if m == 6 else "business_reject", f"{self.name}-s1"
            self.tell("session_event", self.host(n), session=session, event=event, reason=text, count=count)

    def stormed(self, n: int, m: int) -> None:
        """Orders one after another, most of which come back at once."""
        for i in range(6 * (1 + n)):
            self.plain_child(0, 0)
            self.now += (1, 4, 11)[m % 3] * MS
            if m in (0, 1, 6):
                self.cancelled(0, 0)
            elif m in (2, 3) and i % 3:
                self.rejected(0, 0)
            elif m == 4:
                told = {"order_id": self.children[-1].order_id, "session": f"{self.name}-s1"}
                self.tell("order_reject", self.host(0), source="gateway", reason="limit_violation", **told)
            elif m == 5:
                self.cancel_asked(0, 3 * i)
            self.now += (5, 40, 300)[n % 3] * MS

    def complained(self, n: int, m: int) -> None:
        self.tell("error", self.host(n), reason="Power Peg disabled")

    def told_again(self, n: int, m: int) -> None:
        """One of the last events once more: the very same, or marked as a possible duplicate."""
        if self.heard:
            told = self.heard[-1 - n % len(self.heard)][1]
            self.arrive(told if m % 2 or told["kind"] != "order_new" else {**told, "poss_dup": True})

    def next_day(self, n: int, m: int) -> None:
        """Everything done or out, and the ids of orders come back."""
        self.now += DAY - (self.now - START) % DAY
        self.counts["O", ""] = 0
        self.children.clear()

    # -- plain ones, for stories told by hand -------------------------------------------------

    def plain_parent(self, name: str) -> None:
        told = self.tell(
            "parent_new",
            self.host(0),
            source="oms",
            parent_id=name,
            account=self.account(0),
            symbol="NOK",
            side="buy",
            qty=1_000,
        )
        self.parents.append({**told, "booked": 0})

    def plain_child(self, n: int, m: int) -> None:
        """100 shares at 10 for the latest parent, on the first host."""
        parent = self.parents[-1]["parent_id"] if self.parents else None
        session, venue = f"{self.name}-s1", VENUES[0]
        child = Child(
            self.new_id("O"),
            self.host(0),
            session,
            self.account(0),
            "NOK",
            "buy",
            venue,
            100,
            10,
            parent,
            left=100,
        )
        self.children.append(child)
        self._announce(child, {"parent_id": parent, "price": 10, "strategy": f"{self.name}-st0"})

    # -- what goes wild -----------------------------------------------------------------------

    def burst(self, n: int, m: int) -> None:
        """Many children at once that nothing answers."""
        for _ in range(8 * (1 + n % 7)):
            self.child_of_the_latest(n, m)
            self.now += MS * (1 + m)

    def runaway(self, n: int, m: int) -> None:
        """Power Peg: the parent is done and its children go on, filled."""
        self.child_of_the_latest(n, m)
        self.done(len(self.parents) - 1, 1)
        self.now += 400 * MS
        for _ in range(3 + 2 * (n % 5)):
            self.child_of_the_latest(n, m)
            self.filled_in_full(0, m)
            self.now += 30 * MS

    def circles(self, n: int, m: int) -> None:
        """A strategy buys dear and sells cheap, again and again; the other side may be one of our own."""
        for turn in range(2 * (1 + n % 5)):
            side, price = (("buy", 20.5), ("sell", 10.0))[turn % 2]
            child = Child(
                self.new_id("O"), self.host(m), f"{self.name}-s1", self.account(0), SYMBOLS[m % 3], side, VENUES[0],
                7, price, left=7,
            )  # fmt: skip
            self.children.append(child)
            own = turn % 2 if m > 4 else 0
            entity = (None, f"{self.name}-e1", f"{self.name}-e{turn % 2}")[n % 3]
            self._announce(child, {"price": price, "strategy": f"{self.name}-st{own}", "entity": entity})
            self.tell(
                "fill", child.host, exec_id=self.new_id("E", child.venue), order_id=child.order_id, last_qty=7,
                last_px=price, venue=child.venue, session=child.session,
                match_id=f"{self.name}-{self.now // (60 * MS)}" if m % 2 else None,
            )  # fmt: skip
            self.now += 30 * MS

    def orphans(self, n: int, m: int) -> None:
        for i in range(6 * (1 + n % 4)):
            self._send(i, m, None, parent_id=f"{self.name}Z{i}", strategy=f"{self.name}-st0")
            self.filled_in_full(0, m)
            self.now += 40 * MS


@dataclass
class World:
    """What everybody sees: prices, rates, multipliers; a topic of its own."""

    now: int = START
    told: list[Told] = field(default_factory=list)

    def mark(self, n: int, m: int) -> Told:
        return {"kind": "mark", "symbol": SYMBOLS[n % 3], "price": (*PRICES, 500)[m % 5]}

    def instrument(self, n: int, m: int) -> Told:
        return {
            "kind": "instrument",
            "symbol": SYMBOLS[n % 3],
            "multiplier": (1, 50, 0.1)[m % 3],
            "currency": ("USD", "JPY")[n % 2],
            "asset_class": ("equity", "future", "fx", "option", "bond")[m],
            "tick": (0.01, 0.25)[n % 2],
            "adv": (0, 500, 100_000)[m % 3],
            "shares_out": (20, 1_000_000)[n % 2],
            "negative_price_ok": n == 4,
        }

    def fx(self, n: int, m: int) -> Told:
        return {"kind": "fx", "currency": "JPY", "usd": (0.0128, 0.01)[m % 2]}
