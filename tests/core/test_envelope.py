"""An envelope is opened or refused with a reason, by the DSSE specification."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.envelope import (
    ENVELOPE_BYTES_MAX,
    PAYLOAD_TYPE,
    Ignored,
    Opened,
    Why,
    open_envelope,
    pae,
    seal,
)
from tests.gateway.words import ANNA, BORIS, BORIS_AGAIN, KEYRING, KW1, STRANGER


def envelope(**fields):
    return json.dumps({**json.loads(seal({"a": 1}, [KW1])), **fields}).encode()


def signature(**fields):
    return {**json.loads(seal({"a": 1}, [KW1]))["signatures"][0], **fields}


def test_an_envelope_is_the_contracts_to_the_letter():
    read = json.loads(seal({"a": 1}, [KW1]))
    assert list(read) == ["payloadType", "payload", "signatures"]
    assert read["payloadType"] == "application/vnd.knightwatch.v1+json"
    payload = base64.b64decode(read["payload"])
    assert json.loads(payload) == {"a": 1}
    signed = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    Ed25519PublicKey.from_public_bytes(KW1.public).verify(
        base64.b64decode(read["signatures"][0]["sig"]), signed
    )


def test_lengths_are_of_bytes():
    assert pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


@given(
    st.dictionaries(st.text(max_size=9), st.integers() | st.text()),
    st.sets(st.sampled_from([KW1, ANNA, BORIS]), min_size=1),
)
def test_what_was_sealed_is_opened_with_its_signers(payload, signers):
    opened = open_envelope(seal(payload, list(signers)), KEYRING)
    assert json.loads(opened.payload) == payload
    assert {key.keyid for key in opened.signers} == {signer.keyid for signer in signers}


def test_a_key_in_rotation_signs_beside_the_old_one():
    opened = open_envelope(seal(b"{}", [STRANGER, KW1]), KEYRING)
    assert [key.who for key in opened.signers] == ["kw-1"]


def test_both_alphabets_of_base64_are_read():
    payload = b'"\xfb\xff\xfe??>>"'
    raw = json.loads(seal(payload, [KW1]))
    url = {**raw, "payload": base64.urlsafe_b64encode(payload).decode()}
    assert url["payload"] != raw["payload"]
    assert open_envelope(json.dumps(url).encode(), KEYRING) == open_envelope(
        json.dumps(raw).encode(), KEYRING
    )


REFUSED = {
    "nothing": (b"", Why.BAD_ENVELOPE),
    "no JSON": (b"halt!", Why.BAD_ENVELOPE),
    "deep": (b"[" * 100_000, Why.BAD_ENVELOPE),
    "no UTF-8": (b'{"payloadType":"\xff"}', Why.BAD_ENVELOPE),
    "no signatures": (envelope(signatures=[]), Why.BAD_ENVELOPE),
    "nine signatures": (envelope(signatures=[signature()] * 9), Why.BAD_ENVELOPE),
    "too long a signature": (envelope(signatures=[signature(sig="A" * 129)]), Why.BAD_ENVELOPE),
    "another type": (envelope(payloadType="application/json"), Why.WRONG_PAYLOAD_TYPE),
    "payload not base64": (envelope(payload="é"), Why.BAD_BASE64),
    "payload cut": (envelope(payload="e30"), Why.BAD_BASE64),
    "signature not base64": (envelope(signatures=[signature(sig="!")]), Why.BAD_BASE64),
    "another payload": (envelope(payload="e30="), Why.BAD_SIGNATURE),
    "no signature": (envelope(signatures=[signature(sig="")]), Why.BAD_SIGNATURE),
    "another's key id": (envelope(signatures=[signature(keyid=ANNA.keyid)]), Why.BAD_SIGNATURE),
    "one good, one bad": (envelope(signatures=[signature(), signature(keyid=ANNA.keyid)]), Why.BAD_SIGNATURE),
    "a stranger": (seal(b"{}", [STRANGER]), Why.UNKNOWN_KEY),
    "no key id": (envelope(signatures=[{"sig": signature()["sig"]}]), Why.UNKNOWN_KEY),
    "two keys of one person": (seal(b"{}", [BORIS, BORIS_AGAIN]), Why.SAME_PERSON_TWICE),
    "oversize": (b" " * (ENVELOPE_BYTES_MAX + 1), Why.OVERSIZE),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    raw, why = REFUSED[case]
    refused = open_envelope(raw, KEYRING)
    assert isinstance(refused, Ignored)
    assert refused.why is why


def test_unknown_fields_are_passed_over():
    assert isinstance(open_envelope(envelope(note="x"), KEYRING), Opened)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: envelope(payload=text)))
def test_any_bytes_are_opened_or_refused(raw):
    assert isinstance(open_envelope(raw, KEYRING), (Opened, Ignored))
