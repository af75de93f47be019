"""Secrets come from a file's first line or from the environment, never from the configuration itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from monitor.settings.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from monitor.settings.config import Config

BYTES_MAX = 4_096


def secret(key: str, file: Path | None, variable: str | None) -> str | None:
    """The secret named `key`, None if it is not configured.  Raises `ConfigError` if it cannot be had."""
    if file is not None:
        try:
            with file.open("rb") as opened:
                line = opened.read(BYTES_MAX).split(b"\n", 1)[0].rstrip(b"\r").decode()
        except (OSError, UnicodeDecodeError) as wrong:
            why = getattr(wrong, "strerror", None) or "is not UTF-8"
            raise _cannot(str(file), f"{key}_file", why.lower(), "name a file that can be read") from wrong
        if not line:
            raise _cannot(str(file), f"{key}_file", "its first line is empty", "put the secret there")
        return line
    if variable is None:
        return None
    if not os.environ.get(variable):
        how = f"set {variable}, or write {key}_file"
        raise _cannot("environment", f"{key}_env", f"{variable} is not set", how)
    return os.environ[variable]


def _cannot(source: str, key: str, what: str, write: str) -> ConfigError:
    return ConfigError(source, [Problem(key, what, write)])


def kafka_password(config: Config) -> str | None:
    return secret("kafka.sasl_password", config.kafka.sasl_password_file, config.kafka.sasl_password_env)


def mqtt_password(config: Config) -> str | None:
    return secret("mqtt.password", config.mqtt.password_file, config.mqtt.password_env)


def webhook_url(config: Config) -> str | None:
    """Where pages are posted, wherever the address is written."""
    hidden = secret("pages.webhook_url", config.pages.webhook_url_file, config.pages.webhook_url_env)
    return hidden or config.pages.webhook_url


def unreadable(config: Config) -> Iterator[Problem]:
    """Secrets and certificates that the configuration names and this machine does not have."""
    for read in (kafka_password, mqtt_password, webhook_url):
        try:
            read(config)
        except ConfigError as wrong:
            yield from wrong.problems
    for section in ("kafka", "mqtt"):
        for name in ("ca_file", "cert_file", "key_file"):
            path: Path | None = getattr(getattr(config, section), name)
            if path is not None and not path.is_file():
                yield Problem(
                    f"{section}.{name}", f"{path} is not a file", "name a PEM file that can be read"
                )
