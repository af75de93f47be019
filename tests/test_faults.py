"""The fault catalogue names tests that exist, at least one for each fault."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    for line in (TESTS / "faults.md").read_text().splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| fault |"))
]


def test_every_fault_has_a_test_and_every_test_exists():
    defined = {
        name
        for file in TESTS.rglob("test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert len(ROWS) > 30
    for row in ROWS:
        fault, expected, seen, tests, means = row
        assert fault, row
        assert expected, row
        assert seen, row
        assert means, row
        named = re.findall(r"`(\w+)`", tests)
        assert named or tests == "world", row
        assert set(named) <= defined, set(named) - defined
