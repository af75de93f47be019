"""Rules that cannot fire: a wider one always comes first, or nothing they need may come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from detectors.contract import every_detector
from detectors.limits import Conditions, conditions_of
from monitor.checking.showing import number
from monitor.settings.problems import Problem, shown

if TYPE_CHECKING:
    from monitor.settings import Config

# Keys whose measure of a scope is never above that of a wider scope, so that the wider limit comes first.
GROWING: Final = (
    "gross", "order_notional", "order_quantity", "session_orders", "session_notional",
    "hard_orders", "hard_notional", "messages_per_s",
)  # fmt: skip


def never(config: Config) -> Iterator[Problem]:
    """Every rule that the rest of the configuration keeps from ever firing."""
    families = every_detector()
    for family, one in config.detectors.items():
        path = f"detectors.{family}"
        yield from _overtaken(path, getattr(one.settings, "limit", ()))
        yield from _deaf(path, families[family].LIVES_ON, config)
        idle = families[family].idle(one.settings)
        if idle is not None:
            yield Problem(path, f"can never fire: {idle[0]}", idle[1])


def _deaf(path: str, needs: Sequence[str], config: Config) -> Iterator[Problem]:
    """No topic lets in what it lives on."""
    if any(topic.kinds is None for topic in config.kafka.inputs):
        return
    allowed = {kind for topic in config.kafka.inputs for kind in topic.kinds or ()}
    if needs and allowed.isdisjoint(needs):
        what = f"can never fire: no topic of kafka.inputs allows {' or '.join(needs)}"
        yield Problem(path, what, f"write {shown(needs[0])} among the kinds of a topic")


def _overtaken(path: str, limits: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """A limit above that of a wider scope: whatever reaches it has been stopped before."""
    rows = [(conditions_of(row["scope"]), row) for row in limits]
    for index, (narrow, row) in enumerate(rows):
        for key in GROWING:
            if key not in row:
                continue
            wider = [
                (of[key], other)
                for other, (wide, of) in enumerate(rows)
                if key in of and _holds(wide, narrow) and of.get("basis") == row.get("basis")
                and not _replaced(rows, wide, narrow, key)
            ]  # fmt: skip
            if wider and min(wider)[0] < row[key]:
                least, other = min(wider)
                scope = rows[other][1]["scope"]
                yield Problem(
                    f"{path}.limit[{index}].{key}",
                    f"can never fire: limit[{other}] ({scope}) stops at {number(least)} before",
                    f"write less than {number(least)}",
                )


def _holds(wide: Conditions, narrow: Conditions) -> bool:
    """Whether all that is in one scope is in the other, which has fewer conditions."""
    here = dict(narrow)
    return len(wide) < len(narrow) and all(
        kind in here and value in (None, here[kind]) for kind, value in wide
    )


def _replaced(rows: Sequence[tuple[Conditions, Any]], wide: Conditions, narrow: Conditions, key: str) -> bool:
    """Whether a row of the same kinds may stand in the place of the wider one, for some in the scope."""
    here, kinds = dict(narrow), [kind for kind, _ in wide]
    return any(
        other != wide and [kind for kind, _ in other] == kinds and key in row
        and all(value is None or here[kind] in (None, value) for kind, value in other)
        and sum(value is None for _, value in other) < sum(value is None for _, value in wide)
        for other, row in rows
    )  # fmt: skip
