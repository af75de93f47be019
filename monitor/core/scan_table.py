# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: ANN001, ANN201, ANN202  kernels are typed by numba at their first call
"""Columns of a table to columns of a batch, compiled.

Each kernel fills `values` where `has` is set and sets `doubted` where the judge must look.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors.kernel import compiled_with_bounds, inlined_with_bounds
from detectors.names import hash_id, intern
from monitor.core import scan_fields as sf
from monitor.core.scan import day_of
from monitor.core.scan_reason import unnumbered
from monitor.core.scan_words import KINDS, LISTS, vocabulary

_INT64_MAX: Final = (1 << 63) - 1
_UNITS_MAX: Final = _INT64_MAX // ev.UNIT
_WHOLE_MAX: Final = float(1 << 53)  # up to here a float holds every integer
_SCALED_MAX: Final = float(1 << 50)  # up to here a float times 1e8 is off by less than a quarter

_KIND, _WORD, _DATE, _NAME = int(sf.Type.KIND), int(sf.Type.WORD), int(sf.Type.DATE), int(sf.Type.NAME)
_POSITIVE, _NOT_NEGATIVE = int(sf.Sign.POSITIVE), int(sf.Sign.NOT_NEGATIVE)
_SIGNED_KIND, _SIGNED_FIELD = sf.SIGNED


@inlined_with_bounds
def _code_of(
    text, words, start, length, sort, more, bytes_max, plain, plain_words, slots, lengths, arena, counts
):
    """What a text stands for, NONE for the judge."""
    if sort == _KIND:
        return vocabulary(words, start, length, KINDS)
    if sort == _WORD:
        code = vocabulary(words, start, length, LISTS + more)
        return code if code > 0 else ev.NONE
    if sort == _DATE:
        return day_of(text, start) if length == 10 else ev.NONE
    if length > bytes_max or (sort == _NAME and length == 0):
        return ev.NONE
    if more == nm.REASON:
        size = unnumbered(text, start, length, plain)
        return intern(plain_words, 0, size, more, slots, lengths, arena, counts)
    return intern(words, start, length, more, slots, lengths, arena, counts)


@compiled_with_bounds
def codes_of_texts(
    text,
    words,
    offsets,
    indices,
    has,
    sort,
    more,
    bytes_max,
    values,
    doubted,
    known,
    plain,
    plain_words,
    slots,
    lengths,
    arena,
    counts,
):
    """Texts to codes.  With a dictionary, `known` has a place for each entry, -1 at first.

    `plain`: room for a reason without its numbers, also as words.
    """
    for row in range(has.size):
        if not has[row]:
            continue
        entry = indices[row] if known.size else row
        code = known[entry] if known.size else -1
        if code == -1:
            start = offsets[entry]
            code = _code_of(
                text,
                words,
                start,
                offsets[entry + 1] - start,
                sort,
                more,
                bytes_max,
                plain,
                plain_words,
                slots,
                lengths,
                arena,
                counts,
            )
            if known.size:
                known[entry] = code
        if code == ev.NONE:
            doubted[row] = True
        else:
            values[row] = code


@compiled_with_bounds
def hashes_of_ids(words, offsets, has, bytes_max, high, low, at, doubted):
    """Ids to hashes; `at` is where the text of each lies and how long it is."""
    for row in range(has.size):
        if has[row]:
            start = offsets[row]
            length = offsets[row + 1] - start
            if length < 1 or length > bytes_max:
                doubted[row] = True
            else:
                high[row], low[row] = hash_id(words, start, length)
                at[row] = start << 8 | length


@inlined_with_bounds
def _sign_fits(value, sign):
    return value > 0 if sign == _POSITIVE else value >= 0 or sign != _NOT_NEGATIVE


@compiled_with_bounds
def integers(given, has, sign, values, doubted):
    """Integers of an integer column."""
    for row in range(has.size):
        if has[row]:
            value = given[row]
            if value == ev.NONE or not _sign_fits(value, sign):
                doubted[row] = True
            else:
                values[row] = value


@compiled_with_bounds
def integers_of_floats(given, relevant, has, sign, values, doubted):
    """Integers of a float column: written `1.0`."""
    for row in range(has.size):
        if relevant[row]:
            value = given[row]
            if not abs(value) < _WHOLE_MAX or value != np.rint(value):
                doubted[row] = True
            elif has[row]:
                if _sign_fits(value, sign):
                    values[row] = np.int64(value)
                else:
                    doubted[row] = True


@compiled_with_bounds
def numbers_of_integers(given, kinds, has, field, sign, values, doubted):
    """Fixed point of an integer column."""
    for row in range(has.size):
        if has[row]:
            value = given[row]
            signed = kinds[row] == _SIGNED_KIND and field == _SIGNED_FIELD
            if value > _UNITS_MAX or value < -_UNITS_MAX or not (signed or _sign_fits(value, sign)):
                doubted[row] = True
            else:
                values[row] = value * ev.UNIT


@compiled_with_bounds
def numbers_of_floats(given, kinds, relevant, has, field, sign, values, doubted):
    """Fixed point of a float column: that of the shortest decimal that names the float.

    A float times 1e8 is so near to the true product that rounding it is right, unless it is large
    or near a half; those are doubted.
    """
    for row in range(has.size):
        if not relevant[row]:
            continue
        value = given[row]
        if has[row] and abs(value) < _WHOLE_MAX and value == np.rint(value) and abs(value) <= _UNITS_MAX:
            fixed = np.int64(value) * ev.UNIT
        else:
            scaled = value * ev.UNIT
            nearest = np.rint(scaled)
            if not (abs(scaled) < _SCALED_MAX and abs(scaled - nearest) < 0.25):
                doubted[row] = True
                continue
            fixed = np.int64(nearest)
        if has[row]:
            signed = kinds[row] == _SIGNED_KIND and field == _SIGNED_FIELD
            if signed or _sign_fits(fixed, sign):
                values[row] = fixed
            else:
                doubted[row] = True


@compiled_with_bounds
def put(columns, values, rows):
    """Write `values[i]` into column `columns[i]`, a row at a time."""
    for row in range(len(rows)):
        for index in range(len(columns)):
            rows[row, columns[index]] = values[index, row]
