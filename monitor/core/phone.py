"""What a person woken at night reads first.  One line, fixed in form, nothing claimed that was not seen.

>>> why = "3 children after parent done"
>>> halt = ("host=smars-8", "halt_cancel", why, 96_400.0, "7f3a9c")
>>> for part in stopped(*halt, "runbook", "child_after_done", others=True).split(" | "):
...     print(part)
STOPPED host=smars-8 (no new, cancelling)
why: 3 children after parent done
exposed $96k
others trading
halt 7f3a
next: runbook#child-after-done
"""

from __future__ import annotations

from typing import Final

DOES: Final = {
    "throttle": "slowed",
    "reduce_only": "only what reduces",
    "halt_new": "no new",
    "halt_cancel": "no new, cancelling",
    "disconnect": "disconnected",
}
TEXT_MAX: Final = 120  # of anything that came from outside


def stopped(
    scope: str,
    level: str,
    why: str,
    exposed_usd: float | None,
    halt_id: str,
    runbook: str,
    reason: str,
    *,
    others: bool,
) -> str:
    """The first line of a halt's page."""
    return " | ".join(
        (
            f"STOPPED {plain(scope)} ({DOES[level]})",
            f"why: {plain(why)}",
            f"exposed {money(exposed_usd)}",
            _others(scope, others=others),
            f"halt {halt_id[:4]}",
            f"next: {anchor(runbook, reason)}",
        )
    )


def warned(scope: str, why: str, exposed_usd: float | None, mode: str, runbook: str, reason: str) -> str:
    """The first line of a page that stops nothing."""
    return " | ".join(
        (
            f"LOOK {plain(scope)} (nothing stopped{', ' + mode if mode != 'armed' else ''})",
            f"why: {plain(why)}",
            f"exposed {money(exposed_usd)}",
            f"next: {anchor(runbook, reason)}",
        )
    )


def unanswered(scope: str, gateways: tuple[str, ...], halt_id: str, runbook: str) -> str:
    """The first line when nobody, or not everybody, says that a halt holds."""
    who = ", ".join(plain(name) for name in gateways if name) or "any gateway"
    told = f"NOT CONFIRMED {plain(scope)} | no answer from {who[:TEXT_MAX]} | halt {halt_id[:4]}"
    return f"{told} | next: {anchor(runbook, 'halt_unconfirmed')}"


def ourselves(what: str, runbook: str, reason: str) -> str:
    """The first line when the monitor itself is in doubt."""
    return f"MONITOR {plain(what)} | next: {anchor(runbook, reason)}"


def money(usd: float | None) -> str:
    """Dollars at a glance; unknown is said.

    >>> money(96_400.0), money(2_500_000.0), money(12.0), money(None)
    ('$96k', '$2.5M', '$12', 'unknown')
    """
    if usd is None:
        return "unknown"
    for floor, unit in ((1e9, "bn"), (1e6, "M")):
        if usd >= floor:
            return f"${usd / floor:.3g}{unit}"
    return f"${usd / 1e3:.0f}k" if usd >= 1e3 else f"${usd:.0f}"


def plain(text: str) -> str:
    """Outside text made harmless for one line."""
    return "".join(c if c.isprintable() and c != "|" else "?" for c in text)[:TEXT_MAX]


def anchor(runbook: str, reason: str) -> str:
    return f"{runbook}#{reason.replace('_', '-')}"


def _others(scope: str, *, others: bool) -> str:
    if scope == "*":
        return "whole firm"
    return "others trading" if others else "no other flow seen"
