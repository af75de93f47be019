"""The records behind a halt, copied beside the trail, since Kafka forgets.

One JSON object a line: topic, partition, offset and the record's value as text, or in base64
where it is not text.  The trail holds the file's SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from monitor.durable import sync_folder
from monitor.failpoints import failpoint

RECORDS_MAX: Final = 10_000  # of one halt


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as it was read."""

    topic: str
    partition: int
    offset: int
    value: bytes


def write_evidence(
    folder: Path, halt_id: str, after_line: int, records: Sequence[RawRecord]
) -> dict[str, Any]:
    """Write one halt's records, whole or not at all.  Returns the fields of the trail's line about it."""
    name = f"evidence-{quote(halt_id, safe='')[:64]}-{after_line}.ndjson"
    digest = hashlib.sha256()
    half = folder / f".{name}.half"
    with half.open("wb") as file:
        for record in records[:RECORDS_MAX]:
            line = _line(record)
            digest.update(line)
            file.write(line)
        file.flush()
        failpoint("evidence.before_fsync")
        os.fsync(file.fileno())
    failpoint("evidence.before_rename")
    half.rename(folder / name)
    sync_folder(folder)  # a line of the trail is about to name it
    failpoint("evidence.after_rename")
    kept = min(len(records), RECORDS_MAX)
    return {
        "halt_id": halt_id,
        "file": name,
        "sha256": digest.hexdigest(),
        "records": kept,
        "of": len(records),
    }


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _line(record: RawRecord) -> bytes:
    told: dict[str, Any] = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    try:
        told["value"] = record.value.decode()
    except UnicodeDecodeError:
        told["value_base64"] = base64.b64encode(record.value).decode()
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"
