"""Names are made of causes, by RFC 8785."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.identity import NOT_IN_TRACE, halt_id, trace_digest
from tests.gateway.words import NOW, a_halt

CAUSE = ("ny", "prod", "child_parent", "child_after_done", "host=é", "2012-08-01", 0)


def test_a_halt_id_is_the_digest_of_its_cause():
    text = '["ny","prod","child_parent","child_after_done","host=é","2012-08-01",0]'
    assert halt_id(*CAUSE) == hashlib.sha256(text.encode()).hexdigest()


def test_each_part_of_the_cause_counts():
    others = [(*CAUSE[:n], 1 if n == 6 else "x", *CAUSE[n + 1 :]) for n in range(7)]
    assert len({halt_id(*cause) for cause in [CAUSE, *others]}) == 8


def breach(**more):
    return {
        "ts": NOW,
        "detector": "d",
        "scope": {"host": "a"},
        "measured": 2**60,
        "limit": 1.5,
        "evidence": [1],
        **more,
    }


def test_a_trace_digest_is_written_down():
    """Published: a change here breaks every digest that somebody kept."""
    assert trace_digest([], []) == hashlib.sha256(b'{"breaches":[],"commands":[]}').hexdigest()
    text = b'{"breaches":[{"detector":"d","limit":1.5,"measured":1152921504606847000,"scope":{"host":"a"},"ts":"%d"}],"commands":[]}'
    assert trace_digest([breach()], []) == hashlib.sha256(text % NOW).hexdigest()


@given(st.sampled_from(sorted(NOT_IN_TRACE)), st.integers())
def test_what_an_instance_chose_is_not_in_a_trace(name, value):
    assert trace_digest([], [a_halt()]) == trace_digest([], [{**a_halt(), name: value}])


@given(st.sampled_from(["ts", "detector", "scope", "measured", "limit"]))
def test_what_happened_is(name):
    assert trace_digest([breach()], []) != trace_digest([breach(**{name: "other"})], [])


def test_two_times_that_one_double_would_hold_are_told_apart():
    assert trace_digest([breach(ts=NOW)], []) != trace_digest([breach(ts=NOW + 1)], [])


def test_times_inside_of_lists_and_objects_are_strings_too():
    assert trace_digest([], [{"stages": [{"ts": NOW}]}]) != trace_digest([], [{"stages": [{"ts": NOW + 1}]}])
