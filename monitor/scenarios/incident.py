"""An incident, or a clean day, told whole on a stage: a scenario with its truth, its history, its policy.

    tell(seed, scale)  ->  Told     rows in order of time, onset, scopes, who must speak by when
    incident(...)      ->  Scenario

Scale thins or thickens the clean flow around an incident; its own orders are the published fact and stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from monitor.scenarios.rows import Rows
from monitor.scenarios.scenario import History, Scenario, Truth
from monitor.scenarios.stage import SECOND_NS, Harm, Stage

WITNESSES: Final = ("parent_fill", "order_ack", "drop_copy")
KEPT: Final = 2  # seeds of a scenario that stay in memory


@dataclass(frozen=True, slots=True)
class Told:
    """What happened, and what is true of it."""

    rows: Rows
    harm: tuple[Harm, ...]
    onset_ts: int | None  # None: nothing is wrong
    scopes: tuple[Mapping[str, str], ...]
    expected: tuple[tuple[str, int], ...]  # detector, not later than


def told(
    stage: Stage,
    onset_ts: int | None = None,
    scopes: Sequence[Mapping[str, str]] = (),
    expected: Sequence[tuple[str, int]] = (),
) -> Told:
    """Close the stage."""
    stage.heartbeats()
    harm = tuple(sorted(stage.harm, key=lambda each: each.ts))
    return Told(stage.rows(), harm, onset_ts, tuple(scopes), tuple(expected))


def incident(
    name: str,
    claim: str,
    span: tuple[int, int],
    tell: Callable[[int, float], Told],
    policy: Mapping[str, Any],
    *,
    loss: float | None = None,
) -> Scenario:
    """`loss`: the published one in dollars, where it is not what the told fills lost."""
    keep = lru_cache(maxsize=KEPT)(tell)

    def truth(seed: int, scale: float) -> Truth:
        whole = keep(seed, scale)
        expected = [{"detector": who, "not_later_than_ts": int(ts)} for who, ts in whole.expected]
        onset = None if whole.onset_ts is None else int(whole.onset_ts)
        return {"onset_ts": onset, "scopes": [dict(each) for each in whole.scopes], "expected": expected}

    def harm(seed: int, scale: float, until_ns: int | None) -> History:
        each = [one for one in keep(seed, scale).harm if until_ns is None or one.ts < until_ns]
        qty, gross = sum(one.qty for one in each), sum(one.dollars for one in each)
        lost = loss if loss is not None and until_ns is None else sum(one.loss for one in each)
        return History(len(each), round(qty), gross, lost)

    return Scenario(
        name, claim, span, lambda _seed: [], lambda seed, scale, _start, _end: [keep(seed, scale).rows],
        truth, harm, policy,
    )  # fmt: skip


def policy(
    *,
    hosts: Sequence[str],
    exposure: Sequence[Mapping[str, Any]],
    rate: Sequence[Mapping[str, Any]],
    loss: Sequence[Mapping[str, Any]],
    manifest: Sequence[Mapping[str, Any]],
    parented: Sequence[Mapping[str, Any]] = (),
    witnesses: Sequence[str] = WITNESSES,
) -> dict[str, Any]:
    """The tables of a firm's configuration over the defaults; every family that it names is armed."""
    grants = [{"hosts": list(hosts), "strategies": ["*"], "accounts": ["*"]}]
    return {
        "telemetry": {"witnesses": list(witnesses), "parented": list(parented)},
        "detectors": {
            "exposure": {"limit": list(exposure)},
            "rate": {"limit": list(rate)},
            "fleet": {"manifest": list(manifest), "grants": grants},
            "loss": {"limit": list(loss)},
        },
    }


def within(ts: int, seconds: float) -> int:
    """A time so much later: until then somebody must have spoken."""
    return ts + round(seconds * SECOND_NS)
