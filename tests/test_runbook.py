"""No reason without a heading in the runbook, no heading without a reason."""

import ast
import re
from pathlib import Path

from detectors.contract import every_detector
from monitor.cli.app import NOT_YET, app
from monitor.cli.tightening import REASON_CODE
from monitor.core import phone

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


def told_about_ourselves():
    """Reasons of pages about the monitor and its gateways, as the core's own code names them."""
    for path in (ROOT / "monitor" / "core").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="_page_self"), args=[*_, ast.Constant(value=str(reason))]
                ):
                    yield reason
                case ast.Call(func=ast.Name(id="Suspicion"), args=[_, ast.Constant(value=str(reason)), *_]):
                    yield reason
                case ast.Call(func=ast.Name(id="anchor"), args=[*_, ast.Constant(value=str(reason))]):
                    yield reason
                case ast.DictComp(value=ast.Constant(value=str(reason))) if path.name == "doubt.py":
                    yield reason
                case ast.Assign(targets=[ast.Subscript()], value=ast.Constant(value=str(reason))) if (
                    path.name == "doubt.py"
                ):
                    yield reason


def test_every_page_about_ourselves_has_its_heading_and_every_heading_its_page():
    assert set(sections(DOUBT)) == {slug(reason) for reason in told_about_ourselves()}
    readme = (ROOT / "README.md").read_text()
    said = readme.partition("Pages about the monitor itself:")[2].partition(".\n")[0]
    assert {slug(reason) for reason in re.findall(r"`(\w+)`", said)} == set(sections(DOUBT))


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


def test_every_command_of_the_runbook_is_there_or_said_to_be_missing():
    """Nobody is sent at night to a verb that does not exist."""
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    named = set(re.findall(r"`?(?:knightwatch|kw) ([a-z]+)", RUNBOOK))
    assert {"status", "halt", "check", "audit"} <= named & known
    assert named - known <= NOT_YET.keys()
    for missing in NOT_YET.keys() & named:
        assert f"`knightwatch {missing}`" in RUNBOOK.partition("are not in this version")[0]


def test_every_first_word_of_a_page_is_explained():
    words = {
        phone.stopped("*", "halt_new", "w", 1.0, "7f3a", "runbook", "gross", others=True).split()[0],
        phone.warned("*", "w", 1.0, "page", "runbook", "gross").split()[0],
        phone.unanswered("*", ("gw-1",), "7f3a", "runbook").split(" *")[0],
        phone.ourselves("w", "runbook", "gap").split()[0],
    }
    assert words == {"STOPPED", "LOOK", "NOT CONFIRMED", "MONITOR"}
    assert all(f"| `{word} " in RUNBOOK for word in words)
