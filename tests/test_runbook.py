"""No reason without a heading in the runbook, no heading without a reason."""

import re
from pathlib import Path

from detectors.contract import every_detector
from monitor.cli.tightening import REASON_CODE

ROOT = Path(__file__).parent.parent
RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text()
PARTS = ("**What it means.**", "**What to look at.**", "**How to go on.**")


def sections(chapter):
    text = re.split(rf"^## {re.escape(chapter)}$", RUNBOOK, flags=re.MULTILINE)[1]
    text = re.split(r"^## ", text, flags=re.MULTILINE)[0]
    found = re.split(r"^### (.+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def slug(code):
    return code.replace("_", "-")


def test_every_reason_has_its_heading_and_every_heading_its_reason():
    reasons = {slug(reason.code) for cls in every_detector().values() for reason in cls.reasons}
    assert set(sections("Reasons")) == reasons
    assert set(sections("A person's halt")) == {slug(REASON_CODE)}


DOUBT = "When the monitor or a gateway is in doubt"


def test_every_page_about_ourselves_has_its_heading():
    core = "".join(path.read_text() for path in (ROOT / "monitor" / "core").glob("*.py"))
    headings = set(sections(DOUBT))
    assert {heading for heading in headings if f"{heading.replace('-', '_')}" not in core} == set()
    paged = re.findall(r"_page_self\(\s*[^)]*?\"([a-z]+_[a-z]+)\"\s*\)|anchor\(runbook, '([a-z_]+)'\)", core)
    assert {slug("".join(pair)) for pair in paged} <= headings
    assert paged


def test_every_heading_says_what_it_means_what_to_look_at_and_how_to_go_on():
    for heading, text in (sections("Reasons") | sections("A person's halt") | sections(DOUBT)).items():
        for part, following in zip(PARTS, (*PARTS[1:], None), strict=True):
            said = text.partition(part)[2].partition(following)[0] if following else text.partition(part)[2]
            assert len(said.split()) >= 5 or said.strip().startswith("As for `"), (heading, part)


def test_what_the_runbook_refers_to_is_there():
    headings = set(re.findall(r"^### (.+)$", RUNBOOK, flags=re.MULTILINE))
    assert set(re.findall(r"As for `([^`]+)`|as for `([^`]+)`", RUNBOOK)) <= {
        pair for heading in headings for pair in ((heading, ""), ("", heading))
    }
