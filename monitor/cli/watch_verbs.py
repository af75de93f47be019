"""Verbs that watch: live, over recordings, over made-up days; and the proof of what was done."""
# ruff: noqa: PLC0415 - a verb imports what it needs when it runs

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.output import (
    DONE,
    FAILED,
    MISCONFIGURED,
    UNREACHABLE,
    USAGE,
    CannotError,
    ConfigFile,
    Form,
    Output,
    answer,
    note,
)
from monitor.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.edge.audit import Report
    from monitor.scenarios import Scenario

Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Equal seeds make equal events.")]
Scale = Annotated[float, typer.Option(min=0.0001, max=10.0, help="Share of the events; never of the time.")]


def demo(
    config: ConfigFile = None,
    folder: Annotated[Path, typer.Option(help="Where recording and audit trail are left.")] = Path(
        "knightwatch-demo"
    ),
    seed: Seed = 1,
    scale: Scale = 0.2,
    output: Output = Form.TEXT,
) -> int:
    """Watch Knight's morning run through embedded Kafka and MQTT, and be stopped."""
    from monitor.settings import load

    loaded = load(config)
    from monitor.demo import FolderTaken, NotReady, summary
    from monitor.demo import demo as run_demo

    try:
        document = run_demo(loaded, folder=folder, seed=seed, scale=scale, view=output is Form.TEXT)
    except FolderTaken as taken:
        raise CannotError(USAGE, f"--folder: {taken}") from taken
    except NotReady as late:
        raise CannotError(FAILED, str(late)) from late
    answer(output, document, summary(document))
    return DONE if document["stopped"] else FAILED


def run(
    config: ConfigFile = None,
    partitions: Annotated[
        str | None, typer.Option(help='Partitions of the telemetry that this instance judges, "0-7".')
    ] = None,
) -> int:
    """Watch a live feed and halt what goes wild, until SIGTERM or SIGINT."""
    from monitor.settings import load
    from monitor.settings.reading import partitions_of

    _refuse_an_unsafe_start()
    loaded = load(config)  # a wrong configuration is said before anything heavy is imported
    try:
        mine = partitions_of(loaded.kafka.partitions if partitions is None else partitions)
    except ValueError as wrong:
        raise CannotError(USAGE, f"--partitions: {wrong}") from wrong
    from monitor.outside import Unreachable
    from monitor.serve import run as serve

    try:
        return serve(loaded, partitions=mine)
    except Unreachable as gone:
        raise CannotError(UNREACHABLE, str(gone)) from gone


def _refuse_an_unsafe_start() -> None:
    """Without its assertions, or with kernels that others may have written, it is not the program tested."""
    from detectors.kernel import cache_root
    from monitor.edge.kernel_cache import writable_by_others

    if sys.flags.optimize:
        raise CannotError(MISCONFIGURED, "python -O takes the assertions out; start without -O")
    found = writable_by_others(cache_root())
    if found is not None:
        remedy = f"chmod -R go-w {cache_root()}, or make them again"
        raise CannotError(MISCONFIGURED, f"compiled kernels: {found}; {remedy}")


def replay(
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, help="Recordings, in order.")
    ],
    config: ConfigFile = None,
    output: Output = Form.TEXT,
    *,
    fail_on_halt: Annotated[bool, typer.Option("--fail-on-halt", help="Exit 1 if a halt is found.")] = False,
    trail: Annotated[
        Path | None, typer.Option(exists=True, help="The audit trail beside the recording: compare with it.")
    ] = None,
    quarantine: Annotated[
        Path | None,
        typer.Option(dir_okay=False, metavar="FILE", help="Keep broken records here, with what was wrong."),
    ] = None,
) -> int:
    """Judge recordings as if they were live: the same breaches, the same halts.

    With --trail, judge again what an audit trail was told: every command must come out as it stands there.
    """
    from monitor.settings import load

    loaded = load(config)
    if trail is not None:
        return _replay_trail(files, trail, loaded, output)
    from monitor.cli.replayed import text_of
    from monitor.edge.files import BadFile
    from monitor.quarantine import Quarantine
    from monitor.replay import replay as replay_files

    with contextlib.ExitStack() as stack:
        kept = None if quarantine is None else stack.enter_context(quarantine.open("w", encoding="utf-8"))
        broken_records = Quarantine(kept)
        try:
            with progress("replaying") as step:
                document = replay_files(files, loaded, progress=step, quarantine=broken_records)
        except BadFile as broken:
            raise CannotError(FAILED, str(broken)) from broken
    if broken_records.words:
        remedy = "" if kept else "; --quarantine FILE keeps them all"
        note(f"knightwatch: {broken_records.words}{remedy}")
    answer(output, document, text_of(document))
    return FAILED if fail_on_halt and document["commands"] else DONE


def _replay_trail(files: list[Path], trail: Path, loaded: Any, output: Form) -> int:
    import dataclasses

    from monitor.edge.audit import BadTrail
    from monitor.trail_replay import NotReplayable, replay_trail

    if len(files) != 1:
        raise CannotError(USAGE, "--trail: name the one recording that was made beside the trail")
    try:
        found = replay_trail(files[0], [trail], loaded)
    except (BadTrail, NotReplayable, OSError) as wrong:
        raise CannotError(FAILED, str(wrong)) from wrong
    counts = f"{found.commands:,} commands of {found.facts:,} facts and {found.records:,} records"
    text = f"EQUAL {counts}"
    if not found.is_equal:
        text = f"DIFFERS at line {found.line}\n  trail   {found.written}\n  judged  {found.judged}"
    answer(output, dataclasses.asdict(found) | {"equal": found.is_equal}, text)
    return DONE if found.is_equal else FAILED


def simulate(
    scenario: Annotated[
        str, typer.Argument(help="Name of the scenario, knight is the one to begin with; list: all of them.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="File for the events: .ndjson, .ndjson.gz, .ndjson.zst or .parquet.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="File for what went wrong, when, who must say so.")
    ] = None,
    seed: Seed = 1,
    scale: Scale = 1.0,
    output: Output = Form.TEXT,
) -> int:
    """Write the events of a made-up morning, and the truth about it; `simulate list` names them all."""
    from monitor.scenarios import registry
    from monitor.scenarios import simulate as write
    from monitor.settings.problems import nearest

    known = registry()
    if scenario == "list":
        return _list_scenarios(known, output)
    if scenario not in known:
        raise CannotError(MISCONFIGURED, f"{scenario!r} is no scenario; {nearest(scenario, known)}")
    if out is None and truth is None:
        raise CannotError(USAGE, "nothing to write; name --out FILE, --truth FILE or both")
    begin_ns, end_ns = known[scenario].blocks[0], known[scenario].blocks[-1]
    written = 0
    with progress(f"simulating {scenario}") as step:

        def tell(events: int, ts_ns: int) -> None:
            nonlocal written
            written = events
            step((ts_ns - begin_ns) / (end_ns - begin_ns), f"{events:,} events")

        try:
            told = write(known[scenario], seed=seed, scale=scale, out=out, truth=truth, progress=tell)
        except ValueError as wrong:
            raise CannotError(USAGE, f"--out: {wrong}") from wrong
    files = {"out": str(out) if out else None, "truth_file": str(truth) if truth else None}
    document = (
        {"scenario": scenario, "seed": seed, "scale": scale, "events": written} | files | {"truth": told}
    )
    answer(output, document, f"{scenario}: {written:,} events -> {out or '(not written)'}")
    return DONE


def _list_scenarios(known: Mapping[str, Scenario], output: Form) -> int:
    """Each with its line: what happens in it, from when, for how long."""
    rows = [
        {
            "name": each.name,
            "claim": each.claim,
            "start_ts": each.blocks[0],
            "end_ts": each.blocks[-1],
        }
        for each in known.values()
    ]
    width = max(map(len, known))
    lines = [
        f"{each.name:<{width}}  {each.day}  {each.minutes:>5.1f} min  {each.claim}" for each in known.values()
    ]
    answer(output, {"scenarios": rows}, "\n".join(lines))
    return DONE


def verify(
    files: Annotated[list[Path], typer.Argument(help="The trail's folder, or files of it in order.")],
    against: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="A lease, state or halt of its monitor: the trail must reach it."),
    ] = None,
    pinned: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Pinned keys, to check the signed checkpoints with.")
    ] = None,
    output: Output = Form.TEXT,
) -> int:
    """Prove that nothing in an audit trail was changed, removed, re-ordered or cut off."""
    import dataclasses

    from monitor.edge.audit import verify as verify_trail
    from monitor.edge.keys import KeyProblem, load_keyring

    try:
        keyring = load_keyring(pinned) if pinned else None
    except KeyProblem as wrong:
        raise CannotError(USAGE, f"--pinned: {wrong}") from wrong
    report = verify_trail(files, _published(against) if against else None, keyring)
    answer(output, dataclasses.asdict(report), _verified(report))
    return DONE if report.ok else FAILED


def _published(file: Path) -> dict[str, Any]:
    """The payload in a file, whether it is still in its envelope or not."""
    import base64
    import json

    try:
        document = json.loads(file.read_bytes())
        if "payloadType" in document:
            document = json.loads(base64.b64decode(document["payload"], validate=True))
    except (ValueError, KeyError, TypeError, RecursionError) as wrong:
        raise CannotError(USAGE, f"--against: {file}: is no lease, state or halt") from wrong
    if not isinstance(document, dict):
        raise CannotError(USAGE, f"--against: {file}: is no lease, state or halt")
    return document


def _verified(report: Report) -> str:
    if report.first_bad is not None:
        file, line, why = report.first_bad
        return f"NOT OK {file}:{line}: {why}"
    halts = f"{report.halts:,} halts, {report.evidence_files:,} evidence files"
    lines = [
        f"OK {report.lines:,} lines in {report.files:,} files, {halts}",
        f"head {report.head.count} {report.head.hash}",
        f"signed through line {report.signed_through}"
        if report.signed_through
        else "no signature was checked: name the pinned keys with --pinned FILE",
    ]
    lines += [f"gap marked between lines {first} and {last}: {why}" for first, last, why in report.gaps]
    return "\n".join(lines)
