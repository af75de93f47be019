"""`detectors.rate`, slow and obvious: every message is kept, and each second looks at all of them again.

The models of a host and strategy are river's own.  Says (reason, severity, scope, measured, at).
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from river import drift, stats

from detectors.limits import nearest, widest_first
from tests.oracle.event import WHO
from tests.oracle.exposure import Crossing

if TYPE_CHECKING:
    from detectors.baseline import Rates
    from detectors.rate import RateSettings

SECOND: Final = 10**9
UNIT: Final = 10**8
WARN, HIGH, HALT = 1, 2, 3
BIN: Final = 300
Said = tuple[str, int, str, float, int]
Pair = tuple[str, str]


@dataclass
class Models:
    """Of one measure, of what was sent today."""

    quantile: Any = field(default_factory=lambda: stats.Quantile(0.99))
    mean: Any = field(default_factory=lambda: stats.EWMean(0.01))
    variance: Any = field(default_factory=lambda: stats.EWVar(0.01))
    seen: int = 0
    drift: Any = None

    def drifted(self, x: float) -> float:
        if self.drift is None:
            self.drift = drift.PageHinkley(min_instances=1, delta=1.0, threshold=1e18, alpha=1.0, mode="up")
        self.drift.update(x)
        return float(self.drift._sum_increase - self.drift._min_increase)

    def learn(self, x: float) -> None:
        self.seen += 1
        for each in (self.quantile, self.mean, self.variance):
            each.update(x)


class Rate:
    def __init__(self, settings: RateSettings, rates: Rates) -> None:
        self.s, self.rates = settings, rates
        self.rows = widest_first(settings.limit)
        self.counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self.caps: dict[str, float] = {}
        self.levels: dict[Any, Crossing] = defaultdict(Crossing)
        self.running: dict[Any, int] = defaultdict(int)
        self.sums: dict[Pair, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
        self.models: dict[Pair, list[Models]] = defaultdict(lambda: [Models(), Models(), Models()])
        self.of_host: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self.roles: dict[str, str] = {}
        self.prices: dict[str, int] = {}
        self.open: dict[str, bool] = {}
        self.first = self.opened_at = 0
        self.said: list[Said] = []

    def hear(self, p: Any, told: Any) -> None:
        if p["low"] > 0:
            self.advance(p["low"])
        kind = p["kind"]
        if kind in ("EXECUTED", "MARKED") and (p["px"] or 0) > 0:
            self.prices[p["symbol"]] = p["px"]
        if kind == "EVENT":
            messages = self._event(p, told)
        elif kind == "ORDER_OUT":
            messages = int("REJECTED" in p["bits"].split())
        else:
            messages = int(kind in ("ORDER_SENT", "REQUESTED", "REQUEST_REFUSED"))
        if not messages:
            return
        who = dict(zip(WHO, p["who"], strict=True)) if p["who"] else {"session": p["session"]}
        who = {kind: text for kind, text in who.items() if text}
        second = min(max(p["at"] // SECOND, self.first), self.first + 12)
        for kinds in self.s.shapes():
            if all(kind in who for kind in kinds):
                self._count({kind: who[kind] for kind in kinds}, second, messages, p)
        if p["host"] in self.roles:
            self.of_host[p["host"]][second] += messages
        if kind == "ORDER_SENT":
            px = p["px"] if p["px"] is not None else self.prices.get(p["symbol"], 0)
            if p["px"] is not None and px > 0:
                self.prices[p["symbol"]] = px
            sums = self.sums[who.get("host", ""), who.get("strategy", "")][second]
            usd = round(abs(float(p["qty"]) * float(px)) * (1e4 / (1e8 * 1e8)))
            for k, more in enumerate((1, p["qty"] // UNIT, usd)):
                sums[k] += more

    def _event(self, p: Any, told: Any) -> int:
        match told["kind"]:
            case "session_event":
                return 1 if told["count"] is None else int(told["count"])
            case "heartbeat" if told["role"]:
                self.roles[told["host"]] = told["role"]
            case "session_phase":
                is_open = told["phase"] == "open"
                if is_open and not self.open.get(told["venue"]):
                    self.opened_at = max(p["at"], self.opened_at)
                self.open[told["venue"]] = is_open
        return 0

    def _count(self, scope: dict[str, str], second: int, messages: int, p: Any) -> None:
        text = "&".join(f"{kind}={scope[kind]}" for kind in sorted(scope)) or "*"
        self.caps[text] = nearest(self.rows, frozenset(scope), scope).get("messages_per_s", math.inf)
        self.counts[text][second] += messages
        count = self.counts[text][second]
        rung = self._rung(text, count)
        level = self.levels[text]
        if rung > level.held and level(rung, p["low"]):
            self.said.append(("message_cap", rung, text, count, p["at"]))

    def _rung(self, text: str, count: int) -> int:
        cap = self.caps[text]
        return next(
            (
                r
                for r, times in ((HALT, self.s.halt_times), (HIGH, 1), (WARN, self.s.warn_share))
                if count > times * cap
            ),
            0,
        )

    def advance(self, low: int) -> None:
        target = low // SECOND
        self.first = self.first or target
        quiet = max(
            (
                max(each, default=0)
                for each in (*self.counts.values(), *self.sums.values(), *self.of_host.values())
            ),
            default=0,
        )
        while self.first < target:
            second = self.first if self.first <= quiet + 4 else target
            if second == target:
                self.first = target
                return
            self._judge(second)
            self.first += 1

    def _judge(self, second: int) -> None:
        at = (second + 1) * SECOND
        for text, counts in self.counts.items():
            count = counts.get(second, 0)
            rung = self._rung(text, count)
            self.running[text] = self.running[text] + 1 if rung >= HIGH else 0
            if self.running[text] >= self.s.running_count:
                rung = HALT
            if self.levels[text](rung, at):
                self.said.append(("message_cap", rung, text, count, at))
        for pair in self.sums:
            self._judge_pair(pair, second, at)
        for host, counts in self.of_host.items():
            count, rung = counts.get(second, 0), 0
            others = sorted(
                self.of_host[o].get(second, 0) if o in self.of_host else 0
                for o, role in self.roles.items()
                if o != host and role == self.roles[host]
            )
            is_high = False
            if len(others) >= self.s.peer_hosts_min:
                median = max(others[(len(others) - 1) // 2], self.s.peer_floor_per_s)
                rung = WARN if count >= self.s.peer_warn_times * median else 0
                is_high = count >= self.s.peer_high_times * median
            self.running[host, "peer"] = self.running[host, "peer"] + 1 if is_high else 0
            if self.running[host, "peer"] >= self.s.running_count:
                rung = HIGH
            if self.levels[host, "peer"](rung, at):
                self.said.append(("peer", rung, f"host={host}", count, at))

    def _judge_pair(self, pair: Pair, second: int, at: int) -> None:
        if second not in self.sums[pair]:
            self.running[pair] = 0
            self.levels[pair](0, at)
            return
        floors = (self.s.abnormal_floor_orders, self.s.abnormal_floor_shares, self.s.abnormal_floor_usd)
        worst, rung, is_high = 0.0, 0, False
        for k, (amount, m, floor) in enumerate(
            zip(self.sums[pair][second], self.models[pair], floors, strict=True)
        ):
            x = amount / 10**4 if k == 2 else float(amount)
            usual = m.quantile.get() if m.seen >= 300 else 0.0
            is_far = x > self.s.abnormal_quantile_times * usual
            median, mad = self._learned(pair, second, k)
            off = 0.0
            if median > 0:
                off = (x - median) / max(1.4826 * mad, floor)
                if off >= self.s.abnormal_warn_times:
                    rung = WARN
                is_high |= off >= self.s.abnormal_high_times and is_far
                if m.drifted(min(off, 20.0)) >= self.s.drift_warn_times:
                    rung, m.drift = WARN, None
            elif usual > 0:
                off = (x - m.mean.get()) / max(math.sqrt(m.variance.get()), floor)
                rung = WARN if off >= self.s.abnormal_warn_times and is_far else rung
            worst = max(worst, off)
            m.learn(x)
        if self.opened_at and at - self.opened_at < self.s.abnormal_warm_up_s * SECOND:
            is_high = False
        self.running[pair] = self.running[pair] + 1 if is_high else 0
        if self.running[pair] >= self.s.running_count:
            rung = HIGH
        if self.levels[pair](rung, at):
            scope = f"host={pair[0]}" if pair[0] else f"strategy={pair[1]}" if pair[1] else "*"
            self.said.append(("abnormal", rung, scope, round(worst, 6), at))

    def _learned(self, pair: Pair, second: int, k: int) -> tuple[float, float]:
        opens = [int(each) for each in self.rates.opens if each <= second * SECOND + 8 * 3600 * SECOND]
        place = (second * SECOND - opens[-1] + 8 * 3600 * SECOND) // (BIN * SECOND) if opens else -1
        if not 0 <= place < 288:
            return 0.0, 0.0
        median, mad = self.rates.medians[self.rates.row(*pair), place, k]
        return float(median), float(mad)
