"""The compiled ledger says what the slow one says, posting by posting, wherever the stream is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.ledger import Ledger
from detectors.names import Names
from tests.oracle.compare import decoded, first_difference, told_by_ledger, told_by_oracle
from tests.streams import MESSY, WILD, clock_streams, order_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.streams import Told

SCALE = 1 << 10
FOREVER = 1 << 62


def difference(stream: Sequence[Told], parts: Sequence[int] | None = None, *, cold: bool = False) -> str:
    names = Names()
    ledger = Ledger(names, cold=cold, retain_ns=FOREVER, scale=SCALE)
    ours = told_by_oracle(stream, parts, cold=cold)
    return first_difference(told_by_ledger(ledger, [decoded(stream, names, parts)]), ours)


@pytest.mark.parametrize("moves", [MESSY, WILD], ids=["messy", "wild"])
@given(data=st.data(), cold=st.booleans())
def test_the_compiled_ledger_says_what_the_slow_one_says(moves, data, cold):
    stream = data.draw(order_streams(moves))
    assert not difference(stream, cold=cold)


@given(stream=clock_streams())
def test_both_ledgers_tell_the_same_time(stream):
    assert not difference([told for _, told in stream], [part for part, _ in stream])
