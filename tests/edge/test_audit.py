"""The trail is written whatever the disk does, and whoever touches it afterwards is seen."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.keyring import Keyring, Role, Signer
from monitor.core.trail import Head
from monitor.edge.audit import AuditTrail, BadTrail, Keeping, RawRecord, TrailProblem, read, verify
from monitor.edge.audit import evidence as evidence_module
from monitor.edge.audit import reader as reader_module
from monitor.edge.audit.disk import Disk

S = 1_000_000_000
DAY = 86_400 * S
NOW = 1_343_827_801 * S
KW1, OTHER = Signer(b"\1" * 32), Signer(b"\2" * 32)
KEYRING = Keyring([KW1.pinned("kw-1", Role.MONITOR)])


def a_trail(folder, at=NOW, **more):
    return AuditTrail(folder, at_ns=at, signer=KW1, **more)


def written(folder, lines=5, **more):
    trail = a_trail(folder, **more)
    for n in range(lines):
        trail.append("halt.decided" if n == 2 else "time.passed", {"n": n}, NOW + n)
    assert trail.close(NOW + lines)
    return trail


def files(folder):
    return sorted(folder.glob("audit-*.ndjson"))


def until(true, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.005)


def test_what_was_appended_is_read_back_and_verified(tmp_path):
    trail = written(tmp_path)
    lines = list(read([tmp_path], KEYRING))
    assert [line.what for line in lines] == [
        "file.opened", "trail.begun", "checkpoint.signed",
        "time.passed", "time.passed", "halt.decided", "time.passed", "time.passed", "trail.closed", "checkpoint.signed",
    ]  # fmt: skip
    assert [line.fields["n"] for line in lines[3:8]] == [0, 1, 2, 3, 4]
    report = verify([tmp_path], keyring=KEYRING)
    assert (report.ok, report.first_bad, report.lines, report.halts, report.head) == (
        True,
        None,
        10,
        1,
        trail.head,
    )
    assert (report.first_line, report.signed_through, report.files) == (1, 9, 1)


def test_the_head_is_there_at_once_and_follows_each_line(tmp_path):
    trail = a_trail(tmp_path)
    heads = [trail.append("x", {}, NOW) for _ in range(3)]
    assert [head.count for head in heads] == [4, 5, 6]
    assert heads[-1] == trail.head
    trail.close(NOW)
    assert trail.durable_head == trail.head


async def test_durable_says_when_the_disk_has_it(tmp_path):
    trail = a_trail(tmp_path)
    head = trail.append("halt.decided", {}, NOW)
    assert await trail.durable(5)
    assert trail.durable_head == head
    assert await trail.durable(0)
    trail.close(NOW)


def write(file, content):
    """As `write_bytes`, but a new file: some file systems flush one that is cut and written again."""
    file.unlink()
    file.write_bytes(content)


# -- what is done to the files afterwards ------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    trail = written(tmp_path / "trail", 2)
    return tmp_path / "trail", files(tmp_path / "trail")[0], {"audit_head": trail.head.payload}


def test_each_byte_that_is_changed_is_found(small):
    folder, file, lease = small
    whole = file.read_bytes()
    starts = [0, *(n + 1 for n, byte in enumerate(whole) if byte == ord("\n"))]
    for at in range(len(whole)):
        bit = 1 << at * 5 % 8
        write(file, whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        report = verify([folder], lease, KEYRING)
        assert not report.ok, (at, bit)
        assert report.first_bad[1] == sum(start <= at for start in starts), (at, bit, report)
    write(file, whole)
    assert verify([folder], lease, KEYRING).ok


def test_each_byte_that_is_put_in_or_taken_out_is_found(small):
    folder, file, lease = small
    whole = file.read_bytes()
    for at in range(len(whole)):
        write(file, whole[:at] + (b"" if at % 2 else b"\n" + whole[at : at + 1]) + whole[at + 1 :])
        assert not verify([folder], lease, KEYRING).ok, at


def test_each_line_that_is_deleted_doubled_or_swapped_is_found(small):
    folder, file, lease = small
    lines = file.read_bytes().splitlines(keepends=True)
    for n in range(len(lines)):
        changes = [lines[:n] + lines[n + 1 :], lines[: n + 1] + lines[n:]]
        changes += [
            [*lines[:n], lines[m], *lines[n + 1 : m], lines[n], *lines[m + 1 :]]
            for m in range(n + 1, len(lines))
        ]
        for changed in changes:
            write(file, b"".join(changed))
            assert not verify([folder], lease, KEYRING).ok, n


def test_each_cut_of_the_tail_is_found_by_a_published_head(small):
    folder, file, lease = small
    whole = file.read_bytes()
    for end in range(len(whole)):
        write(file, whole[:end])
        assert not verify([folder], lease).ok, end
    write(file, b"")
    assert "cut off" in verify([folder]).first_bad[2]


def test_a_cut_between_lines_shows_by_a_head_alone(small):
    folder, file, lease = small
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]))
    assert verify([folder]).ok
    report = verify([folder], lease)
    assert report.first_bad == (
        str(file),
        len(lines) - 1,
        f"ends at line {len(lines) - 1}, but line {len(lines)} was published: cut off",
    )


def test_a_trail_that_was_written_anew_is_found_by_a_head_and_by_a_key(tmp_path):
    lease = {"audit_head": written(tmp_path / "true").head.payload}
    forged = AuditTrail(tmp_path / "forged", at_ns=NOW, signer=OTHER)
    for _ in range(20):
        forged.append("all.quiet", {}, NOW)
    forged.close(NOW)
    assert verify([tmp_path / "forged"]).ok
    assert "not the one whose head was published" in verify([tmp_path / "forged"], lease).first_bad[2]
    assert "no pinned key" in verify([tmp_path / "forged"], keyring=KEYRING).first_bad[2]
    unsigned = AuditTrail(tmp_path / "unsigned", at_ns=NOW)
    unsigned.close(NOW)
    assert "no checkpoint is signed" in verify([tmp_path / "unsigned"], keyring=KEYRING).first_bad[2]


def test_a_signature_of_another_line_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "monitor.edge.audit.writer.sign_checkpoint",
        lambda head, signer: {**head.payload, "keyid": signer.keyid, "sig": "00" * 64},
    )
    written(tmp_path)
    assert "signature is wrong" in verify([tmp_path], keyring=KEYRING).first_bad[2]
    assert verify([tmp_path]).ok
    shutil.rmtree(tmp_path)
    monkeypatch.setattr(
        "monitor.edge.audit.writer.sign_checkpoint", lambda head, signer: Head(1, "a" * 64).payload
    )
    written(tmp_path)
    assert "checkpoint of another line" in verify([tmp_path]).first_bad[2]


def test_long_stretches_without_a_signature_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "UNSIGNED_MAX", 50)
    written(tmp_path / "a", 200, keeping=Keeping(checkpoint_lines=20))
    written(tmp_path / "b", 200, keeping=Keeping(checkpoint_lines=100))
    assert verify([tmp_path / "a"], keyring=KEYRING).ok
    assert "without a signed checkpoint" in verify([tmp_path / "b"], keyring=KEYRING).first_bad[2]


def test_heads_come_from_the_state_of_the_same_monitor(tmp_path):
    trail = a_trail(tmp_path)
    head = trail.append("halt.decided", {}, NOW).payload
    trail.close(NOW)
    own, other = (
        {"issuer": "kw-1", "audit_head": head},
        {"issuer": "kw-2", "audit_head": {"count": 99, "hash": "f" * 64}},
    )
    state = {"issuer": "kw-1", "open": [own, other, {"issuer": "anna"}]}
    report = verify([tmp_path], state)
    assert (report.ok, report.heads_compared) == (True, 1)
    assert "names no head" in verify([tmp_path], {"issuer": "kw-1", "open": [other]}).first_bad[2]


@given(st.binary(max_size=400))
def test_any_file_is_a_trail_or_bad(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("t") / "audit-000000000001.ndjson"
    path.write_bytes(raw)
    assert not verify([path]).ok


def test_no_trail_and_no_file(tmp_path):
    assert "no trail here" in verify([tmp_path]).first_bad[2]
    assert "No such file" in verify([tmp_path / "x"]).first_bad[2]
    with pytest.raises(BadTrail, match="no trail here"):
        list(read([tmp_path]))


# -- rotation ------------------------------------------------------------------------------------


def test_a_trail_goes_on_over_files(tmp_path):
    trail = written(tmp_path, 60, keeping=Keeping(file_bytes_max=4_000))
    assert len(files(tmp_path)) > 3
    assert max(file.stat().st_size for file in files(tmp_path)) < 5_000
    report = verify([tmp_path], {"audit_head": trail.head.payload}, KEYRING)
    assert (report.ok, report.files) == (True, len(files(tmp_path)))
    assert verify(list(reversed(files(tmp_path)))).ok
    piece = verify(files(tmp_path)[1:2])
    assert piece.ok
    assert piece.first_line == int(files(tmp_path)[1].stem.split("-")[1])


@pytest.mark.parametrize("gone", [0, 1, -1])
def test_a_file_that_is_missing_is_found(tmp_path, gone):
    trail = written(tmp_path, 60, keeping=Keeping(file_bytes_max=4_000))
    files(tmp_path)[gone].unlink()
    assert not verify([tmp_path], {"audit_head": trail.head.payload}).ok


def test_a_new_day_is_a_new_file_and_old_ones_go_by_the_rule(tmp_path):
    trail = a_trail(tmp_path, keeping=Keeping(keep_days=3))
    for day in range(8):
        trail.append("day.began", {"day": day}, NOW + day * DAY)
        until(lambda: trail.durable_head == trail.head)
    trail.close(NOW + 7 * DAY)
    assert len(files(tmp_path)) == 5
    report = verify([tmp_path], {"audit_head": trail.head.payload}, KEYRING)
    assert report.ok, report
    assert report.first_line > 1
    removed = [line.fields["file"] for line in read([tmp_path]) if line.what == "file.removed"]
    assert len(removed) >= 1
    assert not any((tmp_path / name).exists() for name in removed)
    files(tmp_path)[0].unlink()
    assert "none says that they were removed" in verify([tmp_path]).first_bad[2]


# -- after a crash -------------------------------------------------------------------------------


def crashed(folder, torn=b""):
    """Leave the folder as a killed process would."""
    with files(folder)[-1].open("ab") as file:
        file.write(torn)


@pytest.mark.parametrize("torn", [b"", b'{"n":11,"at"', b"\0" * 5_000, b"x" * 9 + b"\n", b"\n\n"])
def test_a_crash_sets_aside_what_it_tore_and_the_chain_goes_on(tmp_path, torn):
    before = written(tmp_path).head
    crashed(tmp_path, torn)
    assert verify([tmp_path]).ok is (torn == b"")
    after = written(tmp_path)
    report = verify([tmp_path], {"audit_head": after.head.payload}, KEYRING)
    assert report.ok, report
    assert verify([tmp_path], {"audit_head": before.payload}).ok
    note = next(line for line in read([tmp_path]) if line.what == "trail.reopened")
    assert note.fields["after"] == before.payload
    assert [aside["bytes"] for aside in note.fields["torn"]] == ([len(torn)] if torn else [])
    for aside in note.fields["torn"]:
        assert (tmp_path / aside["kept_as"]).read_bytes() == torn


@given(st.integers(0, 3_000))
def test_wherever_a_crash_cut_the_file_the_trail_goes_on(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("t")
    written(folder)
    whole = files(folder)[0].read_bytes()
    os.truncate(files(folder)[0], min(cut, len(whole)))
    written(folder)
    written(folder)
    assert verify([folder], keyring=KEYRING).ok


def test_a_file_without_any_whole_line_is_set_aside_and_the_one_before_goes_on(tmp_path):
    written(tmp_path, 60, keeping=Keeping(file_bytes_max=4_000))
    last = files(tmp_path)[-1]
    last.write_bytes(b"\0" * 100)
    written(tmp_path)
    assert verify([tmp_path], keyring=KEYRING).ok
    assert list(tmp_path.glob(f"{last.name}.torn-*"))


def test_a_torn_tail_longer_than_is_looked_at_first(tmp_path, monkeypatch):
    monkeypatch.setattr("monitor.edge.audit.disk.TAIL_BYTES", 100)
    written(tmp_path)
    crashed(tmp_path, b"\0" * 500)
    written(tmp_path)
    assert verify([tmp_path], keyring=KEYRING).ok


KILLED = """
import sys, time
from pathlib import Path
from monitor.edge.audit import AuditTrail
trail = AuditTrail(Path(sys.argv[1]), at_ns=1)
while True:
    trail.append("x", {"pad": "y" * 500}, 1)
    print(*trail.durable_head.payload.values(), flush=True)
"""


def test_a_killed_monitor_has_published_no_head_that_its_trail_lacks(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        for _ in range(2_000):
            said = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        *_, said = [said, *process.stdout.readlines()[:-1]]  # the last one may be torn
    count, digest = said.split()
    trail = a_trail(tmp_path)
    trail.close(NOW)
    report = verify([tmp_path], {"audit_head": {"count": int(count), "hash": digest}})
    assert (report.ok, report.heads_compared) == (True, 1), report


def test_a_folder_has_one_writer(tmp_path):
    trail = a_trail(tmp_path)
    with pytest.raises(TrailProblem, match="another process writes"):
        a_trail(tmp_path)
    trail.close(NOW)
    a_trail(tmp_path).close(NOW)


def test_a_folder_that_cannot_be_is_a_problem_with_a_remedy(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TrailProblem, match=r"file/x: .*; name a folder"):
        a_trail(tmp_path / "file" / "x")


# -- a disk that fails, fills or hangs -----------------------------------------------------------


class Sick:
    """A disk that does as it is told: well, full (after some bytes), or hung."""

    def __init__(self):
        self.full = False
        self.well = threading.Event()
        self.well.set()
        self.fsync_fails = False

    def write(self, handle, data):
        self.well.wait(30)
        if self.full:
            if len(data) > 10:
                return os.write(handle, data[: len(data) // 2])  # half of it, and nothing at the next try
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(handle, data)

    def sync(self, handle):
        if self.fsync_fails:
            raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def sick():
    sick = Sick()
    yield sick
    sick.well.set()


async def test_a_hung_disk_delays_nothing_by_more_than_its_time(tmp_path, sick):
    trail = a_trail(tmp_path, disk=Disk(tmp_path, write=sick.write, sync=sick.sync))
    assert await trail.durable(5)
    sick.well.clear()
    head = trail.append("halt.decided", {}, NOW)
    assert head.count == trail.durable_head.count + 1
    assert await trail.durable(0.02) is False
    until(lambda: trail.status().stuck_s > 0)
    sick.well.set()
    assert await trail.durable(5)
    trail.close(NOW)
    assert verify([tmp_path], {"audit_head": head.payload}, KEYRING).ok


@pytest.mark.parametrize("ill", ["full", "fsync_fails"])
def test_lines_are_kept_while_the_disk_is_full_and_written_when_it_is_back(tmp_path, sick, ill):
    trail = a_trail(tmp_path, disk=Disk(tmp_path, write=sick.write, sync=sick.sync))
    until(lambda: trail.durable_head == trail.head)
    setattr(sick, ill, True)
    for n in range(50):
        trail.append("x", {"n": n}, NOW)
    until(lambda: trail.status().failing)
    assert "OSError" in trail.status().failing
    setattr(sick, ill, False)
    until(lambda: trail.durable_head == trail.head)
    assert (trail.status().failing, trail.status().lost_lines, trail.status().queued_lines) == ("", 0, 0)
    trail.close(NOW)
    report = verify([tmp_path], {"audit_head": trail.head.payload}, KEYRING)
    assert (report.ok, report.gaps) == (True, ())
    assert [line.fields["n"] for line in read([tmp_path]) if line.what == "x"] == list(range(50))


async def test_what_does_not_fit_is_lost_counted_and_marked(tmp_path, sick):
    trail = a_trail(
        tmp_path,
        disk=Disk(tmp_path, write=sick.write, sync=sick.sync),
        keeping=Keeping(queue_lines_max=20, file_bytes_max=3_000),
    )
    assert await trail.durable(5)
    sick.full = True
    heads = [trail.append("x", {"n": n}, NOW) for n in range(100)]
    assert len({head.hash for head in heads}) == 100  # every line has its digest, written or not
    assert await trail.durable(0.02) is False
    lost = trail.status().lost_lines
    assert 70 < lost < 100
    until(lambda: trail.status().failing)
    sick.full = False
    until(lambda: trail.durable_head == trail.head)
    later = trail.append("halt.decided", {}, NOW)
    assert await trail.durable(5)
    trail.close(NOW)
    report = verify([tmp_path], {"audit_head": later.payload}, KEYRING)
    assert report.ok, report
    [(first, last, why)] = report.gaps
    assert last - first + 1 == lost
    assert "No space left" in why
    kept = [line.fields["n"] for line in read([tmp_path]) if line.what == "x"]
    assert kept == list(range(100 - lost))
    assert (
        verify([tmp_path], {"audit_head": heads[99].payload}).heads_compared == 0
    )  # published, but lost: the gap says so


def test_a_line_put_into_a_gap_is_found(tmp_path, sick):
    trail = a_trail(tmp_path, disk=Disk(tmp_path, write=sick.write), keeping=Keeping(queue_lines_max=10))
    sick.well.clear()
    for n in range(30):
        trail.append("x", {"n": n}, NOW)
    sick.well.set()
    until(lambda: trail.durable_head == trail.head)
    trail.close(NOW)
    lines = files(tmp_path)[0].read_bytes().splitlines(keepends=True)
    at = next(n for n, raw in enumerate(lines) if b"gap_marked" in raw)
    assert "did not answer" in json.loads(lines[at])["fields"]["why"]
    files(tmp_path)[0].write_bytes(b"".join(lines[: at - 1] + lines[at:]))
    assert "gap that is not here" in verify([tmp_path]).first_bad[2]


def test_closing_does_not_wait_for_a_dead_disk_beyond_its_time(tmp_path, sick):
    trail = a_trail(tmp_path, disk=Disk(tmp_path, write=sick.write, sync=sick.sync))
    until(lambda: trail.durable_head == trail.head)
    sick.well.clear()
    trail.append("x", {}, NOW)
    assert trail.close(NOW, timeout_s=0.05) is False


def test_closing_on_a_full_disk_says_so(tmp_path, sick):
    trail = a_trail(tmp_path, disk=Disk(tmp_path, write=sick.write, sync=sick.sync))
    until(lambda: trail.durable_head == trail.head)
    sick.full = True
    assert trail.close(NOW) is False


def test_many_threads_append_one_chain(tmp_path):
    trail = a_trail(tmp_path)
    threads = [
        threading.Thread(target=lambda: [trail.append("x", {}, NOW) for _ in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trail.close(NOW)
    report = verify([tmp_path], keyring=KEYRING)
    assert report.ok
    assert sum(line.what == "x" for line in read([tmp_path])) == 800


async def test_a_wait_that_was_given_up_leaves_nothing_behind(tmp_path, sick):
    trail = a_trail(tmp_path, disk=Disk(tmp_path, write=sick.write, sync=sick.sync))
    assert await trail.durable(5)
    sick.well.clear()
    trail.append("x", {}, NOW)
    waits = [asyncio.create_task(trail.durable(5)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    assert trail._waiters == []
    sick.well.set()
    trail.close(NOW)


# -- evidence ------------------------------------------------------------------------------------

RECORDS = [
    RawRecord("trading.telemetry.v1", 3, n, b'{"kind":\n"fill"}' if n else b"\xff\0") for n in range(5)
]


def with_evidence(folder, halt_id="7f3a/..", **more):
    trail = a_trail(folder, **more)
    trail.keep_evidence(halt_id, RECORDS, NOW)
    until(lambda: not trail._jobs)
    trail.close(NOW)
    return next((line.fields for line in read([folder]) if line.what.startswith("evidence.")), None)


def test_a_halts_records_are_kept_beside_the_trail(tmp_path):
    kept = with_evidence(tmp_path)
    assert (kept["records"], kept["of"]) == (5, 5)
    lines = [json.loads(line) for line in (tmp_path / kept["file"]).read_bytes().splitlines()]
    assert lines[0] == {"topic": "trading.telemetry.v1", "partition": 3, "offset": 0, "value_base64": "/wA="}
    assert lines[1]["value"] == '{"kind":\n"fill"}'
    assert verify([tmp_path]).evidence_files == 1


def test_evidence_that_is_changed_or_missing_is_found(tmp_path):
    path = tmp_path / with_evidence(tmp_path)["file"]
    path.write_bytes(path.read_bytes().replace(b"fill", b"bust"))
    assert verify([tmp_path]).first_bad == (
        str(path),
        0,
        "was changed: its digest is not the one in the trail",
    )
    path.unlink()
    assert "is missing" in verify([tmp_path]).first_bad[2]


def test_evidence_has_bounds_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence_module, "RECORDS_MAX", 2)
    kept = with_evidence(tmp_path / "a")
    assert (kept["records"], kept["of"]) == (2, 5)
    assert with_evidence(tmp_path / "b", keeping=Keeping(evidence_bytes_max=10))["why"] == "no room in memory"


def test_the_evidence_of_one_halt_may_be_kept_twice(tmp_path):
    trail = a_trail(tmp_path)
    for _ in range(2):
        trail.keep_evidence("7f3a", RECORDS, NOW)
        until(lambda: not trail._jobs)
    trail.close(NOW)
    assert verify([tmp_path]).evidence_files == 2


def test_old_evidence_goes_by_the_rule_and_is_not_missed(tmp_path):
    kept = with_evidence(tmp_path)
    os.utime(tmp_path / kept["file"], ns=(NOW, NOW))
    trail = a_trail(tmp_path, at=NOW + 9 * DAY, keeping=Keeping(keep_days=3))
    until(lambda: not (tmp_path / kept["file"]).exists())
    trail.close(NOW + 9 * DAY)
    assert verify([tmp_path]).ok
