"""A payload is one of the contract's messages or a `BadMessage`, nothing else."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core import messages
from monitor.core.authority import AUTHORITY
from monitor.core.envelope import encode
from monitor.core.messages import PAYLOAD_BYTES_MAX, BadMessage, parse
from tests.gateway.words import NOW, STAGES, S, a_halt, a_lease, a_resume, a_state, said

HASH = "a" * 64
HEAD = {"count": 7, "hash": HASH}
WHOLE = {
    "halt": a_halt(
        {"host": "smars-8"}, incident_id=HASH, policy_digest=HASH, audit_head=HEAD, params={"messages_per_s": 5}, not_after=NOW
    ),
    "resume": a_resume([HASH], stages=STAGES),
    "state": a_state(a_halt(), closed=[HASH], audit_head=HEAD),
    "lease": a_lease("blind", blind_of=[{"host": "a"}, {}], audit_head=HEAD),
    "hello": said("hello", "gw-1", gateway="gw-1", scopes=[{"host": "s-*"}], levels=["throttle"], kinds=["host"], cod=True, key_id="k"),
    "ack": said(
        "ack", "gw-1", gateway="gw-1", halt_id=HASH, state="applied", level="halt_new", ts=NOW, orders_refused=1,
        working=2, survivors=[{"order_id": "o", "reason": "r"}], degraded="no_position", reason="x",
    ),
    "refusal": said(
        "refusal", "gw-1", gateway="gw-1", order_id="o", account="33", strategy="s", host="h", code="halted",
        measured=1.5, limit=1, halt_id=HASH, policy_digest=HASH, previous=HASH,
    ),
    "allowance": said("allowance", gateway="gw-1", allowed=[{"account": "a", "symbol": "s", "side": "buy", "qty": 1.5}], expires=NOW),
    "override": said(
        "override", "anna", override_id="o", scope={"account": "33"}, detector="exposure", key="gross", value=3e6, reason="r",
        expires=NOW + 4 * 3600 * S,
    ),
    "waiver": said("waiver", "anna", waiver_id="w", gateway="gw-1", reason="r", expires=NOW + 1800 * S),
}  # fmt: skip
MAY_BE_ABSENT = {
    "halt": {
        "incident_id",
        "measured",
        "limit",
        "unit",
        "evidence",
        "params",
        "not_after",
        "policy_digest",
        "audit_head",
        "mode",
    },
    "state": {"closed", "policy_digest", "part", "parts", "audit_head"},
    "lease": {"blind_of", "policy_digest", "audit_head"},
    "ack": {"orders_refused", "working", "survivors", "degraded", "reason"},
    "refusal": {"account", "strategy", "host", "measured", "limit", "halt_id", "policy_digest"},
}


def bad(kind, **fields):
    read = parse(encode({**WHOLE[kind], **fields}))
    assert isinstance(read, BadMessage), read
    return read


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_message_is_read_and_written_back_the_same(kind):
    message = parse(encode(WHOLE[kind]))
    assert not isinstance(message, BadMessage), message
    assert type(message).__name__.lower() == kind
    written = json.loads(msgspec.json.encode(message))
    if kind == "state":
        assert written["open"][0].items() >= WHOLE[kind]["open"][0].items()
        written["open"] = WHOLE[kind]["open"]
    assert written == WHOLE[kind]


@pytest.mark.parametrize("kind", WHOLE)
def test_each_field_is_needed_but_for_those_that_only_explain(kind):
    for name in WHOLE[kind]:
        read = parse(encode({k: v for k, v in WHOLE[kind].items() if k != name}))
        needed = name not in MAY_BE_ABSENT.get(kind, set())
        assert isinstance(read, BadMessage) is needed, (name, read)
        if needed:
            assert name in read.why


@pytest.mark.parametrize("kind", WHOLE)
def test_each_field_has_its_type_and_is_named_when_it_is_wrong(kind):
    for name in WHOLE[kind]:
        read = bad(kind, **{name: [["no"]]})
        assert (read.path or read.why).startswith(name), read


def test_every_type_has_an_authority_and_a_whole_example():
    assert set(AUTHORITY) == set(WHOLE) == {cls.__struct_config__.tag for cls in messages.Message.__args__}


@pytest.mark.parametrize("kind", WHOLE)
def test_what_loosens_is_read_strictly_and_what_tightens_generously(kind):
    read = parse(encode({**WHOLE[kind], "only_on_mondays": True}))
    assert isinstance(read, BadMessage) is (kind in {"resume", "override", "waiver", "allowance"})


BAD = {
    "a level that is none": ("halt", {"level": "off"}, "level"),
    "another version": ("halt", {"v": 2}, "v"),
    "a halt id that is no digest": ("halt", {"halt_id": "x"}, "halt_id"),
    "seventeen ranges": ("halt", {"evidence": WHOLE["halt"]["evidence"] * 17}, "evidence"),
    "a time before time": ("halt", {"event_ts": 0}, "event_ts"),
    "a time after time": ("halt", {"event_ts": 2**63}, "event_ts"),
    "a rate below nothing": ("halt", {"params": {"messages_per_s": -1}}, "params.messages_per_s"),
    "a scope of nothing known": ("halt", {"scope": {"planet": "x"}}, ""),
    "a scope with an empty id": ("halt", {"scope": {"host": ""}}, ""),
    "an issuer of 65 bytes": ("halt", {"issuer": "é" * 33}, ""),
    "an empty issuer": ("halt", {"issuer": ""}, "issuer"),
    "half a letter": ("halt", {"unit": "\ud800"}, ""),
    "half a letter for a number": ("halt", {"event_ts": "\ud800"}, ""),
    "half a letter in a field that nobody knows": ("halt", {"remark": ["\udc00"]}, ""),
    "half a letter for a number in a state": ("state", {"open": [{**a_halt(), "issued_at": "\ud800"}]}, ""),
    "a resume of nothing": ("resume", {"closes": []}, "closes"),
    "a resume that never ends": ("resume", {"stages": STAGES[:2]}, ""),
    "stages in another order": ("resume", {"stages": [STAGES[1], STAGES[0], STAGES[2]]}, ""),
    "stages that go back in time": ("resume", {"stages": [{**STAGES[0], "after_s": 99}, *STAGES[1:]]}, ""),
    "a stage twice": ("resume", {"stages": [STAGES[0], *STAGES]}, ""),
    "a throttle without a rate": ("resume", {"stages": [{"level": "throttle", "after_s": 0}, STAGES[2]]}, "stages[0]"),
    "a resume that had ended": ("resume", {"expires": NOW}, ""),
    "part three of two": ("state", {"part": 3, "parts": 2}, ""),
    "a broken halt in a state": ("state", {"open": [{**a_halt(), "level": "off"}]}, "open[0].level"),
    "blind of nothing known": ("lease", {"blind_of": [{"planet": "x"}]}, ""),
    "a gateway of nothing known": ("hello", {"scopes": [{"planet": "x"}]}, ""),
    "an allowance to sell short": ("allowance", {"allowed": [{**WHOLE["allowance"]["allowed"][0], "side": "sell_short"}]}, "allowed[0].side"),
    "an override of five hours": ("override", {"expires": NOW + 5 * 3600 * S}, ""),
    "an override to armed": ("override", {"key": "mode", "value": "armed"}, "value"),
    "a mode that is a number": ("override", {"key": "mode", "value": 1}, ""),
    "a limit in shadow": ("override", {"key": "gross", "value": "shadow"}, ""),
    "a waiver of an hour": ("waiver", {"expires": NOW + 3600 * S}, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bounds(case):
    kind, fields, path = BAD[case]
    assert bad(kind, **fields).path == path


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"null", b'"halt"', b"{}", b'{"type":"halt","type":"halt"}', b'{"v":NaN}', b'{"v":-Infinity}', b"[" * 100_000,
        b"9" * 5_000, b"\xff", b"\xef\xbb\xbf{}", b"{} {}", b'{"type":"cancel_all"}', b" " * (PAYLOAD_BYTES_MAX + 1),
    ],
    ids=lambda payload: repr(payload[:20]),
)  # fmt: skip
def test_what_is_no_message(payload):
    assert isinstance(parse(payload), BadMessage)


def test_a_number_beyond_all_numbers_is_refused():
    text = encode(WHOLE["halt"]).replace(b'"measured":3', b'"measured":1e999')
    assert parse(text).path == "measured"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_bad(raw):
    assert isinstance(parse(raw), BadMessage)


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_any_change_of_a_message_is_a_message_or_bad(kind, data):
    payload = dict(WHOLE[kind])
    for name in data.draw(st.lists(st.sampled_from(sorted(payload)), min_size=1, max_size=3)):
        payload[name] = data.draw(anything)
    read = parse(json.dumps(payload).encode(errors="surrogatepass"))
    assert isinstance(read, (BadMessage, *messages.Message.__args__))
    if not isinstance(read, BadMessage):
        assert parse(msgspec.json.encode(read)) == read


def test_a_letter_in_two_halves_is_a_letter():
    assert parse(encode({**WHOLE["halt"], "reason": "\U0001f6d1", "unit": "\U0001f6d1"})).unit == "\U0001f6d1"
