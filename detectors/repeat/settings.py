"""The thresholds of the family, each with the sentence that the configuration prints above it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from detectors.contract import setting
from detectors.event import UNIT
from detectors.kernel import SECOND_NS
from detectors.limits import conditions_of
from detectors.repeat.windows import COUNTED_MAX

COUNTS: Final = (
    "duplicate_warn_count", "duplicate_high_count", "duplicate_halt_count",
    "resent_warn_count", "resent_high_count", "resent_halt_count",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RepeatSettings:
    """Thresholds of DOMAIN section 2; what names no source there is ours, to be fitted by replay.

    `resent_high_count` was 3: in 75 minutes of `abides` four value traders entered their filled order again
    three times within 10 s, seven times in all, and nobody four times.
    """

    done_grace_ns: int = setting(
        250_000_000, "A parent that is done still covers an order sent this soon after."
    )
    duplicate_warn_count: int = setting(10, "Equal orders in 1 s, covered by no live parent: recorded.")
    duplicate_high_count: int = setting(25, "So many page.")
    duplicate_halt_count: int = setting(50, "So many stop the session.")
    duplicate_unanswered_count: int = setting(
        5, "So many equal orders stop the session, if nothing has answered any of them ..."
    )
    duplicate_unanswered_ns: int = setting(
        60 * SECOND_NS, "... and each came within this time of the one before."
    )
    resent_after_ns: int = setting(
        10 * SECOND_NS, "An order equal to one filled within this time was sent again."
    )
    resent_warn_count: int = setting(1, "So often in 10 s is recorded.")
    resent_high_count: int = setting(5, "So often in 10 s pages.")
    resent_halt_count: int = setting(10, "So often in 10 s stops the session.")
    executions_warn_share: float = setting(0.8, "This share of a strategy's limit of executions is recorded.")
    limit: tuple[Mapping[str, Any], ...] = setting(
        (),
        "How often a strategy may enter again after a fill, in a trade date and without a person.  Without a "
        "limit repeated_execution is not judged.",
    )

    def __post_init__(self) -> None:
        """A count beyond what is remembered would never be reached: refuse it."""
        wrong = [f"{name} {getattr(self, name)}" for name in COUNTS if getattr(self, name) > COUNTED_MAX]
        if wrong:
            msg = f"{' and '.join(wrong)}; at most {COUNTED_MAX}"
            raise ValueError(msg)
        for row in self.limit:
            if [kind for kind, _ in conditions_of(row["scope"])] != ["strategy"]:
                msg = f'limit {row["scope"]}: executions are counted by strategy; write scope = "strategy=*"'
                raise ValueError(msg)

    def fixed(self) -> list[int]:
        """As kernels read them: whole numbers, in the order of `tables.L_*`, scaled by their unit."""
        told = {name: value for name, value in asdict(self).items() if name != "limit"}
        return [round(v * (UNIT if k.endswith("_share") else 1)) for k, v in told.items()]
