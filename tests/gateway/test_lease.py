"""Silence alarms; it stops only where the gateway chose so."""

from __future__ import annotations

from monitor.gateway import LeasePolicy
from monitor.gateway.order import Code
from tests.gateway.words import (
    ANNA,
    BORIS,
    NOW,
    S,
    a_gate,
    a_lease,
    new,
    said,
    sealed,
)


def codes(gate, now):
    return [(alarm.code, alarm.about, alarm.page) for alarm in gate.alarms(now)]


def test_a_silent_lease_alarms_and_stops_nothing_by_itself():
    gate = a_gate()
    gate.hear(sealed(a_lease()), NOW)
    assert codes(gate, NOW + 2 * S) == []
    assert codes(gate, NOW + 3 * S) == [("lease_silent", "kw-1", False)]
    assert codes(gate, NOW + 10 * S) == [("lease_silent", "kw-1", True)]
    assert new(gate, NOW + 3600 * S).allowed
    assert codes(a_gate(), NOW + 10 * S) == [("lease_silent", "*", True)]


def test_degraded_and_blind_alarm():
    gate = a_gate()
    gate.hear(sealed(a_lease("degraded")), NOW)
    assert codes(gate, NOW) == [("lease_degraded", "kw-1", False)]
    gate.hear(sealed(a_lease("blind", NOW + 1)), NOW + 1)
    assert codes(gate, NOW + 2) == [("lease_blind", "kw-1", False)]


STOP = LeasePolicy(stop_after_ns=5 * S)


def test_a_gateway_that_chose_it_stops_on_silence_and_goes_on_when_watched_again():
    gate = a_gate(lease=STOP)
    gate.hear(sealed(a_lease()), NOW)
    assert new(gate, NOW + 5 * S).allowed
    assert new(gate, NOW + 6 * S).code is Code.STALE_STATE
    gate.hear(sealed(a_lease(at=NOW + 6 * S)), NOW + 6 * S)
    assert new(gate, NOW + 6 * S).allowed


def test_a_lease_heard_again_is_no_life():
    gate = a_gate(lease=STOP)
    lease = sealed(a_lease())
    gate.hear(lease, NOW)
    gate.hear(lease, NOW + 4 * S)
    assert not new(gate, NOW + 6 * S).allowed
    old = a_gate(lease=STOP)
    old.hear(lease, NOW + 11 * S)
    assert not new(old, NOW + 11 * S).allowed


def test_blind_is_silence_for_what_it_names_unless_another_monitor_sees_it():
    gate = a_gate(lease=STOP)
    for second in range(8):
        now = NOW + second * S
        gate.hear(sealed(a_lease("blind", now, blind_of=[{"account": "33"}])), now)
    assert not new(gate, NOW + 7 * S, account="33").allowed
    assert new(gate, NOW + 7 * S, account="7").allowed
    gate.hear(sealed(a_lease(at=NOW + 7 * S, issuer="kw-2")), NOW + 7 * S)
    assert new(gate, NOW + 7 * S, account="33").allowed


def test_the_last_will_counts_however_old_but_not_of_another_life():
    gate = a_gate(lease=STOP)
    will = a_lease("blind", NOW - 3600 * S, blind_of=[{}])
    gate.hear(sealed(a_lease()), NOW)
    gate.hear(sealed({**will, "boot": "b0"}), NOW + S)
    assert codes(gate, NOW + S) == []
    gate.hear(sealed(will), NOW + S)
    assert codes(gate, NOW + S) == [("lease_blind", "kw-1", False)]
    gate.hear(sealed(a_lease(at=NOW + 2 * S)), NOW + 2 * S)
    assert codes(gate, NOW + 2 * S) == []


def test_two_people_waive_a_lease_policy_for_a_while():
    gate = a_gate(lease=STOP)
    gate.hear(sealed(a_lease()), NOW)
    waiver = said(
        "waiver", "anna", waiver_id="w1", gateway="gw-1", reason="monitor moves", expires=NOW + 60 * S
    )
    gate.hear(sealed(waiver, ANNA), NOW)
    assert not new(gate, NOW + 30 * S).allowed
    gate.hear(sealed({**waiver, "gateway": "gw-2"}, ANNA, BORIS), NOW)
    assert not new(gate, NOW + 30 * S).allowed
    gate.hear(sealed(waiver, ANNA, BORIS), NOW)
    assert new(gate, NOW + 30 * S).allowed
    assert not new(gate, NOW + 60 * S).allowed
