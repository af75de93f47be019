"""A throttle lets its rate through and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.gateway import Action
from monitor.gateway import gate as gate_module
from monitor.gateway.order import Code
from tests.gateway.words import (
    NOW,
    S,
    a_gate,
    a_halt,
    an_order,
    new,
    sealed,
)


@given(st.lists(st.integers(0, S), min_size=1, max_size=60), st.sampled_from([0, 0.5, 1, 3, 7.5]))
def test_a_throttle_lets_no_more_through_in_any_second(gaps, rate):
    gate = a_gate()
    gate.hear(sealed(a_halt(level="throttle", params={"messages_per_s": rate})), NOW)
    now, sent = NOW, []
    for gap in gaps:
        now += gap
        answer = new(gate, now)
        if answer.allowed:
            sent.append(now)
        else:
            assert (answer.code, answer.limit) == (Code.LIMIT_VIOLATION, rate)
        assert gate.decide(Action.CANCEL, an_order(), now).allowed
    assert all(sum(at - S < other <= at for other in sent) <= max(rate, 1) for at in sent)
    assert bool(sent) is (rate > 0)


def test_a_throttle_counts_one_second_and_no_more():
    gate = a_gate()
    gate.hear(sealed(a_halt(level="throttle", params={"messages_per_s": 2})), NOW)
    times = [0, 1, S - 1, S, S + 1, S + 2]
    assert [new(gate, NOW + at).allowed for at in times] == [True, True, False, True, True, False]


def test_a_throttle_without_a_rate_lets_nothing_new_through():
    gate = a_gate()
    gate.hear(sealed(a_halt(level="throttle")), NOW)
    assert not new(gate).allowed


def test_of_two_throttles_both_must_have_room_and_ended_ones_are_forgotten(monkeypatch):
    monkeypatch.setattr(gate_module, "WINDOWS_MAX", 0)
    gate = a_gate()
    gate.hear(sealed(a_halt(level="throttle", params={"messages_per_s": 5})), NOW)
    gate.hear(sealed(a_halt({"account": "33"}, "throttle", params={"messages_per_s": 2})), NOW)
    assert [new(gate, account="33").allowed for _ in range(3)] == [True, True, False]
    assert [new(gate, account="7").allowed for _ in range(4)] == [True, True, True, False]
