"""Ready is a proof, never a lack of news: each way in which one host can spoil it, and each that must not."""

import json

import pytest

from detectors.fleet import FleetSettings
from detectors.names import Names
from monitor.core.decode import Decoder
from monitor.core.readiness import DAY_NS, Pilot, judge, unanswerable
from monitor.core.roll_call import VOICES_MAX, RollCall

SECOND = 10**9
NOW = 1_343_800_000 * SECOND
HOSTS = tuple(f"r-{n}" for n in range(1, 9))
ROW = {"role": "router", "hosts": ("r-*",), "count": 8, "build": "v1", "flags": ("a", "b")}


def beat(host, build="v1", ago_s=0.5, flags=("a",), **more):
    event = {
        "kind": "heartbeat",
        "source": "fleet",
        "ts": NOW - int(ago_s * SECOND),
        "host": host,
        "build": build,
    }
    return event | ({"flags": list(flags)} if flags is not None else {}) | more


def deploy(host, phase, build="v2", ago_s=60.0):
    at = NOW - int(ago_s * SECOND)
    return {"kind": "deploy", "source": "fleet", "ts": at, "host": host, "build": build, "phase": phase}


def fleet(*hosts, **more):
    return [beat(host, **more) for host in hosts or HOSTS]


def answer(events, manifest=(ROW,), role="router", **asked):
    names = Names()
    decoded = Decoder(names).decode_lines("\n".join(map(json.dumps, events)).encode(), 0)
    assert not decoded.quarantined
    call = RollCall()
    call.take(decoded.batch.rows, names)
    return judge(FleetSettings(manifest=manifest), role, call, NOW, **asked)


def wrong(found):
    """What is wrong, by host; the role's own under its name."""
    said = {host.host: host.problems for host in found.hosts if host.problems}
    return said | ({"*": found.problems} if found.problems else {})


def test_a_fleet_that_is_as_declared_is_ready():
    found = answer(fleet())
    assert found.is_ready
    assert (found.declared, found.arrived, found.builds) == (8, 8, {"v1": 8})


def test_nothing_heard_is_not_ready():
    found = answer([])
    assert wrong(found) == {"*": ("detectors.fleet.manifest[0]: declared 8, arrived 0",)}


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (beat("r-8", build="v0"), "runs v0, expected v1"),
        (beat("r-8", flags=("a", "z")), "has flags that nobody declared: z"),
        (beat("r-8", flags=None), "does not say its flags"),
        (beat("r-8", config_hash="c2"), "configuration c2, others of its build say none"),
        (beat("r-8", role="oms"), "says that it is a oms"),
        (beat("r-8", ago_s=3), "was last heard 3 s ago"),
    ],
)
def test_one_of_eight_spoils_it(event, says):
    found = answer([*fleet(*HOSTS[:7]), event])
    assert wrong(found)["r-8"] == (says,)
    assert not found.is_ready


def test_heard_less_than_three_seconds_ago_is_alive():
    assert answer([*fleet(*HOSTS[:7]), beat("r-8", ago_s=2.999)]).is_ready


def test_declared_eight_arrived_seven_or_nine():
    assert wrong(answer(fleet(*HOSTS[:7]))) == {"*": ("detectors.fleet.manifest[0]: declared 8, arrived 7",)}
    assert wrong(answer(fleet(*HOSTS, "r-9"))) == {
        "*": ("detectors.fleet.manifest[0]: declared 8, arrived 9",)
    }


def test_a_host_that_the_manifest_names_and_nobody_heard_has_a_name():
    row = ROW | {"hosts": HOSTS, "count": 0}
    found = answer(fleet(*HOSTS[:7]), (row,))
    assert wrong(found) == {
        "r-8": ("was never heard",),
        "*": ("detectors.fleet.manifest[0]: declared 8, arrived 7",),
    }


def test_a_host_that_was_only_declared_has_a_name_too():
    assert wrong(answer([*fleet(*HOSTS[:7]), deploy("r-8", "rolled_back")]))["r-8"] == ("was never heard",)


@pytest.mark.parametrize("phase", ["planned", "started"])
@pytest.mark.parametrize("runs", ["v1", "v2"])
def test_a_roll_out_that_is_not_done_is_not_ready_whatever_the_host_runs(phase, runs):
    found = answer([*fleet(*HOSTS[:7]), deploy("r-8", phase), beat("r-8", build=runs)])
    assert f"its roll-out of v2 is {phase} and not done" in wrong(found)["r-8"]


@pytest.mark.parametrize(("phase", "runs", "good"), [
    ("done", "v2", True), ("done", "v1", False), ("rolled_back", "v1", True), ("rolled_back", "v2", False),
])  # fmt: skip
def test_what_a_roll_out_brought_is_expected(phase, runs, good):
    events = [
        *fleet(*HOSTS[:7]),
        deploy("r-8", "planned", ago_s=90),
        deploy("r-8", phase),
        beat("r-8", build=runs),
    ]
    assert answer(events).is_ready is good


def test_a_step_told_late_does_not_undo_a_later_one():
    events = [
        *fleet(*HOSTS[:7]),
        deploy("r-8", "done"),
        deploy("r-8", "started", ago_s=90),
        beat("r-8", build="v2"),
    ]
    assert answer(events).is_ready


def test_one_build_for_all_may_be_asked_for_whatever_was_declared():
    events = [*fleet(*HOSTS[:7]), deploy("r-8", "done"), beat("r-8", build="v2")]
    assert answer(events).is_ready
    assert set(wrong(answer(events, build="v1"))) == {"r-8"}
    assert set(wrong(answer(events, build="v2"))) == set(HOSTS[:7])


def test_a_process_that_was_forgotten_on_a_host_is_seen_beside_the_new_one():
    found = answer([*fleet(), beat("r-8", build="v0", ago_s=0.7, boot="old")])
    assert wrong(found)["r-8"] == ("2 processes speak as this host", "runs v0, expected v1")
    assert answer([*fleet(), beat("r-8", build="v0", ago_s=9, boot="old")]).is_ready


def test_a_host_with_more_builds_than_are_kept_is_not_ready():
    many = [beat("r-8", build=f"x{n}", ago_s=60) for n in range(VOICES_MAX)]
    found = answer([*fleet(*HOSTS[:7]), *many, beat("r-8")])
    assert "said more builds than are kept" in wrong(found)["r-8"]


def test_hosts_of_one_build_say_one_configuration():
    half = [beat(host, config_hash="c1" if n % 2 else "c2") for n, host in enumerate(HOSTS)]
    assert set(wrong(answer(half))) == set(HOSTS)
    assert "do not agree" in wrong(answer(half))["r-1"][0]
    assert answer(fleet(config_hash="c9")).is_ready


def test_the_configuration_of_the_manifest_counts_also_where_all_agree_on_another():
    found = answer(fleet(config_hash="c9"), (ROW | {"config_hash": "c1"},))
    assert wrong(found)["r-1"] == ("configuration c9, expected c1",)
    assert answer(fleet(config_hash="c1"), (ROW | {"config_hash": "c1"},)).is_ready


OTHERS = ROW | {"role": "oms", "hosts": ("o-1",), "count": 1, "flags": None}


@pytest.mark.parametrize(("events", "says"), [
    (fleet("x-1"), "nobody named it in the manifest, and it is alive"),
    (fleet("x-1", role="router"), "nobody named it in the manifest, and it is alive"),
    ([{"kind": "order_new", "ts": NOW - 599 * SECOND, "host": "x-1", "order_id": "1", "account": "A", "symbol": "S",
       "side": "buy", "qty": 1}], "nobody named it in the manifest, and it sends orders"),
    (fleet("o-1", role="router"), "says that it is a router, but manifest[1] makes it a oms"),
    (fleet("x-1", role="oms"), None), (fleet("o-1"), None), (fleet("x-1", ago_s=4), None),
])  # fmt: skip
def test_nobody_is_left_that_nobody_named(events, says):
    found = answer([*fleet(), *events], (ROW, OTHERS))
    assert wrong(found) == ({} if says is None else {events[0]["host"]: (says,)})


def test_a_heartbeat_from_the_future_counts_at_its_arrival():
    late = beat("r-8", ago_s=-3600) | {"arrival_ts": NOW - 60 * SECOND}
    assert wrong(answer([*fleet(*HOSTS[:7]), late]))["r-8"] == ("was last heard 60 s ago",)


@pytest.mark.parametrize(("ahead_s", "good"), [(5, True), (5.1, False), (3600, False)])
def test_a_heartbeat_of_a_time_to_come_proves_no_life(ahead_s, good):
    found = answer([*fleet(*HOSTS[:7]), beat("r-8", ago_s=-ahead_s)])
    assert found.is_ready is good
    assert good or "s ahead" in wrong(found)["r-8"][0]


def pilot(days=5, proven=(), since=None, limited=()):
    return Pilot(days, frozenset(proven), since or {}, frozenset(limited))


@pytest.mark.parametrize(("asked", "good"), [
    (pilot(), False),
    (pilot(limited=("v1",)), True), (pilot(limited=("*",)), False), (pilot(limited=("v2",)), False),
    (pilot(proven=("v1",)), True),
    (pilot(since={"v1": NOW - 5 * DAY_NS}), True), (pilot(since={"v1": NOW - 5 * DAY_NS + 1}), False),
])  # fmt: skip
def test_a_young_build_needs_limits_of_its_own(asked, good):
    found = answer(fleet(), pilot=asked)
    assert found.is_ready is good
    assert good or 'write a limit with scope = "build=v1"' in found.problems[0]


def test_a_manifest_that_cannot_say_who_is_missing_is_no_answer():
    vague = {"role": "router", "hosts": ("r-*",)}
    assert [key for key, _, _ in unanswerable(FleetSettings(manifest=(vague,)), "router")] == [
        "manifest[0].build", "manifest[0].count",
    ]  # fmt: skip
    assert not list(
        unanswerable(FleetSettings(manifest=(vague, ROW | {"role": "oms", "hosts": ("o-*",)})), "oms")
    )
