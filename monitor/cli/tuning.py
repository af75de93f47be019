"""The verb that learns what ordinary days look like."""
# ruff: noqa: PLC0415 - a verb imports what it needs when it runs

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.output import DONE, FAILED, NOT_ALLOWED, USAGE, CannotError, ConfigFile, Form, Output, answer
from monitor.cli.progress import progress


def tune(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, readable=True, help="Recordings of ordinary days."),
    ],
    out: Annotated[Path, typer.Option(help="The baseline; it is not overwritten.")] = Path("baseline.dsse"),
    config: ConfigFile = None,
    output: Output = Form.TEXT,
) -> int:
    """Learn a baseline from recordings of ordinary days: rates by time of the session, messages, flags.

    It is signed by the monitor's key and used by `run` and `replay` once telemetry.baseline_file names it.
    """
    from monitor.settings import load
    from monitor.settings.baseline import build, opens_of

    loaded = load(config)
    opens = opens_of(loaded)
    if out.exists():
        raise CannotError(USAGE, f"--out: {out} is there already and is not overwritten; choose another name")
    from monitor.core.baseline import document as document_of
    from monitor.core.baseline import known
    from monitor.core.envelope import ENVELOPE_BYTES_MAX, encode, seal
    from monitor.edge.files import BadFile
    from monitor.edge.keys import KeyProblem, load_signer, signer_from_env
    from monitor.tune import described, learn, opens_or_midnights

    variable = loaded.keys.signing_key_env
    try:
        signer = signer_from_env(variable) if variable else load_signer(loaded.keys.signing_key_file)
    except KeyProblem as wrong:
        raise CannotError(NOT_ALLOWED, str(wrong)) from wrong
    try:
        with progress("learning") as step:
            learned = learn(files, step)
    except BadFile as broken:
        raise CannotError(FAILED, str(broken)) from broken
    document = document_of(
        site=loaded.site,
        env=loaded.env,
        build=build(),
        calendar=loaded.telemetry.calendar,
        days=sorted(learned.days),
        files=learned.files,
        reasons=sorted(learned.reasons),
        flags=learned.flags,
        rates=learned.rates(opens_or_midnights(opens)),
    )
    payload = encode(document)
    sealed = seal(payload, [signer])
    if len(sealed) > ENVELOPE_BYTES_MAX:
        size = f"{len(sealed):,} bytes; at most {ENVELOPE_BYTES_MAX:,} are read"
        raise CannotError(FAILED, f"{len(document['rates'])} hosts and strategies are {size}; learn fewer")
    digest = known(payload).digest
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
        file.write(sealed)
    told = {"file": str(out), "digest": digest, "events": learned.events} | described(document)
    lines = [f"{name:<21} {value}" for name, value in told.items()]
    answer(output, told, "\n".join([*lines, f'name it: [telemetry] baseline_file = "{out}"']))
    return DONE
