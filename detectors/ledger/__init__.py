"""The ledger: who owns each event, and what it did.

    Batch (what was said)  ->  Ledger.post  ->  Postings (what it did)

One pass settles identity (orders, chains, parents, executions), duplicates, busts,
corrections, late orders and the clocks, so that a family of detectors is forty lines
over postings.  `tables` holds its books and their bounds, `post` the pass itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors import names as nm
from detectors import posting as po
from detectors.bounds import Bounds
from detectors.contract import Batch, Int64Array, Postings
from detectors.ledger import tables as t
from detectors.ledger.index import move
from detectors.ledger.post import post_rows
from detectors.names import Names

__all__ = ["Ledger"]

UNKNOWN_ACCOUNT: Final = "?"
POSTINGS_PER_RUN: Final = 8_192  # what families see at once: 1.8 MB, which stays in the second-level cache
HOSTS_MAX: Final = 4_096
INDEX_FIRST: Final = 1 << 12
KEYS_OF_ROW: Final = 4  # at most: a replace of an unknown order names two, a correction two executions
# Index, the table of its keys, how many of its rows were ever used.
GROWING: Final = (
    ("id_index", "id64", t.N_IDS),
    ("x_index", "x64", t.N_EXECS),
    ("p_index", "p64", t.N_PARENTS),
)


class Ledger:
    """The books of one stream.

    >>> from detectors.names import Names
    >>> Ledger(Names()).low_ns
    0
    """

    def __init__(
        self,
        names: Names,
        *,
        cold: bool = True,
        retain_ns: int = t.RETAIN_NS,
        scale: int = 1,
        bounds: Bounds | None = None,
    ) -> None:
        """Open empty books.

        `cold`: the stream may begin in the middle of a session; it stops being cold when a
        `pre_open` phase or a new trade date is seen.  `retain_ns`: how long an order that is
        out stays known.  `scale` divides the bounds (for tests of what is over them).
        """
        self.names = names
        bounds = bounds or Bounds()
        i64, i32 = np.int64, np.int32
        orders, execs, parents = (n // scale for n in (bounds.orders, bounds.executions, bounds.parents))
        ids = orders * t.IDS_OF_ORDER
        self.tables: dict[str, NDArray[Any]] = {
            "o64": np.zeros((orders, t.ORDER64), i64),
            "o32": np.zeros((orders, t.ORDER32), i32),
            "id64": np.zeros((ids, 2), i64),
            "id32": np.zeros((ids, t.ORDER_ID32), i32),
            "id_index": np.zeros(min(INDEX_FIRST, 2 * ids), i32),
            "x64": np.zeros((execs, t.EXEC64), i64),
            "x32": np.zeros((execs, t.EXEC32), i32),
            "x_index": np.zeros(min(INDEX_FIRST, 2 * execs), i32),
            "p64": np.zeros((parents, t.PARENT64), i64),
            "p32": np.zeros((parents, t.PARENT32), i32),
            "p_index": np.zeros(min(INDEX_FIRST, 2 * parents), i32),
            "p_text": np.zeros((parents, t.PARENT_TEXT_BYTES), np.uint8),
            "p_books": np.zeros((parents, t.BOOKINGS_REMEMBERED), i64),
            "pair64": np.zeros((t.PAIRS_MAX, t.PAIR64), i64),
            "pair_index": np.zeros(2 * t.PAIRS_MAX, i32),
            "who64": np.zeros((t.WHOS_MAX, t.WHO64), i64),
            "who_index": np.zeros(2 * t.WHOS_MAX, i32),
            "clocks": np.zeros((t.PARTS_MAX, t.CLOCK64), i64),
            "streams": np.zeros((t.STREAMS_MAX, 1 + t.SEQ_REMEMBERED), i64),
            "stream_index": np.zeros(2 * t.STREAMS_MAX, i32),
            "host_build": np.zeros(HOSTS_MAX, i64),
            "one": np.zeros(t.ONE_OFFS, i64),
        }
        self.one: Int64Array = self.tables["one"]
        self.one[t.COLD] = int(cold)
        self.one[t.RETAIN] = retain_ns
        self.one[t.EXECS_BOUND] = execs
        self.one[t.UNKNOWN_ACCOUNT] = names.code(nm.ACCOUNT, UNKNOWN_ACCOUNT)
        self._out = np.zeros((POSTINGS_PER_RUN, po.COLUMNS), np.int64)
        self._args = tuple(self.tables.values())
        self._attributes: dict[int, Mapping[str, str]] = {}
        self._room = 0  # rows that may come before an index could be more than half full

    def post(self, batch: Batch) -> Iterator[Postings]:
        """Post a whole batch, in runs of at most `POSTINGS_PER_RUN` postings.

        A run is valid until the next one is asked for: all share one buffer.
        """
        row = 0
        while row < len(batch):
            if self._room < len(batch) - row:
                self._make_room(len(batch) - row)
            start = row
            row, written = post_rows(batch.rows, row, batch.text, self._out, *self._args)
            self._room -= row - start
            yield Postings(self._out[:written], batch)

    def _make_room(self, rows: int) -> None:
        """Let the indexes grow before they are needed: a hash touches every page it is spread over."""
        rooms = []
        for name, keys, counter in GROWING:
            table, index = self.tables[keys], self.tables[name]
            found = min(int(self.one[counter]), len(table))
            size = len(index)
            while size < min(2 * (found + KEYS_OF_ROW * rows), 2 * len(table)):
                size *= 2
            if size > len(index):
                self.tables[name] = np.zeros(size, np.int32)
                move(index, self.tables[name], table)
            if size < 2 * len(table):
                rooms.append((size // 2 - found) // KEYS_OF_ROW)
        self._args = tuple(self.tables.values())
        self._room = min(rooms, default=1 << 62)

    def advance(self, now_ns: int) -> int:
        """Event time has passed without an event; returns LOW, which never falls."""
        self.one[t.LOW] = max(self.one[t.LOW], now_ns)
        return int(self.one[t.LOW])

    @property
    def low_ns(self) -> int:
        """The lowest clock of the partitions heard in the last second; 0 before the first."""
        return int(self.one[t.LOW])

    @property
    def clocks_ns(self) -> tuple[int, ...]:
        """The clock of each partition."""
        return tuple(int(c) for c in self.tables["clocks"][: self.one[t.PARTS], t.C_CLOCK])

    @property
    def cold(self) -> bool:
        """Whether the stream may have begun in the middle of a session."""
        return bool(self.one[t.COLD])

    @property
    def counters(self) -> dict[str, int]:
        """What was duplicate, conflicting, over a bound ...; for metrics and people."""
        columns = {
            "duplicates": t.DUPLICATES,
            "conflicts": t.CONFLICTS,
            "recycled": t.RECYCLED,
            "overflowed": t.OVERFLOWED,
            "forgotten": t.FORGOTTEN,
            "skewed": t.SKEWED,
            "not_owner": t.NOT_OWNER,
            "unknown_side": t.UNKNOWN_SIDE,
        }
        return {name: int(self.one[column]) for name, column in columns.items()}

    def attributes(self, who: int) -> Mapping[str, str]:
        """An attribution in words; what is absent is left out.  A breach may ask for all of them at once."""
        known = self._attributes.get(who)
        if known is None:
            kinds = zip(t.WHO_KINDS, WHO_NAME_KINDS, self.tables["who64"][who, : t.WHO_KEYS], strict=True)
            known = {k: self.names.text(name_kind, int(code)) for k, name_kind, code in kinds if code > 0}
            self._attributes[who] = known  # no attribution is ever another's later
        return known

    def sent_since(self, since_ns: int) -> list[int]:
        """Attributions that have sent an order at or after this time."""
        sent_at = self.tables["who64"][: int(self.one[t.N_WHOS]) + 1, t.W_SENT_AT]
        return [int(who) for who in np.flatnonzero(sent_at >= max(since_ns, 1))]

    def orders_sent(self) -> Int64Array:
        """How many orders each attribution has sent, by its number."""
        return self.tables["who64"][: int(self.one[t.N_WHOS]) + 1, t.W_ORDERS].copy()

    def orders_of_parent(self, text: str) -> Int64Array:
        """The same of one parent's orders that the books still hold.  Reads all of them: for a halt."""
        sent = np.zeros(int(self.one[t.N_WHOS]) + 1, np.int64)
        row = np.zeros(t.PARENT_TEXT_BYTES, np.uint8)
        said = np.frombuffer(text.encode()[: t.PARENT_TEXT_BYTES], np.uint8)
        row[: len(said)] = said
        parents, orders = int(self.one[t.N_PARENTS]) + 1, int(self.one[t.N_ORDERS]) + 1
        known = np.flatnonzero((self.tables["p_text"][:parents] == row).all(axis=1))
        theirs = self.tables["o32"][:orders]
        who = theirs[np.isin(theirs[:, t.PARENT], known[known > 0]) & (theirs[:, t.FLAGS] != 0), t.WHO]
        np.add.at(sent, who, 1)
        return sent

    def parent_text(self, parent: int) -> str:
        """The id of a parent as its first event wrote it."""
        return bytes(self.tables["p_text"][parent]).rstrip(b"\0").decode()

    @property
    def bytes_in_use(self) -> int:
        """What the books hold, indexes at full size."""
        used = self._used()
        return sum(
            table.nbytes if name not in used else used[name] * (table.nbytes // len(table))
            for name, table in self.tables.items()
        )

    def _used(self) -> dict[str, int]:
        one = self.one
        orders, ids, parents = (int(one[c]) + 1 for c in (t.N_ORDERS, t.N_IDS, t.N_PARENTS))
        execs = min(int(one[t.N_EXECS]) + 1, len(self.tables["x64"]))
        return {
            "o64": orders, "o32": orders, "id64": ids, "id32": ids, "x64": execs, "x32": execs,
            "p64": parents, "p32": parents, "p_text": parents, "p_books": parents,
            "pair64": int(one[t.N_PAIRS]) + 1, "who64": int(one[t.N_WHOS]) + 1,
            "streams": int(one[t.N_STREAMS]) + 1,
            "clocks": int(one[t.PARTS]),
        }  # fmt: skip

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All books as they are.  Only between batches."""
        return {name: used.copy() for name, used in self.views().items()}

    def views(self) -> dict[str, NDArray[Any]]:
        """As `snapshot`, of the tables themselves: they change with the next batch."""
        assert self.one[t.TODO] == 0, "a snapshot in the middle of a row"
        used = self._used()
        return {name: table[: used.get(name, len(table))] for name, table in self.tables.items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Back to a snapshot; raises `ValueError` if it is of other books."""
        if set(state) != set(self.tables):
            msg = f"ledger: a snapshot of {sorted(state)}, not of {sorted(self.tables)}"
            raise ValueError(msg)
        self._attributes.clear()
        self._check_bounds(state["one"])
        bound = self.one[t.EXECS_BOUND]
        self._restore_indexes(state)
        used = self._used()
        for name, table in self.tables.items():
            saved = state[name]
            if saved.dtype != table.dtype or saved.shape[1:] != table.shape[1:] or len(saved) > len(table):
                msg = f"ledger.{name}: {saved.dtype}{saved.shape} does not fit {table.dtype}{table.shape}"
                raise ValueError(msg)
            table[: len(saved)] = saved
            table[len(saved) : used.get(name, len(table))] = 0  # pages never used stay untouched
        self.one[t.EXECS_BOUND] = bound

    def _check_bounds(self, saved: Int64Array) -> None:
        """Larger books do not fit, nor does a full ring into a larger one: its oldest is not its first."""
        bound = saved[t.EXECS_BOUND] or t.EXECUTIONS_MAX  # before it was a setting nobody wrote it down
        for key, held, room in (
            ("orders_max", saved[t.N_ORDERS], len(self.tables["o64"])),
            ("parents_max", saved[t.N_PARENTS], len(self.tables["p64"])),
            ("executions_max", min(saved[t.N_EXECS], bound - 1), len(self.tables["x64"])),
        ):
            if held >= room:
                msg = f"memory.{key}: {held} are known, and there is room for {room - 1}"
                raise ValueError(msg)
        if bound != self.one[t.EXECS_BOUND] and saved[t.N_EXECS] >= bound:
            msg = f"memory.executions_max: {bound} are full, so it cannot be {self.one[t.EXECS_BOUND]} now"
            raise ValueError(msg)

    def _restore_indexes(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Make the indexes as large as they were; that they fit is seen with the other tables."""
        for name, keys, _ in GROWING:
            size = len(state[name])
            if size & (size - 1) == 0 and 0 < size <= 2 * len(self.tables[keys]):
                self.tables[name] = np.zeros(size, np.int32)
        self._args, self._room = tuple(self.tables.values()), 0


WHO_NAME_KINDS: Final = (
    nm.ACCOUNT, nm.ENTITY, nm.DESK, nm.TRADER, nm.CLIENT, nm.STRATEGY, nm.ALGO, nm.BUILD, nm.HOST,
    nm.GATEWAY, nm.SESSION,
)  # fmt: skip
