"""Facts and commands as lines, and back: nothing that the engine is told is lost on the way."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import event as ev
from detectors.contract import Batch
from monitor.core import commands as cmd
from monitor.core import inputs, journal

text, number, flag = st.text(max_size=8), st.integers(0, 2**62), st.booleans()
payload = st.dictionaries(text, number | text | st.lists(text), max_size=3)
FACTS = {
    inputs.LifeBegan: (flag, st.lists(text).map(tuple), flag, number),
    inputs.TimePassed: (number, st.lists(number).map(tuple)),
    inputs.OperatorSaid: (payload, st.lists(text).map(tuple), number),
    inputs.GatewaySaid: (payload, number),
    inputs.PeerSaid: (payload, number),
    inputs.CommandSettled: (text, text, text, flag, number, text),
    inputs.LinkChanged: (text, flag, number, text),
    inputs.ReadingStarted: (text, number, number, text),
    inputs.RecordsLost: (text, number, number, number, text, number),
    inputs.MessageRefused: (text, text, flag, number),
    inputs.PolicyBroken: (st.lists(text).map(tuple), number),
}


def test_every_fact_has_a_line_of_its_own():
    by_the_shell = {inputs.RecordsArrived, inputs.PolicyRead}  # their lines name what is read elsewhere
    assert set(FACTS) | by_the_shell == set(inputs.Input.__args__)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
@given(data=st.data())
def test_what_is_read_from_a_line_is_the_fact_that_was_written(fact, data):
    happened = fact(*(data.draw(each) for each in FACTS[fact]))
    what, fields = journal.line_of_fact(happened)
    assert journal.fact_of(what, json.loads(json.dumps(fields))) == happened


def test_arrivals_are_named_and_not_copied():
    batch = Batch(np.zeros((0, ev.COLUMNS), np.int64), np.zeros(0, np.uint8))
    arrived = inputs.RecordsArrived(batch, ((0, 1, 5),), (), ((0, 6),), ((0, 3, 3),))
    assert journal.line_of_fact(arrived) == (
        "records.arrived",
        {"ranges": [[0, 1, 5]], "ends": [[0, 6]], "holes": [[0, 3, 3]]},
    )
    assert journal.fact_of("records.arrived", {}) is None


COMMANDS = [
    cmd.Halt({"halt_id": "h"}),
    cmd.Halt({"halt_id": "h"}, again=True),
    cmd.State(({"halt_id": "b"}, {"halt_id": "a"}), (), "d"),
    cmd.Lease("blind", ({},), "d", ("why",)),
    cmd.Page("k", "halt", "line"),
    cmd.Record("breach.seen", {"ts": 1}),
    cmd.DeadLetter(inputs.Quarantined(0, 7, "ts", "missing", "x", b"{}")),
]


def test_every_command_leaves_a_line_that_is_no_fact_and_a_snapshot_none():
    assert {type(command) for command in COMMANDS} | {cmd.Save} == set(cmd.Command.__args__)
    lines = [journal.line_of_command(command) for command in COMMANDS]
    assert len({what for what, _ in lines}) == len(COMMANDS)
    assert all(journal.fact_of(what, fields) is None for what, fields in lines)
    assert journal.line_of_command(cmd.Save("period")) is None


ranges = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=12)


@given(ranges, st.integers(0, 12))
def test_joined_ranges_name_the_same_records_in_the_same_order(read, cut):
    at, said = dict.fromkeys(range(3), 0), []
    for part, count in read:
        said.append([part, at[part], at[part] + count - 1])
        at[part] += count
    joined = journal.join(journal.join([], said[:cut]), said[cut:])

    def records(some):
        return [(part, n) for part, first, last in some for n in range(first, last + 1)]

    assert records(joined) == records(said)
    assert all(a[0] != b[0] for a, b in itertools.pairwise(joined))
