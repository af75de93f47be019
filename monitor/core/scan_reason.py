# mypy: allow-untyped-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: ANN001, ANN201  kernels are typed by numba at their first call
"""What a reason says, without the numbers and ids in it: each word that has a digit becomes `0`.

A venue that writes the order's id into each reject would fill the table of names within a minute, and a
message that nobody heard before would then have no name of its own.  Whoever compares texts masks more of
them (`detectors.storm.masking`), and finds the same in what is kept here as in what was sent.

>>> unnumbered_text("Order 4711-A rejected: 12.5% through 10.30, says gw-8")
'Order 0 rejected: 0 through 0, says 0'
>>> unnumbered_text("Power Peg disabled")
'Power Peg disabled'
"""

from __future__ import annotations

import re
from typing import Final

from detectors.kernel import compiled_with_bounds

_WITH_DIGIT: Final = re.compile(rb"[A-Za-z0-9_.\-:/+]*[0-9][A-Za-z0-9_.\-:/+%]*")


def unnumbered_text(text: str) -> str:
    """As the judge keeps it."""
    return _WITH_DIGIT.sub(b"0", text.encode()).decode()


@compiled_with_bounds
def unnumbered(text, start, length, into):
    """As the scanner does: written to `into`, which is as long as a reason may be; how long it is."""
    size, word, has_digit = 0, 0, False
    for at in range(start, start + length):
        byte = text[at]
        is_digit = 48 <= byte <= 57
        is_letter = 97 <= byte | 32 <= 122 or byte == 95  # _
        is_in_word = is_digit or is_letter or byte == 43 or 45 <= byte <= 47 or byte == 58  # + - . / :
        if not is_in_word and not (has_digit and byte == 37):  # %
            if has_digit:
                into[word] = 48
                size, has_digit = word + 1, False
            word = size + 1
        into[size] = byte
        size += 1
        has_digit |= is_digit
    if has_digit:
        into[word] = 48
        size = word + 1
    return size
