"""What crashed the process is named by its note, and twice named is convicted; a wanted end names nobody."""

import os
import signal

import pytest

from monitor.edge.suspects import RANGES_MAX, Suspects

CHUNK = [("t", 0, 10, 19), ("t", 1, 5, 5)]
ONE = [("t", 0, 13, 13)]


def crash(folder, *notes):
    """A process that opens the folder, notes these one after another, and is gone."""
    child = os.fork()
    if child == 0:
        suspects = Suspects(folder)
        for ranges in notes:
            suspects.note(ranges)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_an_end_between_two_chunks_makes_nobody_suspect(tmp_path):
    suspects = Suspects(tmp_path)
    suspects.note(CHUNK)
    suspects.clear()
    after = Suspects(tmp_path)
    assert (after.crashed, after.ranges, after.any_convicted) == ([], [], False)


def test_a_crash_makes_suspect_what_was_being_judged_and_it_stays_so(tmp_path):
    crash(tmp_path, [("other", 3, 1, 2)], CHUNK)
    after = Suspects(tmp_path)
    assert after.crashed == after.ranges == CHUNK
    again = Suspects(tmp_path)
    assert again.crashed == []
    assert again.ranges == CHUNK


def test_a_second_crash_on_one_of_them_alone_convicts_it_and_only_it(tmp_path):
    crash(tmp_path, CHUNK)
    crash(tmp_path, ONE)
    after = Suspects(tmp_path)
    assert after.new == [("t", 0, 13)]
    assert after.ranges == []
    assert after.is_convicted("t", 0, 13, b"raw")
    assert not after.is_convicted("t", 0, 12, b"raw")
    assert not after.is_convicted("t", 1, 13, b"raw")
    assert Suspects(tmp_path).is_convicted("t", 0, 13, b"raw")


def test_one_record_by_itself_is_convicted_at_its_second_crash_not_at_its_first(tmp_path):
    crash(tmp_path, ONE)
    assert not Suspects(tmp_path).any_convicted
    crash(tmp_path, ONE)
    assert Suspects(tmp_path).new == [("t", 0, 13)]


def test_crashes_on_two_records_convict_neither(tmp_path):
    crash(tmp_path, ONE)
    crash(tmp_path, [("t", 0, 14, 14)])
    after = Suspects(tmp_path)
    assert not after.any_convicted
    assert after.ranges == [*ONE, ("t", 0, 14, 14)]


def test_who_was_judged_and_did_no_harm_is_suspect_no_more(tmp_path):
    crash(tmp_path, CHUNK)
    Suspects(tmp_path).absolve()
    assert Suspects(tmp_path).ranges == []
    crash(tmp_path, ONE)
    assert not Suspects(tmp_path).any_convicted


def test_another_record_in_the_place_of_a_convicted_one_is_judged(tmp_path):
    """The topic was made again, and its offsets began anew."""
    crash(tmp_path, ONE)
    crash(tmp_path, ONE)
    assert Suspects(tmp_path).is_convicted("t", 0, 13, b"poison")
    after = Suspects(tmp_path)
    assert after.is_convicted("t", 0, 13, b"poison")
    assert not after.is_convicted("t", 0, 13, b"another")


def test_a_file_that_rotted_is_set_aside_and_the_note_still_counts(tmp_path):
    crash(tmp_path, ONE)
    Suspects(tmp_path)
    (tmp_path / "suspects.json").write_bytes(b"{rot")
    assert Suspects(tmp_path).ranges == []
    assert (tmp_path / "suspects.bad").read_bytes() == b"{rot"
    crash(tmp_path, CHUNK)
    assert Suspects(tmp_path).ranges == CHUNK


def test_more_partitions_than_there_is_room_for_are_not_noted_and_harm_nothing(tmp_path):
    many = [("topic-" + "x" * 240, part, 0, 9) for part in range(RANGES_MAX + 5)]
    crash(tmp_path, many, many[-7:])
    assert Suspects(tmp_path).ranges == many[-7:-5]


def test_without_a_folder_nothing_outlives_us():
    suspects = Suspects(None)
    suspects.note(CHUNK)
    suspects.absolve()
    assert suspects.ranges == []


def test_nobody_else_may_look_into_its_files(tmp_path):
    Suspects(tmp_path / "made")
    assert (tmp_path / "made").stat().st_mode & 0o077 == 0
    assert (tmp_path / "made" / "judging.note").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("before_the_note_was_cleared", [True, False])
def test_a_crash_is_learnt_from_once(tmp_path, before_the_note_was_cleared):
    crash(tmp_path, ONE)
    if before_the_note_was_cleared:
        note = (tmp_path / "judging.note").read_bytes()
        Suspects(tmp_path)
        (tmp_path / "judging.note").write_bytes(note)
    else:
        Suspects(tmp_path)
    assert not Suspects(tmp_path).any_convicted
