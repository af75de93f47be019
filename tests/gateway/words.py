"""Everybody of a small firm, with keys, and what they say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import count
from typing import Any

from monitor.core.envelope import seal
from monitor.core.identity import halt_id
from monitor.core.keyring import Keyring, Role, Signer
from monitor.gateway import Action, Decision, Gate, Order

S = 1_000_000_000
NOW = 1_343_827_801 * S  # 2012-08-01 09:30:01 New York

KW1, KW2, ANNA, BORIS, BORIS_AGAIN, CARLA, GW, STRANGER = (Signer(bytes([n]) * 32) for n in range(1, 9))
WHO = {
    "kw-1": (KW1, Role.MONITOR),
    "kw-2": (KW2, Role.MONITOR),
    "anna": (ANNA, Role.OPERATOR),
    "boris": (BORIS, Role.RISK),
    "carla": (CARLA, Role.OPERATOR),
    "gw-1": (GW, Role.GATEWAY),
}
KEYRING = Keyring(
    [s.pinned(who, role) for who, (s, role) in WHO.items()] + [BORIS_AGAIN.pinned("Boris", Role.RISK)]
)
_seq = count(1)


def said(kind: str, issuer: str = "kw-1", at: int = NOW, **fields: Any) -> dict[str, Any]:
    common = {
        "v": 1,
        "type": kind,
        "site": "demo",
        "env": "demo",
        "issuer": issuer,
        "boot": "b1",
        "seq": next(_seq),
    }
    return {**common, "issued_at": at, **fields}


def a_halt(
    scope: dict[str, str] | None = None, level: str = "halt_cancel", n: int = 0, **fields: Any
) -> dict[str, Any]:
    scope = {"host": "smars-8"} if scope is None else scope
    text = json.dumps(scope, sort_keys=True)
    whole = {
        "halt_id": halt_id("demo", "demo", "child_parent", "child_after_done", text, "2012-08-01", n),
        "level": level,
        "scope": scope,
        "detector": "child_parent",
        "reason_code": "child_after_done",
        "measured": 3,
        "limit": 3,
        "unit": "children",
        "evidence": [{"topic": "t", "partition": 0, "first_offset": 1, "last_offset": 3}],
        "event_ts": NOW,
        "mode": "live",
    }
    return said("halt", fields.pop("issuer", "kw-1"), **{**whole, **fields})


def a_state(*halts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return said(
        "state", **{"open": list(halts), "closed": [], "policy_digest": "", "part": 1, "parts": 1, **fields}
    )


STAGES = [
    {"level": "reduce_only", "after_s": 0},
    {"level": "throttle", "after_s": 60, "params": {"messages_per_s": 10}},
    {"level": "active", "after_s": 120},
]
AT_ONCE = [{"level": "active", "after_s": 0}]


def a_resume(
    closes: Iterable[str], at: int = NOW + S, stages: Any = AT_ONCE, **fields: Any
) -> dict[str, Any]:
    whole = {
        "closes": list(closes),
        "stages": stages,
        "reason": "fixed",
        "policy_digest": "",
        "expires": at + 600 * S,
    }
    return said("resume", "anna", at, **{"resume_id": f"r{next(_seq)}", **whole, **fields})


def a_lease(status: str = "judging", at: int = NOW, **fields: Any) -> dict[str, Any]:
    return said("lease", at=at, **{"status": status, "blind_of": [], "policy_digest": "", **fields})


def sealed(payload: dict[str, Any], *signers: Signer) -> bytes:
    return seal(payload, signers or [WHO[payload["issuer"]][0]])


def a_gate(*, started: bool = True, **options: Any) -> Gate:
    gate = Gate("gw-1", **{"site": "demo", "env": "demo", "keyring": KEYRING, "now_ns": NOW, **options})
    if started:
        gate.hear(sealed(a_state()), NOW)
    return gate


def an_order(side: str = "buy", qty: Any = 100, price: Any = 20, **more: Any) -> Order:
    rest = {name: more.pop(name) for name in ("leaves", "stop_price") if name in more}
    attributes = {"host": "smars-8", "account": "33", "symbol": "NOK", "side": side, **more}
    return Order("o1", attributes, qty, price, **rest)


def new(gate: Gate, now: int = NOW, **order: Any) -> Decision:
    return gate.decide(Action.NEW, an_order(**order), now)


def halted(level: str, scope: dict[str, str] | None = None, **options: Any) -> Gate:
    gate = a_gate(**options)
    gate.hear(sealed(a_halt(scope, level, params={"messages_per_s": 3})), NOW)
    return gate


def replaced(gate: Gate, now: int = NOW, before: dict[str, Any] | None = None, **after: Any) -> Decision:
    return gate.decide(Action.REPLACE, an_order(**after), now, replaces=an_order(**(before or {})))
