import json

import numpy as np

from detectors.event import Kind
from monitor.scenarios.rows import DROP_COPY, NO_ROWS, NOBODY, OMS, Rows, Sequencer, make_rows


def three(writer):
    ts = np.array([3, 1, 2])
    return make_rows(Kind.MARK, ts, ["k"] * 3, [f'{{"ts":{t}' for t in ts], writer=np.array(writer))


def numbers(values):
    return [json.loads(value).get("seq") for value in values]


def test_each_stream_counts_for_itself_across_calls_and_who_writes_nothing_is_not_numbered():
    sequencer = Sequencer()
    assert numbers(sequencer.values(three([OMS, DROP_COPY, OMS]))) == [1, 1, 2]
    assert numbers(sequencer.values(three([OMS, NOBODY, DROP_COPY]))) == [3, None, 2]


def test_nothing_is_numbered_as_nothing():
    assert Sequencer().values(NO_ROWS) == []


def test_sorting_keeps_rows_whole():
    rows = Rows.joined([three([OMS] * 3), NO_ROWS]).sorted()
    assert rows.ts.tolist() == [1, 2, 3]
    assert [json.loads(body + "}")["ts"] for body in rows.body] == [1, 2, 3]


def test_marks_go_to_the_reference_topic():
    assert all(event.reference for event in Sequencer().events(three([NOBODY] * 3)))
