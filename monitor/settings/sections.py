"""What may be written in the configuration, section by section, each setting with its sentence.

A setting has a default unless none could be right (site, env, a detector's mode).
Secrets are named by file or by environment variable and are never written here.
Relative paths start at the working directory.
"""

from __future__ import annotations

import re
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

from detectors.bounds import EXECUTIONS_MAX, ORDERS_MAX, PARENTS_MAX
from detectors.event import Kind, Source
from monitor.settings.problems import nearest, shown

WITNESSES: Final = ("parent_fill", "order_ack", "drop_copy")
SOURCES: Final = tuple(source.name.lower() for source in Source)
KINDS: Final = tuple(kind.name.lower() for kind in Kind if kind is not Kind.UNKNOWN)
PORT_MAX: Final = 65_535
DAY_MS: Final = 86_400_000
ROWS_MIN: Final = 4_096
EXECUTIONS_MOST: Final = 1 << 26  # 7 GB: eight times Knight's day


def _listed(value: str, known: tuple[str, ...], noun: str) -> str:
    if value not in known:
        raise ValueError(f"{shown(value)} is no {noun}; {nearest(value, known)}")
    return value


def _source(value: str) -> str:
    return _listed(value, SOURCES, "source")


def _kind(value: str) -> str:
    return _listed(value, KINDS, "kind of event")


def _witness(value: str) -> str:
    return _listed(value, WITNESSES, "witness")


def _addresses(value: str) -> str:
    """`host:port`, joined by commas."""
    for address in value.split(","):
        host, colon, port = address.strip().rpartition(":")
        if not colon or not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= PORT_MAX:
            raise ValueError(f"{shown(address.strip())} is not an address; write host:port, joined by commas")
    return value


def _web(value: str) -> str:
    """An http address without a password inside."""
    try:
        parts = urlsplit(value)
        good, secret = parts.scheme in ("http", "https") and bool(parts.hostname), parts.password is not None
        _ = parts.port
    except ValueError:
        good = secret = False
    if secret:
        raise ValueError("the address holds a password; write it without, and name a file or variable for it")
    if not good:
        raise ValueError("is not a web address; write http://host:port or https://host")
    return value.rstrip("/")


def _clock(value: str) -> str:
    try:
        if re.fullmatch(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?", value):
            time.fromisoformat(value)
            return value
    except ValueError:
        pass
    raise ValueError(f'{shown(value)} is not a time of day; write "HH:MM"')


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as unknown:
        raise ValueError(
            f"{shown(value)} is not a time zone known here; write for instance America/New_York"
        ) from unknown
    return value


def checked_partitions(value: str) -> str:
    if value and not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*", value):
        raise ValueError(f'{shown(value)} is no list of partitions; write for instance "0-7" or "0,3,8-11"')
    for part in value.split(",") if value else ():
        first, _, last = part.partition("-")
        if last and int(last) < int(first):
            raise ValueError(f"{shown(part)} runs backwards; write the lower partition first")
    return value


def _path(value: Any) -> Any:
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError("is not a path; write the path of a file")
    return value


Plain = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Text = Annotated[str, Field(min_length=1, max_length=512)]
Glob = Annotated[str, Field(min_length=1, max_length=64)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
AnyPath = Annotated[Path, Strict(strict=False), BeforeValidator(_path)]
Web = Annotated[str, AfterValidator(_web)]
Port = Annotated[int, Field(ge=1, le=PORT_MAX)]
Mode = Literal["shadow", "page", "armed"]


class Section(BaseModel):
    """A table of the file: unknown keys are errors, types are not bent, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class InputTopic(Section):
    """One topic to read, and what is allowed on it."""

    topic: Topic = Field(description="name of the topic", examples=['"trading.telemetry.v1"'])
    sources: tuple[Annotated[str, AfterValidator(_source)], ...] | None = Field(
        None, description="sources allowed on it; default: every one"
    )
    kinds: tuple[Annotated[str, AfterValidator(_kind)], ...] | None = Field(
        None, description="kinds allowed on it; default: every one"
    )


class Kafka(Section):
    """Where telemetry comes from, and one of the two roads of a halt."""

    bootstrap_servers: Annotated[str, AfterValidator(_addresses)] = Field(
        "127.0.0.1:9092", description="brokers, host:port joined by commas", examples=['"127.0.0.1:9092"']
    )
    inputs: tuple[InputTopic, ...] = Field(
        (InputTopic(topic="trading.telemetry.v1"), InputTopic(topic="trading.reference.v1")),
        description="topics to read; what is not allowed on a topic is quarantined and pages",
        examples=['[{ topic = "trading.telemetry.v1" }]'],
    )
    partitions: Annotated[str, AfterValidator(checked_partitions)] = Field(
        "", description='partitions of the first topic that this instance judges, "0-7"; empty: all of them'
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how the brokers are spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    ca_file: AnyPath | None = Field(
        None, description="certificate authority of the brokers (PEM); default: the system's"
    )
    cert_file: AnyPath | None = Field(
        None, description="our certificate (PEM), where the brokers ask for one"
    )
    key_file: AnyPath | None = Field(None, description="the private key of cert_file (PEM)")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="how we log in under SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    sasl_username: Text | None = Field(None, description="who we log in as under SASL")
    sasl_password_file: AnyPath | None = Field(None, description="file whose first line is the SASL password")
    sasl_password_env: Variable | None = Field(None, description="or the environment variable that holds it")


class Mqtt(Section):
    """The other road of a halt."""

    host: Text = Field("127.0.0.1", description="the broker", examples=['"127.0.0.1"'])
    port: Port = Field(1883, description="its port; 8883 is usual with TLS")
    tls: bool = Field(default=False, description="whether the connection is encrypted")
    ca_file: AnyPath | None = Field(
        None, description="certificate authority of the broker (PEM); default: the system's"
    )
    cert_file: AnyPath | None = Field(
        None, description="our certificate (PEM), where the broker asks for one"
    )
    key_file: AnyPath | None = Field(None, description="the private key of cert_file (PEM)")
    username: Text | None = Field(None, description="who we log in as")
    password_file: AnyPath | None = Field(None, description="file whose first line is the password")
    password_env: Variable | None = Field(None, description="or the environment variable that holds it")
    client_id: Plain | None = Field(
        None, description="name of our session at the broker; default: the issuer's"
    )


class Parented(Section):
    """Hosts and strategies whose orders must name a parent; patterns with * and ?."""

    hosts: tuple[Glob, ...] = Field(("*",), description="patterns of hosts")
    strategies: tuple[Glob, ...] = Field(("*",), description="patterns of strategies")


class Telemetry(Section):
    """What this firm's telemetry can say."""

    witnesses: tuple[Annotated[str, AfterValidator(_witness)], ...] = Field(
        (),
        description="witnesses that this firm has: parent_fill, order_ack, drop_copy; "
        "`knightwatch check` says what cannot be seen without them",
    )
    parented: tuple[Parented, ...] = Field(
        (), description="whose orders must name a parent; default: nobody's"
    )
    clock_bound_ms: int = Field(
        100,
        ge=0,
        le=60_000,
        description="how far the clock of a host may be off whose heartbeats do not say it",
    )
    session_start: Annotated[str, AfterValidator(_clock)] = Field(
        "00:00", description="when the session begins: without a snapshot, reading starts at its last passing"
    )
    session_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="time zone of session_start"
    )
    calendar: Annotated[str, Field(max_length=64)] = Field(
        "", description="exchange calendar (XNYS, ...) by which baselines tell time; empty: days are UTC's"
    )
    baseline_file: AnyPath | None = Field(
        None,
        description="what ordinary days look like, signed; `knightwatch tune` learns it. Without one `rate` "
        "knows caps and peers only, and texts and flags are new when they are new to this stream",
    )


class Keys(Section):
    """Who signs, and whose signatures count (Ed25519)."""

    signing_key_file: AnyPath = Field(
        Path("knightwatch-data/keys/monitor.key"),
        description="this monitor's private key, its owner's alone; `knightwatch config keygen` makes one",
    )
    signing_key_env: Variable | None = Field(
        None, description="or the environment variable that holds it as PEM text, in the place of the file"
    )
    pinned_keys_file: AnyPath = Field(
        Path("knightwatch-data/keys/pinned.toml"),
        description="public keys of gateways, people and other monitors; who is not in it is not heard",
    )


class Audit(Section):
    """The trail: append-only, hash-chained, kept for seven years."""

    folder: AnyPath = Field(
        Path("knightwatch-data/audit"), description="where the trail and copied evidence lie"
    )
    rotate_mib: int = Field(
        64,
        ge=1,
        le=4_096,
        description="a file of the trail is closed at this size, or when the UTC day changes",
    )
    keep_days: int = Field(
        2_557,
        ge=1,
        le=36_525,
        description="closed files are removed after so many days, with a line that says so",
    )


class Snapshot(Section):
    """Offsets and all state as one value, so that a restart goes on where it stopped."""

    folder: AnyPath = Field(Path("knightwatch-data/snapshot"), description="where it lies")
    period_s: int = Field(10, ge=1, le=3_600, description="how often it is written")


class Pages(Section):
    """Who is woken.  Never in front of a halt."""

    alertmanager_urls: tuple[Web, ...] = Field(
        (), description="every member of the Alertmanager cluster, http://host:9093", max_length=16
    )
    webhook_url: Web | None = Field(None, description="an address that gets each page as JSON by POST")
    webhook_url_file: AnyPath | None = Field(
        None, description="or the file whose first line is that address, where it holds a token"
    )
    webhook_url_env: Variable | None = Field(None, description="or the environment variable that holds it")
    runbook_url: Text = Field(
        "runbook", description="where RUNBOOK.md is found; pages end in <runbook_url>#<reason>"
    )


class Http(Section):
    """Metrics, liveness and readiness."""

    host: Text = Field("127.0.0.1", description="address to listen on")
    port: Annotated[int, Field(ge=0, le=PORT_MAX)] = Field(
        9_464, description="port; 0: any free one, logged at start"
    )
    lag_s_max: int = Field(5, ge=1, le=3_600, description="/readyz says no when reading lags by more")


class Memory(Section):
    """How much is remembered, and so how much memory is taken: it grows up to these bounds, not past them.

    Past its bound an execution makes the oldest one forgotten; an order or a parent that finds no room counts
    in a bucket without a name, and the lease is degraded.  Another bound asks for a restart; where what is
    known does not fit, or the executions were full, it begins anew at the session's start.
    """

    orders_max: int = Field(
        ORDERS_MAX,
        ge=ROWS_MIN,
        le=ORDERS_MAX,
        description="orders at once, those included that are out for less than five minutes; 190 bytes each. "
        "All three are rounded up to a power of two",
    )
    executions_max: int = Field(
        EXECUTIONS_MAX,
        ge=ROWS_MIN,
        le=EXECUTIONS_MOST,
        description="executions, of which the oldest is forgotten first: a bust after that finds nothing; "
        "100 bytes each",
    )
    parents_max: int = Field(
        PARENTS_MAX,
        ge=ROWS_MIN,
        le=PARENTS_MAX,
        description="parents; one of an earlier trade date that is done makes room; 220 bytes each, and 430 "
        "more in the detectors that look at parents",
    )


class Ladder(Section):
    """Which level a detector's halt has, where its reasons' own level is not wanted."""

    levels: dict[str, Literal["reduce_only", "halt_new", "halt_cancel"]] = Field(
        {}, description="detector = level; rising: reduce_only, halt_new, halt_cancel"
    )


class Rollout(Section):
    """What `knightwatch ready` asks of a build that is new."""

    pilot_days: int = Field(
        0,
        ge=0,
        le=3_650,
        description="a build that first passed less than so many days ago needs a limit of its own, "
        'scope = "build=..."; 0: no build is asked for one',
    )
    proven: tuple[Text, ...] = Field(
        (), description="builds that are older than the record of `knightwatch ready`, and proven"
    )
