"""What the engine says is done in its order: trail first, both roads at once, and no road waits for another."""

import asyncio
import base64
import json
from types import SimpleNamespace

import pytest

from monitor.core import commands as cmd
from monitor.core.inputs import CommandSettled, Quarantined, SourcePart
from monitor.core.keyring import Keyring, Role, Signer
from monitor.edge import logs
from monitor.edge.metrics import Metrics
from monitor.performing import LEAVE_S, Performer, Roads

HALT = {
    "v": 1, "type": "halt", "site": "demo", "env": "demo", "halt_id": "a" * 64, "incident_id": "a" * 64,
    "level": "halt_new", "scope": {"host": "x"}, "detector": "child_parent", "reason_code": "overcommit",
    "measured": 1, "limit": 1, "unit": "x", "evidence": [], "event_ts": 7, "policy_digest": "d", "mode": "live",
}  # fmt: skip


class Road:
    """One way out, which may hang until it is let go."""

    def __init__(self, done, name):
        self.done, self.name, self.free, self.waiting = done, name, asyncio.Event(), 0
        self.free.set()
        self.ok, self.superseded = True, False

    def post(self, topic, *more, **options):
        return topic, next((one for one in more if isinstance(one, bytes)), None)

    async def outcome(self, letter, deadline_s):
        await self.free.wait()
        self.done.append((self.name, *letter))
        return SimpleNamespace(ok=self.ok, latency_s=0.001, detail="", superseded=self.superseded)


@pytest.fixture
async def world():
    done, told = [], []
    kafka, mqtt = Road(done, "kafka"), Road(done, "mqtt")
    trail = SimpleNamespace(
        append=lambda what, fields, at: done.append(("trail", what, fields)),
        durable_head=SimpleNamespace(payload={"count": 3, "hash": "b" * 64}),
    )
    async with asyncio.TaskGroup() as tasks:
        performer = Performer(
            site="demo", env="demo", issuer="monitor-1", boot="b", signer=Signer(b"k" * 32),
            clock=SimpleNamespace(now_ns=lambda: 1_000, skew_ns=lambda: 5), audit=trail,
            metrics=Metrics(
                detectors=["child_parent"], quarantine_reasons=["missing"], topics=["t"], now_ns=lambda: 1, version="1"
            ),
            log=logs.logger(), tasks=tasks, tell=told.append, parts=lambda part: SourcePart("t", part),
            save=lambda: done.append(("save",)), keep_evidence=lambda halt: done.append(("evidence", halt.halt_id)),
            roads=Roads(kafka, mqtt),
            dead_letters=SimpleNamespace(submit=lambda letter: done.append(("dead", letter.value)) or True),
            pagers=[SimpleNamespace(submit=lambda page: done.append(("page", page.key)))],
        )  # fmt: skip
        yield SimpleNamespace(performer=performer, done=done, told=told, kafka=kafka, mqtt=mqtt)
        kafka.free.set()
        mqtt.free.set()


async def turns(count=10):
    for _ in range(count):
        await asyncio.sleep(0)


def payload(raw):
    return json.loads(base64.b64decode(json.loads(raw)["payload"]))


async def test_a_halt_is_in_the_trail_before_it_leaves_on_both_roads_in_the_same_bytes(world):
    world.performer.perform(cmd.Halt(HALT))
    assert world.done[0][:2] == ("trail", "halt.commanded")
    await turns()
    (_, _, by_kafka), (_, _, by_mqtt) = (one for one in world.done if one[0] in ("kafka", "mqtt"))
    assert by_kafka == by_mqtt
    said = payload(by_kafka)
    assert {name: said[name] for name in HALT} == HALT
    assert (said["issuer"], said["boot"], said["seq"], said["issued_at"]) == ("monitor-1", "b", 1, 1_005)
    assert said["audit_head"]["count"] == 3


@pytest.mark.parametrize(("hung", "free"), [("kafka", "mqtt"), ("mqtt", "kafka")])
async def test_a_road_that_hangs_holds_the_other_not_back(world, hung, free):
    getattr(world, hung).free.clear()
    world.performer.perform(cmd.Halt(HALT))
    world.performer.perform(cmd.Page("p", "halt", "STOPPED"))
    await turns()
    assert [one[0] for one in world.done if one[0] in ("kafka", "mqtt")] == [free]
    assert ("page", "p") in world.done
    assert [(fact.what, fact.road, fact.ok) for fact in world.told] == [("halt", free, True)]


async def test_what_became_of_a_halt_is_told_and_of_a_lease_only_a_failure(world):
    world.performer.perform(cmd.Lease("judging", (), "d"))
    await turns()
    assert world.told == []
    world.mqtt.ok = False
    world.performer.perform(cmd.Lease("judging", (), "d"))
    world.performer.perform(cmd.Halt(HALT))
    await turns()
    told = {(fact.what, fact.road): fact.ok for fact in world.told}
    assert all(isinstance(fact, CommandSettled) for fact in world.told)
    assert told == {("lease", "mqtt"): False, ("halt", "mqtt"): False, ("halt", "kafka"): True}


async def test_a_lease_that_fails_each_second_is_a_line_a_minute_and_each_other_failure_one_of_its_own(world):
    lines, clock = [], SimpleNamespace(now_ns=lambda: clock.at_ns, at_ns=0)
    world.performer.log = SimpleNamespace(info=lambda what, **fields: lines.append((what, fields["detail"])))
    world.performer.clock = clock
    for second in range(121):
        clock.at_ns = second * 1_000_000_000
        why = "refused" if second == 70 else "no subscriber"
        fields = {"key": "lease", "road": "mqtt", "at": clock.at_ns, "detail": why}
        world.performer.perform(cmd.Record("lease.failed", fields))
    assert [detail for _, detail in lines] == [
        "no subscriber", "no subscriber", "refused", "no subscriber"
    ]  # fmt: skip
    assert sum(one[:2] == ("trail", "lease.failed") for one in world.done) == 121
    halted = cmd.Record("halt.failed", {"key": "h", "road": "mqtt", "at": 1, "detail": "no subscriber"})
    world.performer.perform(halted)
    world.performer.perform(halted)
    assert [what for what, _ in lines].count("halt.failed") == 2


async def test_evidence_is_kept_once_though_a_halt_is_sent_again(world):
    world.performer.perform(cmd.Halt(HALT))
    world.performer.perform(cmd.Halt(HALT, again=True))
    await turns()
    assert world.done.count(("evidence", "a" * 64)) == 1
    assert sum(one[0] == "mqtt" for one in world.done) == 2


async def test_a_message_in_whose_place_a_newer_one_goes_is_no_failure(world):
    world.kafka.ok, world.kafka.superseded = False, True
    world.performer.perform(cmd.Halt(HALT))
    await turns()
    assert [said.road for said in world.told if isinstance(said, CommandSettled)] == ["mqtt"]


async def test_a_state_names_our_halts_as_they_went_out_and_others_as_they_came(world):
    world.performer.perform(cmd.Halt(HALT))
    theirs = {**HALT, "issuer": "monitor-2", "boot": "z", "seq": 9, "issued_at": 4, "halt_id": "c" * 64}
    world.performer.perform(cmd.State((HALT, theirs), ("e" * 64,), "d"))
    await asyncio.sleep(LEAVE_S)
    await turns()
    said = payload(next(one[2] for one in world.done if one[0] == "mqtt" and "/state/" in one[1]))
    assert [(halt["issuer"], halt["seq"]) for halt in said["open"]] == [("monitor-1", 1), ("monitor-2", 9)]
    assert said["closed"] == ["e" * 64]
    assert [message.retained for message in world.performer.state] == [True]


async def test_a_halt_leaves_before_the_state_that_it_is_in_and_of_several_states_the_newest_is_said(world):
    world.performer.perform(cmd.Halt(HALT))
    world.performer.perform(cmd.State((HALT,), (), "old"))
    world.performer.perform(cmd.State((HALT,), (), "new"))
    world.kafka.free.clear()
    await turns(20)
    assert {one[0] for one in world.done if "/halt/" in str(one[1])} == {"mqtt"}
    assert not any("/state/" in str(one[1]) for one in world.done)
    world.kafka.free.set()
    await world.performer.let_halts_leave()
    await turns()
    states = [payload(one[2]) for one in world.done if one[0] == "mqtt" and "/state/" in one[1]]
    assert [said["policy_digest"] for said in states] == ["new"]


async def test_a_broken_record_goes_to_the_dead_letters_with_its_bytes(world):
    world.performer.perform(cmd.DeadLetter(Quarantined(2, 7, "ts", "missing", "x", b"{}")))
    assert ("dead", b"{}") in world.done
    assert world.done[0][:2] == ("trail", "record.quarantined")


async def test_a_message_is_signed_by_us(world):
    message = world.performer.lease_message("blind", [{}], "d")
    from monitor.core.authority import Received, receive

    ring = Keyring([Signer(b"k" * 32).pinned("monitor-1", Role.MONITOR)])
    said = receive(message.payload, ring, "demo", "demo")
    assert isinstance(said, Received)
    assert said.payload["blind_of"] == [{}]


async def test_a_snapshot_is_asked_for_and_leaves_no_line(world):
    world.performer.perform(cmd.Save("period"))
    assert world.done == [("save",)]


async def test_what_breaks_in_paging_or_counting_is_said_and_the_halt_stands(world):
    def broken(*_):
        raise RuntimeError("nobody foresaw this")

    performer = world.performer
    performer.pagers.insert(0, SimpleNamespace(submit=broken))
    performer.metrics.pages = performer.metrics.halts = broken
    performer.perform(cmd.Halt(HALT))
    performer.perform(cmd.Page("p", "halt", "STOPPED"))
    await turns()
    assert {one[0] for one in world.done} >= {"kafka", "mqtt", "evidence"}
    assert ("page", "p") in world.done  # by the other one
    said = performer.metrics.exposition()
    assert b'knightwatch_task_failures_total{task="pager"} 1.0' in said
    assert b'knightwatch_task_failures_total{task="metrics"} 2.0' in said


async def test_numbers_go_on_and_pages_are_known_in_another_life(world):
    performer, restored = world.performer, []
    performer.pagers = [SimpleNamespace(plain=lambda: ["a page"], restore=restored.append)]
    assert [performer.stamp({"type": "ack"})["seq"] for _ in range(3)] == [1, 2, 3]
    memory = json.loads(json.dumps(performer.memory()))
    performer.stamp({"type": "ack"})  # said after the snapshot: its line is in the trail
    performer.remember(memory, 2)
    assert performer.stamp({"type": "ack"})["seq"] == 6
    assert restored == [["a page"]]


async def test_a_first_life_begins_with_one_and_without_pages(world):
    restored = []
    world.performer.pagers = [SimpleNamespace(restore=restored.append)]
    world.performer.remember({}, 0)
    assert (world.performer.stamp({"type": "ack"})["seq"], restored) == (1, [()])


async def test_what_a_state_in_more_parts_left_is_cleared_by_another_life(world):
    """It is retained and compacted: whoever comes new would hear it for ever."""
    world.performer.pagers = []
    world.performer.remember({"state_parts": 3}, 0)
    world.performer.perform(cmd.State((), (), "d"))
    await asyncio.sleep(LEAVE_S)
    await turns()
    said = {one[1]: one[2] for one in world.done if one[0] == "mqtt"}
    assert {topic: bool(raw) for topic, raw in said.items()} == {
        "risk/v1/demo/state/monitor-1": True,
        **{f"risk/v1/demo/state/monitor-1/{part}": False for part in (1, 2, 3)},
    }
    assert world.performer.memory()["state_parts"] == 1
