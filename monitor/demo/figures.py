"""The figures of a run: what was done here beside what history did, and whether that counts as stopped."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from monitor.core.phone import money
from monitor.demo.folder import Folder
from monitor.demo.morning import GATEWAYS, Happened
from monitor.scenarios import History
from monitor.scenarios.day import FAULTY_HOST, SECOND_NS, host_name

HALTED_WITHIN_NS: Final = SECOND_NS  # event time, from the first wrong child
CHILDREN_MAX: Final = 150
GROSS_MAX: Final = 500_000.0  # dollars
WIDTH: Final = 80  # of the narrowest terminal that the cockpit takes
SCOPE: Final = {"host": host_name(FAULTY_HOST)}


def document_of(
    happened: Happened,
    history: History,
    folder: Folder,
    *,
    scenario: str,
    seed: int,
    scale: float,
    source: str,
) -> dict[str, Any]:
    """The contract's document, section 3, with what else a reader may ask."""
    halt, decided, applied, end = happened.halt, happened.decided, happened.applied, happened.end
    first = happened.first_wrong_ns
    return {
        "scenario": scenario,
        "seed": seed,
        "scale": scale,
        "config": source,
        "stopped": stopped(happened),
        "first_wrong_child_ts": first,
        "first_halt": halt,
        "halted_after_s": (halt["event_ts"] - first) / 1e9 if halt else None,
        "children_before_halt": decided.children if decided else end.children if end else 0,
        "gross_at_halt": decided.gross if decided else end.gross if end else 0.0,
        "heard_after_ms": happened.heard_after_ms,
        "applied_ts": applied.at_ns if applied else None,
        "applied_after_s": (applied.at_ns - first) / 1e9 if applied else None,
        "applied_by": len(happened.applied_by),
        "gateways": len(GATEWAYS),
        "children_before_applied": applied.children if applied else None,
        "orders_after_applied": happened.orders_after_applied,
        "orders_refused": happened.orders_refused,
        "executions": end.executions if end else 0,
        "gross_at_end": end.gross if end else 0.0,
        "history": {"executions": history.executions, "gross": history.gross, "loss": history.loss},
        "recording": str(folder.recording),
        "audit": str(folder.audit),
        "pinned": str(folder.pinned_keys),
        "log": str(folder.log),
    }


def stopped(happened: Happened) -> bool:
    """Whether the faulty server, and it alone, was stopped in time, by everybody, for good."""
    halt, decided = happened.halt, happened.decided
    return (
        halt is not None
        and decided is not None
        and happened.applied is not None
        and halt["scope"] == SCOPE
        and 0 <= halt["event_ts"] - happened.first_wrong_ns <= HALTED_WITHIN_NS
        and decided.children <= CHILDREN_MAX
        and decided.gross <= GROSS_MAX
        and len(happened.applied_by) == len(GATEWAYS)
        and happened.orders_after_applied == 0
    )


def commands_to_try(document: dict[str, Any]) -> list[str]:
    """What to type next, as it must be typed: judged by the same configuration, the replay says the same."""
    config = ["-c", document["config"]] if document["config"] else []
    return [
        shlex.join([_program(), "replay", document["recording"], *config]),
        shlex.join([_program(), "audit", "verify", document["audit"], "--pinned", document["pinned"]]),
    ]


def _program() -> str:
    """How we were started, where the shell would not find us by name (as in `make demo`)."""
    started = Path(sys.argv[0])
    found = shutil.which("knightwatch") or started.name != "knightwatch"
    return "knightwatch" if found else os.path.relpath(started)


def rows_of(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """A line each: what is told, how it was, how it was here."""
    history = document["history"]
    until = document["children_before_applied"]
    obeyed = "nobody" if until is None else _seconds(document["applied_after_s"])
    return [
        ("first wrong child to halt", "never", _seconds(document["halted_after_s"])),
        (
            "first wrong child to obeyed",
            "45 minutes, by hand",
            f"{obeyed}, by {document['applied_by']} of {document['gateways']}",
        ),
        ("wrong children until halted", "millions", f"{document['children_before_halt']:,}"),
        ("  until obeyed", "", "-" if until is None else f"{until:,}"),
        ("  after that", "", f"{document['orders_after_applied']:,}, {document['orders_refused']:,} refused"),
        ("executions", f"{history['executions']:,}", f"{document['executions']:,}"),
        ("dollars on the error account", money(history["gross"]), money(document["gross_at_end"])),
        ("lost", money(history["loss"]), "known once it is closed"),
    ]


def summary(document: dict[str, Any]) -> str:
    """For a person: history beside what happened here, and what to try next."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("")
    table.add_column("1 August 2012", style="red3")
    table.add_column("this morning", style="green3" if document["stopped"] else "red3")
    for row in rows_of(document):
        table.add_row(*row)
    verdict = (
        "Stopped: one server, the other seven went on trading."
        if document["stopped"]
        else "NOT stopped within the figures that this demo promises; see the log."
    )
    pace = f"Here the orders came at {document['scale']:g} of their pace; seed {document['seed']}."
    written = Console(
        file=io.StringIO(), force_terminal=sys.stdout.isatty(), width=WIDTH, highlight=False, soft_wrap=True
    )
    written.print(table)
    written.print(f"[bold]{verdict}[/bold]\n[grey58]{pace}[/grey58]\n\nTry next:")
    for command in commands_to_try(document):
        written.print(f"  [cyan]{escape(command)}[/cyan]")
    if document["first_halt"]:
        heading = document["first_halt"]["reason_code"].replace("_", "-")
        written.print(f"How whoever is woken goes on: deploy/RUNBOOK.md, {heading}")
    file = written.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().rstrip("\n")


def _seconds(value: float | None) -> str:
    return "not at all" if value is None else f"{value:.2f} s"
