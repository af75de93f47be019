"""Rates against caps, ordinary days and peers: each side of each threshold; equal to an oracle on river's models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import drift, stats

from detectors.baseline import Rates
from detectors.contract import ANY_FAMILY, Breach, Severity
from detectors.rate import Rate, RateSettings, models
from detectors.rate import tables as tb
from monitor.scenarios import registry
from monitor.scenarios.day import ONSET_NS
from monitor.scenarios.files import simulate
from tests.desk import MS, SECOND, START, Told
from tests.detectors.recorded import BOTH, day, loud, recorded
from tests.detectors.tell import Telling, side_by_side
from tests.oracle.rate import Rate as Oracle
from tests.streams import FLEET, WILD, order_streams

if TYPE_CHECKING:
    from collections.abc import Iterable

CAP = ({"scope": "session=*", "messages_per_s": 100},)


def usual(orders: float = 10, mad: float = 0, *, host: str = "h1") -> Rates:
    """A baseline that says the same of each time of the day."""
    medians = np.zeros((2, 288, 3, 2))
    medians[1, :, 0] = orders, mad
    return Rates({(host, "st"): 1}, medians)


class Story:
    """One line an event; time moves by hand."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.at, self.orders = START, 0

    def after(self, ns: int) -> Story:
        self.at += ns
        return self

    def say(self, kind: str, **fields: Any) -> Story:
        told = {"kind": kind, "ts": self.at, "arrival_ts": self.at} | fields
        self.told.append({k: v for k, v in told.items() if v is not None})
        return self

    def order(self, host: str | None = "h1", **more: Any) -> Story:
        self.orders += 1
        fields = {"order_id": f"O{self.orders}", "account": "A", "session": "s1", "strategy": "st", "symbol": "NOK", "side": "buy", "qty": 1, "price": 1}  # fmt: skip
        return self.say("order_new", host=host, **(fields | more))

    def second(self, *counts: int, host: str = "h1", **more: Any) -> Story:
        """So many orders in each of the next seconds."""
        for count in counts:
            for n in range(count):
                self.at = START + (self.at - START) // SECOND * SECOND + n * (SECOND // (count + 1))
                self.order(host, **more)
            self.at = START + ((self.at - START) // SECOND + 1) * SECOND
        return self

    def phase(self, phase: str) -> Story:
        return self.say("session_phase", source="market", venue="X", phase=phase)


def listen(
    story: Story, limit: Any = CAP, wait: int = 0, rates: Rates | None = None, **settings: Any
) -> list[Breach]:
    telling = Telling(Rate, {"limit": limit} | settings, rates=rates or Rates())
    said = telling.tell(story.told)
    return said + (telling.wait(story.at + wait) if wait else [])


def heard(story: Story, limit: Any = CAP, wait: int = 3 * SECOND, **more: Any) -> list[str]:
    return [
        f"{b.severity.word} {b.reason} {b.scope} {b.measured:g}" for b in listen(story, limit, wait, **more)
    ]


def only(reason: str, said: Iterable[str]) -> list[str]:
    return [s for s in said if f" {reason} " in s]


# -- message_cap -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (75, []),
        (76, ["warn message_cap session=s1 76"]),
        (100, ["warn message_cap session=s1 76"]),
        (101, ["warn message_cap session=s1 76", "high message_cap session=s1 101"]),
        (200, ["warn message_cap session=s1 76", "high message_cap session=s1 101"]),
        (201, ["warn message_cap session=s1 76", "high message_cap session=s1 101", "halt message_cap session=s1 201"]),
    ],
)  # fmt: skip
def test_a_session_against_its_cap(count, says):
    assert heard(Story().second(count)) == says


def test_over_the_cap_for_three_seconds_running_stops_its_session():
    assert heard(Story().second(101, 101, 101))[2:] == ["halt message_cap session=s1 101"]
    assert not [s for s in heard(Story().second(101, 101, 100, 101, 101)) if s.startswith("halt")]


def test_a_breach_shows_the_messages_of_its_second():
    [*_, halt] = listen(Story().second(201))
    assert (halt.severity, halt.limit, halt.unit, halt.evidence.ranges) == (
        Severity.HALT,
        200,
        "messages/s",
        ((0, 0, 200),),
    )


def test_requests_refusals_and_session_events_count_with_their_count():
    story = Story().order()
    story.say("cancel_request", host="h1", order_id="C1", orig_order_id="O1", session="s1")
    story.say("cancel_reject", host="h1", order_id="C1", orig_order_id="O1", session="s1")
    story.say("order_reject", host="h1", order_id="O1", session="s1")
    story.say("session_event", session="s1", event="resend_request", count=71).say(
        "session_event", session="s1", event="reject"
    )
    assert heard(story) == ["warn message_cap session=s1 76"]


def test_answers_of_the_venue_do_not_count():
    story = Story().order()
    for _ in range(80):
        story.after(MS).say("order_ack", order_id="O1", session="s1")
    assert heard(story) == []


def test_27000_resend_requests_in_two_seconds_stop_their_session():
    story = Story()
    for _ in range(20):
        story.after(100 * MS).say("session_event", session="s1", event="resend_request", count=1_350)
    assert heard(story)[-1].startswith("halt message_cap session=s1")


def test_each_scope_has_its_own_cap_and_a_named_one_overrides():
    limit = (*CAP, {"scope": "session=s1", "messages_per_s": 2}, {"scope": "host=*", "messages_per_s": 3}, {"scope": "*", "messages_per_s": 4}, {"scope": "account=*&host=*", "messages_per_s": 6})  # fmt: skip
    said = {s.split()[2] for s in heard(Story().second(9), limit) if s.startswith("halt")}
    assert said == {"session=s1", "host=h1", "*"}


def test_what_nobody_named_has_no_cap():
    assert heard(Story().second(500), ({"scope": "session=other", "messages_per_s": 1},)) == []


def test_where_a_second_is_cut_is_event_time():
    story = Story().after(999 * MS)
    for _ in range(150):
        story.order()
    story.after(MS)
    for _ in range(150):
        story.order()
    assert not [s for s in heard(story) if s.startswith("halt")]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"warn_share": 2}, "warn_share"),
        ({"running_count": 0}, "running_count"),
        ({"limit": ({"scope": "symbol=*", "messages_per_s": 1},)}, "not counted by symbol"),
        ({"limit": tuple({"scope": f"{k}=*", "messages_per_s": 1} for k in ("account", "entity", "desk", "trader", "client", "strategy", "algo", "build", "host"))}, "sorts of scope"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_kept_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        RateSettings(**settings)


def test_a_snapshot_goes_on_under_another_cap():
    telling = Telling(Rate, {"limit": CAP})
    assert telling.tell(Story().second(50).told) == []
    lower = Rate(RateSettings(limit=({"scope": "session=*", "messages_per_s": 10},)), telling.view)
    lower.restore(telling.detector.snapshot())
    telling.detector = lower
    story = Story().after(900 * MS)
    story.orders = 50
    assert [b.measured for b in telling.tell(story.order().told)] == [51]
    with pytest.raises(ValueError, match="other kinds"):
        Rate(RateSettings(), telling.view).restore(lower.snapshot())


# -- abnormal --------------------------------------------------------------------------------------


def test_eight_deviations_are_recorded_fifteen_page_if_they_last():
    assert heard(Story().second(169), (), rates=usual()) == []
    assert heard(Story().second(170), (), rates=usual()) == ["warn abnormal host=h1 8"]
    assert heard(Story().second(310, 310, 309), (), rates=usual()) == ["warn abnormal host=h1 15"]
    assert heard(Story().second(310, 310, 310), (), rates=usual()) == [
        "warn abnormal host=h1 15",
        "high abnormal host=h1 15",
    ]


def test_it_never_halts_alone():
    assert not [s for s in heard(Story().second(*[900] * 9), (), rates=usual()) if s.startswith("halt")]
    assert Rate.reason("abnormal").second == Rate.reason("peer").second == ANY_FAMILY


def test_a_day_that_varies_may_vary():
    assert heard(Story().second(310, 310, 310), (), rates=usual(mad=60)) == []


def test_shares_and_dollars_count_too():
    medians = np.zeros((2, 288, 3, 2))
    medians[1, :, 1] = 100, 0
    assert heard(Story().second(1, qty=80_100), (), rates=Rates({("h1", "st"): 1}, medians)) == [
        "warn abnormal host=h1 8"
    ]
    medians[1, :, 1:] = [(0, 0), (100, 0)]
    assert heard(Story().second(1, qty=1_600, price=1_001), (), rates=Rates({("h1", "st"): 1}, medians)) == [
        "warn abnormal host=h1 8.0075"
    ]


def test_an_open_and_a_reopening_have_no_baseline():
    story = Story().phase("halted").after(SECOND).phase("open").second(400, 400, 400)
    assert heard(story, (), rates=usual()) == ["warn abnormal host=h1 19.5"]
    assert "high" in heard(story.after(300 * SECOND).second(400, 400, 400), (), rates=usual())[-1]


def test_without_a_baseline_it_records_at_most_and_knows_nothing_for_five_minutes():
    story = Story().second(*[5] * 299, 400)
    assert heard(story, ()) == []
    story = Story().second(*[5] * 320, 400, 400, 400, 400)
    assert [s.split()[0] for s in heard(story, ())] == ["warn"]


def test_a_drift_that_never_goes_back_is_recorded_however_slow():
    counts = [10] * 60 + [100] * 120
    assert heard(Story().second(*counts), (), rates=usual()) == ["warn abnormal host=h1 4.5"]
    assert heard(Story().second(*[10] * 60 + [20] * 120), (), rates=usual()) == []


def test_what_another_host_or_strategy_sends_is_not_in_the_baseline():
    assert heard(Story().second(900, host="h2"), (), rates=usual()) == []


# -- peer ------------------------------------------------------------------------------------------


def role(*hosts: str) -> Story:
    story = Story()
    for host in hosts:
        story.say("heartbeat", source="fleet", host=host, build="v1", role="router")
    return story


def test_a_host_is_compared_with_four_others_of_its_role():
    five = ("h1", "h2", "h3", "h4", "h5")
    assert heard(role(*five).second(100), ()) == ["warn peer host=h1 100"]
    assert heard(role(*five).second(99), ()) == []
    assert heard(role(*five).second(400, 400, 400), ()) == ["warn peer host=h1 400", "high peer host=h1 400"]
    assert heard(role(*five).second(400, 400, 399), ()) == ["warn peer host=h1 400"]
    assert heard(role(*five[:4]).second(900, 900, 900), ()) == []


def test_where_the_others_send_too_it_is_their_median_that_counts():
    story = role("h1", "h2", "h3", "h4", "h5")
    for host, count in {"h2": 10, "h3": 50, "h4": 60, "h5": 900}.items():
        story.second(count, host=host)
        story.at = START
    said = heard(story.second(250), ())
    assert sorted(only("peer", said)) == ["warn peer host=h1 250", "warn peer host=h5 900"]
    story.told.pop()
    assert only("peer", heard(story, ())) == ["warn peer host=h5 900"]


# -- the models ------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e5).map(lambda x: round(x, 3)), max_size=60))
def test_the_models_are_rivers(xs):
    m = np.zeros(tb.MODEL)
    theirs = stats.Quantile(tb.QUANTILE), stats.EWMean(tb.FADING), stats.EWVar(tb.FADING)
    page = drift.PageHinkley(min_instances=1, delta=tb.DRIFT_DELTA, threshold=1e18, alpha=1.0, mode="up")
    for n, x in enumerate(xs, 1):
        models.learn(m, x)
        for each in (*theirs, page):
            each.update(x)
        ours = models.drift(m, x)
        assert ours == pytest.approx(page._sum_increase - page._min_increase, rel=1e-9, abs=1e-3)
        assert m[tb.M_MEAN] == pytest.approx(theirs[1].get(), rel=1e-9, abs=1e-9)
        assert models.deviation(m) ** 2 == pytest.approx(theirs[2].get(), rel=1e-6, abs=1e-2)
        if n > 5:
            assert models.quantile(m) == pytest.approx(theirs[0].get(), rel=1e-9)


# -- the oracle ------------------------------------------------------------------------------------

LIMITS = (
    {"scope": "session=*", "messages_per_s": 4}, {"scope": "session=a-s1", "messages_per_s": 9}, {"scope": "host=*", "messages_per_s": 6},
    {"scope": "*", "messages_per_s": 12}, {"scope": "account=*&strategy=*", "messages_per_s": 3}, {"scope": "strategy=a-st0", "messages_per_s": 2},
)  # fmt: skip


@pytest.mark.parametrize("moves", [FLEET, WILD], ids=["fleet", "wild"])
@given(
    data=st.data(),
    limits=st.sets(st.sampled_from(range(len(LIMITS)))),
    median=st.sampled_from((0, 1, 3)),
    peers=st.sampled_from((1, 4)),
)
def test_it_says_what_the_slow_oracle_says(moves, data, limits, median, peers):
    stream = data.draw(order_streams(moves, size_max=30))
    settings = {"limit": tuple(LIMITS[n] for n in sorted(limits)), "abnormal_floor_orders": 0.5, "peer_hosts_min": peers, "peer_floor_per_s": 1.0, "peer_high_times": 6.0, "drift_warn_times": 12.0}  # fmt: skip
    table = np.zeros((3, 288, 3, 2))
    table[1:, :, :, 0] = median
    rates = Rates({("a-gw-1", "a-st0"): 1, ("a-gw-2", "a-st1"): 2}, table)
    telling = Telling(Rate, settings, rates=rates)
    oracle = Oracle(telling.settings, rates)
    for ours, theirs in side_by_side(telling, oracle, stream, wait_ns=30 * SECOND):
        assert sorted(map(plain, ours)) == sorted(theirs)


def plain(b: Breach) -> tuple[str, int, str, float, int]:
    return (b.reason, int(b.severity), b.scope.text, round(float(b.measured), 6), b.at_ns)


# -- days ------------------------------------------------------------------------------------------

CONTRACT = ({"scope": "session=*", "messages_per_s": 2_000}, {"scope": "host=*", "messages_per_s": 5_000})


@BOTH
def test_a_clean_recording_pages_nobody(name):
    assert loud(day(Telling(Rate, {"limit": CONTRACT}), recorded(name))) == []


def test_knights_eighth_server_is_far_above_its_peers_within_seconds(tmp_path):
    until = ONSET_NS + 4 * SECOND
    simulate(registry()["knight"], seed=1, scale=1.0, out=tmp_path / "knight.ndjson", until=until)
    lines = (tmp_path / "knight.ndjson").read_bytes().splitlines()
    said = day(Telling(Rate, {"limit": CONTRACT}), lines)
    assert [(b.severity, b.reason, b.scope.text) for b in said] == [(Severity.WARN, "peer", "host=smars-8")]
