"""A message stays until a broker took it, and whoever publishes it never waits past its deadline."""

import asyncio
import contextlib
import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place

from monitor.edge.embedded import EmbeddedKafka
from monitor.edge.kafka_out import DeadLetterBytes, DeadLetters, KafkaOut, make_topics

COMMANDS = "risk.halt.commands.v1"
DEADLINE_S = 20


@pytest.fixture
async def cluster():
    async with EmbeddedKafka(brokers=1, topics={COMMANDS: 1, "risk.dlq.v1": 1}) as cluster:
        yield cluster


class Out:
    def __init__(self, bootstrap_servers, at_once=()):
        self.links, self.late = [], []
        self.kafka = KafkaOut(
            {"bootstrap_servers": bootstrap_servers},
            now_ns=time.time_ns,
            on_link=self.links.append,
            on_delivered=lambda *said: self.late.append(said),
            at_once=at_once,
        )

    async def is_ready(self):
        """The client is built, and what may not wait has its connection."""
        await until(lambda: self.kafka._express is not None and self.kafka._express.is_open)


WAYS = pytest.mark.parametrize("at_once", [(), (COMMANDS,)], ids=["usual", "at_once"])


@contextlib.asynccontextmanager
async def running(*things):
    tasks = [asyncio.ensure_future(thing.run()) for thing in things]
    try:
        yield
        assert not [task.exception() for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        began = time.monotonic()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert time.monotonic() - began < 6, "stopping has deadlines too"


async def until(true):
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(0.02)


async def records(bootstrap_servers, topic, count):
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=None, fetch_max_wait_ms=100)
    await consumer.start()
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    found = []
    try:
        async with asyncio.timeout(DEADLINE_S):
            while len(found) < count:
                for some in (await consumer.getmany(timeout_ms=100)).values():
                    found += some
        return found
    finally:
        await consumer.stop()


@WAYS
async def test_a_halt_is_delivered_with_its_key(cluster, at_once):
    out = Out(cluster.bootstrap_servers, at_once)
    async with running(out.kafka):
        await out.is_ready()
        outcome = await out.kafka.publish(COMMANDS, "7f3a/m-1", b"halt", 5)
        assert outcome.ok, outcome
        tombstone = await out.kafka.publish(COMMANDS, "7f3a/m-1", None)
        assert tombstone.ok
        assert tombstone.latency_s < 1
    found = await records(cluster.bootstrap_servers, COMMANDS, 2)
    assert [(r.key, r.value) for r in found] == [(b"7f3a/m-1", b"halt"), (b"7f3a/m-1", None)]
    assert [link.up for link in out.links] == [True]
    assert out.kafka.waiting == 0


@WAYS
async def test_with_the_broker_dead_it_keeps_its_deadline_and_delivers_when_there_is_one(cluster, at_once):
    out = Out(cluster.bootstrap_servers, at_once)
    async with running(out.kafka):
        await out.is_ready()
        assert (await out.kafka.publish(COMMANDS, "a", b"1", 5)).ok
        cluster.broker_down(1)
        began = time.monotonic()
        outcome = await out.kafka.publish(COMMANDS, "b", b"2", 0.5)
        assert 0.4 < time.monotonic() - began < 0.8
        assert not outcome.ok
        assert outcome.detail.startswith("not yet")
        await until(lambda: [link.up for link in out.links] == [True, False])
        assert out.kafka.waiting == 1
        cluster.broker_up(1)
        await until(lambda: out.kafka.waiting == 0)
        ((topic, key, late),) = out.late
        assert (topic, key, late.ok) == (COMMANDS, "b", True)
        assert (await out.kafka.publish(COMMANDS, "c", b"3", 5)).ok
    found = await records(cluster.bootstrap_servers, COMMANDS, 3)
    assert list(dict.fromkeys(r.value for r in found)) == [b"1", b"2", b"3"]  # at least once, in order


async def test_what_may_not_wait_has_left_when_post_returns(cluster):
    out = Out(cluster.bootstrap_servers, [COMMANDS])
    async with running(out.kafka):
        await out.is_ready()
        letter = out.kafka.post(COMMANDS, "7f3a/m-1", b"halt")
        # Nothing of ours runs from here on: what the broker has was on the socket already.
        consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "test"})
        consumer.assign([Place(COMMANDS, 0, 0)])
        found = consumer.poll(DEADLINE_S)
        consumer.close()
        assert (found.key(), found.value()) == (b"7f3a/m-1", b"halt")
        assert (await out.kafka.outcome(letter, 5)).ok


async def test_what_fails_on_the_short_way_goes_the_usual_one_and_nothing_overtakes_it(cluster):
    out = Out(cluster.bootstrap_servers, [COMMANDS])
    async with running(out.kafka):
        await out.is_ready()
        for connection in out.kafka._express._client._conns.values():
            connection._writer.transport.abort()  # both are gone, and nobody has heard of it yet
        first = out.kafka.post(COMMANDS, "a", b"1")
        assert first.by_express
        await until(lambda: not first.by_express)
        second = out.kafka.post(COMMANDS, "a", b"2")
        assert not second.by_express
        assert (await out.kafka.outcome(second, 5)).ok
        await out.is_ready()
        third = out.kafka.post(COMMANDS, "a", b"3")
        assert third.by_express
        assert (await out.kafka.outcome(third, 5)).ok
    found = await records(cluster.bootstrap_servers, COMMANDS, 2)
    assert [r.value for r in found][-2:] == [b"2", b"3"]


async def test_of_a_key_only_the_latest_waits():
    out = Out("127.0.0.1:9")
    async with running(out.kafka):
        first = asyncio.ensure_future(out.kafka.publish("lease", "m-1", b"1", 5))
        await asyncio.sleep(0.05)
        second = await out.kafka.publish("lease", "m-1", b"2", 0.1)
        assert (await first).superseded
        assert not second.ok
        assert out.kafka.waiting == 1
        await until(lambda: out.links)
        assert not out.links[0].up
        assert "127.0.0.1:9" in out.links[0].detail


@WAYS
async def test_what_no_broker_takes_is_an_answer_and_not_an_endless_attempt(cluster, at_once):
    out = Out(cluster.bootstrap_servers, at_once)
    async with running(out.kafka):
        await out.is_ready()
        outcome = await out.kafka.publish(COMMANDS, "big", bytes(2 * 1024 * 1024), 5)
        assert not outcome.ok
        assert "Size" in outcome.detail
        assert out.kafka.waiting == 0
        assert (await out.kafka.publish(COMMANDS, "small", b"1", 5)).ok


async def test_dead_letters_arrive_as_they_were_with_what_was_wrong(cluster):
    settled = []
    letters = DeadLetters(
        {"bootstrap_servers": cluster.bootstrap_servers},
        "risk.dlq.v1",
        on_settled=lambda count, outcome: settled.append((count, outcome.ok)),
    )
    async with running(letters):
        for n in range(1200):
            assert letters.submit(
                DeadLetterBytes(b"{%d" % n, (("reason", b"not_json"), ("offset", b"%d" % n)))
            )
        await until(lambda: letters.waiting == 0)
    found = await records(cluster.bootstrap_servers, "risk.dlq.v1", 1200)
    assert [r.value for r in found] == [b"{%d" % n for n in range(1200)]
    assert found[7].headers == (("reason", b"not_json"), ("offset", b"7"))
    assert sum(count for count, ok in settled if ok) == 1200


async def test_a_dead_letter_too_large_to_keep_is_cut_and_stands_before_nobody(cluster):
    settled = []
    letters = DeadLetters(
        {"bootstrap_servers": cluster.bootstrap_servers},
        "risk.dlq.v1",
        on_settled=lambda count, outcome: settled.append((count, outcome.ok)),
    )
    async with running(letters):
        letters.submit(DeadLetterBytes(b"x" * 2_000_000, (("reason", b"too_large"),)))
        letters.submit(DeadLetterBytes(b"y", (("detail", b"z" * 2_000_000),)))
        letters.submit(DeadLetterBytes(b"small"))
        await until(lambda: letters.waiting == 0)
    assert letters.lost == 1
    assert {ok: sum(count for count, is_ok in settled if is_ok is ok) for ok in (True, False)} == {
        True: 2,
        False: 1,
    }, "the metric hears of both"
    found = await records(cluster.bootstrap_servers, "risk.dlq.v1", 2)
    assert {len(r.value) for r in found} == {900 * 1024, 5}
    assert ("cut_from_bytes", b"2000000") in max(found, key=lambda r: len(r.value)).headers


async def test_too_many_dead_letters_are_refused_and_counted():
    letters = DeadLetters({"bootstrap_servers": "127.0.0.1:9"}, "risk.dlq.v1", on_settled=lambda *_: None)
    mib = bytes(1024 * 1024)
    assert [letters.submit(DeadLetterBytes(mib)) for _ in range(66)].count(True) == 64
    assert (letters.lost, letters.waiting) == (2, 64)


async def test_topics_that_nobody_can_make_are_no_reason_to_fail(cluster):
    said = await make_topics({"bootstrap_servers": cluster.bootstrap_servers}, [COMMANDS], ["risk.dlq.v1"])
    assert set(said) == {COMMANDS, "risk.dlq.v1"}
    nobody = await make_topics({"bootstrap_servers": "127.0.0.1:9"}, [COMMANDS], [])
    assert "127.0.0.1" in nobody[COMMANDS]


@pytest.mark.real("kafka")
async def test_on_real_kafka_topics_are_made_compacted_and_once(kafka, topic_name):
    client = {"bootstrap_servers": kafka.bootstrap_servers}
    assert await make_topics(client, [topic_name], [f"{topic_name}-plain"]) == {
        topic_name: "made",
        f"{topic_name}-plain": "made",
    }
    assert await make_topics(client, [topic_name], []) == {topic_name: "there"}


@pytest.mark.real("kafka")
@pytest.mark.parametrize("is_at_once", [False, True])
async def test_a_half_open_connection_to_real_kafka_is_noticed_and_left(kafka, topic_name, is_at_once):
    kafka.create_topic(topic_name)
    async with kafka.proxy() as proxy:
        out = Out(f"127.0.0.1:{proxy.port}", [topic_name] if is_at_once else ())
        async with running(out.kafka):
            await out.is_ready()
            assert (await out.kafka.publish(topic_name, "a", b"1", 5)).ok
            proxy.swallowing = True
            began = time.monotonic()
            assert not (await out.kafka.publish(topic_name, "b", b"2", 0.5)).ok
            assert time.monotonic() - began < 0.8
            await until(lambda: not out.links[-1].up)
            assert time.monotonic() - began < 4
            proxy.swallowing = False
            proxy.cut()
            await until(lambda: out.kafka.waiting == 0)
    found = await records(kafka.bootstrap_servers, topic_name, 2)
    assert list(dict.fromkeys(r.value for r in found)) == [b"1", b"2"]
