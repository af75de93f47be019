"""The fleet against its manifest and its grants: each reason, each side of each threshold; equal to the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Breach, Severity
from detectors.fleet import Fleet, FleetSettings
from detectors.fleet.manifest import overlap
from monitor.scenarios import registry
from monitor.scenarios.day import ONSET_NS, START_NS
from monitor.scenarios.files import simulate
from tests.desk import MS, SECOND, START, Told
from tests.detectors.recorded import BOTH, day, recorded
from tests.detectors.tell import Telling, side_by_side
from tests.oracle.fleet import Fleet as Oracle
from tests.streams import FLEET, MESSY, order_streams

if TYPE_CHECKING:
    from collections.abc import Iterable

ROUTERS = {"role": "router", "hosts": ("r-*",), "count": 4, "build": "v2", "flags": ("rlp",)}
DAY = 86_400 * SECOND
DAYS_TO_START = START // DAY


class Story:
    """One line an event; time moves by hand."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.at, self.orders = START, 0

    def after(self, ns: int) -> Story:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> Story:
        told = {"kind": kind, "ts": self.at, "arrival_ts": self.at} | fields
        self.told.append({k: v for k, v in told.items() if v is not None})
        return self

    def beat(self, *hosts: str, build: str = "v2", **more: Any) -> Story:
        """A heartbeat of each; `r-4=v1` says another build."""
        for each in hosts:
            host, _, other = each.partition("=")
            self.say("heartbeat", source="fleet", host=host, build=other or build, **more)
        return self

    def beats(self, *hosts: str, seconds: int, **more: Any) -> Story:
        for _ in range(seconds):
            self.after(SECOND).beat(*hosts, **more)
        return self

    def order(self, host: str | None = "r-1", strategy: str | None = "st", **more: Any) -> Story:
        self.orders += 1
        fields = {"order_id": f"O{self.orders}", "account": "A", "symbol": "NOK", "side": "buy", "qty": 1}
        return self.say("order_new", host=host, strategy=strategy, **(fields | more))

    def deploy(self, host: str, phase: str, build: str = "v3") -> Story:
        return self.say("deploy", source="control", host=host, build=build, role="router", phase=phase)

    def phase(self, phase: str, venue: str = "XNYS") -> Story:
        return self.say("session_phase", source="market", venue=venue, phase=phase)


def listen(story: Story, wait: int = 0, view: dict[str, Any] | None = None, **settings: Any) -> list[Breach]:
    telling = Telling(Fleet, {"manifest": (ROUTERS,)} | settings, **(view or {}))
    said = telling.tell(story.told)
    return said + (telling.wait(story.at + wait) if wait else [])


def heard(story: Story, wait: int = 0, view: dict[str, Any] | None = None, **settings: Any) -> list[str]:
    """What the family says of a story, and then of silence."""
    return [
        f"{b.severity.word} {b.reason} {b.scope} {b.measured:g}"
        for b in listen(story, wait, view, **settings)
    ]


def only(reason: str, said: Iterable[str]) -> list[str]:
    return [s for s in said if f" {reason} " in s]


FLEET_OF_4 = ("r-1", "r-2", "r-3", "r-4")
ONE_OLD = ("r-1", "r-2", "r-3", "r-4=v1")


# -- build_mismatch --------------------------------------------------------------------------------


def test_a_fleet_that_is_as_declared_is_silent():
    assert heard(Story().beats(*FLEET_OF_4, seconds=90, flags=["rlp"]).order()) == []


def test_another_build_is_recorded_at_once_and_pages_after_ten_seconds():
    assert heard(Story().beats(*ONE_OLD, seconds=9)) == ["warn build_mismatch host=r-4 1"]
    assert heard(Story().beats(*ONE_OLD, seconds=12)) == [
        "warn build_mismatch host=r-4 1",
        "high build_mismatch host=r-4 1",
    ]


def test_a_minority_host_is_stopped_when_it_sends_an_order():
    said = listen(Story().beat(*ONE_OLD).after(MS).order("r-1").after(MS).order("r-4"))
    assert [b.severity for b in said] == [Severity.WARN, Severity.HALT]
    assert (said[1].scope.text, said[1].evidence.count, said[1].evidence.ranges) == (
        "host=r-4",
        2,
        ((0, 3, 3), (0, 5, 5)),
    )


def test_a_minority_host_is_stopped_before_it_sends_where_others_of_its_role_do():
    story = Story().beat(*ONE_OLD).order("r-1").beats(*ONE_OLD, seconds=19)
    assert only("build_mismatch", heard(story))[2:] == []
    assert only("build_mismatch", heard(story.beats(*ONE_OLD, seconds=2)))[2:] == [
        "halt build_mismatch host=r-4 1"
    ]


def test_where_nobody_of_its_role_sends_people_are_asked_and_nothing_is_stopped():
    story = Story().beats(*ONE_OLD, seconds=40).order("elsewhere").beats(*ONE_OLD, seconds=40)
    assert not [s for s in heard(story) if s.startswith("halt")]


def test_half_of_a_role_is_no_minority():
    story = (
        Story()
        .beat("r-1", "r-2", "r-3=v1", "r-4=v1")
        .order("r-4")
        .beats("r-1", "r-2", "r-3=v1", "r-4=v1", seconds=30)
    )
    assert not [s for s in heard(story) if s.startswith("halt")]


def test_a_whole_role_alike_pages_and_names_the_build():
    said = heard(
        Story().beat(*FLEET_OF_4, build="v1").order("r-1").beats(*FLEET_OF_4, build="v1", seconds=40)
    )
    assert "high build_mismatch build=v1 4" in said
    assert not [s for s in said if s.startswith("halt")]


def test_a_host_that_was_let_go_on_is_stopped_again_at_its_next_order():
    story = Story().beat(*ONE_OLD).order("r-4").after(500 * MS).order("r-4")
    assert len(only("halt", [f"x {s}" for s in heard(story)])) == 1
    assert len(only("halt", [f"x {s}" for s in heard(story.after(SECOND).order("r-4"))])) == 2


def test_a_host_that_runs_what_was_declared_again_is_forgiven():
    story = Story().beat(*ONE_OLD).after(2 * SECOND).beat(*FLEET_OF_4).order("r-4")
    assert heard(story) == ["warn build_mismatch host=r-4 1"]


def test_a_manifest_may_say_the_configuration_too():
    manifest = ({**ROUTERS, "config_hash": "c1"},)
    story = Story().beat("r-1", "r-2", config_hash="c1").beat("r-3", config_hash="c2").beat("r-4")
    assert heard(story, manifest=manifest) == [
        "warn build_mismatch host=r-3 1",
        "warn build_mismatch host=r-4 2",
    ]


def test_a_heartbeat_told_late_says_nothing_of_now():
    story = (
        Story().beat(*FLEET_OF_4).say("heartbeat", source="fleet", host="r-4", build="v1", ts=START - SECOND)
    )
    assert heard(story) == []


# -- roll-outs -------------------------------------------------------------------------------------


def test_a_declared_build_is_expected_beside_the_old_one_until_the_host_is_done():
    story = Story().beat(*FLEET_OF_4)
    for host in FLEET_OF_4:
        story.deploy(host, "planned")
    story.deploy("r-1", "started").beats("r-1=v3", "r-2", "r-3", "r-4", seconds=15).deploy("r-1", "done")
    assert heard(story.beats("r-1=v3", "r-2", "r-3", "r-4", seconds=30)) == []


@pytest.mark.parametrize(("late", "says"), [(5, []), (6, ["warn build_mismatch host=r-1 1"])])
def test_a_host_that_is_done_and_still_says_its_old_build_lies(late, says):
    story = Story().beat(*FLEET_OF_4).deploy("r-1", "started").deploy("r-1", "done")
    assert only("build_mismatch", heard(story.after(late * SECOND).beat("r-1"))) == says


def test_a_build_that_was_rolled_back_is_expected_no_more():
    story = Story().beat(*FLEET_OF_4).deploy("r-1", "started").beat("r-1=v3").deploy("r-1", "rolled_back")
    assert heard(story.after(SECOND).beat("r-1=v3")) == ["warn build_mismatch host=r-1 1"]


# -- flags -----------------------------------------------------------------------------------------


def test_a_flag_that_the_manifest_does_not_list_accuses_its_host():
    beat = Story().beat("r-1", "r-2", "r-3", flags=["rlp"]).beat("r-4", flags=["rlp", "power_peg"])
    assert heard(beat.order("r-4")) == ["warn undeclared_flag host=r-4 1", "halt undeclared_flag host=r-4 1"]


def test_the_flags_of_another_build_are_that_builds_one_cause_one_halt():
    said = heard(Story().beat("r-1", "r-2", "r-3").beat("r-4=v1", flags=["power_peg"]).order("r-4"))
    assert said == [
        "warn build_mismatch host=r-4 1",
        "warn undeclared_flag host=r-4 1",
        "halt build_mismatch host=r-4 1",
    ]


def test_a_manifest_that_lists_no_flags_does_not_ask():
    manifest = ({name: value for name, value in ROUTERS.items() if name != "flags"},)
    assert heard(Story().beat("r-1", flags=["anything"]), manifest=manifest) == []


@pytest.mark.parametrize(("days", "says"), [(29, []), (30, ["warn dormant_flag host=r-4 30"])])
def test_a_flag_wakes_after_thirty_days_that_nobody_used_it(days, says):
    story = Story().beat(*FLEET_OF_4, flags=["rlp"])
    story.after(days * DAY).beat("r-4", flags=["rlp"])
    assert only("dormant_flag", heard(story)) == says


def test_when_a_flag_was_last_used_the_baseline_says_for_days_before_ours():
    story = Story().beat("r-1", "r-2", "r-3").beat("r-4").order("r-4", flags=["peg"])
    view = {"flags_seen": {"peg": DAYS_TO_START - 3_000}}
    assert heard(story, view=view) == ["warn dormant_flag host=r-4 3000", "halt dormant_flag host=r-4 3000"]
    assert heard(story, view={"flags_seen": {"peg": DAYS_TO_START - 29}}) == []
    assert heard(story) == []


def test_a_flag_on_a_parent_wakes_too_and_nobody_is_stopped_for_it():
    story = Story().beat(*FLEET_OF_4)
    story.say(
        "parent_new",
        source="oms",
        host="oms",
        parent_id="P",
        account="A",
        symbol="S",
        side="buy",
        qty=1,
        flags=["peg"],
    )
    said = heard(story, wait=20 * SECOND, view={"flags_seen": {"peg": 1}})
    assert [s.split()[:3] for s in only("dormant_flag", said)] == [["warn", "dormant_flag", "host=oms"]]


def test_a_flag_that_woke_and_stays_in_use_pages():
    story = Story()
    for n in (1, 2):
        parent = {
            "parent_id": f"P{n}",
            "account": "A",
            "symbol": "S",
            "side": "buy",
            "qty": 1,
            "flags": ["peg"],
        }
        story.after(10 * SECOND).say("parent_new", source="oms", host="oms", **parent)
    said = heard(story, view={"flags_seen": {"peg": 1}})
    assert [s.split()[0] for s in only("dormant_flag", said)] == ["warn", "high"]


# -- silent_host -----------------------------------------------------------------------------------


def test_a_host_is_missed_after_three_seconds_and_pages_after_ten():
    story = Story().beat(*FLEET_OF_4).beats(*FLEET_OF_4[:3], seconds=11)
    assert heard(story) == ["warn silent_host host=r-4 3", "high silent_host host=r-4 10"]
    assert heard(Story().beat(*FLEET_OF_4).beats(*FLEET_OF_4[:3], seconds=2)) == []


def test_silence_is_heard_where_nothing_else_happens():
    said = heard(Story().beat("r-1"), wait=5 * SECOND, manifest=({**ROUTERS, "count": 1},))
    assert said == ["warn silent_host host=r-1 3"]


def test_after_all_venues_have_closed_nobody_is_expected_until_one_opens():
    story = Story().phase("open").beat(*FLEET_OF_4).after(SECOND).phase("closed")
    assert heard(story, wait=60 * SECOND) == []
    story.after(3600 * SECOND).phase("pre_open").after(2 * SECOND).beat(*FLEET_OF_4)
    assert heard(story) == []


def test_a_host_with_a_calendar_is_expected_within_its_sessions():
    day = 86_400 * SECOND
    sessions = {
        "XNYS": np.array([(START + n * day, START + n * day + 3_600 * SECOND) for n in range(3)], np.int64)
    }
    manifest, view = ({**ROUTERS, "count": 1, "calendar": "XNYS"},), {"sessions": sessions}
    assert heard(Story().beats("r-1", seconds=2), wait=15 * SECOND, manifest=manifest, view=view)[1:] == [
        "high silent_host host=r-1 10"
    ]
    closed = Story().after(3_600 * SECOND).beat("r-1")
    assert heard(closed, wait=600 * SECOND, manifest=manifest, view=view) == []
    reopened = closed.after(82_800 * SECOND + 2 * SECOND).beat("r-2").after(2 * SECOND).beat("r-2")
    assert heard(reopened, manifest=manifest, view=view) == ["warn silent_host host=r-1 3"]


def test_a_host_that_is_rolled_out_may_be_silent():
    story = Story().beat(*FLEET_OF_4).deploy("r-4", "started").beats(*FLEET_OF_4[:3], seconds=60)
    assert heard(story) == []


def test_declared_four_arrived_three_is_a_page():
    said = listen(Story().beats(*FLEET_OF_4[:3], seconds=62))
    assert [(b.severity, b.reason, b.scope.text, b.measured, b.limit, b.unit) for b in said] == [
        (Severity.HIGH, "silent_host", "*", 3, 4, "hosts")
    ]
    assert listen(Story().beats(*FLEET_OF_4[:3], seconds=59)) == []


def test_a_manifest_that_matches_no_host_that_is_heard_is_a_page():
    assert heard(Story().order("x-1").after(61 * SECOND).order("x-1")) == ["high silent_host * 0"]


def test_hosts_that_fall_silent_together_are_one_page():
    said = heard(Story().beats(*FLEET_OF_4, seconds=70), wait=20 * SECOND)
    assert [s for s in said if s.startswith("high")] == ["high silent_host * 0"]


# -- not_granted -----------------------------------------------------------------------------------

GRANTS = ({"hosts": ("r-*",), "strategies": ("mm", "arb-*"), "accounts": ("A",)}, {"hosts": ("desk",)})


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"strategy": "mm"}, []),
        ({"strategy": "arb-7"}, []),
        ({"host": "desk", "strategy": None}, []),
        ({"host": "x"}, ["halt not_granted host=x 1"]),
        ({"host": None}, ["halt not_granted * 1"]),
        ({"strategy": "peg"}, ["halt not_granted strategy=peg 1"]),
        ({"strategy": None}, ["halt not_granted host=r-1 1"]),
        ({"strategy": "mm", "account": "33"}, ["halt not_granted strategy=mm 1"]),
    ],
)
def test_an_order_that_no_grant_covers_accuses_its_host_or_its_strategy(order, says):
    assert heard(Story().order(**order), manifest=(), grants=GRANTS) == says


def test_the_same_sender_is_accused_again_after_a_quiet_second():
    story = Story().order("x").after(900 * MS).order("x").after(SECOND).order("x")
    assert heard(story, manifest=(), grants=GRANTS) == [
        "halt not_granted host=x 1",
        "halt not_granted host=x 3",
    ]


def test_without_grants_nobody_is_asked_for_one():
    assert heard(Story().order("x"), manifest=()) == []


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("smars-8", "smars-*", True), ("smars-?", "smars-10", False), ("a*", "*b", True), ("a-*", "b-*", False),
        ("*", "x", True), ("h-[12]", "h-2", True), ("ab", "ab", True), ("a", "ab", False), ("**", "", True),
    ],
)  # fmt: skip
def test_two_patterns_overlap_where_one_name_matches_both(one, other, both):
    assert overlap(one, other) is both
    assert overlap(other, one) is both


def test_thresholds_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="silent_warn_s"):
        FleetSettings(silent_warn_s=11)


def test_a_snapshot_goes_on_under_another_manifest():
    telling = Telling(Fleet, {"manifest": (ROUTERS,)})
    telling.tell(Story().beat(*ONE_OLD).told)
    other = Fleet(FleetSettings(manifest=({**ROUTERS, "role": "other", "build": "v1"},)), telling.view)
    other.restore(telling.detector.snapshot())
    telling.detector = other
    again = Story().after(SECOND).beat("r-4=v1").order("r-4")
    assert [b.scope.text for b in telling.tell(again.told)] == []


# -- the oracle ------------------------------------------------------------------------------------

OTHER_MANIFESTS = (
    ({"role": "r", "hosts": ("a-gw-1",), "build": "v0", "flags": ("x", "y")}, {"role": "r", "hosts": ("a-gw-2",), "build": "v1", "count": 3}),
    ({"role": "r", "hosts": ("a-*",), "build": "v2", "config_hash": "c1", "count": 2},),
    ({"role": "r", "hosts": ("a-gw-*", "zz"), "flags": ()},),
)  # fmt: skip
OTHER_GRANTS = (
    (),
    ({"hosts": ("a-gw-1",), "strategies": ("a-st0",)}, {"hosts": ("*-2",), "accounts": ("a-33",)}),
)


@pytest.mark.parametrize("moves", [FLEET, MESSY], ids=["fleet", "messy"])
@given(
    data=st.data(),
    manifest=st.sampled_from(OTHER_MANIFESTS),
    grants=st.sampled_from(OTHER_GRANTS),
    slept=st.sampled_from((None, 29, 300)),
)
def test_it_says_what_the_slow_oracle_says(moves, data, manifest, grants, slept):
    stream = data.draw(order_streams(moves, size_max=25))
    seen = {"x": DAYS_TO_START - slept} if slept else {}
    telling = Telling(Fleet, {"manifest": manifest, "grants": grants}, flags_seen=seen)
    oracle = Oracle(telling.settings, seen)
    for ours, theirs in side_by_side(telling, oracle, stream, wait_ns=100 * SECOND):
        assert sorted(map(plain, ours)) == sorted(theirs)


def plain(b: Breach) -> tuple[str, int, str, float, int]:
    return (b.reason, int(b.severity), b.scope.text, b.measured, b.at_ns)


# -- days ------------------------------------------------------------------------------------------

SMARS = {"role": "router", "hosts": ("smars-*",), "count": 8, "build": "rlp-2012.07.27", "flags": ("rlp",)}


@BOTH
def test_a_clean_recording_is_silent(name):
    telling = Telling(Fleet, {"grants": ({"hosts": ("ab-*", "gw-*")},)})
    assert day(telling, recorded(name)) == []


def test_knights_eighth_server_pages_before_the_open_and_is_stopped_before_its_first_wrong_child(tmp_path):
    simulate(registry()["knight"], seed=1, scale=0.05, out=tmp_path / "knight.ndjson", until=ONSET_NS)
    lines = (tmp_path / "knight.ndjson").read_bytes().splitlines()
    telling = Telling(Fleet, {"manifest": (SMARS,), "grants": ({"hosts": ("smars-*",)},)})
    said = day(telling, lines)
    assert {b.scope.text for b in said if b.severity > Severity.WARN} == {"host=smars-8"}
    page = next(b for b in said if b.severity is Severity.HIGH)
    assert (page.reason, page.at_ns - START_NS <= 12 * SECOND) == ("build_mismatch", True)
    assert next(b for b in said if b.severity is Severity.HALT).at_ns < ONSET_NS
