"""What the monitor says to whoever runs it: JSON lines on standard error, plain lines on a terminal.

An event is a dotted past-tense name with fields: `halt.sent scope=... latency_ms=3`.  Values
may come from strangers: each is cut to 512 characters, and control characters (a newline
that would begin a line of its own, an escape that would paint a terminal) are escaped.
Libraries speak through the same door, and only when something is wrong.  A line that cannot be
written is lost.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import stat
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

VALUE_CHARS_MAX: Final = 512
TRACEBACK_CHARS_MAX: Final = 4_096
FIELDS_MAX: Final = 64
OURS: Final = frozenset({"event", "level", "timestamp", "logger"})
ITEMS_MAX: Final = 32
DEPTH_MAX: Final = 4
# What these say of each failed attempt the links say once; their own bugs still come through.
QUIET: Final = {
    "aiokafka": logging.CRITICAL,
    "amqtt": logging.CRITICAL,
    "mqtt": logging.CRITICAL,
    "transitions": logging.CRITICAL,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "uvicorn": logging.WARNING,
    "numba": logging.WARNING,
}


def configure(*, verbose: bool = False, stream: TextIO | None = None, human: bool | None = None) -> None:
    """Once, at start.  `human`: None means "if the stream is a terminal"."""
    out = stream if stream is not None else sys.stderr
    sink = Sink(out)
    plain = out.isatty() if human is None else human
    level = logging.DEBUG if verbose else logging.INFO
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _bound,
    ]
    rendered: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=28)
        if plain
        else structlog.processors.JSONRenderer(default=repr)
    )
    structlog.configure(
        processors=[*shared, rendered],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", sink)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, rendered],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name, quiet in QUIET.items():
        logging.getLogger(name).setLevel(quiet)


def logger() -> Any:
    """Where events are said: `logger().info("halt.sent", scope=...)`."""
    return structlog.get_logger()


class Sink:
    """The stream, or nothing: a log on a full disk must not end what it only tells of.

    Nor may one whose reader hangs (a journal on the disk that is stuck) hold back what is judged: what a pipe
    or a socket does not take at once is lost, and the next line that gets through says how many were.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._pipe = _pipe_of(out)
        self._ready = select.poll()
        self._lost, self._is_cut = 0, False
        if self._pipe is not None:
            self._ready.register(self._pipe, select.POLLOUT)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            if self._pipe is None:
                self._out.write(text)
            else:
                self._put(self._pipe, text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._out.flush()

    def _put(self, pipe: int, text: str) -> None:
        """In pieces that a pipe with room takes whole; a line that was cut ends before the next one."""
        told = f'{{"event":"log.lost","level":"warning","lines":{self._lost}}}\n' if self._lost else ""
        left = (("\n" if self._is_cut else "") + told + text).encode(errors="backslashreplace")
        while left:
            if not self._ready.poll(0):
                self._lost += 1
                return
            left = left[os.write(pipe, left[: select.PIPE_BUF]) :]
            self._is_cut = bool(left)
        self._lost = 0


def _pipe_of(out: TextIO) -> int | None:
    """Its number, if somebody reads at the other end: a file or a terminal is written the usual way."""
    try:
        handle = out.fileno()
        mode = os.fstat(handle).st_mode
    except (OSError, ValueError, AttributeError):
        return None
    return handle if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def _bound(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """No value is endless, and none can pretend to be another line."""
    kept: dict[str, Any] = {}
    left_out = 0
    for name, value in fields.items():
        if name.startswith("_"):
            kept[name] = value  # structlog's own handle on a library's record, which is no value
        elif name == "exception":
            kept[name] = _traceback(str(value))
        elif name in OURS or len(kept) < FIELDS_MAX:
            kept[_shown(name)] = _cut(value, DEPTH_MAX)
        else:
            left_out += 1
    if left_out:
        kept["fields_left_out"] = left_out
    return kept


def _traceback(text: str) -> str:
    """Its end says most; each line is marked, so that none looks like an event."""
    return "\n  | ".join(_shown(line) for line in text[-TRACEBACK_CHARS_MAX:].splitlines())


def _cut(value: Any, depth: int) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _shown(value)
        case bytes():
            return _shown(value[: VALUE_CHARS_MAX + 1].decode("utf-8", "backslashreplace"))
        case dict() if depth:
            return {
                _shown(str(key)): _cut(inner, depth - 1) for key, inner in list(value.items())[:ITEMS_MAX]
            }
        case list() | tuple() if depth:
            return [_cut(inner, depth - 1) for inner in value[:ITEMS_MAX]]
        case _:
            return _shown(repr(value))


def _shown(text: str) -> str:
    if len(text) > VALUE_CHARS_MAX:
        text = f"{text[:VALUE_CHARS_MAX]}... ({len(text)} characters)"
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
