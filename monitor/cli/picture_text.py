"""The picture in lines, for a person who was just woken: who judges, what is stopped, what nobody said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from detectors.scope import Scope
from monitor.core.phone import anchor

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMED_MAX: Final = 8  # gateways in one line; each has its own below


def text_of(document: Mapping[str, Any]) -> str:
    """Write out `Picture.document`."""
    by = f" by {document['config']}" if document.get("config") else ""
    lines = [f"site {document['site']}, env {document['env']}{by}"]
    lines += [_monitor_line(monitor) for monitor in document["monitors"]] or ["no monitor heard"]
    stopped = sorted(document["open"], key=lambda halt: halt["since"])
    plural = "s" if len(stopped) != 1 else ""
    if stopped:
        lines.append(f"{len(stopped)} open halt{plural}")
    else:
        lines.append(
            "no open halt" if document["stated"] else "open halts: UNKNOWN, no monitor said what is open"
        )
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
    if not halt["gateways"]:
        return [*lines, "    acknowledged: unknown, no gateway was heard", _next(halt)]
    lines.append(f"    {_really(halt['gateways'])}")
    lines += [_answer(ack) for ack in sorted(halt["gateways"], key=lambda ack: ack["applied"])]
    return [*lines, _next(halt)]


def _really(gateways: list[Mapping[str, Any]]) -> str:
    """Whether it is really stopped, in one line."""
    running = [ack["gateway"] for ack in gateways if not ack["applied"]]
    said = f"applied by {len(gateways) - len(running)} of {len(gateways)} gateways"
    if not running:
        return said
    named = ", ".join(running[:NAMED_MAX]) + (", ..." if len(running) > NAMED_MAX else "")
    return f"{said}, NOT by {named}: stop it there by hand"


def _answer(ack: Mapping[str, Any]) -> str:
    if ack["state"] is None:
        return f"    {ack['gateway']}: NO ANSWER"
    degraded = f", degraded: {ack['degraded']}" if ack["degraded"] else ""
    return (
        f"    {ack['gateway']}: {ack['state']} {ack['level']}, {ack['working'] or 0} working, "
        f"{ack['survivors']} survivors, {ack['orders_refused'] or 0} refused{degraded}"
    )


def _next(halt: Mapping[str, Any]) -> str:
    return f"    next: {anchor('runbook', halt['reason_code'])}"


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
