"""Verbs about the configuration, the keys and this installation.  None of them touches a server."""
# ruff: noqa: PLC0415 - a verb imports what it needs when it runs

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.output import (
    DONE,
    FAILED,
    MISCONFIGURED,
    NOT_ALLOWED,
    USAGE,
    CannotError,
    ConfigFile,
    Form,
    Output,
    answer,
)

if TYPE_CHECKING:
    from monitor.settings import Config, Problem


def check(
    file: Annotated[Path | None, typer.Argument(help="Configuration; default: the packaged one.")] = None,
    config: ConfigFile = None,
    recording: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Events of ordinary days, or a list of instruments: compare with them. May be given again.",
        ),
    ] = None,
    output: Output = Form.TEXT,
) -> int:
    """Name every problem of a configuration, or what it arms and what it cannot see.

    With recordings also: limits looser than what trades, scopes that name nobody, and what would fire.
    """
    from monitor.settings import ConfigError, load
    from monitor.settings.baseline import baseline_of
    from monitor.settings.secrets import unreadable
    from monitor.settings.unseen import unseen

    if file is not None and config is not None and file != config:
        raise CannotError(USAGE, f"two configurations, {file} and {config}; name one")
    try:
        loaded = load(file or config)
        wrong = ConfigError(loaded.source, missing) if (missing := list(unreadable(loaded))) else None
        if wrong is None:
            baseline_of(loaded)
    except ConfigError as unloadable:
        wrong = unloadable
    if wrong is not None:
        answer(output, {"ok": False} | wrong.document, str(wrong))
        return MISCONFIGURED
    refused, failed = _bitten(loaded, recording or [])
    if refused or failed:
        wrong = ConfigError(loaded.source, [*refused, *failed])
        answer(output, {"ok": False} | wrong.document, str(wrong))
        return MISCONFIGURED if refused else FAILED
    dark = list(unseen(loaded))
    answer(output, _checked(loaded, dark), _checked_text(loaded, dark))
    return DONE


def _bitten(loaded: Config, recordings: list[Path]) -> tuple[list[Problem], list[Problem]]:
    """What is wrong beyond the letter: a configuration for another fleet, and a check that fails."""
    from monitor import checking
    from monitor.cli.progress import progress
    from monitor.edge.files import BadFile

    failed = list(checking.never(loaded))
    if not recordings:
        return [], failed
    try:
        with progress("checking") as step:
            shown = checking.show(loaded, recordings, step)
    except BadFile as broken:
        raise CannotError(FAILED, str(broken)) from broken
    for tooth in (checking.loose, checking.names_nobody, checking.unlimited, checking.fires):
        failed += tooth(loaded, shown)
    return list(checking.matches_nobody(loaded, shown)), failed


def _checked(config: Config, dark: list[Problem]) -> dict[str, Any]:
    return {
        "ok": True,
        "file": config.source,
        "problems": [],
        "site": config.site,
        "env": config.env,
        "detectors": {name: one.mode for name, one in config.detectors.items()},
        "unseen": [{"key": each.key, "what": each.what} for each in dark],
        "policy_digest": config.policy_digest,
    }


def _checked_text(config: Config, dark: list[Problem]) -> str:
    lines = [f"{config.source}: OK", f"  site {config.site}, env {config.env}"]
    for mode in ("armed", "page", "shadow"):
        names = [name for name, one in config.detectors.items() if one.mode == mode]
        lines.append(f"  {mode:<6}  {', '.join(names) or '-'}")
    lines.append(f"  policy  {config.policy_digest}")
    if dark:
        width = max(len(each.key) for each in dark)
        lines.append("What then cannot be seen, or reaches nobody:")
        lines += [f"  {each.key:<{width}}   {each.what}" for each in dark]
    return "\n".join(lines)


def schema(output: Output = Form.JSON) -> int:
    """Print the JSON Schema of the configuration, with every setting's sentence."""
    import json

    from monitor.settings.load import document_model

    document = document_model().model_json_schema()
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    answer(output, document, json.dumps(document, indent=2, ensure_ascii=False))
    return DONE


def show(config: ConfigFile = None, output: Output = Form.TEXT) -> int:
    """Print a configuration with all its defaults filled in.  There are no secrets in it."""
    from monitor.settings import load
    from monitor.settings.render import text_of

    loaded = load(config)
    document = {"file": loaded.source, "policy_digest": loaded.policy_digest, "config": loaded.document}
    answer(output, document, text_of(loaded).rstrip("\n"))
    return DONE


def version(output: Output = Form.TEXT) -> int:
    """Print what is installed: the version, and the digest of the code that judges."""
    from importlib import metadata

    from detectors.kernel import cache_root, sources_digest
    from monitor.edge.kernel_cache import digest_of

    try:
        installed = metadata.version("knightwatch")
    except metadata.PackageNotFoundError:
        installed = "not installed, run from its source"
    document = {
        "knightwatch": installed,
        "python": platform.python_version(),
        "numba": metadata.version("numba"),
        "kernels": sources_digest(),
        "kernel_cache": digest_of(cache_root()),
    }
    answer(output, document, "\n".join(f"{name:<12} {value}" for name, value in document.items()))
    return DONE


def keygen(
    file: Annotated[Path, typer.Argument(help="The private key; its public half becomes FILE.pub.")] = Path(
        "monitor.key"
    ),
    who: Annotated[str, typer.Option(help="The person or machine behind it.")] = "monitor-1",
    role: Annotated[str, typer.Option(help="One of monitor, operator, risk, gateway.")] = "monitor",
    output: Output = Form.TEXT,
) -> int:
    """Make an Ed25519 key pair.  Nothing is ever overwritten."""
    from monitor.core.keyring import Role
    from monitor.edge.keys import KeyProblem, public_of
    from monitor.edge.keys import keygen as make_pair

    if role not in set(Role):
        raise CannotError(USAGE, f"--role: {role!r} is no role; known: {', '.join(Role)}")
    try:
        pinned = make_pair(file, who, Role(role))
    except KeyProblem as wrong:
        raise CannotError(NOT_ALLOWED, str(wrong)) from wrong
    public = public_of(file)
    document = {"private": str(file), "public": str(public), "keyid": pinned.keyid, "who": who, "role": role}
    text = (
        f"{file}  private, keep it there\n"
        f"{public}  add its table to the pinned keys of all who are to believe {who} ({role})"
    )
    answer(output, document, text)
    return DONE
