"""The compiled scanner of the contract's flat objects: what is ordinary, and nothing else.

    scan(joined records)  ->  rows, until a record that it does not recognise at once

It never says that a record is broken.  An escape, a byte over 0x7F, an exponent, a nested value, a key
that may be given twice, a check that fails: it stops there, and the judge decides.  So it may be fast
and narrow, and what it accepts must be what the judge accepts, with the same row (test_scan_fuzz).

It eats what strangers send: array bounds are checked in service too.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: ANN001, ANN201, ANN202, PLR1714, SIM109  kernels are typed by numba at their first call

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors.kernel import compiled_with_bounds, inlined, inlined_with_bounds
from detectors.names import hash_id, intern
from monitor.core import scan_fields as sf
from monitor.core.scan_reason import unnumbered
from monitor.core.scan_tokens import ARRAY, FALSE, NUMBER, STRING, TRUE, cut, skip
from monitor.core.scan_words import LISTS, QUOTE, string_end, vocabulary

ACCEPTED: Final = 1
PASSED_OVER: Final = 2
NOTHING: Final = 3
JUDGE: Final = 0

FLAGS_BYTES_MAX: Final = 4_096  # also room for a reason: no kind has both
assert not (sf.HAS[:, sf.FIELD_OF["flags"]] & sf.HAS[:, sf.FIELD_OF["reason"]]).any()

# Columns of `state`: the next record, rows filled, kinds passed over, a serial number for each record.
RECORD, FILLED, PASSED, SERIAL = range(4)
STATE_COLUMNS: Final = 4

_INT64_MAX: Final = (1 << 63) - 1
_POWER: Final = np.array([10**n for n in range(19)], np.int64)
_LIMIT: Final = np.array(
    [_INT64_MAX // 10 ** (8 - n) for n in range(9)], np.int64
)  # digits that fit, by decimals

_TYPE: Final = np.array([field.type for field in sf.FIELDS], np.int64)
_COLUMN: Final = np.array([field.column for field in sf.FIELDS], np.int64)
_MORE: Final = np.array([field.more for field in sf.FIELDS], np.int64)
TEXT_BYTES_MAX: Final = np.array(
    [
        min(field.bytes_max, nm.bytes_kept(field.more))
        if field.type in (sf.Type.TEXT, sf.Type.ANY)
        else field.bytes_max
        for field in sf.FIELDS
    ],
    np.int64,
)
_HAS: Final = sf.HAS
_NEEDS_MAX: Final = max(len(fields) for fields in sf.REQUIRED)
_NEEDS: Final = np.array([(*fields, *(-1,) * (_NEEDS_MAX - len(fields))) for fields in sf.REQUIRED], np.int64)
_COMMON: Final = len(sf.COMMON)
_SIGNED_KIND, _SIGNED_FIELD = sf.SIGNED
_TEMPLATE: Final = sf.TEMPLATE
# PHASES[kind]: the first and the last phase that the kind may be in.
_PHASES: Final = np.zeros((sf.KINDS, 2), np.int64)
for _kind, _range in sf.PHASES_OF.items():
    _PHASES[_kind] = (_range[0], _range[-1])

# Numbers, so that compiled code compares integers.
_T_INTEGER, _T_NUMBER, _T_BOOLEAN = int(sf.Type.INTEGER), int(sf.Type.NUMBER), int(sf.Type.BOOLEAN)
_T_NAME, _T_TEXT, _T_ID, _T_WORD = int(sf.Type.NAME), int(sf.Type.TEXT), int(sf.Type.ID), int(sf.Type.WORD)
_T_DATE, _T_FLAGS, _T_ANY = int(sf.Type.DATE), int(sf.Type.FLAGS), int(sf.Type.ANY)
_POSITIVE, _NOT_NEGATIVE = int(sf.Sign.POSITIVE), int(sf.Sign.NOT_NEGATIVE)


@compiled_with_bounds
def _compact(text, words, at, end, flags_text):
    """Write an array without its white space; its length, or -1 if it is long or has over 32 strings."""
    size = 0
    count = 0
    while at < end:
        byte = text[at]
        if byte == QUOTE:
            close = string_end(words, at + 1, end)
            count += 1
            if count > sf.FLAGS_MAX or size + close + 1 - at > FLAGS_BYTES_MAX:
                return -1
            while at <= close:
                flags_text[size] = text[at]
                size += 1
                at += 1
        else:
            if byte > 32:
                if size >= FLAGS_BYTES_MAX:
                    return -1
                flags_text[size] = byte
                size += 1
            at += 1
    return size


@inlined_with_bounds
def day_of(text, at):
    """Days since 1970-01-01 of YYYY-MM-DD, or a number below all of them."""
    for index in range(10):
        byte = text[at + index]
        if index == 4 or index == 7:
            if byte != 45:
                return ev.NONE
        elif byte < 48 or byte > 57:
            return ev.NONE
    year = (
        np.int64(text[at]) * 1000
        + np.int64(text[at + 1]) * 100
        + np.int64(text[at + 2]) * 10
        + np.int64(text[at + 3])
        - 48 * 1111
    )
    month = np.int64(text[at + 5]) * 10 + np.int64(text[at + 6]) - 48 * 11
    day = np.int64(text[at + 8]) * 10 + np.int64(text[at + 9]) - 48 * 11
    if year < 1 or month < 1 or month > 12 or day < 1:
        return ev.NONE
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    longest = 31
    if month == 2:
        longest = 29 if leap else 28
    elif month == 4 or month == 6 or month == 9 or month == 11:
        longest = 30
    if day > longest:
        return ev.NONE
    # Years that begin in March, so that the leap day is a year's last.
    shifted = year if month > 2 else year - 1
    in_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + in_year - 719_468


@inlined_with_bounds
def _fixed(digits, decimals):
    """Digits with a decimal point to fixed point 1e-8, half to even; -1 if that is over int64."""
    if decimals <= 8:
        return digits * _POWER[8 - decimals] if digits <= _LIMIT[decimals] else -1
    power = _POWER[decimals - 8]
    whole = digits // power
    over = digits - whole * power
    half = power // 2
    return whole + 1 if over > half or (over == half and whole & 1 != 0) else whole


@inlined_with_bounds
def _fill(text, words, kind, count, tokens, row, flags_text):
    """Check the tokens and write the numbers of the row.  False for the judge.

    Names are not interned yet: a record that is not accepted leaves none behind.
    """
    for token in range(count):
        field = tokens[token, 0]
        if kind == 0 and field >= _COMMON:
            continue
        has = _HAS[kind, field]
        what = tokens[token, 1]
        start = tokens[token, 2]
        length = tokens[token, 3]
        column = _COLUMN[field]
        more = _MORE[field]
        sort = _TYPE[field]
        if sort == _T_INTEGER or sort == _T_NUMBER:
            if what != NUMBER:
                return False
            if sort == _T_INTEGER:
                value = start
                if length > 0:
                    power = _POWER[length]
                    if value % power != 0:
                        return False
                    value //= power
            elif has:
                value = _fixed(start, length)
                if value < 0:
                    return False
                if kind == _SIGNED_KIND and field == _SIGNED_FIELD:
                    more = 0
            if has:
                if tokens[token, 4] != 0:
                    value = -value
                if (more == _POSITIVE and value <= 0) or (more == _NOT_NEGATIVE and value < 0):
                    return False
                row[column] = value
        elif sort == _T_BOOLEAN:
            if what == TRUE:
                if has:
                    row[column] |= more
            elif what != FALSE:
                return False
        elif sort == _T_FLAGS:
            if what != ARRAY:
                return False
            if has:
                size = _compact(text, words, start, start + length, flags_text)
                if size < 0:
                    return False
                tokens[token, 3] = size
        elif what != STRING:
            if has or sort != _T_ANY:
                return False
        elif has:
            if sort == _T_WORD:
                code = vocabulary(words, start, length, LISTS + more)
                if code == 0 or (column == ev.PHASE and (code < _PHASES[kind, 0] or code > _PHASES[kind, 1])):
                    return False
                row[column] = code
            elif sort == _T_DATE:
                day = day_of(text, start) if length == 10 else ev.NONE
                if day == ev.NONE:
                    return False
                row[column] = day
            elif length > TEXT_BYTES_MAX[field]:
                return False
            elif sort == _T_ID:
                if length == 0:
                    return False
                if column >= 0:
                    high, low = hash_id(words, start, length)
                    if column == ev.MATCH:
                        row[column] = high if high != 0 else low
                    else:
                        row[column] = high
                        row[column + 1] = low
                        if column == ev.PARENT_HI:
                            row[ev.PARENT_AT] = start << 8 | length
            elif sort == _T_NAME and length == 0:
                return False
    return True


@inlined_with_bounds
def _one(text, words, start, end, kinds, sources, tokens, stamps, others, habits, serial, row, flags_text):
    """Read one record into its row, names excepted.  ACCEPTED comes with four times its tokens."""
    if end - start > sf.RECORD_BYTES_MAX:
        return JUDGE
    count, kind = cut(text, words, start, end, tokens, stamps, others, habits, serial)
    if count < 0:
        return NOTHING if skip(text, start, end) == end else JUDGE
    if kind < 0 or stamps[sf.TS_FIELD] != serial or (kinds >> kind) & 1 == 0:
        return JUDGE
    for index in range(_NEEDS_MAX):
        need = _NEEDS[kind, index]
        if need < 0:
            break
        if stamps[need] != serial:
            return JUDGE
    if not _fill(text, words, kind, count, tokens, row, flags_text):
        return JUDGE
    if kind == 0:
        return PASSED_OVER
    if (sources >> row[ev.SOURCE]) & 1 == 0:
        return JUDGE
    row[ev.KIND] = kind
    if stamps[sf.TRADE_DATE_FIELD] != serial:
        row[ev.TRADE_DATE] = row[ev.TS] // sf.DAY_NS
    return ACCEPTED | count << 2


@inlined
def _clear(row):
    """Here and not for a whole batch: a row is written once more while it is still at hand."""
    for column in range(ev.COLUMNS):
        row[column] = _TEMPLATE[column]


@compiled_with_bounds
def scan(
    text, words, starts, ends, parts, offsets, arrivals, allowed, rows, state,
    tokens, stamps, others, habits, flags_text, flags_words, slots, lengths, arena, counts,
):  # fmt: skip
    """Read records from state[RECORD] on, until the end or one for the judge; each row is written whole.

    `arrivals` is empty where the field `arrival_ts` is believed.
    """
    records = starts.size
    while state[RECORD] < records:
        record = state[RECORD]
        state[SERIAL] += 1
        row = rows[state[FILLED]]
        _clear(row)
        part = parts[record]
        answer = _one(
            text, words, starts[record], ends[record], allowed[part, 0], allowed[part, 1],
            tokens, stamps, others, habits, state[SERIAL], row, flags_text,
        )  # fmt: skip
        if answer == JUDGE:
            return
        state[RECORD] = record + 1
        if answer == NOTHING:
            continue
        if answer == PASSED_OVER:
            state[PASSED] += 1
            continue
        kind = row[ev.KIND]
        for token in range(answer >> 2):
            field = tokens[token, 0]
            sort = _TYPE[field]
            if not _HAS[kind, field]:
                continue
            is_reason = _MORE[field] == nm.REASON and sort == _T_TEXT
            if sort == _T_FLAGS or is_reason:
                size = tokens[token, 3]
                if is_reason:
                    size = unnumbered(text, tokens[token, 2], size, flags_text)
                row[_COLUMN[field]] = intern(
                    flags_words, 0, size, _MORE[field], slots, lengths, arena, counts
                )
            elif sort == _T_NAME or sort == _T_TEXT or sort == _T_ANY:
                row[_COLUMN[field]] = intern(
                    words, tokens[token, 2], tokens[token, 3], _MORE[field], slots, lengths, arena, counts
                )
        row[ev.PART] = part
        row[ev.OFFSET] = offsets[record]
        if arrivals.size:
            row[ev.ARRIVAL] = arrivals[record]
        state[FILLED] += 1
