"""How hard the properties try: HYPOTHESIS_PROFILE is quick (default), ci or deep."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from monitor.edge.allocator import map_tables_apart

map_tables_apart()  # engines come and go by the thousand: what they held goes back whole, as in the monitor

pytest_plugins = ["tests.real.fixtures"]

# Compiled code is slow at its first call only, and the machine is shared: no deadlines, no timed tests.
patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("quick", max_examples=25, **patient)
settings.register_profile("ci", max_examples=50, derandomize=True, print_blob=True, **patient)
settings.register_profile("deep", max_examples=5_000, **patient)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
