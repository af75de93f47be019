"""What was heard does not depend on how the stream was cut, and the latest word counts."""

import json

from hypothesis import given
from hypothesis import strategies as st

from detectors.names import Names
from monitor.core.decode import Decoder
from monitor.core.roll_call import RollCall

SECOND = 10**9
T = 1_343_800_000 * SECOND
HOSTS, BUILDS = st.sampled_from(["a", "b"]), st.sampled_from(["v1", "v2"])


@st.composite
def events(draw):
    kind = draw(st.sampled_from(["heartbeat", "deploy", "order_new", "mark"]))
    event = {"kind": kind, "ts": T + draw(st.integers(0, 20)) * SECOND, "host": draw(HOSTS)}
    match kind:
        case "heartbeat":
            flags = {"flags": draw(st.lists(st.sampled_from("xyz"), max_size=2, unique=True))}
            return event | {"build": draw(BUILDS)} | draw(st.sampled_from([{}, flags]))
        case "deploy":
            return event | {"build": draw(BUILDS), "phase": draw(st.sampled_from(["planned", "done"]))}
        case "order_new":
            return event | {"order_id": "1", "account": "A", "symbol": "S", "side": "buy", "qty": 1}
        case _:
            return event | {"symbol": "S", "price": 1}


def called(pieces):
    names, call = Names(), RollCall()
    decoder = Decoder(names)
    for piece in pieces:
        call.take(decoder.decode_lines("\n".join(map(json.dumps, piece)).encode(), 0).batch.rows, names)
    return call


@given(story=st.lists(events(), max_size=30), cut=st.integers(0, 30))
def test_where_the_stream_is_cut_changes_nothing(story, cut):
    whole, cut_up = called([story]), called([story[:cut], story[cut:]])
    assert (whole.hosts, whole.events, whole.last_ns) == (cut_up.hosts, cut_up.events, cut_up.last_ns)


@given(story=st.lists(events(), max_size=30))
def test_it_hears_what_a_slow_reader_hears(story):
    heard = called([story]).hosts
    for host in "ab":
        mine = [event for event in story if event["host"] == host]
        orders = [event["ts"] for event in mine if event["kind"] == "order_new"]
        beats = [event for event in mine if event["kind"] == "heartbeat"]
        deploys = [event for event in mine if event["kind"] == "deploy"]
        assert (host in heard) == bool(orders or beats or deploys)
        if host not in heard:
            continue
        assert heard[host].ordered_ns == max(orders, default=0)
        assert heard[host].beat_ns == max((event["ts"] for event in beats), default=0)
        last = {event["build"]: event for event in sorted(beats, key=lambda event: event["ts"])}
        said = {voice.build: voice.flags for voice in heard[host].voices.values()}
        assert said == {
            build: tuple(event["flags"]) if "flags" in event else None for build, event in last.items()
        }
        step = max(reversed(deploys), key=lambda event: event["ts"]) if deploys else None
        assert (heard[host].rollout.build if heard[host].rollout else None) == (step and step["build"])
