"""The morning as a cockpit on a terminal: the fleet, what the monitor sees, the halt and who obeys it.

    each host: build, pace, children for a parent, state      parents, children, exposure and its limit
    ------------------------- what is stopped, why, and the gateways' answers --------------------------

Calm until there is something to say; then one colour says it.
"""

from __future__ import annotations

import asyncio
import math
import sys
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from monitor.core.phone import money
from monitor.demo.morning import GATEWAYS
from monitor.demo.plan import FASTER, REAL_FROM_NS
from monitor.demo.sight import Host, Sight
from monitor.demo.view import View, clock_text
from monitor.scenarios.day import OPEN_NS
from monitor.scenarios.knight import ERROR_ACCOUNT

if TYPE_CHECKING:
    from monitor.demo.morning import Happened, Moment, Morning
    from monitor.settings import Config

FRAMES_PER_S: Final = 8
WIDTH_MIN, WIDTH_MAX, HEIGHT_MIN = 80, 100, 22
FLEET_WIDTH: Final = 54
FRAME: Final = 4  # a panel's border and padding, left and right
DIM, GOOD, WARN, ALARM, ALARM_TEXT = "grey58", "green3", "yellow3", "bold white on red3", "bold red3"


class Cockpit(View):
    """A frame eight times a second, drawn over the last one; the final one stays."""

    def __init__(self, config: Config, console: Console) -> None:
        super().__init__()
        self.sight = Sight()
        self.on_records = self.sight.on_records
        self._limit = gross_limit(config)
        self._console = console
        self._live: Live | None = None

    def say(self, text: str) -> None:
        self._console.print(Text(f"· {text}", style=DIM))

    async def look(self, morning: Morning) -> None:
        await morning.begun.wait()
        with Live(console=self._console, auto_refresh=False) as self._live:
            while True:
                self._draw(morning)
                await asyncio.sleep(1 / FRAMES_PER_S)

    def last_look(self, morning: Morning) -> None:
        """Nothing more to draw: the last frame was left standing when the looking ended."""

    def _draw(self, morning: Morning) -> None:
        assert self._live is not None
        self.sight.forget(morning.fleet.at_ns)
        width = min(self._console.width, WIDTH_MAX)
        self._live.update(frame(morning, self.sight, self._limit, width), refresh=True)


def view_for(config: Config, *, cockpit: bool) -> View:
    """The cockpit where there is a terminal that is large enough for it."""
    if cockpit and sys.stdout.isatty():
        console = Console()
        if console.width >= WIDTH_MIN and console.height >= HEIGHT_MIN:
            return Cockpit(config, console)
    return View()


def gross_limit(config: Config) -> float | None:
    """What the configuration allows the error account."""
    exposure = config.detectors.get("exposure")
    limits = {row["scope"]: row for row in exposure.settings.limit} if exposure else {}
    row = limits.get(f"account={ERROR_ACCOUNT}") or limits.get("account=*")
    return float(row["gross"]) if row and "gross" in row else None


def frame(morning: Morning, sight: Sight, limit: float | None, width: int) -> RenderableType:
    """One picture, of the same height from the first to the last."""
    happened, now = morning.happened, morning.moment()
    upper = Table.grid(expand=True)
    upper.add_column(width=FLEET_WIDTH)
    upper.add_column(ratio=1)
    inner = width - FLEET_WIDTH - FRAME
    upper.add_row(_fleet(sight, happened), _monitor(sight, now, limit, happened, inner))
    return Constrain(Group(_head(now.at_ns), upper, _halt(happened)), width)


def _head(at_ns: int) -> RenderableType:
    pace = "as it was" if at_ns >= REAL_FROM_NS else f"{FASTER}x"
    phase = "the open" if at_ns >= OPEN_NS else "before the open"
    line = Table.grid(expand=True)
    line.add_column()
    line.add_column(justify="right")
    line.add_row(
        Text.assemble((" KNIGHTWATCH ", "bold black on cyan"), ("  1 August 2012, New York", "bold")),
        Text.assemble((clock_text(at_ns), "bold"), (f"  {phase}, {pace} ", DIM)),
    )
    return line


def _panel(title: str, content: RenderableType, border: str = DIM) -> Panel:
    return Panel(content, title=title, title_align="left", border_style=border, box=box.ROUNDED)


def _fleet(sight: Sight, happened: Happened) -> RenderableType:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style=DIM)
    table.add_column("host", width=7)
    table.add_column("build", width=14)
    table.add_column("orders/s", width=8, justify="right")
    table.add_column("ratio", width=6, justify="right")
    table.add_column("", width=10)
    for name in GATEWAYS:
        table.add_row(name, *_host(name, sight.hosts[name], sight, happened))
    return _panel("eight routers", table)


def _host(name: str, host: Host, sight: Sight, happened: Happened) -> tuple[Text, ...]:
    build = Text(host.build or "-", style=DIM if host.build == sight.usual_build else WARN)
    ratio = Text("-" if host.ratio is None else f"{host.ratio:.1f}")
    pace = Text(f"{host.pace(sight.now_ns):,}")
    if happened.halt is not None and happened.halt["scope"].get("host") == name:
        word = "STOPPED" if happened.applied is not None else "HALT"
        state = Text(f" {word} ", style=ALARM)
    else:
        state = Text(" trading", style=GOOD) if host.recent else Text(" quiet", style=DIM)
    return build, pace, ratio, state


def _monitor(
    sight: Sight, now: Moment, limit: float | None, happened: Happened, inner: int
) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column(style=DIM)
    grid.add_column(justify="right")
    ratio = sight.ratio
    grid.add_row("parents", f"{sight.parents:,}")
    grid.add_row("children", f"{sight.children:,}")
    grid.add_row("ratio, last 10 s", "-" if ratio is None else f"{ratio:.1f}")
    grid.add_row("records judged", f"{sight.records:,}")
    grid.add_row("wrong children", Text(f"{now.children:,}", style=ALARM_TEXT if happened.halt else ""))
    grid.add_row("refused by gates", f"{happened.orders_refused:,}")
    grid.add_row(f"account {ERROR_ACCOUNT}", money(now.gross))
    grid.add_row("its limit", "none" if limit is None else money(limit))
    return _panel("the monitor sees", Group(grid, _bar(now.gross, limit, inner)))


def _bar(gross: float, limit: float | None, inner: int) -> Text:
    """How much of the limit is used; what has only begun shows as begun."""
    share = min(gross / limit, 1.0) if limit else 0.0
    cells = inner - len(" 100%")
    filled = min(cells, math.ceil(share * cells))
    return Text.assemble(("━" * filled, WARN), ("─" * (cells - filled), DIM), (f" {share:>4.0%}", DIM))


def _halt(happened: Happened) -> RenderableType:
    if happened.halt is None or not happened.pages:
        return _panel("halts", Group(Text("nothing is stopped", style=DIM), *[""] * 4))
    what, why, exposed, *rest = (*happened.pages[0].split(" | "), "", "")
    lines: list[RenderableType] = [
        Text(f" {what} ", style=ALARM),
        Text("  ·  ".join(part for part in (why, exposed) if part)),
        Text("  ·  ".join(part for part in rest if part)),
        _answers(happened),
        _when(happened),
    ]
    return _panel("the page on the phone", Group(*lines), "red3")


def _answers(happened: Happened) -> Text:
    text = Text("applied by ", style=DIM)
    for name in GATEWAYS:
        has = name in happened.applied_by
        text.append(f"{'✓' if has else '·'} {name.removeprefix('smars-')}  ", style=GOOD if has else DIM)
    return text.append(f" {len(happened.applied_by)} of {len(GATEWAYS)} gateways")


def _when(happened: Happened) -> Text:
    assert happened.halt is not None
    first = happened.first_wrong_ns
    text = Text(f"wrong from {clock_text(first)}", style=DIM)
    text.append(f" · halted +{(happened.halt['event_ts'] - first) / 1e9:.2f} s", style="default")
    if happened.applied is not None:
        text.append(f" · obeyed +{(happened.applied.at_ns - first) / 1e9:.2f} s", style="default")
        text.append(f" · {happened.orders_after_applied} orders since", style=GOOD)
    return text
