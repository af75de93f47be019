"""What can be set: caps by scope, and how far from its baseline or its peers is too far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.contract import setting
from detectors.ledger.tables import WHO_KINDS
from detectors.limits import conditions_of
from detectors.rate import tables as tb


@dataclass(frozen=True, slots=True)
class RateSettings:
    """Caps by scope, and the thresholds of DOMAIN section 2; the floors are ours, to be fitted by replay."""

    limit: tuple[Mapping[str, Any], ...] = setting(
        (),
        "Caps by scope: messages_per_s. Orders, requests to replace and cancel, what was refused of them, "
        "and session events (each as often as its `count` says).",
    )
    warn_share: float = setting(0.75, "Above this share of a cap it is recorded.")
    halt_times: float = setting(2, "Above this multiple of a cap its scope is stopped at once.")
    running_count: int = setting(
        3, "One-second evaluations running over a cap that stop; and far from baseline or peers that page."
    )
    abnormal_warn_times: float = setting(8, "So many deviations above the median are recorded.")
    abnormal_high_times: float = setting(15, "So many deviations page, if they last.")
    abnormal_quantile_times: float = setting(
        5, "They page only above so many times the 99th percentile of what this host and strategy sent today."
    )
    abnormal_floor_orders: float = setting(20, "A deviation is at least so many orders in a second,")
    abnormal_floor_shares: float = setting(10_000, "so many shares,")
    abnormal_floor_usd: float = setting(200_000, "so many dollars.")
    abnormal_warm_up_s: float = setting(
        300, "After an open, or a re-open, there is no baseline for so long: at most it is recorded."
    )
    drift_warn_times: float = setting(
        100, "Deviations summed up (Page-Hinkley) that are recorded, however slowly they came."
    )
    peer_warn_times: float = setting(5, "So many times the median of its peers is recorded.")
    peer_high_times: float = setting(20, "So many times the median pages, if it lasts.")
    peer_floor_per_s: float = setting(
        20, "The median of peers is taken for at least so many messages a second."
    )
    peer_hosts_min: int = setting(4, "A host is compared where its role has so many others.")

    def __post_init__(self) -> None:
        if not 0 < self.warn_share <= 1 <= self.halt_times:
            msg = (
                f"warn_share {self.warn_share} and halt_times {self.halt_times}; write 0 < warn <= 1 <= halt"
            )
            raise ValueError(msg)
        if self.running_count < 1:
            msg = f"running_count {self.running_count}; write 1 or more"
            raise ValueError(msg)
        kinds = {frozenset(kind for kind, _ in conditions_of(row["scope"])) for row in self.limit}
        for row in self.limit:
            if unknown := {kind for kind, _ in conditions_of(row["scope"])} - set(WHO_KINDS):
                told = ", ".join(sorted(unknown))
                msg = f"limit {row['scope']}: messages are not counted by {told}; write another scope"
                raise ValueError(msg)
        if len(kinds) > tb.SHAPES_MAX or any(len(each) > tb.KINDS_MAX for each in kinds):
            most = f"{tb.SHAPES_MAX}, of {tb.KINDS_MAX} kinds"
            msg = f"limits by {len(kinds)} sorts of scope; write at most {most}"
            raise ValueError(msg)

    def fixed(self) -> NDArray[np.float64]:
        """Thresholds as the kernels read them, in the order of `tables.L_...`."""
        return np.array([float(getattr(self, name)) for name in THRESHOLDS])

    def shapes(self) -> tuple[tuple[str, ...], ...]:
        """The sorts of scope that have a cap."""
        return tuple(sorted({tuple(kind for kind, _ in conditions_of(row["scope"])) for row in self.limit}))

    def shape_table(self) -> NDArray[np.int64]:
        """The same as the kernels read it."""
        shapes = self.shapes()
        table = np.zeros((len(shapes), 1 + tb.KINDS_MAX), np.int64)
        for row, kinds in zip(table, shapes, strict=True):
            row[: 1 + len(kinds)] = len(kinds), *(WHO_KINDS.index(kind) for kind in kinds)
        return table


THRESHOLDS: Final = (
    "warn_share", "halt_times", "running_count",
    "abnormal_warn_times", "abnormal_high_times", "abnormal_quantile_times",
    "abnormal_floor_orders", "abnormal_floor_shares", "abnormal_floor_usd", "abnormal_warm_up_s",
    "drift_warn_times", "peer_warn_times", "peer_high_times", "peer_floor_per_s", "peer_hosts_min",
)  # fmt: skip
