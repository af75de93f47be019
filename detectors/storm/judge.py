"""The loop: one posting after another, each after the seconds that come before it."""

from __future__ import annotations

import numpy as np

from detectors import event as ev
from detectors import posting as po
from detectors.kernel import compiled, inlined
from detectors.places import session_of
from detectors.posting import Note, PostingKind
from detectors.storm import tables as tb
from detectors.storm.shares import add, ended, was_ended
from detectors.storm.texts import hear_host, say, text_in
from detectors.storm.ticks import pass_time


@compiled
def judge(postings, start, rows, now_ns, *tables):  # noqa: ANN002  Tables
    """Judge from `start`, then silence until `now_ns`; returns (next posting, hits, whether that is all).

    Stops where hits are full or a text is new.
    """
    t = tb.Tables(*tables)
    n, nobody = np.int64(0), np.int64(-1)  # as all rows and counts are: each type would be compiled apart
    for i in range(start, postings.shape[0]):
        p = postings[i]
        if p[po.LOW] >= t.state[tb.S_NEXT_NS]:
            n, done = pass_time(t, p[po.LOW], p[po.ROW], n)
            if not done:
                return i, n, False
        kind = p[po.KIND]
        if kind == PostingKind.ORDER_SENT:
            place = session_of(postings, i, t.places, t.codes)
            add(t, place, p[po.AT], tb.B_SENT)
            if p[po.BITS] & Note.LATE_ORDER and p[po.ORDER] > 0:
                was_ended(t, p, place)
        elif kind == PostingKind.ORDER_ANSWERED:
            if not _is_refused_by_gate(postings, i + 1, p[po.ROW], rows):
                add(t, session_of(postings, i, t.places, t.codes), p[po.AT], tb.B_ANSWERED)
        else:
            is_reject = kind == PostingKind.ORDER_OUT and p[po.BITS] & Note.REJECTED != 0
            is_event = (
                kind == PostingKind.EVENT and p[po.ORDER] < 0
            )  # else an acknowledgement: it says nothing
            if is_reject or is_event or kind == PostingKind.REQUEST_REFUSED:
                row = rows[p[po.ROW]]
                text = text_in(row)
                if text > 0 and t.texts[text, tb.T_CLASS] == 0:
                    t.state[tb.S_ASKED] = text
                    return i, n, False
                hear_host(row, p[po.AT], t.hosts, t.state)
                if text > 0:
                    say(t, postings, i, row, text)
            if is_reject or (kind == PostingKind.ORDER_OUT and p[po.BITS] & Note.REQUESTED):
                if not _is_refused_by_gate(postings, i, p[po.ROW], rows):
                    ended(t, p, session_of(postings, i, t.places, t.codes))
    n, done = pass_time(t, now_ns, nobody, n)
    return postings.shape[0], n, done


@inlined
def _is_refused_by_gate(postings, i, row, rows):
    """Whether this posting of this row is a gate's own refusal: the order never came to the venue."""
    if i >= postings.shape[0] or postings[i, po.ROW] != row or postings[i, po.KIND] != PostingKind.ORDER_OUT:
        return False
    return postings[i, po.BITS] & Note.REJECTED != 0 and rows[row, ev.SOURCE] == ev.Source.GATEWAY
