"""The gate obeys what is signed, contract-true, of its site and authorised; and nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Level
from monitor.core.envelope import ENVELOPE_BYTES_MAX, Why
from monitor.gateway import Action, Effect
from monitor.gateway.order import Code
from tests.gateway.words import (
    ANNA,
    BORIS,
    GW,
    KW1,
    NOW,
    STRANGER,
    S,
    a_gate,
    a_halt,
    a_lease,
    a_state,
    an_order,
    halted,
    new,
    replaced,
    said,
    sealed,
)


def test_a_gate_starts_halted_and_cancels_are_free():
    gate = a_gate(started=False)
    answer = new(gate)
    assert (answer.allowed, answer.code, answer.level, answer.halt_id) == (
        False,
        Code.STALE_STATE,
        Level.HALT_NEW,
        None,
    )
    assert gate.decide(Action.CANCEL, an_order(), NOW).allowed
    assert [alarm.code for alarm in gate.alarms(NOW)] == ["not_started"]


STARTS = {
    "a state of this moment": (a_state(), [KW1], True),
    "a state of ten seconds ago": (a_state(at=NOW - 10 * S), [KW1], True),
    "an older state": (a_state(at=NOW - 10 * S - 1), [KW1], False),
    "a state from the future": (a_state(at=NOW + 11 * S), [KW1], False),
    "a lease": (a_lease(), [KW1], False),
    "a halt": (a_halt({"host": "other"}), [KW1], False),
    "a stranger's state": (a_state(), [STRANGER], False),
    "a state that a person signed": (a_state(issuer="anna"), [ANNA], False),
    "a state in another's name": (a_state(issuer="kw-2"), [KW1], False),
    "another site's state": (a_state(site="other"), [KW1], False),
    "another environment's state": (a_state(env="prod"), [KW1], False),
    "one part of two": (a_state(part=1, parts=2), [KW1], False),
}


@pytest.mark.parametrize("case", STARTS)
def test_what_starts_a_gate(case):
    payload, signers, starts = STARTS[case]
    gate = a_gate(started=False)
    gate.hear(sealed(payload, *signers), NOW)
    assert gate.started is starts
    assert new(gate).allowed is starts


def test_a_state_in_parts_starts_a_gate_when_all_of_one_moment_are_there():
    gate = a_gate(started=False)
    gate.hear(sealed(a_state(part=1, parts=2)), NOW)
    gate.hear(sealed(a_state(part=2, parts=2, at=NOW + 1)), NOW)
    assert not gate.started
    gate.hear(sealed(a_state(a_halt(), part=1, parts=2, at=NOW + 1)), NOW)
    assert gate.started
    assert not new(gate).allowed


def test_a_halt_in_the_first_state_holds_when_the_gate_opens():
    gate = a_gate(started=False)
    heard = gate.hear(sealed(a_state(a_halt(), a_halt({"account": "7"}, issuer="boris"))), NOW)
    assert (heard.effect, len(heard.halts)) == (Effect.TIGHTENED, 2)
    assert not new(gate).allowed
    assert new(gate, host="other").allowed


def test_a_state_brings_no_halts_of_elsewhere():
    gate = a_gate()
    gate.hear(sealed(a_state(a_halt(site="other"), a_halt(env="prod"))), NOW)
    assert gate.open(NOW) == ()


NO_EFFECT = {
    "a stranger": ((STRANGER,), {}, Why.UNKNOWN_KEY),
    "a gateway": ((GW,), {"issuer": "gw-1"}, Why.NOT_ALLOWED),
    "another's name": ((KW1,), {"issuer": "kw-2"}, Why.NOT_ALLOWED),
    "another site": ((KW1,), {"site": "x"}, Why.FOREIGN),
    "another environment": ((KW1,), {"env": "prod"}, Why.FOREIGN),
    "an unknown level": ((KW1,), {"level": "off"}, Why.BAD_MESSAGE),
    "an unknown kind of scope": ((KW1,), {"scope": {"planet": "mars"}}, Why.BAD_MESSAGE),
}


@pytest.mark.parametrize("case", NO_EFFECT)
def test_a_halt_without_effect_by(case):
    signers, fields, why = NO_EFFECT[case]
    gate = a_gate()
    heard = gate.hear(sealed({**a_halt(), **fields}, *signers), NOW)
    assert (heard.effect, heard.ignored.why) == (Effect.IGNORED, why)
    assert gate.open(NOW) == ()


WHOLE = sealed(a_halt())


@given(st.data())
def test_a_halt_with_any_byte_changed_is_the_same_halt_or_none(data):
    raw = bytearray(WHOLE)
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[at]))
    gate = a_gate()
    heard = gate.hear(bytes(raw), NOW)
    whole = a_gate()
    whole.hear(WHOLE, NOW)
    assert gate.open(NOW) == (() if heard.effect is Effect.IGNORED else whole.open(NOW))


@given(st.binary(max_size=300))
def test_no_bytes_disturb_a_gate(raw):
    gate = a_gate()
    assert gate.hear(raw, NOW).effect is Effect.IGNORED
    assert new(gate).allowed


def test_what_is_too_large_is_not_even_read():
    heard = a_gate().hear(b" " * (ENVELOPE_BYTES_MAX + 1), NOW)
    assert heard.ignored.why is Why.OVERSIZE


#                     new    cancel  calmer replace  larger replace
TABLE = {
    None: (True, True, True, True),
    "throttle": (True, True, True, True),
    "reduce_only": (False, True, True, False),
    "halt_new": (False, True, True, False),
    "halt_cancel": (False, True, True, False),
    "disconnect": (False, False, False, False),
}


@pytest.mark.parametrize("level", TABLE)
def test_each_level_lets_through_what_the_contract_says(level):
    gate = halted(level) if level else a_gate()
    answers = (
        new(gate).allowed,
        gate.decide(Action.CANCEL, an_order(), NOW).allowed,
        replaced(gate, qty=99).allowed,
        replaced(gate, qty=101).allowed,
    )
    assert answers == TABLE[level]


def test_a_replace_must_say_what_it_replaces():
    gate = a_gate()
    assert gate.decide(Action.REPLACE, an_order(), NOW).code is Code.AMOUNT_UNREADABLE
    assert gate.decide(Action.NEW, an_order(), NOW, replaces=an_order()).code is Code.AMOUNT_UNREADABLE
    assert replaced(gate, before={"price": math.nan}).code is Code.AMOUNT_UNREADABLE


def test_an_order_that_does_not_say_its_host_is_inside_and_one_without_a_parent_is_not():
    assert not new(halted("halt_new"), host=None).allowed
    assert new(halted("halt_new", {"parent": "P1"}), parent=None).allowed
    assert not new(halted("halt_new", {"parent": "P1"}), parent="P1").allowed


def test_a_drill_is_acknowledged_and_stops_nothing():
    gate = a_gate()
    heard = gate.hear(sealed(a_halt(mode="drill")), NOW)
    assert (heard.effect, len(heard.halts)) == (Effect.TIGHTENED, 1)
    assert new(gate).allowed


@pytest.mark.parametrize("drill_first", [True, False])
def test_a_drill_under_the_id_of_a_live_halt_neither_lifts_nor_raises_it(drill_first):
    live, drill = a_halt(level="halt_new"), a_halt(level="disconnect", mode="drill", issuer="anna")
    assert live["halt_id"] == drill["halt_id"]
    gate, answers = a_gate(), {}
    for halt in [drill, live] if drill_first else [live, drill]:
        (answers[halt["mode"]],) = gate.hear(sealed(halt), NOW).halts
    assert {mode: held.level for mode, held in answers.items()} == {
        "live": Level.HALT_NEW,
        "drill": Level.DISCONNECT,
    }
    assert new(gate).level is Level.HALT_NEW
    assert gate.decide(Action.CANCEL, an_order(), NOW).allowed


def test_one_person_may_halt_alone():
    gate = a_gate()
    assert gate.hear(sealed(a_halt(issuer="anna")), NOW).effect is Effect.TIGHTENED
    assert gate.hear(sealed(a_halt({}, "disconnect", issuer="boris"), BORIS), NOW).effect is Effect.TIGHTENED


def test_messages_for_others_are_noted():
    gate = a_gate()
    hello = said("hello", "gw-1", gateway="gw-1", scopes=[], levels=[], kinds=[], cod=True, key_id=GW.keyid)
    assert gate.hear(sealed(hello), NOW).effect is Effect.NOTED
