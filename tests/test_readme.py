"""The README's tables are made from the code, so they cannot lag behind it (UPDATE_GOLDEN=1 rewrites them)."""

import fnmatch
import json
import os
import re
import subprocess
import sys
import textwrap
import time
import tomllib
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


def blocks(chapter, language):
    """The code of a chapter in one language, as a reader copies it."""
    text = README.read_text(encoding="utf-8").partition(f"## {chapter}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(code) for named, code in found if named == language]


@pytest.mark.slow
def test_the_five_minutes_can_be_typed_as_they_stand(tmp_path):
    """In an empty folder, by a shell: keys, the file, the check, a made-up day and what would have been done."""
    program = tmp_path / "bin" / "knightwatch"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom monitor.cli import main\nmain()\n")
    program.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (keys,) = blocks("Five minutes to your own Kafka", "")
    (watch,) = blocks("Five minutes to your own Kafka", "toml")
    (home / "watch.toml").write_text(watch)
    made = "knightwatch simulate knight --scale 0.01 --out yesterday.ndjson.gz"
    (event,) = blocks("Five minutes to your own Kafka", "json")
    (home / "event.ndjson").write_text(event)
    steps = ["knightwatch check -c watch.toml", made, "knightwatch replay yesterday.ndjson.gz -c watch.toml"]
    text = README.read_text(encoding="utf-8")
    assert all(f"`{step}`" in text for step in steps)
    done = subprocess.run(
        ["bash", "-euc", "\n".join([keys, *steps, "knightwatch replay event.ndjson -c watch.toml"])],
        cwd=home, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(README.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    would = [line for line in done.stdout.splitlines() if line.startswith("  would halt ")]
    assert any("child_parent.child_after_done" in line and "host=smars-8" in line for line in would)
    assert "1 events, 0 quarantined, 0 passed over" in done.stdout
    (parented,) = tomllib.loads(watch)["telemetry"]["parented"]
    assert any(fnmatch.fnmatch(json.loads(event)["host"], pattern) for pattern in parented["hosts"])
