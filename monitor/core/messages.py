"""The words of the halt loop, by section 2 of the contract: a payload is one of these, or `BadMessage`.

Two manners, by what a message does.  What tightens is read generously: a field that we do not
know is passed over, and only what a gateway needs to stop is required.  What loosens (`resume`,
`override`, `waiver`, `allowance`) is read strictly: a field that we do not know may be a
condition that we would break, so it is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from detectors.contract import EVIDENCE_RANGES_MAX, Level
from detectors.scope import KINDS, Scope

PAYLOAD_BYTES_MAX: Final = 384 * 1024  # in base64 that is the envelope's bound
TEXT_BYTES_MAX: Final = 64  # of an id or a name
LONGER: Final = {"reason": 512, "topic": 1024}  # a file's name may stand for a topic
_MAY_BE_HALF: Final = re.compile(rb"\\u[dD]")
MINUTE_NS: Final = 60 * 1_000_000_000
OVERRIDE_NS_MAX: Final = 240 * MINUTE_NS
WAIVER_NS_MAX: Final = 30 * MINUTE_NS

Id = Annotated[str, Meta(min_length=1)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
TimeNs = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[float, Meta(ge=-1e300, le=1e300)]
Amount = Annotated[int, Meta(ge=0, le=2**63 - 1)] | Annotated[float, Meta(ge=0, le=1e300)]
ScopeMap = dict[str, str]
LevelWord = Literal["throttle", "reduce_only", "halt_new", "halt_cancel", "disconnect"]
KindWord = Literal[
    "entity", "desk", "trader", "client", "account", "strategy", "algo", "build",
    "host", "gateway", "session", "venue", "symbol", "side", "parent",
]  # fmt: skip
assert KindWord.__args__ == KINDS  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class BadMessage:
    """A payload that breaks the contract: where, and what is wrong."""

    path: str
    why: str


class _Checked(msgspec.Struct, frozen=True):
    """Lengths are bytes of UTF-8, which msgspec cannot count."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not isinstance(value, str) or (len(value) <= TEXT_BYTES_MAX and value.isascii()):
                continue
            if len(value.encode()) > LONGER.get(name, TEXT_BYTES_MAX):
                raise ValueError(f"{name}: at most {LONGER.get(name, TEXT_BYTES_MAX)} bytes")


class _Message(_Checked, frozen=True, kw_only=True, tag_field="type"):
    v: Literal[1]
    site: Id
    env: Id
    issuer: Id
    boot: Id
    seq: Count
    issued_at: TimeNs


class EvidenceRange(_Checked, frozen=True):
    topic: Id
    partition: Count
    first_offset: Count
    last_offset: Count


class AuditHead(_Checked, frozen=True):
    count: Count
    hash: Digest


class Params(_Checked, frozen=True):
    messages_per_s: Amount | UnsetType = UNSET


class Halt(_Message, frozen=True, kw_only=True, tag="halt"):
    """Stop this scope.  A throttle that names no rate lets nothing new through."""

    halt_id: Digest
    level: LevelWord
    scope: ScopeMap
    detector: Id
    reason_code: Id
    event_ts: TimeNs
    incident_id: str = ""
    measured: Number | None = None
    limit: Number | None = None
    unit: str = ""
    evidence: Annotated[tuple[EvidenceRange, ...], Meta(max_length=EVIDENCE_RANGES_MAX)] = ()
    params: Params | UnsetType | None = UNSET
    not_after: TimeNs | UnsetType | None = UNSET  # of a throttle; what latches has no end
    policy_digest: str = ""
    audit_head: AuditHead | UnsetType | None = UNSET  # a person halts without a trail
    mode: Literal["live", "drill"] = "live"

    def __post_init__(self) -> None:
        super().__post_init__()
        Scope.of(self.scope)

    @property
    def where(self) -> Scope:
        return Scope.of(self.scope)

    @property
    def height(self) -> Level:
        return Level[self.level.upper()]


class Stage(_Checked, frozen=True, forbid_unknown_fields=True):
    """`after_s` after the resume was accepted, the closed halts are capped at `level`."""

    level: Literal["reduce_only", "throttle", "active"]
    after_s: Annotated[int, Meta(ge=0, le=86_400)] | Annotated[float, Meta(ge=0, le=86_400)]
    params: Params | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level == "throttle" and (not self.params or self.params.messages_per_s is UNSET):
            raise ValueError("params.messages_per_s: a throttle needs it")


class Resume(_Message, frozen=True, kw_only=True, tag="resume", forbid_unknown_fields=True):
    """Two people open what they name, stage by stage."""

    resume_id: Id
    closes: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=1_000)]
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=8)]
    reason: Annotated[str, Meta(min_length=1)]
    policy_digest: str
    expires: TimeNs

    def __post_init__(self) -> None:
        super().__post_init__()
        order = ["reduce_only", "throttle", "active"]
        ranks = [order.index(stage.level) for stage in self.stages]
        if ranks != sorted(set(ranks)) or ranks[-1] != 2:
            raise ValueError("stages: reduce_only, then throttle, then active; each once, active last")
        if any(a.after_s > b.after_s for a, b in zip(self.stages, self.stages[1:], strict=False)):
            raise ValueError("stages: after_s must not fall")
        if self.expires <= self.issued_at:
            raise ValueError("expires: not after issued_at")


class State(_Message, frozen=True, kw_only=True, tag="state"):
    """All open halts that a monitor knows.  Parts of one state share `issued_at`."""

    open: Annotated[tuple[Halt, ...], Meta(max_length=10_000)]
    closed: Annotated[tuple[Digest, ...], Meta(max_length=10_000)] = ()
    policy_digest: str = ""
    part: Annotated[int, Meta(ge=1, le=10_000)] = 1
    parts: Annotated[int, Meta(ge=1, le=10_000)] = 1
    audit_head: AuditHead | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part > self.parts:
            raise ValueError(f"part: {self.part} of {self.parts}")


class Lease(_Message, frozen=True, kw_only=True, tag="lease"):
    """Judging goes on, or it does not."""

    status: Literal["judging", "degraded", "blind"]
    blind_of: Annotated[tuple[ScopeMap, ...], Meta(max_length=1_000)] = ()
    policy_digest: str = ""
    audit_head: AuditHead | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        for scope in self.blind_of:
            Scope.of(scope)


class Hello(_Message, frozen=True, kw_only=True, tag="hello"):
    """A gateway says what it can stop.  An id in `scopes` may be a pattern with `*`."""

    gateway: Id
    scopes: Annotated[tuple[ScopeMap, ...], Meta(max_length=1_000)]
    levels: Annotated[tuple[LevelWord, ...], Meta(max_length=len(Level))]
    kinds: Annotated[tuple[KindWord, ...], Meta(max_length=len(KINDS))]
    cod: bool  # whether its sessions cancel on disconnect
    key_id: Id

    def __post_init__(self) -> None:
        super().__post_init__()
        for scope in self.scopes:
            Scope.of(scope)


class Survivor(_Checked, frozen=True):
    order_id: Id
    reason: str = ""


class Ack(_Message, frozen=True, kw_only=True, tag="ack"):
    """What a gateway did with a halt.  Survivors may come in several acks."""

    halt_id: Digest
    gateway: Id
    state: Literal["received", "applied", "completed", "rejected"]
    level: LevelWord
    ts: TimeNs
    orders_refused: Count = 0
    working: Count = 0
    survivors: Annotated[tuple[Survivor, ...], Meta(max_length=5_000)] = ()
    degraded: str | UnsetType | None = UNSET
    reason: str | UnsetType | None = UNSET


class Refusal(_Message, frozen=True, kw_only=True, tag="refusal"):
    """An order that a gate refused by itself, chained to the refusal before it."""

    gateway: Id
    order_id: Id
    code: Literal["halted", "not_granted", "limit_violation", "amount_unreadable", "stale_state"]
    previous: Digest
    account: str | UnsetType | None = UNSET
    strategy: str | UnsetType | None = UNSET
    host: str | UnsetType | None = UNSET
    measured: Number | UnsetType | None = UNSET
    limit: Number | UnsetType | None = UNSET
    halt_id: Digest | UnsetType | None = UNSET
    policy_digest: str | UnsetType | None = UNSET


class Allowed(_Checked, frozen=True, forbid_unknown_fields=True):
    account: Id
    symbol: Id
    side: Literal["buy", "sell"]  # a short sale never reduces
    qty: Amount


class Allowance(_Message, frozen=True, kw_only=True, tag="allowance", forbid_unknown_fields=True):
    """What may still be sent under `reduce_only` by a gateway that does not know its positions."""

    gateway: Id
    allowed: Annotated[tuple[Allowed, ...], Meta(max_length=5_000)]
    expires: TimeNs


class Override(_Message, frozen=True, kw_only=True, tag="override", forbid_unknown_fields=True):
    """Two people raise a limit, or lower a mode to shadow, for at most four hours."""

    override_id: Id
    scope: ScopeMap
    detector: Id
    key: Id
    value: Number | Literal["shadow"]
    reason: Annotated[str, Meta(min_length=1)]
    expires: TimeNs

    def __post_init__(self) -> None:
        super().__post_init__()
        Scope.of(self.scope)
        _lasts_at_most(self.issued_at, self.expires, OVERRIDE_NS_MAX)
        if (self.value == "shadow") is not (self.key == "mode"):
            raise ValueError('value: "shadow" for the key mode, a number for a limit')


class Waiver(_Message, frozen=True, kw_only=True, tag="waiver", forbid_unknown_fields=True):
    """Two people waive one gateway's lease policy for at most half an hour."""

    waiver_id: Id
    gateway: Id
    reason: Annotated[str, Meta(min_length=1)]
    expires: TimeNs

    def __post_init__(self) -> None:
        super().__post_init__()
        _lasts_at_most(self.issued_at, self.expires, WAIVER_NS_MAX)


Message = Halt | Resume | State | Lease | Hello | Ack | Refusal | Allowance | Override | Waiver


def parse(payload: bytes) -> Message | BadMessage:
    """Read one payload; never raises."""
    read = read_json(payload)
    return read if isinstance(read, BadMessage) else validate(read)


def read_json(payload: bytes) -> Any:
    """JSON, or `BadMessage`; without what two readers may read otherwise: double keys, NaN, half a letter."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        return BadMessage("", f"{len(payload)} bytes; at most {PAYLOAD_BYTES_MAX}")
    try:
        read = json.loads(payload.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
        if _MAY_BE_HALF.search(
            payload
        ):  # of a surrogate pair: no UTF-8 can say it, so nothing could pass it on
            json.dumps(read, ensure_ascii=False).encode()
    except RecursionError:
        return BadMessage("", "nested too deeply")
    except ValueError as broken:  # of JSON, of UTF-8, of an integer too long to read
        return BadMessage("", str(broken)[:200])
    return read


def validate(document: Any) -> Message | BadMessage:
    """Check what JSON gave against the contract."""
    try:
        message: Message = msgspec.convert(document, Message)
    except (msgspec.ValidationError, RecursionError) as wrong:
        return _bad(str(wrong))
    return message


def _bad(text: str) -> BadMessage:
    """Split msgspec's sentence: `Expected `int`, got `str` - at `$.seq`"."""
    why, at, path = text.rpartition(" - at `$")
    return BadMessage(path.rstrip("`").lstrip("."), why[:200]) if at else BadMessage("", text[:200])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _lasts_at_most(issued_at: int, expires: int, most_ns: int) -> None:
    if not issued_at < expires <= issued_at + most_ns:
        raise ValueError(f"expires: after issued_at, by at most {most_ns // MINUTE_NS} minutes")
