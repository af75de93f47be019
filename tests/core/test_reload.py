"""Another policy in force: all at once, nothing loosened under a halt, what it knows kept."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bounds import Bounds
from detectors.contract import every_detector
from monitor.core import commands as cmd
from monitor.core.inputs import PolicyBroken, PolicyRead
from monitor.core.policy import DetectorPolicy, Mode
from monitor.core.reload import differences, in_force
from tests.playbook import Halt, Page, Playbook, engine, engine_of, policy

EXPOSURE = every_detector()["exposure"].Settings
OPEN = ({"detector": "exposure", "scope": {"account": "33"}},)


def limits(**gross):
    rows = tuple({"scope": f"account={account}", "gross": value} for account, value in gross.items())
    return policy(exposure={"limit": rows})


def gross(chosen):
    return {row["scope"]: row["gross"] for row in chosen.detectors["exposure"].settings.limit}


def read(chosen):
    return PolicyRead(chosen, "", 7)


def test_without_a_halt_the_new_policy_is_in_force():
    new = replace(limits(a=9, b=1), digest="new")
    assert in_force(limits(a=5), new, ()) == (new, ())


def test_under_a_halt_a_limit_falls_and_does_not_rise_and_none_is_added_or_goes():
    chosen, waiting = in_force(limits(a=5, b=5, c=5), limits(a=9, b=1, d=7), OPEN)
    assert gross(chosen) == {"account=a": 5, "account=b": 1, "account=c": 5}
    assert {change.key for change in waiting} == {
        f"detectors.exposure.limit[account={each}].gross" for each in ("a", "c", "d")
    }


def test_another_detectors_halt_holds_nothing_back():
    halts = ({"detector": "child_parent", "scope": {}},)
    assert gross(in_force(limits(a=5), limits(a=9), halts)[0]) == {"account=a": 9}


@given(st.dictionaries(st.sampled_from("abc"), st.integers(1, 9)), st.dictionaries(st.sampled_from("abc"), st.integers(1, 9)))  # fmt: skip
def test_no_limit_is_looser_under_a_halt(before, after):
    old, chosen = limits(**before), in_force(limits(**before), limits(**after), OPEN)[0]
    assert gross(old).keys() == gross(chosen).keys()
    assert all(gross(chosen)[scope] <= limit for scope, limit in gross(old).items())


@pytest.mark.parametrize("after", [Mode.SHADOW, Mode.PAGE, None])
def test_a_detector_with_an_open_halt_is_neither_disarmed_nor_removed(after):
    old = limits(a=5)
    settings = old.detectors["exposure"].settings
    new = replace(
        old, detectors={} if after is None else {"exposure": DetectorPolicy(after, settings)}, digest="new"
    )
    chosen, waiting = in_force(old, new, OPEN)
    assert chosen.detectors == old.detectors
    assert waiting
    assert chosen.digest not in (old.digest, new.digest)  # it names neither: what judges is of both


def test_differences_are_said_by_key():
    told = list(differences(limits(a=5).detectors, limits(a=6).detectors))
    assert [(one.key, one.before, one.after) for one in told] == [
        ("detectors.exposure.limit[account=a].gross", 5, 6)
    ]


# -- in the engine ---------------------------------------------------------------------------------


def test_a_limit_that_falls_judges_what_was_held_before_it_fell():
    wide, narrow = ({"limit": ({"scope": "account=*", "gross": limit},)} for limit in (1_000_000, 3_000))
    book = Playbook(engine(exposure=wide)) >> "P1 C F C F C F C F"
    book = book << None >> read(policy(exposure=narrow))
    assert [change["after"] for told in book.recorded("policy.changed") for change in told["changes"]] == [
        3_000
    ]
    book >> "C F" << Halt("account=a-33", "gross")


def test_a_limit_that_rises_under_its_halt_waits_and_somebody_is_told():
    low, high = (policy(exposure={"limit": ({"scope": "account=*", "gross": g},)}) for g in (1_500, 9_000))
    book = Playbook(engine_of(low)) >> "P1 C F C F" << Halt("account=a-33", "gross") >> read(high)
    book << [Page("self/reload", resolved=True), Page("self/reload_waits")]
    assert gross(book.engine.policy) == {"account=*": 1_500}


def test_a_family_that_is_new_wants_a_restart_and_the_old_policy_stays():
    book = (
        Playbook(engine(child_parent={})) >> read(policy(child_parent={}, fill_gap={})) << Page("self/reload")
    )
    assert list(book.engine.detectors) == ["child_parent"]


def test_other_bounds_of_memory_want_a_restart_and_the_old_policy_stays():
    other = replace(policy(child_parent={}), bounds=Bounds(parents=1 << 14))
    book = Playbook(engine(child_parent={})) >> read(other) << Page("self/reload")
    assert book.engine.policy.bounds == Bounds()


def test_a_broken_configuration_changes_nothing_and_pages():
    book = Playbook(engine(child_parent={}))
    before = book.engine.policy
    book >> PolicyBroken(("detectors.x: is not known",), 7) << Page("detectors.x")
    assert book.engine.policy is before


@pytest.mark.parametrize("own", [{"control": {"mode": "page"}}, {}], ids=["control_stays", "control_goes"])
def test_a_reload_that_disarms_a_detector_pages_before_it_is_in_force(own):
    book = Playbook(engine(child_parent={}, control={"mode": "page"})) >> "C"
    (
        book
        >> read(policy(child_parent={"mode": "shadow"}, **own))
        << [
            Page("control/detector_off/*", "high"),
            Page("reload", resolved=True),
        ]
    )
    seen = [c.what for c in book.said if type(c).__name__ == "Record"]
    assert seen == ["breach.seen", "policy.changed"]


def test_a_reload_that_tightens_pages_nobody():
    book = Playbook(engine(child_parent={"mode": "page"}, control={"mode": "page"})) >> "C"
    book >> read(policy(child_parent={}, control={"mode": "page"}))
    assert book.of(cmd.Record)[0].what == "policy.changed"
