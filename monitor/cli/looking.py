"""What is stopped, by every road that answers; what no road says is said to be unknown.

Read are the monitors' own `state` and `lease`, the commands (a person's halt counts also
when no monitor lives to repeat it) and the gateways' acknowledgements.  Nothing is sent.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from monitor.cli.clients import in_words, roads_of
from monitor.cli.picture import Picture
from monitor.core import roads
from monitor.core.inputs import LinkChanged
from monitor.edge.kafka_in import Chunk, KafkaIn, Source
from monitor.edge.keys import KeyProblem, load_keyring
from monitor.edge.mqtt_out import MqttOut
from monitor.settings import ConfigError, Problem

if TYPE_CHECKING:
    from monitor.core.keyring import Keyring
    from monitor.settings import Config

WAIT_S_MAX: Final = 7.0  # a state comes each 5 s, a lease each second
SETTLED_S: Final = 0.3  # after the last thing that we wait for, for what travels beside it
STATE_BACK_NS: Final = 600 * 1_000_000_000
ACKS_BACK_NS: Final = 86_400 * 1_000_000_000
LEASE_BACK_NS: Final = 60 * 1_000_000_000


async def look(config: Config, wait_s: float = WAIT_S_MAX) -> Picture:
    """Listen on both roads at once until the picture is whole, at most `wait_s`."""
    picture = Picture(config.site, config.env, keyring_of(config), now_ns=time.time_ns())
    now_ns = picture.now_ns
    to_kafka, to_mqtt = roads_of(config, "status")
    kafka = KafkaIn(
        to_kafka,
        [
            Source(roads.STATES, now_ns - STATE_BACK_NS, whole=True),
            Source(roads.LEASES, now_ns - LEASE_BACK_NS, whole=True),
            Source(roads.COMMANDS, None, whole=True),
            Source(roads.ACKS, now_ns - ACKS_BACK_NS, whole=True),
        ],
        now_ns=time.time_ns,
    )
    topics = [f"risk/v1/{quote(config.site, safe='')}/{kind}/#" for kind in ("state", "lease")]

    def link(changed: LinkChanged) -> None:
        picture.link("mqtt", up=changed.up, detail=in_words(changed.detail))

    mqtt = MqttOut(
        to_mqtt,
        topics,
        now_ns=time.time_ns,
        on_link=link,
        on_delivered=lambda _topic, _outcome: None,
    )
    tasks = [
        asyncio.ensure_future(work)
        for work in (kafka.run(), mqtt.run(), _hear_kafka(kafka, picture), _hear_mqtt(mqtt, picture))
    ]
    try:
        async with asyncio.timeout(wait_s):
            while not (picture.is_whole and kafka.caught_up()):  # noqa: ASYNC110 - two clients, no common event
                await asyncio.sleep(0.05)
            await asyncio.sleep(SETTLED_S)
    except TimeoutError:
        pass
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    picture.commands_read = kafka.caught_up()
    picture.now_ns = time.time_ns()
    at_mqtt = f"{config.mqtt.host}:{config.mqtt.port}"
    picture.addresses = {"kafka": config.kafka.bootstrap_servers, "mqtt": at_mqtt}
    return picture


def keyring_of(config: Config) -> Keyring | None:
    """Whose word counts; None if nobody is pinned here: then nothing can be verified."""
    path = config.keys.pinned_keys_file
    if not path.exists():
        return None
    try:
        return load_keyring(path)
    except KeyProblem as wrong:
        raise ConfigError(config.source, [Problem("keys.pinned_keys_file", str(wrong))]) from wrong


async def _hear_kafka(kafka: KafkaIn, picture: Picture) -> None:
    async for fact in kafka.read():
        match fact:
            case Chunk(parts=parts):
                for value in (value for part in parts for value in part.values if value):
                    picture.hear(value)
            case LinkChanged(link="kafka"):
                picture.link("kafka", up=fact.up, detail=in_words(fact.detail))


async def _hear_mqtt(mqtt: MqttOut, picture: Picture) -> None:
    async for message in mqtt.read():
        if message.payload:
            picture.hear(message.payload)
