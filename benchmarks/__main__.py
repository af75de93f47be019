"""All benchmarks, one after another, each in a process of its own: `make bench`."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

ALL: Final = ("decode", "memory", "throughput", "latency")


def main() -> int:
    """Run those that are named, or all; the status is that of the first that failed."""
    statuses = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
        for name in sys.argv[1:] or ALL
    ]
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    raise SystemExit(main())
