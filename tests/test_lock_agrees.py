"""The check of the lock file finds what could be wrong with one."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("lock_agrees", ROOT / ".ci" / "lock_agrees.py")
lock_agrees = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lock_agrees)

PROJECT = """
[build-system]
requires = ["hatchling>=1.27"]
[project]
dependencies = ["aiokafka[lz4]>=0.14,<0.15"]
[dependency-groups]
dev = ["types-psutil>=7"]
"""
LOCK = """\
aiokafka==0.14.0 \\
    --hash=sha256:00
    # via knightwatch (pyproject.toml)
hatchling==1.33.0 \\
    --hash=sha256:01
types-psutil==7.2.2.20261111 \\
    --hash=sha256:02
"""


def test_ours_agrees():
    assert (
        lock_agrees.disagreements(
            (ROOT / "pyproject.toml").read_text(), (ROOT / "requirements.lock").read_text()
        )
        == []
    )


def test_a_lock_that_agrees_has_nothing_against_it():
    assert lock_agrees.disagreements(PROJECT, LOCK) == []


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        (
            LOCK.replace("aiokafka==0.14.0", "aiokafka==0.15.0"),
            "aiokafka[lz4]<0.15,>=0.14 is asked for, 0.15.0 is in it",
        ),
        (LOCK.replace("types-psutil", "types-other"), "types-psutil>=7 is not in it"),
        (LOCK.replace("    --hash=sha256:01\n", ""), "hatchling==1.33.0 has no hash"),
        ("--index-url https://example.org/simple\n" + LOCK, "it names an index or an address"),
    ],
)
def test_what_is_wrong_is_named(lock, said):
    assert lock_agrees.disagreements(PROJECT, lock) == [said]
