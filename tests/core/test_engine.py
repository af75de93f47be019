"""The one door: what is decided, once a cause, in which mode, and that nothing but people undoes it."""

import numpy as np
import pytest

from detectors.contract import Level
from monitor.core import commands as cmd
from monitor.core.inputs import (
    CRASHED_US,
    LifeBegan,
    MessageRefused,
    OperatorSaid,
    PeerSaid,
    PolicyRead,
    Quarantined,
    RecordsArrived,
    TimePassed,
)
from monitor.core.policy import Mode
from tests.playbook import (
    Halt,
    Lease,
    Page,
    Playbook,
    ack,
    crash_and_restore,
    engine,
    hello,
    policy,
    says,
    wait,
)
from tests.streams import SECOND

SCRIPTED = {"scripted": {}}
ARMED = {"child_parent": {}}


def halt_of(issuer="monitor-2", level="halt_cancel", host="smars-8", name="a" * 64, **more):
    return {
        "type": "halt", "issuer": issuer, "halt_id": name, "level": level, "scope": {"host": host},
        "detector": "child_parent", "reason_code": "child_after_done", "event_ts": 7, **more,
    }  # fmt: skip


# -- a halt that leaks -------------------------------------------------------------------------------

LEAKY = {"scripted": {}, "leak": {}}


def halted_host():
    """A host is stopped, and its gateway says that it obeys."""
    return (
        Playbook(engine(**LEAKY))
        >> "C A"
        >> hello("a-gw-1", "a-gw-2")
        >> says("host=a-gw-1")
        << Halt("host=a-gw-1", "scripted", "halt_new")
        >> ack("a-gw-1")
        >> wait(0.2)
        >> "+1000ms"
    )


def test_a_halt_that_leaks_is_followed_by_one_a_step_wider_at_its_level():
    book = halted_host() >> "C"
    book << None
    book >> "A" << Halt("account=a-33", "after_halt", "halt_new")
    assert book.of(cmd.Halt)[0].payload["measured"] == 1
    book >> "C A C A" << None  # nobody has applied the wider one yet


def test_who_obeys_is_known_after_a_restart():
    book = halted_host() >> crash_and_restore() >> "C A"
    book << Halt("account=a-33", "after_halt", "halt_new")


def test_orders_before_the_gateway_obeys_are_no_leak():
    (
        Playbook(engine(**LEAKY))
        >> "C A"
        >> hello("a-gw-1")
        >> says("host=a-gw-1")
        >> "+1000ms C A"
        << None
        >> ack("a-gw-1", state="received")
        >> "+1000ms C A"
        << None
    )


def test_a_leak_of_the_firm_stays_the_firms():
    book = Playbook(engine(**LEAKY)) >> "C A" >> hello("a-gw-1") >> says("*") >> ack("a-gw-1")
    book >> "+1000ms C A" << Halt("*", "after_halt", "halt_new")


# -- a breach becomes a halt ---------------------------------------------------------------------


def test_a_router_that_lost_its_count_is_stopped_at_its_host():
    (
        Playbook(engine(**ARMED))
        >> "P1 C A F done +300ms"
        << None
        >> "C"
        << None
        >> "C C"
        << Halt("host=a-gw-1", "child_after_done", "halt_cancel")
        >> "C C C"
        << None
    )


def test_a_restart_in_the_middle_of_a_breach_halts_once():
    (
        Playbook(engine(**ARMED))
        >> "P1 done +300ms C C"
        >> crash_and_restore()
        << None
        >> "C"
        << Halt("host=a-gw-1", "child_after_done")
        >> crash_and_restore()
        >> "C C C"
        << None
    )


def test_a_halt_comes_before_all_else_and_in_the_trail_before_its_page():
    book = Playbook(engine(**SCRIPTED)) >> says("host=a")
    kinds = [type(command).__name__ for command in book.said]
    assert kinds == ["Record", "Halt", "Record", "State", "Page"]
    assert [c.what for c in book.of(cmd.Record)] == ["breach.seen", "halt.decided"]


def test_a_halt_says_what_the_contract_asks():
    book = Playbook(engine(**SCRIPTED)) >> says("host=a")
    (halt,) = book.of(cmd.Halt)
    assert set(halt.payload) == {
        "v", "type", "site", "env", "halt_id", "incident_id", "level", "scope", "detector", "reason_code",
        "measured", "limit", "unit", "evidence", "event_ts", "policy_digest", "mode",
    }  # fmt: skip
    assert halt.payload["evidence"][0]["topic"] == "trading.telemetry.v1"
    assert halt.payload["mode"] == "live"


def test_the_same_cause_has_the_same_id_everywhere_and_another_scope_another():
    one, two = Playbook(engine(**SCRIPTED)), Playbook(engine(**SCRIPTED))
    two >> "P1 C A F"  # another history
    ids = {(book >> says("host=a")).of(cmd.Halt)[0].halt_id for book in (one, two)}
    assert len(ids) == 1
    assert (one >> says("host=b")).of(cmd.Halt)[0].halt_id not in ids


def test_one_cause_is_halted_once_and_paged_once():
    book = Playbook(engine(**SCRIPTED))
    for _ in range(5):
        book >> says("host=a", "high")
    book << None
    book >> says("host=a") << Halt("host=a")
    for _ in range(5):
        book >> says("host=a") << None
        book >> says("host=a", "high") << None


def test_a_page_comes_at_the_first_high_and_not_at_a_warning():
    (
        Playbook(engine(**SCRIPTED))
        >> says("host=a", "warn")
        << None
        >> says("host=a", "high")
        << Page("scripted/scripted/host=a", "high")
        >> says("host=a", "warn")
        << None
        >> says("host=a", "high")
        << None
    )


def test_a_page_without_news_for_ten_minutes_is_resolved_and_a_halt_never_is():
    book = Playbook(engine(**SCRIPTED)) >> says("host=a", "high") >> says("host=b")
    book.desk.now += 601 * SECOND
    book >> "P1" >> wait(0.2)
    book << [Page("host=a", resolved=True)]
    assert list(book.engine.halts.open) != []
    book >> says("host=b") << None


def test_what_its_reason_cannot_halt_pages():
    Playbook(engine(**SCRIPTED)) >> says("host=a", reason="only_pages") << Page("host=a", "high")


# -- modes ---------------------------------------------------------------------------------------


def test_shadow_says_what_it_would_have_done_and_leaves_no_trace_in_the_ladder():
    book = Playbook(engine(scripted={"mode": "shadow"}))
    book >> says("host=a") << None
    assert book.recorded("halt.withheld")[0]["mode"] == "shadow"
    book >> says("host=a", "high") << None
    assert len(book.recorded("page.withheld")) == 1
    book >> says("host=a", "warn") << None
    own = book.engine.snapshot()["engine"]
    assert own["rungs"] == own["halts"]["open"] == []
    assert own["incidents"] == []
    assert own["siblings"] == []
    assert own["follow_up"]["waiting"] == []


def test_a_shadow_run_does_not_disarm_the_live_one_beside_it():
    book = Playbook(engine(scripted={"mode": "shadow"}, child_parent={}))
    book >> says("host=a-gw-1") >> "P1 done +300ms C C C" << Halt("host=a-gw-1", "child_after_done")


def test_page_mode_never_halts():
    book = Playbook(engine(scripted={"mode": "page"}))
    book >> says("host=a") << Page("host=a", "high")
    assert book.of(cmd.Halt) == []
    book >> says("host=a") << None


def test_the_configured_level_replaces_the_reasons_own():
    book = Playbook(engine(scripted={"level": Level.HALT_CANCEL}))
    book >> says("host=a") << Halt("host=a", level="halt_cancel")


# -- scopes --------------------------------------------------------------------------------------


def test_three_siblings_within_five_seconds_are_one_cause():
    (
        Playbook(engine(**SCRIPTED))
        >> "P1 C"
        >> says("session=a-s1")
        << Halt("session=a-s1")
        >> says("session=x")
        << Halt("session=x")
        >> says("session=y")
        << Halt("host=a-gw-1")
    )


def test_siblings_that_are_far_apart_are_three_causes():
    book = Playbook(engine(**SCRIPTED)) >> "P1 C"
    for name in ("a-s1", "x", "y"):
        book >> says(f"session={name}") << Halt(f"session={name}")
        book.desk.now += 3 * SECOND


def test_a_breach_by_a_mark_alone_never_widens():
    book = Playbook(engine(**SCRIPTED)) >> "P1 C"
    for name in ("a-s1", "x", "y", "z"):
        book >> says(f"session={name}", by_mark=True) << Halt(f"session={name}")


def test_a_scope_that_the_gateways_cannot_stop_becomes_a_wider_one():
    book = Playbook(engine(**SCRIPTED)) >> "P1 C" >> hello("g1", kinds=("host",))
    book >> says("session=a-s1") << Halt("host=a-gw-1")


def test_a_condition_that_the_gateways_cannot_stop_is_left_off():
    book = Playbook(engine(**SCRIPTED)) >> "P1 C" >> hello("g1", kinds=("host", "account"))
    book >> says("account=a-33&symbol=NOK") << Halt("account=a-33")


def test_a_parent_that_the_gateways_cannot_stop_is_stopped_where_its_orders_come_from():
    book = Playbook(engine(**SCRIPTED)) >> "P1 C" >> hello("g1", kinds=("host", "account"))
    other = {"kind": "order_new", "ts": book.desk.now, "host": "a-gw-2", "account": "a-33", "session": "a-s1"}
    book.desk.arrive(other | {"order_id": "X", "symbol": "NOK", "side": "buy", "qty": 1, "strategy": "a-st0"})
    book >> "P2" >> says("parent=P1") << Halt("host=a-gw-1")


# -- gateways ------------------------------------------------------------------------------------


def test_a_halt_that_no_gateway_answers_is_sent_again_and_pages():
    book = Playbook(engine(**SCRIPTED)) >> says("host=a")
    book >> wait(0.1) << None
    book >> wait(0.1) << Halt("host=a", again=True)
    book >> wait(0.8) << None
    book >> wait(0.1) << Page("NOT CONFIRMED host=a", "halt")
    book >> wait(4) << None
    book >> wait(0.1) << Halt("host=a", again=True)


def test_a_gateway_that_does_not_answer_is_raised_one_level_and_it_alone():
    book = Playbook(engine(**SCRIPTED)) >> hello("g1", "g2") >> says("host=a") >> ack("g1")
    book >> wait(1.1)
    book << Page("no answer from g2")
    book >> wait(1) << Halt("gateway=g2&host=a", level="halt_cancel")
    book >> ack("g2") << Page("CONFIRMED", resolved=True)
    book >> wait(9) << None


def test_with_as_many_halts_open_as_there_is_room_for_only_the_firms_is_raised(monkeypatch):
    """Else each gateway that is silent would add as many again."""
    monkeypatch.setattr("monitor.core.halts.OPEN_MAX", 2)
    book = Playbook(engine(**SCRIPTED)) >> hello("g1", "g2") >> says("host=a") >> says("host=b")
    book >> says("host=c") << Halt("*")
    book >> wait(5)
    raised = {
        payload["scope"].get("gateway"): payload["scope"] for payload in book.engine.halts.open.values()
    }
    assert raised == {None: {}, "g1": {"gateway": "g1"}, "g2": {"gateway": "g2"}}
    assert len(book.engine.halts.open) == 5


def test_a_level_is_never_raised_to_disconnect():
    book = Playbook(engine(scripted={"level": Level.HALT_CANCEL})) >> hello("g1") >> says("host=a") >> wait(9)
    assert {halt.payload["level"] for halt in book.of(cmd.Halt)} == {"halt_cancel"}


def test_a_halt_still_unanswered_is_pressed_again_after_a_restart():
    book = Playbook(engine(**SCRIPTED)) >> hello("g1") >> says("host=a") >> crash_and_restore()
    book >> wait(0.3) << Halt("host=a", again=True)


# -- others --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [2**63 - 1, 1e300, 0])
def test_a_throttle_of_any_rate_that_may_be_said_ends_no_monitor(rate):
    """It would end each life after it, too: commands are read again from their beginning."""
    book = Playbook(engine(leak={"mode": "armed"})) >> "P1 C"
    book >> OperatorSaid(halt_of("anna", level="throttle", params={"messages_per_s": rate}), ("anna",), 1)
    book >> wait(1) >> "C C"
    assert book.recorded("detector.failed") == []


def test_what_peers_and_people_halt_is_joined_into_our_state_and_never_sent_as_ours():
    book = Playbook(engine(**SCRIPTED))
    book >> PeerSaid(halt_of(), 1) << None
    assert [set(s.open[0]) for s in book.of(cmd.State)] == [set(halt_of())]
    book >> OperatorSaid(halt_of("anna", name="b" * 64), ("anna",), 1) << None
    assert len(book.engine.halts.open) == 2
    book >> PeerSaid({"type": "state", "issuer": "monitor-2", "open": [halt_of(), halt_of(name="c" * 64)]}, 1)
    assert len(book.engine.halts.open) == 3
    assert len(book.recorded("halt.joined")) == 1


def test_a_peers_state_brings_no_halts_of_elsewhere():
    book = Playbook(engine(**SCRIPTED))
    elsewhere = [halt_of(env="prod"), halt_of(site="elsewhere", name="b" * 64)]
    book >> PeerSaid({"type": "state", "issuer": "monitor-2", "open": elsewhere}, 1)
    assert book.engine.halts.open == {}


def test_no_message_lowers_a_level_or_opens_a_latch():
    book = Playbook(engine(**SCRIPTED)) >> PeerSaid(halt_of(), 1)
    book >> PeerSaid(halt_of(level="throttle"), 1)
    book >> PeerSaid({"type": "state", "issuer": "monitor-2", "open": [], "closed": ["a" * 64]}, 1)
    book >> OperatorSaid({"type": "resume", "closes": ["a" * 64]}, ("anna", "ben"), 1)
    assert [halt["level"] for halt in book.engine.halts.open.values()] == ["halt_cancel"]


def test_open_halts_survive_a_restart():
    book = Playbook(engine(**SCRIPTED)) >> says("host=a") >> PeerSaid(halt_of(), 1)
    before = dict(book.engine.halts.open)
    book >> crash_and_restore()
    assert book.engine.halts.open == before
    book >> wait(6)
    assert {halt["halt_id"] for halt in book.of(cmd.State)[0].open} == set(before)


def test_a_forged_message_wakes_somebody_and_a_foreign_one_does_not():
    book = Playbook(engine(**SCRIPTED))
    book >> MessageRefused("bad_signature", "x", True, 1) << Page("forged-message", "self")
    book >> MessageRefused("foreign", "x", False, 1) << None


# -- time and faults -----------------------------------------------------------------------------


def test_lease_each_second_state_each_five_and_a_snapshot_each_ten():
    book = Playbook(engine(**SCRIPTED)) >> wait(30)
    counts = {kind: len(book.of(kind)) for kind in (cmd.Lease, cmd.State, cmd.Save)}
    assert counts == {cmd.Lease: 30, cmd.State: 6, cmd.Save: 3}


def test_a_detector_that_fails_is_paged_once_and_the_others_go_on():
    book = Playbook(engine(scripted={}, child_parent={}))

    def broken(_postings):
        raise ZeroDivisionError("a | bug")
        yield

    book.scripted.on_postings = broken
    book >> "P1 done +300ms" << Page("detector scripted failed", "self")
    assert book.recorded("detector.failed") == [{"detector": "scripted", "why": "ZeroDivisionError: a ? bug"}]
    book >> "C C C"
    book << [
        Page("host=a-gw-1", "high"),
        Page("PART OF halt", "high", resolved=True),
        Page("STOPPED host=a-gw-1", "halt"),
    ]
    book << Halt("host=a-gw-1")
    book >> wait(1) << Lease("degraded")


@pytest.mark.parametrize("asked", ["on_time", "results"])
def test_a_detector_that_fails_at_another_question_fails_too(asked):
    book = Playbook(engine(**SCRIPTED)) >> "P1" >> wait(0.1)

    def broken(*_):
        raise ValueError(asked)

    setattr(book.scripted, asked, broken)
    book >> wait(2)
    book << Page("detector scripted failed", "self")


def test_a_detector_that_fails_at_a_changed_policy_fails_too():
    book = Playbook(engine(scripted={}, child_parent={})) >> "P1"

    def broken(_changes):
        raise ValueError("on_policy")

    book.scripted.on_policy = broken
    book >> PolicyRead(policy(scripted={}, child_parent={"mode": "page"}), "", book.now)
    assert book.engine.policy.detectors["child_parent"].mode is Mode.PAGE
    book >> wait(0.1) << Page("detector scripted failed", "self")


def test_what_a_detector_said_before_it_failed_counts():
    book = Playbook(engine(**SCRIPTED)) >> "P1"
    sound = book.scripted.on_postings

    def breaking(postings):
        yield from sound(postings)
        raise ValueError("after its breach")

    book.scripted.on_postings = breaking
    book >> says("host=a") << Halt("host=a")
    assert book.engine.doubt.faults == {"scripted": "ValueError: after its breach"}


def test_a_detector_that_failed_begins_anew_in_another_life_and_that_is_said():
    """It did not see what came after its failure: with the tables of then it would judge as if it had."""
    book = Playbook(engine(scripted={}, child_parent={})) >> "P1"

    def broken(_postings):
        raise ZeroDivisionError("a bug")

    book.engine.detectors["child_parent"].on_postings = broken
    book >> "C" >> crash_and_restore()
    assert book.engine.began_anew == {"child_parent": "it had failed: ZeroDivisionError: a bug"}
    (
        book
        >> LifeBegan(True, (), True, book.now)
        << Page("detector child_parent knows nothing of before", "self")
    )
    book >> wait(1) << Lease("degraded")


def test_time_that_nobody_watched_is_not_silence():
    """After a pause of ours the stream's clock does not jump: the records of it are still to come."""
    book = Playbook(engine(**SCRIPTED)) >> "P1" >> wait(3)
    low = book.engine.ledger.low_ns
    assert low == book.desk.now + int(1.9 * SECOND)
    book.now += 600 * SECOND
    book >> TimePassed(book.now)
    assert book.engine.ledger.low_ns == low
    book >> wait(2)
    assert book.engine.ledger.low_ns == low + SECOND


def test_time_does_not_pass_a_partition_that_lags():
    book = Playbook(engine(**SCRIPTED)) >> "P1" >> wait(1)
    low = book.engine.ledger.low_ns
    book >> wait(5, lagging=(0,))
    assert book.engine.ledger.low_ns == low


def test_it_asks_to_be_woken_for_the_lease_and_for_each_deadline():
    book = Playbook(engine(**SCRIPTED)) >> wait(1) >> says("host=a") >> wait(0.1)
    assert book.now < book.engine.wake_at_ns(book.now) <= book.now + SECOND // 10


# -- a life begins -------------------------------------------------------------------------------


def last_lease(book):
    return book.of(cmd.Lease)[-1].status


def test_a_first_life_and_one_that_knows_what_the_last_one_knew_wake_nobody():
    Playbook(engine(**ARMED)) >> LifeBegan(False, (), False, 1) << None
    Playbook(engine(**ARMED)) >> LifeBegan(True, (), True, 1) << None


@pytest.mark.parametrize(
    ("life", "said"),
    [
        (LifeBegan(True, ("snapshot-2: torn",), True, 1), "snapshot-2: torn"),
        (LifeBegan(False, ("snapshot-2: torn",), True, 1), "the session's start"),
        (LifeBegan(False, (), True, 1), "no snapshot of the life before"),
    ],
)
def test_memory_that_was_lost_is_said_in_a_page_and_in_the_lease_until_it_is_read_again(life, said):
    book = Playbook(engine(**ARMED)) >> life << Page("self/snapshot", "self")
    assert said in book.of(cmd.Page)[0].summary
    assert last_lease(book >> wait(1.1)) == "degraded"
    assert last_lease(book >> "P1 C" >> wait(1.1)) == "judging"


def test_a_family_that_the_snapshot_does_not_fit_begins_anew_and_says_so_in_every_life():
    before = (
        Playbook(engine(child_parent={"after_done_halt_count": 3}, scripted={})) >> "P1 C" >> says("host=a")
    )
    state = before.engine.snapshot()
    for settings in ({"after_done_halt_count": 5}, {"after_done_halt_count": 5, "after_done_high_count": 4}):
        after = engine(child_parent=settings, scripted={})
        after.restore(state)
        book = Playbook(after) >> LifeBegan(True, (), True, 1) << Page("began_anew/child_parent", "self")
        assert list(after.halts.open) == list(before.engine.halts.open)
        assert last_lease(book >> wait(1.1)) == "degraded"
        state = after.snapshot()


def test_other_thresholds_keep_what_is_known():
    before = Playbook(engine(child_parent={})) >> "P1 done +300ms C C"
    after = engine(child_parent={"after_done_high_count": 1})
    after.restore(before.engine.snapshot())
    assert after.began_anew == {}
    before.use(after)
    before >> "C" << Halt("host=a-gw-1", "child_after_done")


def test_a_record_that_crashed_us_is_kept_paged_and_leaves_the_lease_degraded():
    book = Playbook(engine(**ARMED)) >> "P1 C"
    empty = book.decoder.decode([], book.part, np.zeros(0, np.int64), None).batch
    crashed = Quarantined(book.part, book.told, "", CRASHED_US, "twice", b"raw")
    (
        book
        >> RecordsArrived(empty, ((book.part, book.told, book.told),), (crashed,))
        << Page("self/crashed/", "self")
    )
    assert [letter.record.raw for letter in book.of(cmd.DeadLetter)] == [b"raw"]
    assert last_lease(book >> wait(1.1)) == "degraded"


# -- what sources contradict -----------------------------------------------------------------------


def test_an_execution_told_with_other_content_is_said_with_its_place_also_after_a_restart():
    book = Playbook(engine(**SCRIPTED)) >> "P1 C F"
    (fill,) = (told for told in book.desk.events() if told["kind"] == "fill")
    said = []
    for other in ({}, {"last_qty": 7}, {"last_px": 1234}, {"side": "sell"}):
        book >> crash_and_restore()
        again = {name: fill[name] for name in ("exec_id", "order_id", "last_qty", "last_px")} | other
        book.desk.tell("fill", "dc", source="drop_copy", **again)
        told = [c.fields for c in book.tell(book.fresh()) if isinstance(c, cmd.Record)]
        assert [(each["account"], each["offset"]) for each in told] == [("a-33", book.told - 1)] * bool(other)
        said += told
    assert [each["count"] for each in said] == [1, 2, 3]
