"""The same seed tells the same morning; a smaller scale tells less of it, at the same times."""

import hashlib
import json
from collections import defaultdict
from itertools import pairwise

import pytest

from monitor.core.judge import judge
from monitor.scenarios.day import OPEN_NS, SECOND_NS, START_NS
from tests.scenarios.morning import SCALE, SEED, UNTIL_NS

SHORT_NS = START_NS + 600 * SECOND_NS


def digest(knight, **how):
    return hashlib.sha256(b"".join(lines for *_, lines in knight.lines(**how))).hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(knight):
    one = digest(knight, seed=1, scale=0.5, until=SHORT_NS)
    assert one == digest(knight, seed=1, scale=0.5, until=SHORT_NS)
    assert one != digest(knight, seed=2, scale=0.5, until=SHORT_NS)


def test_time_never_goes_back(told):
    assert all(a.ts <= b.ts for a, b in pairwise(told))
    assert told[-1].ts < UNTIL_NS


def test_an_earlier_end_is_a_beginning_of_the_whole(knight, told):
    until = START_NS + 901 * SECOND_NS + 1
    assert list(knight.events(SEED, SCALE, until)) == [event for event in told if event.ts < until]


def test_lines_and_events_are_the_same_bytes(knight):
    lines = b"".join(lines for *_, lines in knight.lines(1, 0.2, SHORT_NS)).splitlines()
    assert lines == [event.value for event in knight.events(1, 0.2, SHORT_NS)]


def test_a_smaller_scale_is_a_part_of_a_larger_one(knight):
    since = OPEN_NS - 60 * SECOND_NS

    def bodies(scale):
        events = [json.loads(e.value) for e in knight.events(SEED, scale, OPEN_NS + 4 * SECOND_NS, since)]
        return [json.dumps({k: v for k, v in e.items() if k != "seq"}) for e in events]

    small, large = bodies(0.05), bodies(0.3)
    kept = set(small)
    assert kept < set(large)
    assert [line for line in large if line in kept] == small


def test_a_scale_over_one_adds_flow_and_moves_nothing(knight):
    until = START_NS + 60 * SECOND_NS
    once = {(e.ts, e.key) for e in knight.events(SEED, 1.0, until)}
    twice = {(e.ts, e.key) for e in knight.events(SEED, 2.0, until)}
    assert once < twice


def test_the_judge_of_the_contract_accepts_every_event(told):
    assert all(judge(event.value) is not None for event in told[::31])
    first_of_each = {}
    for event in told:
        first_of_each.setdefault(json.loads(event.value)["kind"], event)
    assert len(first_of_each) >= 17
    assert all(judge(event.value) is not None for event in first_of_each.values())


def test_a_stream_has_no_hole_and_one_record_key(told):
    last, keys = defaultdict(int), defaultdict(set)
    for event in told:
        e = json.loads(event.value)
        if "seq" in e:
            who = e.get("source", "router"), e.get("host"), e.get("boot"), e["stream"]
            assert e["seq"] == last[who] + 1
            last[who] += 1
            keys[who].add(event.key)
    assert all(len(of) == 1 for of in keys.values())
    assert any(source == "router" for source, *_ in last)


def test_events_of_one_parent_share_a_record_key(told):
    keys, parent_of = defaultdict(set), {}
    for event in told:
        e = json.loads(event.value)
        if e["kind"] == "order_new":
            parent_of[e["order_id"]] = e["parent_id"]
        name = e.get("orig_order_id") or e.get("order_id", "")
        parent = e.get("parent_id") or parent_of.get(name.removesuffix(".r"))
        if parent:
            keys[parent].add(event.key)
    assert all(len(of) == 1 for of in keys.values())


def test_a_live_run_may_leave_out_the_quiet_hours_but_not_the_facts(knight):
    kinds = defaultdict(int)
    for event in knight.events(SEED, SCALE, since=OPEN_NS - 30 * SECOND_NS, until=OPEN_NS):
        e = json.loads(event.value)
        kinds[e["kind"], e.get("parent_id", "")[:1]] += 1
        assert e["kind"] != "heartbeat" or e["ts"] >= OPEN_NS - 40 * SECOND_NS
    assert kinds["parent_new", "R"] == 212
    assert kinds["error", ""] == 97
    assert kinds["position", ""] == 2_000


@pytest.mark.slow
def test_full_scale_is_about_twelve_million_events(knight):
    assert 11.5e6 < sum(count for count, *_ in knight.lines(1, 1.0)) < 12.5e6
