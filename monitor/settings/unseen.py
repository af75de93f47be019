"""What a configuration leaves in the dark: right, but somebody should have said so aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from detectors.contract import every_detector
from monitor.settings.families import limit_keys
from monitor.settings.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.settings.config import Config

LOST: Final = {
    "parent_fill": (
        "nobody says what is booked on a parent: executions that are never booked (what Knight's router "
        "never looked at) cannot be told from ones whose booking is not sent"
    ),
    "order_ack": (
        "nobody answers for an order: one that a venue lost cannot be told from one whose answer is not sent"
    ),
    "drop_copy": (
        "nobody but the router says what was executed: what it does not report is not seen, and positions "
        "rest on its word alone"
    ),
}


def unseen(config: Config) -> Iterator[Problem]:
    """What cannot be seen, or reaches nobody, with the setting that would change it."""
    for witness, loss in LOST.items():
        if witness not in config.telemetry.witnesses:
            yield Problem("telemetry.witnesses", f"{witness} is not declared; {loss}")
    if not config.telemetry.parented:
        yield Problem(
            "telemetry.parented",
            "is empty; an order that names no parent is taken for ordinary, so a runaway that stamps none "
            "is seen by limits alone",
        )
    for family, cls in every_detector().items():
        one = config.detectors.get(family)
        if one is None:
            yield Problem(f"detectors.{family}", "is not named: it does not run")
            continue
        if one.mode != "armed":
            yield Problem(f"detectors.{family}.mode", f"is {one.mode}: it halts nobody")
        if limit_keys(cls) and not one.settings.limit:
            yield Problem(f"detectors.{family}.limit", "is empty: there is nothing to compare with")
    if config.telemetry.baseline_file is None:
        yield Problem(
            "telemetry.baseline_file",
            "is not named: the monitor is cold; caps and invariants hold, what is unusual is only recorded",
        )
    pages = config.pages
    if not (pages.alertmanager_urls or pages.webhook_url or pages.webhook_url_file or pages.webhook_url_env):
        yield Problem("pages", "names no Alertmanager and no webhook: nobody is woken")
