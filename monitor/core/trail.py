"""The lines of the audit trail: each holds the digest of the one before, so none can be changed,
left out, put in or put elsewhere without every later digest changing.

    {"n":7,"at":1343827801000000000,"what":"halt.decided","fields":{...},"prev":"...","hash":"..."}

`hash` is the SHA-256 of the line's own bytes up to `,"hash"`: bytes, not values, so that a
reader needs no canonical JSON.  Lines that a dead disk swallowed leave a marked gap: the
numbers and digests go on over them, and the mark names the last line that was kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from monitor.core.envelope import pae
from monitor.core.keyring import Keyring, Role, Signer

GENESIS: Final = "0" * 64
# A halt with all its evidence is 40 KiB; what is larger than this is kept as its digest.
LINE_BYTES_MAX: Final = 1024 * 1024
CHECKPOINT_TYPE: Final = "application/vnd.knightwatch.checkpoint.v1"
GAP: Final = "audit.gap_marked"
CHECKPOINT: Final = "checkpoint.signed"
OPENED: Final = "file.opened"
_TAIL: Final = re.compile(rb',"hash":"([0-9a-f]{64})"\}\n')
_TAIL_BYTES: Final = len(b',"hash":""}\n') + 64


class BadLine(ValueError):
    """A line that is not what was written, and why."""


@dataclass(frozen=True, slots=True)
class Head:
    """How many lines there are and the digest of the last: travels in each lease and halt."""

    count: int = 0
    hash: str = GENESIS

    @property
    def payload(self) -> dict[str, Any]:
        return {"count": self.count, "hash": self.hash}


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line, read."""

    n: int
    at: int  # ns
    what: str  # dotted past tense
    fields: dict[str, Any]
    prev: str
    hash: str

    @property
    def head(self) -> Head:
        return Head(self.n, self.hash)


_DECODER: Final = msgspec.json.Decoder(Line)


def write_line(after: Head, at_ns: int, what: str, fields: Mapping[str, Any]) -> tuple[bytes, Head]:
    """Write the line that follows `after`.  Never fails: of what is no JSON or too large the rest is said."""
    try:
        body = _body(after, at_ns, what, fields)
    except (TypeError, ValueError, RecursionError) as wrong:
        body = _body(
            after, at_ns, what, {"unwritable": str(wrong)[:512], "keys": sorted(map(str, fields))[:64]}
        )
    if len(body) > LINE_BYTES_MAX - _TAIL_BYTES:
        digest = hashlib.sha256(body).hexdigest()
        body = _body(after, at_ns, what, {"too_large_bytes": len(body), "too_large_sha256": digest})
    head = Head(after.count + 1, hashlib.sha256(body).hexdigest())
    return b'%b,"hash":"%b"}\n' % (body, head.hash.encode()), head


def _body(after: Head, at_ns: int, what: str, fields: Mapping[str, Any]) -> bytes:
    line = {"n": after.count + 1, "at": at_ns, "what": what, "fields": dict(fields), "prev": after.hash}
    text = json.dumps(line, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text[:-1].encode(errors="replace")  # half a surrogate pair is no text to anybody


def read_line(raw: bytes) -> Line:
    """Read one line with its newline; raises `BadLine`."""
    if len(raw) > LINE_BYTES_MAX:
        raise BadLine(f"over {LINE_BYTES_MAX} bytes")
    if not raw.endswith(b"\n"):
        raise BadLine("cut off in the middle")
    tail = _TAIL.fullmatch(raw[-_TAIL_BYTES:])
    if tail is None:
        raise BadLine("does not end in its digest")
    if hashlib.sha256(raw[:-_TAIL_BYTES]).hexdigest().encode() != tail[1]:
        raise BadLine("was changed: its digest is not that of its bytes")
    try:
        return _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        raise BadLine(f"is no line of a trail: {wrong}") from wrong


def sign_checkpoint(head: Head, signer: Signer) -> dict[str, Any]:
    """Fields of a checkpoint: the monitor's word for all lines up to `head`."""
    return {**head.payload, "keyid": signer.keyid, "sig": signer.sign(_checkpoint(head)).hex()}


def _checkpoint(head: Head) -> bytes:
    return pae(CHECKPOINT_TYPE, f"{head.count} {head.hash}".encode())


class Follower:
    """Follows a trail line by line and raises `BadLine` at the first that does not follow."""

    def __init__(self, keyring: Keyring | None = None) -> None:
        self._keyring = keyring
        self._begun = False
        self.head = Head()
        self.first = 0  # number of the first line followed
        self.signed = 0  # lines under a checkpoint's signature that was verified
        self.gaps: list[tuple[int, int, str]] = []

    def follow(self, line: Line, *, opens_file: bool) -> None:
        if opens_file:
            self._open(line)
        if line.what == GAP and line.n != self.head.count + 1:
            self._over_gap(line)
        elif line.n != self.head.count + 1:
            raise BadLine(f"is number {line.n} where {self.head.count + 1} belongs")
        elif line.prev != self.head.hash:
            raise BadLine("does not name the line before it")
        if line.what == CHECKPOINT:
            self._check(line)
        self.head = line.head

    def _open(self, line: Line) -> None:
        """The first line of a file names the head before it."""
        before = Head(line.n - 1, line.prev)
        if line.what != OPENED or line.fields.get("previous") != before.payload:
            raise BadLine("does not open a file: lines before it were removed")
        if not self._begun:
            if line.n < 1 or (line.n == 1 and line.prev != GENESIS):
                raise BadLine("does not begin a trail")
            self._begun, self.first, self.head = True, line.n, before

    def _over_gap(self, line: Line) -> None:
        first, last = self.head.count + 1, line.n - 1
        mark = {"from": first, "to": last, "kept": self.head.hash}
        if first > last or any(line.fields.get(name) != value for name, value in mark.items()):
            raise BadLine("marks a gap that is not here")
        self.gaps.append((first, last, str(line.fields.get("why", ""))))

    def _check(self, line: Line) -> None:
        head = Head(line.n - 1, line.prev)
        if {name: line.fields.get(name) for name in ("count", "hash")} != head.payload:
            raise BadLine("is a checkpoint of another line")
        if self._keyring is None:
            return
        keyid, sig = str(line.fields.get("keyid")), str(line.fields.get("sig"))
        if keyid not in self._keyring or self._keyring[keyid].role is not Role.MONITOR:
            raise BadLine(f"is signed by {keyid}, which is no pinned key of a monitor")
        if not re.fullmatch("[0-9a-f]{128}", sig) or not self._keyring[keyid].verifies(
            bytes.fromhex(sig), _checkpoint(head)
        ):
            raise BadLine("is a checkpoint whose signature is wrong")
        self.signed = head.count
