"""One order of judging, however the partitions catch up: any split at any speeds gives the same rows, each once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import event as ev
from detectors.contract import Batch
from monitor.core import sequence
from monitor.core.sequence import JUMP_NS, STUCK_NS, Sequencer

SECOND = 1_000_000_000
START = 1_343_827_800 * SECOND
MORE = 1 << 40  # an end far away


def batch_of(part, first, times, arrivals=None):
    rows = np.zeros((len(times), ev.COLUMNS), np.int64)
    rows[:, ev.PART] = part
    rows[:, ev.OFFSET] = np.arange(first, first + len(times))
    rows[:, ev.TS] = times
    rows[:, ev.ARRIVAL] = 0 if arrivals is None else arrivals
    text = b"".join(b"%d/%d " % (part, first + n) for n in range(len(times)))
    at = 0
    for n in range(len(times)):
        size = len(b"%d/%d" % (part, first + n))
        rows[n, ev.PARENT_AT] = at << 8 | size
        at += size + 1
    return Batch(rows, np.frombuffer(text, np.uint8).copy())


def named(batch):
    """Each row by the text that it points to."""
    text = bytes(batch.text)
    return [text[at >> 8 : (at >> 8) + (at & 255)].decode() for at in batch.rows[:, ev.PARENT_AT].tolist()]


@st.composite
def partitions(draw):
    """Times of two to four partitions, among them some that are late, equal, or a day ahead."""
    step = st.sampled_from((0, 0, 1, 40, 700, 2_000))
    streams = []
    for _ in range(draw(st.integers(2, 4))):
        now, times = START, []
        for jump in draw(st.lists(step, min_size=1, max_size=12)):
            now += jump * 1_000_000
            times.append(now + draw(st.sampled_from((0, 0, 0, 0, -3 * SECOND, -1_000_000))))
        lone = draw(st.integers(-8, len(times) - 2))
        if lone >= 0:
            times[lone] += 86_400 * SECOND
        streams.append(times)
    return streams


def judged(streams, pieces):
    """Rows in the order of judging; `pieces`: which partition gives how many rows next."""
    sequencer, said, at = Sequencer(), [], dict.fromkeys(range(len(streams)), 0)
    for part in at:
        sequencer.expect(part)

    def offer(part, size):
        first, times = at[part], streams[part][at[part] : at[part] + size]
        at[part] += len(times)
        end = at[part] if at[part] == len(streams[part]) else MORE
        ranges = ((part, first, at[part] - 1),) if times else ()
        for batch in sequencer.offer(batch_of(part, first, times), ranges, ((part, end),)):
            said.extend(named(batch))

    for part, size in pieces:
        if part in at and at[part] < len(streams[part]):
            offer(part, size)
    while left := [part for part in at if at[part] < len(streams[part])]:
        offer(left[0], 1_000)
    assert sequencer.first_waiting() == {}
    return said


@given(partitions(), st.data())
def test_any_split_at_any_speeds_gives_the_same_order(streams, data):
    pieces = st.lists(st.tuples(st.integers(0, len(streams) - 1), st.integers(1, 5)), max_size=30)
    assert judged(streams, data.draw(pieces)) == judged(streams, data.draw(pieces))


@given(partitions(), st.data())
def test_each_row_leaves_once_and_in_its_partitions_order(streams, data):
    pieces = data.draw(st.lists(st.tuples(st.integers(0, len(streams) - 1), st.integers(1, 5)), max_size=30))
    said = judged(streams, pieces)
    for part, times in enumerate(streams):
        assert [name for name in said if name.startswith(f"{part}/")] == [
            f"{part}/{n}" for n in range(len(times))
        ]


def test_partitions_are_judged_by_time_though_one_is_read_first():
    streams = [[START + n * SECOND for n in range(5)], [START + n * SECOND + 1 for n in range(5)]]
    wanted = [f"{part}/{n}" for n in range(5) for part in (0, 1)]
    assert judged(streams, [(0, 5), (1, 5)]) == judged(streams, [(1, 5), (0, 5)]) == wanted


@pytest.mark.parametrize("with_arrivals", [False, True])
def test_an_event_dated_a_day_ahead_moves_nobody(with_arrivals):
    sequencer = Sequencer()
    times = [START + n * SECOND for n in range(6)]
    wrong = [*times[:2], times[2] + 86_400 * SECOND, *times[3:]]
    arrivals = times if with_arrivals else None
    said = []
    for part, dated in ((0, wrong), (1, [at + 1 for at in times])):
        said += sequencer.offer(batch_of(part, 0, dated, arrivals), ((part, 0, 5),), ((0, MORE), (1, MORE)))
    order = [name for batch in said for name in named(batch)]
    others = [name for name in order if name != "0/2"]
    assert others == ["0/0", "1/0", "0/1", "1/1", "1/2", "0/3", "1/3", "0/4"][: len(others)]
    assert len(order) >= 7
    assert order.index("0/1") < order.index("0/2") < order.index("0/3")


def test_live_nobody_waits():
    sequencer = Sequencer()
    batch = batch_of(0, 0, [START])
    assert list(sequencer.offer(batch, ((0, 0, 0),), ((0, 1),))) == [batch]
    late = batch_of(1, 0, [START - JUMP_NS])
    assert list(sequencer.offer(late, ((1, 0, 0),), ((1, 1),))) == [late]


def test_a_partition_that_is_stuck_holds_nobody_back_for_long():
    sequencer, at = Sequencer(), START
    ends = ((0, MORE), (1, MORE))
    assert not list(sequencer.offer(batch_of(1, 0, [START]), ((1, 0, 0),), ends))
    for n in range(4):
        assert not list(sequencer.offer(batch_of(0, n, [START + n]), ((0, n, n),), ends))
        assert not [b for b in sequencer.tick(at) if "0/0" in named(b)]
        assert sequencer.lagging == (0, 1)
        at += STUCK_NS // 4
    list(sequencer.offer(batch_of(0, 4, [START + 4]), ((0, 4, 4),), ()))
    released = [name for b in sequencer.tick(at + 1) for name in named(b)]
    assert sequencer.lagging == (0,)
    assert [name for name in released if name[0] == "0"] == ["0/0", "0/1", "0/2"]


def test_what_is_expected_and_never_comes_is_given_up_like_one_that_is_stuck():
    sequencer = Sequencer()
    sequencer.expect(0)
    sequencer.expect(1)
    assert not list(sequencer.offer(batch_of(0, 0, [START]), ((0, 0, 0),), ((0, 1),)))
    assert not list(sequencer.tick(START))
    assert [named(b) for b in sequencer.tick(START + STUCK_NS + 1)] == [["0/0"]]


def test_waiting_rows_are_bounded_and_what_goes_out_of_order_is_counted(monkeypatch):
    monkeypatch.setattr(sequence, "ROWS_WAITING_MAX", 50)
    sequencer, said = Sequencer(), []
    sequencer.expect(1)
    for n in range(40):
        times = [START + (n * 10 + k) for k in range(10)]
        for batch in sequencer.offer(batch_of(0, n * 10, times), ((0, n * 10, n * 10 + 9),), ((0, MORE),)):
            said += named(batch)
        assert sequencer._rows <= 60
    assert said == [f"0/{n}" for n in range(len(said))]
    assert sequencer.overrun


def test_a_restart_reads_again_what_waited():
    sequencer = Sequencer()
    first = list(
        sequencer.offer(batch_of(0, 0, [START, START + 5, START + 9]), ((0, 0, 2),), ((0, MORE), (1, MORE)))
    )
    first += sequencer.offer(batch_of(1, 0, [START + 4, START + 6, START + 7]), ((1, 0, 2),), ())
    given = [name for batch in first for name in named(batch)]
    waiting = sequencer.first_waiting()
    for part in (0, 1):
        assert waiting[part] == sum(name.startswith(f"{part}/") for name in given)
    other = Sequencer()
    other.restore(sequencer.snapshot())
    assert other.snapshot() == sequencer.snapshot()
    assert other.first_waiting() == {}
