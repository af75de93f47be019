"""Who may say what: the table has no holes, and two people are two people."""

from __future__ import annotations

from itertools import product

import pytest

from monitor.core.authority import AUTHORITY, TWO_PEOPLE, Received, receive
from monitor.core.envelope import Ignored, Why, seal
from monitor.core.keyring import Role
from tests.core.test_messages import WHOLE
from tests.gateway.words import ANNA, BORIS, KEYRING, WHO, sealed

LOOSENS = {"resume", "override", "waiver"}


@pytest.mark.parametrize(("kind", "who"), list(product(sorted(WHOLE), WHO)))
def test_the_table(kind, who):
    """One signature by each role for each type, in its own name."""
    payload = {**WHOLE[kind], "issuer": who}
    if "gateway" in payload and kind in ("hello", "ack", "refusal"):
        payload["gateway"] = who
    answer = receive(sealed(payload), KEYRING, "demo", "demo")
    allowed = WHO[who][1] in AUTHORITY[kind][0]
    if kind in LOOSENS:
        assert answer.why is (Why.NOT_TWO_PEOPLE if allowed else Why.NOT_ALLOWED)
    else:
        assert isinstance(answer, Received) is allowed


def test_what_loosens_needs_two_people_and_no_monitor_loosens():
    assert {kind for kind, (_, people) in AUTHORITY.items() if people == TWO_PEOPLE} == LOOSENS
    assert not any(
        Role.MONITOR in AUTHORITY[kind][0] or Role.GATEWAY in AUTHORITY[kind][0] for kind in LOOSENS
    )


@pytest.mark.parametrize("kind", sorted(LOOSENS))
def test_two_people_may_loosen_and_are_named(kind):
    received = receive(sealed(WHOLE[kind], ANNA, BORIS), KEYRING, "demo", "demo")
    assert received.people == ("anna", "boris")
    assert received.payload == WHOLE[kind]
    assert received.type == kind


def test_a_gateway_speaks_for_itself_alone():
    payload = {**WHOLE["ack"], "gateway": "gw-2"}
    assert receive(sealed(payload), KEYRING, "demo", "demo").why is Why.NOT_ALLOWED


def test_signed_nonsense_is_a_bad_message():
    for body in (b"no json", b"{}", b'{"type":"halt"}'):
        answer = receive(seal(body, [WHO["kw-1"][0]]), KEYRING, "demo", "demo")
        assert isinstance(answer, Ignored)
        assert answer.why is Why.BAD_MESSAGE
        assert not answer.why.is_security


def test_a_forgery_is_a_matter_of_security():
    assert Why.BAD_SIGNATURE.is_security
    assert Why.UNKNOWN_KEY.is_security
    assert not Why.FOREIGN.is_security
