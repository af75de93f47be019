"""How brokers are logged in to: what the configuration says, as the clients want to hear it.

Certificates are read here and nowhere else: at the start, and again for each connection, so that one that
was rotated is shown and believed at the next without a restart.  A file that cannot be read or is no
certificate is an `OSError` with its name.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.settings.sections import Kafka, Mqtt

TLS_MIN: Final = ssl.TLSVersion.TLSv1_2


def kafka_client(kafka: Kafka, password: str | None, *, client_id: str) -> dict[str, Any]:
    """The arguments that every aiokafka client is made with."""
    client: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "client_id": client_id,
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol.endswith("SSL"):
        client["ssl_context"] = tls(kafka.ca_file, kafka.cert_file, kafka.key_file)
    if kafka.security_protocol.startswith("SASL"):
        client["sasl_mechanism"] = kafka.sasl_mechanism
        client["sasl_plain_username"] = kafka.sasl_username
        client["sasl_plain_password"] = password
    return client


def mqtt_tls(mqtt: Mqtt) -> ssl.SSLContext | None:
    """None where the connection is not encrypted."""
    return tls(mqtt.ca_file, mqtt.cert_file, mqtt.key_file) if mqtt.tls else None


def tls(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """Checks who the server is, always; shows who we are, where there is a certificate."""
    _context(ca_file, cert_file, key_file)  # what is wrong now is said at the start
    reading = _Reading(ssl.PROTOCOL_TLS_CLIENT)
    reading.files = (ca_file, cert_file, key_file)
    return reading


class _Reading(ssl.SSLContext):
    """Wraps each connection by a context made of the files as they are then."""

    files: tuple[Path | None, Path | None, Path | None]

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return _context(*self.files).wrap_bio(*args, **options)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        return _context(*self.files).wrap_socket(*args, **options)


def _context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    named = ca_file
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        context.minimum_version = TLS_MIN
        if cert_file is not None:
            named = cert_file
            context.load_cert_chain(cert_file, key_file)
    except OSError as broken:  # ssl.SSLError is one
        raise OSError(f"{named}: {broken.strerror or broken}") from broken
    return context
