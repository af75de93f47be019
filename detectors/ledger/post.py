"""From an event to its postings: the one pass over a batch.

`post_rows` reads the rows in order and stops where `out` might not hold the next row's
postings, or at the end; a row whose postings have no bound (a close that ends a million
day orders) is left half done in `one[TODO]` and taken up again at the next call.
"""

from __future__ import annotations

from typing import Final

from detectors import event as ev
from detectors.event import Kind
from detectors.kernel import compiled, inlined
from detectors.ledger import tables as t
from detectors.ledger.clocks import tell_time
from detectors.ledger.emit import head, of_event
from detectors.ledger.index import mix
from detectors.ledger.told.corrections import undo
from detectors.ledger.told.fills import fill
from detectors.ledger.told.orders import order_told
from detectors.ledger.told.parents import parent_told
from detectors.ledger.told.reference import close_day_orders, reference
from detectors.ledger.told.sending import move_executions, order_new
from detectors.posting import PostingKind

ROW_POSTINGS_MAX: Final = 8  # of an ordinary row: answered, sent, answered late, ...


@compiled
def post_rows(
    rows, start, text, out,
    o64, o32, id64, id32, id_index,
    x64, x32, x_index,
    p64, p32, p_index, p_text, p_books,
    pair64, pair_index, who64, who_index,
    clocks, streams, stream_index, host_build, one,
):  # fmt: skip
    """Post rows from `start`; returns (next row to post, postings written)."""
    n = 0
    r = start
    while r < rows.shape[0]:
        if n + ROW_POSTINGS_MAX > out.shape[0]:
            return r, n
        kind = rows[r, ev.KIND]
        if one[t.TODO] != 0:
            at = one[t.TODO_AT]
            if one[t.TODO] == t.MOVING:
                n = move_executions(
                    rows, r, n, out, o64, o32, x64, x32, p32, pair64, pair_index, who64, who_index, clocks,
                    one,
                )  # fmt: skip
            else:
                n = close_day_orders(rows, r, at, n, out, o64, o32, p32, who64, clocks, one)
            if one[t.TODO] != 0:
                return r, n
            r += 1
            continue
        at = tell_time(rows, r, clocks, one)
        one[t.TODO_AT] = at
        if rows[r, ev.TRADE_DATE] > one[t.NEWEST_DATE]:
            if one[t.NEWEST_DATE] != 0:
                one[t.COLD] = 0  # a session has begun before our eyes
            one[t.NEWEST_DATE] = rows[r, ev.TRADE_DATE]
        if rows[r, ev.SEQ] != ev.NONE and _told_before(rows, r, kind, streams, stream_index, one):
            head(out, n, PostingKind.DUPLICATE, rows, r, at, clocks, one)
            of_event(out, n, rows, r)
            one[t.DUPLICATES] += 1
            n += 1
        elif kind == Kind.FILL:
            n = fill(
                rows, r, at, n, text, out, o64, o32, id64, id32, id_index, x64, x32, x_index,
                p64, p32, p_index, p_text, p_books, pair64, pair_index, who64, who_index, host_build, clocks,
                one,
            )  # fmt: skip
        elif kind == Kind.ORDER_NEW:
            n = order_new(
                rows, r, at, n, text, out, o64, o32, id64, id32, id_index, x32, p64, p32, p_index,
                p_text, p_books, pair64, pair_index, who64, who_index, host_build, clocks, one,
            )  # fmt: skip
        elif Kind.ORDER_ACK <= kind <= Kind.ORDER_RESTATE:
            n = order_told(
                rows, r, at, n, kind, out, o64, o32, id64, id32, id_index, x32, p32, who64, clocks, one
            )  # fmt: skip
        elif Kind.PARENT_NEW <= kind <= Kind.PARENT_DONE:
            n = parent_told(
                rows, r, at, n, kind, text, out, p64, p32, p_index, p_text, p_books, who64, who_index,
                host_build, clocks, one,
            )  # fmt: skip
        elif kind == Kind.FILL_BUST or kind == Kind.FILL_CORRECT:
            n = undo(rows, r, at, n, kind, out, o64, o32, x64, x32, x_index, p32, pair64, who64, clocks, one)
        else:
            n = reference(rows, r, at, n, kind, out, x64, x32, pair64, pair_index, host_build, clocks, one)
        if one[t.TODO] != 0:
            continue
        r += 1
    return r, n


@inlined
def _told_before(rows, r, kind, streams, stream_index, one):
    """Whether a numbered stream says this number again with the same kind and time."""
    h = mix(rows[r, ev.SOURCE] ^ (rows[r, ev.HOST] << 8) ^ (rows[r, ev.BOOT] << 32), rows[r, ev.STREAM])
    mask = stream_index.size - 1
    slot = h & mask
    while stream_index[slot] != 0 and streams[stream_index[slot], 0] != h:
        slot = (slot + 1) & mask
    stream = stream_index[slot]
    if stream == 0:
        if one[t.N_STREAMS] + 1 >= t.STREAMS_MAX:
            one[t.OVERFLOWED] += 1
            return False
        one[t.N_STREAMS] += 1
        stream = one[t.N_STREAMS]
        stream_index[slot] = stream
        streams[stream, 0] = h
    seen = mix(mix(rows[r, ev.SEQ], rows[r, ev.TS]), kind) | 1
    cell = 1 + (rows[r, ev.SEQ] & (t.SEQ_REMEMBERED - 1))
    if streams[stream, cell] == seen:
        return True
    streams[stream, cell] = seen
    return False
