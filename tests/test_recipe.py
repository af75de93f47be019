"""What CONTRIBUTING says a detector costs is all that it costs: its recipe is followed to the letter."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"^`(?P<where>[^`\n]+)`[^`\n]*\n\n```(?:python|toml)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
PROMISES = "tests/detectors/test_promises.py"


def blocks():
    """What the worked recipe writes: where, and what."""
    recipe = (ROOT / "CONTRIBUTING.md").read_text().partition("### Worked")[2].partition("\n## ")[0]
    return {found["where"]: found["text"] for found in BLOCK.finditer(recipe)}


@pytest.mark.slow
def test_one_file_one_test_and_one_table_are_a_detector(tmp_path):
    told = blocks()
    family, test, table = told
    tree = tmp_path / "tree"
    for folder in ("detectors", "monitor", "tests"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    (tree / family).write_text(told[family])
    (tree / test).write_text(told[test])
    (tree / "own.toml").write_text(f'site = "s"\nenv = "e"\n{told[table]}')
    surroundings = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "KNIGHTWATCH_KERNELS": str(tmp_path / "kernels"),
        "HYPOTHESIS_PROFILE": "quick",
    }

    def python(*words):
        done = subprocess.run(
            [sys.executable, *words], cwd=tree, env=surroundings, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout[-4_000:]}{done.stderr[-4_000:]}"
        return done.stdout

    python("-m", "pytest", "--doctest-modules", family, test)
    assert "8 passed" in python("-m", "pytest", "-p", "no:randomly", PROMISES, "-k", "no_way_out")
    shown = python("-c", "from monitor.cli import main; main()", "config", "show", "-c", "own.toml")
    assert "refused_high = 10" in shown
