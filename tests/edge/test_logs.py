"""One event is one line, whatever strangers put into it."""

import errno
import io
import json
import logging
import os

import pytest
import structlog

from monitor.edge import logs


@pytest.fixture
def said():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    out = io.StringIO()
    logs.configure(stream=out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


def test_an_event_is_one_json_line_with_its_fields(said):
    logs.logger().info("halt.sent", scope="host=smars-8", latency_ms=3, roads=("kafka", "mqtt"))
    (line,) = said()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "halt.sent",
        "level": "info",
        "scope": "host=smars-8",
        "latency_ms": 3,
        "roads": ["kafka", "mqtt"],
    }


def test_values_are_bounded_and_cannot_begin_a_line_or_paint_a_terminal(said):
    logs.logger().warning(
        "record.quarantined",
        symbol="A\nB\r\x1b[31m",
        raw=b"\xff\n" * 1000,
        long="x" * 10_000,
        nested={"k\n": ["y" * 600, {"z": [[[[1]]]]}]},
        many=list(range(1000)),
        **{f"f{n}": n for n in range(100)},
    )
    (line,) = said()
    assert line["symbol"] == "A\\nB\\r\\x1b[31m"
    assert len(line["raw"]) < 2200
    assert line["long"] == "x" * 512 + "... (10000 characters)"
    assert line["nested"]["k\\n"][0].endswith("(600 characters)")
    assert len(line["many"]) == 32
    assert line["fields_left_out"] > 0
    assert line["event"] == "record.quarantined"
    assert line["level"] == "warning"


def test_libraries_speak_through_the_same_door_and_only_when_something_is_wrong(said):
    logging.getLogger("aiokafka.conn").error("again\nand again")
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("asyncio").error("Task was destroyed\n%s", "x" * 1000)
    (line,) = said()
    assert (line["logger"], line["level"]) == ("asyncio", "error")
    assert line["event"].startswith("Task was destroyed\\nxxx")
    assert len(line["event"]) < 600


def test_an_exception_is_a_field_of_its_line(said):
    try:
        int("no\n\x1b number")
    except ValueError:
        logs.logger().exception("monitor.failed")
    (line,) = said()
    first, *others = line["exception"].split("\n")
    assert first.startswith("Traceback")
    assert all(other.startswith("  | ") for other in others)
    assert "ValueError" in others[-1]
    assert "\x1b" not in line["exception"]


def test_details_are_silent_unless_asked_for(said):
    logs.logger().debug("batch.judged", events=4096)
    assert said() == []


def test_a_terminal_gets_plain_lines(said):
    out = io.StringIO()
    logs.configure(stream=out, human=True, verbose=True)
    logs.logger().debug("halt.sent", scope="host=smars-8\nevil")
    assert len(out.getvalue().splitlines()) == 1
    assert "halt.sent" in out.getvalue()
    assert "scope=" in out.getvalue()


def test_a_log_that_cannot_be_written_ends_nothing(said):
    class Full(io.StringIO):
        full = True

        def write(self, text):
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(text)

    out = Full()
    logs.configure(stream=out)
    logs.logger().critical("halt.sent")
    logging.getLogger("aiokafka").critical("no broker")
    out.full = False
    logs.logger().info("halt.settled")
    assert json.loads(out.getvalue())["event"] == "halt.settled"


def test_a_reader_that_hangs_holds_nobody_back_and_what_was_lost_is_said():
    """A journal on a disk that is stuck: a full pipe would block the loop that judges."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        sink = logs.Sink(out)
        line = json.dumps({"event": "record.quarantined", "detail": "x" * 9_000}) + "\n"
        for _ in range(20):  # of which seven find room
            sink.write(line)
        told = os.read(reading, 1 << 20).decode()
        sink.write('{"event":"halt.sent"}\n')
        told += os.read(reading, 1 << 20).decode()
    os.close(reading)
    *whole, cut, lost, last = told.splitlines()
    assert {each + "\n" for each in whole} == {line}
    assert line.startswith(cut)
    assert json.loads(lost) == {"event": "log.lost", "level": "warning", "lines": 20 - len(whole)}
    assert last == '{"event":"halt.sent"}'
