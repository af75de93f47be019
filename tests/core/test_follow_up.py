"""Who must answer a halt, and what is done about who has not: resend, page, raise; for that gateway only."""

from monitor.core.follow_up import GATEWAYS_MAX, NOBODY, RESENDS_AT_ONCE, FollowUp

MS = 1_000_000
HALT = {"halt_id": "h", "level": "halt_new", "scope": {"host": "x"}}


def ack(gateway, state="applied", level="halt_new"):
    return {"gateway": gateway, "halt_id": "h", "state": state, "level": level}


def asked(follow, until_ms, step_ms=50):
    """(ms, what, gateways) of all deadlines, the clock going on in steps."""
    return [
        (at, late.what, late.gateways)
        for at in range(0, until_ms + 1, step_ms)
        for late in follow.due(10**18 + at * MS)
    ]


def with_gateways(*names):
    follow = FollowUp()
    for name in names:
        assert follow.hello({"gateway": name, "kinds": ["host", "session"]})
    return follow


def test_the_deadlines_are_a_tenth_one_and_two_seconds():
    follow = with_gateways("g1", "g2")
    follow.sent(HALT)
    both = ("g1", "g2")
    assert asked(follow, 5_000) == [(100, "resend", both), (1_000, "page", both), (2_000, "raise", both)]


def test_it_is_sent_each_five_seconds_until_the_answer_comes_and_each_minute_after_the_first():
    follow = with_gateways("g1")
    follow.sent(HALT)
    sent = [at for at, what, _ in asked(follow, 200_000) if what == "resend"]
    assert sent == [100, *range(5_100, 60_101, 5_000), 120_100, 180_100]
    assert follow.due(10**18 - 1) == [], "the clock went back: it waits anew"
    assert asked(follow, 200) == [(100, "resend", ("g1",))]
    assert not follow.heard(ack("g1")).missing
    assert asked(follow, 200_000) == []


def test_of_a_thousand_that_are_due_each_look_sends_fifty_the_newest_first():
    follow = with_gateways("g1")
    for number in range(1_000):
        follow.sent({**HALT, "halt_id": f"h{number}"})
    looks = [
        [late.payload["halt_id"] for late in follow.due(10**18 + at * MS) if late.what == "resend"]
        for at in range(0, 2_101, 100)
    ]
    assert [len(sent) for sent in looks] == [0, *[RESENDS_AT_ONCE] * 20, 0]
    assert set(looks[1]) == {f"h{number}" for number in range(950, 1_000)}
    assert len({halt for sent in looks for halt in sent}) == 1_000


def test_only_who_has_not_answered_is_pressed():
    follow = with_gateways("g1", "g2")
    follow.sent(HALT)
    follow.heard(ack("g1"))
    assert asked(follow, 3_000) == [
        (100, "resend", ("g2",)),
        (1_000, "page", ("g2",)),
        (2_000, "raise", ("g2",)),
    ]


def test_who_applied_in_time_is_left_alone():
    follow = with_gateways("g1")
    follow.sent(HALT)
    assert not follow.heard(ack("g1", "completed")).missing
    assert asked(follow, 3_000) == []
    assert follow.wake_at_ns(0) is None


def test_received_and_rejected_are_not_obeyed():
    follow = with_gateways("g1")
    follow.sent(HALT)
    assert follow.heard(ack("g1", "received")) is None
    assert follow.heard(ack("g1", "rejected")) is None
    assert [what for _, what, _ in asked(follow, 3_000)] == ["resend", "page", "raise"]


def test_an_answer_to_a_lower_level_does_not_count_for_the_higher():
    follow = with_gateways("g1")
    follow.sent({**HALT, "level": "halt_cancel"})
    assert follow.heard(ack("g1", level="halt_new")) is None
    assert not follow.heard(ack("g1", level="halt_cancel")).missing


def test_without_any_gateway_anybody_is_waited_for_and_nobody_is_raised():
    follow = FollowUp()
    follow.sent(HALT)
    assert asked(follow, 3_000) == [(100, "resend", (NOBODY,)), (1_000, "page", (NOBODY,))]
    assert not follow.heard(ack("g9")).missing


def test_a_halt_of_one_gateway_asks_that_one_alone():
    follow = with_gateways("g1", "g2")
    follow.sent({**HALT, "scope": {"host": "x", "gateway": "g2"}})
    assert asked(follow, 200) == [(100, "resend", ("g2",))]


def test_the_same_halt_higher_is_asked_again_of_all():
    follow = with_gateways("g1")
    follow.sent(HALT)
    follow.heard(ack("g1"))
    follow.sent(HALT)
    assert asked(follow, 3_000) == []
    follow.sent({**HALT, "level": "halt_cancel"})
    assert asked(follow, 200) == [(100, "resend", ("g1",))]


def test_it_asks_to_be_woken_at_each_deadline():
    follow = with_gateways("g1")
    follow.sent(HALT)
    follow.due(10**18)
    assert follow.wake_at_ns(10**18) == 10**18 + 100 * MS
    assert follow.wake_at_ns(10**18 + 1_500 * MS) == 10**18 + 2_000 * MS
    follow.due(10**18 + 3_000 * MS)
    assert follow.wake_at_ns(10**18 + 3_000 * MS) == 10**18 + 8_000 * MS, "when it is sent again"


def test_what_was_not_obeyed_is_followed_up_again_after_a_restart():
    follow = with_gateways("g1", "g2")
    follow.sent(HALT)
    follow.heard(ack("g1"))
    other = FollowUp()
    other.restore(follow.snapshot())
    assert asked(other, 200) == [(100, "resend", ("g2",))]


def test_a_page_is_asked_for_once_in_all_lives_and_it_is_known_that_it_is_out():
    follow = with_gateways("g1")
    follow.sent(HALT)
    assert [what for _, what, _ in asked(follow, 1_100)] == ["resend", "page"]
    other = FollowUp()
    other.restore(follow.snapshot())
    assert [what for _, what, _ in asked(other, 1_900)] == ["resend"]
    assert other.heard(ack("g1")).paged


def test_who_said_that_it_cannot_stop_the_scope_is_not_asked():
    follow = FollowUp()
    scopes = {
        "g1": [{"host": "x"}],
        "g2": [{"host": "y-*"}, {"account": "7"}],
        "g3": [{"account": "8", "host": "*"}],
        "g4": [{"host": "[z]?"}],  # an id, not a pattern
    }
    for name, told in scopes.items():
        follow.hello({"gateway": name, "scopes": told, "kinds": ["host"]})
    for scope, able in (
        ({"host": "x"}, {"g1", "g2", "g3"}),  # g2: orders of account 7 may leave by host x
        ({"host": "x", "account": "9"}, {"g1"}),
        ({"host": "y-1", "account": "8"}, {"g2", "g3"}),
        ({"host": "[z]?", "account": "9"}, {"g4"}),
        ({"host": "z?", "account": "9"}, {"g1", "g2", "g3", "g4"}),  # nobody says so: all
        ({"symbol": "NOK"}, {"g1", "g2", "g3", "g4"}),
        ({}, {"g1", "g2", "g3", "g4"}),
    ):
        follow.sent({**HALT, "scope": scope})
        assert follow.waiting["h"].missing == able, scope


def test_where_no_gateway_says_that_it_can_all_are_asked():
    follow = FollowUp()
    for name in ("g1", "g2"):
        follow.hello({"gateway": name, "scopes": [{"host": name}], "kinds": ["host"]})
    follow.sent(HALT)
    assert follow.waiting["h"].missing == {"g1", "g2"}


def test_a_halt_counts_as_unanswered_after_a_quarter_of_a_second():
    follow = with_gateways("g1", "g2")
    follow.sent(HALT)
    follow.due(10**18)
    assert [follow.unanswered(10**18 + ms * MS) for ms in (0, 249, 250)] == [0, 0, 1]
    follow.heard(ack("g1"))
    assert follow.unanswered(10**18 + 300 * MS) == 1
    follow.heard(ack("g2"))
    assert follow.unanswered(10**18 + 300 * MS) == 0


def test_a_clock_that_went_back_starts_the_wait_again():
    follow = with_gateways("g1")
    follow.sent(HALT)
    follow.due(10**18)
    follow.due(10**18 - 5_000 * MS)
    assert [late.what for late in follow.due(10**18 - 4_900 * MS)] == ["resend"]


def test_what_all_gateways_can_stop_can_be_stopped():
    follow = with_gateways("g1")
    follow.hello({"gateway": "g2", "kinds": ["host", "account"]})
    assert follow.stoppable == {"host"}
    assert FollowUp().stoppable is None


def test_one_gateway_too_many_is_said():
    follow = FollowUp()
    for n in range(GATEWAYS_MAX):
        follow.hello({"gateway": str(n)})
    assert not follow.hello({"gateway": "more"})
    assert follow.hello({"gateway": "7"})
