"""Facts and commands as plain lines, and back: what the audit trail keeps and a replay reads.

    engine.handle(fact_of(line))  gives the commands of the lines behind it, byte for byte

Consecutive arrivals may be one line (`join`), because where the stream is cut changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from monitor.core.commands import Command, DeadLetter, Halt, Lease, Page, Record, Save, State
from monitor.core.inputs import (
    CRASHED_US,
    CommandSettled,
    GatewaySaid,
    Input,
    LifeBegan,
    LinkChanged,
    MessageRefused,
    OperatorSaid,
    PeerSaid,
    PolicyBroken,
    PolicyRead,
    ReadingStarted,
    RecordsArrived,
    RecordsLost,
    TimePassed,
)

ARRIVED: Final = "records.arrived"
POLICY: Final = "policy.read"
Line = tuple[str, dict[str, Any]]


def line_of_fact(happened: Input) -> Line:
    """A fact as a line: its name in the past tense and its fields.  Records are named, not copied."""
    match happened:
        case RecordsArrived():
            fields: dict[str, Any] = {"ranges": [list(read) for read in happened.ranges]}
            if happened.end_offsets:
                fields["ends"] = [list(end) for end in happened.end_offsets]
            if happened.holes:
                fields["holes"] = [list(hole) for hole in happened.holes]
            withheld = [[one.part, one.offset] for one in happened.quarantined if one.reason == CRASHED_US]
            if withheld:
                fields["withheld"] = withheld
            return ARRIVED, fields
        case LifeBegan():
            return "life.began", {
                "restored": happened.restored, "unreadable": list(happened.unreadable),
                "lived_before": happened.lived_before, "at": happened.at_ns,
            }  # fmt: skip
        case TimePassed():
            return "time.passed", {
                "now": happened.now_ns, "lagging": list(happened.lagging), "read_to": happened.read_to_ns,
            }  # fmt: skip
        case OperatorSaid():
            return "operator.heard", {
                "payload": dict(happened.payload),
                "people": list(happened.people),
                "at": happened.at_ns,
            }
        case GatewaySaid():
            return "gateway.heard", {"payload": dict(happened.payload), "at": happened.at_ns}
        case PeerSaid():
            return "peer.heard", {"payload": dict(happened.payload), "at": happened.at_ns}
        case CommandSettled():
            return "command.settled", {
                "what": happened.what, "key": happened.key, "road": happened.road, "ok": happened.ok,
                "at": happened.at_ns, "detail": happened.detail,
            }  # fmt: skip
        case ReadingStarted():
            return "reading.started", {
                "topic": happened.topic,
                "partition": happened.partition,
                "offset": happened.offset,
                "why": happened.why,
            }
        case RecordsLost():
            return "records.lost", {
                "topic": happened.topic, "partition": happened.partition, "first": happened.first,
                "end": happened.end, "why": happened.why, "at": happened.at_ns,
            }  # fmt: skip
        case MessageRefused():
            return "message.refused", {
                "reason": happened.reason, "detail": happened.detail, "security": happened.is_security,
                "at": happened.at_ns,
            }  # fmt: skip
        case PolicyRead():
            return POLICY, {"digest": happened.policy.digest, "text": happened.text, "at": happened.at_ns}
        case PolicyBroken():
            return "policy.broken", {"problems": list(happened.problems), "at": happened.at_ns}
        case LinkChanged():
            return "link.moved", {
                "link": happened.link,
                "up": happened.up,
                "at": happened.at_ns,
                "detail": happened.detail,
            }


def fact_of(what: str, fields: Mapping[str, Any]) -> Input | None:
    """The fact of a line; None for one that is none (a command, a checkpoint), for arrivals and policies."""
    match what:
        case "policy.broken":
            return PolicyBroken(tuple(fields["problems"]), fields["at"])
        case "life.began":
            return LifeBegan(
                fields["restored"], tuple(fields["unreadable"]), fields["lived_before"], fields["at"]
            )
        case "time.passed":
            return TimePassed(fields["now"], tuple(fields["lagging"]), fields.get("read_to"))
        case "operator.heard":
            return OperatorSaid(fields["payload"], tuple(fields["people"]), fields["at"])
        case "gateway.heard":
            return GatewaySaid(fields["payload"], fields["at"])
        case "peer.heard":
            return PeerSaid(fields["payload"], fields["at"])
        case "command.settled":
            return CommandSettled(
                fields["what"], fields["key"], fields["road"], fields["ok"], fields["at"], fields["detail"]
            )
        case "reading.started":
            return ReadingStarted(fields["topic"], fields["partition"], fields["offset"], fields["why"])
        case "records.lost":
            return RecordsLost(
                fields["topic"],
                fields["partition"],
                fields["first"],
                fields["end"],
                fields["why"],
                fields["at"],
            )
        case "message.refused":
            return MessageRefused(fields["reason"], fields["detail"], fields["security"], fields["at"])
        case "link.moved":
            return LinkChanged(fields["link"], fields["up"], fields["at"], fields["detail"])
        case _:
            return None


def line_of_command(command: Command) -> Line | None:
    """A command as a line; None for what leaves no trace of its own."""
    match command:
        case Halt():
            return ("halt.resent" if command.again else "halt.commanded"), dict(command.payload)
        case State():
            return "state.commanded", {"open": sorted(halt["halt_id"] for halt in command.open)}
        case Lease():
            return "lease.commanded", {
                "status": command.status,
                "blind_of": [dict(scope) for scope in command.blind_of],
                "reasons": list(command.reasons),
            }
        case Page():
            return "page.commanded", {
                "key": command.key,
                "severity": command.severity,
                "summary": command.summary,
                "resolved": command.resolved,
            }
        case Record():
            return command.what, dict(command.fields)
        case DeadLetter(record=broken):
            return "record.quarantined", {
                "part": broken.part, "offset": broken.offset, "path": broken.path, "reason": broken.reason,
            }  # fmt: skip
        case Save():
            return None


def join(ranges: list[list[int]], more: list[list[int]]) -> list[list[int]]:
    """Ranges of two arrivals as one: contiguous ones of the same part grow together.

    >>> join([[0, 1, 5]], [[0, 6, 9], [1, 0, 3]])
    [[0, 1, 9], [1, 0, 3]]
    """
    joined = [list(read) for read in ranges]
    for part, first, last in more:
        if joined and joined[-1][0] == part and joined[-1][2] + 1 == first:
            joined[-1][2] = last
        else:
            joined.append([part, first, last])
    return joined
