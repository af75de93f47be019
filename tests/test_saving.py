"""What is saved is what is known, behind a line that the trail has; what cannot be restored is named, never guessed at."""

import asyncio
import dataclasses
import types
from unittest import mock

import numpy as np
import pytest

from monitor.core import snapshot
from monitor.core.decode import Decoder
from monitor.core.engine import Engine
from monitor.core.inputs import SourcePart
from monitor.edge.audit import AuditTrail, read
from monitor.edge.clock import Clock
from monitor.edge.kafka_in import Bearings
from monitor.edge.store import ForkFailed, Store
from monitor.saving import Saving
from tests.determinism import arrived, morning, the_policy

POLICY = the_policy()
BEARINGS = Bearings({"trading.telemetry.v1": b"\x01\x02"}, {("trading.telemetry.v1", 3): 7})

SAID = {"seq": 7, "pages": {"webhook": []}}


class Shell:
    """As much of a monitor as saving needs; each is another life in the same folder."""

    def __init__(self, folder, policy=POLICY, store=None):
        self.folder, self.policy = folder, policy
        self.trail = AuditTrail(folder / "audit", at_ns=1)
        self.metrics = types.SimpleNamespace(snapshot_failures=mock.Mock(), snapshot_saved=mock.Mock())
        self.told = []
        self.saving = Saving(
            store or Store(folder / "snapshot"), self.trail, Clock(), mock.Mock(), self.metrics,
            lambda: self.trail.append("flushed", {}, 1), self.told.append, lambda: BEARINGS, lambda: SAID,
        )  # fmt: skip
        self.engine, self.life = self.saving.restore(policy)

    def judge(self, events):
        self.engine.part_of(SourcePart("morning", 0))
        first = self.engine.next_offsets.get(0, 0)
        self.engine.handle(arrived(Decoder(self.engine.names), morning()[first : first + events], 0, first))
        return self

    def end(self):
        self.trail.close(2)

    def lines(self, what):
        return [line.fields for line in read([self.folder / "audit"]) if line.what == what]


def bytes_of(engine):
    return b"".join(snapshot.encode(engine.snapshot()))


async def saved(folder, *, times=1):
    """So many snapshots, each of a hundred events more; the shell whose engine the last one holds."""
    shell = Shell(folder)
    for _ in range(times):
        await shell.judge(100).saving.save()
    shell.end()
    return shell


async def test_what_was_saved_is_restored_with_where_it_stood_in_the_trail_and_goes_on_to_the_bit(tmp_path):
    before = await saved(tmp_path)
    after = Shell(tmp_path)
    assert bytes_of(after.judge(50).engine) == bytes_of(before.judge(50).engine)
    assert (after.saving.restored_bearings, after.saving.restored_said) == (BEARINGS, SAID)
    assert (after.life.restored, after.life.unreadable, after.life.lived_before) == (True, (), True)
    after.end()
    lines = list(read([tmp_path / "audit"]))
    assert lines[after.saving.restored_after - 1].what == "flushed"


def test_a_first_life_is_cold_and_was_never_before(tmp_path):
    shell = Shell(tmp_path)
    assert (shell.life.restored, shell.life.unreadable, shell.life.lived_before) == (False, (), False)
    shell.end()


async def test_a_life_whose_snapshots_are_gone_knows_that_it_lived(tmp_path):
    await saved(tmp_path)
    for path in (tmp_path / "snapshot").iterdir():
        path.unlink()
    shell = Shell(tmp_path)
    assert (shell.life.restored, shell.life.lived_before) == (False, True)
    shell.end()


def flipped(raw):
    return raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1 :]


def of_the_future(raw):
    return raw.replace(b'{"version":%d,' % snapshot.VERSION, b'{"version":9,')


def of_another_program(raw):
    """Whole by all its checksums, and without something that this program wants to know."""
    state = snapshot.decode(raw)
    del state["engine"]["rungs"]
    return b"".join(snapshot.encode(state))


def of_other_books(raw):
    state = snapshot.decode(raw)
    state["ledger"]["o64"] = np.zeros((3, 3), np.int64)
    return b"".join(snapshot.encode(state))


BROKEN = [flipped, of_the_future, of_another_program, of_other_books, lambda raw: raw[:-9], lambda _: b"MZ\0"]


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_cannot_be_restored_is_kept_aside_named_and_the_one_before_it_is_taken(tmp_path, broken):
    await saved(tmp_path, times=2)
    older, newest = sorted((tmp_path / "snapshot").glob("*.kws"))
    newest.write_bytes(broken(newest.read_bytes()))
    content = newest.read_bytes()
    shell = Shell(tmp_path)
    assert shell.engine.next_offsets == {0: 100}
    assert [told.partition(":")[0] for told in shell.life.unreadable] == [newest.name]
    assert newest.with_suffix(".bad").read_bytes() == content
    assert older.exists()
    shell.end()


async def test_with_none_that_can_be_read_it_is_cold_and_nothing_of_them_is_in_it(tmp_path):
    await saved(tmp_path, times=2)
    for path in (tmp_path / "snapshot").glob("*.kws"):
        path.write_bytes(of_another_program(path.read_bytes()))
    shell = Shell(tmp_path)
    assert not shell.life.restored
    assert len(shell.life.unreadable) == 2
    assert bytes_of(shell.engine) == bytes_of(Engine(POLICY))
    shell.end()


async def test_another_policy_is_said_with_both_digests_and_who_begins_anew(tmp_path):
    await saved(tmp_path)
    chosen = POLICY.detectors["child_parent"]
    wide = dataclasses.replace(chosen.settings, after_done_halt_count=7)
    detectors = {**POLICY.detectors, "child_parent": dataclasses.replace(chosen, settings=wide)}
    shell = Shell(tmp_path, dataclasses.replace(POLICY, digest="other", detectors=detectors))
    shell.end()
    [told] = shell.lines("policy.differs")
    assert (told["before"], told["after"]) == (POLICY.digest, "other")
    assert list(told["began_anew"]) == ["child_parent"]
    assert shell.engine.next_offsets == {0: 100}


async def test_a_snapshot_ahead_of_the_trail_is_used_and_has_no_place_in_it(tmp_path):
    await saved(tmp_path)
    for path in (tmp_path / "audit").glob("audit-*"):
        path.unlink()
    shell = Shell(tmp_path)
    shell.end()
    assert shell.life.restored
    assert shell.saving.restored_after is None
    assert shell.lines("snapshot.ahead")[0]["trail_has"] == 0


class Watching:
    """A store that looks at the trail when it is asked."""

    def load(self, _decode, _bad):
        return None, []

    async def save(self, pieces, _at_ns):
        stood_after = snapshot.decode(b"".join(pieces()))["shell"]["audit_lines"]
        self.found = (self.trail.durable_head.count, stood_after)
        return 0.0


async def test_the_line_behind_which_it_stands_is_on_the_disk_first(tmp_path):
    store = Watching()
    shell = Shell(tmp_path, store=store)
    store.trail = shell.trail
    for _ in range(5):
        await shell.judge(10).saving.save()
        durable, stood_after = store.found
        assert durable >= stood_after
    shell.end()


class Failing(Watching):
    async def save(self, _pieces, _at_ns):
        raise ForkFailed(5, "it hangs")


async def test_a_save_that_fails_is_counted_and_told(tmp_path):
    shell = Shell(tmp_path, store=Failing())
    await shell.saving.save()
    assert [(told.what, told.ok) for told in shell.told] == [("snapshot", False)]
    assert "it hangs" in shell.told[0].detail
    shell.metrics.snapshot_failures.inc.assert_called_once()
    shell.metrics.snapshot_saved.assert_not_called()
    shell.end()


class Slow(Watching):
    saves = 0

    async def save(self, _pieces, _at_ns):
        self.saves += 1
        await asyncio.sleep(0.05)
        return 0.0


async def test_one_is_saved_at_a_time_and_the_last_one_when_all_is_said(tmp_path):
    store = Slow()
    shell = Shell(tmp_path, store=store)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            shell.saving.begin(tasks)
            await asyncio.sleep(0.01)
        await shell.saving.finish(5)
    assert store.saves == 2
    shell.end()
