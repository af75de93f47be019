"""Compiles the kernels before anybody waits for them: at set-up, and at the start of a run.

    python -m monitor.warm          compile what is not compiled yet, two at a time

A kernel that is compiled while records wait blocks the loop for minutes.  They lie compiled
beside the installation (`detectors.kernel.cache_root`) and load in half a second.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

from detectors.contract import Detector, Level, View, every_detector
from detectors.halts import HaltsInForce
from detectors.ledger import Ledger
from detectors.names import Names
from monitor.core.decode import warm_up as warm_up_decoding
from monitor.edge.arrow_alone import leave_pandas_out
from monitor.edge.kafka_in.scan import warm_up as warm_up_reading


def warm_up(families: Iterable[str]) -> None:
    """Load the kernels of the frame and of these families, compiled if need be."""
    leave_pandas_out()
    batch = warm_up_decoding()
    warm_up_reading()
    names = Names()
    ledger = Ledger(names)
    halts = HaltsInForce(names)
    halts.tell({"": {"level": "halt_cancel", "scope": {}, "event_ts": 1}})
    halts.hear_applied("", "gateway", Level.HALT_CANCEL, 1, ())
    view = View(names, ledger, halts=halts)
    known = every_detector()
    detectors = [known[name](_settings(known[name]), view) for name in families]
    for postings in ledger.post(batch):
        for detector in detectors:
            detector.on_halts()
            list(detector.on_postings(postings))
            list(detector.on_time(2))


def _settings(family: type[Detector]) -> Any:
    """A family's defaults; one that needs a limit gets one."""
    keys = getattr(family, "LIMIT_KEYS", ())
    if keys and any(field.name == "limit" for field in dataclasses.fields(family.Settings)):
        return family.Settings(limit=({"scope": getattr(family, "LIMIT_SCOPE", "*"), keys[0]: 1.0},))
    return family.Settings()


def main() -> None:
    """Compile the frame, then each family, each in a process of its own."""
    began_s = time.monotonic()
    _compile([()])
    _compile([(name,) for name in every_detector()])
    print(f"kernels ready in {time.monotonic() - began_s:.0f} s", file=sys.stderr)


def _compile(jobs: list[tuple[str, ...]]) -> None:
    command = "import sys; from monitor.warm import warm_up; warm_up(sys.argv[1:])"
    running = [subprocess.Popen([sys.executable, "-c", command, *job]) for job in jobs]  # noqa: S603  our own code
    failed = [process.wait() for process in running]
    if any(failed):
        raise SystemExit("a kernel did not compile")


if __name__ == "__main__":
    main()
