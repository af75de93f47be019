"""Reading a trail back, and telling whether it is what was written.

A folder is judged as a whole trail: from line 1, or from a file before which others were removed
by the rule, with the line that says so.  Single files are judged as a piece of one.  A head that
was published elsewhere (in a lease, a state or a halt) shows a tail that was cut or written anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from monitor.core.keyring import Keyring
from monitor.core.trail import LINE_BYTES_MAX, BadLine, Follower, Head, Line, read_line
from monitor.edge.audit.evidence import digest_of

HALT_LINE: Final = "halt.decided"
UNSIGNED_MAX: Final = 10_000  # lines in a row without a checkpoint, ten times what the writer leaves


class BadTrail(ValueError):
    """A trail that is not what was written: the file, the line in it, and why."""

    def __init__(self, file: Path, line: int, why: str) -> None:
        self.file, self.line, self.why = file, line, why
        super().__init__(f"{file}:{line}: {why}")


@dataclass(slots=True)
class Report:
    """What `verify` found.  `first_bad` is (file, line in it, why)."""

    ok: bool = True
    lines: int = 0
    halts: int = 0
    files: int = 0
    evidence_files: int = 0
    first_line: int = 0  # number of the first line read; not 1 if older files were removed by the rule
    head: Head = field(default_factory=Head)
    signed_through: int = 0  # last line under a verified checkpoint; 0 if no key was given
    heads_compared: int = 0
    gaps: tuple[tuple[int, int, str], ...] = ()
    first_bad: tuple[str, int, str] | None = None


def read(paths: Sequence[Path], keyring: Keyring | None = None) -> Iterator[Line]:
    """Every line in order, each verified to follow the one before; raises `BadTrail`."""
    for _, _, line in _lines(_files(paths), Follower(keyring)):
        yield line


def verify(
    paths: Sequence[Path], against: Mapping[str, Any] | None = None, keyring: Keyring | None = None
) -> Report:
    """Say whether the trail is whole; `against` is the payload of a lease, state or halt of its monitor."""
    report = Report()
    files: list[tuple[Path, int]] = []
    try:
        files = _files(paths)
        _verify(report, files, any(path.is_dir() for path in paths), against, keyring)
    except BadTrail as bad:
        report.ok, report.first_bad = False, (str(bad.file), bad.line, bad.why)
    except OSError as broken:
        report.ok, report.first_bad = (
            False,
            (str(broken.filename or paths[0]), 0, f"cannot be read: {broken.strerror}"),
        )
    return report


def heads_of(payload: Mapping[str, Any]) -> dict[int, str]:
    """The heads of its issuer's trail that a lease, state or halt carries: count -> hash."""
    own = [halt for halt in payload.get("open", ()) if halt.get("issuer") == payload.get("issuer")]
    heads = [said["audit_head"] for said in (payload, *own) if said.get("audit_head")]
    return {head["count"]: head["hash"] for head in heads}


def _verify(
    report: Report,
    files: list[tuple[Path, int]],
    whole: bool,  # noqa: FBT001 - of one caller, a few lines above
    against: Mapping[str, Any] | None,
    keyring: Keyring | None,
) -> None:
    last_file, report.files = files[-1][0], len(files)
    follower = Follower(keyring)
    wanted = heads_of(against or {})
    if against is not None and not wanted:
        raise BadTrail(
            last_file, 0, "cannot be compared: what it was to be compared with names no head of a trail"
        )
    evidence: dict[Path, tuple[int, str]] = {}
    removed: set[str] = set()
    removed_through: set[object] = set()
    in_file = 0
    for path, in_file, line in _lines(files, follower):
        report.lines, report.head, report.gaps = report.lines + 1, line.head, tuple(follower.gaps)
        report.first_line, report.signed_through = follower.first, follower.signed
        report.halts += line.what == HALT_LINE
        if line.n in wanted:
            report.heads_compared += 1
            if wanted[line.n] != line.hash:
                raise BadTrail(path, in_file, f"line {line.n} is not the one whose head was published")
        if keyring is not None and line.n - max(follower.signed, follower.first) > UNSIGNED_MAX:
            raise BadTrail(path, in_file, f"over {UNSIGNED_MAX} lines without a signed checkpoint")
        if line.what == "evidence.kept":
            evidence[path.parent / str(line.fields.get("file"))] = in_file, str(line.fields.get("sha256"))
        if line.what == "file.removed":
            removed.add(str(line.fields.get("file")))
            through = line.fields.get("through")
            removed_through.add(through.get("count") if isinstance(through, dict) else None)
    _compare(report, wanted, last_file, in_file)
    if keyring is not None and not follower.signed:
        raise BadTrail(last_file, in_file, "no checkpoint is signed by a pinned key")
    if whole and follower.first > 1 and follower.first - 1 not in removed_through:
        raise BadTrail(
            files[0][0], 1, f"lines before {follower.first} are missing, and none says that they were removed"
        )
    _check_evidence(report, evidence, removed)


def _compare(report: Report, wanted: Mapping[int, str], file: Path, in_file: int) -> None:
    """Lines that were published and are not there any more."""
    beyond = [count for count in wanted if count > report.head.count]
    if beyond:
        raise BadTrail(
            file, in_file, f"ends at line {report.head.count}, but line {max(beyond)} was published: cut off"
        )


def _check_evidence(report: Report, evidence: Mapping[Path, tuple[int, str]], removed: set[str]) -> None:
    for path, (in_file, sha256) in evidence.items():
        if path.name in removed:
            continue
        if not path.exists():
            raise BadTrail(path, 0, f"is missing; line {in_file} of its trail names it")
        if digest_of(path) != sha256:
            raise BadTrail(path, 0, "was changed: its digest is not the one in the trail")
        report.evidence_files += 1


def _files(paths: Sequence[Path]) -> list[tuple[Path, int]]:
    """The trail's files in order of their first lines."""
    named = [
        file for path in paths for file in (sorted(path.glob("audit-*.ndjson")) if path.is_dir() else [path])
    ]
    if not named:
        raise BadTrail(paths[0] if paths else Path(), 0, "there is no trail here")
    firsts = []
    for path in dict.fromkeys(named):
        with path.open("rb") as file:
            try:
                firsts.append((path, read_line(file.readline(LINE_BYTES_MAX + 1)).n))
            except BadLine as bad:
                raise BadTrail(path, 1, str(bad)) from bad
    return sorted(firsts, key=lambda pair: pair[1])


def _lines(files: Sequence[tuple[Path, int]], follower: Follower) -> Iterator[tuple[Path, int, Line]]:
    for path, _ in files:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(LINE_BYTES_MAX + 1):
                number += 1
                try:
                    line = read_line(raw)
                    follower.follow(line, opens_file=number == 1)
                except BadLine as bad:
                    raise BadTrail(path, number, str(bad)) from bad
                yield path, number, line
