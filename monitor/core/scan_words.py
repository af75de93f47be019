"""Eight bytes at a time: where a string ends, and which word of the contract it is.

A vocabulary of all keys, kinds and listed values is laid out at import as one small hash table, so
that a key costs one multiplication and one comparison.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: ANN001, ANN201  kernels are typed by numba at their first call

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.kernel import inlined_with_bounds
from detectors.names import first_bytes, word_at
from monitor.core import scan_fields as sf

QUOTE: Final = ord('"')
BACKSLASH: Final = ord("\\")

_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_QUOTES: Final = np.uint64(0x2222222222222222)
_BACKSLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_SPACES: Final = np.uint64(0x2020202020202020)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE: Final = np.uint64(1)
_BYTE: Final = np.uint64(0xFF)
_SEVEN: Final = np.uint64(7)
_FIFTY_SIX: Final = np.uint64(56)
_TO_SLOT: Final = np.uint64(54)
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)

# Groups of words: 0 the keys, 1 the kinds, 2 and on the lists of values.
KEYS: Final = 0
KINDS: Final = 1
LISTS: Final = 2
_GROUPS: Final = (tuple(field.name for field in sf.FIELDS), sf.KIND_NAMES, *sf.WORDS)
_LONGEST: Final = 24  # bytes: three words of eight hold any entry
_SLOTS: Final = 1024


def _laid_out() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint64]], ...]:
    """Entry: [three words of text, group << 8 | length, code from 1], in open addressing."""
    table = np.zeros((_SLOTS, 5), np.uint64)
    for group, texts in enumerate(_GROUPS):
        for code, text in enumerate(texts, 1):
            raw = text.encode()
            assert 1 <= len(raw) <= _LONGEST, text
            words = np.frombuffer(raw.ljust(_LONGEST, b"\0"), np.uint64)
            mark = group << 8 | len(raw)
            slot = (((int(words[0]) ^ mark) * int(_MULTIPLIER)) & int(_ALL)) >> int(_TO_SLOT)
            while table[slot, 4]:
                slot = (slot + 1) % _SLOTS
            table[slot] = (*words, mark, code)
    return (table,)


(_VOCABULARY,) = _laid_out()


@inlined_with_bounds
def string_end(words, at, end):
    """Where an ordinary string's closing quote is, or -1: an escape, a control, a byte over 0x7F, no end."""
    while at < end:
        word = word_at(words, at)
        quote = word ^ _QUOTES
        escape = word ^ _BACKSLASHES
        # A byte's high bit is set if it is the one looked for; above the lowest one set it may be wrong.
        special = (
            ((quote - _ONES) & (quote ^ _ALL))
            | ((escape - _ONES) & (escape ^ _ALL))
            | ((word - _SPACES) & (word ^ _ALL))
            | word
        ) & _HIGHS
        if special != 0:
            lowest = special & ((special ^ _ALL) + _ONE)
            before = np.int64(((((lowest >> _SEVEN) - _ONE) & _ONES) * _ONES) >> _FIFTY_SIX)
            at += before
            if at < end and (word >> np.uint64(before << 3)) & _BYTE == QUOTE:
                return at
            return -1
        at += 8
    return -1


@inlined_with_bounds
def vocabulary(words, start, length, group):
    """The code of a word within its group, from 1; 0 if it is not in it."""
    if length < 1 or length > _LONGEST:
        return 0
    first = word_at(words, start)
    if length < 8:
        first = first_bytes(first, length)
    mark = np.uint64((group << 8) | length)
    slot = np.int64(((first ^ mark) * _MULTIPLIER) >> _TO_SLOT)
    while _VOCABULARY[slot, 4] != 0:
        if _VOCABULARY[slot, 0] == first and _VOCABULARY[slot, 3] == mark:
            same = True
            index = 1
            left = length - 8
            while left > 0:
                word = word_at(words, start + (index << 3))
                if left < 8:
                    word = first_bytes(word, left)
                if word != _VOCABULARY[slot, index]:
                    same = False
                    break
                index += 1
                left -= 8
            if same:
                return np.int64(_VOCABULARY[slot, 4])
        slot = (slot + 1) & (_SLOTS - 1)
    return 0
