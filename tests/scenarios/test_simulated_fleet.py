"""The closed loop: without a halt it is the open loop; with one, nothing inside its scope is sent any more."""

import json
from collections import Counter, defaultdict

import pytest

from monitor.core.envelope import open_envelope, seal
from monitor.core.keyring import Keyring, Role, Signer
from monitor.scenarios.day import MS_NS, ONSET_NS, OPEN_NS, SECOND_NS, eastern_ns
from monitor.scenarios.fleet import Fleet
from monitor.scenarios.router import LOCKED, REFUSALS_TOLD_PER_S_MAX

SEED, SCALE = 3, 0.3
SINCE_NS = eastern_ns(9, 29, 20)
NAMES = [f"smars-{host}" for host in range(1, 9)]
SIGNERS = {name: Signer(bytes([host]) * 32) for host, name in enumerate(NAMES, 1)}
MONITOR = Signer(bytes([99]) * 32)
KEYRING = Keyring(
    [MONITOR.pinned("watch", Role.MONITOR), *(s.pinned(name, Role.GATEWAY) for name, s in SIGNERS.items())]
)


class Monitor:
    """Says what a test wants said."""

    def __init__(self):
        self.seq = 0

    def say(self, kind, now_ns, **fields):
        self.seq += 1
        return seal(
            {"v": 1, "type": kind, "site": "t", "env": "demo", "issuer": "watch", "boot": "1", "seq": self.seq,
             "issued_at": now_ns, **fields},
            [MONITOR],
        )  # fmt: skip

    def state(self, now_ns):
        return self.say("state", now_ns, open=[], closed=[], policy_digest="")

    def halt(self, now_ns, scope, level="halt_cancel", halt_id="ab" * 32):
        return self.say(
            "halt", now_ns, halt_id=halt_id, incident_id=halt_id, level=level, scope=scope, detector="child_parent",
            reason_code="child_after_done", measured=3, limit=3, unit="children", event_ts=now_ns, mode="live",
        )  # fmt: skip


@pytest.fixture
def monitor():
    return Monitor()


@pytest.fixture
def fleet(knight):
    return Fleet(
        knight, seed=SEED, scale=SCALE, signers=SIGNERS, keyring=KEYRING, site="t", env="demo", boot="b1",
        now_ns=SINCE_NS, since_ns=SINCE_NS,
    )  # fmt: skip


def run(fleet, until_ns, step_ns=50 * MS_NS):
    """Drive it to a time in small steps: events and letters, read."""
    events, letters = [], []
    while fleet.at_ns < until_ns:
        stepped = fleet.step(min(max(fleet.at_ns, SINCE_NS) + step_ns, until_ns))
        events += stepped.events
        letters += stepped.letters
    return events, letters


def read(letters):
    return [open_envelope(letter.envelope, KEYRING).payload for letter in letters]


def said(letters):
    return [json.loads(payload) if isinstance(payload, bytes) else payload for payload in read(letters)]


def parsed(events):
    return [json.loads(event.value) for event in events]


def test_without_a_halt_the_closed_loop_is_the_open_loop(fleet, monitor, knight):
    fleet.hear(monitor.state(SINCE_NS), SINCE_NS)
    until = OPEN_NS + 3 * SECOND_NS
    events, letters = run(fleet, until)
    assert events == list(knight.events(SEED, SCALE, until, SINCE_NS))
    assert letters == []
    assert fleet.tally("33").first_order_ts == knight.truth(SEED, SCALE)["onset_ts"]


def test_where_the_steps_are_cut_changes_nothing(knight, monitor):
    def with_steps(step_ns):
        fleet = Fleet(
            knight, seed=SEED, scale=SCALE, signers=SIGNERS, keyring=KEYRING, site="t", env="demo", boot="b1",
            now_ns=SINCE_NS, since_ns=SINCE_NS,
        )  # fmt: skip
        fleet.hear(monitor.state(SINCE_NS), SINCE_NS)
        events, _ = run(fleet, ONSET_NS, SECOND_NS)
        fleet.hear(monitor.halt(ONSET_NS, {"host": "smars-3"}), ONSET_NS)
        return events + run(fleet, ONSET_NS + SECOND_NS, step_ns)[0]

    assert with_steps(7 * MS_NS) == with_steps(400 * MS_NS)


def test_a_fleet_that_heard_no_monitor_sends_nothing(fleet):
    events, letters = run(fleet, OPEN_NS + SECOND_NS, SECOND_NS)
    kinds = Counter(e["kind"] for e in parsed(events))
    assert kinds["order_new"] == kinds["fill"] == kinds["parent_fill"] == 0
    assert kinds["parent_new"] > 212
    assert {s["code"] for s in said(letters)} == {"stale_state"}
    assert sum(router.refused for router in fleet.routers) > 300


def test_the_halt_stops_the_missed_server_and_nobody_else(fleet, monitor):
    fleet.hear(monitor.state(SINCE_NS), SINCE_NS)
    at = ONSET_NS + 500 * MS_NS
    run(fleet, at)
    wrong_before = fleet.tally("33").orders
    assert 3 < wrong_before < 150
    assert 0 < fleet.gross("33") < 500_000
    acks = said(fleet.hear(monitor.halt(at, {"host": "smars-8"}), at))
    assert (
        Counter((a["gateway"], a["state"]) for a in acks if a["gateway"] == "smars-8")[("smars-8", "applied")]
        == 1
    )
    assert {a["gateway"] for a in acks if a["state"] == "applied"} == set(NAMES)

    events, letters = run(fleet, at + 3 * SECOND_NS)
    senders = Counter(e["host"] for e in parsed(events) if e["kind"] == "order_new")
    assert senders["smars-8"] == 0
    assert all(senders[name] > 20 for name in NAMES[:7])
    assert fleet.tally("33").orders == wrong_before
    assert fleet.orders_after_applied == 0
    assert fleet.routers[7].refused > 100
    assert all(router.refused == 0 for router in fleet.routers[:7])
    told = said(letters)
    (completed,) = [
        m for m in told if m["type"] == "ack" and m["gateway"] == "smars-8" and m["working"] == 0
    ][:1]
    assert completed["state"] == "completed"
    refusals = [m for m in told if m["type"] == "refusal"]
    assert {(r["gateway"], r["code"], r["account"]) for r in refusals} == {("smars-8", "halted", "33")}
    assert len(refusals) <= 4 * REFUSALS_TOLD_PER_S_MAX
    latest = [m for m in told if m["type"] == "ack"][-1]
    assert latest["orders_refused"] > len(refusals)


def test_working_children_are_cancelled_and_their_parents_held(fleet, monitor):
    fleet.hear(monitor.state(SINCE_NS), SINCE_NS)
    at = OPEN_NS + 5 * SECOND_NS
    run(fleet, at, SECOND_NS)
    router = fleet.routers[2]
    names = {w.order.order_id for w in router.working.values()}
    parents = {w.order.attributes["parent"] for w in router.working.values()}
    assert len(names) > 10
    acks = said(fleet.hear(monitor.halt(at, {"host": "smars-3"}), at))
    assert [a["state"] for a in acks if a["gateway"] == "smars-3"] == ["received", "applied"]
    events, letters = run(fleet, at + 2 * SECOND_NS)
    after = parsed(events)
    asked = {
        e["orig_order_id"] for e in after if e["kind"] == "cancel_request" and e["order_id"].endswith(".h")
    }
    assert asked == names
    out = {e["order_id"] for e in after if e["kind"] == "order_cancel" and e.get("reason_class") == "risk"}
    too_late = {e["orig_order_id"] for e in after if e["kind"] == "cancel_reject"}
    assert out | too_late == names
    assert not out & too_late
    assert router.working == {}
    assert (
        next(m["state"] for m in said(letters) if m["type"] == "ack" and m["gateway"] == "smars-3")
        == "completed"
    )
    assert not [e for e in after if e["kind"] == "parent_done" and e["parent_id"] in parents]


def test_after_a_halt_every_fill_still_has_its_order_and_its_booking(fleet, monitor):
    fleet.hear(monitor.state(SINCE_NS), SINCE_NS)
    at = OPEN_NS + 3 * SECOND_NS
    before, _ = run(fleet, at, 100 * MS_NS)
    fleet.hear(monitor.halt(at, {"strategy": "vwap"}), at)
    after, _ = run(fleet, at + 3 * SECOND_NS, 100 * MS_NS)
    parent_of, leaves, unbooked, last = {}, {}, defaultdict(list), 0
    for e in parsed(before + after):
        kind = e["kind"]
        assert kind == "deploy" or e["ts"] >= last
        last = e["ts"]
        if kind == "order_new":
            parent_of[e["order_id"]] = e["parent_id"]
            leaves[e["order_id"]] = e["qty"]
            assert e["strategy"] != "vwap" or e["ts"] < at
        elif kind == "fill":
            name = e["order_id"].removesuffix(".r")
            leaves[name] -= e["last_qty"]
            assert leaves[name] == e["leaves_qty"]
            if not name.startswith("W"):
                unbooked[parent_of[name], e["last_qty"], e["last_px"]].append(e["ts"])
        elif kind in ("order_cancel", "order_reject"):
            leaves[e["order_id"].removesuffix(".r")] = -1  # a fill after it would not add up
        elif kind == "parent_fill":
            unbooked[e["parent_id"], e["last_qty"], e["last_px"]].pop(0)
    assert all(ts > last - 300 * MS_NS for times in unbooked.values() for ts in times)


def test_orders_that_are_locked_for_the_auction_are_listed_as_survivors(fleet, monitor):
    fleet.hear(monitor.state(SINCE_NS), SINCE_NS)
    at = OPEN_NS - 5 * SECOND_NS
    run(fleet, at, SECOND_NS)
    acks = said(fleet.hear(monitor.halt(at, {"strategy": "rlp"}), at))
    survivors = [s for a in acks if a["state"] == "applied" for s in a["survivors"]]
    assert len(survivors) > 200
    assert {s["reason"] for s in survivors} == {LOCKED}
    done = [a for a in acks if a["state"] == "completed"]
    assert all(a["working"] == len(a["survivors"]) for a in done)
    events, _ = run(fleet, ONSET_NS, SECOND_NS)
    filled = {e["order_id"] for e in parsed(events) if e["kind"] == "fill"}
    assert {s["order_id"] for s in survivors} <= filled


def test_a_replace_that_its_gate_refuses_leaves_the_order_as_it_was(fleet, monitor):
    fleet.hear(monitor.state(SINCE_NS), SINCE_NS)
    at = OPEN_NS + 4 * SECOND_NS
    run(fleet, at, SECOND_NS)
    fleet.hear(monitor.halt(at, {}, level="halt_new"), at)
    events, _ = run(fleet, at + 5 * SECOND_NS, 100 * MS_NS)
    kinds = Counter(e["kind"] for e in parsed(events))
    assert kinds["order_new"] == 0
    assert kinds["replace_request"] == 0  # every planned replace is more aggressive
    assert kinds["fill"] > 0
    assert kinds["cancel_request"] > 0
    resting = [n for router in fleet.routers for n in router.working if n < 0]
    assert len(resting) > 0
    fleet.hear(monitor.halt(at, {}, halt_id="cd" * 32), fleet.at_ns)
    run(fleet, fleet.at_ns + SECOND_NS)
    assert all(router.working == {} for router in fleet.routers)


def test_under_reduce_only_the_account_may_only_come_back(fleet, monitor):
    fleet.hear(monitor.state(SINCE_NS), SINCE_NS)
    at = ONSET_NS + 2 * SECOND_NS
    run(fleet, at)
    before = fleet.tally("33").orders
    fleet.hear(monitor.halt(at, {"account": "33"}, level="reduce_only"), at)
    run(fleet, at + SECOND_NS)
    assert fleet.tally("33").orders == before
    assert all(router.refused == 0 for router in fleet.routers[:7])


def test_a_halt_that_is_sent_again_is_acknowledged_again_and_changes_nothing(fleet, monitor):
    fleet.hear(monitor.state(SINCE_NS), SINCE_NS)
    run(fleet, OPEN_NS, SECOND_NS)
    raw = monitor.halt(OPEN_NS, {"host": "smars-8"})
    first = said(fleet.hear(raw, OPEN_NS))
    again = said(fleet.hear(raw, OPEN_NS + MS_NS))
    assert Counter(a["state"] for a in first) == {"received": 8, "applied": 8, "completed": 8}
    assert Counter(a["state"] for a in again) == {"completed": 8}


def test_each_router_announces_what_it_can_stop(fleet):
    hellos = said(fleet.hello(SINCE_NS))
    assert [h["gateway"] for h in hellos] == NAMES
    assert all(h["scopes"] == [{"host": h["gateway"]}] and h["cod"] for h in hellos)
    assert all("host" in h["kinds"] and "halt_cancel" in h["levels"] for h in hellos)
    assert [h["key_id"] for h in hellos] == [SIGNERS[name].keyid for name in NAMES]
