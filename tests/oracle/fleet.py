"""`detectors.fleet`, slow and obvious: names are compared anew at each event, roles counted at each question.

Reads the same postings, in words, beside the event as it was told; says (reason, severity, scope, measured, at).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from tests.oracle.event import WHO
from tests.oracle.exposure import Crossing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detectors.fleet import FleetSettings, ManifestRow

SECOND: Final = 10**9
DAY: Final = 86_400 * SECOND
WARN, HIGH, HALT = 1, 2, 3
STATES: Final = ("build_mismatch", "undeclared_flag", "dormant_flag")
Said = tuple[str, int, str, float, int]


@dataclass
class Host:
    row: ManifestRow | None
    beat_at: int = 0
    build: str = ""
    config: str = ""
    flags: tuple[str, ...] | None = None
    wrong: dict[str, int] = field(default_factory=dict)
    ordered_at: int = 0
    own: tuple[str, str, int, str] = (
        "",
        "",
        0,
        "",
    )  # build, phase, since when, what it ran when that was done
    used_at: int = 0
    slept: int = 0


class Fleet:
    def __init__(self, settings: FleetSettings, flags_seen: Mapping[str, int] | None = None) -> None:
        self.s = settings
        self.hosts: dict[str, Host] = {}
        self.traded: dict[str, int] = {}
        self.declared: dict[str, list[str]] = defaultdict(list)
        self.levels: dict[Any, Crossing] = defaultdict(Crossing)
        self.accused: dict[str, tuple[int, int]] = {}  # scope -> (last order, orders)
        self.day_of = dict(flags_seen or {})
        self.woke: dict[str, tuple[int, int]] = {}
        self.phases: dict[str, bool] = {}
        self.expect_at = self.first_at = self.ticked = self.until = 0
        self.counted: dict[str, tuple[int, int, dict[str, int], int]] = {}
        self.said: list[Said] = []

    def ns(self, seconds: float) -> int:
        return round(seconds * SECOND)

    def hear(self, p: Any, told: Any) -> None:
        """One posting, and the event behind it."""
        if p["low"] > 0:
            self.advance(p["low"])
        if p["kind"] == "EVENT":
            match told["kind"]:
                case "heartbeat":
                    self._beat(p, told)
                case "deploy":
                    self._deploy(p, told)
                case "session_phase":
                    self._phase(p, told)
        elif p["kind"] == "ORDER_SENT":
            self._use(p, told)
            self._order(p)
            self._grant(p)
        elif p["kind"] == "PARENT_OPENED":
            self._use(p, told)

    # -- what is heard ----------------------------------------------------------------------------

    def host(self, name: str) -> Host:
        if name not in self.hosts:
            rows = [row for row in self.s.rows if any(fnmatchcase(name, each) for each in row.hosts)]
            self.hosts[name] = Host(rows[0] if rows else None)
        return self.hosts[name]

    def _beat(self, p: Any, told: Any) -> None:
        host, at = self.host(told["host"]), p["at"]
        if at <= host.beat_at:
            return
        if host.beat_at and self.ticked:
            last = at // SECOND
            for second in range(max(self.ticked + 1, last - 30), last + 1):
                self._judge(told["host"], second * SECOND, second * SECOND)
        self._use(p, told)
        host.beat_at, host.build, host.config = at, told["build"], told["config_hash"] or ""
        host.flags = tuple(told["flags"]) if told["flags"] is not None else None
        if host.row:
            self.first_at = self.first_at or at
            self._stand(host, "build_mismatch", not self._runs_as_declared(host, host.row, at), at)
            has_more = (
                host.flags is not None
                and host.row.flags is not None
                and not set(host.flags) <= set(host.row.flags)
            )
            self._stand(host, "undeclared_flag", has_more, at)
            self._settle(at)
            self._count(host.row.role, p["low"])
        self._judge(told["host"], p["low"], at)

    def _stand(self, host: Host, reason: str, wrong: bool, at: int) -> None:
        if not wrong:
            host.wrong.pop(reason, None)
        else:
            host.wrong.setdefault(reason, at)

    def _runs_as_declared(self, host: Host, row: ManifestRow, at: int) -> bool:
        build, phase, since, old = host.own
        if phase == "done" and at - since > self.ns(self.s.rollout_grace_s) and host.build == old != build:
            return False
        if row.build in ("", host.build):
            return row.config_hash in ("", host.config)
        if host.build == build:
            return phase != "rolled_back"
        return host.build in self.declared[row.role]

    def _deploy(self, p: Any, told: Any) -> None:
        host, phase, build = self.host(told["host"]), told["phase"], told["build"]
        if not host.row or host.own[:2] == (build, phase) or host.own[2] > p["at"]:
            return
        host.own = (build, phase, p["at"], host.build if phase == "done" else host.own[3])
        declared = self.declared[host.row.role]
        if build in declared:
            if phase == "rolled_back":
                declared.remove(build)
        elif phase != "rolled_back":
            declared.append(build)

    def _phase(self, p: Any, told: Any) -> None:
        was_any, was_open = any(self.phases.values()), self.phases.get(told["venue"], False)
        is_open = self.phases[told["venue"]] = told["phase"] != "closed"
        if is_open and not was_open and not was_any:
            self.expect_at = p["at"]
        self.until = max(self.until, p["at"] // SECOND + self.ns(self.s.silent_high_s) // SECOND + 3)

    def _use(self, p: Any, told: Any) -> None:
        day = p["at"] // DAY
        for flag in sorted(set(told["flags"] or ())):
            before = self.day_of.get(flag)
            if before is not None and day - before >= self.s.dormant_days:
                self.woke[flag] = (p["at"], day - before)
            self.day_of[flag] = max(day, before if before is not None else day)
            if flag in self.woke and p["at"] - self.woke[flag][0] < DAY and told["host"]:
                host = self.host(told["host"])
                host.used_at, host.slept = max(p["at"], host.used_at), self.woke[flag][1]
                host.wrong.setdefault("dormant_flag", p["at"])
                if host.row:
                    self._count(host.row.role, p["low"])
                self._settle(p["at"])
                self._judge(told["host"], p["low"], p["at"])

    def _order(self, p: Any) -> None:
        if not self.first_at and self.s.manifest:
            self.first_at = p["at"]
            self._settle(p["at"])
        if not p["host"] or not (row := self.host(p["host"]).row):
            return
        host = self.host(p["host"])
        self.traded[row.role] = max(p["at"], self.traded.get(row.role, 0))
        if not host.wrong:
            return
        is_new = p["low"] - host.ordered_at >= SECOND
        host.ordered_at = max(p["low"], host.ordered_at)
        for reason in host.wrong:
            level = self.levels[p["host"], reason]
            if is_new and level.held == HALT:
                level.held = HIGH
        self._settle(p["at"])
        self._judge(p["host"], p["low"], p["at"])

    def _grant(self, p: Any) -> None:
        if not self.s.grants:
            return
        host, strategy, account = (
            p["host"],
            p["strategy"],
            dict(zip(WHO, p["who"] or (), strict=False)).get("account", ""),
        )
        rows = [row for row in self.s.granted if any(fnmatchcase(host, each) for each in row.hosts)]
        scope = "host"
        if rows:
            rows = [row for row in rows if any(fnmatchcase(strategy, each) for each in row.strategies)]
            scope = "strategy" if strategy else "host"
        if any(fnmatchcase(account, each) for row in rows for each in row.accounts):
            return
        name = {"host": host, "strategy": strategy}[scope]
        text = f"{scope}={name}" if name else "*"
        last, count = self.accused.get(text, (0, 0))
        count = 0 if p["at"] - last > 3_600 * SECOND else count  # another story
        self.accused[text] = (max(last, p["at"]), count + 1)
        if not last or p["at"] - last >= SECOND:
            self.said.append(("not_granted", HALT, text, count + 1, p["at"]))

    # -- where a host stands ----------------------------------------------------------------------

    def _settle(self, at: int) -> None:
        s = self.s
        longest = max(s.silent_high_s, s.minority_high_s, s.idle_halt_s)
        if at - self.first_at <= self.ns(s.arrival_s):
            longest = max(longest, s.arrival_s)
        self.until = max(self.until, (at + self.ns(longest)) // SECOND + 3)

    def _is_expected(self, host: Host, low: int) -> bool:
        if self.phases and not any(self.phases.values()):
            return False
        is_rolling = host.own[1] == "started" and low - host.own[2] < self.ns(self.s.rollout_silence_s)
        return not is_rolling

    def _count(self, role: str, at: int) -> None:
        heard = [h for h in self.hosts.values() if h.row and h.row.role == role and h.beat_at]
        live = [h for h in heard if at - h.beat_at < self.ns(self.s.silent_high_s)]
        silent = [h for h in heard if h not in live and self._is_expected(h, at)]
        wrong = {reason: sum(reason in h.wrong for h in live) for reason in STATES}
        self.counted[role] = (len(heard), len(live), wrong, len(silent))

    def _judge(self, name: str, low: int, at: int) -> None:
        host = self.hosts[name]
        role = host.row.role if host.row else ""
        _, live, wrongs, silent = (
            self.counted.get(role, (0, 0, dict.fromkeys(STATES, 0), 0))
            if role
            else (0, 0, dict.fromkeys(STATES, 0), 0)
        )
        for reason in STATES:
            if reason == "dormant_flag" and reason in host.wrong and low - host.used_at > 60 * SECOND:
                del host.wrong[reason]
            is_few = bool(role) and 2 * wrongs[reason] < live
            rung = self._rung(host, reason, role, is_few, low)
            if self.levels[name, reason](rung, low):
                scope = f"host={name}"
                if rung == HIGH and role and not is_few and host.build:
                    scope = f"build={host.build}"
                measured = host.slept if reason == "dormant_flag" else max(wrongs[reason], 1)
                self.said.append((reason, rung, scope, measured, at))
        if host.row and host.beat_at:
            quiet, rung = low - max(host.beat_at, self.expect_at), 0
            if self._is_expected(host, low) and quiet >= self.ns(self.s.silent_warn_s):
                rung = HIGH if quiet >= self.ns(self.s.silent_high_s) and silent < 3 else WARN
            if self.levels[name, "silent_host"](rung, low):
                self.said.append(("silent_host", rung, f"host={name}", quiet // 10 / 10**8, at))

    def _rung(self, host: Host, reason: str, role: str, is_few: bool, low: int) -> int:
        if reason not in host.wrong:
            return 0
        if reason == "undeclared_flag" and "build_mismatch" in host.wrong:
            return WARN
        stood = (host.used_at if reason == "dormant_flag" else low) - host.wrong[reason]
        sends = host.ordered_at != 0 and low - host.ordered_at < SECOND
        at_work = role in self.traded and low - self.traded[role] < 600 * SECOND
        if is_few and (sends or (at_work and stood >= self.ns(self.s.idle_halt_s))):
            return HALT
        return HIGH if stood >= self.ns(self.s.minority_high_s) else WARN

    def advance(self, low: int) -> None:
        target = low // SECOND
        self.ticked = self.ticked or target
        while self.ticked < target:
            if self.until <= self.ticked:
                self.ticked = target
                return
            self.ticked += 1
            at = self.ticked * SECOND
            for role in self.s.roles:
                self._count(role, at)
            for name in self.hosts:
                self._judge(name, at, at)
            for role in self.s.roles:
                self._judge_role(role, at)

    def _judge_role(self, role: str, at: int) -> None:
        heard, live, _, silent = self.counted[role]
        declared = sum(row.count for row in self.s.rows if row.role == role)
        rung, measured = 0, heard
        is_closed = bool(self.phases) and not any(self.phases.values())
        if self.first_at and at - self.first_at >= self.ns(self.s.arrival_s) and not is_closed:
            if silent >= 3 and at - self.expect_at >= self.ns(self.s.silent_high_s):
                rung, measured = HIGH, live
            if heard < declared:
                rung = HIGH
        if self.levels[role](rung, at):
            self.said.append(("silent_host", rung, "*", measured, at))
