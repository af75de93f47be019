"""The same again: each reason, each exception, each boundary; and equal to the slow oracle."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Level
from detectors.repeat import Repeat, RepeatSettings, tables
from monitor.settings import ConfigError, load_text
from tests.desk import DAY, MS, SECOND, START, Told
from tests.detectors.recorded import BOTH, day, loud, recorded
from tests.detectors.tell import Telling
from tests.oracle.repeat import Repeat as Oracle
from tests.streams import MESSY, WILD, order_streams

ANSWERS: Final = frozenset({"order_ack"})


class Story:
    """One line an event; time moves by hand."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.at, self.orders, self.fills = START, 0, 0

    def after(self, ns: int) -> Story:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> Story:
        told = {"kind": kind, "ts": self.at, "arrival_ts": self.at, "host": "h1"} | fields
        self.told.append({k: v for k, v in told.items() if v is not None})
        return self

    def parent(self, name: str = "P", qty: float = 1_000, **more: Any) -> Story:
        return self.say("parent_new", source="oms", host="oms", parent_id=name, account="A", symbol="NOK", side="buy", qty=qty, **more)  # fmt: skip

    def oms(self, kind: str, name: str = "P", **more: Any) -> Story:
        return self.say(kind, source="oms", host="oms", parent_id=name, **more)

    def send(self, count: int = 1, gap: int = MS, *, acked: bool = False, **more: Any) -> Story:
        for _ in range(count):
            self.after(gap)
            self.orders += 1
            fields = {"order_id": f"O{self.orders}", "account": "A", "session": "s1", "strategy": "st", "symbol": "NOK", "venue": "X", "side": "buy", "qty": 100, "price": 10}  # fmt: skip
            self.say("order_new", **(fields | more))
            if acked:
                self.ack()
        return self

    def ack(self, order: int | None = None) -> Story:
        return self.say("order_ack", order_id=f"O{order or self.orders}", session="s1")

    def cancel(self, order: int | None = None) -> Story:
        return self.say("order_cancel", order_id=f"O{order or self.orders}", session="s1")

    def fill(self, order: int | None = None, qty: float = 100, **more: Any) -> Story:
        self.fills += 1
        return self.say("fill", **({"exec_id": f"E{self.fills}", "order_id": f"O{order or self.orders}", "session": "s1", "last_qty": qty, "last_px": 10} | more))  # fmt: skip


def heard(story: Story, settings: dict[str, Any] | None = None, **view: Any) -> list[str]:
    said = Telling(Repeat, settings, **({"witnesses": ANSWERS} | view)).tell(story.told)
    return [f"{b.severity.word} {b.reason} {b.scope} {b.measured:g}" for b in said]


# -- duplicate -------------------------------------------------------------------------------------


def test_ten_equal_orders_in_a_second_are_recorded_twenty_five_page_fifty_stop_the_session():
    said = heard(Story().send(60, acked=True))
    assert said == [
        f"{word} duplicate session=s1 {n}" for word, n in (("warn", 10), ("high", 25), ("halt", 50))
    ]
    assert heard(Story().send(9, acked=True)) == []
    assert heard(Story().send(24, acked=True)) == said[:1]
    assert heard(Story().send(49, acked=True)) == said[:2]
    assert Repeat.reason("duplicate").level is Level.HALT_CANCEL


def test_a_second_is_ten_tenths_of_a_second():
    assert heard(Story().send(9, acked=True).after(900 * MS).send(acked=True)) == [
        "warn duplicate session=s1 10"
    ]
    assert heard(Story().send(9, acked=True).after(SECOND).send(acked=True)) == []


def test_one_that_differs_in_anything_is_not_equal():
    for field, others in {
        "account": "B", "session": "s2", "venue": "Y", "symbol": "ES", "side": "sell", "qty": 101, "price": 10.01,
    }.items():  # fmt: skip
        assert heard(Story().send(9, acked=True).send(acked=True, **{field: others})) == [], field
    assert heard(Story().send(9, acked=True).send(acked=True)) == ["warn duplicate session=s1 10"]


def test_orders_at_market_are_equal_too():
    assert heard(Story().send(10, acked=True, price=None)) == ["warn duplicate session=s1 10"]


def test_a_sweep_to_eight_venues_repeats_nothing():
    story = Story()
    for venue in range(8):
        story.send(1, 0, venue=f"V{venue}")
    assert heard(story) == []


def test_five_equal_orders_without_any_answer_stop_the_session():
    assert heard(Story().send(5, gap=SECOND)) == ["halt duplicate session=s1 5"]
    assert heard(Story().send(4, gap=SECOND)) == []


@pytest.mark.parametrize("answer", ["order_ack", "order_reject", "order_cancel", "fill"])
def test_any_answer_to_any_of_them_lets_those_after_it_begin_anew(answer):
    story = Story().send(4)
    if answer == "fill":
        story.fill(4, qty=50)
    else:
        story.say(answer, order_id="O4", session="s1", reason="no" if answer == "order_reject" else None)
    assert heard(story.send(4)) == []
    assert heard(story.send()) == ["halt duplicate session=s1 5"]


def test_one_lost_answer_among_others_stops_nobody():
    assert heard(Story().send(3, gap=SECOND).send(30, gap=SECOND, acked=True)) == []


def test_unanswered_orders_more_than_a_minute_apart_are_not_one_run():
    assert heard(Story().send(4).after(60 * SECOND + MS).send()) == []
    assert heard(Story().send(4).after(59 * SECOND).send()) == ["halt duplicate session=s1 5"]


def test_where_nobody_tells_answers_nobody_is_stopped_for_want_of_them():
    assert heard(Story().send(9), witnesses=frozenset()) == []


def test_orders_by_hand_await_no_answer_on_the_wire():
    assert heard(Story().send(9, origin="manual")) == []
    assert heard(Story().send(10, origin="manual")) == ["warn duplicate session=s1 10"]


def test_a_day_order_that_just_ends_is_answered():
    story = Story().send(4).say("session_phase", source="market", venue="X", phase="closed").send()
    assert heard(story) == []


def test_what_stays_within_a_live_parent_is_no_repetition():
    assert heard(Story().parent(qty=1_000).send(10, parent_id="P")) == []
    over = Story().parent(qty=1_000).send(14, parent_id="P")
    assert heard(over) == []
    assert heard(over.send(parent_id="P")) == ["halt duplicate session=s1 5"]


def test_an_immediate_order_tried_again_and_again_stays_within_its_parent():
    story = Story().parent(qty=100)
    for _ in range(60):
        story.send(parent_id="P", tif="ioc").cancel()
    assert heard(story) == []


def test_a_parent_that_is_done_covers_nothing_after_the_grace():
    story = Story().parent().send(parent_id="P").oms("parent_done")
    assert heard(story.after(200 * MS).send(5, parent_id="P")) == []
    assert heard(story.after(100 * MS).send(5, parent_id="P")) == ["halt duplicate session=s1 5"]


def test_a_parent_opened_again_covers_again():
    story = Story().parent().send(parent_id="P").oms("parent_done").after(SECOND)
    story.oms("parent_replace", qty=2_000)
    assert heard(story.send(5, parent_id="P")) == []
    busted = Story().parent().send(parent_id="P").fill().oms("parent_done").after(SECOND)
    busted.say("fill_bust", exec_ref_id="E1", venue="X")
    assert heard(busted.send(5, parent_id="P")) == []


def test_a_parent_that_is_held_covers_nothing_until_it_is_released():
    story = Story().parent().oms("parent_suspend", suspended=True)
    assert heard(story.send(5, parent_id="P")) == ["halt duplicate session=s1 5"]
    free = Story().parent().oms("parent_suspend", suspended=True).oms("parent_suspend", suspended=False)
    assert heard(free.send(5, parent_id="P")) == []


def test_a_child_of_another_symbol_than_its_parents_is_not_covered_by_it():
    assert heard(Story().parent().send(5, parent_id="P", symbol="ES")) == ["halt duplicate session=s1 5"]


def test_a_parent_that_is_not_announced_yet_may_only_be_late():
    assert heard(Story().send(9, parent_id="P")) == []
    assert heard(Story().send(10, parent_id="P")) == ["warn duplicate session=s1 10"]


def test_a_storm_is_said_once_and_again_after_a_second_below():
    assert len(heard(Story().send(200, acked=True))) == 3
    twice = Story().send(12, acked=True).after(2 * SECOND).send(12, acked=True)
    assert heard(twice) == ["warn duplicate session=s1 10"] * 2
    soon = Story().send(12, acked=True).after(1_900 * MS).send(12, acked=True)
    assert heard(soon) == ["warn duplicate session=s1 10"]


def test_an_order_without_a_session_is_its_hosts_else_its_accounts_else_the_firms():
    assert heard(Story().send(5, session=None)) == ["halt duplicate host=h1 5"]
    assert heard(Story().send(5, session=None, host=None)) == ["halt duplicate account=A 5"]


def test_a_duplicate_shows_the_equal_orders_and_what_they_are_worth():
    telling = Telling(Repeat, witnesses=ANSWERS)
    (halt,) = telling.tell((story := Story().send().send(qty=7).send(4)).told)
    assert halt.evidence.ranges == ((0, 0, 0), (0, 2, 5))
    assert (halt.evidence.count, halt.exposed_usd, halt.limit, halt.unit) == (5, 5_000, 5, "orders")
    (warn,) = telling.tell(story.after(5 * SECOND).send(10, acked=True, price=None).told[6:])
    assert (warn.evidence.count, warn.exposed_usd) == (10, None)


def test_osakas_one_order_is_stopped_at_its_fifth():
    """Deutsche Bank, 1 June 2010: one order 6,910 times."""
    assert heard(Story().send(6_910, gap=10 * MS))[0] == "halt duplicate session=s1 5"


def test_infiniums_one_lots_are_stopped_within_their_fiftieth():
    story = Story()
    for _ in range(60):
        story.send(qty=1, gap=450_000).ack().fill(qty=1)
    assert "halt duplicate session=s1 50" in heard(story)


# -- resent_filled ---------------------------------------------------------------------------------


def cycles(count: int, gap: int = 900 * MS, **more: Any) -> Story:
    """Filled, and sent again: `count` times."""
    story = Story().send(**more).ack().fill()
    for _ in range(count):
        story.after(gap).send(**more).ack().fill()
    return story


def test_an_order_sent_again_after_it_was_filled_is_recorded_five_page_ten_stop_the_session():
    said = heard(cycles(12))
    assert said == [
        f"{word} resent_filled session=s1 {n}" for word, n in (("warn", 1), ("high", 5), ("halt", 10))
    ]
    assert heard(cycles(4)) == said[:1]
    assert heard(cycles(9)) == said[:2]


def test_three_times_in_ten_seconds_is_what_value_traders_do():
    """Why it takes five to page: see `RepeatSettings`."""
    assert heard(cycles(3, gap=2 * SECOND)) == ["warn resent_filled session=s1 1"]
    assert heard(cycles(3, gap=2 * SECOND), {"resent_high_count": 3})[-1] == "high resent_filled session=s1 3"


@pytest.mark.parametrize(("after", "says"), [(10 * SECOND, 1), (10 * SECOND + 1, 0)])
def test_ten_seconds_after_the_fill_it_is_another_order(after, says):
    assert len(heard(Story().send().ack().fill().send(gap=after))) == says


def test_only_one_that_was_filled_in_full_can_be_repeated():
    assert heard(Story().send().ack().fill(qty=99.5).send()) == []
    assert len(heard(Story().send().ack().fill(qty=99.5).fill(qty=0.5).send())) == 1


def test_an_order_that_rested_for_an_hour_is_remembered_when_it_is_filled():
    story = Story().send().ack()
    for other in range(400):
        story.after(10 * SECOND).send(qty=1_000 + other, acked=True)
    assert heard(story.fill(1).after(SECOND).send()) == ["warn resent_filled session=s1 1"]


def test_what_a_live_parent_covers_is_not_sent_again_but_what_it_filled_is():
    assert heard(Story().parent().send(parent_id="P").fill().send(parent_id="P")) == []
    story = Story().parent(qty=100).send(parent_id="P").fill().after(SECOND).send(parent_id="P")
    assert heard(story) == ["warn resent_filled session=s1 1"]


def test_a_person_may_enter_what_was_filled_again():
    assert heard(Story().send().fill().send(origin="manual")) == []


def test_a_replaced_order_is_repeated_by_what_equals_its_last_terms():
    def replaced(**more: Any) -> list[str]:
        story = Story().send().ack()
        story.say("order_replace", order_id="R1", orig_order_id="O1", session="s1", qty=300, price=11)
        return heard(story.fill(qty=300).send(**more))

    assert replaced() == []
    assert replaced(qty=300, price=11) == ["warn resent_filled session=s1 1"]


def test_an_order_told_after_its_fill_was_filled_all_the_same():
    story = Story()
    story.orders = 1
    story.fill(source="drop_copy").after(MS)
    story.orders = 0
    assert heard(story.send().send()) == ["warn resent_filled session=s1 1"]


def test_a_fill_of_an_order_that_nobody_announced_is_nobodys_to_repeat():
    assert heard(Story().fill(7).send(5, gap=SECOND, acked=True)) == []


# -- repeated_execution ----------------------------------------------------------------------------

TEN: Final = {"limit": ({"scope": "strategy=*", "executions": 10},)}


def entries(count: int, **more: Any) -> Story:
    """Filled, and entered again on other terms: `count` times."""
    story = Story().send(**more).ack().fill()
    for n in range(count):
        story.after(MS).send(qty=100 + n + 1, **more).ack().fill()
    return story


def test_the_tenth_entry_after_a_fill_stops_a_strategy_that_has_ten():
    said = heard(entries(10), TEN)
    assert said == ["warn repeated_execution strategy=st 8", "halt repeated_execution strategy=st 10"]
    assert heard(entries(9), TEN) == said[:1]
    assert heard(entries(7), TEN) == []


def test_without_a_limit_it_is_not_judged():
    assert heard(entries(30)) == []
    assert heard(entries(30), {"limit": ({"scope": "strategy=other", "executions": 10},)}) == []
    assert heard(entries(30, strategy=None), TEN) == []


def test_the_row_that_names_a_strategy_counts_for_it():
    rows = ({"scope": "strategy=*", "executions": 10}, {"scope": "strategy=st", "executions": 20})
    assert heard(entries(19), {"limit": rows})[-1] == "warn repeated_execution strategy=st 16"


def test_after_a_stop_the_next_ten_are_counted_again():
    said = heard(entries(20), TEN)
    assert said == ["warn repeated_execution strategy=st 8", "halt repeated_execution strategy=st 10"] * 2


def test_an_order_by_hand_shows_a_person():
    story = entries(9).send(origin="manual").ack().fill()
    for n in range(9):
        story.send(qty=500 + n).ack().fill()
    assert [s.split()[0] for s in heard(story, TEN)] == ["warn", "warn"]


def test_a_new_trade_date_begins_anew():
    story = entries(9).after(DAY)
    for n in range(5):
        story.send(qty=500 + n).ack().fill()
    assert [s.split()[0] for s in heard(story, TEN)] == ["warn"]


def test_an_entry_in_another_symbol_is_none_after_this_fill():
    story = Story()
    for n in range(30):
        story.send(symbol=f"S{n}").ack().fill()
    assert heard(story, TEN) == []


def test_children_within_their_parent_are_one_decision():
    story = Story().parent(qty=10_000)
    for n in range(20):
        story.send(parent_id="P", qty=100 + n).ack().fill(qty=100 + n)
    assert heard(story, TEN) == []


def test_the_own_fill_of_an_order_told_late_is_not_the_one_before_it():
    story = Story()
    for n in range(1, 30):
        story.orders = n
        story.fill(source="drop_copy", strategy="st").after(MS)
        story.orders = n - 1
        story.send(qty=100 + n).after(MS)
    assert heard(story, TEN)[0] == "warn repeated_execution strategy=st 8"
    assert heard(story, {"limit": ({"scope": "strategy=*", "executions": 28},)})[-1].startswith("halt")
    assert not any(
        s.startswith("halt") for s in heard(story, {"limit": ({"scope": "strategy=*", "executions": 29},)})
    )


def test_it_shows_each_entry_and_the_next_count_shows_its_own():
    telling = Telling(Repeat, TEN, witnesses=ANSWERS)
    said = telling.tell(entries(20).told)
    assert [b.evidence.count for b in said] == [8, 10, 8, 10]
    assert [b.limit for b in said] == [8, 10, 8, 10]


# -- the whole -------------------------------------------------------------------------------------


def test_more_different_orders_than_there_is_room_for_forget_the_oldest(monkeypatch):
    telling = Telling(Repeat, witnesses=ANSWERS)
    state = telling.detector.tables["state"]
    state[tables.S_GROUPS] = tables.GROUPS_MAX - 3
    telling.detector.tables["groups"][:, tables.G_NEWEST] = START
    assert telling.tell(Story().send(2).send(2, qty=7).send(2, qty=8).send(5, qty=9).told)[-1].measured == 5
    assert state[tables.S_FORGOTTEN] > 0
    assert state[tables.S_GROUPS] < tables.GROUPS_MAX


def test_rows_of_groups_that_are_over_are_used_again():
    telling = Telling(Repeat, witnesses=ANSWERS)
    story = Story()
    for n in range(500):
        story.send(gap=SECOND, qty=n + 1, acked=True)
    assert telling.tell(story.told) == []
    assert telling.detector.tables["state"][tables.S_GROUPS] < 50


def test_settings_that_no_window_can_reach_are_refused():
    assert RepeatSettings(duplicate_halt_count=63).duplicate_halt_count == 63
    with pytest.raises(ValueError, match="duplicate_halt_count 64 and resent_high_count 99; at most 63"):
        RepeatSettings(duplicate_halt_count=64, resent_high_count=99)


def test_executions_are_limited_by_strategy_only():
    with pytest.raises(ValueError, match=r"limit account=A: executions are counted by strategy"):
        RepeatSettings(limit=({"scope": "account=A", "executions": 5},))


def test_it_may_be_armed_without_a_limit_and_then_judges_the_rest():
    head = 'site = "s"\nenv = "prod"\n[detectors.repeat]\nmode = "armed"\n'
    assert load_text(head).detectors["repeat"].settings == RepeatSettings()
    limited = load_text(head + 'limit = [{ scope = "strategy=st", executions = 10 }]').detectors["repeat"]
    assert limited.settings.limit == ({"scope": "strategy=st", "executions": 10},)
    with pytest.raises(ConfigError, match='write scope = "strategy=\\*"'):
        load_text(head + 'limit = [{ scope = "account=A", executions = 10 }]')


def test_the_kernels_read_every_setting_and_then_what_the_firm_has():
    assert len(RepeatSettings().fixed()) == tables.L_HAS_ACK


def test_every_setting_explains_itself_and_names_its_unit():
    for name, setting in RepeatSettings.__dataclass_fields__.items():
        assert setting.metadata["doc"].endswith((".", "..."))
        assert name.rpartition("_")[2] in {"ns", "count", "share", "limit"}


TIGHT = st.fixed_dictionaries(
    {
        "done_grace_ns": st.sampled_from((0, 250 * MS)),
        "duplicate_warn_count": st.sampled_from((1, 2, 10)),
        "duplicate_high_count": st.sampled_from((3, 25)),
        "duplicate_halt_count": st.sampled_from((4, 50)),
        "duplicate_unanswered_count": st.sampled_from((1, 2, 5)),
        "duplicate_unanswered_ns": st.sampled_from((SECOND, 60 * SECOND)),
        "resent_after_ns": st.sampled_from((100 * MS, 10 * SECOND, 30 * SECOND)),
        "resent_high_count": st.sampled_from((2, 5)),
        "resent_halt_count": st.sampled_from((3, 10)),
        "executions_warn_share": st.sampled_from((0.5, 0.8)),
        "limit": st.sampled_from(
            (
                (),
                ({"scope": "strategy=*", "executions": 2},),
                ({"scope": "strategy=*", "executions": 5}, {"scope": "strategy=a-st0", "executions": 3}),
            )
        ),
    }
)


@pytest.mark.parametrize("moves", [MESSY, WILD], ids=["messy", "wild"])
@given(data=st.data(), settings=TIGHT, with_answers=st.booleans())
def test_it_says_what_the_slow_oracle_says(moves, data, settings, with_answers):
    stream = data.draw(order_streams(moves, size_max=40))
    telling = Telling(Repeat, settings, scale=1 << 10, witnesses=ANSWERS if with_answers else frozenset())
    oracle = Oracle(telling.settings, telling.view)
    for told in stream:
        for run in telling.ledger.post(telling.decode([told])):
            ours = [plain(b) for b in telling.detector.on_postings(run)]
            assert ours == [tuple(map(rounded, said)) for said in oracle.hear(run)]


def plain(b: Any) -> tuple[Any, ...]:
    said = (b.reason, int(b.severity), b.scope.text, b.measured, b.limit, b.unit, b.at_ns, b.row, b.exposed_usd)  # fmt: skip
    return tuple(map(rounded, said))


def rounded(value: Any) -> Any:
    """Dollars to eight digits: one side multiplies in another order."""
    return float(f"{value:.8g}") if isinstance(value, float) else value


@given(stream=order_streams(WILD, size_max=40), settings=TIGHT, cuts=st.sets(st.integers(0, 60)))
def test_cutting_the_stream_and_starting_again_from_a_snapshot_change_nothing(stream, settings, cuts):
    whole, pieces = (Telling(Repeat, settings, witnesses=ANSWERS) for _ in range(2))
    expected = whole.tell(stream)
    said = []
    for first, last in pairwise([0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]):
        said += pieces.tell(stream[first:last])
        pieces.restart()
    assert [replace(b, row=0) for b in said] == [replace(b, row=0) for b in expected]


# -- days ------------------------------------------------------------------------------------------


@BOTH
def test_a_clean_recording_pages_nobody(name):
    assert loud(day(Telling(Repeat, witnesses=ANSWERS), recorded(name))) == []
