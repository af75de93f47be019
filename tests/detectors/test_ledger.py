"""The compiled ledger says what the slow one says, posting by posting, wherever the stream is cut.

The slow one forgets nothing, so the compiled one is told to retain everything; that recycled codes change no
answer, and that forgotten executions harm nobody, is tried apart.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import posting as po
from detectors.bounds import Bounds
from detectors.ledger import Ledger
from detectors.ledger.tables import N_LINKS
from detectors.names import Names
from tests.desk import DAY, MS, SECOND, START, VENUES, Child, Desk
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


# --- at the bounds of the books: 31 executions, 7 orders, 3 parents ------------------------------

SMALL = Bounds(orders=8, executions=32, parents=4)


def small_books(stream: Sequence[Told]) -> list[dict[str, Any]]:
    """What the smallest books say, forgetting orders after two seconds."""
    names = Names()
    ledger = Ledger(names, cold=False, retain_ns=2 * SECOND, bounds=SMALL)
    return told_by_ledger(ledger, [decoded(stream, names)])


def filling(desk: Desk, child: int, count: int) -> None:
    for _ in range(count):
        desk.now += MS
        desk._fill(desk.children[child], 1, 1)


def undone(desk: Desk, kind: str, ref: str, **more: Any) -> None:
    desk.now += MS
    desk.tell(kind, "a-dc", source="drop_copy", exec_ref_id=ref, venue=desk.children[0].venue, **more)


def test_the_oldest_execution_of_a_full_ring_may_be_corrected_and_busted():
    desk = Desk()
    desk.plain_child(0, 0)
    filling(desk, 0, 31)
    undone(desk, "fill_correct", "aE1", exec_id="K1", last_qty=3, last_px=10)
    undone(desk, "fill_bust", "K1")
    *_, corrected, busted = small_books(desk.events())
    assert (corrected["kind"], corrected["fill"]) == ("CORRECTED", 2 * 10**8)
    assert (busted["kind"], busted["fill"], busted["exec"]) == ("BUSTED", -3 * 10**8, corrected["exec"])


def test_the_name_that_a_forgotten_execution_was_corrected_to_is_nobodys():
    desk = Desk()
    desk.plain_child(0, 0)
    filling(desk, 0, 10)
    undone(desk, "fill_correct", "aE1", exec_id="K1", last_qty=3, last_px=10)
    filling(desk, 0, 21)  # the last of them where aE1 was
    undone(desk, "fill_bust", "K1")
    *_, busted = small_books(desk.events())
    assert (busted["kind"], busted["fill"], busted["exec"]) == ("BUSTED", 0, -1)


def test_an_order_that_outlives_its_executions_lets_go_of_them():
    desk = Desk()
    desk.plain_child(0, 0)
    desk.plain_child(0, 0)
    filling(desk, 0, 1)
    filling(desk, 1, 31)  # the last of them where the first order's was
    old = desk.children[0]
    desk.tell("order_cancel", old.host, order_id=old.order_id, session=old.session)
    desk.now += 3 * SECOND
    desk.tell("heartbeat", old.host, build="v1")
    desk.plain_child(0, 0)  # takes the first one's code
    undone(desk, "fill_bust", desk.fills[-1]["exec_id"])
    *said, busted = small_books(desk.events())
    executed = [p for p in said if p["kind"] == "EXECUTED"][-1]
    assert (busted["kind"], busted["exec"], busted["order"]) == (
        "BUSTED",
        executed["exec"],
        executed["order"],
    )


def test_a_stated_position_asks_no_forgotten_execution_when_it_was():
    desk = Desk()
    desk.plain_child(0, 0)
    as_of = desk.now
    filling(desk, 0, 1)
    undone(desk, "fill_bust", "aE1")  # both after the stated position
    filling(desk, 0, 29)
    latest, told = desk.now, {**desk.fills[-1], "exec_id": "late"}
    fields = {name: told[name] for name in ("exec_id", "order_id", "last_qty", "last_px", "venue")}
    late = {"kind": "fill", "ts": as_of, "arrival_ts": latest + MS, "source": "drop_copy", **fields}
    account = {"account": desk.account(0), "symbol": "NOK", "qty": 5, "as_of": as_of}
    stated = {"kind": "position", "ts": latest + 2 * MS, "arrival_ts": latest + 2 * MS, "source": "oms"}
    *_, position = small_books([*desk.events(), late, {**stated, **account}])
    assert position["kind"] == "POSITION_SET"
    assert position["base"] == (5 + 29 - 30) * 10**8


def test_a_stated_position_finds_its_executions_after_two_billion_of_them():
    desk = Desk()
    desk.plain_child(0, 0)
    at = desk.now
    filling(desk, 0, 5)
    account = {"account": desk.account(0), "symbol": "NOK", "qty": 7, "as_of": at}
    stated = {"kind": "position", "ts": desk.now, "arrival_ts": desk.now, "source": "oms", **account}
    names = Names()
    ledger = Ledger(names, cold=False, bounds=SMALL)
    ledger.one[N_LINKS] = (1 << 31) - 4
    *_, position = told_by_ledger(ledger, [decoded([*desk.events(), stated], names)])
    assert position["base"] == 7 * 10**8  # the five came after it


def test_what_a_recycled_parent_left_behind_is_not_the_next_ones():
    """The order outlives the day, its parent does not: neither a late bust nor a cancel is the new parent's."""
    desk = Desk()
    for name in ("P1", "P2", "P3"):
        desk.plain_parent(name)
        if name == "P1":
            desk._announce(child := gtc(desk), {"parent_id": "P1", "price": 10, "tif": "gtc"})
            desk.children.append(child)
            filling(desk, 0, 1)
        desk.tell("parent_done", desk.host(0), source="oms", parent_id=name)
    desk.now += DAY
    desk.tell("heartbeat", desk.host(0), build="v1")
    desk.plain_parent("P4")
    undone(desk, "fill_bust", "aE1", trade_date="2012-08-01")
    desk.tell("order_cancel", child.host, order_id=child.order_id, session=child.session)
    *said, opened, busted, out = small_books(desk.events())
    first = next(p for p in said if p["kind"] == "PARENT_OPENED")
    assert (opened["kind"], opened["parent"]) == ("PARENT_OPENED", first["parent"])  # the code, again
    assert (busted["kind"], busted["fill"], busted["parent"]) == ("BUSTED", -(10**8), -1)
    assert (out["kind"], out["parent"]) == ("ORDER_OUT", -1)


def gtc(desk: Desk) -> Child:
    return Child(
        desk.new_id("O"), desk.host(0), "a-s1", desk.account(0), "NOK", "buy", VENUES[0], 100, 10, "P1", 100
    )


@pytest.mark.parametrize(
    ("others", "fills", "why"),
    [
        (Bounds(orders=16, executions=64, parents=8), 30, ""),
        (Bounds(orders=8, executions=64, parents=4), 40, "memory.executions_max: 32 are full"),
        (Bounds(orders=8, executions=16, parents=4), 30, "memory.executions_max: 30 are known"),
        (Bounds(orders=2, executions=32, parents=4), 1, "memory.orders_max: 3 are known"),
        (Bounds(orders=8, executions=32, parents=2), 1, "memory.parents_max: 2 are known"),
    ],
    ids=["larger", "larger than a full ring", "fewer executions", "fewer orders", "fewer parents"],
)
def test_books_of_other_bounds_are_taken_where_they_fit(others, fills, why):
    desk = Desk()
    for name in ("P1", "P2"):
        desk.plain_parent(name)
    for _ in range(3):
        desk.plain_child(0, 0)
    filling(desk, 0, fills)
    first = len(desk.heard)
    filling(desk, 1, 20)
    stream, names = desk.events(), Names()
    ledger, other = Ledger(names, cold=False, bounds=SMALL), Ledger(names, cold=False, bounds=others)
    told_by_ledger(ledger, [decoded(stream[:first], names)])
    if why:
        with pytest.raises(ValueError, match=why):
            other.restore(ledger.snapshot())
        return
    other.restore(ledger.snapshot())
    said = told_by_ledger(other, [decoded(stream[first:], names)])
    assert sum(p["kind"] == "EXECUTED" for p in said) == 20
    assert other.counters["forgotten"] == 0
