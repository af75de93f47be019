"""Controls that are loosened, changes in an incident: each reason, each exception; and equal to the slow oracle."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Severity
from detectors.control import Control, tables
from tests.desk import SECOND, START, Told
from tests.detectors.tell import Telling
from tests.oracle.control import Control as Oracle
from tests.streams import ORDERLY, WILD, order_streams


def lines(breaches: Any) -> list[str]:
    found = list(breaches)
    assert all(breach.severity is Severity.HIGH for breach in found)
    return [f"{breach.reason} {breach.scope.text} {breach.measured}" for breach in found]


def change(before: str | None, after: str | None, **more: Any) -> Told:
    told = {"kind": "limit_change", "ts": START, "actor": "ops", "reason": "busy", "key": "gross"}
    return {k: v for k, v in (told | {"before": before, "after": after} | more).items() if v is not None}


def deploy(phase: str = "started", host: str = "h1", ts: int = START + SECOND) -> Told:
    return {"kind": "deploy", "ts": ts, "host": host, "build": "v2", "phase": phase, "source": "control"}


def beat(boot: str | None, host: str = "h1", ts: int = START + SECOND) -> Told:
    told: Told = {"kind": "heartbeat", "ts": ts, "host": host, "build": "v1", "source": "fleet"}
    return told if boot is None else told | {"boot": boot}


def halted(scope: dict[str, str], at_ns: int = START, settings: dict[str, Any] | None = None) -> Telling:
    telling = Telling(Control, settings)
    telling.halt(scope, "halt_new", at_ns)
    return telling


# -- controls --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("1000000", "1000001", True),
        ("1000000", "1000000", False),
        ("1000000", "999999", False),
        ("9", "10", True),  # by size, not by letters
        ("2,000,000", "2_000_001", True),
        ("on", "off", True),
        ("Disabled", "enabled", False),
        ("armed", "page", True),
        ("halt_new", "halt_cancel", False),
        ("5", None, True),
        (None, "5", False),
        (None, None, True),  # nobody says what it was
        ("a", "b", True),
        ("a", "A", False),
        ("10", "unlimited", True),
        ("10", "inf", True),
        ("10", "NaN", True),  # a limit that nothing is above
    ],
)
def test_a_control_that_is_looser_than_before_pages(before, after, expected):
    said = lines(Telling(Control).tell([change(before, after)]))
    assert said == (["limit_raised * 1"] if expected else [])


def test_keys_that_a_lower_number_loosens_are_named():
    settings = {"lower_is_looser": ("min_*",)}
    assert lines(Telling(Control, settings).tell([change("5", "4", key="min_tick")])) == ["limit_raised * 1"]
    assert lines(Telling(Control, settings).tell([change("5", "6", key="min_tick")])) == []
    assert lines(Telling(Control, settings).tell([change("5", "4")])) == []


@pytest.mark.parametrize(
    ("named", "scope"),
    [
        ({"account": "33", "host": "h1"}, "account=33"),
        ({"strategy": "s", "desk": "d"}, "strategy=s"),
        ({"host": "h1"}, "host=h1"),
    ],
)
def test_it_is_of_whom_the_event_names(named, scope):
    assert lines(Telling(Control).tell([change("1", "2", **named)])) == [f"limit_raised {scope} 1"]


def test_a_change_told_again_is_one_change():
    again = [change("1", "2"), change("1", "2"), change("1", "2", ts=START + 1), change("1", "3")]
    assert len(lines(Telling(Control).tell(again))) == 3


def test_the_breach_shows_the_record():
    (breach,) = Telling(Control).tell([beat("b"), change("1", "2")])
    assert breach.evidence.ranges == ((0, 1, 1),)
    assert breach.row == 1


# -- our own configuration -------------------------------------------------------------------------

OURS: Final = "detectors.exposure"


@pytest.mark.parametrize(
    ("key", "before", "after", "expected"),
    [
        (f"{OURS}.mode", "armed", "page", ["detector_off * 1"]),
        (f"{OURS}.mode", "page", "shadow", ["detector_off * 1"]),
        (f"{OURS}.mode", "shadow", "(absent)", ["detector_off * 1"]),
        (f"{OURS}.mode", "page", "armed", []),
        (f"{OURS}.level", "halt_cancel", "throttle", ["limit_raised * 1"]),
        (f"{OURS}.level", "(absent)", "throttle", []),
        (f"{OURS}.limit[account=33].gross", 5, 6, ["limit_raised account=33 1"]),
        (f"{OURS}.limit[account=33].gross", 6, 5, []),
        (f"{OURS}.limit[account=*].gross", 5, "(absent)", ["limit_raised * 1"]),
        (f"{OURS}.limit[account=*].gross", "(absent)", 5, []),
        (f"{OURS}.high_count", 5, 6, []),  # which way a threshold loosens only a limit says
    ],
)
def test_a_reload_that_loosens_pages(key, before, after, expected):
    assert lines(Telling(Control).detector.on_policy([(key, before, after)])) == expected


def test_a_detector_taken_away_is_said_once_for_all_its_settings():
    gone = [(f"{OURS}.mode", "armed", "(absent)"), (f"{OURS}.limit[*].gross", 5, "(absent)")]
    other = [("detectors.storm.mode", "armed", "shadow")]
    assert lines(Telling(Control).detector.on_policy([*gone, *other])) == ["detector_off * 2"]


# -- changes in an incident ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"host": "h1"}, True),
        ({"host": "h2"}, False),
        ({"build": "v2"}, True),
        ({"build": "v1"}, False),
        ({"account": "33"}, True),
        ({}, True),
    ],
)
def test_a_deploy_in_the_scope_of_an_open_halt_pages(scope, expected):
    said = lines(halted(scope).tell([deploy()]))
    assert said == (["change_in_incident host=h1 1"] if expected else [])


@pytest.mark.parametrize("phase", ["started", "done", "rolled_back"])
def test_every_step_but_a_plan_is_a_change(phase):
    assert lines(halted({}).tell([deploy(phase), deploy(phase)])) == ["change_in_incident host=h1 1"]
    assert lines(halted({}).tell([deploy("planned")])) == []


def test_without_a_halt_or_before_it_a_deploy_is_nothing():
    assert lines(Telling(Control).tell([deploy()])) == []
    assert lines(halted({}, START + SECOND).tell([deploy()])) == []
    assert lines(halted({}, START + SECOND - 1).tell([deploy()])) == ["change_in_incident host=h1 1"]


def test_a_process_that_begins_anew_is_a_restart():
    story = [beat("b1"), beat("b1"), beat(None), beat("b2"), beat("b1"), beat("b2"), beat("b3", "h2")]
    assert lines(halted({}).tell(story)) == ["change_in_incident host=h1 1"]


def test_what_runs_is_known_also_from_before_the_halt_and_a_restart_of_ours():
    telling = Telling(Control)
    assert lines(telling.tell([beat("b1")])) == []
    telling.halt({"host": "h1"}, "halt_new", START)
    telling.restart()
    assert lines(telling.tell([beat("b2", ts=START + 2 * SECOND)])) == ["change_in_incident host=h1 1"]


def test_both_can_be_switched_off():
    off = {"deploys_in_incident": False, "restarts_in_incident": False}
    assert lines(halted({}, settings=off).tell([beat("b1"), deploy(), beat("b2")])) == []


def test_more_changes_than_fit_at_once_are_all_said():
    many = [change("1", "2", ts=START + n) for n in range(tables.ASKED_MAX + 5)]
    assert len(lines(Telling(Control).tell(many))) == tables.ASKED_MAX + 5


SCOPES: Final = st.lists(
    st.sampled_from(({"host": "a-gw-1"}, {"build": "v0"}, {"account": "a-33"}, {"host": "a-gw-2", "build": "v1"}, {})),
    max_size=3,
)  # fmt: skip


@pytest.mark.parametrize("moves", [WILD, (*ORDERLY, "limit_changed", "rebooted", "deployed", "told_again")])
@given(data=st.data(), scopes=SCOPES)
def test_it_says_what_the_slow_oracle_says(moves, data, scopes):
    stream = data.draw(order_streams(moves, size_max=40))
    telling = Telling(Control, scale=1 << 10)
    for n, scope in enumerate(scopes):
        telling.halt(scope, "halt_new", START + n * SECOND)
    oracle = Oracle(telling.view, telling.open_halts)
    for told in stream:
        for run in telling.ledger.post(telling.decode([told])):
            assert [
                (b.reason, b.scope.text, b.measured, b.at_ns, b.row)
                for b in telling.detector.on_postings(run)
            ] == list(oracle.hear(run))
