"""What is suspect is judged alone with a note of its own, whatever waits for it; the answers stay the same."""

import errno
import functools
import os
import signal

import numpy as np
import pytest

from detectors import event as ev
from monitor.caution import Caution
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import RecordsArrived, SourcePart, TimePassed
from monitor.edge.kafka_in import Chunk, Part
from monitor.edge.suspects import Suspects
from monitor.replay import Trace
from tests.determinism import arrived, digest, morning, the_policy

TOPIC = "trading.telemetry.v1"
EVENTS = morning()[3_000:7_000]


class Noted(Suspects):
    """Remembers what was noted, and when nothing was."""

    def __init__(self, *ranges):
        super().__init__(None)
        self.ranges, self.notes = list(ranges), []

    def note(self, ranges):
        super().note(ranges)
        self.notes.append(list(ranges))

    def clear(self):
        super().clear()
        self.notes.append([])


def an_engine():
    engine = Engine(the_policy())
    for part in (0, 1):
        engine.part_of(SourcePart(TOPIC, part))
    return engine


def part_of(events, number, first, *, behind=0):
    offsets = np.arange(first, first + len(events))
    times = np.array([told.arrived for told in events], np.int64)
    end = first + len(events)
    return Part.of(TOPIC, number, [told.value for told in events], offsets, times, end, end + behind)


def fact_of(decoder, part):
    """As a feed tells it."""
    read = decoder.decode(part.values, part.partition, part.offsets, part.arrived_ns)
    ranges = ((part.partition, int(part.offsets[0]), part.next_offset - 1),)
    return RecordsArrived(read.batch, ranges, read.quarantined, ((part.partition, part.end_offset),))


@functools.cache
def plain():
    trace, engine = Trace(), an_engine()
    trace.said(engine.handle(arrived(Decoder(engine.names), EVENTS, 0, 0)))
    return digest(trace)


@pytest.mark.parametrize("suspect", [(1_000, 1_300), (0, 3_999), (3_999, 3_999)])
def test_suspects_are_judged_alone_and_all_answers_are_the_same(suspect):
    engine, trace = an_engine(), Trace()
    suspects = Noted((TOPIC, 0, *suspect))
    caution = Caution(engine, suspects)
    decoder = Decoder(engine.names)
    sizes = []
    for piece in caution.pieces(Chunk((part_of(EVENTS, 0, 0),))):
        with caution.over(piece):
            sizes.append(len(piece))
            trace.said(engine.handle(fact_of(decoder, piece.parts[0])))
    assert digest(trace) == plain()
    assert sizes.count(1) >= suspect[1] - suspect[0] + 1
    alone = {note[0][2] for note in suspects.notes if note and note[0][2] == note[0][3]}
    assert set(range(suspect[0], suspect[1] + 1)) <= alone
    assert suspects.notes[-1] == []
    assert suspects.ranges == []  # all was judged, and we live
    assert engine.piecewise is None


def test_without_a_suspect_a_chunk_is_judged_whole_under_one_note():
    suspects = Noted()
    caution = Caution(an_engine(), suspects)
    chunk = Chunk((part_of(EVENTS[:10], 0, 5), part_of(EVENTS[10:12], 1, 0)))
    assert list(caution.pieces(chunk)) == [chunk]
    with caution.over(chunk):
        assert suspects.notes == [[(TOPIC, 0, 5, 14), (TOPIC, 1, 0, 1)]]
    assert suspects.notes[-1] == []


def test_what_waits_for_a_slower_partition_is_noted_until_it_is_judged():
    engine = an_engine()
    suspects = Noted()
    caution = Caution(engine, suspects)
    decoder = Decoder(engine.names)

    def tell(part):
        with caution.over(Chunk((part,))):
            engine.handle(fact_of(decoder, part))

    tell(part_of(EVENTS[10:14], 1, 0, behind=5_000))
    tell(part_of(EVENTS[2_000:2_010], 0, 0))
    assert engine.sequencer.first_waiting()
    with caution.over_what_waits():
        assert (TOPIC, 0, 0, 9) in suspects.notes[-1]
    tell(part_of(EVENTS[14:15], 1, 4))
    assert {note for told in suspects.notes[-2:] for note in told} >= {(TOPIC, 1, 4, 4), (TOPIC, 0, 0, 9)}


def test_a_suspect_that_waited_is_noted_by_itself_when_it_is_given_out():
    engine = an_engine()
    suspects = Noted((TOPIC, 0, 3, 3))
    caution = Caution(engine, suspects)
    decoder = Decoder(engine.names)
    for part in (part_of(EVENTS[10:14], 1, 0, behind=5_000), part_of(EVENTS[2_000:2_010], 0, 0)):
        for piece in caution.pieces(Chunk((part,))):
            with caution.over(piece):
                engine.handle(fact_of(decoder, piece.parts[0]))
    assert suspects.ranges, "it waits, and is not judged"
    seen = []
    one_at_a_time = engine.piecewise
    engine.piecewise = lambda batch: (
        seen.append((piece.rows[0, ev.OFFSET], len(piece), suspects.notes[-1]))
        or piece
        for piece in one_at_a_time(batch)
    )  # fmt: skip
    with caution.over_what_waits():
        for seconds in (1, 3):  # the slower partition is stuck, and holds nobody back any more
            engine.handle(TimePassed(EVENTS[-1].ts + seconds * 1_000_000_000))
    assert [(size, note) for offset, size, note in seen if size == 1 and offset == 3] == [
        (1, [(TOPIC, 0, 3, 3)])
    ]
    assert all(note != [(TOPIC, 0, 3, 3)] for offset, _, note in seen if offset != 3)


def test_an_exception_leaves_the_note_as_a_crash_would():
    suspects = Noted()
    caution = Caution(an_engine(), suspects)
    with pytest.raises(AssertionError), caution.over(Chunk((part_of(EVENTS[:1], 0, 7),))):
        raise AssertionError
    assert suspects.notes == [[(TOPIC, 0, 7, 7)]]


def test_what_is_convicted_is_withheld_with_its_bytes():
    suspects = Noted()
    suspects._convicted[TOPIC, 0, 8] = ""
    caution = Caution(an_engine(), suspects)
    [one] = caution.withheld(0, part_of(EVENTS[:3], 0, 7))
    assert (one.offset, one.reason, one.raw) == (8, "crashed_us", EVENTS[1].value)


def crashing(decoder, *offsets):
    """A feed that decodes, in a process that some records crash."""

    def fact(chunk):
        if set(offsets) & set(chunk.parts[0].offsets.tolist()):
            os.kill(os.getpid(), signal.SIGSEGV)
        return fact_of(decoder, chunk.parts[0])

    return fact


async def test_a_child_crashes_first_and_each_of_its_records_is_convicted():
    engine = an_engine()
    before = engine.snapshot()
    suspects = Noted((TOPIC, 0, 5, 30))
    caution = Caution(engine, suspects)
    part = part_of(EVENTS[:40], 0, 0)
    convicted = suspects._convicted

    def fact(chunk):
        offset = int(chunk.parts[0].offsets[0])
        if offset in (9, 17) and (TOPIC, 0, offset) not in convicted:
            os.kill(os.getpid(), signal.SIGSEGV)
        return fact_of(Decoder(engine.names), chunk.parts[0])

    await caution.try_out(Chunk((part,)), fact)
    assert sorted(convicted) == [(TOPIC, 0, 9), (TOPIC, 0, 17)]
    assert [one.offset for one in caution.withheld(0, part)] == [9, 17]
    assert engine.snapshot()["engine"] == before["engine"], "the child's answers are nobody's"


async def test_a_crash_before_the_suspects_convicts_nobody():
    engine = an_engine()
    suspects = Noted((TOPIC, 0, 5, 30))
    caution = Caution(engine, suspects)
    await caution.try_out(Chunk((part_of(EVENTS[:40], 0, 0),)), crashing(Decoder(engine.names), 2))
    assert not suspects.any_convicted


async def test_what_holds_no_suspect_is_tried_out_by_nobody():
    caution = Caution(an_engine(), Noted((TOPIC, 0, 500, 501)))
    await caution.try_out(Chunk((part_of(EVENTS[:40], 0, 0),)), crashing(None, *range(40)))


async def test_where_no_child_can_be_made_nobody_is_convicted(monkeypatch):
    engine = an_engine()
    suspects = Noted((TOPIC, 0, 5, 5))
    caution = Caution(engine, suspects)
    monkeypatch.setattr(os, "fork", lambda: (_ for _ in ()).throw(OSError(errno.ENOMEM, "no memory")))
    await caution.try_out(Chunk((part_of(EVENTS[:9], 0, 0),)), crashing(Decoder(engine.names), 5))
    assert not suspects.any_convicted
