"""`detectors.storm`, slow and obvious: everything is kept, every window is counted again at each second.

Reads the same postings and the same settings; says (reason, severity, scope, measured, limit, unit, at, row).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.event import Kind, SessionEvent, Source
from detectors.posting import Note
from detectors.posting import PostingKind as K
from detectors.storm.masking import masked
from tests.oracle.child_parent import Crossing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detectors.contract import Postings, View

SECOND: Final = 10**9
WARN, HIGH, HALT = 1, 2, 3

Place = tuple[str, str]
Said = tuple[str, int, str, float, float, str, int, int]


class Storm:
    def __init__(self, settings: Any, view: View) -> None:
        self.s, self.view, self.names = settings, view, view.names
        self.ticked = 0
        self.happened: dict[Place, list[tuple[str, int]]] = defaultdict(list)  # (what, second)
        self.running: dict[tuple[Place, str], int] = defaultdict(int)
        self.crossings: dict[tuple[Place, str], Crossing] = defaultdict(Crossing)
        self.early: dict[int, tuple[str, int]] = {}
        self.texts: dict[tuple[Place, str], list[int]] = defaultdict(list)  # times
        self.beats: dict[str, int] = {}
        self.roles: dict[str, int] = {}
        self.quiet_after = 0

    def hear(self, postings: Postings) -> Iterator[Said]:
        for p in postings.rows:
            yield from self.pass_time(int(p[po.LOW]), int(p[po.ROW]))
            row, kind, at = postings.batch.rows[p[po.ROW]], int(p[po.KIND]), int(p[po.AT])
            place = self.place(p)
            if kind == K.ORDER_SENT:
                self.note(place, "sent", at)
                if p[po.BITS] & Note.LATE_ORDER:
                    self.told_late(place, int(p[po.ORDER]), at)
            elif kind == K.ORDER_ANSWERED:
                refused = row[ev.KIND] == Kind.ORDER_REJECT and row[ev.SOURCE] == Source.GATEWAY
                if not (refused and int(p[po.SENT_AT]) and self.is_told_now(postings, p)):
                    self.note(place, "answered", at)
            elif kind == K.ORDER_OUT:
                self.out(p, row, place, at)
            self.listen(p, row, kind, at)

    @staticmethod
    def is_told_now(postings: Postings, p: Any) -> bool:
        """Whether the same event takes the order out: else it was answered before, or comes late."""
        return any(q[po.ROW] == p[po.ROW] and q[po.KIND] == K.ORDER_OUT for q in postings.rows)

    def place(self, p: Any) -> Place:
        for column, kind, word in ((po.SESSION, nm.SESSION, "session"), (po.HOST, nm.HOST, "host"), (po.ACCOUNT, nm.ACCOUNT, "account")):  # fmt: skip
            if p[column] > nm.OTHER:
                return word, self.names.text(kind, int(p[column]))
        return "", ""

    # -- shares -------------------------------------------------------------------------------

    def note(self, place: Place, what: str, at: int) -> None:
        if at // SECOND > self.ticked - 10:
            second = min(at // SECOND, self.ticked + 5)
            self.happened[place].append((what, second))
            self.quiet_after = max(second + 15, self.quiet_after)

    def out(self, p: Any, row: Any, place: Place, at: int) -> None:
        is_reject = bool(p[po.BITS] & Note.REJECTED)
        if not is_reject and not p[po.BITS] & Note.REQUESTED:
            return
        gates_own = is_reject and row[ev.SOURCE] == Source.GATEWAY
        if p[po.BITS] & Note.ORDER_UNKNOWN:
            if not gates_own:
                self.early[int(p[po.ORDER])] = ("reject" if is_reject else "cancel", at)
        elif gates_own:
            return
        elif is_reject:
            self.note(place, "rejected", at)
        elif abs(at - int(p[po.SENT_AT])) <= self.s.cancels_within_ns:
            self.note(place, "quick", at)

    def told_late(self, place: Place, order: int, at: int) -> None:
        what, when = self.early.pop(order, ("", 0))
        if what and abs(when - at) <= 10 * SECOND:
            if what == "reject":
                self.note(place, "rejected", at)
            elif abs(when - at) <= self.s.cancels_within_ns:
                self.note(place, "quick", at)

    # -- texts --------------------------------------------------------------------------------

    def listen(self, p: Any, row: Any, kind: int, at: int) -> None:
        host = self.names.text(nm.HOST, int(row[ev.HOST])) if row[ev.HOST] > nm.OTHER else ""
        what = row[ev.KIND]
        if what == Kind.HEARTBEAT and host and kind == K.EVENT:
            self.beats[host] = max(at, self.beats.get(host, 0))
            if row[ev.ROLE] > nm.OTHER:
                self.roles[host] = int(row[ev.ROLE])
        is_refusal = (kind == K.ORDER_OUT and what == Kind.ORDER_REJECT) or kind == K.REQUEST_REFUSED
        is_refusal = is_refusal and row[ev.SOURCE] != Source.GATEWAY
        is_session = what == Kind.SESSION_EVENT and row[ev.EVENT] in (
            SessionEvent.REJECT,
            SessionEvent.BUSINESS_REJECT,
        )
        is_plain = kind == K.EVENT and (what == Kind.ERROR or is_session)
        if not (is_refusal or is_plain) or row[ev.REASON] == 0:
            return
        text = masked(self.names.text(nm.REASON, int(row[ev.REASON])))
        if text in (self.view.known_reasons or ()):
            return
        times = self.texts[("host", host) if host else self.place(p), text]
        if not times or times[-1] != at:
            times += [at] * (max(int(row[ev.COUNT]), 1) if is_plain else 1)
            self.quiet_after = max((at + self.s.unknown_window_ns) // SECOND + 6, self.quiet_after)

    def peers(self, host: str) -> list[str]:
        role = self.roles.get(host)
        return [h for h, r in self.roles.items() if h != host and r == role and role]

    def unknown(self, place: Place, at: int) -> tuple[int, int]:
        """Of the window: messages that nobody knows, and of those what may page."""
        recorded = paging = 0
        for (who, text), times in self.texts.items():
            if who != place:
                continue
            said = len([t for t in times[-16:] if at - self.s.unknown_window_ns <= t < at])
            peers = self.peers(place[1]) if place[0] == "host" else []
            alive = [h for h in peers if at - self.beats[h] <= self.s.unknown_alive_ns]
            has_peers = len(alive) >= self.s.unknown_peers_count
            if (
                self.view.known_reasons is None
                and has_peers
                and any(self.texts.get((("host", h), text)) for h in peers)
            ):
                continue
            recorded += said
            paging += said if self.view.known_reasons is not None or has_peers else 0
        return recorded, paging

    # -- time ---------------------------------------------------------------------------------

    def pass_time(self, low: int, row: int = -1) -> Iterator[Said]:
        target = low // SECOND
        self.ticked = self.ticked or target
        while self.ticked < target:
            if self.quiet_after <= self.ticked:
                self.ticked = target
                return
            for place in {*self.happened, *(place for place, _ in self.texts)}:
                yield from self.judge(place, self.ticked + 1, row)
            self.ticked += 1

    def judge(self, place: Place, second: int, row: int) -> Iterator[Said]:
        s = self.s
        told = [what for what, when in self.happened[place] if second - 10 <= when < second]
        sent, answered, rejected, quick = (
            told.count(what) for what in ("sent", "answered", "rejected", "quick")
        )
        orders = max(sent, answered, rejected)
        rung, limit = 0, s.rejects_warn_share
        if self.is_share(rejected, orders, s.rejects_warn_share, s.rejects_warn_count):
            rung = WARN
        if self.runs(
            place, "rejects", self.is_share(rejected, orders, s.rejects_high_share, s.rejects_high_count)
        ):
            rung, limit = HIGH, s.rejects_high_share
        if self.is_share(rejected, orders, s.rejects_halt_share, s.rejects_halt_count):
            rung, limit = HALT, s.rejects_halt_share
        yield from self.say("rejects", place, rung, 100 * rejected / max(orders, 1), 100 * limit, second, row)
        orders = max(sent, quick)
        rung, limit = 0, s.cancels_warn_share
        if self.is_share(quick, orders, s.cancels_warn_share, s.cancels_high_count):
            rung = WARN
        is_high = self.runs(
            place, "cancels", self.is_share(quick, orders, s.cancels_high_share, s.cancels_high_count)
        )
        if is_high:
            rung, limit = HIGH, s.cancels_high_share
        is_halt = self.runs(
            place, "halt", self.is_share(quick, orders, s.cancels_halt_share, s.cancels_halt_count)
        )
        if is_halt:
            rung, limit = HALT, s.cancels_halt_share
        yield from self.say("cancels", place, rung, 100 * quick / max(orders, 1), 100 * limit, second, row)
        recorded, paging = self.unknown(place, second * SECOND)
        rung, measured, limit = 0, recorded, s.unknown_warn_count
        if recorded >= s.unknown_warn_count:
            rung = WARN
        if paging >= s.unknown_high_count:
            rung, measured, limit = HIGH, paging, s.unknown_high_count
        yield from self.say("unknown_reason", place, rung, measured, limit, second, row)

    @staticmethod
    def is_share(some: int, orders: int, share: float, orders_min: int) -> bool:
        return orders >= orders_min and some * 10**8 >= round(share * 10**8) * orders

    def runs(self, place: Place, what: str, is_so: bool) -> bool:
        self.running[place, what] = self.running[place, what] + 1 if is_so else 0
        return self.running[place, what] >= self.s.running_count

    def say(self, reason: str, place: Place, rung: int, measured: float, limit: float, second: int, row: int) -> Iterator[Said]:  # fmt: skip
        if rung := self.crossings[place, reason](rung, second * SECOND):
            scope = f"{place[0]}={place[1]}" if place[0] else "*"
            unit = "messages" if reason == "unknown_reason" else "% of orders"
            yield reason, rung, scope, measured, limit, unit, second * SECOND, row
