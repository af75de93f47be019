"""The README's tables are made from the code, so they cannot lag behind it (UPDATE_GOLDEN=1 rewrites them)."""

import os
import re
import time
from pathlib import Path

import pytest

from detectors.contract import every_detector
from monitor.core.judge import REASONS
from monitor.edge.metrics import Metrics

README = Path(__file__).parent.parent / "README.md"


def reasons() -> str:
    return "| detector | reason | claim |\n|---|---|---|\n" + "".join(
        f"| `{name}` | `{reason.code}` | {reason.claim} |\n"
        for name, family in every_detector().items()
        for reason in family.reasons
    )


def metrics() -> str:
    shown = Metrics(
        detectors=every_detector(), quarantine_reasons=REASONS, topics=["t"], now_ns=time.time_ns, version="0"
    ).exposition()
    found = re.findall(r"^# HELP (knightwatch_\w+) (.*)$", shown.decode(), re.MULTILINE)
    head = "| metric | meaning |\n|---|---|\n"
    return head + "".join(f"| `{name}` | {meaning} |\n" for name, meaning in dict(found).items())


@pytest.mark.parametrize(("name", "table"), [("reasons", reasons), ("metrics", metrics)])
def test_the_readme_shows_every_reason_and_every_metric(name, table):
    text = README.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    shown = text[text.index(begin) + len(begin) : text.index(end)]
    if os.environ.get("UPDATE_GOLDEN"):
        README.write_text(text.replace(begin + shown + end, begin + table() + end), encoding="utf-8")
        return
    assert shown == table()


def test_every_command_of_the_readme_exists():
    from typer.main import get_command

    from monitor.cli.app import app

    known = set(get_command(app).commands)
    named = set(re.findall(r"`?knightwatch ([a-z]+)", README.read_text(encoding="utf-8")))
    assert named - known <= {"resume"}  # said to be missing, until it is there
