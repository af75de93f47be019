"""A halt on MQTT is delivered or said not to be; a broker that comes back finds everything waiting."""

import asyncio
import contextlib
import time

import aiomqtt
import pytest

from monitor.edge import mqtt_out
from monitor.edge.embedded import EmbeddedMqtt
from monitor.edge.mqtt_out import Broker, Message, MqttOut
from tests.real.proxy import Proxy

HALT = "risk/v1/demo/halt/7f3a"
STATE = "risk/v1/demo/state/m-1"
LEASE = "risk/v1/demo/lease/m-1"
ACKS = "risk/v1/demo/ack/+"
DEADLINE_S = 20


class Out:
    def __init__(self, port, *, login=None, subscribe=(ACKS,), **options):
        self.links, self.late, self.heard = [], [], []
        self.mqtt = MqttOut(
            Broker("127.0.0.1", port, "m-1", **(login or {})),
            subscribe,
            now_ns=time.time_ns,
            on_link=self.links.append,
            on_delivered=lambda *said: self.late.append(said),
            **options,
        )

    async def follow(self):
        async for message in self.mqtt.read():
            self.heard.append(message)

    def connected(self):
        return self.ups()[-1:] == [True]

    def ups(self, link="mqtt"):
        return [fact.up for fact in self.links if fact.link == link]


@contextlib.asynccontextmanager
async def running(out):
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(context))
    tasks = [asyncio.ensure_future(out.mqtt.run()), asyncio.ensure_future(out.follow())]
    try:
        yield out
        assert not [task.exception() for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        began = time.monotonic()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert not said, "nothing is left in the loop that fails later"
        assert time.monotonic() - began < 3, "stopping has deadlines too"


async def until(true):
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def gateway(port, *topics, name="gw-1", **login):
    async with aiomqtt.Client("127.0.0.1", port, identifier=name, timeout=5, **login) as client:
        for topic in topics:
            await client.subscribe(topic, qos=1)
        yield client


async def next_message(client):
    async with asyncio.timeout(DEADLINE_S):
        return await anext(aiter(client.messages))


async def test_halts_go_out_and_acknowledgements_come_in_through_a_broker_of_mqtt_3():
    async with EmbeddedMqtt() as broker, running(Out(broker.port)) as out, gateway(broker.port, HALT) as gw:
        await until(out.connected)
        assert (await out.mqtt.publish(HALT, b"halt", deadline_s=5)).ok
        assert (await next_message(gw)).payload == b"halt"
        await gw.publish("risk/v1/demo/ack/gw-1", b"applied", qos=1)
        await until(lambda: Message("risk/v1/demo/ack/gw-1", b"applied") in out.heard)
        assert out.ups("mqtt_in") == [True]


async def test_an_acknowledgement_that_finds_no_room_is_counted(monkeypatch):
    monkeypatch.setattr(mqtt_out, "HEARD_MAX", 1)
    unheard = []
    async with EmbeddedMqtt() as broker, gateway(broker.port) as gw:
        out = Out(broker.port, on_unheard=lambda: unheard.append(1))
        running_alone = asyncio.ensure_future(out.mqtt.run())  # and nobody reads
        await until(lambda: out.ups("mqtt_in") == [True])
        await gw.publish("risk/v1/demo/ack/gw-1", b"kept", qos=1)
        await gw.publish("risk/v1/demo/ack/gw-1", b"no room", qos=1)
        await until(lambda: unheard == [1])
        assert (await anext(out.mqtt.read())).payload == b"kept"
        running_alone.cancel()
        await asyncio.gather(running_alone, return_exceptions=True)


async def test_of_a_topic_only_the_latest_waits_and_nobody_waits_past_the_deadline():
    out = Out(9)
    async with running(out):
        first = asyncio.ensure_future(out.mqtt.publish(LEASE, b"1", deadline_s=5))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        second = await out.mqtt.publish(LEASE, b"2", deadline_s=0.2)
        assert 0.15 < time.monotonic() - began < 0.4
        assert (await first).superseded
        assert not second.ok
        assert out.mqtt.waiting == 1
        await until(lambda: out.links)
        assert "127.0.0.1:9" in out.links[0].detail
        assert out.ups() == [False]


async def test_what_is_no_topic_is_an_error_of_ours_and_is_not_kept():
    async with EmbeddedMqtt() as broker, running(Out(broker.port)) as out:
        await until(out.connected)
        with pytest.raises(ValueError):
            await out.mqtt.publish("risk/v1/demo/halt/+", b"x")
        assert out.mqtt.waiting == 0


@pytest.mark.real("mosquitto")
async def test_a_halt_that_nobody_listens_to_is_not_delivered(mosquitto):
    async with running(Out(mosquitto.port)) as out:
        await until(out.connected)
        outcome = await out.mqtt.publish(HALT, b"halt", deadline_s=5)
        assert (outcome.ok, outcome.detail) == (False, "no subscriber")
        async with gateway(mosquitto.port, "risk/v1/demo/halt/+"):
            assert (await out.mqtt.publish(HALT, b"halt", deadline_s=5)).ok
        assert (await out.mqtt.publish(STATE, b"open: 1", retain=True, deadline_s=5)).ok


@pytest.mark.real("mosquitto")
async def test_our_own_voice_is_not_news(mosquitto):
    async with running(Out(mosquitto.port, subscribe=("risk/v1/demo/#",))) as out:
        await until(lambda: out.ups("mqtt_in"))
        assert (await out.mqtt.publish(HALT, b"ours", deadline_s=5)).ok
        async with gateway(mosquitto.port, name="m-2") as other:
            await other.publish(HALT, b"theirs", qos=1)
        await until(lambda: out.heard)
        assert out.heard == [Message(HALT, b"theirs")]


@pytest.mark.real("mosquitto")
async def test_a_broker_killed_loses_its_state_and_is_told_again(mosquitto):
    present = [Message(STATE, b"open: 1", retained=True)]
    out = Out(mosquitto.port, present=lambda: present)
    async with running(out):
        await until(out.connected)
        mosquitto.kill9()
        assert not (await out.mqtt.publish(HALT, b"halt", deadline_s=0.3)).ok
        await until(lambda: out.ups() == [True, False])
        await mosquitto.restart()
        async with gateway(mosquitto.port, HALT, STATE) as gw:
            await until(lambda: out.ups() == [True, False, True])
            while (message := await next_message(gw)).topic.value != STATE:
                assert message.payload == b"halt"
            assert message.payload == b"open: 1"


@pytest.mark.real("mosquitto")
async def test_a_half_open_connection_is_left_after_two_seconds_and_the_halt_still_arrives(mosquitto):
    listening = gateway(mosquitto.port, "risk/v1/demo/halt/+")
    async with Proxy(mosquitto.port) as proxy, listening as gw, running(Out(proxy.port)) as out:
        await until(out.connected)
        proxy.swallowing = True
        began = time.monotonic()
        outcome = await out.mqtt.publish(HALT, b"halt", deadline_s=0.5)
        assert 0.4 < time.monotonic() - began < 0.8
        assert "not yet" in outcome.detail
        await until(lambda: out.ups() == [True, False])
        assert time.monotonic() - began < 3
        proxy.swallowing = False
        assert (await next_message(gw)).payload == b"halt"
        await until(lambda: out.mqtt.waiting == 0)
        ((topic, late),) = out.late
        assert (topic, late.ok) == (HALT, True)
        assert out.mqtt._version is aiomqtt.ProtocolVersion.V5


@pytest.mark.real("mosquitto")
async def test_tcp_drops_in_the_middle_and_it_is_back_within_a_second(mosquitto):
    listening = gateway(mosquitto.port, "risk/v1/demo/halt/+")
    async with Proxy(mosquitto.port) as proxy, listening as gw, running(Out(proxy.port)) as out:
        await until(out.connected)
        proxy.reset()
        began = time.monotonic()
        assert (await out.mqtt.publish(HALT, b"halt", deadline_s=2)).ok
        assert time.monotonic() - began < 1.5
        assert (await next_message(gw)).payload == b"halt"


@pytest.mark.real("mosquitto")
async def test_the_last_will_is_made_at_connect_and_not_spoken_at_a_farewell(mosquitto):
    made = []

    def will():
        made.append(Message(LEASE, b"blind %d" % len(made)))
        return made[-1]

    async with Proxy(mosquitto.port) as proxy, gateway(mosquitto.port, LEASE) as gw:
        async with running(Out(proxy.port, will=will)) as out:
            await until(out.connected)
            proxy.reset()
            assert (await next_message(gw)).payload == b"blind 0"
            await until(lambda: out.ups() == [True, False, True])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(aiter(gw.messages)), 0.5)
    assert len(made) == 2


def login(mosquitto, user="monitor", password=None):
    guard = mosquitto.guard
    return {"username": user, "password": password or guard.users[user], "tls": guard.client_context()}


@pytest.mark.real("mosquitto")
async def test_the_self_test_knows_what_an_access_list_allows(mosquitto_guarded):
    async with running(Out(mosquitto_guarded.port, login=login(mosquitto_guarded))) as out:
        await until(out.connected)
        assert (await out.mqtt.self_test("risk/v1/demo/halt/probe", b"probe")).ok
        assert out.mqtt.waiting == 0
        refused = await out.mqtt.self_test("risk/v1/elsewhere/halt/probe", b"probe")
        assert not refused.ok
        assert "not auth" in refused.detail or "not allowed" in refused.detail
    # A gateway's login may read halts and may not write them.
    async with running(Out(mosquitto_guarded.port, login=login(mosquitto_guarded, "gw-1"))) as out:
        await until(out.connected)
        began = time.monotonic()
        outcome = await out.mqtt.publish(HALT, b"halt", deadline_s=5)
        assert (outcome.ok, outcome.detail) == (False, "not authorized")
        assert time.monotonic() - began < 1
        assert not (await out.mqtt.self_test(LEASE, b"probe")).ok


@pytest.mark.real("mosquitto")
async def test_a_wrong_password_is_said_in_words(mosquitto_guarded):
    async with running(Out(mosquitto_guarded.port, login=login(mosquitto_guarded, password="guess"))) as out:
        await until(lambda: out.links)
        assert out.ups() == [False]
        assert "ot authori" in out.links[0].detail or "assword" in out.links[0].detail


@pytest.mark.real("mosquitto")
async def test_a_certificate_of_a_stranger_is_refused(mosquitto_guarded):
    import ssl

    trusting_others = {**login(mosquitto_guarded), "tls": ssl.create_default_context()}
    async with running(Out(mosquitto_guarded.port, login=trusting_others)) as out:
        await until(lambda: out.links)
        assert "certificate" in out.links[0].detail.lower()
