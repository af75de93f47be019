"""Snapshots on disk: whole or not at all, the last three, and a bad one is set aside by name and not forgotten."""

import errno

import pytest

from monitor.edge.store import KEPT, Store


class Bad(ValueError):
    pass


def decode(raw):
    if raw.startswith(b"bad"):
        raise Bad("torn")
    return raw


def test_the_newest_is_loaded_and_three_are_kept(tmp_path):
    store = Store(tmp_path / "made")
    for n in range(6):
        store.save([b"state ", b"%d" % n], n)
    assert store.load(decode, Bad) == (b"state 5", [])
    assert len(list((tmp_path / "made").iterdir())) == KEPT


def test_an_empty_folder_holds_no_state(tmp_path):
    assert Store(tmp_path).load(decode, Bad) == (None, [])


def test_a_bad_one_is_set_aside_and_the_one_before_it_is_taken(tmp_path):
    store = Store(tmp_path)
    store.save([b"good"], 1)
    path = store.save([b"bad"], 2)
    state, wrong = store.load(decode, Bad)
    assert state == b"good"
    assert wrong == [f"{path.name}: torn"]
    assert path.with_suffix(".bad").exists()
    assert store.load(decode, Bad) == (b"good", [])


def test_a_disk_that_fills_leaves_the_one_before(tmp_path):
    store = Store(tmp_path)
    store.save([b"good"], 1)

    def pieces():
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        store.save(pieces(), 2)
    assert store.load(decode, Bad) == (b"good", [])


def test_nobody_else_may_look_into_a_folder_that_it_makes(tmp_path):
    Store(tmp_path / "made")
    assert (tmp_path / "made").stat().st_mode & 0o077 == 0
