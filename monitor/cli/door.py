"""`main`: every way in which a command can end, and its status.

    0 done   1 the check failed   2 usage   69 a server cannot be reached   77 not allowed
    78 the configuration is wrong   130, 143 by signal

A user's mistake is a sentence on standard error and never a traceback.
"""

from __future__ import annotations

import errno
import re
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

from typer.exceptions import Abort, TyperException

from monitor.cli import output
from monitor.cli.app import NOT_YET, app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


# What to do about a disk that does not take or give what it should.
REMEDIES: Final = {
    errno.ENOSPC: "make room there, or write elsewhere",
    errno.EDQUOT: "make room there, or write elsewhere",
    errno.EROFS: "write elsewhere",
    errno.EACCES: "let this user in, or name another",
    errno.EPERM: "let this user in, or name another",
}


def main() -> None:
    """Console script `knightwatch`."""
    signal.signal(signal.SIGTERM, _terminated)
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = output.pipe_closed()
    sys.exit(status)


def run(args: Sequence[str]) -> int:
    """Run one command line; returns its exit status."""
    if sys.flags.optimize:
        output.note("knightwatch: refuses to run under python -O: its assertions are part of its safety")
        return output.MISCONFIGURED
    with output.answering(args) as as_json:
        status, why, more = _ended(args)
        if why:
            output.note(why)
        if as_json and status not in (output.DONE, output.PIPE_CLOSED) and not output.answered():
            output.answer(output.Form.JSON, {"error": why, "status": status} | more, "")
        return status


def _ended(args: Sequence[str]) -> tuple[int, str, dict[str, Any]]:
    """The status, what to tell the user, and what a machine is told beside it."""
    try:
        return int(app(list(args), prog_name="knightwatch", standalone_mode=False) or output.DONE), "", {}
    except output.CannotError as cannot:
        return cannot.status, f"knightwatch: {cannot}", cannot.more
    except TyperException as usage:
        return _usage(usage)
    except (KeyboardInterrupt, Abort):
        return output.INTERRUPTED, "", {}
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else output.FAILED, "", {}
    except BrokenPipeError:
        return output.pipe_closed(), "", {}
    except (ConnectionError, TimeoutError) as gone:
        return output.UNREACHABLE, f"knightwatch: {gone or 'no answer in time'}", {}
    except OSError as refused:
        if refused.filename is None and refused.errno not in REMEDIES:
            return output.BROKEN, traceback.format_exc(), {}
        return _of_the_disk(refused)
    except Exception as wrong:  # noqa: BLE001 - the configuration's problems, else our own fault
        from monitor.settings.problems import ConfigError  # noqa: PLC0415 - not needed to show help

        if isinstance(wrong, ConfigError):
            return output.MISCONFIGURED, str(wrong), wrong.document
        return output.BROKEN, traceback.format_exc(), {}


def _of_the_disk(refused: OSError) -> tuple[int, str, dict[str, Any]]:
    """A file that is not there is its user's mistake; one that we may not have is said to be that."""
    status = output.FAILED
    if isinstance(refused, PermissionError) or refused.errno == errno.EROFS:
        status = output.NOT_ALLOWED
    elif isinstance(refused, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
        status = output.USAGE
    said = [str(refused.filename)] if refused.filename is not None else []
    said.append((refused.strerror or str(refused)).lower())
    remedy = f"; {REMEDIES[refused.errno]}" if refused.errno in REMEDIES else ""
    return status, f"knightwatch: {': '.join(said)}{remedy}", {}


def _usage(wrong: TyperException) -> tuple[int, str, dict[str, Any]]:
    context = getattr(wrong, "ctx", None)
    command = context.command_path if context is not None else "knightwatch"
    message = wrong.format_message()
    if type(wrong).__name__ == "NoArgsIsHelpError":
        return wrong.exit_code, message, {}
    unknown = re.match(r"No such command '(\w+)'", message)
    if unknown is not None and unknown[1] in NOT_YET:
        message = f"`{unknown[1]}` is not in this version: {NOT_YET[unknown[1]]}."
    return wrong.exit_code, f"{command}: {message}\nTry '{command} --help'.", {}


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(output.TERMINATED)
