"""A reason without its numbers: the same by scanner and judge, the same to whoever masks more, and few."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detectors import event as ev
from detectors import names as nm
from detectors.names import Names
from detectors.storm.masking import masked
from monitor.core.decode import Decoder
from monitor.core.scan_reason import unnumbered, unnumbered_text

MANY = nm._BOUNDS[nm.REASON][0] + 100  # more than there is room for
texts = st.text(max_size=40) | st.text("aZ09_.-:/+% ='\"`,;#", max_size=40)


@given(texts)
@example("12%b%c a%b12 %7")
@example("@7[`{ é7 ٣a12")
def test_scanner_and_judge_keep_the_same(text):
    raw = text.encode()
    into = np.zeros(512, np.uint8)
    size = unnumbered(np.frombuffer(b"77" + raw + b"77", np.uint8), 2, len(raw), into)
    assert into[:size].tobytes().decode() == unnumbered_text(text)


@given(texts)
@example("Order 4711-A rejected: price 10.25 outside of 10.30")
@example("Unknown symbol 'ES9' (session=FIX_A7, id=\"12 a\")")
@example("12%b%c a%b12 ٣%b12%c '7")
def test_what_is_kept_is_masked_as_what_was_sent(text):
    assert masked(unnumbered_text(text)) == masked(text)
    assert unnumbered_text(unnumbered_text(text)) == unnumbered_text(text)


def reject(n, reason):
    return {"kind": "order_reject", "ts": 10**18 + n, "order_id": f"O{n}", "reason": reason}


def by_lines(decoder, events):
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in events)
    return decoder.decode_lines(lines, 0, 1)


def by_the_judge(decoder, events):
    """White space that the scanner has no habit for changes nothing; an escape is the judge's."""
    records = [json.dumps(each).replace('"order_id"', '"order\\u005fid"').encode() for each in events]
    return decoder.decode(records, 0, np.arange(len(records)), None)


def by_a_table(decoder, events):
    return decoder.decode_table(pa.Table.from_pylist(events), 0, 1)


def by_a_dictionary(decoder, events):
    table = pa.Table.from_pylist(events)
    at = table.column_names.index("reason")
    return decoder.decode_table(
        table.set_column(at, "reason", table["reason"].combine_chunks().dictionary_encode()), 0, 1
    )


@pytest.mark.parametrize("read", [by_lines, by_the_judge, by_a_table, by_a_dictionary])
def test_a_venue_that_writes_ids_into_its_rejects_takes_no_name_from_another(read):
    names = Names()
    decoder = Decoder(names)
    flood = read(decoder, [reject(n, f"order ORD-{n:x}-9 unknown, {n}.5% off") for n in range(MANY)])
    assert len(np.unique(flood.batch.rows[:, ev.REASON])) == 1
    rows = read(
        decoder, [reject(0, "Power Peg disabled"), reject(1, "r" * 512), reject(2, "7" * 512)]
    ).batch.rows
    told = [names.text(nm.REASON, int(code)) for code in rows[:, ev.REASON]]
    assert told == ["Power Peg disabled", "r" * 512, "0"]
    assert (names.count(nm.REASON), names.overflowed(nm.REASON)) == (4, 0)


@pytest.mark.parametrize("read", [by_lines, by_the_judge, by_a_table, by_a_dictionary])
def test_a_reason_that_is_too_long_is_broken_however_little_is_kept_of_it(read):
    decoded = read(Decoder(Names()), [reject(0, "7" * 513)])
    assert [bad.reason for bad in decoded.quarantined] == ["out_of_range"]
