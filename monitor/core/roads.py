"""Where each message goes: its Kafka topic and key, its MQTT topic.

Names come from strangers: each is percent-encoded before it becomes a level of a topic, so
that `/`, `+`, `#` or a space in one never makes another topic or a wildcard.

>>> road_of({"type": "lease", "site": "ny/4", "issuer": "kw 1"}).mqtt_topic
'risk/v1/ny%2F4/lease/kw%201'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from monitor.core.envelope import encode

COMMANDS: Final = "risk.halt.commands.v1"
STATES: Final = "risk.halt.state.v1"
LEASES: Final = "risk.monitor.lease.v1"
ACKS: Final = "risk.halt.acks.v1"
ALLOWANCES: Final = "risk.allowance.v1"
COMPACTED: Final = frozenset({COMMANDS, STATES})

# A part of a state is at most 256 KiB as an envelope: base64 takes 4/3 of it, two signatures
# and the frame 1 KiB, the fields that every message has at most 2 KiB.
STATE_PART_BYTES_MAX: Final = 256 * 1024
_HALTS_BYTES_MAX: Final = (STATE_PART_BYTES_MAX - 1024) * 3 // 4 - 2048
STATE_CLOSED_MAX: Final = 500  # 67 bytes each: 34 KiB, in the first part


@dataclass(frozen=True, slots=True)
class Road:
    """Where one message goes on both roads."""

    kafka_topic: str
    kafka_key: str
    mqtt_topic: str
    qos: int = 1
    retain: bool = False


def road_of(payload: Mapping[str, Any]) -> Road:
    """Say where a payload goes, by its type."""
    site, kind = payload["site"], payload["type"]
    match kind:
        case "halt":
            key = f"{payload['halt_id']}/{_level(payload['issuer'])}"
            return Road(COMMANDS, key, _mqtt(site, "halt", payload["halt_id"]))
        case "resume" | "override" | "waiver":
            name = payload[f"{kind}_id"]
            return Road(COMMANDS, name, _mqtt(site, kind, name))
        case "state":
            return state_road(site, payload["issuer"], payload.get("part", 1), payload.get("parts", 1))
        case "lease":
            return Road(LEASES, _level(payload["issuer"]), _mqtt(site, "lease", payload["issuer"]))
        case "hello" | "ack" | "refusal":
            return Road(ACKS, _level(payload["gateway"]), _mqtt(site, "ack", payload["gateway"]))
        case "allowance":
            return Road(ALLOWANCES, _level(payload["gateway"]), _mqtt(site, "allowance", payload["gateway"]))
    raise ValueError(f"{kind!r} is no message of the halt loop")


def state_road(site: str, issuer: str, part: int, parts: int) -> Road:
    """Where one part of a state goes; a state in one part has no suffix."""
    suffix = f"/{part}" if parts > 1 else ""
    return Road(STATES, _level(issuer) + suffix, _mqtt(site, "state", issuer) + suffix, retain=True)


def left_state_roads(site: str, issuer: str, parts_before: int, parts: int) -> list[Road]:
    """Roads that a state in another number of parts leaves behind.

    States are retained and compacted, so what lies there would be heard for ever by whoever
    comes new: publish nothing (an empty message, a tombstone) on them.
    """
    now = {state_road(site, issuer, part, parts) for part in range(1, parts + 1)}
    before = [state_road(site, issuer, part, parts_before) for part in range(1, parts_before + 1)]
    return [road for road in before if road not in now]


def state_parts(
    open_halts: Iterable[Mapping[str, Any]], closed: Iterable[str], policy_digest: str
) -> list[dict[str, Any]]:
    """Split a state into payloads of at most 256 KiB each as envelopes, without the common fields.

    All parts are to be given the same `issued_at`: it says that they belong together.
    """
    latest = list(closed)[-STATE_CLOSED_MAX:]
    parts: list[list[Mapping[str, Any]]] = [[]]
    room = _HALTS_BYTES_MAX - len(encode({"closed": latest}))
    for halt in open_halts:
        size = len(encode(halt)) + 1
        if parts[-1] and size > room:
            parts.append([])
            room = _HALTS_BYTES_MAX
        parts[-1].append(halt)
        room -= size
    return [
        {
            "v": 1,
            "type": "state",
            "open": halts,
            "closed": latest if part == 1 else [],
            "policy_digest": policy_digest,
            "part": part,
            "parts": len(parts),
        }
        for part, halts in enumerate(parts, 1)
    ]


def _level(name: str) -> str:
    return quote(name, safe="")


def _mqtt(site: str, *levels: str) -> str:
    return "/".join(["risk", "v1", *(_level(level) for level in (site, *levels))])
