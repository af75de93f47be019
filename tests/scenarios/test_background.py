"""The flow around the incident is clean: conserved, answered, booked, and far from every limit."""

import json
from collections import Counter, defaultdict

import pytest

from monitor.scenarios.day import MS_NS, OPEN_NS, SECOND_NS, START_NS

MONEY = 1e-6


@pytest.fixture(scope="module")
def clean(morning):
    """The events of clean orders and parents: whatever the error account did is out."""
    wrong = {e["order_id"] for e in morning if e["kind"] == "order_new" and e["account"] == "33"}
    return [e for e in morning if e.get("order_id") not in wrong]


@pytest.fixture(scope="module")
def orders(clean):
    """Each order's own events by its first id; a replaced order answers to both."""
    first, lives = {}, defaultdict(list)
    for event in clean:
        if event["kind"] == "order_new":
            first[event["order_id"]] = event["order_id"]
        elif event["kind"] == "order_replace":
            first[event["order_id"]] = event["orig_order_id"]
        name = event.get("orig_order_id") or event.get("order_id")
        if name is not None:
            lives[first[name]].append(event)  # a KeyError here is an event of an order that nobody sent
    return lives


def test_every_order_is_announced_first_and_answered_within_80_ms(orders, morning):
    last_ts = morning[-1]["ts"]
    for life in orders.values():
        assert life[0]["kind"] == "order_new"
        if life[0]["ts"] < last_ts - 100 * MS_NS:
            assert life[1]["kind"] in ("order_ack", "order_reject")
            assert life[1]["ts"] - life[0]["ts"] <= 80 * MS_NS


def test_no_order_is_filled_over_its_quantity_nor_after_it_is_out(orders):
    for life in orders.values():
        filled, out = 0, False
        for event in life[1:]:
            assert not out, life
            if event["kind"] == "fill":
                filled += event["last_qty"]
                assert event["leaves_qty"] == life[0]["qty"] - filled
            out = event["kind"] in ("order_cancel", "order_reject") or (event.get("leaves_qty") == 0)
        assert filled <= life[0]["qty"]


def test_each_fill_is_booked_once_on_its_parent_soon(clean, morning):
    last_ts = morning[-1]["ts"]
    parent_of = {e["order_id"]: e["parent_id"] for e in clean if e["kind"] == "order_new"}
    unbooked = defaultdict(list)
    for event in clean:
        if event["kind"] == "fill":
            parent = parent_of[event["order_id"].removesuffix(".r")]
            unbooked[parent, event["last_qty"], event["last_px"]].append(event["ts"])
        elif event["kind"] == "parent_fill":
            filled_ts = unbooked[event["parent_id"], event["last_qty"], event["last_px"]].pop(0)
            assert 0 < event["ts"] - filled_ts <= 300 * MS_NS
    assert all(ts > last_ts - 300 * MS_NS for times in unbooked.values() for ts in times)


def test_a_parent_is_never_overcommitted_and_done_only_after_all_is_over(clean):
    qty, sent, open_orders, done = {}, Counter(), defaultdict(set), set()
    parent_of = {}
    for event in clean:
        kind, parent = event["kind"], event.get("parent_id")
        if kind == "parent_new":
            qty[parent] = event["qty"]
        elif kind == "order_new":
            assert parent not in done
            sent[parent] += event["qty"]
            assert sent[parent] <= qty[parent]
            parent_of[event["order_id"]] = parent
            open_orders[parent].add(event["order_id"])
        elif kind in ("order_cancel", "order_reject") or event.get("leaves_qty") == 0:
            name = event["order_id"].removesuffix(".r")
            open_orders[parent_of[name]].discard(name)
        elif kind == "parent_done":
            assert not open_orders[parent]
            done.add(parent)
        elif kind == "parent_fill":
            assert parent not in done
    assert len(done) > 1_000


def test_no_parent_has_ten_children_in_ten_seconds(clean):
    times = defaultdict(list)
    for event in clean:
        if event["kind"] == "order_new":
            times[event["parent_id"]].append(event["ts"])
    for sent in times.values():
        assert all(b - a > 10 * SECOND_NS for a, b in zip(sent, sent[9:], strict=False))


def test_gross_of_every_account_and_of_the_firm_stays_under_three_quarters_of_its_limit(knight):
    """At full scale, until the surge begins: as if every order filled and no sale netted a purchase."""
    position, price = Counter(), {}
    for event in knight.events(5, 1.0, OPEN_NS + 6 * SECOND_NS):
        if event.ts < START_NS or event.reference:
            continue
        e = json.loads(event.value)
        if e["kind"] == "order_new" and e["account"] != "33":
            position[e["account"], e["symbol"]] += e["qty"]  # as if all of it filled and nothing netted
            price[e["symbol"]] = e["price"]
    gross = Counter()
    for (account, symbol), qty in position.items():
        gross[account] += qty * price[symbol]
    assert max(gross.values()) < 0.75 * 25e6
    assert sum(gross.values()) < 0.75 * 1e9


def test_the_open_is_five_to_ten_times_as_busy_as_the_later_morning(knight):
    def parents(start_ns):
        rows = knight.flow(3, 1.0, start_ns, start_ns + 5 * SECOND_NS)
        return sum(body.startswith('{"kind":"parent_new"') for part in rows for body in part.body.tolist())

    surge = parents(OPEN_NS) / (sum(parents(OPEN_NS + k * 300 * SECOND_NS) for k in range(4, 8)) / 4)
    assert 5 < surge < 10
