"""Simulated mornings: a market, a fleet, an order system, and what went wrong with them.

`registry` names the scenarios, `simulate` writes one into a file, `configuration` is how its firm would be
watched; `fleet` runs Knight's in a closed loop, with routers that obey.  A scenario is a pure function of its
seed and scale.
"""

from monitor.scenarios.files import simulate
from monitor.scenarios.incidents import INCIDENTS
from monitor.scenarios.knight_day import KNIGHT
from monitor.scenarios.rows import Event, Sequencer
from monitor.scenarios.scenario import History, Scenario, Truth
from monitor.scenarios.watched import configuration

__all__ = ["Event", "History", "Scenario", "Sequencer", "Truth", "configuration", "registry", "simulate"]


def registry() -> dict[str, Scenario]:
    """Every scenario by its name."""
    return {scenario.name: scenario for scenario in (KNIGHT, *INCIDENTS)}
