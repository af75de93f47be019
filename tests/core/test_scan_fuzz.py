"""Whatever a fuzzer sends: accepted, or `BadRecord` with a reason, nothing else; and the scanner and the judge agree.

The scanner may leave any record to the judge.  What it does decide, it must decide as the judge does,
down to the last column and the last name.
"""

import json
import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detectors import event as ev
from detectors import names as nm
from detectors.names import Names
from monitor.core import decode as decode_module
from monitor.core import scan_fields as sf
from monitor.core.decode import Decoder
from monitor.core.decode_table import ARROW_MARK
from monitor.core.judge import REASONS, BadRecord, judge

TS = 1_343_799_000_000_000_000
MARKS = b'"\\{}[],:0123456789.-+eE tfn\x00\x7f\xff'
NAMES = [field.name for field in sf.FIELDS]


class ByJudge:
    """The rows that the judge alone makes."""

    def __init__(self):
        self.names = Names()

    def read(self, raw):
        """A row, None (unknown kind), "nothing", or the BadRecord."""
        if not raw.strip(b" \t\r\n"):
            return "nothing"
        try:
            judged = judge(raw)
        except BadRecord as bad:
            return bad
        if judged is None:
            return None
        for column, kind, text in judged.names:
            judged.row[column] = self.names.code(kind, text)
        return judged


def agree(records):
    records = [raw for raw in records if not raw.startswith(ARROW_MARK)]
    decoder, alone = Decoder(Names()), ByJudge()
    result = decoder.decode(records, 0, np.arange(len(records)), None)
    rows, bad, passed = iter(result.batch.rows), iter(result.quarantined), 0
    for index, raw in enumerate(records):
        said = alone.read(raw)
        if said is None:
            passed += 1
        elif isinstance(said, BadRecord):
            assert said.reason in REASONS
            assert said.detail
            told = next(bad)
            assert (told.offset, told.path, told.reason) == (index, said.path, said.reason)
        elif said != "nothing":
            row = next(rows)
            expected = said.row
            expected[[ev.OFFSET, ev.ARRIVAL]] = index, 0
            at = int(row[ev.PARENT_AT])
            assert result.batch.text[at >> 8 : (at >> 8) + (at & 255)].tobytes() == said.parent
            expected[ev.PARENT_AT] = at
            assert row.tolist() == expected.tolist(), raw
    assert next(rows, None) is None
    assert next(bad, None) is None
    assert result.passed_over == passed
    ours, theirs = decoder.names.snapshot(), alone.names.snapshot()
    assert all((ours[name] == theirs[name]).all() for name in ours)


WORDS = [word for words in (*sf.WORDS, sf.KIND_NAMES) for word in words]
texts = st.one_of(
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12),
    st.sampled_from(
        [*WORDS, "2012-08-01", "2013-02-29", "C" * 64, "C" * 65, "r" * 512, "r" * 513, "", "é", 'a"b', "\n"]
    ),
    st.text(max_size=8),
)
numbers = st.one_of(
    st.integers(-3, 200),
    st.integers(-(1 << 64), 1 << 64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-1000, 1000, places=9).map(float),
    st.sampled_from([TS, 1.0, 0.1 + 0.2, 5e-9, 1e-8, 92233720368.0, (1 << 63) - 1, 1 << 63, 1e30, -0.0]),
)
values = st.one_of(
    texts, numbers, st.booleans(), st.none(), st.lists(texts, max_size=34), st.just({}), st.just([[1]])
)
fitting = {
    sf.Type.KIND: st.sampled_from([*sf.KIND_NAMES, "other"]),
    sf.Type.INTEGER: st.integers(1, 1 << 62),
    sf.Type.NUMBER: st.one_of(st.integers(1, 10**6), st.integers(1, 10**10).map(lambda n: n / 10_000)),
    sf.Type.BOOLEAN: st.booleans(),
    sf.Type.DATE: st.dates().map(str),
    sf.Type.FLAGS: st.lists(
        st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=5), max_size=4
    ),
}


@st.composite
def events(draw):
    """An event of some kind with what it needs and more, a few of its values perhaps anything."""
    kind = draw(st.integers(1, len(sf.KIND_NAMES)))
    need = [sf.FIELDS[index].name for index in sf.REQUIRED[kind]]
    more = draw(st.lists(st.sampled_from(NAMES[2:]), max_size=8))
    event = {"kind": sf.KIND_NAMES[kind - 1], "ts": TS}
    for name in dict.fromkeys(need + more):
        field = sf.FIELDS[sf.FIELD_OF[name]]
        if field.type is sf.Type.WORD:
            event[name] = draw(st.sampled_from(sf.WORDS[field.more]))
        else:
            event[name] = draw(fitting.get(field.type, st.text("abcXYZ019-._ ", min_size=1, max_size=20)))
    for name in draw(st.lists(st.sampled_from([*NAMES, "x", "other_field"]), max_size=2)):
        event[name] = draw(values)
    return event


@st.composite
def written(draw):
    event = draw(events())
    pairs = list(event.items())
    if draw(st.booleans()):
        pairs = draw(st.permutations(pairs))
    if draw(st.integers(0, 9)) == 0:
        pairs.append(draw(st.sampled_from(pairs)))
    between, colon = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:")]))
    plain = draw(st.booleans())
    members = (
        json.dumps(k) + colon + json.dumps(v, ensure_ascii=plain, separators=(between, colon))
        for k, v in pairs
    )
    return ("{" + between.join(members) + "}").encode(errors="surrogatepass")


def mutated(raw, rng):
    """The record with a byte or a piece changed, gone, doubled, or cut off."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                data[at:at] = bytes([rng.choice(MARKS)])
            case 2:
                del data[at : at + rng.randint(1, 4)]
            case 3:
                data[at:at] = data[at : at + rng.randint(1, 30)]
            case 4:
                del data[at:]
            case 5:
                other = rng.randrange(len(data)) if data else 0
                data[at : at + 1], data[other : other + 1] = data[other : other + 1], data[at : at + 1]
    return bytes(data)


@given(st.lists(written(), min_size=1, max_size=6))
def test_events_with_anything_in_them(records):
    agree(records)


@given(written(), st.integers(0, 1 << 32))
def test_events_with_bytes_changed(record, seed):
    rng = random.Random(seed)
    agree([mutated(record, rng) for _ in range(20)])


@given(st.lists(st.binary(max_size=60), max_size=5))
@example(
    [
        b"",
        b"{}",
        b"{",
        b'{"',
        b'{"kind"',
        b'{"kind":',
        b'{"kind":"',
        b'{"kind":"mark',
        b'{"kind":"mark"',
        b"\xff" * 3,
    ]
)
def test_any_bytes(records):
    agree(records)


ORDER = b'{"kind":"order_new","ts":1343799000000000000,"order_id":"C1","account":"7","symbol":"NOK","side":"buy","qty":100%s}'
NASTY = [
    b',"x":' + value
    for value in (
        b"1", b"-1", b"0", b"-0", b"00", b"-", b"--1", b"1-", b"1.", b".1", b"1.5", b"1e5", b"1E+5", b"1e", b"0x1", b"1_0",
        b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"99999999999999999999", b"true", b"false",
        b"null", b"True", b"tru", b"truer", b"nulll", b'"a"', b'"', b'"\\""', b'"\\', b'"\x7f"', b'"\x80"', b'"\x1f"', b'"\xc3\xa9"',
        b"[]", b"[1]", b"{}", b'{"a":1}', b"[[]]", b"[", b"]", b"\x00", b" 1 ", b"\x0c1", b"\xc2\xa01",
    )
] + [
    b',"qty":5', b',"qty":null', b',"\\u0071ty":5', b',"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9', b',"a":1,"a":1',
    b',"flags":[]', b',"flags":[ "a" , "b" ]', b',"flags":["a",]', b',"flags":[,]', b',"flags":["a" "b"]', b',"flags":["a"',
    b',"flags":["a",1]', b',"flags":[["a"]]', b',"flags":["' + b"f" * 4090 + b'"]', b',"flags":["' + b"f" * 5000 + b'"]',
    b',"flags":[' + b",".join([b'"f"'] * 32) + b"]", b',"flags":[' + b",".join([b'"f"'] * 33) + b"]", b',"flags":["\\n"]',
    b',"price":0.123456789012345678', b',"price":123456789012.1234567', b',"price":0.0000000050', b',"price":0.1234567851',
    b',"trade_date":"2012-02-29"', b',"trade_date":"2013-02-29"', b',"trade_date":"2012-02-2x"', b',"trade_date":"2012/02/28"',
    b',"seq":1.0', b',"seq":1.50', b',"seq":-9223372036854775808', b',"seq":0.0', b',"seq":-0.0', b',"seq":1.000000000000000000',
    b',"match_id":"m"', b',"before":1', b',"' + b"k" * 100 + b'":1', b',"":1', b',"kind":"order_new"', b',"kind ":1',
    b',"strategy":""', b',"boot":""', b',"boot":"' + b"b" * 64 + b'"', b',"boot":"' + b"b" * 65 + b'"', b"}", b"} ", b"}}", b",",
]  # fmt: skip


@pytest.mark.parametrize("more", NASTY, ids=lambda more: repr(more[:40]))
def test_what_others_fell_over(more):
    record = ORDER % more
    assert record.startswith(b"{")
    agree([record, ORDER % b"", record + b"\n", b" " + record])


def test_a_string_may_end_anywhere_in_a_word_of_eight_bytes():
    """The scanner reads eight bytes at a time; every length, at every place, with each ending byte."""
    records = []
    for shift in range(8):
        for length in range(1, 26):
            for last in (
                b"",
                b"\\u0041",
                b"\x01",
                b"\x7f",
                b"\x80",
                "é".encode(),
                b"!",
                b"#",
                b"[",
                b"]",
                b"\x21",
            ):
                text = b"s" * length + last
                records.append(b" " * shift + ORDER % (b',"host":"' + text + b'","x":"' + text + b'"'))
    agree(records)


def test_a_record_cut_off_anywhere_is_broken_and_its_neighbours_are_not():
    whole = ORDER % b',"flags":["a"],"price":1.5,"poss_dup":true,"tif":null,"parent_id":"P"'
    agree([piece for end in range(len(whole)) for piece in (whole[:end], whole)])


def test_the_scanner_itself_decides_what_is_ordinary(monkeypatch):
    """Without this, a scanner that leaves everything to the judge would pass all of the above."""
    monkeypatch.setattr(decode_module, "judge", lambda raw: pytest.fail(f"left to the judge: {raw!r}"))
    more = b',"price":236.47,"flags":["rlp"],"host":"h","tif":"day","poss_dup":true,"parent_id":null,"x":[]'
    records = [ORDER % more.removesuffix(b',"x":[]'), ORDER % b"", b'{"kind":"weather","ts":1}', b"", b" \n"]
    result = Decoder(Names()).decode(records, 0, np.arange(5), None)
    assert (len(result.batch), result.passed_over) == (2, 1)


def test_names_over_their_bound_are_one_for_both():
    records = [b'{"kind":"instrument","ts":1,"symbol":"X","asset_class":"%d"}' % n for n in range(300)]
    records += [record.replace(b"asset", b"\\u0061sset") for record in records]
    agree(records)
    decoder = Decoder(Names())
    decoder.decode(records, 0, np.arange(600), None)
    assert decoder.names.overflowed(nm.ASSET_CLASS) == 92
