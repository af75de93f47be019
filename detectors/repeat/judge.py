"""The loop: one posting after another, each to those whom it concerns."""

from __future__ import annotations

import numpy as np

from detectors import names as nm
from detectors import posting as po
from detectors.kernel import compiled
from detectors.posting import Note, PostingKind
from detectors.repeat import tables as tb
from detectors.repeat.executions import entered, is_asking, was_filled
from detectors.repeat.orders import answered, filled, replaced, sent
from detectors.repeat.parents import take


@compiled
def judge(postings, start, rows, *tables):  # noqa: ANN002  Tables
    """Judge from `start`; returns (next posting, hits).  Stops where hits are full or a strategy is new."""
    t = tb.Tables(*tables)
    n, has_limits = np.int64(0), t.limits[tb.L_HAS_LIMIT] != 0
    for i in range(start, postings.shape[0]):
        p = postings[i]
        kind, is_known = p[po.KIND], p[po.ORDER] > 0 and not p[po.BITS] & Note.ORDER_UNKNOWN
        is_sent = kind == PostingKind.ORDER_SENT
        is_filled = is_known and p[po.FILL] != 0 and kind != PostingKind.MOVED_OUT
        if has_limits and (is_sent or is_filled) and is_asking(p, t.strategies, t.state):
            return i, n
        if n + tb.HITS_OF_ONE > t.hits.shape[0]:
            return i, n
        is_word = PostingKind.PARENT_OPENED <= kind <= PostingKind.PARENT_DONE
        if p[po.PARENT] > 0 and (is_word or p[po.FILL] != 0 or p[po.WORK] != 0 or is_sent):
            take(p, t.parents, t.state)
        if is_sent:
            n = sent(t, postings, i, n)
            if has_limits and p[po.STRATEGY] > nm.ABSENT:
                n = entered(t, p, rows[p[po.ROW]], n)
        elif is_filled:
            filled(t, p)
            if has_limits and p[po.FILL] > 0 and p[po.STRATEGY] > nm.ABSENT:
                was_filled(p, t.strategies, t.cells, t.state)
        elif is_known and kind in (PostingKind.ORDER_ANSWERED, PostingKind.ORDER_OUT):
            answered(p, t.orders, t.groups)
        elif is_known and kind == PostingKind.ORDER_CHANGED and p[po.BITS] & Note.REPLACED:
            replaced(t, p)
    return postings.shape[0], n
