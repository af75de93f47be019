"""A person stops a scope alone: signed with their own key, sent on both roads at once.

No monitor has to be alive.  A road counts as taken when its broker said so and, where the
broker can tell, somebody listens; whether gateways obeyed is what `knightwatch status` says.
The same scope, level and day give the same `halt_id`: to send it twice does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from monitor.cli.clients import in_words, roads_of
from monitor.core import envelope, identity, messages, roads
from monitor.core.authority import receive
from monitor.edge.kafka_out import KafkaOut
from monitor.edge.keys import KeyProblem, load_keyring, public_of
from monitor.edge.mqtt_out import MqttOut

if TYPE_CHECKING:
    from pathlib import Path

    from detectors.scope import Scope
    from monitor.core.keyring import Signer
    from monitor.settings import Config

DETECTOR: Final = "operator"  # who accuses, where a detector would stand
REASON_CODE: Final = "operator_halt"
DEADLINE_S: Final = 8.0  # a road that has to connect first: 5 s of Kafka's, and a retry


@dataclass(frozen=True, slots=True)
class RoadOutcome:
    """What became of the halt on one road."""

    road: str
    address: str
    ok: bool
    latency_s: float
    detail: str

    @property
    def document(self) -> dict[str, Any]:
        return {
            "road": self.road,
            "address": self.address,
            "ok": self.ok,
            "latency_ms": round(self.latency_s * 1_000, 1),
            "detail": self.detail,
        }


def person_halt(
    config: Config, scope: Scope, level: str, reason: str, who: str, *, drill: bool = False
) -> dict[str, Any]:
    """Build the payload of a person's halt; `who` is the name that receivers pinned the key under."""
    now_ns = time.time_ns()
    trade_date = datetime.fromtimestamp(now_ns / 1e9, UTC).date().isoformat()
    halt_id = identity.halt_id(config.site, config.env, DETECTOR, REASON_CODE, scope.text, trade_date, 0)
    payload = {
        "v": 1,
        "type": "halt",
        "site": config.site,
        "env": config.env,
        "issuer": who,
        "boot": uuid.uuid4().hex,
        "seq": 1,
        "issued_at": now_ns,
        "halt_id": halt_id,
        "incident_id": halt_id,
        "level": level,
        "scope": scope.mapping,
        "detector": DETECTOR,
        "reason_code": REASON_CODE,
        "reason": reason,
        "measured": None,
        "limit": None,
        "unit": "",
        "evidence": [],
        "event_ts": now_ns,
        "policy_digest": config.policy_digest,  # empty: a person judges by no policy
        "mode": "drill" if drill else "live",
    }
    checked = messages.validate(payload)
    assert not isinstance(checked, messages.BadMessage), checked
    return payload


def name_of(config: Config, signer: Signer, key: Path) -> str | None:
    """Under which name this key is pinned: here, or in the .pub file beside it.  None if neither says."""
    for path in (config.keys.pinned_keys_file, public_of(key)):
        with contextlib.suppress(KeyProblem):
            keyring = load_keyring(path)
            if signer.keyid in keyring:
                return keyring[signer.keyid].who
    return None


def disbelieved(config: Config, payload: dict[str, Any], signer: Signer) -> str:
    """Why whoever pins what is pinned here would not obey it; empty if they would, or if nobody is pinned."""
    path = config.keys.pinned_keys_file
    try:
        keyring = load_keyring(path)
    except KeyProblem:  # on another machine than the monitor's: the gateways have their own
        return ""
    said = receive(envelope.seal(payload, [signer]), keyring, config.site, config.env)
    if not isinstance(said, envelope.Ignored):
        return ""
    why = f"key {signer.keyid} is not pinned" if said.why is envelope.Why.UNKNOWN_KEY else said.detail
    return f"{why}; by {path} no gateway would obey: name a key that is pinned there for a person"


async def publish(config: Config, payload: dict[str, Any], signer: Signer) -> list[RoadOutcome]:
    """Send on both roads, neither waiting for the other, until both have answered or run out of time."""
    sealed = envelope.seal(payload, [signer])
    road = roads.road_of(payload)
    to_kafka, to_mqtt = roads_of(config, "halt")
    kafka = KafkaOut(to_kafka, now_ns=time.time_ns, on_link=_unheard, on_delivered=_unheard)
    mqtt = MqttOut(to_mqtt, (), now_ns=time.time_ns, on_link=_unheard, on_delivered=_unheard)
    clients = [asyncio.ensure_future(kafka.run()), asyncio.ensure_future(mqtt.run())]
    try:
        by_kafka, by_mqtt = await asyncio.gather(
            kafka.publish(road.kafka_topic, road.kafka_key, sealed, deadline_s=DEADLINE_S),
            mqtt.publish(road.mqtt_topic, sealed, retain=road.retain, deadline_s=DEADLINE_S),
        )
    finally:
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    broker_of_mqtt = f"{config.mqtt.host}:{config.mqtt.port}"
    return [
        RoadOutcome(
            "kafka", config.kafka.bootstrap_servers, by_kafka.ok, by_kafka.latency_s, by_kafka.detail
        ),
        RoadOutcome("mqtt", broker_of_mqtt, by_mqtt.ok, by_mqtt.latency_s, by_mqtt.detail),
    ]


def told(payload: dict[str, Any], outcomes: list[RoadOutcome]) -> str:
    """Say it in lines: what was sent, and what each road did with it."""
    from detectors.scope import Scope  # noqa: PLC0415 - imported by the verb already

    lines = [f"HALT {Scope.of(payload['scope']).text} {payload['level']} | halt {payload['halt_id'][:8]}"]
    for one in outcomes:
        word = f"taken in {one.latency_s * 1_000:.0f} ms" if one.ok else f"NOT taken: {in_words(one.detail)}"
        lines.append(f"  {one.road:<5}  {one.address}  {word}")
    if any(one.ok for one in outcomes):
        lines.append("`knightwatch status` says which gateways obeyed.")
        if not any(one.ok for one in outcomes if one.road == "kafka"):  # monitors hear halts by Kafka only
            lines.append(
                "Kafka does not have it: a gateway that restarts will not know it.  Say it again when"
            )
            lines.append("Kafka is back; it is the same halt.")
    else:
        lines.append("No road took it.  Stop it at the gateway or the venue by hand, now.")
    return "\n".join(lines)


def _unheard(*_said: object) -> None:
    """Links and late deliveries concern only whoever stays."""
