"""`knightwatch replay` of Knight's whole day: events a second, peak memory, and where it halts first.

    python -m benchmarks.recording FILE CONFIGURATION

The file is made by `simulate knight`; at scale 1 it has twelve million events.  Peak memory is the process's own
(`ru_maxrss`), everything included that a replay imports.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.bed import FAMILIES, configuration, side
from monitor.replay import replay
from monitor.scenarios import registry, simulate
from monitor.settings import load

LIMITS = (
    '{ scope = "account=*", gross = 25_000_000, net = 25_000_000 }',
    '{ scope = "account=33", gross = 2_000_000 }',
    '{ scope = "*", gross = 1_000_000_000 }',
)


def run(scale: float = 1.0, recording: Path | None = None) -> dict[str, Any]:
    """Replay Knight's day; `recording` is where it lies already."""
    with tempfile.TemporaryDirectory() as folder:
        file, truth = recording or Path(folder) / "knight.ndjson", registry()["knight"].truth(1, scale)
        if recording is None:
            simulate(registry()["knight"], seed=1, scale=scale, out=file)
        chosen = Path(folder) / "knightwatch.toml"
        chosen.write_text(configuration(Path(folder), "bench", limits=LIMITS))
        told = side("benchmarks.recording", file, chosen)
        return {
            "scale": scale,
            "bytes": file.stat().st_size,
            "families": list(FAMILIES),
            "onset_ts": truth["onset_ts"],
            **told,
        }


def main(file: str, chosen: str) -> None:
    config = load(Path(chosen))
    began = time.perf_counter(), time.process_time()
    document = replay([file], config)
    took, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    first = document["commands"][0] if document["commands"] else {}
    print(
        json.dumps(
            {
                "events": document["events"],
                "seconds": took,
                "events_per_s": document["events"] / took,
                "events_per_cpu_s": document["events"] / cpu,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
                "halts": len(document["commands"]),
                "breaches": len(document["breaches"]),
                "first_halt": {
                    key: first.get(key)
                    for key in ("detector", "reason_code", "scope", "level", "event_ts", "evidence")
                },
                "trace_digest": document["trace_digest"],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
