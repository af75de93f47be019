"""A snapshot is read back to the bit, or it is `BadSnapshot`: one flipped bit anywhere is found."""

import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.snapshot import MAGIC, VERSION, BadSnapshot, decode, encode

STATE = {
    "engine": {"parts": [["t", 0]], "wall_ns": 2**62, "anchor": None},
    "ledger": {
        "orders": np.arange(12, dtype=np.int64).reshape(3, 4),
        "none": np.zeros((0, 5), np.int32),
        "text": np.frombuffer(b"abc", np.uint8),
        "index": np.eye(1, 5_000, 7, np.int32),
    },
    "detectors/x": {"f": np.array([0.5, np.nan])},
}
RAW = b"".join(encode(STATE))


def test_what_was_saved_is_read_with_types_and_shapes():
    state = decode(RAW)
    assert state["engine"] == STATE["engine"]
    for section in ("ledger", "detectors/x"):
        for name, table in STATE[section].items():
            assert state[section][name].dtype == table.dtype
            np.testing.assert_array_equal(state[section][name], table)


def test_a_table_that_is_a_slice_of_another_is_saved_as_it_looks():
    wide = np.arange(20).reshape(4, 5)
    state = decode(b"".join(encode({"t": {"part": wide[:, 1:3], "some": wide[::2]}})))
    np.testing.assert_array_equal(state["t"]["part"], wide[:, 1:3])
    np.testing.assert_array_equal(state["t"]["some"], wide[::2])


@given(
    st.sampled_from(("i4", "i8", "u1", "f8")),
    st.dictionaries(st.integers(0, 9_999), st.integers(0, 255), max_size=1_300),
)
def test_an_array_that_is_hardly_filled_is_short_and_the_same(dtype, filled):
    table = np.zeros((2_500, 4), dtype)
    for place, value in filled.items():
        table.reshape(-1)[place] = -0.0 if value == 0 and dtype == "f8" else value
    raw = b"".join(encode({"t": {"wide": table}}))
    read = decode(raw)["t"]["wide"]
    assert (read.dtype, read.shape, read.tobytes()) == (table.dtype, table.shape, table.tobytes())
    assert len(raw) <= min(table.nbytes, len(filled) * (8 + table.itemsize)) + 300


@given(st.integers(0, len(RAW) * 8 - 1))
def test_one_flipped_bit_is_found(bit):
    torn = bytearray(RAW)
    torn[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadSnapshot):
        decode(bytes(torn))


@given(st.integers(0, len(RAW) - 1))
def test_a_file_that_was_cut_is_found(size):
    with pytest.raises(BadSnapshot):
        decode(RAW[:size])


@given(st.binary(max_size=200))
def test_whatever_lies_there_it_is_read_or_refused(raw):
    for tried in (raw, MAGIC + raw):
        with pytest.raises(BadSnapshot):
            decode(tried)


def with_header(told):
    header = json.dumps(told).encode()
    return MAGIC + struct.pack("<II", len(header), zlib.crc32(header)) + header


def test_another_version_is_refused_by_its_number():
    with pytest.raises(BadSnapshot, match=f"version {VERSION + 1}"):
        decode(with_header({"version": VERSION + 1, "sections": []}))


@pytest.mark.parametrize(
    "told",
    [
        {}, [], 7, None, {"format": 3}, {"version": VERSION}, {"version": VERSION, "sections": [{}]},
        {"version": VERSION, "sections": ["engine"]}, {"version": VERSION, "sections": {"engine": 1}},
        {"version": VERSION, "sections": [{"name": "t", "table": "x", "size": 0, "crc": 0, "dtype": "?!"}]},
    ],
)  # fmt: skip
def test_a_whole_header_of_another_make_is_refused_not_stumbled_over(told):
    with pytest.raises(BadSnapshot):
        decode(with_header(told))
