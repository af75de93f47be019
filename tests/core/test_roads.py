"""Every message has its road, and no name makes another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.envelope import open_envelope, seal
from monitor.core.messages import State, parse
from monitor.core.roads import STATE_PART_BYTES_MAX, left_state_roads, road_of, state_parts, state_road
from tests.core.test_messages import HASH, WHOLE
from tests.gateway.words import KEYRING, KW1, a_halt, said

HALT = WHOLE["halt"]["halt_id"]
RESUME = WHOLE["resume"]["resume_id"]
ROADS = {  # the contract's table, section 2
    "halt": ("risk.halt.commands.v1", f"{HALT}/kw-1", f"risk/v1/demo/halt/{HALT}"),
    "resume": ("risk.halt.commands.v1", RESUME, f"risk/v1/demo/resume/{RESUME}"),
    "state": ("risk.halt.state.v1", "kw-1", "risk/v1/demo/state/kw-1"),
    "lease": ("risk.monitor.lease.v1", "kw-1", "risk/v1/demo/lease/kw-1"),
    "hello": ("risk.halt.acks.v1", "gw-1", "risk/v1/demo/ack/gw-1"),
    "ack": ("risk.halt.acks.v1", "gw-1", "risk/v1/demo/ack/gw-1"),
    "refusal": ("risk.halt.acks.v1", "gw-1", "risk/v1/demo/ack/gw-1"),
    "allowance": ("risk.allowance.v1", "gw-1", "risk/v1/demo/allowance/gw-1"),
    "override": ("risk.halt.commands.v1", "o", "risk/v1/demo/override/o"),
    "waiver": ("risk.halt.commands.v1", "w", "risk/v1/demo/waiver/w"),
}


@pytest.mark.parametrize("kind", ROADS)
def test_each_type_goes_where_the_contract_says(kind):
    road = road_of(WHOLE[kind])
    assert (road.kafka_topic, road.kafka_key, road.mqtt_topic) == ROADS[kind]
    assert road.retain is (kind == "state")


def test_what_is_no_message_has_no_road():
    with pytest.raises(ValueError, match="flatten"):
        road_of({"type": "flatten", "site": "demo"})


def test_parts_have_their_own_roads():
    road = state_road("demo", "kw-1", 2, 3)
    assert (road.kafka_key, road.mqtt_topic) == ("kw-1/2", "risk/v1/demo/state/kw-1/2")
    assert road_of({**WHOLE["state"], "part": 2, "parts": 3}) == road


@given(st.sampled_from(sorted(ROADS)), st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_no_name_makes_another_topic(kind, site, name):
    try:
        f"{site}{name}".encode()
    except UnicodeEncodeError:
        return
    names = {
        "site": site,
        "issuer": name,
        "gateway": name,
        "resume_id": name,
        "override_id": name,
        "waiver_id": name,
    }
    topic = road_of({**WHOLE[kind], **names}).mqtt_topic
    assert topic.count("/") == 4
    assert topic.isascii()
    assert topic.isprintable()
    assert not set(topic) & set("+#$ ")


@given(st.integers(0, 700), st.integers(0, 1_000))
def test_a_state_is_split_and_nothing_of_it_is_lost(halts, closed):
    largest = a_halt(
        evidence=[
            {
                "topic": "\x01" * 60,
                "partition": 2**63 - 1,
                "first_offset": 2**63 - 1,
                "last_offset": 2**63 - 1,
            }
        ]
        * 16
    )
    open_halts = [{**largest, "seq": n} for n in range(halts)]
    parts = state_parts(open_halts, [HASH] * closed, HASH)
    assert [halt for part in parts for halt in part["open"]] == open_halts
    for part in parts:
        envelope = seal({**said("state", issuer="kw-1"), **part}, [KW1, KW1])
        assert len(envelope) <= STATE_PART_BYTES_MAX
        opened = open_envelope(seal({**said("state"), **part}, [KW1]), KEYRING)
        assert isinstance(parse(opened.payload), State)
    assert [part["part"] for part in parts] == list(range(1, len(parts) + 1))


@given(st.integers(1, 5), st.integers(1, 5))
def test_a_state_in_other_parts_leaves_no_road_with_old_words_on_it(before, now):
    held = {state_road("demo", "kw-1", part, before) for part in range(1, before + 1)}
    said_now = {state_road("demo", "kw-1", part, now) for part in range(1, now + 1)}
    assert (held | said_now) - set(left_state_roads("demo", "kw-1", before, now)) == said_now


def test_no_halt_is_a_statement_too():
    assert [(part["open"], part["parts"]) for part in state_parts([], [], "")] == [([], 1)]
