"""Each sentence of section 1 of the contract: what it allows passes, what it calls broken is quarantined."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from detectors import event as ev
from detectors import names as nm
from detectors.event import Kind
from detectors.names import Names
from monitor.core import scan, scan_table
from monitor.core import scan_fields as sf
from monitor.core.decode import Decoder, warm_up
from monitor.core.judge import REASONS
from monitor.edge.files import open_writer, read

KERNELS = (
    "codes_of_texts", "hashes_of_ids", "integers", "integers_of_floats", "numbers_of_integers", "numbers_of_floats", "put",
)  # fmt: skip
TS = 1_343_799_000_000_000_000  # 2012-08-01, 05:30 UTC
ORDER = {
    "kind": "order_new",
    "ts": TS,
    "order_id": "C1",
    "account": "7",
    "symbol": "NOK",
    "side": "buy",
    "qty": 100,
}
# The least that each kind needs.
LEAST = {
    "parent_new": {"parent_id": "P", "account": "7", "symbol": "NOK", "side": "buy", "qty": 1},
    "parent_replace": {"parent_id": "P", "qty": 1},
    "parent_suspend": {"parent_id": "P", "suspended": True},
    "parent_fill": {"parent_id": "P", "last_qty": 1},
    "parent_done": {"parent_id": "P"},
    "order_new": {"order_id": "C", "account": "7", "symbol": "NOK", "side": "buy", "qty": 1},
    "order_ack": {"order_id": "C"},
    "order_reject": {"order_id": "C"},
    "replace_request": {"order_id": "D", "orig_order_id": "C"},
    "cancel_request": {"order_id": "D", "orig_order_id": "C"},
    "order_replace": {"order_id": "D", "orig_order_id": "C"},
    "order_cancel": {"order_id": "C"},
    "cancel_reject": {"order_id": "D"},
    "order_restate": {"order_id": "C", "leaves_qty": 0},
    "fill": {"exec_id": "E", "order_id": "C", "last_qty": 1, "last_px": 1},
    "fill_bust": {"exec_ref_id": "E"},
    "fill_correct": {"exec_ref_id": "E", "last_qty": 1, "last_px": 1},
    "session_event": {"session": "S", "event": "logon"},
    "error": {"host": "h", "reason": "Power Peg disabled"},
    "heartbeat": {"host": "h", "build": "b"},
    "deploy": {"host": "h", "build": "b"},
    "limit_change": {"actor": "joe", "reason": "why"},
    "instrument": {"symbol": "NOK"},
    "mark": {"symbol": "NOK", "price": 1},
    "fx": {"currency": "EUR", "usd": 1.25},
    "position": {"account": "7", "symbol": "NOK", "qty": 0, "as_of": TS},
    "session_phase": {"venue": "XNYS", "phase": "open"},
}


def written(event):
    return event if isinstance(event, bytes) else json.dumps(event, separators=(",", ":")).encode()


def decoded(*events, decoder=None, arrivals=None):
    decoder = decoder or Decoder(Names())
    count = len(events)
    return decoder.decode([written(event) for event in events], 0, np.arange(count), arrivals)


def row_of(event, **more):
    result = decoded({**event, **more} if isinstance(event, dict) else event)
    assert result.quarantined == ()
    (row,) = result.batch.rows
    return row


def broken(event):
    """(path, reason) of a record that must be broken, however it is read."""
    result = decoded(event)
    assert len(result.batch) == 0
    assert result.events == 0
    (bad,) = result.quarantined
    assert bad.reason in REASONS
    assert bad.detail
    assert bad.raw == written(event)
    return bad.path, bad.reason


def test_the_least_of_each_kind_is_accepted_and_the_table_is_the_contracts():
    assert tuple(LEAST) == sf.KIND_NAMES
    for name, fields in LEAST.items():
        assert row_of({"kind": name, "ts": TS, **fields})[ev.KIND] == Kind[name.upper()]


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in LEAST for field in ("ts", *LEAST[kind])]
)
def test_what_a_kind_needs_must_be_there(kind, field):
    event = {"kind": kind, "ts": TS, **LEAST[kind]}
    assert broken({**event, field: None}) == (field, "missing")
    del event[field]
    assert broken(event) == (field, "missing")


def test_an_event_fills_its_columns():
    decoder = Decoder(Names())
    names = decoder.names
    event = {
        **ORDER,
        "source": "oms",
        "host": "smars-8",
        "build": "legacy-2005",
        "boot": "b1",
        "stream": "s",
        "seq": 17,
        "trade_date": "2012-08-02",
        "strategy": "rlp",
        "session": "S1",
        "venue": "XNYS",
        "currency": "USD",
        "origin": "manual",
        "poss_dup": True,
        "poss_resend": False,
        "conditional": True,
        "parent_id": "P1",
        "price": -0.25,
        "stop_price": 1.5,
        "qty": 0.00000001,
        "order_type": "stop_limit",
        "tif": "ioc",
        "multileg": "leg",
        "flags": ["rlp", "x"],
    }
    batch = decoded(event, decoder=decoder, arrivals=np.array([TS + 5])).batch
    (row,) = batch.rows
    assert row[ev.KIND] == Kind.ORDER_NEW
    assert (row[ev.TS], row[ev.ARRIVAL], row[ev.PART], row[ev.OFFSET]) == (TS, TS + 5, 0, 0)
    assert row[ev.SOURCE] == ev.Source.OMS
    assert names.text(nm.HOST, row[ev.HOST]) == "smars-8"
    assert names.text(nm.BUILD, row[ev.BUILD]) == "legacy-2005"
    assert names.text(nm.BOOT, row[ev.BOOT]) == "b1"
    assert names.text(nm.STREAM, row[ev.STREAM]) == "s"
    assert row[ev.SEQ] == 17
    assert row[ev.TRADE_DATE] == np.datetime64("2012-08-02").astype(int)
    assert names.text(nm.ACCOUNT, row[ev.ACCOUNT]) == "7"
    assert names.text(nm.STRATEGY, row[ev.STRATEGY]) == "rlp"
    assert names.text(nm.SESSION, row[ev.SESSION]) == "S1"
    assert names.text(nm.VENUE, row[ev.VENUE]) == "XNYS"
    assert names.text(nm.SYMBOL, row[ev.SYMBOL]) == "NOK"
    assert names.text(nm.CURRENCY, row[ev.CURRENCY]) == "USD"
    assert (row[ev.SIDE], row[ev.ORIGIN]) == (ev.Side.BUY, ev.Origin.MANUAL)
    assert row[ev.BITS] == ev.Bit.POSS_DUP | ev.Bit.CONDITIONAL
    assert (row[ev.PARENT_HI], row[ev.PARENT_LO]) == nm.id_hash("P1")
    start, length = row[ev.PARENT_AT] >> 8, row[ev.PARENT_AT] & 255
    assert batch.text[start : start + length].tobytes() == b"P1"
    assert (row[ev.ORDER_HI], row[ev.ORDER_LO]) == nm.id_hash("C1")
    assert (row[ev.QTY], row[ev.PRICE], row[ev.STOP_PRICE]) == (1, -25_000_000, 150_000_000)
    assert (row[ev.ORDER_TYPE], row[ev.TIF]) == (ev.OrderType.STOP_LIMIT, ev.Tif.IOC)
    assert row[ev.MULTILEG] == ev.Multileg.LEG
    assert names.flags(row[ev.FLAGS]) == ("rlp", "x")


def test_the_fields_of_the_other_kinds_fill_theirs():
    decoder = Decoder(Names())
    text = decoder.names.text

    def row(kind, **more):
        return decoded({"kind": kind, "ts": TS, **LEAST[kind], **more}, decoder=decoder).batch.rows[0]

    fill = row("fill", cum_qty=3, leaves_qty=0, match_id="M", parent_id="P")
    assert (fill[ev.EXEC_HI], fill[ev.EXEC_LO]) == nm.id_hash("E")
    assert (fill[ev.LAST_QTY], fill[ev.LAST_PX]) == (ev.UNIT, ev.UNIT)
    assert (fill[ev.CUM_QTY], fill[ev.LEAVES_QTY]) == (3 * ev.UNIT, 0)
    assert fill[ev.MATCH] == nm.id_hash("M")[0]
    assert tuple(row("fill_bust")[[ev.EXEC_REF_HI, ev.EXEC_REF_LO]]) == nm.id_hash("E")
    assert tuple(row("order_replace")[[ev.ORIG_HI, ev.ORIG_LO]]) == nm.id_hash("C")
    assert row("order_cancel", reason_class="ioc")[ev.REASON_CLASS] == ev.ReasonClass.IOC
    error = row("error", count=3)
    assert (text(nm.REASON, error[ev.REASON]), error[ev.COUNT]) == ("Power Peg disabled", 3)
    beat = row("heartbeat", config_hash="f00", role="router", clock_bound_ns=5)
    assert (text(nm.CONFIG_HASH, beat[ev.CONFIG_HASH]), text(nm.ROLE, beat[ev.ROLE])) == ("f00", "router")
    assert beat[ev.CLOCK_BOUND] == 5
    roll = row("deploy", phase="rolled_back", actor="amy", ticket="T-1")
    assert roll[ev.PHASE] == ev.Phase.ROLLED_BACK
    assert (text(nm.ACTOR, roll[ev.ACTOR]), text(nm.TICKET, roll[ev.TICKET])) == ("amy", "T-1")
    thing = row(
        "instrument",
        multiplier=50,
        asset_class="future",
        tick=0.25,
        adv=7,
        shares_out=8,
        negative_price_ok=True,
    )
    assert [thing[c] // ev.UNIT for c in (ev.MULTIPLIER, ev.ADV, ev.SHARES_OUT)] == [50, 7, 8]
    assert thing[ev.TICK] == ev.UNIT // 4
    assert text(nm.ASSET_CLASS, thing[ev.ASSET_CLASS]) == "future"
    assert thing[ev.BITS] == ev.Bit.NEGATIVE_PRICE_OK
    assert row("fx")[ev.USD] == 125_000_000
    assert row("position", qty=-5)[[ev.QTY, ev.AS_OF]].tolist() == [-5 * ev.UNIT, TS]
    assert row("session_phase")[ev.PHASE] == ev.Phase.OPEN
    assert row("session_event")[ev.EVENT] == ev.SessionEvent.LOGON
    assert row("parent_suspend")[ev.BITS] == ev.Bit.SUSPENDED


def test_defaults_and_what_is_absent():
    row = row_of(ORDER)
    assert row[ev.SOURCE] == ev.Source.ROUTER
    assert row[ev.ORIGIN] == ev.Origin.ELECTRONIC
    assert row[ev.MULTILEG] == ev.Multileg.SINGLE
    assert row[ev.REASON_CLASS] == ev.ReasonClass.REQUESTED
    assert row[ev.TRADE_DATE] == np.datetime64("2012-08-01").astype(int)
    for column in (
        ev.SEQ,
        ev.PRICE,
        ev.LAST_QTY,
        ev.CUM_QTY,
        ev.COUNT,
        ev.AS_OF,
        ev.ADV,
        ev.MULTIPLIER,
        ev.USD,
    ):
        assert row[column] == ev.NONE
    for column in (ev.HOST, ev.BITS, ev.PARENT_HI, ev.PARENT_LO, ev.PARENT_AT, ev.FLAGS, ev.TIF, ev.MATCH):
        assert row[column] == 0


def test_null_is_the_same_as_absent():
    nulls = dict.fromkeys(field.name for field in sf.FIELDS if field.name not in ORDER)
    assert (row_of({**ORDER, **nulls}) == row_of(ORDER)).all()


def test_a_field_not_named_is_ignored_whatever_it_holds():
    plain = row_of(ORDER)
    for value in (1, "x", [1, {"qty": "?"}], {"a": {"b": []}}, 1e300, None, "\u00e9\n"):
        assert (row_of({**ORDER, "our_own": value}) == plain).all()
    digits = written({**ORDER, "our_own": 0})[:-2] + b"9" * 5000 + b"}"
    assert (row_of(digits) == plain).all(), "of any length"


def test_an_unknown_kind_is_counted_and_passed_over():
    result = decoded({"kind": "weather", "ts": TS}, {"kind": "weather", "ts": TS, "qty": "sunny"}, ORDER)
    assert (len(result.batch), result.passed_over, result.events) == (1, 2, 3)
    assert broken({"kind": "weather"}) == ("ts", "missing")
    assert broken({"kind": "weather", "ts": TS, "host": 5}) == ("host", "wrong_type")
    assert broken({"kind": 5, "ts": TS}) == ("kind", "wrong_type")
    assert broken({"kind": None, "ts": TS}) == ("kind", "missing")


def _wrong():
    for field in sf.FIELDS:
        right = {
            sf.Type.INTEGER: (int,), sf.Type.NUMBER: (int, float), sf.Type.BOOLEAN: (bool,), sf.Type.FLAGS: (list,),
        }.get(field.type, (str,))  # fmt: skip
        if field.type is not sf.Type.ANY:
            for value in (1, 1.5, True, "1", ["x"], {}):
                if type(value) not in right:
                    yield field.name, value


@pytest.mark.parametrize(("field", "value"), list(_wrong()))
def test_a_wrong_type_is_broken_also_where_the_kind_does_not_need_the_field(field, value):
    for kind in ("order_new", "heartbeat"):
        assert broken({"kind": kind, "ts": TS, **LEAST[kind], field: value}) == (field, "wrong_type")


def test_a_value_matters_only_where_the_kind_has_the_field():
    beat = {"kind": "heartbeat", "ts": TS, **LEAST["heartbeat"]}
    plain = row_of(beat)
    for field, value in (
        ("qty", -1),
        ("tif", "no such"),
        ("order_id", ""),
        ("phase", "none"),
        ("last_qty", 0),
    ):
        assert (row_of({**beat, field: value}) == plain).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source", "rumour"), ("side", "BUY"), ("side", ""), ("origin", "auto"), ("order_type", "iceberg"),
        ("tif", "DAY"), ("multileg", "many"), ("trade_date", "2012-8-1"), ("trade_date", "2012-02-30"),
        ("trade_date", "20120801"), ("trade_date", "2012-08-01T00"), ("trade_date", "0000-01-01"),
        ("trade_date", "2012-W31-3"), ("trade_date", "２０１２-08-01"),
    ],
)  # fmt: skip
def test_words_and_days_are_those_of_the_contract(field, value):
    assert broken({**ORDER, field: value}) == (field, "bad_value")


@pytest.mark.parametrize(
    "day", ["2000-02-29", "0001-01-01", "9999-12-31", "1969-12-31", "1970-01-01", "2100-02-28"]
)
def test_days_count_from_1970(day):
    assert row_of(ORDER, trade_date=day)[ev.TRADE_DATE] == np.datetime64(day).astype(int)


@pytest.mark.parametrize(
    "day", ["1900-02-29", "2100-02-29", "2012-00-01", "2012-13-01", "2012-04-31", "2012-01-00"]
)
def test_days_that_are_none(day):
    assert broken({**ORDER, "trade_date": day}) == ("trade_date", "bad_value")


def test_phases_and_events_are_those_of_their_kind():
    assert broken({"kind": "session_phase", "ts": TS, "venue": "X", "phase": "started"}) == (
        "phase",
        "bad_value",
    )
    assert broken({"kind": "deploy", "ts": TS, **LEAST["deploy"], "phase": "open"}) == ("phase", "bad_value")
    assert broken({"kind": "session_event", "ts": TS, "session": "S", "event": "lunch"}) == (
        "event",
        "bad_value",
    )


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("order_new", "qty", 0), ("order_new", "qty", -1), ("order_new", "qty", 1e-9), ("order_new", "qty", 5e-9),
        ("parent_new", "qty", 0), ("parent_replace", "qty", 0), ("order_replace", "qty", -0.5),
        ("replace_request", "qty", 0), ("cancel_request", "qty", 0), ("fill", "last_qty", 0), ("fill", "last_qty", -1),
        ("parent_fill", "last_qty", 0), ("fill_correct", "last_qty", 0), ("order_restate", "leaves_qty", -1),
        ("fill", "cum_qty", -1), ("fill", "leaves_qty", -1), ("parent_fill", "cum_qty", -0.1), ("mark", "adv", -1),
        ("mark", "shares_out", -1), ("instrument", "multiplier", 0), ("fx", "usd", 0), ("error", "count", -1),
        ("order_new", "ts", 0), ("order_new", "ts", -1), ("order_new", "ts", 1 << 63), ("order_new", "ts", 1 << 64),
        ("order_new", "ts", 10**30), ("order_new", "arrival_ts", 0), ("order_new", "arrival_ts", 1 << 63),
    ],
)  # fmt: skip
def test_signs_and_ranges(kind, field, value):
    assert broken({"kind": kind, "ts": TS, **LEAST[kind], field: value}) == (field, "out_of_range")


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("order_restate", "leaves_qty", 0), ("fill", "cum_qty", 0), ("mark", "adv", 0), ("mark", "shares_out", 0),
        ("mark", "price", 0), ("mark", "price", -37.63), ("order_new", "price", -1), ("position", "qty", -1e9),
        ("order_new", "ts", (1 << 63) - 1), ("order_new", "ts", 1), ("order_new", "seq", 0), ("fill", "last_px", 0),
    ],
)  # fmt: skip
def test_zero_and_below_where_it_is_allowed(kind, field, value):
    row_of({"kind": kind, "ts": TS, **LEAST[kind], field: value})


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        (b"1", 100_000_000), (b"1.0", 100_000_000), (b"1e2", 10_000_000_000), (b"1E-8", 1), (b"0.00000001", 1),
        (b"92233720368.54775807", (1 << 63) - 1), (b"0.30000000000000004", 30_000_000), (b"-0.0", 0), (b"0e999", 0),
        (b"0.000000005", 0), (b"0.000000015", 2), (b"0.000000025", 2), (b"0.0000000050000000001", 1),
        (b"-0.000000015", -2), (b"236.470000000000001", 23_647_000_000), (b"1e-400", 0), (b"-1e-99999999999", 0),
        (b"0." + b"0" * 400 + b"1", 0), (b"1000000000000e-12", 100_000_000), (b"0.123456785", 12_345_678),
        (b"0.123456775", 12_345_678), (b"9.99999999499", 999_999_999), (b"9.9999999950000000000", 1_000_000_000),
    ],
)  # fmt: skip
def test_numbers_are_rounded_half_to_even_at_one_hundred_millionth(text, fixed):
    event = b'{"kind":"mark","ts":1,"symbol":"X","price":%s}' % text
    assert row_of(event)[ev.PRICE] == fixed


@pytest.mark.parametrize(
    "text",
    [b"92233720368.54775808", b"-92233720368.54775808", b"1e11", b"1e400", b"1e99999999999", b"9" * 5000],
)
def test_numbers_that_do_not_fit_are_broken(text):
    assert broken(b'{"kind":"mark","ts":1,"symbol":"X","price":%s}' % text) == ("price", "overflow")
    assert broken(
        b'{"kind":"mark","ts":1,"symbol":"X","price":1,"seq":%s}' % (text.split(b".")[0] + b"0" * 9)
    )[1] == ("overflow")


@pytest.mark.parametrize(
    "text", [b"17", b"17.0", b"17.000", b"1.7e1", b"170e-1", b"17E0", b"17." + b"0" * 300]
)
def test_integers_may_be_written_with_a_point(text):
    assert row_of(b'{"kind":"mark","ts":1,"symbol":"X","price":1,"seq":%s}' % text)[ev.SEQ] == 17


@pytest.mark.parametrize("text", [b"17.5", b"1e-1", b"17.00000000000000000001", b"1e-400"])
def test_integers_are_whole(text):
    assert broken(b'{"kind":"mark","ts":1,"symbol":"X","price":1,"seq":%s}' % text) == ("seq", "wrong_type")


def test_a_ts_keeps_its_last_nanosecond():
    assert row_of(ORDER, ts=TS + 1)[ev.TS] == TS + 1
    assert row_of(b'{"kind":"mark","ts":%d.0,"symbol":"X","price":1}' % (TS + 1))[ev.TS] == TS + 1


@pytest.mark.parametrize(("length", "fits"), [(0, False), (1, True), (64, True), (65, False)])
@pytest.mark.parametrize("field", ["order_id", "parent_id", "account", "symbol", "host", "session", "venue"])
def test_ids_have_1_to_64_bytes(field, length, fits):
    event = {**ORDER, field: "x" * length}
    assert row_of(event) is not None if fits else broken(event) == (field, "out_of_range")


def test_lengths_are_bytes_of_utf_8():
    assert row_of({**ORDER, "order_id": "é" * 32}) is not None
    assert broken({**ORDER, "order_id": "é" * 33}) == ("order_id", "out_of_range")
    reject = {"kind": "order_reject", "ts": TS, "order_id": "C"}
    assert row_of({**reject, "reason": "é" * 256}) is not None
    assert broken({**reject, "reason": "é" * 256 + "x"}) == ("reason", "out_of_range")
    assert row_of({**reject, "reason": ""})[ev.REASON] == 0


def test_flags_are_at_most_32_strings():
    assert row_of(ORDER, flags=["f"] * 32)[ev.FLAGS] > 0
    assert row_of(ORDER, flags=[])[ev.FLAGS] > 0, "says none, which absent does not"
    assert broken({**ORDER, "flags": ["f"] * 33}) == ("flags", "out_of_range")
    assert broken({**ORDER, "flags": ["f", 1]}) == ("flags[1]", "wrong_type")
    assert broken({**ORDER, "flags": [None]}) == ("flags[0]", "wrong_type")


def test_before_and_after_of_a_limit_change_are_kept_as_text():
    decoder = Decoder(Names())
    for value, text in (
        (2_000_000, "2000000"),
        ("5", "5"),
        (True, "true"),
        ({"gross": 1.50}, '{"gross":1.5}'),
        ([1], "[1]"),
    ):
        event = {"kind": "limit_change", "ts": TS, **LEAST["limit_change"], "before": value, "after": value}
        (row,) = decoded(event, decoder=decoder).batch.rows
        assert decoder.names.text(nm.VALUE, row[ev.BEFORE]) == text
        assert row[ev.BEFORE] == row[ev.AFTER]


def test_a_record_is_at_most_64_kib():
    fits = written({**ORDER, "pad": ""})
    fits = fits.replace(b'"pad":""', b'"pad":"' + b"x" * (65_536 - len(fits)) + b'"')
    assert len(fits) == 65_536
    assert row_of(fits) is not None
    assert broken(fits + b" ") == ("", "too_large")
    assert broken(b"[" * 70_000) == ("", "too_large")


def test_a_record_is_at_most_16_levels_deep():
    def nested(levels):
        return b'{"kind":"mark","ts":1,"symbol":"X","price":1,"x":' + b"[" * levels + b"]" * levels + b"}"

    assert row_of(nested(15)) is not None
    assert broken(nested(16)) == ("", "too_deep")
    assert broken(nested(30_000)) == ("", "too_deep")
    assert row_of(written({**ORDER, "x": "[" * 100})) is not None, "brackets in a string are no levels"


BASE = b'{"kind":"mark","ts":1,"symbol":"X","price":1'


@pytest.mark.parametrize(
    "more",
    [
        b',"price":1}', b',"price":null}', b',"x":1,"x":1}', b',"x":{"a":1,"a":2}}', b',"x":[{"a":1,"b":2,"a":3}]}',
        b',"pric\\u0065":1}', b',"x":1,"\\u0078":2}', b',"host":null,"host":"h"}', b',"":1,"":1}',
    ],
)  # fmt: skip
def test_of_a_duplicate_key_the_record_is_broken(more):
    assert broken(BASE + more) == ("", "duplicate_key")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"\xef\xbb\xbf" + BASE + b"}", "encoding"), (b"\xff\xfe{\x00}\x00", "encoding"),
        (BASE + b',"x":"\xff"}', "encoding"), (BASE + b',"host":"\xed\xa0\x80"}', "encoding"),
        (BASE + b',"x":"\xc0\x80"}', "encoding"),
        (BASE + b"}{}", "not_json"), (BASE + b"}" + BASE + b"}", "not_json"), (BASE + b"} x", "not_json"),
        (BASE + b",}", "not_json"), (BASE, "not_json"), (b"{", "not_json"), (b"{}{}", "not_json"),
        (BASE + b',"x":NaN}', "not_json"), (BASE + b',"x":Infinity}', "not_json"), (BASE + b',"x":-Infinity}', "not_json"),
        (BASE + b',"x":01}', "not_json"), (BASE + b',"x":.5}', "not_json"), (BASE + b',"x":5.}', "not_json"),
        (BASE + b',"x":+5}', "not_json"), (BASE + b',"x":"\n"}', "not_json"), (BASE + b",'x':1}", "not_json"),
        (BASE + b',"x":"\\ud800"}', "not_json"), (BASE + b',"x":"\\udc00"}', "not_json"),
        (BASE + b',"x":"\\x41"}', "not_json"), (BASE + b',"x":True}', "not_json"), (BASE + b"}\x00", "not_json"),
        (b"\x0b" + BASE + b"}", "not_json"), (BASE + b',"x":tru}', "not_json"), (BASE + b',"x":nul', "not_json"),
        (b"[]", "not_object"), (b'"x"', "not_object"), (b"1", "not_object"), (b"null", "not_object"),
        (b"[" + BASE + b"}]", "not_object"), (b"{}", "missing"), (b"\xff\xff\xff\xffx", "not_arrow"),
    ],
)  # fmt: skip
def test_what_is_no_event(record, reason):
    assert broken(record)[1] == reason


def test_white_space_and_escapes_mean_nothing():
    loose = b'\t{ "kind" :\r\n"mark", "ts": 1 , "symbol":"\\u0058","price": 1}  \r\n'
    assert (row_of(loose) == row_of(BASE + b"}")).all()


def test_a_parent_that_is_written_with_escapes_still_has_its_text():
    batch = decoded(
        {**ORDER, "parent_id": "plain"}, {**ORDER, "parent_id": 'q"é'}, {**ORDER, "parent_id": "last"}
    ).batch
    texts = [
        batch.text[at >> 8 : (at >> 8) + (at & 255)].tobytes().decode() for at in batch.rows[:, ev.PARENT_AT]
    ]
    assert texts == ["plain", 'q"é', "last"]
    assert [tuple(pair) for pair in batch.rows[:, [ev.PARENT_HI, ev.PARENT_LO]]] == [
        nm.id_hash(text) for text in texts
    ]


def test_an_empty_record_is_nothing_and_the_stream_goes_on_behind_a_broken_one():
    result = decoded(ORDER, b"", b" \r\n", b"{", {"kind": "x", "ts": 1}, ORDER)
    assert result.batch.rows[:, ev.OFFSET].tolist() == [0, 5]
    assert [bad.offset for bad in result.quarantined] == [3]
    assert (result.passed_over, result.events) == (1, 3)


def test_nothing_decodes_to_nothing():
    result = decoded()
    assert (len(result.batch), result.events, result.quarantined) == (0, 0, ())
    assert len(Decoder(Names()).decode_lines(b"", 0).batch) == 0


def test_lines_are_numbered_from_one_and_arrival_is_believed_in_a_file_only():
    event = {**ORDER, "arrival_ts": 77}
    text = b"\n" + written(event) + b"\r\n\n" + b"nonsense\n" + written(ORDER)
    result = Decoder(Names()).decode_lines(text, 3)
    assert result.batch.rows[:, ev.OFFSET].tolist() == [2, 5]
    assert result.batch.rows[:, ev.ARRIVAL].tolist() == [77, 0]
    assert result.batch.rows[:, ev.PART].tolist() == [3, 3]
    assert [(bad.part, bad.offset) for bad in result.quarantined] == [(3, 4)]
    assert row_of(event)[ev.ARRIVAL] == 0, "of a log, the broker's time counts"
    assert Decoder(Names()).decode_lines(written(ORDER), 0, first_line=9).batch.rows[0, ev.OFFSET] == 9


def test_what_is_not_allowed_on_a_topic_is_quarantined():
    decoder = Decoder(Names())
    decoder.allow(1, sources=["market", "oms"], kinds=["mark", "fx"])
    mark = {"kind": "mark", "ts": TS, **LEAST["mark"]}
    records = [{**mark, "source": "market"}, mark, {**mark, "source": "fleet"}, {**ORDER, "source": "oms"}]
    records += [{"kind": "weather", "ts": 1, "source": "oms"}]
    for part, accepted in ((1, 1), (0, 4)):
        result = decoder.decode([written(r) for r in records], part, np.arange(5), None)
        assert len(result.batch) == accepted
    result = decoder.decode([written(r) for r in records], np.array([1, 1, 1, 1, 1]), np.arange(5), None)
    assert [(bad.offset, bad.path, bad.reason) for bad in result.quarantined] == [
        (1, "source", "not_allowed"),
        (2, "source", "not_allowed"),
        (3, "kind", "not_allowed"),
        (4, "kind", "not_allowed"),
    ]
    assert decoder.names.count(nm.ACCOUNT) == 1, "what is not accepted leaves no name behind"
    with pytest.raises(ValueError, match="'gossip' is no kind"):
        decoder.allow(0, kinds=["gossip"])


def test_a_broken_record_leaves_no_name_behind():
    decoder = Decoder(Names())
    decoded({**ORDER, "host": "h", "qty": 0}, {**ORDER, "account": "é", "side": "?"}, decoder=decoder)
    assert [decoder.names.count(kind) for kind in range(nm.KINDS)] == [0] * nm.KINDS


def mixed(count):
    """Events of all kinds, some broken, some unknown."""
    some = [{"kind": kind, "ts": TS, **fields} for kind, fields in LEAST.items()]
    some += [
        {**ORDER, "host": "é", "flags": ["a"]},
        {"kind": "new", "ts": 5},
        {**ORDER, "qty": 0},
        {**ORDER, "price": 1e-9},
    ]
    return [
        {
            **some[n % len(some)],
            "host": f"h{n % 7}",
            "parent_id": f"P{n % 5}",
            "seq": n,
            "reason": "r" * (n % 3),
        }
        for n in range(count)
    ]


def test_where_the_records_are_cut_changes_nothing():
    records = [written(event) for event in mixed(200)]
    whole, cut = Decoder(Names()), Decoder(Names())
    at_once = whole.decode(records, 0, np.arange(200), None)
    rows, quarantined, passed = [], [], 0
    for start, end in ((0, 1), (1, 2), (2, 77), (77, 77), (77, 150), (150, 200)):
        piece = cut.decode(records[start:end], 0, np.arange(start, end), None)
        rows.append(piece.batch.rows)
        quarantined += piece.quarantined
        passed += piece.passed_over
    together = np.concatenate(rows)
    assert (np.delete(together, ev.PARENT_AT, 1) == np.delete(at_once.batch.rows, ev.PARENT_AT, 1)).all()
    assert (tuple(quarantined), passed) == (at_once.quarantined, at_once.passed_over)
    assert passed
    assert quarantined
    for name, table in whole.names.snapshot().items():
        assert (cut.names.snapshot()[name] == table).all()


def same_rows(one, other, names, other_names):
    """Whether two batches say the same; codes may differ, texts not."""
    assert one.rows.shape == other.rows.shape
    kinds = {
        field.column: field.more
        for field in sf.FIELDS
        if field.type in (sf.Type.NAME, sf.Type.TEXT, sf.Type.ANY)
    }
    kinds[ev.FLAGS] = nm.FLAG_SET
    for a, b in zip(one.rows.tolist(), other.rows.tolist(), strict=True):
        for column in range(ev.COLUMNS):
            if column in kinds:
                assert names.text(kinds[column], a[column]) == other_names.text(kinds[column], b[column])
            elif column == ev.PARENT_AT:
                assert parent(one, a) == parent(other, b)
            else:
                assert a[column] == b[column], column


def parent(batch, row):
    return batch.text[row[ev.PARENT_AT] >> 8 : (row[ev.PARENT_AT] >> 8) + (row[ev.PARENT_AT] & 255)].tobytes()


def arrow(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=50)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("how", ["plain", "dictionary", "large", "integers as floats", "no schema"])
def test_an_arrow_stream_says_what_the_same_events_in_json_say(how):
    events = mixed(300)
    from monitor.edge.files import _arrow_type

    schema = pa.schema([pa.field(field.name, _arrow_type(field)) for field in sf.FIELDS])
    if how == "no schema":
        table = pa.Table.from_pylist(
            [{**dict.fromkeys(field.name for field in sf.FIELDS), **e} for e in events]
        )
    else:
        table = pa.Table.from_pylist(events, schema)
    if how not in {"plain", "no schema"}:
        for index, field in enumerate(sf.FIELDS):
            column = table.column(index)
            if how == "dictionary" and column.type == pa.string():
                table = table.set_column(index, field.name, column.dictionary_encode())
            elif how == "large" and column.type == pa.string():
                table = table.set_column(index, field.name, column.cast(pa.large_string()))
            elif how == "integers as floats" and field.name in ("seq", "count", "clock_bound_ns"):
                table = table.set_column(index, field.name, column.cast(pa.float64()))
    one, other = Decoder(Names()), Decoder(Names())
    records = [written(event) for event in events]
    raw = arrow(table)
    result = one.decode([records[0], raw, records[1]], 2, np.array([8, 9, 10]), np.array([5, 5, 5]))
    expected = other.decode(
        [records[0], *records, records[1]], 2, np.array([8, *[9] * 300, 10]), np.full(302, 5)
    )
    assert result.passed_over == expected.passed_over > 0
    told = [(bad.part, bad.offset, bad.path, bad.reason) for bad in result.quarantined]
    assert told == [(bad.part, bad.offset, bad.path, bad.reason) for bad in expected.quarantined] != []
    assert all(json.loads(bad.raw)["kind"] == "order_new" for bad in result.quarantined)
    same_rows(result.batch, expected.batch, one.names, other.names)


def test_an_arrow_stream_that_is_cut_or_forged_is_quarantined_whole():
    raw = arrow(pa.Table.from_pylist(mixed(100)))
    for length in (4, 5, 100, len(raw) // 2):
        assert broken(raw[:length])[1] == "not_arrow"
    twice = pa.Table.from_arrays([pa.array(["mark"]), pa.array(["fx"])], names=["kind", "kind"])
    assert broken(arrow(twice))[1] == "duplicate_key"
    offsets = pa.array([0, 4], pa.int32()).buffers()[1]
    forged = pa.StringArray.from_buffers(1, offsets, pa.py_buffer(b"ma\xffk"))
    assert broken(arrow(pa.Table.from_arrays([forged], names=["kind"])))[1] == "not_arrow"


def test_numbers_of_a_float_column_are_the_decimals_that_name_them():
    rng = np.random.default_rng(7)
    prices = [0.1 + 0.2, 236.47, 5e-9, 1.5e-8, 2.5e-8, 1e10 + 0.5, 92233720368.0, 0.123456785, 1e-300, -0.0]
    prices += (
        list(np.round(rng.uniform(0, 1e6, 500), 8))
        + list(rng.uniform(-1e7, 1e7, 500))
        + [np.pi * 10**n for n in range(10)]
    )
    events = [{"kind": "mark", "ts": 1, "symbol": "X", "price": float(price)} for price in prices]
    fixed = Decoder(Names()).decode_table(pa.Table.from_pylist(events), 0).batch.rows[:, ev.PRICE]
    assert fixed.tolist() == decoded(*events).batch.rows[:, ev.PRICE].tolist()


def test_columns_of_other_types_are_judged_row_by_row():
    from decimal import Decimal

    table = pa.table(
        {
            "kind": ["mark"] * 4,
            "ts": pa.array([1, 2, 3, 1 << 63], pa.uint64()),
            "symbol": ["X"] * 4,
            "price": pa.array(
                [Decimal("1.5"), Decimal("0.000000025"), None, Decimal(1)], pa.decimal128(20, 9)
            ),
            "host": pa.array([None, b"h", None, None]),
        }
    )
    result = Decoder(Names()).decode_table(table, 0, first_row=10)
    assert result.batch.rows[:, [ev.OFFSET, ev.PRICE]].tolist() == [[10, 150_000_000]]
    assert [(bad.offset, bad.path, bad.reason) for bad in result.quarantined] == [
        (11, "host", "wrong_type"),
        (12, "price", "missing"),
        (13, "ts", "out_of_range"),
    ]


def test_a_table_is_held_to_what_its_topic_allows():
    decoder = Decoder(Names())
    decoder.allow(0, kinds=["mark"], sources=["market"])
    table = pa.Table.from_pylist(
        [{"kind": "mark", "ts": 1, "symbol": "X", "price": 1.0, "source": "market"}] * 2
    )
    table = table.set_column(0, "kind", pa.array(["mark", "instrument"]))
    result = decoder.decode_table(table, 0)
    assert len(result.batch) == 1
    assert [(bad.offset, bad.reason) for bad in result.quarantined] == [(2, "not_allowed")]


def test_parquet_is_read_as_it_was_written(tmp_path):
    events = [event for event in mixed(500) if event.get("qty") != 0]
    path = tmp_path / "day.parquet"
    with open_writer(path) as writer:
        writer.write(events)
    one, other = Decoder(Names()), Decoder(Names())
    (piece,) = read(path)
    result = one.decode_table(piece.table, 1, piece.first_row)
    expected = other.decode([written(e) for e in events], 1, np.arange(1, len(events) + 1), None)
    assert result.quarantined == ()
    same_rows(result.batch, expected.batch, one.names, other.names)


def test_warming_up_leaves_no_kernel_to_compile():
    kernels = [scan.scan, *(getattr(scan_table, name) for name in KERNELS)]
    warm_up()
    before = [len(kernel.signatures) for kernel in kernels]
    assert all(before)
    decoder = Decoder(Names())
    for table in (pa.Table.from_pylist(mixed(100)), pa.Table.from_pylist(mixed(5))):
        kinds = table.column("kind").dictionary_encode()
        for one in (table, table.set_column(table.column_names.index("kind"), "kind", kinds)):
            decoder.decode_table(one, 0)
            decoder.decode([arrow(one)], np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones(1, np.int64))
    decoder.decode([], 0, np.zeros(0, np.int64), None)
    assert [len(kernel.signatures) for kernel in kernels] == before


DATA = Path(os.environ.get("KNIGHTWATCH_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.parametrize(("name", "events"), [("abides", 197_185), ("bitstamp", 75_350)])
def test_recordings_that_others_made_are_accepted_whole(name, events):
    path = DATA / f"{name}.ndjson.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there; KNIGHTWATCH_DATA names its folder")
    decoder = Decoder(Names())
    quarantined, accepted = [], 0
    for piece in read(path):
        result = decoder.decode_lines(piece.text, 0, piece.first_line)
        quarantined += result.quarantined
        accepted += result.events
    assert (quarantined, accepted) == ([], events)
    with gzip.open(path) as lines:
        first = json.loads(next(lines))
    assert first["ts"] > 0
