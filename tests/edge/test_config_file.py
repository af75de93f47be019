"""A file that is replaced, written in place, pointed elsewhere or gone for a while."""

import os

import pytest

from monitor.edge.config_file import ConfigFile


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "knightwatch.toml"
    path.write_text("a")
    return path


def looks(file, count=3):
    return [file.is_changed() for _ in range(count)]


def test_what_stands_still_is_not_changed(path):
    assert looks(ConfigFile(path)) == [False, False, False]


def test_a_change_is_told_once_and_when_it_stands_still(path):
    file = ConfigFile(path)
    path.write_text("ab")
    assert looks(file) == [False, True, False]


def test_what_is_being_written_is_waited_for(path):
    file = ConfigFile(path)
    for text in ("ab", "abc", "abcd"):
        path.write_text(text)
        assert not file.is_changed()
    assert file.is_changed()


def test_a_link_that_points_elsewhere_is_a_change_though_size_and_time_are_the_same(tmp_path, path):
    other, link = tmp_path / "other.toml", tmp_path / "link.toml"
    other.write_text("b")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    link.symlink_to(path)
    file = ConfigFile(link)
    link.unlink()
    link.symlink_to(other)
    assert looks(file) == [False, True, False]


def test_a_file_that_is_gone_and_comes_back_as_it_was_is_no_change(path):
    file = ConfigFile(path)
    aside = path.rename(path.with_suffix(".aside"))
    assert not file.is_changed()
    aside.rename(path)
    assert looks(file) == [False, False, False]


def test_a_file_that_stays_away_is_a_change(path):
    file = ConfigFile(path)
    path.unlink()
    assert looks(file) == [False, True, False]
