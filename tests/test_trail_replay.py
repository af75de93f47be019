"""The facts of an audit trail, judged again, give its commands byte for byte; what was changed is found."""

import json
import time

import numpy as np
import pytest

from monitor.cli.door import run as knightwatch
from monitor.core import journal, snapshot
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import (
    CommandSettled,
    GatewaySaid,
    LinkChanged,
    OperatorSaid,
    PolicyRead,
    ReadingStarted,
    RecordsArrived,
    SourcePart,
    TimePassed,
)
from monitor.demo.recording import Recording
from monitor.edge.audit import AuditTrail
from monitor.settings import load_text
from monitor.settings.policy import policy_of
from monitor.settings.render import text_of
from monitor.trail_replay import NotReplayable, record_of, replay_trail
from tests.determinism import SECOND, morning, ticks_of

TOPIC = "trading.telemetry.v1"
CONFIG = (
    'site = "demo"\nenv = "demo"\n[detectors.child_parent]\nmode = "armed"\n[telemetry]\nparented = [{}]\n'
)


RELOADED_AT = 3_700


class Shell:
    """As the live one does: what led to nothing becomes one line, a fact before what it led to."""

    def __init__(self, folder):
        self.config = load_text(CONFIG)
        self.trail = AuditTrail(folder / "audit", at_ns=1)
        self.recording = Recording(folder / "recording.ndjson")
        self.pending, self.holes, self.offsets = [], [], {0: 0, 1: 0}
        self.use(Engine(policy_of(self.config)))
        self.write("monitor.started", {"restored": False, "restored_after": None})

    def use(self, engine):
        self.engine, self.decoder = engine, Decoder(engine.names)

    def write(self, what, fields):
        self.trail.append(what, fields, time.time_ns())

    def flush(self):
        if self.pending:
            self.write(
                journal.ARRIVED, {"ranges": self.pending} | ({"holes": self.holes} if self.holes else {})
            )
            self.pending, self.holes = [], []

    def tell(self, happened):
        late = self.engine.sequencer.is_catching_up
        commands = self.engine.handle(happened)
        late = late or self.engine.sequencer.is_catching_up
        what, fields = journal.line_of_fact(happened)
        if what == journal.ARRIVED and not late:
            self.pending = journal.join(self.pending, fields["ranges"])
            self.holes += fields.get("holes", [])
            if commands:
                self.flush()
        else:
            self.flush()
            self.write(what, fields)
        for command in commands:
            line = journal.line_of_command(command)
            if line is not None:
                self.write(*line)

    def records(self, part, told, *, behind=0, hole=0):
        """Some records of a partition; the last `hole` offsets before the next hold none."""
        first = self.offsets[part]
        offsets, arrived = (
            np.arange(first, first + len(told)),
            np.array([one.arrived for one in told], np.int64),
        )
        values = [one.value for one in told]
        self.recording.write(SourcePart(TOPIC, part), values, offsets, arrived)
        read = self.decoder.decode(values, part, offsets, arrived)
        self.offsets[part] = end = first + len(told) + hole
        holes = ((part, end - hole, end - 1),) if hole else ()
        self.tell(
            RecordsArrived(
                read.batch, ((part, first, end - 1),), read.quarantined, ((part, end + behind),), holes
            )
        )

    def restart(self):
        self.flush()
        after, raw = self.trail.head.count, b"".join(snapshot.encode(self.engine.snapshot()))
        self.tell(
            TimePassed(self.engine._wall_ns + SECOND // 10)
        )  # what is after the snapshot is judged again
        self.flush()
        engine = Engine(policy_of(self.config))
        engine.restore(snapshot.decode(raw))
        self.use(engine)
        digest = self.config.policy_digest
        self.write("monitor.started", {"restored": True, "restored_after": after, "policy_digest": digest})

    def reload(self, text):
        self.config = load_text(text)
        self.tell(PolicyRead(policy_of(self.config), text_of(self.config), 7))

    def close(self):
        self.flush()
        self.trail.close(time.time_ns())
        with self.recording:
            pass


@pytest.fixture
def day(tmp_path):
    """Two partitions that catch up, then live in small pieces, with ticks, answers, a person, and a restart."""
    shell = Shell(tmp_path)
    for part in (0, 1):
        shell.tell(ReadingStarted(TOPIC, part, 0, "session"))
    events = list(morning())
    half = [[told for told in events[:3000] if (told.key < "g10") == bool(part)] for part in (0, 1)]
    shell.records(0, half[0], behind=5_000)
    shell.records(1, half[1], behind=0)
    shell.records(0, [], behind=0)
    ticks = ticks_of(events)
    for at in range(3000, len(events), 7):
        for tick in range(at, at + 7):
            if tick in ticks:
                shell.tell(TimePassed(ticks[tick], (1,) if at % 2 else ()))
        shell.records(at % 2, events[at : at + 7], hole=at % 5 == 0)
        if at % 500 == 0:
            shell.restart()
        if at == RELOADED_AT:
            shell.reload(CONFIG.replace('mode = "armed"', 'mode = "armed"\nafter_done_high_count = 3'))
        for halt in list(shell.engine.halts.open.values()):
            if at % 300 < 7:
                ack = {"type": "ack", "gateway": "g1", "halt_id": halt["halt_id"], "state": "applied"}
                shell.tell(GatewaySaid({**ack, "level": halt["level"]}, at))
                shell.tell(CommandSettled("halt", halt["halt_id"], "mqtt", True, at))
    shell.tell(LinkChanged("kafka", False, 5, "gone"))
    person = {
        "type": "halt", "issuer": "anna", "halt_id": "a" * 64, "level": "halt_new", "scope": {"host": "x"},
        "detector": "operator", "reason_code": "operator_halt", "event_ts": 7,
    }  # fmt: skip
    shell.tell(OperatorSaid(person, ("anna",), 7))
    shell.close()
    return shell, tmp_path / "recording.ndjson", tmp_path / "audit"


def test_the_same_commands_come_out_byte_for_byte(day):
    _, recording, trail = day
    found = replay_trail(recording, [trail], load_text(CONFIG))
    assert found.is_equal, found
    assert found.records == len(morning())
    assert found.commands > 200
    assert found.restarts >= 2
    assert any("policy.changed" in file.read_text() for file in trail.glob("audit-*"))
    assert any("halt.commanded" in file.read_text() for file in trail.glob("audit-*"))


def test_another_policy_gives_other_commands_and_the_first_is_named(day):
    _, recording, trail = day
    other = load_text(CONFIG.replace('"armed"', '"shadow"'))
    found = replay_trail(recording, [trail], other)
    assert not found.is_equal
    assert found.line > 0
    assert found.written != found.judged


def test_a_recording_that_was_changed_or_cut_is_found(day, tmp_path):
    _, recording, trail = day
    lines = recording.read_bytes().splitlines(keepends=True)
    late = next(
        n for n, line in enumerate(lines) if n > 6500 and b'"kind":"order_new"' in line and b"smars-8" in line
    )
    recording.write_bytes(b"".join(lines[:-20]))
    with pytest.raises(NotReplayable, match="the recording ends"):
        replay_trail(recording, [trail], load_text(CONFIG))
    recording.write_bytes(b"".join([*lines[:late], b"{}\n", *lines[late + 1 :]]))
    assert not replay_trail(recording, [trail], load_text(CONFIG)).is_equal


def test_the_command_says_equal_or_where_it_differs(day, tmp_path, capsys):
    _, recording, trail = day
    same, other = tmp_path / "same.toml", tmp_path / "other.toml"
    same.write_text(CONFIG)
    other.write_text(CONFIG.replace('"armed"', '"page"'))
    assert knightwatch(["replay", str(recording), "--trail", str(trail), "-c", str(same)]) == 0
    assert capsys.readouterr().out.startswith("EQUAL ")
    assert knightwatch(["replay", str(recording), "--trail", str(trail), "-c", str(other), "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["line"] > 0
    assert knightwatch(["replay", str(recording), str(recording), "--trail", str(trail)]) == 2


@pytest.mark.parametrize(
    "value",
    [b'{"kind":"mark"}', b"{}", b"", b"not json", b'{"arrival_ts":5,"kind":"x"}', b"[1]", b"{ }", b"\xff{"],
)
def test_a_record_in_the_recording_is_the_record_that_came(value, tmp_path):
    with Recording(tmp_path / "r") as recording:
        recording.write(SourcePart("t", 0), [value], np.array([0]), np.array([17]))
    assert record_of((tmp_path / "r").read_bytes())[0] == value
