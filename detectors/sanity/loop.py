"""The loop over postings: seconds that are due, then what each posting says of a price or a size."""

from __future__ import annotations

import numpy as np

from detectors import posting as po
from detectors.kernel import compiled, inlined
from detectors.places import session_of
from detectors.posting import Note, PostingKind
from detectors.pricing import currency_asked, is_reference
from detectors.sanity import tables as tb
from detectors.sanity.collar import judge_price, note_stop
from detectors.sanity.one_price import judge_one_price
from detectors.sanity.references import class_asked, hear_fill, hear_reference, now_of, tick
from detectors.sanity.sizes import judge_size
from detectors.sanity.tables import Tables


@compiled
def judge(postings, start, rows, *tables):  # noqa: ANN002  Tables
    """Judge postings from `start`; returns (next posting, hits); stops where hits are full or it must ask."""
    t = Tables(*tables)
    n = np.int64(0)
    for i in range(start, postings.shape[0]):
        if postings[i, po.LOW] >= t.state[tb.ST_NEXT_NS] and postings[i, po.LOW] > 0:
            n, done = tick(t, postings[i, po.LOW], postings[i, po.ROW], n)
            if not done:
                return i, n
        kind = postings[i, po.KIND]
        if kind == PostingKind.EXECUTED:
            hear_fill(t, postings, i)
        elif kind == PostingKind.ORDER_SENT or kind == PostingKind.ORDER_CHANGED:
            if n + tb.HITS_OF_ONE > t.hits.shape[0]:
                return i, n
            n = _judge_order(t, postings, i, rows, n)
        elif kind == PostingKind.PARENT_OPENED or kind == PostingKind.PARENT_AMENDED:
            if n + tb.HITS_OF_ONE > t.hits.shape[0]:
                return i, n
            place = session_of(postings, i, t.places, t.codes)
            n = judge_size(t, postings, i, place, now_of(postings, i), True, n)
        elif is_reference(kind):
            if n + tb.HITS_OF_ONE > t.hits.shape[0]:
                return i, n
            t.state[tb.ST_CURRENCY] = currency_asked(t.currencies, postings, i, rows)
            t.state[tb.ST_CLASS] = class_asked(t, postings, i, rows)
            if t.state[tb.ST_CURRENCY] != 0 or t.state[tb.ST_CLASS] != 0:
                return i, n
            n = hear_reference(t, postings, i, rows, n)
    return postings.shape[0], n


@inlined
def _judge_order(t, postings, i, rows, n):
    """An order that was sent; or one that was replaced, which has a price and a quantity of its own again."""
    is_new = postings[i, po.KIND] == PostingKind.ORDER_SENT
    skipped = Note.ORDER_UNKNOWN
    if not is_new and (postings[i, po.BITS] & skipped != 0 or postings[i, po.BITS] & Note.REPLACED == 0):
        return n
    place, now = session_of(postings, i, t.places, t.codes), now_of(postings, i)
    symbol = postings[i, po.SYMBOL]
    t.facts[symbol, tb.F_USED_AT] = max(now, t.facts[symbol, tb.F_USED_AT])
    if is_new:
        note_stop(t, postings, i, rows)
        n = judge_one_price(t, postings, i, place, now, n)
    n = judge_price(t, postings, i, rows, place, now, n)
    return judge_size(t, postings, i, place, now, False, n)


@compiled
def judge_silence(now_ns, *tables):  # noqa: ANN002  Tables
    """Time has passed; returns (hits, whether there was room for all)."""
    return tick(Tables(*tables), now_ns, np.int64(-1), np.int64(0))
