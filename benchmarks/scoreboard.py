"""Every scenario judged with every family armed: who spoke first, who halted what, and what was saved.

    python -m benchmarks.scoreboard [--seeds N] [--scale F] [NAME ...]

Open loop: nobody obeys, so each row ends with the first halt, and dollars are those of the wrong orders that
had traded by then beside those of the whole story.  Right means: every family that the truth names spoke (a page or
a halt) in time, and the first halt's scope is one of the truth's; on a clean day, no halt and at most one page.
A family that is not there yet is named as missing and counts for nothing.  Writes scoreboard.md and scoreboard.svg.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import track

from detectors.contract import every_detector
from detectors.scope import Scope
from monitor.replay import replay
from monitor.scenarios import configuration, registry, simulate
from monitor.settings import load_text
from monitor.settings.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.scenarios import Scenario

HERE: Final = Path(__file__).parent
SECOND_NS: Final = 1_000_000_000
PAGES_MAX: Final = 1  # on a clean day
KNIGHT_SCALE: Final = 0.2  # Knight's morning has twelve million events at scale 1


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario at one seed.  Times are seconds after the onset."""

    scenario: str
    seed: int
    is_clean: bool
    warn: tuple[float, str] | None
    page: tuple[float, str] | None
    halt: tuple[float, str] | None
    scope: str
    gross: float
    loss: float
    history_gross: float
    history_loss: float
    halts: int
    pages: int
    late: tuple[str, ...]  # families that did not speak in time
    missing: tuple[str, ...]  # families that are not there
    is_right: bool


def judge(scenario: Scenario, seed: int, scale: float) -> Row:
    """Tell it into a file, replay that, and hold the answer against the truth."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{scenario.name}.ndjson"
        truth = simulate(scenario, seed=seed, scale=scale, out=file)
        said = replay([file], load_text(configuration(scenario), scenario.name))
    breaches, halts = said["breaches"], said["commands"]
    start = truth["onset_ts"] or said["first_ts"]
    spoke = [each for each in breaches if each["severity"] != "warn"]
    expected = {each["detector"]: each["not_later_than_ts"] for each in truth["expected"]}
    there = set(every_detector())
    late = tuple(
        name
        for name, by in expected.items()
        if name in there and not any(b["detector"] == name and b["ts"] <= by for b in spoke)
    )
    first = halts[0] if halts else None
    whole = scenario.history(seed)  # as it was, also where a part of it was told
    until = scenario.history(seed, 1.0, first["event_ts"]) if first else whole
    is_clean = not expected
    is_right = not said["quarantined"] and (
        not halts and len(spoke) <= PAGES_MAX
        if is_clean
        else first is not None
        and first["scope"] in truth["scopes"]
        and first["event_ts"] <= max(expected.values())
        and not late
    )

    def when(severities: Sequence[str]) -> tuple[float, str] | None:
        about = (b for b in breaches if b["ts"] >= start or b["scope"] in truth["scopes"])
        found = next((b for b in about if b["severity"] in severities), None)
        return None if found is None else ((found["ts"] - start) / SECOND_NS, _reason(found))

    return Row(
        scenario.name, seed, is_clean,
        warn=when(["warn"]), page=when(["high", "halt"]),
        halt=None if first is None else ((first["event_ts"] - start) / SECOND_NS, _reason(first)),
        scope="" if first is None else Scope.of(first["scope"]).text,
        gross=until.gross if first else whole.gross, loss=until.loss if first else whole.loss,
        history_gross=whole.gross, history_loss=whole.loss,
        halts=len(halts), pages=len([b for b in spoke if b["severity"] == "high"]),
        late=late, missing=tuple(sorted(set(expected) - there)), is_right=bool(is_right),
    )  # fmt: skip


def _reason(said: Mapping[str, Any]) -> str:
    return f"{said['detector']}.{said['reason_code']}"


def run(seeds: int = 1, scale: float = 1.0, names: Sequence[str] = (), folder: Path = HERE) -> dict[str, Any]:
    """All scenarios, or those that are named; `merrill_limits` is `check`'s and only has to be silent."""
    known = registry()
    asked = [(name, seed) for name in names or known for seed in range(1, seeds + 1)]
    rows = [
        judge(known[name], seed, scale * (KNIGHT_SCALE if name.startswith("knight") else 1))
        for name, seed in track(asked, "judging", console=Console(stderr=True))
    ]
    (folder / "scoreboard.md").write_text(table(rows, seeds))
    (folder / "scoreboard.svg").write_text(picture(rows))
    clean = [row for row in rows if row.is_clean]
    return {
        "seeds": seeds,
        "families": sorted(every_detector()),
        "runaways": len(rows) - len(clean),
        "runaways_right": sum(row.is_right for row in rows if not row.is_clean),
        "clean_days": len(clean),
        "false_halts": sum(row.halts for row in clean),
        "false_pages": sum(row.pages for row in clean),
        "wrong": [f"{row.scenario} seed {row.seed}" for row in rows if not row.is_right],
    }


def table(rows: Sequence[Row], seeds: int) -> str:
    """The first seed of each in full, and how many seeds were right."""
    families = ", ".join(sorted(every_detector()))
    lines = [
        "# Scoreboard",
        "",
        f"Every scenario, {seeds} seed{'s' * (seeds > 1)}, all families armed: {families}.",
        "Made by `python -m benchmarks.scoreboard`, Knight at a fifth of its flow.  Seconds count from the onset;",
        "dollars are what the wrong orders had traded at the first halt, beside the whole story's; of seed 1.",
        "",
        "![dollars at the first halt beside history's](scoreboard.svg)",
        "",
        "| scenario | first warn | first page | first halt | scope | traded at halt | in history | right |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row.scenario for row in rows if not row.is_clean):
        mine = [row for row in rows if row.scenario == name]
        row = mine[0]
        note = f"; missing: {', '.join(row.missing)}" if row.missing else ""
        lines.append(
            f"| `{name}` | {_at(row.warn)} | {_at(row.page)} | {_at(row.halt)} | `{row.scope}` "
            f"| {_dollars(row.gross)} | {_dollars(row.history_gross)}, {_dollars(row.history_loss)} lost "
            f"| {sum(each.is_right for each in mine)}/{len(mine)}{note} |"
        )
    lines += ["", "| clean day | halts | pages | first page | silent |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(row.scenario for row in rows if row.is_clean):
        mine = [row for row in rows if row.scenario == name]
        halts, pages = sum(row.halts for row in mine), sum(row.pages for row in mine)
        page = next((row.page for row in mine if row.page), None)
        right = sum(row.is_right for row in mine)
        lines.append(f"| `{name}` | {halts} | {pages} | {_at(page)} | {right}/{len(mine)} |")
    return "\n".join(lines) + "\n"


def _at(when: tuple[float, str] | None) -> str:
    return "-" if when is None else f"{when[0]:+.2f} s {when[1]}"


def _dollars(amount: float) -> str:
    for unit, word in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= unit:
            return f"${amount / unit:.1f} {word}"
    return f"${amount:.0f}"


BAR, LEFT, WIDTH, LOW, HIGH = 26, 210, 560, 1e3, 1e10


def picture(rows: Sequence[Row]) -> str:
    """Two bars a runaway, traded at the first halt and in history, on a logarithmic scale from $1 k to $10 bn."""
    firsts = {row.scenario: row for row in reversed(rows) if not row.is_clean}
    shown = [firsts[name] for name in dict.fromkeys(row.scenario for row in rows if not row.is_clean)]
    height = BAR * len(shown) + 60
    box = f'viewBox="0 0 {LEFT + WIDTH + 90} {height}" font-family="sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="100%" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18">Dollars traded by the wrong orders: in history (grey), until the first halt (red)</text>',
    ]
    for power in range(3, 11):
        x = LEFT + _length(10.0**power)
        parts.append(f'<line x1="{x:.0f}" y1="26" x2="{x:.0f}" y2="{height - 24}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x:.0f}" y="{height - 8}" text-anchor="middle">{_dollars(10.0**power)}</text>'
        )
    for nth, row in enumerate(shown):
        y = 30 + nth * BAR
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{row.scenario}</text>',
            f'<rect x="{LEFT}" y="{y + 3}" width="{_length(row.history_gross):.1f}" height="8" fill="#999"/>',
            f'<rect x="{LEFT}" y="{y + 12}" width="{_length(row.gross):.1f}" height="8" fill="#c22"/>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _length(dollars: float) -> float:
    share = math.log10(max(dollars, LOW) / LOW) / math.log10(HIGH / LOW)
    return WIDTH * min(share, 1.0)


def main() -> None:
    words = argparse.ArgumentParser(description="Every scenario with every family armed.")
    words.add_argument("names", nargs="*", metavar="NAME")
    words.add_argument("--seeds", type=int, default=1)
    words.add_argument("--scale", type=float, default=1.0)
    asked = words.parse_args()
    for name in asked.names:
        if name not in registry():
            words.error(f"{name!r} is no scenario; {nearest(name, registry())}")
    print(json.dumps(run(asked.seeds, asked.scale, asked.names), indent=1))


if __name__ == "__main__":
    main()
