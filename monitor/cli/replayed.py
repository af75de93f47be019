"""What a replay found, for a person: halts one by one, everything else by its reason.

What is in shadow is said as what it would have done: that is why it is in shadow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from detectors.scope import Scope

HALTS_SHOWN: Final = 40  # a day that halts more often is read with -o json
SEVERITIES: Final = ("halt", "high", "warn")
DOES: Final = {
    ("halt", "armed"): "halts",
    ("halt", "page"): "pages, would halt if armed",
    ("halt", "shadow"): "would halt",
    ("high", "armed"): "pages",
    ("high", "page"): "pages",
    ("high", "shadow"): "would page",
}


def text_of(document: Mapping[str, Any]) -> str:
    """Write out the contract's document."""
    counts = ", ".join(
        f"{document[name]:,} {name.replace('_', ' ')}" for name in ("events", "quarantined", "passed_over")
    )
    halts = [_halt_line(command) for command in document["commands"] if command["type"] == "halt"]
    if len(halts) > HALTS_SHOWN:
        halts[HALTS_SHOWN:] = [f"... and {len(halts) - HALTS_SHOWN:,} halts more"]
    return "\n".join(
        [
            f"{counts}, {len(document['breaches']):,} breaches",
            *(halts or [_no_halt(document["breaches"])]),
            *_by_reason(document["breaches"]),
            f"policy {document['policy_digest']}",
            f"trace  {document['trace_digest']}",
        ]
    )


def _no_halt(breaches: list[Mapping[str, Any]]) -> str:
    kept = sum(breach["severity"] == "halt" and breach["mode"] != "armed" for breach in breaches)
    return (
        f"no halt, because nothing is armed that found one: {kept:,} would have been" if kept else "no halt"
    )


def _by_reason(breaches: list[Mapping[str, Any]]) -> list[str]:
    """One line for each reason at each rung, worst first: how often, and the first of them."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for breach in breaches:
        name = f"{breach['detector']}.{breach['reason_code']}"
        groups[breach["severity"], breach["mode"], name].append(breach)
    rows = []
    for (severity, mode, name), found in sorted(groups.items(), key=lambda g: SEVERITIES.index(g[0][0])):
        first = min(found, key=lambda breach: breach["ts"])
        told = f"{_scope(first)} at {clock_text(first['ts'])}: {_measure(first)}"
        rows.append((DOES.get((severity, mode), "recorded"), name, f"{len(found):,} x", f"first {told}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    return [
        f"  {does:<{widths[0]}}  {name:<{widths[1]}}  {times:>{widths[2]}}  {first}"
        for does, name, times, first in rows
    ]


def _halt_line(halt: Mapping[str, Any]) -> str:
    why = f"{halt['detector']}.{halt['reason_code']}: {_measure(halt)}"
    when = clock_text(halt["event_ts"])
    return f"HALT {halt['level']} {_scope(halt)} | {why} | at {when} | halt {halt['halt_id'][:8]}"


def _scope(said: Mapping[str, Any]) -> str:
    return Scope.of(said["scope"]).text


def _measure(said: Mapping[str, Any]) -> str:
    limit = "" if said["limit"] is None else f", limit {_number(said['limit'])}"
    return f"{_number(said['measured'])} {said['unit']}{limit}"


def _number(value: float) -> str:
    """As a person reads it; the document has it whole.

    >>> _number(3), _number(1234567.891), _number(1.06325865), _number(0.0001)
    ('3', '1,234,567.89', '1.06', '0.0001')
    """
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3g}"


def clock_text(at_ns: int) -> str:
    """To the millisecond, with its day.

    >>> clock_text(1343827801_098_146_425)
    '2012-08-01 13:30:01.098Z'
    """
    at = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at_ns // 1_000_000 % 1000:03d}Z"
