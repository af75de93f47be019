"""Three more Knights: a router that names no parent, one that makes one up, a monitor that comes late.

    knight_no_parent_id        the wrong children say no parent
    knight_random_parent_id    each of them says a parent that nobody ever announced
    knight_restart_at_0940     the recording begins at 09:40, as a monitor sees it that was down until then

Facts and assumptions are Knight's (`knight`, `knight_day`).  Told until 09:31, and 09:40:00 to 09:41:00.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.event import Kind
from monitor.scenarios.day import FAULTY_HOST, OPEN_NS, SECOND_NS, eastern_ns, host_name
from monitor.scenarios.knight import ERROR_ACCOUNT, FILLED_SHARE
from monitor.scenarios.knight_day import ACCOUNT_LIMIT, KNIGHT, MARGIN_NS, wrong_in
from monitor.scenarios.scenario import Scenario, Truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.scenarios.rows import Rows

RESTART_NS: Final = eastern_ns(9, 40)
IN_FLIGHT_S: Final = 30
UNTIL_NS: Final = OPEN_NS + 60 * SECOND_NS
ORPHANS, ORPHANS_USD = 200, 1_000_000.0
_PARENT: Final = re.compile(r',"parent_id":"[^"]*"')
_ORDER: Final = re.compile(r'"order_id":"([^"]*)"')


def _unnamed(body: str) -> str:
    return _PARENT.sub("", body)


def _made_up(body: str) -> str:
    named = _ORDER.search(body)
    assert named is not None
    return _PARENT.sub(f',"parent_id":"Z{named[1]}"', body)


def _renamed(rows: Rows, change: Callable[[str], str]) -> Rows:
    """The wrong children's orders say another parent; all else stays."""
    mine = (rows.kind == Kind.ORDER_NEW) & (rows.host == FAULTY_HOST)
    body = rows.body.copy()
    for row in np.flatnonzero(mine).tolist():
        body[row] = change(body[row])
    return replace(rows, body=body)


def _variant(name: str, claim: str, change: Callable[[str], str]) -> Scenario:
    blocks = tuple(at for at in KNIGHT.blocks if at <= UNTIL_NS)

    def flow(seed: int, scale: float, start_ns: int, end_ns: int) -> list[Rows]:
        return [_renamed(rows, change) for rows in KNIGHT.flow(seed, scale, start_ns, end_ns)]

    def told(seed: int, scale: float) -> Truth:
        truth = KNIGHT.told(seed, scale)
        ts, usd = _sent(seed, scale, OPEN_NS, UNTIL_NS)
        many = max(_nth(ts, ORPHANS), _reached(ts, usd, ORPHANS_USD))
        expected = [each for each in truth["expected"] if each["detector"] in ("exposure", "fleet")]
        expected.append({"detector": "child_parent", "not_later_than_ts": many + 2 * SECOND_NS + MARGIN_NS})
        return truth | {"expected": expected}

    return replace(KNIGHT, name=name, claim=claim, blocks=blocks, flow=flow, told=told)


def _sent(seed: int, scale: float, start_ns: int, end_ns: int) -> tuple[list[int], list[float]]:
    """When each wrong child left, and what it was worth."""
    parts = list(wrong_in(seed, scale, start_ns, end_ns))
    ts = np.concatenate([w.ts for w in parts])
    usd = np.concatenate([w.qty * w.limit for w in parts])
    by_time = np.argsort(ts, kind="stable")
    return ts[by_time].tolist(), usd[by_time].tolist()


def _nth(ts: list[int], count: int) -> int:
    return ts[min(count, len(ts)) - 1]


def _reached(ts: list[int], usd: list[float], limit: float) -> int:
    return ts[min(int(np.searchsorted(np.cumsum(usd), limit)), len(ts) - 1)]


def _late_flow(seed: int, scale: float, start_ns: int, end_ns: int) -> list[Rows]:
    return [rows.take(rows.ts >= RESTART_NS) for rows in KNIGHT.flow(seed, scale, start_ns, end_ns)]


def _late_truth(seed: int, scale: float) -> Truth:
    ts, usd = _sent(seed, scale, RESTART_NS, RESTART_NS + 60 * SECOND_NS)
    over = _reached(ts, usd, ACCOUNT_LIMIT / FILLED_SHARE)
    return {
        "onset_ts": ts[0],
        "scopes": [{"host": host_name(FAULTY_HOST)}, {"account": ERROR_ACCOUNT}],
        "expected": [
            {"detector": "fleet", "not_later_than_ts": ts[0] + 11 * SECOND_NS},
            {"detector": "exposure", "not_later_than_ts": over + MARGIN_NS},
        ],
    }


KNIGHT_NO_PARENT_ID: Final = _variant(
    "knight_no_parent_id", "Knight, with a router that names no parent", _unnamed
)
KNIGHT_RANDOM_PARENT_ID: Final = _variant(
    "knight_random_parent_id", "Knight, with a router that makes up a parent for each child", _made_up
)
KNIGHT_RESTART_AT_0940: Final = replace(
    KNIGHT, name="knight_restart_at_0940", claim="Knight, with a monitor that starts ten minutes into it",
    blocks=tuple(range(RESTART_NS - IN_FLIGHT_S * SECOND_NS, RESTART_NS + 61 * SECOND_NS, 5 * SECOND_NS)),
    once=lambda _seed: [], flow=_late_flow, told=_late_truth,
)  # fmt: skip
