"""What a gateway says is signed, contract-true, goes where it belongs, and none can be left out."""

from __future__ import annotations

import hashlib

from detectors.contract import Level
from monitor.core.authority import Received, receive
from monitor.core.envelope import ENVELOPE_BYTES_MAX, open_envelope
from monitor.gateway import Action, Voice
from tests.gateway.words import GW, KEYRING, NOW, S, a_gate, a_halt, an_order, sealed


def heard(letter):
    received = receive(letter.envelope, KEYRING, "demo", "demo")
    assert isinstance(received, Received), received
    assert len(letter.envelope) <= ENVELOPE_BYTES_MAX
    return received.message


def a_voice(**more):
    return Voice(GW, "gw-1", site="demo", env="demo", boot="b1", **more)


def a_held(gate):
    return gate.hear(sealed(a_halt()), NOW).halts[0]


def test_hello_says_what_can_be_stopped():
    letter = a_voice().hello([{"host": "smars-*"}], ["host", "account"], list(Level), NOW, cod=True)
    hello = heard(letter)
    assert (letter.road.kafka_topic, letter.road.mqtt_topic) == ("risk.halt.acks.v1", "risk/v1/demo/ack/gw-1")
    assert hello.levels == ("throttle", "reduce_only", "halt_new", "halt_cancel", "disconnect")
    assert (hello.kinds, hello.cod, hello.key_id) == (("host", "account"), True, GW.keyid)


def test_acks_follow_a_halt_through_its_states():
    voice, held = a_voice(), a_held(a_gate())
    said = [
        heard(voice.acks(held, state, NOW + n, working=9 - n)[0])
        for n, state in enumerate(("received", "applied", "completed"))
    ]
    assert [(ack.state, ack.level, ack.halt_id, ack.seq, ack.working) for ack in said] == [
        ("received", "halt_cancel", held.halt_id, 1, 9),
        ("applied", "halt_cancel", held.halt_id, 2, 8),
        ("completed", "halt_cancel", held.halt_id, 3, 7),
    ]


def test_many_survivors_go_out_in_several_acks_and_none_is_lost():
    survivors = [("\x01" * 60 + f"{n:04}", "venue does not answer") for n in range(3_000)]
    letters = a_voice().acks(
        a_held(a_gate()), "completed", NOW, survivors=survivors, degraded="no_position", reason="x"
    )
    acks = [heard(letter) for letter in letters]
    assert len(acks) > 1
    assert [s.order_id for ack in acks for s in ack.survivors] == [order_id for order_id, _ in survivors]
    assert {(ack.degraded, ack.reason) for ack in acks} == {("no_position", "x")}


def test_refusals_are_a_chain_over_restarts():
    gate, voice = a_gate(), a_voice()
    a_held(gate)
    order = an_order()
    letters = []
    for n in range(4):
        letters.append(voice.refusal(order, gate.decide(Action.NEW, order, NOW + n * S), NOW + n * S))
        if n == 1:
            voice = a_voice(previous=voice.previous)
    said = [heard(letter) for letter in letters]
    bodies = [open_envelope(letter.envelope, KEYRING).payload for letter in letters]
    assert [refusal.previous for refusal in said] == [
        "0" * 64,
        *(hashlib.sha256(body).hexdigest() for body in bodies[:-1]),
    ]
    assert {(r.code, r.account, r.host, r.order_id) for r in said} == {("halted", "33", "smars-8", "o1")}
