"""What the clients of both roads are given: addresses, certificates and how to log in."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from monitor.settings.problems import ConfigError, Problem
from monitor.settings.secrets import kafka_password, mqtt_password

if TYPE_CHECKING:
    from monitor.settings.config import Config
    from monitor.settings.sections import Kafka, Mqtt


def kafka_client(config: Config) -> dict[str, Any]:
    """Arguments of any aiokafka client.  Raises `ConfigError` for a file or secret that is not there."""
    kafka = config.kafka
    client: dict[str, Any] = {
        "bootstrap_servers": [address.strip() for address in kafka.bootstrap_servers.split(",")],
        "security_protocol": kafka.security_protocol,
        "client_id": f"knightwatch-{config.issuer}",
    }
    if kafka.security_protocol.endswith("SSL"):
        client["ssl_context"] = _tls(config.source, "kafka", kafka)
    if kafka.security_protocol.startswith("SASL"):
        client |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka_password(config),
        }
    return client


def mqtt_broker(config: Config) -> dict[str, Any]:
    """Fields of the MQTT road's `Broker`.  Raises `ConfigError` as above."""
    mqtt = config.mqtt
    return {
        "host": mqtt.host,
        "port": mqtt.port,
        "client_id": mqtt.client_id or f"knightwatch-{config.issuer}",
        "username": mqtt.username,
        "password": mqtt_password(config),
        "tls": _tls(config.source, "mqtt", mqtt) if mqtt.tls else None,
    }


def _tls(source: str, section: str, files: Kafka | Mqtt) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=files.ca_file)
    except (OSError, ssl.SSLError) as wrong:
        raise _unusable(source, f"{section}.ca_file", wrong) from wrong
    if files.cert_file is not None:
        try:
            context.load_cert_chain(files.cert_file, files.key_file)
        except (OSError, ssl.SSLError) as wrong:
            raise _unusable(source, f"{section}.cert_file", wrong) from wrong
    return context


def _unusable(source: str, key: str, wrong: Exception) -> ConfigError:
    why = (getattr(wrong, "strerror", None) or str(wrong)).lower()
    return ConfigError(source, [Problem(key, why, "name PEM files that can be read and belong together")])
