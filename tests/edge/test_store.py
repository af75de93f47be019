"""Snapshots on disk: whole or not at all, the last three, a bad one set aside by name; written by a child
that sees what was true when it began, and that leaves the monitor alone."""

import asyncio
import errno
import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from monitor.edge.store import KEPT, ForkFailed, Store, forked


class Bad(ValueError):
    pass


def decode(raw):
    if raw.startswith(b"bad"):
        raise Bad("torn")
    return raw


async def test_the_newest_is_loaded_and_three_are_kept(tmp_path):
    store = Store(tmp_path / "made")
    for n in range(6):
        await store.save(lambda n=n: [b"state ", memoryview(b"%d" % n)], n)
    assert store.load(decode, Bad) == (b"state 5", [])
    assert len(list((tmp_path / "made").iterdir())) == KEPT


def test_an_empty_folder_holds_no_state(tmp_path):
    assert Store(tmp_path).load(decode, Bad) == (None, [])


async def test_a_bad_one_is_set_aside_and_the_one_before_it_is_taken(tmp_path):
    store = Store(tmp_path)
    await store.save(lambda: [b"good"], 1)
    await store.save(lambda: [b"bad"], 2)
    state, wrong = store.load(decode, Bad)
    assert state == b"good"
    assert wrong == ["snapshot-00000000000000000002.kws: torn"]
    assert (tmp_path / "snapshot-00000000000000000002.bad").read_bytes() == b"bad"
    assert store.load(decode, Bad) == (b"good", [])


async def test_a_disk_that_fills_leaves_the_one_before_and_the_half_goes_with_the_next(tmp_path):
    store = Store(tmp_path)
    await store.save(lambda: [b"good"], 1)

    def pieces():
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        await store.save(pieces, 2)
    assert store.load(decode, Bad) == (b"good", [])
    await store.save(lambda: [b"better"], 3)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".kws", ".kws"]


async def test_a_clock_that_was_set_back_makes_no_snapshot_older_than_those_before(tmp_path):
    store = Store(tmp_path)
    hour = 3_600 * 10**9
    for n in range(4):
        await store.save(lambda n=n: [b"before %d" % n], 2 * hour + n)
    for n in range(2):
        await store.save(lambda n=n: [b"after %d" % n], hour + n)
    assert store.load(decode, Bad) == (b"after 1", [])
    assert len(list(tmp_path.iterdir())) == KEPT


def test_nobody_else_may_look_into_a_folder_that_it_makes(tmp_path):
    Store(tmp_path / "made")
    assert (tmp_path / "made").stat().st_mode & 0o077 == 0


async def test_what_changes_meanwhile_is_not_in_it(tmp_path):
    table = np.zeros(1_000_000, np.int64)
    store = Store(tmp_path)
    saving = asyncio.ensure_future(store.save(lambda: [memoryview(table).cast("B")], 1))
    await asyncio.sleep(0)
    table[:] = 7
    await saving
    assert store.load(decode, Bad)[0] == bytes(8_000_000)


async def test_the_loop_goes_on_while_the_child_works(tmp_path):
    def slowly():
        time.sleep(0.3)
        yield b"done"

    saving = asyncio.ensure_future(Store(tmp_path).save(slowly, 1))
    turns = 0
    while not saving.done():
        turns += 1
        await asyncio.sleep(0.01)
    assert turns > 5
    assert saving.result() < 0.3


async def test_one_that_takes_too_long_is_killed_and_told(tmp_path):
    def forever():
        (tmp_path / "child").write_text(str(os.getpid()))
        time.sleep(60)
        yield b"never"

    with pytest.raises(ForkFailed, match="not done after"):
        await Store(tmp_path, save_s_max=0.3).save(forever, 1)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "child").read_text()), 0)
    assert not list(tmp_path.glob("*.kws"))


async def test_a_child_that_is_killed_or_broken_is_told_by_how_it_ended(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ForkFailed, match="SIGKILL"):
        await store.save(lambda: os.kill(os.getpid(), signal.SIGKILL) or [], 1)
    with pytest.raises(ForkFailed, match="ZeroDivisionError"):
        await store.save(lambda: [1 / 0], 2)


async def test_no_second_child_beside_one_that_hangs(tmp_path, monkeypatch):
    hanging = forked_to(lambda: time.sleep(60))
    monkeypatch.setattr(forked, "_hanging", [hanging])
    store = Store(tmp_path)
    with pytest.raises(ForkFailed, match="still hangs"):
        await store.save(lambda: [b"x"], 1)
    os.kill(hanging, signal.SIGKILL)
    await until_gone(hanging)
    await store.save(lambda: [b"x"], 2)


async def test_the_child_holds_no_socket_and_hears_no_signal_of_ours(tmp_path):
    """A connection that we close while it writes is closed; asked to end with us, it ends its work first."""
    ours, theirs = socket.socketpair()

    def told():
        os.kill(os.getpid(), signal.SIGTERM)
        yield b"%d" % os.getpid()
        time.sleep(0.3)

    saving = asyncio.ensure_future(Store(tmp_path).save(told, 1))
    await asyncio.sleep(0.15)
    ours.close()
    theirs.settimeout(0.1)
    assert theirs.recv(1) == b""
    await saving
    theirs.close()
    assert int(Store(tmp_path).load(decode, Bad)[0]) != os.getpid()


async def test_it_dies_with_the_monitor(tmp_path):
    """What a child would rename after a restart belongs to nobody."""
    child_is = tmp_path / "child"

    def tell_and_wait():
        child_is.write_text(str(os.getpid()))
        time.sleep(60)
        yield b""

    monitor = forked_to(lambda: asyncio.run(Store(tmp_path).save(tell_and_wait, 1)))
    while not child_is.exists() or not child_is.read_text():
        await asyncio.sleep(0.01)
    child = int(child_is.read_text())
    os.kill(monitor, signal.SIGKILL)
    await until_gone(monitor)
    await until_gone(child)


def forked_to(work):
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return child


async def until_gone(process):
    async with asyncio.timeout(10):
        while alive(process):
            await asyncio.sleep(0.01)


def alive(process):
    """Whether it runs; who was left to init may stay a zombie for a while."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
