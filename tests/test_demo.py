"""The demo's promises: Knight stopped within the issue's figures, and everything left behind agrees with it."""

import asyncio
import dataclasses
import io
import itertools
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from monitor.core import journal, snapshot
from monitor.demo import FolderTaken, summary
from monitor.demo.cockpit import frame, gross_limit
from monitor.demo.figures import document_of, stopped
from monitor.demo.folder import MARK, claimed
from monitor.demo.gateways import Brokers, ended
from monitor.demo.morning import GATEWAYS, Happened, Moment, Morning
from monitor.demo.plan import REAL_FROM_NS, SINCE_NS, event_time, tell
from monitor.demo.recording import Recording, line_of
from monitor.demo.run import config_for
from monitor.demo.sight import Sight
from monitor.edge.audit import verify
from monitor.edge.audit.reader import read
from monitor.edge.keys import load_keyring
from monitor.edge.store import Store
from monitor.outside import Unreachable
from monitor.replay import replay
from monitor.scenarios import History, registry
from monitor.scenarios.day import MS_NS, ONSET_NS, SECOND_NS
from monitor.settings import load
from monitor.trail_replay import replay_trail
from monitor.warm import warm_up

ROOT = Path(__file__).parent.parent
DEMO_S_MAX = 1_200  # with every kernel to be compiled on a busy machine; by itself it takes twenty seconds
SAME = (
    "halt_id",
    "incident_id",
    "event_ts",
    "scope",
    "level",
    "detector",
    "reason_code",
    "measured",
    "limit",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One demo, as a machine asks for it: its folder, its status, what it wrote to standard output."""
    folder = tmp_path_factory.mktemp("demo") / "left"
    code = "import sys; sys.argv[0] = 'knightwatch'; from monitor.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "-o", "json", "--folder", folder],
        capture_output=True, text=True, cwd=ROOT, timeout=DEMO_S_MAX, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return SimpleNamespace(folder=folder, status=done.returncode, out=done.stdout, err=done.stderr)


@pytest.fixture(scope="module")
def document(run):
    return json.loads(run.out)  # one document and nothing else, or this fails


@pytest.fixture(scope="module")
def events(document):
    return [json.loads(line) for line in Path(document["recording"]).read_text().splitlines()]


@pytest.mark.slow
class TestARun:
    def test_knight_is_stopped_within_the_figures(self, run, document):
        halt, first = document["first_halt"], document["first_wrong_child_ts"]
        assert halt["scope"] == {"host": "smars-8"}
        assert 0 <= halt["event_ts"] - first <= SECOND_NS
        assert document["children_before_halt"] <= 150
        assert document["gross_at_halt"] <= 500_000
        assert document["orders_after_applied"] == 0
        assert document["applied_ts"] >= halt["event_ts"]
        assert document["applied_by"] == document["gateways"] == 8
        assert document["stopped"]
        assert run.status == 0

    def test_the_document_has_the_fields_of_the_contract(self, document):
        assert document["scenario"] == "knight"
        assert document["scale"] >= 0.2
        assert document["first_halt"]["type"] == "halt"
        assert {"issuer", "boot", "seq", "issued_at", "audit_head", "policy_digest"} <= set(
            document["first_halt"]
        )
        assert document["history"]["executions"] > 3_900_000
        assert document["history"]["loss"] > 400e6
        assert document["history"]["gross"] > 6e9
        assert Path(document["recording"]).is_file()
        assert Path(document["audit"]).is_dir()

    def test_both_roads_brought_the_halt(self, document):
        assert set(document["heard_after_ms"]) == {"kafka", "mqtt"}

    def test_nothing_of_the_faulty_server_is_accepted_after_it_applied_and_the_others_trade_on(
        self, document, events
    ):
        later = Counter(
            event["host"]
            for event in events
            if event["kind"] == "order_new" and event["ts"] >= document["applied_ts"]
        )
        assert later["smars-8"] == 0
        assert {f"smars-{host}" for host in range(1, 8)} <= set(later)

    def test_the_wrong_children_are_all_in_the_recording(self, document, events):
        wrong = [e for e in events if e["kind"] == "order_new" and e["account"] == "33"]
        assert min(e["ts"] for e in wrong) == document["first_wrong_child_ts"]
        assert len(wrong) == document["children_before_applied"]

    def test_the_recording_replayed_gives_the_same_first_halt(self, document):
        again = replay([document["recording"]], load())
        assert {name: again["commands"][0][name] for name in SAME} == {
            name: document["first_halt"][name] for name in SAME
        }
        assert again["policy_digest"] == document["first_halt"]["policy_digest"]
        assert again["quarantined"] == 0

    def test_the_trails_facts_judged_again_give_its_commands_byte_for_byte(self, document):
        config = load(Path(document["config"])) if document["config"] else load()
        found = replay_trail(Path(document["recording"]), [Path(document["audit"])], config)
        assert found.is_equal

    def test_the_trail_is_whole_and_signed_and_reaches_the_halt(self, document, run):
        keyring = load_keyring(run.folder / "keys" / "pinned.toml")
        report = verify([Path(document["audit"])], document["first_halt"], keyring)
        assert report.ok, report.first_bad
        assert (report.halts, report.evidence_files, report.heads_compared) == (1, 1, 1)
        assert report.signed_through

    def test_the_recordings_lines_are_the_trails_arrivals_in_their_order(self, document, events):
        following = Counter()
        line = 0
        for entry in read([Path(document["audit"])]):
            if entry.what != journal.ARRIVED:
                continue
            for part, first, last in entry.fields["ranges"]:
                assert first == following[part]  # nothing skipped, nothing twice
                following[part] = last + 1
                keys = {_partition_key(event) for event in events[line : line + last - first + 1]}
                assert (keys == {"reference"}) is (part == _reference_part(document))
                line += last - first + 1
        assert line == len(events)

    def test_the_monitor_left_its_state_with_the_halt_open(self, document, run):
        state, wrong = Store(run.folder / "snapshot").load(snapshot.decode, snapshot.BadSnapshot)
        assert wrong == []
        assert [halt["halt_id"] for halt in state["engine"]["halts"]["open"]] == [
            document["first_halt"]["halt_id"]
        ]
        assert '"monitor.stopped"' in (run.folder / "monitor.log").read_text().splitlines()[-1]

    def test_progress_and_the_page_are_on_standard_error(self, run):
        assert "STOPPED host=smars-8 (no new, cancelling) | why: " in run.err
        assert "Traceback" not in run.err + (run.folder / "monitor.log").read_text()


def _partition_key(event):
    kinds = ("instrument", "position", "fx", "mark", "session_phase")
    return "reference" if event["kind"] in kinds else "telemetry"


def _reference_part(document):
    """The part of the reference topic: what the trail says of where reading began."""
    parts = [entry.fields for entry in read([Path(document["audit"])]) if entry.what == "reading.started"]
    return next(index for index, part in enumerate(parts) if part["topic"] == "trading.reference.v1")


# -- the folder


def test_a_new_folder_is_marked_and_an_earlier_demos_files_are_replaced(tmp_path):
    with claimed(tmp_path / "new") as folder:
        folder.make_keys("monitor-1", list(GATEWAYS))
        folder.recording.write_text("old")
        folder.audit.mkdir()
        (folder.path / "notes.txt").write_text("mine")
    with claimed(tmp_path / "new") as folder:
        assert sorted(path.name for path in folder.path.iterdir()) == sorted([MARK, "notes.txt"])


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "recording.ndjson").write_text("precious")
    with pytest.raises(FolderTaken, match="did not make"), claimed(tmp_path):
        pass
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("recording.ndjson", "precious")
    ]


def test_two_demos_do_not_share_a_folder(tmp_path):
    with claimed(tmp_path), pytest.raises(FolderTaken, match="another demo"), claimed(tmp_path):
        pass


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "raised", [FULL, ExceptionGroup("tasks", [ExceptionGroup("more", [ValueError(), FULL])])]
)
def test_a_full_disk_is_said_with_the_folder_whoever_met_it(tmp_path, raised):
    with pytest.raises(OSError, match=r"No space left on device: '.*demo'"), claimed(tmp_path / "demo"):
        raise raised


def test_what_is_no_full_disk_is_not_called_one(tmp_path):
    with pytest.raises(ExceptionGroup), claimed(tmp_path / "demo"):
        raise ExceptionGroup("tasks", [OSError(9, "Bad file descriptor")])


def test_a_link_in_the_place_of_our_folder_is_removed_and_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("precious")
    with claimed(tmp_path / "demo"):
        pass
    (tmp_path / "demo" / "audit").symlink_to(elsewhere)
    with claimed(tmp_path / "demo") as folder:
        assert not folder.audit.is_symlink()
    assert (elsewhere / "file").read_text() == "precious"


def test_keys_are_its_owners_alone_and_pinned_by_name(tmp_path):
    with claimed(tmp_path) as folder:
        signers, keyring = folder.make_keys("monitor-1", list(GATEWAYS))
    assert {keyring[signer.keyid].who for signer in signers.values()} == set(GATEWAYS)
    assert folder.monitor_key.stat().st_mode & 0o077 == 0


# -- the recording, the plan


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (b'{"kind":"mark","ts":1}', b'{"arrival_ts":9,"kind":"mark","ts":1}\n'),
        (b' {\n"kind": "mark"\n}', b'{"arrival_ts":9, "kind": "mark" }\n'),
        (b"{}", b'{"arrival_ts":9}\n'),
        (b"{ }", b'{"arrival_ts":9 }\n'),
        (b"[1]", b"[1]\n"),
        (b'x{"a":1}', b'x{"a":1}\n'),
        (b"", b"\n"),
    ],
)
def test_a_line_is_the_record_with_its_arrival(value, line):
    assert line_of(value, 9) == line


def test_event_time_never_goes_back_and_comes_to_the_speed_of_life():
    times = [event_time(n / 50) for n in range(1000)]
    assert times[0] == SINCE_NS
    assert all(a < b for a, b in itertools.pairwise(times))
    assert {b - a for a, b in itertools.pairwise(times) if a >= REAL_FROM_NS} <= {
        20 * MS_NS - 1, 20 * MS_NS, 20 * MS_NS + 1
    }  # fmt: skip


def test_a_told_morning_is_the_scenarios():
    knight = registry()["knight"]
    told = tell(knight, 1, 0.05)
    until = ONSET_NS + 2 * SECOND_NS
    rows = [body for rows in told.rows(1) for ts, body in zip(rows.ts, rows.body, strict=True) if ts < until]
    assert rows == [body for rows in knight.rows(1, 0.05, until, SINCE_NS) for body in rows.body]


def test_the_demos_configuration_judges_by_the_same_policy_and_pages_nobody(tmp_path):
    text = (ROOT / "deploy" / "knightwatch.toml").read_text()
    asked = text.replace("alertmanager_urls = []", 'alertmanager_urls = ["http://pager.firm:9093"]')
    (tmp_path / "own.toml").write_text(asked.replace("# signing_key_env =", 'signing_key_env = "FIRMS_KEY"'))
    own = load(tmp_path / "own.toml")
    with claimed(tmp_path / "demo") as folder:
        config = config_for(own, Brokers("127.0.0.1:1", "127.0.0.1", 2), folder)
    assert config.policy_digest == load().policy_digest
    assert config.detectors == own.detectors
    assert config.pages.alertmanager_urls == ()
    assert config.keys.signing_key_env is None
    assert config.http.port == 0
    for path in (config.keys.signing_key_file, config.audit.folder, config.snapshot.folder):
        assert path.is_relative_to(folder.path)


async def test_a_task_ends_also_if_it_swallowed_a_cancellation():
    swallowed = 0

    async def deaf():
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if swallowed == 2:
                    raise
                swallowed += 1

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await ended([task])
    assert task.cancelled()
    assert swallowed == 2


@pytest.mark.slow
async def test_what_goes_wrong_while_the_morning_passes_ends_everything_and_is_named(tmp_path):
    """A monitor that dies ends the morning at once, and its own error is what the user reads."""
    warm_up(load().detectors)
    with claimed(tmp_path) as folder:
        signers, keyring = folder.make_keys("monitor-1", list(GATEWAYS))
        nowhere = config_for(load(), Brokers("127.0.0.1:1", "127.0.0.1", 1), folder)
        told = tell(registry()["knight"], 1, 0.05)
        with Recording(folder.recording) as recording:
            morning = Morning(
                nowhere, told, seed=1, scale=0.05, signers=signers, keyring=keyring, recording=recording
            )
            with pytest.raises(Unreachable, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
                await morning.run()


# -- figures and pictures

HALT = {
    "type": "halt", "halt_id": "7f3a" * 16, "scope": {"host": "smars-8"}, "level": "halt_cancel",
    "reason_code": "child_after_done",
    "event_ts": ONSET_NS + 100 * MS_NS,
}  # fmt: skip
GOOD = Happened(
    first_wrong_ns=ONSET_NS,
    halt=HALT,
    heard_after_ms={"mqtt": 5.0},
    decided=Moment(ONSET_NS + 120 * MS_NS, 3, 3, 6_000.0),
    applied=Moment(ONSET_NS + 140 * MS_NS, 5, 4, 9_000.0),
    applied_by=frozenset(GATEWAYS),
    end=Moment(ONSET_NS + 4 * SECOND_NS, 5, 5, 9_000.0),
    pages=["STOPPED host=smars-8 (no new, cancelling) | why: 3 children after parent done | exposed $6k"],
)


@pytest.mark.parametrize(
    "worse",
    [
        {"halt": None},
        {"decided": None},
        {"applied": None},
        {"applied_by": frozenset(GATEWAYS[1:])},
        {"orders_after_applied": 1},
        {"halt": {**HALT, "scope": {}}},
        {"halt": {**HALT, "event_ts": ONSET_NS + SECOND_NS + 1}},
        {"halt": {**HALT, "event_ts": ONSET_NS - 1}},
        {"decided": dataclasses.replace(GOOD.decided, children=151)},
        {"decided": dataclasses.replace(GOOD.decided, gross=500_001.0)},
    ],
)
def test_less_than_the_promise_is_not_stopped(worse):
    assert stopped(GOOD)
    assert not stopped(dataclasses.replace(GOOD, **worse))


def documented(happened, tmp_path, source=""):
    with claimed(tmp_path / "demo folder") as folder:
        return document_of(
            happened, History(4_013_743, 1, 6.65e9, 451e6), folder, scenario="knight", seed=1, scale=0.2,
            source=source,
        )  # fmt: skip


def test_the_summary_shows_history_beside_here_and_commands_that_can_be_typed(tmp_path):
    document = documented(GOOD, tmp_path, "own.toml")
    text = summary(document)
    assert "4,013,743" in text
    assert "0.10 s" in text
    assert "45 minutes" in text
    assert f"knightwatch replay '{document['recording']}' -c own.toml" in text
    assert f"knightwatch audit verify '{document['audit']}' --pinned '{document['pinned']}'" in text
    assert Path(document["pinned"]).name == "pinned.toml"
    assert "deploy/RUNBOOK.md, child-after-done" in text
    headings = (ROOT / "deploy" / "RUNBOOK.md").read_text().splitlines()
    assert "### child-after-done" in headings


@pytest.mark.parametrize(
    "happened", [GOOD, Happened(first_wrong_ns=ONSET_NS, end=Moment(ONSET_NS, 9, 8, 2e6))]
)
def test_the_summary_fits_the_narrowest_terminal_of_the_cockpit(happened, tmp_path):
    commands = ("  knightwatch", "  '")
    lines = [
        line for line in summary(documented(happened, tmp_path)).splitlines() if not line.startswith(commands)
    ]
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_the_summary_of_a_morning_that_nobody_stopped_says_so(tmp_path):
    happened = Happened(first_wrong_ns=ONSET_NS, end=Moment(ONSET_NS, 900, 850, 2e6))
    document = documented(happened, tmp_path)
    assert not document["stopped"]
    assert document["first_halt"] is None
    assert document["children_before_halt"] == 900
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert "NOT stopped" in summary(document)


def drawn(happened, width, at_ns=ONSET_NS + SECOND_NS // 2):
    sight = Sight()
    lines = [
        {"kind": "heartbeat", "ts": ONSET_NS, "host": name, "build": "rlp-2012.07.27"}
        for name in GATEWAYS[:7]
    ]
    lines += [{"kind": "heartbeat", "ts": ONSET_NS, "host": "smars-8", "build": "legacy-2005"}]
    lines += [{"kind": "parent_new", "ts": ONSET_NS, "parent_id": "P1"}]
    lines += [
        {"kind": "order_new", "ts": ONSET_NS + n, "host": "smars-8", "parent_id": "P1"} for n in range(12)
    ]
    sight.on_records(None, [json.dumps(line).encode() for line in lines] + [b"broken"], None, None)
    fleet = SimpleNamespace(at_ns=at_ns)
    morning = SimpleNamespace(
        happened=happened, fleet=fleet, moment=lambda: Moment(fleet.at_ns, 12, 9, 150_000.0)
    )
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(frame(morning, sight, gross_limit(load()), width))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 110])
def test_the_cockpit_shows_the_fleet_calmly_until_there_is_a_halt(width):
    calm = drawn(Happened(first_wrong_ns=ONSET_NS), width)
    assert "nothing is stopped" in calm
    assert "STOPPED" not in calm
    assert "legacy-2005" in calm
    assert "12.0" in calm  # children for one parent
    assert "$150k" in calm
    assert "$2M" in calm
    assert "  8%" in calm
    halted = drawn(GOOD, width)
    assert "STOPPED host=smars-8 (no new, cancelling)" in halted
    assert "3 children after parent done" in halted
    assert "8 of 8 gateways" in halted
    assert len(halted.splitlines()) == len(calm.splitlines()) <= 24
    assert max(map(len, halted.splitlines())) <= width


@pytest.mark.parametrize("at_ns", [SINCE_NS, REAL_FROM_NS, ONSET_NS])
def test_the_cockpits_head_is_one_line_at_every_time(at_ns):
    head, below, *_ = drawn(Happened(), 80, at_ns).splitlines()
    assert "1 August 2012, New York" in head
    assert below.startswith("╭")
