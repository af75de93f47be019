"""Broken records of recordings: counted by reason, and kept with their place and what was wrong.

Live they go to `risk.dlq.v1`; a replay keeps them in a file, one JSON object a record.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, Final

from monitor.core.inputs import Quarantined, SourcePart

FIRST_MAX: Final = 400  # characters of what strangers wrote


@dataclass
class Quarantine:
    """What a replay could not read.  `kept` is where it goes, if anywhere."""

    kept: IO[str] | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    first: str = ""  # place, path and detail of the first one

    def take(self, source: SourcePart, broken: Quarantined) -> None:
        self.reasons[broken.reason] += 1
        if not self.first:
            path = f"{broken.path}: " if broken.path else ""
            first = f"{source.topic}:{broken.offset}: {path}{broken.reason}: {broken.detail}"
            self.first = "".join(c if c.isprintable() else "?" for c in first)[:FIRST_MAX]
        if self.kept is not None:
            told = {
                "file": source.topic,
                "partition": source.partition,
                "line": broken.offset,
                "path": broken.path,
                "reason": broken.reason,
                "detail": broken.detail,
                "raw": base64.b64encode(broken.raw).decode(),
            }
            self.kept.write(json.dumps(told, ensure_ascii=False) + "\n")

    @property
    def words(self) -> str:
        """One line for a person; "" if nothing was broken."""
        if not self.reasons:
            return ""
        counts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.reasons.items()))
        return f"{self.reasons.total():,} records break the contract ({counts}); the first: {self.first}"
