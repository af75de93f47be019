"""How a scenario's firm would be watched: its configuration as TOML, every family that there is armed.

What belongs to the firm (limits, caps, manifest, grants, witnesses) is the scenario's own; a family that it
says nothing of runs with its defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detectors.contract import every_detector
from monitor.settings.render import toml

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from monitor.scenarios.scenario import Scenario


def configuration(scenario: Scenario, families: Collection[str] | None = None) -> str:
    """All families armed, or those that are named.

    Raises `ValueError` for a family that is not there.
    """
    known = every_detector()
    chosen = tuple(known) if families is None else tuple(families)
    if unknown := set(chosen) - set(known):
        raise ValueError(f"no such family: {', '.join(sorted(unknown))}")
    own: Mapping[str, Mapping[str, Any]] = scenario.policy.get("detectors", {})
    tables = {"telemetry": scenario.policy.get("telemetry", {})}
    tables |= {f"detectors.{name}": {"mode": "armed"} | dict(own.get(name, {})) for name in sorted(chosen)}
    lines = [f'site = "{scenario.name}"', 'env = "sim"']
    for title, table in tables.items():
        lines += ["", f"[{title}]", *(f"{key} = {toml(value, wide=True)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"
