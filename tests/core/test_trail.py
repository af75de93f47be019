"""A line says what was written, or it is a `BadLine`."""

from __future__ import annotations

import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.trail import GENESIS, LINE_BYTES_MAX, BadLine, Follower, Head, read_line, write_line

fields = st.dictionaries(
    st.text(max_size=9),
    st.recursive(st.none() | st.integers(-(2**63), 2**63) | st.text(max_size=9), st.lists),
    max_size=4,
)


@given(fields, st.text(max_size=9), st.integers(1, 2**62))
def test_what_was_written_is_read(told, what, at):
    raw, head = write_line(Head(6, "a" * 64), at, what, told)
    line = read_line(raw)
    assert (line.n, line.at, line.what, line.fields, line.prev, line.head) == (
        7,
        at,
        what,
        told,
        "a" * 64,
        head,
    )


def test_a_line_is_as_it_is_described():
    raw, head = write_line(Head(), 5, "halt.decided", {"a": "é"})
    body = f'{{"n":1,"at":5,"what":"halt.decided","fields":{{"a":"é"}},"prev":"{GENESIS}"'.encode()
    assert head.hash == hashlib.sha256(body).hexdigest()
    assert raw == body + f',"hash":"{head.hash}"}}\n'.encode()
    assert head.payload == {"count": 1, "hash": head.hash}


DEEP: list = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "told",
    [{"a": math.nan}, {"a": object()}, {"a": b"x"}, {(1, 2): 3}, {"a": DEEP}, {"a": 10**5000}],
    ids=range(6),
)
def test_what_cannot_be_written_is_said_and_fails_nothing(told):
    line = read_line(write_line(Head(), 1, "x", told)[0])
    assert "unwritable" in line.fields


def test_half_a_letter_and_too_much_are_written_as_what_can_be_said_of_them():
    assert read_line(write_line(Head(), 1, "x", {"a": "\ud800"})[0]).fields == {"a": "?"}
    line = read_line(write_line(Head(), 1, "x", {"a": "y" * LINE_BYTES_MAX})[0])
    assert line.fields["too_large_bytes"] > LINE_BYTES_MAX


def resigned(body):
    """A line with a digest that fits, whatever it says."""
    return body + f',"hash":"{hashlib.sha256(body).hexdigest()}"}}\n'.encode()


BAD = {
    "nothing": (b"", "cut off"),
    "no newline": (write_line(Head(), 1, "x", {})[0][:-1], "cut off"),
    "no digest": (b"{}\n", "does not end in its digest"),
    "an upper case digest": (
        write_line(Head(), 1, "x", {})[0].replace(b'"hash":"', b'"hash":"A', 1),
        "does not end",
    ),
    "another digest": (write_line(Head(), 1, "x", {})[0].replace(b'"at":1', b'"at":2'), "was changed"),
    "no JSON": (resigned(b"{"), "no line of a trail"),
    "no UTF-8": (resigned(b'{"n":1,"at":1,"what":"\xff","fields":{},"prev":""'), "no line of a trail"),
    "another field": (
        resigned(b'{"n":1,"at":1,"what":"x","fields":{},"prev":"","by":"me"'),
        "no line of a trail",
    ),
    "deep": (resigned(b'{"n":1,"at":1,"what":"x","fields":' + b"[" * 100_000), "no line of a trail"),
    "huge": (b" " * (LINE_BYTES_MAX + 1), "over"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad(case):
    raw, why = BAD[case]
    with pytest.raises(BadLine, match=why):
        read_line(raw)


@given(st.binary(max_size=200) | st.binary(max_size=50).map(resigned))
def test_any_bytes_are_a_line_or_bad(raw):
    with pytest.raises(BadLine):
        read_line(raw)


NOTHING = Head()


def lines(*told, after=NOTHING):
    written = []
    for what, more in told:
        raw, after = write_line(after, 1, what, more)
        written.append(read_line(raw))
    return written


def opened(after=NOTHING):
    return "file.opened", {"previous": after.payload}


def test_a_trail_begins_at_its_beginning():
    with pytest.raises(BadLine, match="does not open a file"):
        Follower().follow(lines(("x", {}))[0], opens_file=True)
    forged = Head(0, "b" * 64)
    with pytest.raises(BadLine, match="does not begin"):
        Follower().follow(lines(opened(forged), after=forged)[0], opens_file=True)


def test_a_gap_is_believed_only_where_it_is():
    first, second = lines(opened(), ("x", {}))
    lost = Head(9, "c" * 64)
    whole = {"from": 3, "to": 9, "kept": second.hash, "why": "disk full"}

    def follow(**changed):
        follower = Follower()
        for line, opens in (
            (first, True),
            (second, False),
            *((line, False) for line in lines(("audit.gap_marked", {**whole, **changed}), after=lost)),
        ):
            follower.follow(line, opens_file=opens)
        return follower.gaps

    assert follow() == [(3, 9, "disk full")]
    for changed in ({"from": 4}, {"to": 8}, {"kept": "d" * 64}):
        with pytest.raises(BadLine, match="gap that is not here"):
            follow(**changed)


def test_trail_lines_are_one_json_object_a_line():
    raw, _ = write_line(Head(), 1, "x", {"a": "\n\u2028"})
    assert json.loads(raw)["fields"] == {"a": "\n\u2028"}
    assert raw.count(b"\n") == 1


def test_a_line_follows_the_one_before_it():
    first, _ = lines(opened(), ("x", {}))
    follower = Follower()
    follower.follow(first, opens_file=True)
    with pytest.raises(BadLine, match="does not name the line before it"):
        follower.follow(lines(("x", {}), after=Head(1, "e" * 64))[0], opens_file=False)
    with pytest.raises(BadLine, match="is number 3 where 2 belongs"):
        follower.follow(lines(("x", {}), after=Head(2, first.hash))[0], opens_file=False)
