"""What is said on the roads becomes a fact only if it is verified, not our own echo, and not heard before."""

import pytest

from monitor.core.envelope import seal
from monitor.core.inputs import GatewaySaid, OperatorSaid, PeerSaid
from monitor.core.keyring import Keyring, Role, Signer
from monitor.hearing import SAID_TWICE_MAX, Hearing

OURS, PEER, ANNA, GATEWAY, EVE = (Signer(bytes([n]) * 32) for n in range(1, 6))
RING = Keyring(
    [
        OURS.pinned("monitor-1", Role.MONITOR),
        PEER.pinned("monitor-2", Role.MONITOR),
        ANNA.pinned("anna", Role.OPERATOR),
        GATEWAY.pinned("gw-1", Role.GATEWAY),
    ]
)
NOW = 1_343_827_800_000_000_000


def message(kind, issuer, boot="b", **fields):
    common = {"v": 1, "type": kind, "site": "demo", "env": "demo", "issuer": issuer, "boot": boot, "seq": 1}
    return common | {"issued_at": NOW} | fields


def halt(issuer, boot="b", **more):
    return message(
        "halt", issuer, boot, halt_id="a" * 64, incident_id="a" * 64, level="halt_new", scope={"host": "x"},
        detector="operator", reason_code="operator_halt", measured=1, limit=None, unit="halts", evidence=[],
        event_ts=NOW, policy_digest="", mode="live", **more,
    )  # fmt: skip


ACK = message("ack", "gw-1", halt_id="a" * 64, gateway="gw-1", state="applied", level="halt_new", ts=NOW)
LEASE = message("lease", "monitor-2", status="judging", blind_of=[])


@pytest.fixture
def hearing():
    refused = []
    heard = Hearing(RING, "demo", "demo", "monitor-1", "now", refused.append)
    heard.refused_for_test = refused
    return heard


@pytest.mark.parametrize(
    ("payload", "signer", "fact"),
    [(halt("monitor-2"), PEER, PeerSaid), (halt("anna"), ANNA, OperatorSaid), (ACK, GATEWAY, GatewaySaid)],
)
def test_each_becomes_a_fact_of_its_own_kind(hearing, payload, signer, fact):
    said = hearing.hear(seal(payload, [signer]), 7)
    assert type(said) is fact
    assert (said.payload, said.at_ns) == (payload, 7)


def test_who_signed_is_named(hearing):
    assert hearing.hear(seal(halt("anna"), [ANNA]), 7).people == ("anna",)


def test_the_same_on_the_other_road_is_heard_once(hearing):
    raw = seal(halt("monitor-2"), [PEER])
    assert hearing.hear(raw, 7) is not None
    assert hearing.hear(raw, 8) is None
    assert hearing.refused_for_test == []


def test_our_echo_is_nothing_and_what_our_life_before_said_is_heard(hearing):
    assert hearing.hear(seal(halt("monitor-1", "now"), [OURS]), 7) is None
    assert isinstance(hearing.hear(seal(halt("monitor-1", "before"), [OURS]), 7), PeerSaid)


@pytest.mark.parametrize(
    ("raw", "security"),
    [
        (seal(halt("monitor-2"), [EVE]), True),
        (seal(halt("monitor-2"), [GATEWAY]), True),
        (seal(halt("monitor-2") | {"env": "prod"}, [PEER]), False),
        (b"no envelope", False),
    ],
    ids=["a stranger's key", "a key that may not", "another environment", "noise"],
)
def test_what_may_not_be_obeyed_is_refused_and_said_once(hearing, raw, security):
    assert hearing.hear(raw, 7) is None
    assert hearing.hear(raw, 8) is None
    assert [why.why.is_security for why in hearing.refused_for_test] == [security]


def test_anothers_lease_is_for_gateways(hearing):
    assert hearing.hear(seal(LEASE, [PEER]), 7) is None
    assert hearing.refused_for_test == []


def test_what_is_remembered_is_bounded(hearing):
    for n in range(SAID_TWICE_MAX + 10):
        hearing.hear(b"%d" % n, 7)
    assert len(hearing._heard) == SAID_TWICE_MAX
