"""The compiled ledger says what the slow one says, posting by posting, wherever the stream is cut.

The slow one forgets nothing, so the compiled one is told to retain everything; that recycled codes change no
answer, and that forgotten executions harm nobody, is tried apart.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import posting as po
from detectors.ledger import Ledger
from detectors.names import Names
from tests.desk import DAY, MS, SECOND, START, Desk
from tests.oracle.compare import decoded, first_difference, told_by_ledger, told_by_oracle
from tests.streams import MESSY, WILD, clock_streams, order_streams

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.streams import Told

SCALE = 1 << 10
FOREVER = 1 << 62


def difference(stream: Sequence[Told], parts: Sequence[int] | None = None, *, cold: bool = False) -> str:
    names = Names()
    ledger = Ledger(names, cold=cold, retain_ns=FOREVER, scale=SCALE)
    ours = told_by_oracle(stream, parts, cold=cold)
    return first_difference(told_by_ledger(ledger, [decoded(stream, names, parts)]), ours)


@pytest.mark.parametrize("moves", [MESSY, WILD], ids=["messy", "wild"])
@given(data=st.data(), cold=st.booleans())
def test_the_compiled_ledger_says_what_the_slow_one_says(moves, data, cold):
    stream = data.draw(order_streams(moves))
    assert not difference(stream, cold=cold)


SENT: Final = {"kind": "order_new", "order_id": "O1", "parent_id": "P1", "account": "A", "symbol": "NOK", "side": "buy", "qty": 9}  # fmt: skip
FILLED: Final = {"kind": "fill", "exec_id": "E", "order_id": "O1", "parent_id": "P1", "last_qty": 9, "last_px": 2}  # fmt: skip
OUT: Final = {"kind": "order_cancel", "order_id": "O1", "reason_class": "ioc"}
OPENED: Final = {"kind": "parent_new", "parent_id": "P1", "account": "A", "symbol": "NOK", "side": "buy", "qty": 9}  # fmt: skip
BOOKED: Final = {"kind": "parent_fill", "parent_id": "P1", "last_qty": 9}
DONE: Final = {"kind": "parent_done", "parent_id": "P1"}
DAYS: Final = (
    (OPENED, SENT, FILLED, BOOKED, DONE),
    (OPENED, SENT, FILLED, BOOKED),
    (SENT | {"tif": "gtc", "qty": 10}, FILLED),
    (OPENED, SENT | {"tif": "gtc", "qty": 10}, DONE),
    (SENT, OUT, DONE),
    (FILLED, BOOKED),
    (OUT,),
    (DONE,),
)
MORNINGS: Final = (
    (OPENED, SENT, FILLED, DONE),
    (SENT, OPENED, FILLED),
    (FILLED, SENT, OPENED),
    (OUT, SENT, OPENED),
    (OUT | {"reason_class": "expired"}, SENT),
    ({"kind": "order_ack", "order_id": "O1"}, SENT, FILLED),
)


@pytest.mark.parametrize("later_ns", [4 * 60 * SECOND, DAY], ids=["at midnight", "a day later"])
@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("morning", MORNINGS)
def test_ids_that_come_back_are_to_both_ledgers_what_they_are(later_ns, day, morning):
    told = [dict(each) for each in (*day, *morning)]
    for n, each in enumerate(told):
        is_later = n >= len(day)
        each["ts"] = each["arrival_ts"] = START + n * MS + later_ns * is_later
        each["trade_date"] = f"2012-08-0{1 + is_later}"
    assert not difference(told)


@given(stream=clock_streams())
def test_both_ledgers_tell_the_same_time(stream):
    assert not difference([told for _, told in stream], [part for part, _ in stream])


def posted(stream: Sequence[Told], cuts: Collection[int], *, restart: bool) -> np.ndarray:
    """Raw postings, codes and all, of a ledger that recycles them soon."""
    names = Names()
    ledger = Ledger(names, cold=False, retain_ns=2 * SECOND, scale=SCALE)
    stops = [0, *sorted(cuts), len(stream)]
    said = [np.empty((0, po.COLUMNS), np.int64)]
    for start, stop in itertools.pairwise(stops):
        if restart and start:
            saved, saved_names = ledger.snapshot(), names.snapshot()
            names = Names()
            names.restore(saved_names)
            ledger = Ledger(names, cold=False, retain_ns=2 * SECOND, scale=SCALE)
            ledger.restore(saved)
        if start < stop:
            for postings in ledger.post(decoded(stream[start:stop], names, None, start)):
                rows = postings.rows.copy()
                rows[:, po.ROW] += start
                said.append(rows)
    return np.concatenate(said)


@pytest.mark.parametrize("restart", [False, True], ids=["cut", "restarted"])
@given(data=st.data())
def test_neither_a_cut_nor_a_restart_changes_a_posting(restart, data):
    stream = data.draw(order_streams(MESSY))
    cuts = (
        data.draw(st.sets(st.integers(1, max(1, len(stream) - 1)), max_size=6)) if len(stream) > 1 else set()
    )
    assert np.array_equal(posted(stream, cuts, restart=restart), posted(stream, (), restart=False))


def test_a_stated_position_meets_an_end_where_old_executions_were_forgotten():
    """The ring of executions forgets its oldest; a walk along a pair's executions must not go in circles."""
    desk = Desk()
    desk.plain_child(0, 0)
    for _ in range(200):  # of 31 that are remembered
        desk.now += MS
        desk._fill(desk.children[0], 1, 1)
    at = START + 190 * MS
    told = {"account": desk.account(0), "symbol": "NOK", "qty": 5, "as_of": at}
    stream = [
        *desk.events(),
        {"kind": "position", "ts": desk.now, "arrival_ts": desk.now, "source": "oms", **told},
    ]
    names = Names()
    ledger = Ledger(names, cold=False, scale=1 << 18)
    *_, stated = told_by_ledger(ledger, [decoded(stream, names)])
    assert stated["kind"] == "POSITION_SET"
    assert stated["base"] == (5 - 190) * 10**8  # the ten since then stay on top
