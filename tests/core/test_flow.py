"""Who is stopped where the gateways cannot stop whom a breach names: by what was sent of late, not by the day."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Breach, Evidence, Severity
from detectors.scope import Scope
from monitor.core import commands as cmd
from monitor.core import sent as sent_module
from monitor.core.sent import NOBODY, Sent
from tests.playbook import Halt, Playbook, crash_and_restore, engine, hello, says
from tests.streams import SECOND, START

HOUR = 3_600 * SECOND
SEEN = Evidence(((0, 0, 0),), 1)


def scripted(*kinds):
    return Playbook(engine(scripted={})) >> hello("g1", kinds=kinds)


def orders(book, count=1, **who):
    """So many orders of one sender, all told at once."""
    told = {"kind": "order_new", "symbol": "NOK", "side": "buy", "qty": 1, "account": "A", **who}
    for _ in range(count):
        book.desk.arrive({**told, "ts": book.desk.now, "order_id": f"X{len(book.desk.events())}"})
    return book >> ""


# -- what counts ---------------------------------------------------------------------------------


def test_the_evidence_is_of_the_breachs_window_and_not_of_the_day():
    """The halt of a router that sent for another account all morning would not have stopped the runaway."""
    book = scripted("account")
    orders(book, 500, host="h1", account="calm")
    book.desk.now += HOUR
    orders(book, 20, host="h1", account="wild")
    orders(book, 2, host="h1", account="calm")
    book >> says("host=h1") << Halt("account=wild")


@pytest.mark.parametrize(("after_s", "scope"), [(9, "*"), (11, "account=wild")])
def test_the_window_is_ten_seconds(after_s, scope):
    book = scripted("account")
    orders(book, 5, host="h1", account="calm")
    book.desk.now += after_s * SECOND
    orders(book, 20, host="h1", account="wild")
    book >> says("host=h1") << Halt(scope)


@pytest.mark.parametrize(("quiet_s", "scope"), [(58, "account=A"), (62, "session=s1")])
def test_the_other_flow_is_that_of_the_last_minute(quiet_s, scope):
    """Both hold all the evidence: the session hurts nobody, the account a sender who was quiet or was not."""
    book = scripted("session", "account")
    orders(book, 50, host="h2", session="s1", account="B")
    book.desk.now += quiet_s * SECOND
    orders(book, 3, host="h1", session="s1", account="A")
    orders(book, 1, host="h2", session="s2", account="B")
    book >> says("host=h1") << Halt(scope)


def test_where_nobody_sent_in_the_window_it_is_the_nearest_time_before_it():
    book = scripted("account")
    orders(book, 500, host="h1", account="calm")
    book.desk.now += HOUR
    orders(book, 20, host="h1", account="wild")
    book.desk.now += 30 * SECOND
    orders(book, 1, host="h2", account="calm")
    book >> says("host=h1") << Halt("account=wild")


def test_parents_send_nothing_so_they_do_not_take_a_kind_away():
    """An order system announces parents without hosts and sessions; a gate never sees one."""
    book = scripted("host", "session")
    parent = {"kind": "parent_new", "source": "oms", "parent_id": "P1", "account": "A", "symbol": "NOK"}
    book.desk.arrive(parent | {"ts": book.desk.now, "side": "buy", "qty": 10})
    orders(book, host="h1", session="s1", parent_id="P1")
    orders(book, host="h2", session="s2")
    book >> says("parent=P1") << Halt("session=s1")


# -- a kind that part of the flow lacks ----------------------------------------------------------


def test_a_kind_that_part_of_the_flow_lacks_is_joined_with_one_that_all_of_it_has():
    """Gates stop an order that does not carry the attribute: whoever names no strategy would be stopped too."""
    book = scripted()
    orders(book, 9, host="h1", account="A", strategy="wild")
    orders(book, 1, host="h2", account="B")
    book >> says("strategy=wild") << Halt("host=h1&strategy=wild")


def test_not_where_no_other_kind_holds_the_evidence_nor_where_all_carry_it():
    book = scripted()
    orders(book, 5, account="A", strategy="wild")
    orders(book, 5, account="B", strategy="wild")
    book >> says("strategy=wild") << Halt("strategy=wild")
    orders(book, 1, account="C")
    book >> says("strategy=wild", reason="statistic", severity="halt") << Halt("strategy=wild")


def test_a_scope_that_names_such_a_kind_already_is_joined_enough():
    book = scripted()
    orders(book, 9, host="h1", account="A", strategy="wild")
    orders(book, 1, host="h2", account="B")
    book >> says("account=A&strategy=wild") << Halt("account=A&strategy=wild")
    book >> says("strategy=wild&symbol=NOK") << Halt("strategy=wild&symbol=NOK")


# -- promises ------------------------------------------------------------------------------------


def test_a_restart_knows_who_sent_of_late():
    book = scripted("account")
    orders(book, 500, host="h1", account="calm")
    book.desk.now += HOUR
    orders(book, 20, host="h1", account="wild") >> crash_and_restore() >> says("host=h1")
    book << Halt("account=wild")


senders = st.sampled_from(
    [("h1", "A", "s1"), ("h1", "B", "s1"), ("h1", "B", "s2"), ("h2", "A", "s1"), ("h2", None, None)]
)


def test_what_is_told_behind_the_order_that_tipped_it_has_not_happened_yet():
    calm, wild, other = ("h1", None, "s1"), ("h1", None, "s2"), ("h2", None, "s1")
    told = [*[(calm, 0)] * 9, (wild, 11), *[(wild, 0)] * 8, (other, 40), (calm, 0)]
    assert halted(told, 17, set(), ("account",), waits=False) == [{"account": "B"}]


@pytest.mark.parametrize("waits", [False, True])
@given(st.lists(st.tuples(senders, st.integers(0, 40)), min_size=2, max_size=25), st.data())
def test_where_the_stream_is_cut_changes_nobody_who_is_stopped(waits, told, data):
    """Neither of a breach that halts at once, nor of one that waited for a second family."""
    tipped = data.draw(st.integers(0, len(told) - 1))
    cuts = data.draw(st.sets(st.integers(1, len(told) - 1))) | {tipped + 1}
    kinds = data.draw(st.sampled_from([("account",), ("session", "account"), ("host", "session"), ()]))
    whole = halted(told, tipped, set(), kinds, waits=waits)
    assert len(whole) == 1
    assert whole == halted(told, tipped, cuts, kinds, waits=waits)


def halted(told, tipped, cuts, kinds, *, waits):
    """The halts of one breach at the row of one order, told in pieces."""
    book, halts, first = Playbook(engine(scripted={}, witness={})) >> hello("g1", kinds=kinds), [], 0
    if waits:
        book >> says("host=h1", "high", "statistic")
        book.desk.now += SECOND
    family = "witness" if waits else "scripted"
    for n, ((host, strategy, session), gap_s) in enumerate(told):
        book.desk.now += gap_s * SECOND
        account = "A" if session == "s1" else "B"
        who = {"host": host, "account": account, "session": session, "strategy": strategy}
        order = {
            "kind": "order_new",
            "ts": book.desk.now,
            "order_id": f"X{n}",
            "symbol": "NOK",
            "side": "buy",
        }
        book.desk.arrive(order | {"qty": 1} | {kind: one for kind, one in who.items() if one})
        if n + 1 in cuts or n + 1 == len(told):
            if first <= tipped <= n:
                severity = Severity.HIGH if waits else Severity.HALT
                breach = Breach(
                    family, "scripted", severity, Scope.parse("host=h1"), 5, 3, "events", SEEN, 0, 0
                )
                will_say = book.engine.detectors[family].will_say
                will_say.append(lambda _, at=tipped - first, one=breach: replace(one, row=at, at_ns=START))
            halts += [halt.payload["scope"] for halt in (book >> "").of(cmd.Halt)]
            first = n + 1
    return halts


def test_the_newest_orders_are_kept_and_no_more(monkeypatch):
    monkeypatch.setattr(sent_module, "ORDERS_MAX", 4)
    sent, told = Sent(), [(at, at % 3) for at in range(1, 40)]
    for n, (at, who) in enumerate(told, 1):
        sent.take(np.array([[at, who]]))
        expected = np.bincount([each for _, each in told[max(n - 4, 0) : n]], minlength=3)
        assert sent.by_attribution(0, 3, NOBODY).tolist() == expected.tolist()
    sent.take(np.array(told))
    assert sent.newest().tolist() == [list(each) for each in told[-4:]]
    sent.restore(np.array(told[:2]))
    assert sent.newest().tolist() == [list(each) for each in told[:2]]
