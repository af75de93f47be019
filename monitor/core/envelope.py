"""One envelope for every message: DSSE (secure-systems-lab/dsse, protocol v1.0) with Ed25519.

What is signed is the bytes of the payload and its type, so no JSON encoding has to be
canonical.  Opening answers with the payload and the pinned keys that signed it, or with one
reason of a closed list; it never raises on what strangers send.
"""

from __future__ import annotations

import base64
import binascii
import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from monitor.core.keyring import Keyring, PinnedKey, Signer

PAYLOAD_TYPE: Final = "application/vnd.knightwatch.v1+json"
ENVELOPE_BYTES_MAX: Final = 512 * 1024  # a state part is at most half of it
SIGNATURES_MAX: Final = 8  # two people, a key in rotation each, and room


class Why(enum.StrEnum):
    """Why a message has no effect: safe as a metric label."""

    OVERSIZE = "oversize"
    BAD_ENVELOPE = "bad_envelope"
    WRONG_PAYLOAD_TYPE = "wrong_payload_type"
    BAD_BASE64 = "bad_base64"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    SAME_PERSON_TWICE = "same_person_twice"
    BAD_MESSAGE = "bad_message"
    FOREIGN = "foreign"
    NOT_ALLOWED = "not_allowed"
    NOT_TWO_PEOPLE = "not_two_people"

    @property
    def is_security(self) -> bool:
        """Whether somebody tried what only a forger or a broken key would."""
        return self in (
            Why.UNKNOWN_KEY,
            Why.BAD_SIGNATURE,
            Why.SAME_PERSON_TWICE,
            Why.NOT_ALLOWED,
            Why.NOT_TWO_PEOPLE,
        )


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that changes nothing, and why."""

    why: Why
    detail: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The bytes that were signed and the pinned keys that signed them, one a person."""

    payload: bytes
    signers: tuple[PinnedKey, ...]


class _Signature(msgspec.Struct):
    sig: Annotated[str, msgspec.Meta(max_length=128)]
    keyid: Annotated[str, msgspec.Meta(max_length=128)] = ""


class _Envelope(msgspec.Struct):  # unknown fields are ignored, as the specification asks
    payloadType: str  # noqa: N815 - the specification's name
    payload: str
    signatures: Annotated[list[_Signature], msgspec.Meta(min_length=1, max_length=SIGNATURES_MAX)]


_DECODER: Final = msgspec.json.Decoder(_Envelope)


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed: type and payload with their lengths, so that neither can eat the other.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def encode(payload: Mapping[str, Any]) -> bytes:
    """JSON of a payload.  Times are plain integers: bytes are signed, not values."""
    return json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()


def seal(payload: Mapping[str, Any] | bytes, signers: Sequence[Signer]) -> bytes:
    """Sign a payload and put it into its envelope: the bytes that go out on both roads."""
    body = payload if isinstance(payload, bytes) else encode(payload)
    signed = pae(PAYLOAD_TYPE, body)
    return encode(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(body).decode(),
            "signatures": [
                {"keyid": signer.keyid, "sig": base64.b64encode(signer.sign(signed)).decode()}
                for signer in signers
            ],
        }
    )


def open_envelope(raw: bytes, keyring: Keyring) -> Opened | Ignored:
    """Verify an envelope against the pinned keys.

    A signature by a key that is not pinned is passed over (a key in rotation signs beside the
    old one); one by a pinned key that does not verify spoils the whole.
    """
    if len(raw) > ENVELOPE_BYTES_MAX:
        return Ignored(Why.OVERSIZE, f"{len(raw)} bytes; at most {ENVELOPE_BYTES_MAX}")
    try:
        envelope = _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as broken:
        return Ignored(Why.BAD_ENVELOPE, str(broken)[:200])
    if envelope.payloadType != PAYLOAD_TYPE:
        return Ignored(Why.WRONG_PAYLOAD_TYPE, repr(envelope.payloadType)[:100])
    payload = _base64(envelope.payload)
    if payload is None:
        return Ignored(Why.BAD_BASE64, "payload")
    return _verified(payload, envelope.signatures, keyring)


def _verified(payload: bytes, signatures: Sequence[_Signature], keyring: Keyring) -> Opened | Ignored:
    signed = pae(PAYLOAD_TYPE, payload)
    signers: dict[str, PinnedKey] = {}
    for signature in signatures:
        sig = _base64(signature.sig)
        if sig is None:
            return Ignored(Why.BAD_BASE64, "signature")
        if signature.keyid not in keyring:
            continue
        key = keyring[signature.keyid]
        if not key.verifies(sig, signed):
            return Ignored(Why.BAD_SIGNATURE, f"key {key.keyid} of {key.who}")
        if key.person in signers:
            return Ignored(Why.SAME_PERSON_TWICE, key.who)
        signers[key.person] = key
    if not signers:
        return Ignored(Why.UNKNOWN_KEY, ", ".join(repr(s.keyid)[:40] for s in signatures))
    return Opened(payload, tuple(signers.values()))


def _base64(text: str) -> bytes | None:
    """Standard or URL-safe alphabet, as the specification allows; anything else is refused."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
