"""Same cause, same name: halt ids and trace digests, over RFC 8785 JSON.

A halt's id is made of what caused it and of nothing that an instance, a restart or a replay
would choose differently.

>>> halt_id("s", "prod", "child_parent", "child_after_done", "host=a", "2012-08-01", 0)[:16]
'655e45d5e21253d6'
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import rfc8785

# What an instance chose, not what happened; and evidence, which depends on how far back a stream was kept.
NOT_IN_TRACE: Final = frozenset({"evidence", "issuer", "boot", "seq", "issued_at", "audit_head"})
TIMES: Final = frozenset({"ts", "event_ts", "not_after", "expires"})
SAFE_INTEGER: Final = 2**53 - 1  # RFC 8785 numbers are doubles


def halt_id(
    site: str, env: str, detector: str, reason_code: str, scope_text: str, trade_date: str, closed_before: int
) -> str:
    """Name a halt; `closed_before` counts the halts with these six that were already closed."""
    cause = (site, env, detector, reason_code, scope_text, trade_date, closed_before)
    return hashlib.sha256(rfc8785.dumps(cause)).hexdigest()


def trace_digest(breaches: Iterable[Mapping[str, Any]], commands: Iterable[Mapping[str, Any]]) -> str:
    """Digest what a run judged and decided: equal inputs and policy, equal digest."""
    trace = {
        "breaches": [_told(breach) for breach in breaches],
        "commands": [_told(command) for command in commands],
    }
    return hashlib.sha256(rfc8785.dumps(trace)).hexdigest()


def _told(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(name, value) for name, value in entry.items() if name not in NOT_IN_TRACE}


def _plain(name: str, value: Any) -> Any:
    """Make a value fit for RFC 8785: times as strings, integers that no double holds as doubles."""
    if isinstance(value, Mapping):
        return {key: _plain(key, inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(name, inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        if name in TIMES:
            return str(value)
        return value if abs(value) <= SAFE_INTEGER else float(value)
    return value
