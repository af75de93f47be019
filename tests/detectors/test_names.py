"""Names keep their codes: across kinds, across a restart, and at the bound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import names as nm
from detectors.names import Names

GOLDEN = [
    (-1644071901401958411, -7412663454188368563),
    (-7544800098321210803, 5851787205584536050),
    (-2247766358514952888, 8066804000336443161),
    (3575463600906417097, 4277272687667832023),
]
SHORT = st.text(min_size=1, max_size=20)


def test_codes_count_up_from_two_in_order_of_first_sight():
    names = Names()
    assert [names.code(nm.ACCOUNT, text) for text in ("b", "a", "b", "c")] == [2, 3, 2, 4]
    assert [names.text(nm.ACCOUNT, code) for code in (2, 3, 4)] == ["b", "a", "c"]
    assert names.count(nm.ACCOUNT) == 3


def test_kinds_do_not_share_codes():
    names = Names()
    assert names.code(nm.HOST, "x") == names.code(nm.ACCOUNT, "x") == 2
    assert names.find(nm.SYMBOL, "x") is None


def test_absent_is_zero_and_makes_no_name():
    names = Names()
    assert names.code(nm.HOST, "") == 0 == names.find(nm.HOST, "")
    assert names.text(nm.HOST, 0) == ""
    assert names.count(nm.HOST) == 0


def test_over_the_bound_all_names_share_the_bucket_and_are_counted():
    names = Names()
    codes = [names.code(nm.ASSET_CLASS, str(n)) for n in range(300)]
    assert codes[:254] == list(range(2, 256))
    assert set(codes[254:]) == {nm.OTHER}
    assert names.text(nm.ASSET_CLASS, nm.OTHER) == nm.OTHER_TEXT
    assert names.overflowed(nm.ASSET_CLASS) == 46
    assert names.code(nm.ASSET_CLASS, "7") == 9, "who has a code keeps it"
    assert names.code(nm.HOST, "h") == 2, "another kind is not touched"


def test_a_text_longer_than_its_kind_keeps_stays_distinct():
    names = Names()
    long = "x" * 700
    assert names.code(nm.REASON, long) != names.code(nm.REASON, long + "y")
    kept = names.text(nm.REASON, names.code(nm.REASON, long))
    assert kept.startswith("xxx")
    assert len(kept.encode()) <= 512
    assert names.find(nm.REASON, long) == 2


def test_a_long_text_is_never_cut_within_a_character():
    names = Names()
    for shift in range(4):
        text = "a" * shift + "漢字🙂" * 60
        assert names.text(nm.KEY, names.code(nm.KEY, text)).startswith("a" * shift + "漢字🙂")


def test_a_code_that_nobody_was_given_is_an_error():
    with pytest.raises(IndexError, match="no host has code 2"):
        Names().text(nm.HOST, 2)


def test_flags_are_one_code_a_distinct_array():
    names = Names()
    sets = [["rlp"], ["rlp", "x"], ["x", "rlp"], [], [""], ['a","b'], ["a", "b"], ["é"]]
    codes = [names.code_of_flags(flags) for flags in sets]
    assert len(set(codes)) == len(sets)
    assert [list(names.flags(code)) for code in codes] == sets
    assert names.flags(0) == ()
    assert names.flags(names.code_of_flags(["f" * 200] * 32)) == (nm.OTHER_TEXT,)


@given(
    st.lists(st.tuples(st.integers(0, nm.KINDS - 1).filter(lambda k: k != nm.FLAG_SET), SHORT), max_size=40)
)
def test_a_dictionary_is_the_oracle_and_a_snapshot_changes_nothing(seen):
    names, oracle = Names(), {}
    for kind, text in seen:
        known = oracle.setdefault(kind, {})
        assert names.code(kind, text) == known.setdefault(text, len(known) + 2)
    other = Names()
    other.code(nm.HOST, "forgotten by a restore")
    other.restore(names.snapshot())
    for kind, known in oracle.items():
        for text, code in known.items():
            assert other.find(kind, text) == code
            assert other.text(kind, code) == text
    assert other.find(nm.HOST, "forgotten by a restore") is None


def test_a_snapshot_of_other_kinds_is_refused():
    state = Names().snapshot()
    state["counts"] = np.zeros((3, 2), np.int64)
    with pytest.raises(ValueError, match="3 kinds"):
        Names().restore(state)


def test_a_snapshot_that_contradicts_itself_is_refused():
    names = Names()
    names.code(nm.HOST, "a")
    names.code(nm.HOST, "b")
    state = names.snapshot()
    state["text"] = np.frombuffer(b"aa", np.uint8)
    with pytest.raises(ValueError, match="do not give the codes"):
        Names().restore(state)


def test_the_hash_of_an_id_is_fixed():
    """A snapshot holds these hashes: another function would lose every order on upgrade."""
    assert nm.id_hash("a") == nm.id_hash(b"a")
    assert [nm.id_hash(text) for text in ("", "C1", "an id of sixteen", "é" * 32)] == GOLDEN


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_ids_with_one_hash_are_one_id(one, other):
    assert (nm.id_hash(one) == nm.id_hash(other)) == (one == other)


def test_short_ids_never_collide():
    ids = [str(n) for n in range(20_000)] + [f"ord-{n:012d}" for n in range(20_000)]
    hashes = [nm.id_hash(text) for text in ids]
    assert len(set(hashes)) == len(ids)
    assert len({high for high, _ in hashes}) == len(ids), "one half alone is a key too (MATCH)"


@given(st.binary(min_size=1, max_size=40), st.integers(0, 9))
def test_a_hash_does_not_depend_on_where_the_text_lies(text, shift):
    words = nm.as_words(bytes(shift) + text + b"\xff" * 5 + nm.PAD)
    assert nm.hash_id(words, shift, len(text)) == nm.id_hash(text)


def test_a_length_beyond_the_buffer_is_an_error_and_reads_nothing():
    """What strangers send is read by compiled code: its bounds are checked in service too."""
    with pytest.raises(IndexError):
        nm.hash_id(nm.as_words(b"x" * 16), 0, 64)
