# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: ANN001, ANN201, ANN202, PLR1714  kernels are typed by numba at their first call
"""One flat object cut into tokens: which field, and what its value is.

A producer writes the keys of a kind in one order, with the same white space.  So what stood between the
value before and this one is remembered (`habits`), and where the same bytes stand there again, they mean
what they meant: the field is known after one comparison.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.kernel import inlined_with_bounds
from detectors.names import first_bytes, hash_id, word_at
from monitor.core import scan_fields as sf
from monitor.core.scan_words import KEYS, KINDS, QUOTE, string_end, vocabulary

# What a value is.
STRING, NUMBER, TRUE, FALSE, ARRAY = range(5)
# A token: field, what it is, start or digits, length or decimals, 1 if negative.
TOKENS_SHAPE: Final = (len(sf.FIELDS) + 1, 5)
OTHERS_MAX: Final = 8  # keys that the contract does not name; an event with more goes to the judge

# A habit, by kind (0: not yet known) and field before: how many bytes, the field they announce, the bytes.
HABIT_BYTES_MAX: Final = 32
_BEFORE: Final = len(sf.FIELDS) + 1  # the fields, and the beginning of the record
_BEGIN: Final = len(sf.FIELDS)
HABITS_SHAPE: Final = (sf.KINDS * _BEFORE, 2 + HABIT_BYTES_MAX // 8)

_INT64_MAX: Final = np.uint64((1 << 63) - 1)
_TEN: Final = np.uint64(10)
_HUNDRED_MILLION: Final = np.uint64(100_000_000)
_TRUE_WORD: Final = np.uint64(int.from_bytes(b"true", "little"))
_NULL_WORD: Final = np.uint64(int.from_bytes(b"null", "little"))
_FALSE_WORD: Final = np.uint64(int.from_bytes(b"false", "little"))
_IS_FLAGS: Final = np.array([field.type is sf.Type.FLAGS for field in sf.FIELDS])

_ZEROS: Final = np.uint64(0x3030303030303030)
_TO_TEN: Final = np.uint64(0x0606060606060606)
_UPPER: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_EIGHT: Final = np.uint64(8)
_SIXTEEN: Final = np.uint64(16)
_THIRTY_TWO: Final = np.uint64(32)
_PAIRS: Final = np.uint64(0x000000FF000000FF)
_BY_HUNDREDS: Final = np.uint64(100 + (1_000_000 << 32))
_BY_ONES: Final = np.uint64(1 + (10_000 << 32))


@inlined_with_bounds
def skip(text, at, end):
    """The next byte that is not white space."""
    while at < end:
        byte = text[at]
        if byte > 32 or (byte != 32 and byte != 10 and byte != 13 and byte != 9):
            return at
        at += 1
    return at


@inlined_with_bounds
def _eight_digits(word):
    """The number that eight digits write."""
    word -= _ZEROS
    word = word * _TEN + (word >> _EIGHT)
    return ((word & _PAIRS) * _BY_HUNDREDS + ((word >> _SIXTEEN) & _PAIRS) * _BY_ONES) >> _THIRTY_TWO


@inlined_with_bounds
def _number(text, words, at, end, tokens, token):
    """Read a number of at most 19 digits and no exponent; where it ends, or -1."""
    negative = 0
    if text[at] == 45:  # -
        negative = 1
        at += 1
        if at >= end:
            return -1
    digits = np.uint64(0)
    first = at
    while at + 8 <= end:
        word = word_at(words, at)
        if (word & _UPPER) != _ZEROS or ((word + _TO_TEN) & _UPPER) != _ZEROS:
            break
        digits = digits * _HUNDRED_MILLION + _eight_digits(word)
        at += 8
    while at < end:
        byte = text[at]
        if byte < 48 or byte > 57:
            break
        digits = digits * _TEN + np.uint64(byte - 48)
        at += 1
    whole = at - first
    if whole == 0 or whole > 19 or (whole > 1 and text[first] == 48):
        return -1
    decimals = 0
    if at < end and text[at] == 46:  # .
        at += 1
        first = at
        while at < end:
            byte = text[at]
            if byte < 48 or byte > 57:
                break
            digits = digits * _TEN + np.uint64(byte - 48)
            at += 1
        decimals = at - first
        if decimals == 0 or whole + decimals > 19:
            return -1
    if digits > _INT64_MAX or (at < end and (text[at] == 101 or text[at] == 69)):  # e E
        return -1
    tokens[token, 1] = NUMBER
    tokens[token, 2] = np.int64(digits)
    tokens[token, 3] = decimals
    tokens[token, 4] = negative
    return at


@inlined_with_bounds
def _array_end(text, words, at, end):
    """Where an array of ordinary strings ends (behind its bracket), or -1."""
    at = skip(text, at + 1, end)
    if at < end and text[at] == 93:  # ]
        return at + 1
    while at < end and text[at] == QUOTE:
        close = string_end(words, at + 1, end)
        if close < 0:
            return -1
        at = skip(text, close + 1, end)
        if at >= end:
            return -1
        if text[at] == 93:
            return at + 1
        if text[at] != 44:  # ,
            return -1
        at = skip(text, at + 1, end)
    return -1


@inlined_with_bounds
def _as_before(words, at, end, habits, habit):
    """How many bytes from `at` are those of the habit: all of them or 0."""
    size = np.int64(habits[habit, 0])
    if size == 0 or at + size > end:
        return 0
    index = 2
    left = size
    while left > 8:
        if word_at(words, at) != habits[habit, index]:
            return 0
        at += 8
        index += 1
        left -= 8
    return size if first_bytes(word_at(words, at), left) == habits[habit, index] else 0


@inlined_with_bounds
def _remember(words, at, size, field, habits, habit):
    habits[habit, 0] = np.uint64(size)
    habits[habit, 1] = np.uint64(field)
    index = 2
    left = size
    while left > 0:
        word = word_at(words, at)
        habits[habit, index] = first_bytes(word, left) if left < 8 else word
        at += 8
        index += 1
        left -= 8


@inlined_with_bounds
def cut(text, words, at, end, tokens, stamps, others, habits, serial):
    """Cut one object into tokens: how many, or -1 for the judge; and the code of its kind, -1 if it has none.

    stamps[field] is `serial` if the field is there, -serial if it is there and null.
    """
    count = 0
    unnamed = 0
    kind = -1
    before = _BEGIN
    while True:
        # What is between the value before (or the record's beginning) and the next value.
        habit = max(0, kind) * _BEFORE + before
        size = _as_before(words, at, end, habits, habit) if before >= 0 else 0
        if size > 0:
            at += size
            field = np.int64(habits[habit, 1])
        else:
            begin = at
            at = skip(text, at, end)
            if at >= end:
                return -1, kind
            if before != _BEGIN and text[at] == 125:  # }
                return (count if skip(text, at + 1, end) == end else -1), kind
            if text[at] != (123 if before == _BEGIN else 44):  # { ,
                return -1, kind
            at = skip(text, at + 1, end)
            if at >= end or text[at] != QUOTE:
                return -1, kind
            start = at + 1
            close = string_end(words, start, end)
            if close < 0:
                return -1, kind
            field = vocabulary(words, start, close - start, KEYS) - 1
            if field < 0:
                mark, _ = hash_id(words, start, close - start)
                for index in range(unnamed):
                    if others[index] == mark:
                        return -1, kind
                if unnamed == OTHERS_MAX:
                    return -1, kind
                others[unnamed] = mark
                unnamed += 1
            at = skip(text, close + 1, end)
            if at >= end or text[at] != 58:  # :
                return -1, kind
            at = skip(text, at + 1, end)
            if field >= 0 and before >= 0 and at - begin <= HABIT_BYTES_MAX:
                _remember(words, begin, at - begin, field, habits, habit)
        if at >= end:
            return -1, kind
        if field >= 0:
            if stamps[field] == serial or stamps[field] == -serial:
                return -1, kind
            stamps[field] = serial
        # The value.
        before = field
        tokens[count, 0] = field
        keep = field >= 0
        byte = text[at]
        if byte == QUOTE:
            start = at + 1
            close = string_end(words, start, end)
            if close < 0:
                return -1, kind
            tokens[count, 1] = STRING
            tokens[count, 2] = start
            tokens[count, 3] = close - start
            at = close + 1
            if field == sf.KIND_FIELD:
                kind = vocabulary(words, start, close - start, KINDS)
                keep = False
        elif byte == 45 or 48 <= byte <= 57:
            at = _number(text, words, at, end, tokens, count)
            if at < 0:
                return -1, kind
        elif byte == 91 and field >= 0 and _IS_FLAGS[field]:  # [
            close = _array_end(text, words, at, end)
            if close < 0:
                return -1, kind
            tokens[count, 1] = ARRAY
            tokens[count, 2] = at
            tokens[count, 3] = close - at
            at = close
        else:
            word = word_at(words, at)
            four = first_bytes(word, 4)
            if four == _TRUE_WORD and at + 4 <= end:
                tokens[count, 1] = TRUE
                at += 4
            elif four == _NULL_WORD and at + 4 <= end:
                if keep:
                    stamps[field] = -serial
                    keep = False
                at += 4
            elif first_bytes(word, 5) == _FALSE_WORD and at + 5 <= end:
                tokens[count, 1] = FALSE
                at += 5
            else:
                return -1, kind
        if keep:
            count += 1
