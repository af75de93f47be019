"""What a verb prints and how it ends.

Under `-o json` standard output carries exactly one JSON document; everything else goes to
standard error, whatever a library may print.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 69
BROKEN: Final = 70  # our own fault: a traceback, never for a user's mistake
NOT_ALLOWED: Final = 77
MISCONFIGURED: Final = 78
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
TERMINATED: Final = 143


class Form(enum.StrEnum):
    """How the answer is written."""

    TEXT = "text"
    JSON = "json"


Output = Annotated[Form, typer.Option("-o", "--output", help="json: one JSON document on standard output.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", metavar="FILE", help="Configuration; default: the packaged one."),
]


class CannotError(Exception):
    """A verb cannot go on for a reason that its user can do something about."""

    def __init__(self, status: int, why: str, **more: Any) -> None:
        self.status = status
        self.more = more
        super().__init__(why)


class _Answer:
    """Where the one document goes: standard output as it was when the command began."""

    def __init__(self) -> None:
        self.stream = sys.stdout
        self.said = False


_answer = _Answer()


@contextlib.contextmanager
def answering(args: Sequence[str]) -> Iterator[bool]:
    """Keep standard output clean for one JSON document if that was asked for; yields whether it was."""
    _answer.stream, _answer.said = sys.stdout, False
    if not (json_asked := wants_json(args)):
        yield False
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield json_asked


def wants_json(args: Sequence[str]) -> bool:
    """Whether `-o json` is among the arguments, also where they are wrong otherwise."""
    pairs = zip(args, [*args, ""][1:], strict=True)
    return any(
        (one in ("-o", "--output") and following == "json") or one in ("-ojson", "-o=json", "--output=json")
        for one, following in pairs
    )


def answer(form: Form, document: Mapping[str, Any], text: str) -> None:
    """Print the answer in the form that was asked for."""
    assert not _answer.said, "one answer, not two"
    _answer.said = True
    if form is Form.JSON:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    try:
        print(text, file=_answer.stream, flush=True)
    except BrokenPipeError:  # here, because Typer would make a failed check of it
        raise SystemExit(pipe_closed()) from None


def pipe_closed() -> int:
    """Nobody reads any more: the interpreter's last flush must not complain."""
    if sys.__stdout__ is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())
    return PIPE_CLOSED


def answered() -> bool:
    return _answer.said


def note(text: str) -> None:
    """Tell whoever watches; never part of the answer."""
    print(text, file=sys.stderr, flush=True)


def quiet_clients() -> None:
    """Each road's outcome is in the answer; the client libraries' own complaints would bury it."""
    import logging  # noqa: PLC0415 - not needed to show help

    for name in ("aiokafka", "mqtt", "amqtt"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
