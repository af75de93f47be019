"""What compiled code reads of a fetch is what the client's own parser reads: record by record, or refused alike."""

import logging
import struct

import aiokafka
import numpy as np
import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.edge.kafka_in import batches, checksum, layout, scan
from monitor.edge.kafka_in.batches import CorruptBatchError, Kept, keep_bytes, read
from monitor.edge.kafka_in.checksum import AVAILABLE, Checksums

NOW_MS = 1_790_000_000_000
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
TRANSACTIONAL, CONTROL, APPENDED = 16, 32, 8

NAMES = st.sampled_from(("a", "trace", "", "größe", "x" * 70))
HEADERS = st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=70)), max_size=3)
VALUES = st.none() | st.binary(max_size=20) | st.integers(100, 9_000).map(lambda size: b"v" * size)
# A record: how far its offset and its time are from the one before it, key, value, headers.
RECORDS = st.tuples(
    st.sampled_from((1, 1, 1, 2, 90)), st.sampled_from((0, 0, 1, -3, 70, 10_000, 1 << 40)),
    st.none() | st.binary(max_size=70), VALUES, st.just([]) | HEADERS,
)  # fmt: skip


def sealed(batch, base=0, *, attributes=0, last_ms=None, tail=0):
    """As the broker would store it: offsets and attributes of its own, and the checksum over them."""
    batch = bytearray(batch)
    struct.pack_into(">q", batch, 0, base)
    (given,) = struct.unpack_from(">h", batch, 21)
    struct.pack_into(">h", batch, 21, given | attributes)
    if last_ms is not None:
        struct.pack_into(">q", batch, 35, last_ms)
    (last,) = struct.unpack_from(">i", batch, 23)
    struct.pack_into(">i", batch, 23, last + tail)  # the last ones were compacted away
    struct.pack_into(">I", batch, 17, calc_crc32c(bytes(batch[21:])))
    return bytes(batch)


def batch_of(records, base=0, *, codec=0, **more):
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 30)
    at, at_ms = 0, NOW_MS
    for further, later_ms, key, value, headers in records:
        builder.append(at, at_ms, key, value, headers)
        at, at_ms = at + further, at_ms + later_ms
    return sealed(builder.build(), base, **more)


def plain(count, base=0, **more):
    return batch_of([(1, 1, None, b"%d" % n, []) for n in range(count)], base, **more)


def legacy(count, base=0, magic=1):
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 20)
    for n in range(count):
        builder.append(base + n, NOW_MS + n, None, b"%d" % n)
    return bytes(builder.build())


@st.composite
def fetches(draw):
    """Some batches of one partition, of every kind, and a position somewhere in the first."""
    fetched, base = b"", draw(st.integers(0, 1 << 40))
    first = base
    for _ in range(draw(st.integers(1, 5))):
        attributes = draw(st.sampled_from((0, 0, 0, TRANSACTIONAL, APPENDED, CONTROL | TRANSACTIONAL)))
        fetched += batch_of(
            draw(st.lists(RECORDS, min_size=1, max_size=8)), base,
            codec=draw(st.sampled_from(sorted(CODECS.values()))), attributes=attributes,
            last_ms=draw(st.sampled_from((None, NOW_MS + 5, -1))), tail=draw(st.sampled_from((0, 0, 7))),
        )  # fmt: skip
        last = MemoryRecords(fetched)
        while last.has_next():
            base = last.next_batch().next_offset
        base += draw(st.sampled_from((0, 0, 3)))
    return fetched, first + draw(st.sampled_from((0, 0, 1, 5)))


def listed(found):
    """What was read, as a caller sees it; or what is wrong."""
    if isinstance(found, CorruptBatchError):
        return found.end
    values = [found.text[start:end] for start, end in zip(found.starts, found.ends, strict=True)]
    return values, found.offsets.tolist(), found.stamps_ms.tolist(), found.next_offset


def said(fetched, position):
    try:
        return listed(read(fetched, position))
    except CorruptBatchError as broken:
        return listed(broken)


@pytest.fixture
def scanned(monkeypatch):
    """Compiled code reads whatever it can; how many records it took."""
    taken = []

    def counted(text, table, places, state):
        before = state[layout.FILLED]
        scan_as_it_is(text, table, places, state)
        taken.append(int(state[layout.FILLED] - before))

    scan_as_it_is = scan.scan
    monkeypatch.setattr(scan, "scan", counted)
    monkeypatch.setattr(batches, "RECORDS_MIN", 1)
    monkeypatch.setattr(batches, "RECORDS_A_BATCH_MIN", 0)
    monkeypatch.setattr(batches, "CHECK_BYTES_MIN", 0)
    return taken


def test_both_parsers_say_the_same_of_whatever_a_broker_sends(scanned):
    @settings(max_examples=150, deadline=None)
    @given(fetches())
    def same(drawn):
        fetched, position = drawn
        assert said(Kept(fetched), position) == said(MemoryRecords(fetched), position)

    same()
    assert sum(scanned) > 100


def test_both_parsers_say_the_same_of_broken_bytes_under_a_right_checksum(scanned):
    """A checksum says what the producer sent; it may be nonsense all the same."""

    @settings(max_examples=200, deadline=None)
    @given(fetches(), st.data())
    def same(drawn, data):
        fetched, position = drawn
        (size,) = struct.unpack_from(">i", fetched, 8)
        changed = bytearray(fetched[: 12 + size])
        for _ in range(data.draw(st.integers(1, 3))):
            changed[data.draw(st.integers(57, len(changed) - 1))] = data.draw(st.integers(0, 255))
        (base,) = struct.unpack_from(">q", fetched)
        fetched = sealed(changed, base) + fetched[12 + size :]
        ours, theirs = said(Kept(fetched), position), said(MemoryRecords(fetched), position)
        assert ours == theirs

    same()
    assert sum(scanned) > 100


@pytest.mark.parametrize("codec", CODECS)
def test_ordinary_records_are_read_by_compiled_code_alone(codec, scanned):
    records = [(1, 1, b"key", b"%d" % n, [("trace", b"7")]) for n in range(100)]
    fetched = batch_of(records, 40, codec=CODECS[codec])
    assert said(Kept(fetched), 45) == said(MemoryRecords(fetched), 45)
    assert scanned == [95]


def test_what_is_not_plain_is_left_to_the_client_and_keeps_its_place(scanned):
    strange = batch_of([(1, 0, None, b"strange", [("größe", b"")])], 10)
    fetched = plain(10) + strange + plain(10, 11) + sealed(plain(1, 21), 21, attributes=5) + plain(3, 22)
    values, offsets, _, next_offset = said(Kept(fetched), 0)
    assert values == [*(b"%d" % n for n in range(10)), b"strange", *(b"%d" % n for n in range(10))]
    assert offsets == list(range(21))
    assert next_offset == 21  # a codec that nobody knows: broken, and the next fetch begins with it
    assert scanned == [10, 10]
    assert said(Kept(fetched[-len(plain(3)) - len(plain(1)) :]), 21) == 22


def test_old_formats_are_read_by_the_client(scanned):
    for magic in (0, 1):
        fetched = legacy(20, 5, magic)
        assert said(Kept(fetched), 7) == said(MemoryRecords(fetched), 7)
        assert said(Kept(fetched), 7)[1] == list(range(7, 25))
    assert sum(scanned) == 0


@pytest.mark.parametrize("kind", [Kept, MemoryRecords])
def test_behind_a_wrong_checksum_nothing_is_read_and_what_came_before_it_is_kept(kind, scanned):
    wrong = bytearray(plain(10, 10))
    wrong[-1] ^= 1
    fetched = plain(10) + bytes(wrong) + plain(10, 20)
    assert said(kind(fetched), 0)[1:] == (list(range(10)), list(range(NOW_MS, NOW_MS + 10)), 10)
    assert said(kind(bytes(wrong) + plain(10, 20)), 10) == 20


@pytest.mark.parametrize("kind", [Kept, MemoryRecords])
def test_a_header_that_cannot_be_believed_loses_nothing_that_came_before_it(kind, scanned):
    wrong = bytearray(plain(10, 10))
    struct.pack_into(">i", wrong, 8, 3)
    assert said(kind(plain(10) + bytes(wrong)), 0)[3] == 10
    assert said(kind(bytes(wrong)), 10) == 11


def test_a_fetch_that_is_cut_off_is_read_as_far_as_it_is_whole(scanned):
    fetched = plain(10) + plain(10, 10)[:-1]
    assert said(Kept(fetched), 0) == said(MemoryRecords(fetched), 0)
    assert said(Kept(fetched), 0)[3] == 10


def test_a_handful_of_records_never_waits_for_compiled_code(monkeypatch):
    monkeypatch.setattr(scan, "scan", lambda *_: pytest.fail("not for so few"))
    assert said(Kept(plain(batches.RECORDS_MIN - 1)), 0)[3] == batches.RECORDS_MIN - 1
    single = b"".join(plain(1, n) for n in range(2 * batches.RECORDS_MIN))
    assert said(Kept(single), 0)[1] == list(range(2 * batches.RECORDS_MIN))


def test_the_locked_client_is_one_that_is_known_from_inside(monkeypatch):
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    keep_bytes()
    assert aiokafka.__version__ in batches.SEEN_FROM_INSIDE
    assert fetcher.MemoryRecords(plain(1)).raw == plain(1)


def test_beside_a_client_that_is_not_known_it_says_so_and_reads_by_its_parser(monkeypatch, caplog):
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    monkeypatch.setattr(aiokafka, "__version__", "0.14.99")
    with caplog.at_level(logging.WARNING):
        keep_bytes()
    assert fetcher.MemoryRecords is MemoryRecords
    assert "0.14.99 is not known from inside" in caplog.text
    monkeypatch.setattr(scan, "scan", lambda *_: pytest.fail("the bytes are not to be seen"))
    assert said(fetcher.MemoryRecords(plain(500)), 0)[1] == list(range(500))


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=22, max_size=300), st.integers(0, 9), st.data())
def test_a_checksum_is_the_clients_wherever_the_bytes_lie(content, at, data):
    raw = bytearray(bytes(at) + content)
    struct.pack_into(">I", raw, at + 17, calc_crc32c(bytes(raw[at + 21 :])))
    assert Checksums(bytes(raw)).is_right(at, len(raw)) is AVAILABLE
    if len(content) > 22:
        raw[data.draw(st.integers(at + 21, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
        assert not Checksums(bytes(raw)).is_right(at, len(raw))


def test_where_the_processor_cannot_check_the_client_does(monkeypatch, scanned):
    monkeypatch.setattr(checksum, "AVAILABLE", False)
    assert said(Kept(plain(100)), 0)[1] == list(range(100))


def test_an_empty_fetch_holds_nothing():
    found = read(Kept(b""), 7)
    assert listed(found) == ([], [], [], 7)
    assert found.offsets.dtype == np.int64
