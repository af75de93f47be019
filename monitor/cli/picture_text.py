"""The picture in lines, for a person who was just woken: who judges, what is stopped, what nobody said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from detectors.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping


def text_of(document: Mapping[str, Any]) -> str:
    """Write out `Picture.document`."""
    lines = [f"site {document['site']}, env {document['env']}"]
    lines += [_monitor_line(monitor) for monitor in document["monitors"]] or ["no monitor heard"]
    stopped = sorted(document["open"], key=lambda halt: halt["since"])
    plural = "s" if len(stopped) != 1 else ""
    lines.append(f"{len(stopped)} open halt{plural}" if stopped else "no open halt heard of")
    for halt in stopped:
        lines += _halt_lines(halt)
    if document["unknown"]:
        lines.append("unknown")
        lines += [f"  {text}" for text in document["unknown"]]
    return "\n".join(lines)


def _monitor_line(monitor: Mapping[str, Any]) -> str:
    if monitor["lease_age_s"] is None:
        return f"{monitor['issuer']}: no lease heard"
    blind = ", ".join(Scope.of(scope).text for scope in monitor["blind_of"])
    stale = "" if monitor["lease_fresh"] else ", STALE"
    return (
        f"{monitor['issuer']}: {monitor['status']}{f' of {blind}' if blind else ''}, "
        f"lease {monitor['lease_age_s']:.1f} s old{stale}"
    )


def _halt_lines(halt: Mapping[str, Any]) -> list[str]:
    since = datetime.fromtimestamp(halt["since"] / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    why = f"{halt['detector']}.{halt['reason_code']}"
    if halt["measured"] is not None:
        why += f": {halt['measured']} {halt['unit']}, limit {halt['limit']}"
    if halt["reason"]:
        why += f": {halt['reason']}"
    drill = " DRILL" if halt["mode"] == "drill" else ""
    what = f"  {halt['level']}{drill} {Scope.of(halt['scope']).text} | {why}"
    when = f"since {since} ({_age(halt['age_s'])}) | by {', '.join(halt['issuers'])}"
    lines = [f"{what} | {when} | halt {halt['halt_id'][:8]}"]
    for ack in halt["gateways"]:
        degraded = f", degraded: {ack['degraded']}" if ack["degraded"] else ""
        lines.append(
            f"    {ack['gateway']}: {ack['state']} {ack['level']}, {ack['working'] or 0} working, "
            f"{ack['survivors']} survivors, {ack['orders_refused'] or 0} refused{degraded}"
        )
    return lines if halt["gateways"] else [*lines, "    acknowledged: unknown, no gateway was heard"]


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
