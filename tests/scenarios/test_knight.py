"""The incident is the one that the SEC describes, in counts, dollars and times."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from monitor.scenarios.day import OPEN_NS, ROLLBACK_NS, SECOND_NS, eastern_ns
from monitor.scenarios.knight import flagged, wrong
from tests.scenarios.morning import SCALE, SEED


def of_kind(morning, *kinds):
    return [event for event in morning if event["kind"] in kinds]


@pytest.mark.parametrize("seed", [1, 7])
def test_history_at_full_scale_is_the_published_one(knight, seed):
    history = knight.history(seed)
    assert 4_005_000 < history.executions < 4_022_000
    assert 396.5e6 < history.shares < 398.5e6
    assert 6.5e9 < history.gross < 6.8e9
    assert 440e6 < history.loss < 460e6


def test_212_parents_in_154_stocks_58_of_them_with_two():
    flag = flagged(SEED)
    per_stock = Counter(Counter(flag.symbol.tolist()).values())
    assert per_stock == {1: 96, 2: 58}
    assert 200 < np.median(flag.parents.qty) < 400
    assert flag.parents.qty.max() <= 2000


def test_the_212_are_filled_booked_and_done_within_half_a_second_of_the_open(morning):
    ours = {e["parent_id"]: e for e in of_kind(morning, "parent_new") if e["parent_id"].startswith("R")}
    assert len(ours) == 212
    assert all(eastern_ns(9) <= e["ts"] <= eastern_ns(9, 29, 50) for e in ours.values())
    assert all(e["flags"] == ["rlp"] for e in ours.values())
    booked = Counter()
    for event in of_kind(morning, "parent_fill", "parent_done"):
        if event["parent_id"] in ours:
            assert OPEN_NS <= event["ts"] <= OPEN_NS + SECOND_NS // 2
            booked[event["parent_id"]] += event.get("last_qty", 0)
    assert booked == {name: event["qty"] for name, event in ours.items()}


def test_only_the_missed_server_sends_children_of_done_parents_and_not_before_the_onset(morning, knight):
    done = {}
    late = []
    for event in morning:
        if event["kind"] == "parent_done":
            done[event["parent_id"]] = event["ts"]
        elif event["kind"] == "order_new" and event["parent_id"] in done:
            late.append(event)
    assert late[0]["ts"] == knight.truth(SEED, SCALE)["onset_ts"]
    assert {(e["host"], e["account"], e["build"]) for e in late} == {("smars-8", "33", "legacy-2005")}
    assert all(e["ts"] - done[e["parent_id"]] > 0.5 * SECOND_NS for e in late)
    everything = [e for e in of_kind(morning, "order_new") if e["host"] == "smars-8"]
    assert everything == late


def test_97_errors_that_nobody_read(morning):
    errors = of_kind(morning, "error")
    assert len(errors) == 97
    assert {(e["host"], e["reason"]) for e in errors} == {("smars-8", "Power Peg disabled")}
    assert eastern_ns(8, 1) <= errors[0]["ts"] < errors[-1]["ts"] < OPEN_NS


def test_one_build_differs_until_the_roll_back_makes_all_the_same(knight):
    def builds(start_ns):
        rows = knight.flow(SEED, 0.001, start_ns, start_ns + 5 * SECOND_NS)[0]
        return {body.split('"build":"')[1].split('"')[0] for body in rows.body.tolist()}

    assert builds(OPEN_NS) == {"rlp-2012.07.27", "legacy-2005"}
    assert builds(ROLLBACK_NS) == {"legacy-2005"}
    before, after = (
        wrong(SEED, 0, 1.0, at, at + 5 * SECOND_NS) for at in (ROLLBACK_NS - 5 * SECOND_NS, ROLLBACK_NS)
    )
    assert set(before.host) == {8}
    assert set(after.host) == set(range(1, 9))
    assert (len(before.ts), len(after.ts)) == (5_000, 10_100)


def test_wrong_children_are_conserved_but_never_booked(morning):
    sent = {e["order_id"]: e for e in of_kind(morning, "order_new") if e["account"] == "33"}
    ends = defaultdict(list)
    for event in morning:
        if event.get("order_id") in sent and event["kind"] in ("fill", "order_cancel"):
            ends[event["order_id"]].append(event)
    last_ts = morning[-1]["ts"]
    for name, order in sent.items():
        if order["ts"] < last_ts - 100_000_000:
            (end,) = ends[name]
            assert end["ts"] > order["ts"]
            assert end["kind"] == "order_cancel" or end["last_qty"] == order["qty"]
    share = np.mean([ends[name][0]["kind"] == "fill" for name in ends])
    assert 0.93 < share < 0.97
    mean = np.mean([order["qty"] for order in sent.values()])
    assert 97 < mean < 101
    booked = [e for e in of_kind(morning, "parent_fill") if e["ts"] > OPEN_NS + SECOND_NS // 2]
    assert not [e for e in booked if e["parent_id"].startswith("R")]


def test_the_truth_names_host_account_and_when_each_must_have_spoken(knight):
    truth = knight.truth(SEED, SCALE)
    assert truth["scenario"] == "knight"
    assert truth["scopes"] == [{"host": "smars-8"}, {"account": "33"}]
    by = {e["detector"]: e["not_later_than_ts"] for e in truth["expected"]}
    assert set(by) == {"child_parent", "exposure", "fill_gap", "fleet", "storm"}
    assert by["storm"] < OPEN_NS  # the third of the e-mails
    assert by["child_parent"] < truth["onset_ts"] + 2 * SECOND_NS
    assert by["exposure"] < truth["onset_ts"] + 20 * SECOND_NS
