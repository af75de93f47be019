"""What was learned of ordinary days, as one small signed document: who learned it, of which days, with what.

    document(...)  ->  payload of an envelope      known(payload)  ->  Baseline, or ValueError

It says what is usual and never what is allowed: caps and limits stand in the configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.baseline import BINS, MEASURES, Rates

TYPE: Final = "baseline"
PAIRS_MAX: Final = 4_096  # 57 MB of medians if all were there
Int64Array = NDArray[np.int64]


class _Rate(msgspec.Struct, forbid_unknown_fields=True):
    host: str
    strategy: str
    bins: list[int]
    usual: list[list[float]]  # of each bin: median and MAD of orders, shares, dollars


class _Document(msgspec.Struct):
    v: int
    type: str
    site: str
    env: str
    build: str
    calendar: str
    days: list[str]
    files: list[dict[str, str]]
    reasons: list[str]
    flags: dict[str, int]
    rates: list[_Rate]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the detectors may look up of ordinary days; empty: nothing was learned, and they are cold."""

    digest: str = ""
    site: str = ""
    env: str = ""
    build: str = ""
    calendar: str = ""
    days: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    reasons: frozenset[str] = frozenset()
    flags_seen: Mapping[str, int] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)

    @property
    def is_cold(self) -> bool:
        return not self.digest


def document(
    *,
    site: str,
    env: str,
    build: str,
    calendar: str,
    days: Sequence[str],
    files: Sequence[Mapping[str, str]],
    reasons: Sequence[str],
    flags: Mapping[str, int],
    rates: Mapping[tuple[str, str], Mapping[int, Sequence[float]]],
) -> dict[str, Any]:
    """The payload that is signed.  `files`: name and SHA-256 of each recording that it was learned from."""
    return {
        "v": 1,
        "type": TYPE,
        "site": site,
        "env": env,
        "build": build,
        "calendar": calendar,
        "days": sorted(days),
        "files": [dict(each) for each in files],
        "reasons": sorted(reasons),
        "flags": dict(sorted(flags.items())),
        "rates": [
            {
                "host": host,
                "strategy": strategy,
                "bins": sorted(bins),
                "usual": [[float(f"{x:.4g}") for x in bins[place]] for place in sorted(bins)],
            }
            for (host, strategy), bins in sorted(rates.items())
        ],
    }


def known(payload: bytes, opens: Int64Array | None = None, signers: Sequence[str] = ()) -> Baseline:
    """Read a payload whose signatures were verified; raises `ValueError` with what is wrong."""
    try:
        told = msgspec.json.decode(payload, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as broken:
        raise ValueError(f"is no baseline ({broken})") from broken
    if told.type != TYPE or told.v != 1:
        raise ValueError(f"is a {told.type!r} of version {told.v}, not a baseline of version 1")
    if len(told.rates) > PAIRS_MAX:
        raise ValueError(f"holds {len(told.rates)} hosts and strategies; at most {PAIRS_MAX}")
    medians = np.zeros((len(told.rates) + 1, BINS, len(MEASURES), 2))
    rows: dict[tuple[str, str], int] = {}
    for row, rate in enumerate(told.rates, 1):
        usual = np.array(rate.usual, np.float64)
        is_whole = usual.shape == (len(rate.bins), 2 * len(MEASURES)) and np.isfinite(usual).all()
        if not is_whole or not all(0 <= place < BINS for place in rate.bins):
            raise ValueError(f"rates of {rate.host} {rate.strategy} are not whole")
        rows[rate.host, rate.strategy] = row
        medians[row, rate.bins] = usual.reshape(-1, len(MEASURES), 2)
    return Baseline(
        digest=hashlib.sha256(payload).hexdigest(),
        site=told.site,
        env=told.env,
        build=told.build,
        calendar=told.calendar,
        days=tuple(told.days),
        signers=tuple(signers),
        reasons=frozenset(told.reasons),
        flags_seen=told.flags,
        rates=Rates(rows, medians) if opens is None else Rates(rows, medians, opens),
    )
