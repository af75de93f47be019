"""The narrowest scope that holds the evidence, or one step wider: by law, not by example."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.scope import FIRM, KINDS, Scope
from monitor.core.scopes import HOLDS_SHARE_MIN, NARROW_FIRST, narrowest, stoppable_form, widened

values = st.sampled_from("abc")
who = st.fixed_dictionaries(
    {"host": values, "session": values}, optional={"account": values, "strategy": values, "symbol": values}
)
flow = st.lists(who, min_size=1, max_size=12)
weighed = st.lists(st.tuples(who, st.sampled_from((1.0, 2.0, 50.0))), min_size=1, max_size=10)


def held(scope, evidence):
    return sum(w for attributes, w in evidence if scope.holds_for(attributes)) / sum(w for _, w in evidence)


@given(weighed, weighed, st.sets(st.sampled_from(NARROW_FIRST)))
def test_what_is_chosen_holds_nine_tenths_in_a_kind_that_can_be_stopped(evidence, others, stoppable):
    scope = narrowest(evidence, others, stoppable)
    assert held(scope, evidence) >= HOLDS_SHARE_MIN
    assert all(kind in stoppable for kind, _ in scope.conditions)


@given(weighed, weighed)
def test_no_other_that_holds_it_hurts_less(evidence, others):
    chosen = narrowest(evidence, others)
    carried = [k for k in NARROW_FIRST if all(k in attributes for attributes, _ in (*evidence, *others))]

    def hurt(scope):
        return sum(w for attributes, w in others if scope.holds_for(attributes))

    rivals = [Scope.of({kind: value}) for kind in carried for value in "abc"]
    rivals = [scope for scope in rivals if held(scope, evidence) >= HOLDS_SHARE_MIN]
    assert bool(rivals) == (chosen != FIRM)
    assert all(hurt(chosen) <= hurt(rival) for rival in rivals)


@given(weighed, weighed, st.randoms())
def test_the_order_of_the_evidence_says_nothing(evidence, others, random):
    mixed = random.sample(evidence, len(evidence))
    assert narrowest(mixed, others) == narrowest(evidence, others)


def test_of_equals_the_narrower_kind_is_chosen():
    evidence = [({"parent": "p", "session": "s", "host": "h"}, 1.0)]
    assert narrowest(evidence, []).text == "parent=p"


def test_an_attribute_that_part_of_the_flow_lacks_is_not_offered():
    """An order without it would match too: the scope would stop more than it says."""
    evidence = [({"host": "a", "account": "33"}, 1.0)]
    assert narrowest(evidence, [({"host": "b"}, 1.0)]).text == "host=a"
    assert narrowest([({"account": "33"}, 1.0)], [({"host": "b"}, 1.0)]) == FIRM


@given(
    flow,
    st.sampled_from(("host", "session")),
    st.sets(st.sampled_from("abc"), min_size=1),
    st.sets(st.sampled_from(KINDS)),
)
def test_what_is_wider_holds_all_that_the_siblings_held(flow, kind, named, stoppable):
    siblings = [Scope.of({kind: value}) for value in sorted(named)]
    wide = widened(siblings, flow, stoppable)
    assert all(
        wide.holds_for(attributes) for attributes in flow if any(s.holds_for(attributes) for s in siblings)
    )
    assert all(k in stoppable and k != kind for k, _ in wide.conditions)


def test_siblings_without_anything_in_common_are_the_firm():
    flow = [{"session": s, "host": h} for s, h in zip("abc", "xyz", strict=True)]
    assert widened([Scope.of(session=s) for s in "abc"], flow) == FIRM
    assert widened([Scope.of(session="a")], []) == FIRM


@pytest.mark.parametrize(
    ("stoppable", "wanted"), [({"session", "host"}, "session=a"), ({"host"}, "host=x"), ({"account"}, "*")]
)
def test_a_scope_that_gateways_cannot_stop_becomes_one_that_they_can(stoppable, wanted):
    evidence, others = [({"session": "a", "host": "x"}, 3)], [({"session": "b", "host": "y"}, 5)]
    assert stoppable_form(Scope.of(session="a"), evidence, others, stoppable).text == wanted


@given(
    st.dictionaries(st.sampled_from(KINDS), values, max_size=3).map(Scope.of),
    weighed,
    weighed,
    st.sets(st.sampled_from(KINDS)),
)
def test_what_gateways_are_asked_to_stop_they_can_and_it_holds_the_accused(
    scope, evidence, others, stoppable
):
    asked = stoppable_form(scope, evidence, others, stoppable)
    assert all(kind in stoppable for kind, _ in asked.conditions)
    assert set(asked.conditions) <= set(scope.conditions) or held(asked, evidence) >= HOLDS_SHARE_MIN
    if all(kind in stoppable for kind, _ in scope.conditions):
        assert asked == scope
