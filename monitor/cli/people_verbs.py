"""Verbs of a person beside a trading floor: stop something, and see what is stopped."""
# ruff: noqa: PLC0415 - a verb imports what it needs when it runs

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

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

_OWN_KEY: Final = (
    "name your own private key.  One made now (knightwatch config keygen FILE --who YOU --role operator) "
    "stops nothing until the gateways have pinned its public half"
)
_PACKAGED: Final = (
    "whether these are your brokers: no configuration was named, the packaged one is the demo's; "
    "name yours with -c FILE"
)
LEVELS: Final = ("reduce_only", "halt_new", "halt_cancel", "disconnect")


def halt(
    scope: Annotated[str, typer.Option(help='"host=smars-8", "account=33&symbol=NOK"; "*" is the firm.')],
    reason: Annotated[str, typer.Option(help="Why, in words; 1 to 512 bytes.")],
    key: Annotated[Path, typer.Option(help="Your own private key.")],
    level: Annotated[str, typer.Option(help=f"One of {', '.join(LEVELS)}.")] = "halt_cancel",
    who: Annotated[
        str | None, typer.Option(help="Your name as receivers pinned it; default: what the pinned keys say.")
    ] = None,
    config: ConfigFile = None,
    *,
    drill: Annotated[bool, typer.Option("--drill", help="Marked as a drill.")] = False,
    output: Output = Form.TEXT,
) -> int:
    """Stop a scope yourself, alone, on both roads at once; no monitor needs to be alive."""
    import asyncio

    from detectors.scope import Scope
    from monitor.cli import tightening
    from monitor.edge.keys import KeyProblem, load_signer
    from monitor.settings import load_roads

    try:
        where = Scope.parse(scope)
    except ValueError as wrong:
        raise CannotError(USAGE, f"--scope: {wrong}") from wrong
    if level not in LEVELS:
        raise CannotError(USAGE, f"--level: {level!r} is no level; known: {', '.join(LEVELS)}")
    for option, text, bytes_max in (("--reason", reason, 512), ("--who", who or "me", 64)):
        if not 1 <= _bytes(text) <= bytes_max:
            raise CannotError(USAGE, f"{option}: write 1 to {bytes_max} bytes of UTF-8")
    quiet_clients()
    loaded = load_roads(config)
    if not key.exists():
        raise CannotError(NOT_ALLOWED, f"--key: {key}: there is no such file; {_OWN_KEY}")
    try:
        signer = load_signer(key)
    except KeyProblem as wrong:
        raise CannotError(NOT_ALLOWED, f"--key: {wrong}") from wrong
    name = who or tightening.name_of(loaded, signer, key)
    if name is None:
        raise CannotError(USAGE, f"--who: nobody is pinned under the key {key}; say who you are pinned as")
    payload = tightening.person_halt(loaded, where, level, reason, name, drill=drill)
    if disbelieved := tightening.disbelieved(loaded, payload, signer):
        raise CannotError(NOT_ALLOWED, f"--key: {key}: {disbelieved}")
    roads = asyncio.run(tightening.publish(loaded, payload, signer))
    document = {"halt": payload, "roads": [road.document for road in roads]}
    taken = any(road.ok for road in roads)
    answer(output, document | {"taken": taken}, tightening.told(payload, roads))
    return DONE if taken else UNREACHABLE


def _bytes(text: str) -> int:
    """Its length in UTF-8; 0 if it is none, as an argument may be."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0


def status(config: ConfigFile = None, output: Output = Form.TEXT) -> int:
    """Say what is stopped, since when, by whom, acknowledged or not, and how old the lease is."""
    import asyncio

    from monitor.cli import looking
    from monitor.cli.picture_text import text_of
    from monitor.settings import load_roads

    quiet_clients()
    loaded = load_roads(config)
    seen = asyncio.run(looking.look(loaded))
    document = seen.document | {"config": loaded.source}
    if config is None:
        document["unknown"] += [_PACKAGED]
    answer(output, document, text_of(document))
    return DONE if seen.reached else UNREACHABLE


def doctor(
    config: ConfigFile = None,
    *,
    restart: Annotated[
        bool, typer.Option("--restart", help="What would a restart find now, and what would it lose?")
    ] = False,
    output: Output = Form.TEXT,
) -> int:
    """Examine what a monitor stands on, without touching it."""
    from monitor.settings import load

    loaded = load(config)
    if not restart:
        raise CannotError(USAGE, "say what to examine: --restart")
    from monitor.cli.restarting import examine

    quiet_clients()
    found = examine(loaded)
    verdict = f"a restart would lose: {len(found.losses)}" if found.losses else "a restart would lose nothing"
    told = [*found.notes, *(f"LOST  {loss}" for loss in found.losses), verdict]
    answer(output, found.document | {"loses_nothing": not found.losses}, "\n".join(told))
    if found.is_unanswered:
        return UNREACHABLE
    return FAILED if found.losses else DONE
