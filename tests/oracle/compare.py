"""Both ledgers' postings in the same words: names as texts, codes numbered by first appearance."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.ledger import tables
from detectors.posting import Note, PostingKind
from monitor.core.decode import Decoder
from tests.oracle.event import WHO
from tests.oracle.ledger import Ledger as Oracle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from detectors.contract import Batch
    from detectors.ledger import Ledger
    from detectors.names import Names
    from tests.desk import Told
    from tests.oracle.books import Posting

Plain = dict[str, Any]

TEXTS: Final = {
    "account": nm.ACCOUNT, "strategy": nm.STRATEGY, "host": nm.HOST, "session": nm.SESSION, "symbol": nm.SYMBOL,
}  # fmt: skip
CODES: Final = ("order", "parent", "exec")
WHO_KINDS: Final = {kind: getattr(nm, kind.upper()) for kind in WHO}


def decoded(
    stream: Sequence[Told],
    names: Names,
    parts: Sequence[int] | None = None,
    first: int = 0,
    offsets: Sequence[int] | None = None,
) -> Batch:
    """The stream as the real decoder reads it from a log; every event must be accepted."""
    records = [json.dumps({k: v for k, v in told.items() if k != "arrival_ts"}).encode() for told in stream]
    at = np.array(range(first, first + len(stream)) if offsets is None else offsets, np.int64)
    arrivals = np.array([told.get("arrival_ts", 0) for told in stream], np.int64)
    part = np.array(parts if parts is not None else [0] * len(stream), np.int64)
    read = Decoder(names).decode(records, part, at, arrivals)
    assert not read.quarantined, read.quarantined[0]
    assert len(read.batch) == len(stream)
    return read.batch


def told_by_oracle(
    stream: Sequence[Told], parts: Sequence[int] | None = None, *, cold: bool = False
) -> list[Plain]:
    oracle = Oracle(cold=cold)
    said: list[Posting] = []
    for row, told in enumerate(stream):
        part = parts[row] if parts is not None else 0
        said += oracle.post(told, part, row, told.get("arrival_ts", 0), row)
    return numbered([{**asdict(p), "kind": p.kind.name, "bits": notes(p.bits)} for p in said])


def told_by_ledger(ledger: Ledger, batches: Iterable[Batch]) -> list[Plain]:
    said: list[Plain] = []
    for batch in batches:
        first = said[-1]["row"] + 1 if said else 0
        for postings in ledger.post(batch):
            said += [in_words(row, ledger, first) for row in postings.rows]
    return numbered(said)


def in_words(row: Any, ledger: Ledger, first_row: int) -> Plain:
    names = ledger.names
    columns = {
        name.lower(): int(row[column])
        for name, column in vars(po).items()
        if name.isupper() and isinstance(column, int) and name != "COLUMNS"
    }
    texts = {field: names.text(kind, columns[field]) for field, kind in TEXTS.items()}
    venue_kind = nm.CURRENCY if columns["kind"] == PostingKind.RATED else nm.VENUE
    pair = ledger.tables["pair64"][columns["pair"]]
    pair_text = (
        names.text(nm.ACCOUNT, int(pair[tables.PAIR_ACCOUNT])),
        names.text(nm.SYMBOL, int(pair[tables.PAIR_SYMBOL])),
    )
    who = ledger.attributes(columns["who"])
    return {
        **columns,
        **texts,
        "kind": PostingKind(columns["kind"]).name,
        "row": columns["row"] + first_row,
        "venue": names.text(venue_kind, columns["venue"]),
        "pair": pair_text if columns["pair"] else None,
        "who": tuple(who.get(kind, "") for kind in WHO) if columns["who"] else None,
        "qty": None if columns["qty"] == ev.NONE else columns["qty"],
        "px": None if columns["px"] == ev.NONE else columns["px"],
        "bits": notes(columns["bits"]),
    }


def notes(bits: int) -> str:
    return " ".join(note.name for note in Note if bits & note)


def numbered(said: list[Plain]) -> list[Plain]:
    """Codes of orders, parents and executions by first appearance: which number they have is nobody's business."""
    seen: dict[str, dict[int, int]] = {field: {-1: -1} for field in CODES}
    for p in said:
        for field in CODES:
            p[field] = seen[field].setdefault(p[field], len(seen[field]))
    return said


def first_difference(theirs: list[Plain], ours: list[Plain]) -> str:
    """Empty where both say the same; else the first posting on which they differ."""
    for n, (a, b) in enumerate(zip(theirs, ours, strict=False)):
        if a != b:
            columns = {column: (a[column], b[column]) for column in a if a[column] != b[column]}
            return f"posting {n}, row {a['row']}, {a['kind']} / {b['kind']} (ledger, oracle): {columns}"
    if len(theirs) != len(ours):
        n = min(len(theirs), len(ours))
        return f"{len(theirs)} postings, not {len(ours)}; the next: {(theirs + ours)[n] if n < len(theirs) else ours[n]}"
    return ""
