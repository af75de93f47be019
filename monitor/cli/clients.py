"""The configuration as the clients of both roads want to hear it, for verbs that live for seconds.

Each gets a name of its own: under the monitor's, an MQTT broker would throw the monitor out.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, Final

from monitor.edge import login
from monitor.edge.mqtt_out import Broker
from monitor.settings import ConfigError, Problem
from monitor.settings.secrets import kafka_password, mqtt_password

if TYPE_CHECKING:
    from monitor.settings import Config


# What the libraries call it, and what it is to whoever reads a status at night.
NOBODY_ANSWERS: Final = re.compile(r"(?:\w+Error\W+)?Unable to bootstrap from \[.*\]\W*")
ERRNO: Final = re.compile(r"\[Errno -?\d+\] ")


def in_words(detail: str) -> str:
    """A link's own words, without what only a programmer needs.

    >>> in_words("b:1: KafkaConnectionError('Unable to bootstrap from [(b, 1)]')")
    'b:1: no broker answers'
    >>> in_words("[Errno 111] Connection refused")
    'Connection refused'
    """
    return ERRNO.sub("", NOBODY_ANSWERS.sub("no broker answers", detail))


def roads_of(config: Config, verb: str) -> tuple[dict[str, Any], Broker]:
    """How to reach Kafka and MQTT.  Raises `ConfigError` for a secret or certificate that is not there."""
    name = f"knightwatch-{verb}-{uuid.uuid4().hex[:8]}"
    mqtt = config.mqtt
    section = "kafka"
    try:
        kafka = login.kafka_client(config.kafka, kafka_password(config), client_id=name)
        section = "mqtt"
        tls = login.mqtt_tls(mqtt)
    except OSError as wrong:
        problem = Problem(f"{section}.ca_file", str(wrong), "name PEM files that belong together")
        raise ConfigError(config.source, [problem]) from wrong
    return kafka, Broker(mqtt.host, mqtt.port, name, mqtt.username, mqtt_password(config), tls)
