"""Cut anywhere, restarted anywhere, forgetting as it goes: the same breaches and halts, to the event.

And between two orders of arrival the same set of halts: fills before their orders, a start in mid-file,
an event dated a day ahead, partitions that catch up at different speeds.
"""

import functools
import random
from dataclasses import replace

import pytest

from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import RecordsArrived, SourcePart
from monitor.replay import Trace
from monitor.scenarios.day import ONSET_NS
from tests.determinism import SECOND, arrived, digest, halts, judge, morning, the_policy

FORGETTING = 3 * SECOND


@functools.cache
def plain():
    return judge(morning())


def test_the_morning_is_one_worth_comparing():
    trace = plain()
    assert ("child_parent", "child_after_done", "host=smars-8") in halts(trace)
    assert len(trace.breaches) > 20
    assert all(halt["event_ts"] > ONSET_NS for halt in trace.halts)


@pytest.mark.parametrize("seed", range(2))
def test_two_hundred_random_cuts_change_nothing(seed):
    cuts = random.Random(seed).sample(range(1, len(morning())), 200)
    assert digest(judge(morning(), cuts=cuts)) == digest(plain())


def test_event_by_event_around_the_onset_it_is_the_same():
    first = next(at for at, told in enumerate(morning()) if told.ts >= ONSET_NS)
    assert digest(judge(morning(), cuts=range(first - 500, first + 1_000))) == digest(plain())


def test_a_restart_at_each_of_twenty_points_changes_nothing():
    events = morning()
    points = random.Random(1).sample(range(1, len(events)), 20)
    assert digest(judge(events, restarts=points)) == digest(plain())


def test_recycling_what_is_out_changes_nothing_wherever_it_is_cut_and_restarted():
    forgetting = the_policy(retain_ns=FORGETTING)
    whole = judge(morning(), policy=forgetting)
    assert halts(whole) == halts(plain())
    places = random.Random(2).sample(range(1, len(morning())), 100)
    assert digest(judge(morning(), policy=forgetting, cuts=places, restarts=places[:4])) == digest(whole)


def test_fills_ten_milliseconds_before_their_orders_give_the_same_halts():
    lead = 10_000_000
    moved = sorted(morning(), key=lambda told: told.ts - lead * (told.kind == "fill"))
    moved = [replace(told, arrived=told.ts - lead * (told.kind == "fill")) for told in moved]
    assert moved != list(morning())
    assert halts(judge(moved)) == halts(plain())


@pytest.mark.parametrize("before_s", [8, 2])
def test_a_start_in_mid_file_gives_the_same_halts(before_s):
    late = [told for told in morning() if told.ts >= ONSET_NS - before_s * SECOND]
    assert halts(judge(late)) == halts(plain())


@pytest.mark.parametrize("known", [True, False])
def test_one_event_dated_a_day_ahead_gives_the_same_halts(known):
    events = [replace(told, arrived=told.arrived * known) for told in morning()]
    at = next(n for n, told in enumerate(events) if told.ts >= ONSET_NS - SECOND and told.kind == "order_new")
    ts = events[at].ts
    wrong = events[at].value.replace(b"%d" % ts, b"%d" % (ts + 86_400 * SECOND))
    assert wrong != events[at].value
    ticks = {} if not known else None
    events[at] = replace(events[at], value=wrong)
    assert halts(judge(events, ticks=ticks)) == halts(plain())


def partitioned(seed):
    """Four partitions by the key of their events, read in pieces at speeds that chance gives them."""
    chance = random.Random(seed)
    keys = sorted({told.key for told in morning()})
    parts = [[told for told in morning() if keys.index(told.key) % 4 == part] for part in range(4)]
    engine, trace, at = Engine(the_policy()), Trace(), [0] * 4
    for part in range(4):
        engine.part_of(SourcePart("morning", part))
        engine.sequencer.expect(part)
    decoder = Decoder(engine.names)
    speeds = [chance.choice((1, 3, 10)) for _ in range(4)]
    while any(at[part] < len(parts[part]) for part in range(4)):
        part = chance.choices(range(4), speeds)[0]
        some = parts[part][at[part] : at[part] + chance.randint(1, 400)]
        if some:
            first, at[part] = at[part], at[part] + len(some)
            end = at[part] if at[part] == len(parts[part]) else 1 << 40
            fact: RecordsArrived = arrived(decoder, some, part, first, end)
            trace.said(engine.handle(fact))
    return trace


def test_four_partitions_catching_up_at_different_speeds_give_the_same_halts():
    one, other = partitioned(1), partitioned(2)
    assert digest(one) == digest(other)
    assert halts(one) == halts(plain())
