"""Holes, clocks and silence: said within their time, healed when they heal, and wherever the stream is cut."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.names import Names
from monitor.core.decode import Decoder
from monitor.core.sources import HOLES_MAX, PEERS_MIN, Sources

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class Desk:
    """Records as a broker has them: each told with the time at which it came."""

    def __init__(self):
        names = Names()
        self.decoder, self.sources, self.now = Decoder(names), Sources(names), START
        self.offset = 0

    def say(self, *told, size=None):
        """(fields, delay in s) each; they come now, in batches of `size`."""
        size = size or max(len(told), 1)
        for at in range(0, len(told), size):
            some = told[at : at + size]
            raw = [
                json.dumps({"ts": int(self.now - delay * SECOND), **fields}).encode()
                for fields, delay in some
            ]
            offsets = np.arange(self.offset, self.offset + len(raw))
            self.offset += len(raw)
            read = self.decoder.decode(raw, 0, offsets, np.full(len(raw), self.now))
            assert not read.quarantined
            self.sources.hear(read.batch, self.now)

    def wait(self, seconds):
        self.now += round(seconds * SECOND)

    def reasons(self):
        return [one.reason for one in self.sources.doubts()]

    def gaps(self):
        return [(gap["from"], gap["to"]) for gap in self.sources.gaps(self.now)]


def number(seq, host="a", stream="s"):
    return {"kind": "error", "host": host, "reason": "x", "seq": seq, "stream": stream}, 0.01


def beat(host, delay=0.01):
    return {"kind": "heartbeat", "host": host, "build": "b", "source": "fleet"}, delay


# -- numbers ---------------------------------------------------------------------------------------


def test_a_hole_is_said_once_after_five_seconds_and_is_healed_when_its_numbers_come():
    desk = Desk()
    desk.say(number(1), number(2), number(5))
    desk.wait(4.9)
    assert (desk.gaps(), desk.reasons()) == ([], [])
    desk.wait(0.1)
    assert (desk.gaps(), desk.gaps(), desk.reasons()) == ([(3, 5)], [], ["gap"])
    desk.say(number(4), number(3))
    assert desk.reasons() == []


def test_a_hole_that_an_earlier_life_saw_with_its_clock_ahead_is_said_in_time():
    desk = Desk()
    desk.say(number(1), number(3))
    desk.wait(-3_600)
    desk.sources.begin_clock(desk.now)
    desk.wait(5)
    assert desk.gaps() == [(2, 3)]


def test_a_hole_that_heals_in_time_is_nobodys_business():
    desk = Desk()
    desk.say(number(1), number(3), number(2))
    desk.wait(60)
    assert (desk.gaps(), desk.reasons()) == ([], [])


@pytest.mark.parametrize("other", [{"host": "b"}, {"stream": "t"}])
def test_each_stream_has_numbers_of_its_own(other):
    desk = Desk()
    desk.say(number(1), number(7, **other), number(2), number(8, **other))
    desk.wait(60)
    assert desk.gaps() == []


@given(st.permutations(range(1, 25)), st.sets(st.integers(1, 24), max_size=6), st.integers(1, 30))
def test_what_is_missing_in_the_end_is_what_is_told_wherever_the_stream_is_cut(order, missing, size):
    desk = Desk()
    desk.say(number(0))
    desk.say(*(number(seq) for seq in order if seq not in missing), number(25), size=size)
    desk.wait(5)
    assert {seq for first, end in desk.gaps() for seq in range(first, end)} == missing


def test_over_the_bound_it_says_so():
    desk = Desk()
    desk.say(*(number(seq) for seq in range(0, 4 * HOLES_MAX, 2)))
    assert "overflow" in desk.reasons()


# -- clocks ----------------------------------------------------------------------------------------


def minute(desk, delays, silent=()):
    for second in range(30):
        desk.say(
            *(beat(host, delay) for host, delay in delays.items() if not (host in silent and second > 10))
        )
        desk.wait(1)


@pytest.mark.parametrize(("off", "is_wrong"), [(0.9, False), (1.2, True), (-1.2, True), (-0.9, False)])
def test_a_clock_over_a_second_off_its_peers_is_wrong(off, is_wrong):
    desk = Desk()
    minute(desk, {"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.02 + off})
    assert desk.reasons() == ["skew"] * is_wrong
    assert [one.key for one in desk.sources.doubts()] == ["skew/d"] * is_wrong


def test_a_feed_that_is_late_as_a_whole_is_no_wrong_clock():
    desk = Desk()
    minute(desk, {"a": 40, "b": 40.2, "c": 40.1})
    assert desk.reasons() == []


def test_of_two_nobody_knows_which_is_wrong():
    desk = Desk()
    minute(desk, {str(n): 9.0 * n for n in range(PEERS_MIN - 1)})
    assert desk.reasons() == []


@pytest.mark.parametrize("size", [1, 40])
@pytest.mark.parametrize(("ahead", "is_wrong"), [(4.9, False), (5.1, True), (86_400, True)])
def test_a_host_that_dates_an_event_over_five_seconds_ahead_is_wrong_at_once_whatever_its_peers(
    size, ahead, is_wrong
):
    desk = Desk()
    desk.say(*[beat("a")] * 20, beat("b", -ahead), *[beat("b")] * 19, size=size)
    assert [one.key for one in desk.sources.doubts()] == ["skew/b"] * is_wrong
    for _ in range(2):  # two windows later it is right again
        desk.wait(10)
        desk.say(beat("b"))
    assert desk.reasons() == []


def test_a_clock_that_was_set_right_is_believed_again():
    desk = Desk()
    minute(desk, {"a": 0, "b": 0, "c": 3})
    assert desk.reasons() == ["skew"]
    minute(desk, {"a": 0, "b": 0, "c": 0})
    assert desk.reasons() == []


# -- silence ---------------------------------------------------------------------------------------


def test_a_host_whose_heartbeats_stop_while_its_peers_go_on_is_silent():
    desk = Desk()
    minute(desk, dict.fromkeys("abc", 0.01), silent="b")
    assert [one.key for one in desk.sources.doubts()] == ["silence/b"]
    minute(desk, dict.fromkeys("abc", 0.01))
    assert desk.reasons() == []


def test_where_nobody_speaks_the_feed_is_silent_and_not_a_host():
    desk = Desk()
    minute(desk, dict.fromkeys("abc", 0.01))
    desk.wait(600)
    assert desk.reasons() == []


# -- memory ----------------------------------------------------------------------------------------


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 40), st.sampled_from("abcd"), st.booleans(), st.sampled_from([0.01, 2.5])
            ),
            max_size=40,
        ),
        max_size=4,
    ),
    st.integers(1, 40),
)
def test_row_by_row_or_by_the_column_the_same_is_known_and_told_in_one_order(turns, size):
    one, other = Desk(), Desk()
    for turn in turns:
        told = [
            (fields, delay)
            for seq, host, beats, delay in turn
            for fields, _ in [beat(host) if beats else number(seq, host)]
        ]
        for desk, cut in ((one, None), (other, size)):
            desk.say(*told, size=cut)
            desk.wait(11)
        assert list(other.sources.gaps(other.now)) == list(one.sources.gaps(one.now))
        assert list(other.sources.doubts()) == list(one.sources.doubts())
        known = [desk.sources.snapshot() for desk in (one, other)]
        assert sorted(known[0]["streams"]) == sorted(known[1]["streams"])
        assert sorted(known[0]["hosts"]) == sorted(known[1]["hosts"])


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from("abc"), st.sampled_from([0, 1, 6, 11])), max_size=30
    )
)
def test_a_restart_changes_nothing(told):
    desk, other = Desk(), Desk()
    for seq, host, wait_s in told:
        desk.wait(wait_s)
        desk.say(number(seq, host), beat(host, seq / 2))
        list(desk.sources.gaps(desk.now))
    other.decoder.names.restore(desk.decoder.names.snapshot())
    other.sources.restore(json.loads(json.dumps(desk.sources.snapshot())))
    assert list(other.sources.doubts()) == list(desk.sources.doubts())
    assert other.sources.snapshot() == desk.sources.snapshot()
