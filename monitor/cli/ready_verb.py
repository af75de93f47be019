"""The deploy gate: is every host of a role alive, as declared, and is nobody else there?"""
# ruff: noqa: PLC0415 - a verb imports what it needs when it runs

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from monitor.cli.output import (
    DONE,
    FAILED,
    NOT_ALLOWED,
    UNREACHABLE,
    USAGE,
    CannotError,
    ConfigFile,
    Form,
    Output,
    answer,
    quiet_clients,
)

if TYPE_CHECKING:
    from detectors.fleet import FleetSettings
    from monitor.core.keyring import Signer
    from monitor.core.readiness import Readiness
    from monitor.settings import Config

UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}
WAIT_S_MAX: Final = 3_600.0
TABLE_WIDTH: Final = 140


def ready(
    role: Annotated[str, typer.Option(help="The role of the manifest that is asked about.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            exists=True, dir_okay=False, help="Recordings to judge at their end, instead of Kafka."
        ),
    ] = None,
    wait: Annotated[str, typer.Option(help="How long it may take to become ready: 60s, 2m.")] = "10s",
    since: Annotated[
        str | None,
        typer.Option(help="How far back roll-outs are read: 15m, 8h; default: the session's start."),
    ] = None,
    build: Annotated[str, typer.Option(help="What every host must run, whatever was declared.")] = "",
    key: Annotated[
        Path | None, typer.Option(help="The private key that signs the answer; default: the monitor's own.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Where answers are kept; default: ready/ below the audit folder.")
    ] = None,
    config: ConfigFile = None,
    output: Output = Form.TEXT,
) -> int:
    """Exit 0 only if every host of a role is alive and as declared; whatever is not known is a no."""
    wait_s, since_s = _seconds("--wait", wait), _seconds("--since", since) if since else None
    from monitor.settings import load

    loaded = load(config)
    fleet = _fleet_of(loaded, role)
    signer = _signer_of(loaded, key)
    folder = record or loaded.audit.folder / "ready"
    from monitor.cli import readying
    from monitor.core.readiness import judge
    from monitor.edge.audit import BadTrail, TrailProblem
    from monitor.edge.files import BadFile

    try:
        pilot = readying.pilot_of(loaded, folder)
    except (BadTrail, OSError) as broken:
        raise CannotError(FAILED, f"the record of earlier answers cannot be believed: {broken}") from broken
    quiet_clients()

    def verdict(call: Any, now_ns: int) -> Readiness:
        return judge(fleet, role, call, now_ns, build=build, pilot=pilot)

    try:
        if files:
            found, heard = readying.from_files(files, verdict)
        else:
            found, heard = _live(loaded, verdict, wait_s, since_s)
    except BadFile as broken:
        raise CannotError(FAILED, str(broken)) from broken
    told = found.document | heard.document | {"live": not files, "policy_digest": loaded.policy_digest}
    told |= {"site": loaded.site, "env": loaded.env, "build_asked": build or None}
    try:
        head = readying.keep(folder, signer, told)
    except TrailProblem as wrong:
        raise CannotError(NOT_ALLOWED, f"the answer cannot be put on record: {wrong}") from wrong
    audit = {"folder": str(folder), "head": head.payload, "keyid": signer.keyid}
    answer(output, told | {"audit": audit}, _text(found, folder, head.count))
    if heard.link:
        return UNREACHABLE
    return DONE if found.is_ready else FAILED


def _live(loaded: Config, verdict: Any, wait_s: float, since_s: float | None) -> tuple[Readiness, Any]:
    import asyncio
    import time

    from monitor.cli import readying
    from monitor.settings.reading import session_start_ns

    now_ns = time.time_ns()
    since_ns = session_start_ns(loaded.telemetry, now_ns) if since_s is None else now_ns - int(since_s * 1e9)
    return asyncio.run(readying.from_kafka(loaded, verdict, wait_s=wait_s, since_ns=since_ns))


def _seconds(option: str, text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]+)?)(ms|s|m|h)", text)
    if found is None:
        raise CannotError(USAGE, f"{option}: {text!r} is no span of time; write for instance 60s or 2m")
    span_s = float(found[1]) * UNITS_S[found[2]]
    if option == "--wait" and span_s > WAIT_S_MAX:
        raise CannotError(USAGE, f"{option}: at most 1h")
    return span_s


def _fleet_of(loaded: Config, role: str) -> FleetSettings:
    """The fleet's settings, if they say enough to answer for this role."""
    from monitor.core.readiness import unanswerable
    from monitor.settings import ConfigError, Problem
    from monitor.settings.problems import nearest

    one = loaded.detectors.get("fleet")
    if one is None or not one.settings.manifest:
        missing = Problem(
            "detectors.fleet.manifest",
            "is not there: nobody says who belongs to the fleet",
            f'write manifest = [{{ role = "{role}", hosts = ["name-*"], count = 8, build = "..." }}]',
        )
        raise ConfigError(loaded.source, [missing])
    fleet: FleetSettings = one.settings
    if role not in fleet.roles:
        raise CannotError(USAGE, f"--role: {role!r} is no role of the manifest; {nearest(role, fleet.roles)}")
    if open_questions := list(unanswerable(fleet, role)):
        raise ConfigError(
            loaded.source,
            [Problem(f"detectors.fleet.{at}", what, write) for at, what, write in open_questions],
        )
    return fleet


def _signer_of(loaded: Config, key: Path | None) -> Signer:
    from monitor.edge.keys import KeyProblem, load_signer, signer_from_env

    try:
        if key is None and loaded.keys.signing_key_env:
            return signer_from_env(loaded.keys.signing_key_env)
        return load_signer(key or loaded.keys.signing_key_file)
    except KeyProblem as wrong:
        raise CannotError(NOT_ALLOWED, f"an answer must be signed: {wrong}") from wrong


def _text(found: Readiness, folder: Path, line: int) -> str:
    """The table for people, and the verdict last, where the eye is."""
    import io

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("host", "expected", "runs", "configuration", "flags", "heard", "roll-out", "verdict")
    for host in found.hosts:
        said = host.document
        flags = "-" if said["flags"] is None else ", ".join(said["flags"]) or "none"
        age = "never" if said["age_s"] is None else f"{said['age_s']:.1f} s ago"
        verdict = "; ".join(host.problems) or "as declared"
        cells = (said["host"], said["expected"] or "-", said["build"] or "-", said["config_hash"] or "-")
        table.add_row(*(Text(cell) for cell in (*cells, flags, age, said["rollout"] or "-", verdict)))
    page = io.StringIO()
    Console(file=page, width=TABLE_WIDTH).print(table)
    wrong = sum(bool(host.problems) for host in found.hosts)
    lines = [line.rstrip() for line in page.getvalue().rstrip().splitlines()]
    lines += [f"  {problem}" for problem in found.problems]
    word = (
        "READY"
        if found.is_ready
        else f"NOT READY ({wrong} hosts, {len(found.problems)} problems of the role)"
    )
    lines.append(f"{word} {found.role}: declared {found.declared}, arrived {found.arrived}")
    lines.append(f"on record: line {line} of {folder}")
    return "\n".join(lines)
