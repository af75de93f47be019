"""Simulated mornings: a market, a fleet, an order system, and what went wrong with them.

`registry` names the scenarios, `simulate` writes one into a file; `fleet` runs one in a
closed loop, with routers that obey.  A scenario is a pure function of its seed and scale.
"""

from monitor.scenarios.files import simulate
from monitor.scenarios.knight_day import KNIGHT
from monitor.scenarios.rows import Event, Sequencer
from monitor.scenarios.scenario import History, Scenario, Truth

__all__ = ["Event", "History", "Scenario", "Sequencer", "Truth", "registry", "simulate"]


def registry() -> dict[str, Scenario]:
    """Every scenario by its name."""
    return {scenario.name: scenario for scenario in (KNIGHT,)}
