"""Recordings: no halt on real and simulated clean hours, the contract's document, and every mistake named."""

import base64
import gzip
import json
import os
from pathlib import Path

import pytest

from detectors.contract import every_detector
from monitor.cli.door import run as knightwatch
from monitor.core.messages import Halt, validate
from monitor.edge.files import BadFile
from monitor.replay import replay
from monitor.settings import load_text
from tests.determinism import halts, judge, morning

DATA = Path(os.environ.get("KNIGHTWATCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
HOUR_NS = 3_600_000_000_000
KEYS = {
    "events", "quarantined", "passed_over", "first_ts", "last_ts", "commands", "breaches", "policy_digest",
    "trace_digest",
}  # fmt: skip
WIDE = {
    "fleet": 'grants = [{ hosts = ["ab-*", "gw-*"] }]',
    "rate": 'limit = [{ scope = "session=*", messages_per_s = 2_000 }, { scope = "host=*", messages_per_s = 5_000 }]',
    "exposure": 'limit = [{ scope = "account=*", gross = 1e13, net = 1e13 }, { scope = "*", gross = 1e14 }]',
    "loss": 'limit = [{ scope = "account=*", daily = 1e13 }, { scope = "*", daily = 1e14 }]',
}


def everything_armed():
    """All families that there are, default thresholds, limits wide."""
    tables = "".join(
        f'[detectors.{name}]\nmode = "armed"\n{WIDE.get(name, "")}\n' for name in every_detector()
    )
    witnesses = '[telemetry]\nwitnesses = ["parent_fill", "order_ack", "drop_copy"]\n'
    return load_text(f'site = "demo"\nenv = "demo"\n{witnesses}{tables}')


CHILD_PARENT = load_text('site = "demo"\nenv = "demo"\n[detectors.child_parent]\nmode = "armed"\n')


@pytest.mark.slow
@pytest.mark.parametrize("name", ["abides.ndjson.gz", "bitstamp.ndjson.gz"])
def test_an_hour_of_a_clean_market_is_never_halted(name):
    file = DATA / name
    if not file.exists():
        pytest.skip(f"{file} is not here; name its folder in KNIGHTWATCH_DATA")
    document = replay([file], everything_armed())
    assert document["events"] > 10_000
    assert document["commands"] == []
    assert [b for b in document["breaches"] if b["severity"] == "halt"] == []
    pages = [b for b in document["breaches"] if b["severity"] == "high"]
    assert len(pages) <= (document["last_ts"] - document["first_ts"]) / HOUR_NS, "one page an hour at most"


@pytest.fixture
def recording(tmp_path):
    file = tmp_path / "morning.ndjson"
    file.write_bytes(b"".join(told.value + b"\n" for told in morning()))
    return file


def test_the_document_is_the_contracts_and_a_second_reading_says_the_same(recording):
    document = replay([recording], CHILD_PARENT)
    assert set(document) == KEYS
    assert document["events"] + document["quarantined"] + document["passed_over"] >= len(morning())
    assert (document["first_ts"], document["last_ts"]) == (
        min(told.ts for told in morning()),
        max(told.ts for told in morning()),
    )
    assert {command["type"] for command in document["commands"]} == {"halt"}
    assert document["commands"][0]["evidence"][0]["topic"] == "morning.ndjson"
    assert set(document["breaches"][0]) == {
        "ts", "detector", "reason_code", "severity", "mode", "scope", "measured", "limit", "unit", "evidence",
    }  # fmt: skip
    assert document["policy_digest"] == CHILD_PARENT.policy_digest
    assert replay([recording], CHILD_PARENT)["trace_digest"] == document["trace_digest"]


def test_a_command_is_a_whole_payload_as_a_gateway_would_take_it(recording):
    document = replay([recording], CHILD_PARENT)
    taken = [validate(command) for command in document["commands"]]
    assert {type(payload) for payload in taken} == {Halt}
    assert [payload.seq for payload in taken] == list(range(1, len(taken) + 1))
    assert [payload.issued_at for payload in taken] == [payload.event_ts for payload in taken]
    assert "audit_head" in document["commands"][0]
    assert replay([recording], CHILD_PARENT) == document


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_packed_file_is_the_file(recording, tmp_path, ending):
    import zstandard

    pack = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[ending]
    packed = tmp_path / f"morning.ndjson{ending}"
    packed.write_bytes(pack(recording.read_bytes()))
    one, other = replay([recording], CHILD_PARENT), replay([packed], CHILD_PARENT)
    assert one["trace_digest"] == other["trace_digest"]
    assert one["events"] == other["events"]


def test_several_files_are_judged_in_the_order_of_time(tmp_path):
    files = [tmp_path / f"part-{n}.ndjson" for n in range(4)]
    keys = sorted({told.key for told in morning()})
    for n, file in enumerate(files):
        mine = [told.value + b"\n" for told in morning() if keys.index(told.key) % 4 == n]
        file.write_bytes(b"".join(mine))
    document = replay(files, CHILD_PARENT)
    found = {
        (h["detector"], h["reason_code"], f"host={h['scope'].get('host')}") for h in document["commands"]
    }
    assert found == {halt for halt in halts(judge(morning())) if halt[0] == "child_parent"}
    assert replay(files[::-1], CHILD_PARENT)["events"] == document["events"]


def test_broken_lines_are_counted_and_the_stream_goes_on(recording):
    whole = replay([recording], CHILD_PARENT)
    lines = recording.read_bytes().splitlines(keepends=True)
    broken = [b"not json\n", b'{"kind":"fill","ts":1}\n', b"\n", b'{"kind":"of another day","ts":1}\n']
    recording.write_bytes(b"".join([*lines[:500], *broken, *lines[500:]]))
    document = replay([recording], CHILD_PARENT)
    assert document["quarantined"] == whole["quarantined"] + 2
    assert document["events"] == whole["events"] + 1  # of a kind passed over
    assert document["passed_over"] == whole["passed_over"] + 1
    assert [h["halt_id"] for h in document["commands"]] == [h["halt_id"] for h in whole["commands"]]


def test_broken_lines_are_kept_with_their_place_and_what_was_wrong(tmp_path, capsys):
    config, kept = tmp_path / "c.toml", tmp_path / "kept.ndjson"
    config.write_text('site = "demo"\nenv = "demo"\n[detectors.child_parent]\nmode = "armed"\n')
    broken = [b"\xff\x1b[2J", b'{"kind":"error","ts":1,"host":"h"}', b'{"kind":"error","ts":0}']
    recording = tmp_path / "day.ndjson"
    recording.write_bytes(b'{"kind":"of another day","ts":1}\n\n' + b"\n".join(broken))
    told = ["replay", str(recording), "-c", str(config), "-o", "json"]
    assert knightwatch([*told, "--quarantine", str(kept)]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["quarantined"] == 3
    assert "3 records break the contract (1 encoding, 1 missing, 1 out_of_range)" in said.err
    assert "the first: day.ndjson:3: encoding" in said.err
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(line["file"], line["line"], line["path"], line["reason"]) for line in lines] == [
        ("day.ndjson", 3, "", "encoding"), ("day.ndjson", 4, "reason", "missing"), ("day.ndjson", 5, "ts", "out_of_range"),
    ]  # fmt: skip
    assert [base64.b64decode(line["raw"]) for line in lines] == broken
    assert knightwatch(told) == 0
    assert "--quarantine FILE keeps them all" in capsys.readouterr().err
    assert knightwatch([*told, "--quarantine", str(tmp_path / "no folder" / "kept.ndjson")]) == 2


def test_a_file_that_was_cut_off_is_named_with_what_is_wrong(recording, tmp_path, capsys):
    cut = tmp_path / "cut.ndjson.gz"
    cut.write_bytes(gzip.compress(recording.read_bytes())[:-500])
    with pytest.raises(BadFile, match=r"cut\.ndjson\.gz"):
        replay([cut], CHILD_PARENT)
    assert knightwatch(["replay", str(cut)]) == 1
    said = capsys.readouterr()
    assert "cut.ndjson.gz" in said.err
    assert "Traceback" not in said.err


def test_the_command_prints_one_document_and_its_status_says_whether_it_halted(recording, tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text('site = "demo"\nenv = "demo"\n[detectors.child_parent]\nmode = "armed"\n')
    told = ["replay", str(recording), "-c", str(config), "-o", "json"]
    assert knightwatch(told) == 0
    assert set(json.loads(capsys.readouterr().out)) == KEYS
    assert knightwatch([*told, "--fail-on-halt"]) == 1
    capsys.readouterr()
