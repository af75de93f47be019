"""All benchmarks, one after another, or those that are named; each prints its figures as JSON: `make bench`.

python -m benchmarks [NAME ...]
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Final

ALL: Final = (
    "decode",
    "stages",
    "memory",
    "snapshot",
    "restart",
    "throughput",
    "latency",
    "stuck",
    "outage",
    "scoreboard",
)


def main() -> None:
    """Run them; the machine should have nothing else to do."""
    for name in sys.argv[1:] or ALL:
        figures = importlib.import_module(f"benchmarks.{name}").run()
        print(json.dumps({name: figures}, indent=1), flush=True)


if __name__ == "__main__":
    main()
