"""Settings that are each right and together wrong.

These look at the raw tables, so that they are named in the same breath as misspelt keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.settings.problems import Problem, shown

Table = Mapping[str, Any]


def contradictions(raw: Table) -> Iterator[Problem]:
    kafka, mqtt, pages = _table(raw, "kafka"), _table(raw, "mqtt"), _table(raw, "pages")
    yield from _one_of("kafka", kafka, "sasl_password_file", "sasl_password_env")
    yield from _one_of("mqtt", mqtt, "password_file", "password_env")
    yield from _one_of("pages", pages, "webhook_url", "webhook_url_file", "webhook_url_env")
    yield from _together("kafka", kafka, "cert_file", "key_file")
    yield from _together("mqtt", mqtt, "cert_file", "key_file")
    yield from _login_of_kafka(kafka)
    if _has(mqtt, "password_file", "password_env") and "username" not in mqtt:
        yield Problem("mqtt.username", "is missing, but there is a password", 'write username = "..."')
    if mqtt.get("tls") is not True and (extra := _has(mqtt, "ca_file", "cert_file")):
        yield Problem(f"mqtt.{extra}", "is for TLS, which is off", "write tls = true")
    if kafka.get("inputs") == []:
        yield Problem("kafka.inputs", "is empty", 'write inputs = [{ topic = "trading.telemetry.v1" }]')
    yield from _twice("kafka.inputs", kafka.get("inputs"), "topic")


def _login_of_kafka(kafka: Table) -> Iterator[Problem]:
    protocol = kafka.get("security_protocol", "PLAINTEXT")
    login = _has(kafka, "sasl_username", "sasl_password_file", "sasl_password_env")
    if protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
        if "sasl_username" not in kafka:
            yield Problem(
                "kafka.sasl_username", f"is missing under {protocol}", 'write sasl_username = "..."'
            )
        if not _has(kafka, "sasl_password_file", "sasl_password_env"):
            yield Problem(
                "kafka.sasl_password_file", f"is missing under {protocol}", "write it, or sasl_password_env"
            )
    elif login:
        yield Problem(f"kafka.{login}", "is for SASL, which is off", 'write security_protocol = "SASL_SSL"')
    if protocol in ("PLAINTEXT", "SASL_PLAINTEXT") and (extra := _has(kafka, "ca_file", "cert_file")):
        tls = "SSL" if protocol == "PLAINTEXT" else "SASL_SSL"
        yield Problem(f"kafka.{extra}", "is for TLS, which is off", f'write security_protocol = "{tls}"')


def _table(raw: Table, name: str) -> Table:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}


def _has(table: Table, *names: str) -> str:
    """The first of these keys that is there, else empty."""
    return next((name for name in names if name in table), "")


def _one_of(section: str, table: Table, *names: str) -> Iterator[Problem]:
    there = [name for name in names if name in table]
    for extra in there[1:]:
        yield Problem(f"{section}.{extra}", f"{there[0]} is there too", "write one of the two")


def _together(section: str, table: Table, one: str, other: str) -> Iterator[Problem]:
    for here, gone in ((one, other), (other, one)):
        if here in table and gone not in table:
            yield Problem(f"{section}.{gone}", f"is missing beside {here}", f'write {gone} = "..."')


def _twice(path: str, rows: Any, key: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        value = row.get(key) if isinstance(row, dict) else None
        if isinstance(value, str):
            if value in seen:
                yield Problem(f"{path}[{index}].{key}", f"{shown(value)} is there twice", "write it once")
            seen.add(value)
