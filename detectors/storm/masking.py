"""What a message says, without whom and what it says it of: the form in which texts are compared.

Words with a digit in them (numbers, times, ids of orders and hosts), what stands in quotes, and what stands
behind `=` become `#`; case, punctuation and spaces count for nothing.  It looks at the text alone, so that a
baseline learned last week on another machine has the same form.

>>> masked("Order 4711-A rejected: price 10.25 outside of 10.30")
'order # rejected price # outside of #'
>>> masked("Unknown symbol 'NOK' (session=FIX_A)") == masked('unknown symbol "ES" (session=FIX_B)')
True
>>> masked("Power Peg disabled"), masked("4711")
('power peg disabled', '#')
"""

from __future__ import annotations

import re
from typing import Final

_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`")
_VALUE: Final = re.compile(r"=\s*[^\s,;)\]}]+")
_WITH_DIGIT: Final = re.compile(r"[\w.\-:/+]*\d[\w.\-:/+%]*")
_BETWEEN: Final = re.compile(r"[^\w#]+")
_SAME: Final = re.compile(r"#(?: #)+")


def masked(text: str) -> str:
    """The text with digits and ids masked."""
    for pattern, by in ((_QUOTED, " # "), (_VALUE, " # "), (_WITH_DIGIT, "#"), (_BETWEEN, " ")):
        text = pattern.sub(by, text)
    return _SAME.sub("#", text.strip()).lower()
