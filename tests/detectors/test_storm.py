"""What comes back in a storm: each reason, each exception, each boundary; and equal to the slow oracle."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Severity
from detectors.storm import Storm, StormSettings, masked, tables
from monitor.scenarios import registry
from monitor.scenarios.day import ONSET_NS
from monitor.scenarios.files import simulate
from tests.desk import MS, SECOND, START, Told
from tests.detectors.recorded import BOTH, day, loud, recorded
from tests.detectors.tell import Telling
from tests.oracle.storm import Storm as Oracle
from tests.streams import MESSY, STORM, order_streams

PEG: Final = "Power Peg disabled"


class Story:
    """One line an event; time moves by hand."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.at, self.orders = START, 0

    def after(self, ns: int) -> Story:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> Story:
        told = {"kind": kind, "ts": self.at, "arrival_ts": self.at, "host": "h1"} | fields
        self.told.append({k: v for k, v in told.items() if v is not None})
        return self

    def send(self, count: int = 1, gap: int = MS, **more: Any) -> Story:
        for _ in range(count):
            self.after(gap)
            self.orders += 1
            fields = {"order_id": f"O{self.orders}", "account": "A", "session": "s1", "symbol": "NOK", "side": "buy", "qty": 100, "price": 10}  # fmt: skip
            self.say("order_new", **(fields | more))
        return self

    def ack(self) -> Story:
        return self.say("order_ack", order_id=f"O{self.orders}", session="s1")

    def reject(self, order: int | None = None, reason: str = "too late", **more: Any) -> Story:
        return self.say("order_reject", **({"order_id": f"O{order or self.orders}", "session": "s1", "reason": reason} | more))  # fmt: skip

    def cancel(self, order: int | None = None, **more: Any) -> Story:
        return self.say("order_cancel", **({"order_id": f"O{order or self.orders}", "session": "s1"} | more))

    def mix(self, good: int, bad: int, *, gap: int = MS, what: str = "reject", within: int = MS) -> Story:
        """So many orders that are acknowledged, and so many that come back."""
        for n in range(good + bad):
            self.send(gap=gap)
            if (n * bad) // (good + bad) < ((n + 1) * bad) // (good + bad):
                self.after(within)
                self.reject() if what == "reject" else self.cancel()
            else:
                self.ack()
        return self

    def error(self, host: str = "h1", reason: str = PEG, **more: Any) -> Story:
        return self.after(MS).say("error", host=host, reason=reason, **more)

    def beat(self, *hosts: str, role: str | None = "router") -> Story:
        for host in hosts:
            self.say("heartbeat", source="fleet", host=host, build="b1", role=role)
        return self


def heard(
    story: Story, settings: dict[str, Any] | None = None, wait: int = 2 * SECOND, **view: Any
) -> list[str]:
    """What the family says of a story, and then of silence."""
    telling = Telling(Storm, settings, **view)
    said = [*telling.tell(story.told), *telling.wait(story.at + wait)]
    return [f"{b.severity.word} {b.reason} {b.scope} {b.measured:g}" for b in said]


def only(reason: str, said: list[str]) -> list[str]:
    return [s for s in said if f" {reason} " in s]


# -- rejects ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("good", "bad", "says"), [(16, 4, 1), (17, 4, 0), (15, 4, 0)])
def test_a_fifth_of_twenty_orders_rejected_is_recorded(good, bad, says):
    assert only("rejects", heard(Story().mix(good, bad))) == ["warn rejects session=s1 20"] * says


@pytest.mark.parametrize(
    ("good", "bad", "words"), [(30, 20, "warn high"), (31, 20, "warn"), (29, 20, "warn")]
)
def test_two_fifths_of_fifty_page_when_three_evaluations_running_see_them(good, bad, words):
    said = only("rejects", heard(Story().mix(good, bad), wait=5 * SECOND))
    assert " ".join(s.split()[0] for s in said) == words


def test_two_evaluations_are_not_three():
    assert len(only("rejects", heard(Story().mix(30, 20), wait=2 * SECOND))) == 1
    assert len(only("rejects", heard(Story().mix(30, 20), wait=3 * SECOND))) == 2


@pytest.mark.parametrize(("good", "bad", "word"), [(80, 120, "halt"), (81, 119, "warn"), (79, 119, "warn")])
def test_three_fifths_of_two_hundred_stop_the_session_at_once(good, bad, word):
    said = only("rejects", heard(Story().mix(good, bad), wait=SECOND))
    assert said[-1].split()[:3] == [word, "rejects", "session=s1"]


def test_a_gates_own_refusals_do_not_count():
    story = Story()
    for _ in range(300):
        story.send().reject(source="gateway", reason="limit_violation")
    assert heard(story) == []
    story.mix(0, 50)
    assert [s.split()[0] for s in only("rejects", heard(story))] == []


def test_a_burst_whose_rejects_come_late_is_a_share_of_the_burst():
    story = Story().send(1_000, gap=100_000).after(9_800 * MS)
    for order in range(1, 1_001):
        if order % 7 == 0:
            story.reject(order)
        else:
            story.say("order_ack", order_id=f"O{order}", session="s1")
    assert only("rejects", heard(story.after(SECOND).send(30))) == []


def test_a_reject_told_before_its_order_counts_with_it():
    story = Story()
    for order in range(1, 31):
        story.after(MS).reject(order).send(gap=0)
    assert only("rejects", heard(story)) == ["warn rejects session=s1 100"]


def test_a_share_falls_with_its_window_and_is_said_again():
    story = Story().mix(0, 20).after(15 * SECOND).send(20, gap=10 * MS).after(5 * SECOND).mix(0, 30)
    assert [s.split()[0] for s in only("rejects", heard(story))] == ["warn", "warn"]


def test_rejects_show_their_records():
    telling = Telling(Storm)
    story = Story().mix(10, 10)
    said = [*telling.tell(story.told), *telling.wait(story.at + SECOND)]
    warn = next(b for b in said if b.reason == "rejects")
    assert (warn.measured, warn.limit, warn.unit, warn.evidence.count) == (50, 20, "% of orders", 10)


# -- cancels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("good", "bad", "says"), [(80, 120, 1), (81, 119, 0), (79, 120, 0)])
def test_three_fifths_of_two_hundred_orders_cancelled_at_once_are_recorded(good, bad, says):
    said = only("cancels", heard(Story().mix(good, bad, what="cancel"), wait=SECOND))
    assert [s.split()[0] for s in said] == ["warn"] * says


@pytest.mark.parametrize(("within", "says"), [(10 * MS, 1), (10 * MS + 1, 0)])
def test_ten_milliseconds_after_it_was_sent_a_cancel_is_an_ordinary_one(within, says):
    said = only("cancels", heard(Story().mix(0, 200, what="cancel", within=within), wait=SECOND))
    assert [s.split()[0] for s in said] == ["warn"] * says


def test_four_fifths_running_page_and_nine_tenths_of_a_thousand_running_stop_the_session():
    said = only("cancels", heard(Story().mix(200, 800, what="cancel"), wait=4 * SECOND))
    assert [s.split()[0] for s in said] == ["warn", "high"]
    said = only("cancels", heard(Story().mix(100, 900, what="cancel"), wait=4 * SECOND))
    assert said[-1] == "halt cancels session=s1 90"
    said = only("cancels", heard(Story().mix(99, 900, what="cancel"), wait=4 * SECOND))
    assert said[-1].startswith("high")


@pytest.mark.parametrize("why", ["ioc", "expired", "self_trade", "venue", "risk"])
def test_only_what_was_asked_for_is_a_cancel(why):
    story = Story()
    for _ in range(300):
        story.send().cancel(reason_class=why)
    assert heard(story) == []


def test_a_cancel_told_before_its_order_counts_with_it():
    story = Story()
    for order in range(1, 251):
        story.after(MS).cancel(order).send(gap=0)
    assert [s.split()[0] for s in only("cancels", heard(story, wait=SECOND))] == ["warn"]


def test_allstons_loop_is_stopped():
    """Sent and cancelled for an hour, 2012: here for its first seconds."""
    story = Story()
    for _ in range(1_500):
        story.send(gap=8 * MS).ack().after(2 * MS).cancel()
    said = only("cancels", heard(story))
    assert said[-1] == "halt cancels session=s1 100"


def test_an_ordinary_share_of_cancels_says_nothing():
    story = Story()
    for _ in range(1_500):
        story.send(gap=2 * MS).ack().after(11 * MS).cancel()
    assert heard(story) == []


# -- unknown_reason --------------------------------------------------------------------------------


def test_digits_and_ids_are_masked_and_what_is_left_is_the_text():
    assert masked("Order 0x1F-9: qty 12,500.00 > 10000 @ 10.5%") == "order # qty #"
    assert masked("too late") == masked("  Too   LATE!") != masked("too soon")
    assert masked("rejected by 'NSDQ' for account=ABC") == masked("rejected by 'BATS' for account=X9")
    assert masked("ünknown ÄCCOUNT 7") == "ünknown äccount #"
    assert masked("") == ""


def test_without_a_baseline_and_without_peers_nobody_can_tell_and_it_is_recorded_only():
    story = Story().beat("h1", "h2", "h3", "h4")  # three peers
    for _ in range(97):
        story.after(3 * SECOND).beat("h1", "h2", "h3", "h4").error()
    assert heard(story) == ["warn unknown_reason host=h1 1"]


def test_what_one_of_five_hosts_says_three_times_in_ten_minutes_pages():
    def story(count: int, gap: int) -> Story:
        told = Story()
        for _ in range(count):
            told.beat("h1", "h2", "h3", "h4", "h5").error().after(gap)
        return told

    expected = ["warn unknown_reason host=h1 1", "high unknown_reason host=h1 3"]
    assert heard(story(3, 40 * SECOND)) == expected
    assert heard(story(2, 40 * SECOND)) == expected[:1]
    assert heard(story(3, 299 * SECOND)) == expected
    assert [s.split()[0] for s in heard(story(3, 301 * SECOND))] == ["warn"]


def test_ids_in_the_messages_of_another_host_hide_no_message_that_is_new():
    """More texts than there are names for: what came after them was one text, which everybody said."""
    story = Story().beat("h1", "h2", "h3", "h4", "h5")
    for n in range(tables.TEXTS_MAX + 100):
        story.error("h2", reason=f"order ORD-{n:x}-7 not found")
    said = heard(story.error().error().error())
    assert [s for s in said if "host=h1" in s] == ["high unknown_reason host=h1 3"]


def test_a_host_is_alive_for_a_minute_after_its_heartbeat():
    told = Story().beat("h2", "h3", "h4", "h5", "h1")
    assert heard(told.after(58 * SECOND).error().error().error())[-1].startswith("high")
    told = Story().beat("h2", "h3", "h4", "h5", "h1")
    assert heard(told.after(60 * SECOND).error().error().error())[-1].startswith("warn")


def test_hosts_of_another_role_or_of_none_are_no_peers():
    for role in ("oms", None):
        story = Story().beat("h1").beat("h2", "h3", "h4", "h5", role=role).error().error().error()
        assert [s.split()[0] for s in heard(story)] == ["warn"]


def test_what_a_peer_says_too_is_no_longer_unknown():
    story = Story().beat("h1", "h2", "h3", "h4", "h5").error("h2", reason="peg 4 disabled")
    said = heard(
        story.error(reason="Peg 17 disabled").error(reason="PEG 18 disabled").error(reason="peg 4 disabled")
    )
    assert said == []


def test_with_a_baseline_what_is_in_it_is_known_and_what_is_not_is_unknown_alone_too():
    known = frozenset({masked("queue 7 full")})
    assert heard(Story().error(reason="queue 8 full").error(reason="Queue 9 full"), known_reasons=known) == []
    said = heard(Story().error().error().error(), known_reasons=known)
    assert said == ["high unknown_reason host=h1 3"]


def test_a_baseline_of_days_on_which_nobody_said_anything_is_one_too():
    said = heard(Story().error().error().error(), known_reasons=frozenset())
    assert said == ["high unknown_reason host=h1 3"]


def test_a_message_that_says_how_often_counts_so_often():
    known = frozenset({"ok"})
    assert heard(Story().error(count=3), known_reasons=known) == ["high unknown_reason host=h1 3"]
    assert heard(Story().error(count=2), known_reasons=known) == ["warn unknown_reason host=h1 2"]


def test_the_same_message_told_twice_at_once_is_one():
    story = Story().error()
    for _ in range(5):
        story.say("error", reason=PEG)
    assert heard(story, known_reasons=frozenset({"ok"})) == ["warn unknown_reason host=h1 1"]


@pytest.mark.parametrize("kind", ["order_reject", "cancel_reject", "reject", "business_reject", "logout"])
def test_rejects_of_orders_cancels_and_sessions_say_something_too(kind):
    story = Story().send().after(MS)
    if kind in ("order_reject", "cancel_reject"):
        story.say(kind, order_id="O1", session="s1", reason="no such thing")
    else:
        story.say("session_event", session="s1", event=kind, reason="no such thing")
    expected = [] if kind == "logout" else ["warn unknown_reason host=h1 1"]
    assert only("unknown_reason", heard(story)) == expected


def test_what_a_gate_says_of_its_refusals_is_no_news():
    assert heard(Story().send().reject(source="gateway", reason="halted")) == []


def test_who_has_no_host_is_its_session_else_the_firm():
    assert heard(Story().send(host=None).reject(host=None)) == ["warn unknown_reason session=s1 1"]


def test_messages_now_and_then_of_one_host_among_eight_page():
    story = Story()
    hosts = tuple(f"smars-{n}" for n in range(1, 9))
    for second in range(300):
        story.beat(*hosts)
        if second % 25 == 0:
            story.error("smars-8")
        story.after(SECOND)
    said = heard(story)
    assert said == ["warn unknown_reason host=smars-8 1", "high unknown_reason host=smars-8 3"]


# -- the whole -------------------------------------------------------------------------------------


def test_another_baseline_holds_from_the_restart_on():
    telling = Telling(Storm)
    story = Story().error()
    assert [b.severity for b in [*telling.tell(story.told), *telling.wait(story.at + SECOND)]] == [
        Severity.WARN
    ]
    telling.view = replace(telling.view, known_reasons=frozenset({masked(PEG)}))
    telling.restart()
    more = Story()
    more.at = START + 700 * SECOND
    more.error().error().error().error(reason="another one")
    said = [*telling.tell(more.told), *telling.wait(more.at + SECOND)]
    assert [(b.severity, b.measured) for b in said] == [(Severity.WARN, 1)]


def test_when_more_is_said_than_there_is_room_for_the_firm_says_it():
    telling = Telling(Storm, known_reasons=frozenset({"ok"}))
    telling.detector.tables["state"][tables.S_SAID] = tables.SAID_MAX - 1
    story = Story().error().error("h2").error("h3")
    said = [*telling.tell(story.told), *telling.wait(story.at + SECOND)]
    assert [(b.severity, b.scope.text) for b in said] == [(Severity.HIGH, "*")]


def test_after_ten_quiet_minutes_it_sleeps():
    telling = Telling(Storm)
    telling.tell(Story().error().told)
    assert telling.detector.wake_at_ns() == START + SECOND
    telling.wait(START + 700 * SECOND)
    assert telling.detector.wake_at_ns() is None


def test_counts_beyond_what_is_remembered_are_refused():
    assert StormSettings(unknown_high_count=16).unknown_high_count == 16
    with pytest.raises(ValueError, match="unknown_warn_count 17 and unknown_high_count 99; at most 16"):
        StormSettings(unknown_warn_count=17, unknown_high_count=99)


def test_the_kernels_read_every_setting_and_then_whether_there_is_a_baseline():
    assert len(StormSettings().fixed()) == tables.L_HAS_BASELINE


def test_every_setting_explains_itself_and_names_its_unit():
    for name, setting in StormSettings.__dataclass_fields__.items():
        assert setting.metadata["doc"].endswith((".", "..."))
        assert name.rpartition("_")[2] in {"ns", "count", "share"}


TIGHT = st.fixed_dictionaries(
    {
        "rejects_warn_share": st.sampled_from((0.05, 0.2)),
        "rejects_warn_count": st.sampled_from((1, 5, 20)),
        "rejects_high_count": st.sampled_from((2, 10)),
        "rejects_halt_count": st.sampled_from((5, 20, 200)),
        "cancels_within_ns": st.sampled_from((0, 4 * MS, 10 * MS)),
        "cancels_warn_share": st.sampled_from((0.1, 0.6)),
        "cancels_high_count": st.sampled_from((1, 10)),
        "cancels_halt_count": st.sampled_from((5, 20)),
        "running_count": st.sampled_from((1, 2, 3)),
        "unknown_warn_count": st.sampled_from((1, 2)),
        "unknown_high_count": st.sampled_from((2, 3, 16)),
        "unknown_window_ns": st.sampled_from((2 * SECOND, 600 * SECOND)),
        "unknown_peers_count": st.sampled_from((1, 4)),
        "unknown_alive_ns": st.sampled_from((SECOND, 60 * SECOND)),
    }
)
BASELINES = st.sampled_from((None, frozenset(), frozenset({"queue # full", "too late"})))


@pytest.mark.parametrize("moves", [MESSY, STORM], ids=["messy", "storm"])
@given(data=st.data(), settings=TIGHT, known=BASELINES)
def test_it_says_what_the_slow_oracle_says(moves, data, settings, known):
    stream = data.draw(order_streams(moves, size_max=40))
    telling = Telling(Storm, settings, scale=1 << 10, known_reasons=known)
    oracle = Oracle(telling.settings, telling.view)
    for told in stream:
        for run in telling.ledger.post(telling.decode([told])):
            assert in_words(telling.detector.on_postings(run)) == in_words(oracle.hear(run))
    end = telling.ledger.low_ns + 30 * SECOND
    assert in_words(telling.wait(end)) == in_words(oracle.pass_time(end))


def in_words(said: Any) -> list[tuple[Any, ...]]:
    """What one moment brought; in which order two places are looked at is nobody's business."""
    return sorted((tuple(map(rounded, plain(b))) for b in said), key=str)


def plain(b: Any) -> tuple[Any, ...]:
    if isinstance(b, tuple):
        return b
    return (b.reason, int(b.severity), b.scope.text, b.measured, b.limit, b.unit, b.at_ns, b.row)


def rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, int | float) and abs(value) < 1e15 else value


@given(stream=order_streams(STORM, size_max=40), settings=TIGHT, cuts=st.sets(st.integers(0, 60)))
def test_cutting_the_stream_and_starting_again_from_a_snapshot_change_nothing(stream, settings, cuts):
    whole, pieces = Telling(Storm, settings), Telling(Storm, settings)
    end = START + 100 * SECOND
    expected = [*whole.tell(stream), *whole.wait(end)]
    said = []
    for first, last in pairwise([0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]):
        said += pieces.tell(stream[first:last])
        pieces.restart()
    said += pieces.wait(end)
    assert [replace(b, row=0) for b in said] == [replace(b, row=0) for b in expected]


# -- days ------------------------------------------------------------------------------------------

HOUR: Final = 3_600 * SECOND


@BOTH
def test_a_clean_recording_pages_nobody(name):
    assert loud(day(Telling(Storm), recorded(name))) == []


def test_knights_messages_page_an_hour_before_the_open_and_nobody_elses(tmp_path):
    simulate(registry()["knight"], seed=1, scale=0.2, out=tmp_path / "knight.ndjson", until=ONSET_NS - HOUR)
    lines = (tmp_path / "knight.ndjson").read_bytes().splitlines()
    high = loud(day(Telling(Storm), lines))
    assert [(b.reason, b.scope.text) for b in high] == [("unknown_reason", "host=smars-8")]
    assert high[0].at_ns < ONSET_NS - HOUR
