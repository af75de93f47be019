"""The halts in force: which are open over which scope, and since when each gateway obeys them.

    tell(open)                      the open halts as they are now
    hear_hello(gateway)             somebody who can stop something
    hear_applied(halt, gateway, …)  it does, since this time by its own clock; these orders survive

A family asks it in compiled code: is this order inside that halt, and was the halt obeyed where the order
left?  The engine tells it between arrivals only, so that where the stream is cut changes nothing.  Whom a
halt holds is decided by codes: each condition of its scope is a column.  An order that does not carry an
attribute is inside (contract, section 2), except for `parent`.

>>> halts = HaltsInForce(Names())
>>> halts.tell({"a": {"level": "halt_new", "scope": {"host": "h"}, "event_ts": 5}})
True
>>> halts.hear_applied("a", "g", Level.HALT_NEW, 7, ())
True
>>> [(halts.scope(row).text, halts.level(row).word, int(halts.rows[row, ALL_AT])) for row in halts.used()]
[('host=h', 'halt_new', 7)]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors import names as nm
from detectors.contract import Level
from detectors.event import UNIT, Side
from detectors.kernel import inlined
from detectors.ledger import tables as lt
from detectors.names import Names, id_hash
from detectors.scope import Scope

if TYPE_CHECKING:
    from detectors.contract import View

HALTS_MAX: Final = 1 << 10  # watched; the engine stops the firm before there are more
GATEWAYS_MAX: Final = 1 << 12  # as many as have a name
CAP_MAX: Final = 10**9  # messages a second: one above it caps nothing, and must fit its cell
SURVIVORS_MAX: Final = 1 << 14  # orders; a halt that lists more than fit is not asked what still works

# fmt: off
# A halt, int64.  CONDITIONS: a code for each of the ledger's kinds of a WHO, 0: any.
(
    SERIAL,             # of the halt that has this row, counted up; 0: the row is free
    LEVEL, OPENED_AT,   # as decided; when it happened
    CAP, UNTIL,         # of a throttle: messages a second, 1e-8; its end, 0: none
    ALL_LEVEL, ALL_AT,  # what every gateway that must obey obeys, since when; 0: not all of them do
    OBEYING,            # how many gateways
    OVERFLOWED,         # it has more survivors than fit
    VENUE, SYMBOL, SIDE, PARENT_HI, PARENT_LO,
    CONDITIONS,
) = range(15)
COLUMNS: Final = CONDITIONS + lt.WHO_KEYS
# fmt: on
NO_SIDE: Final = 99
SELLS: Final = -1  # of an order: how it sells is not known, so it is in no halt of one side
_OTHERS: Final = {"venue": (VENUE, nm.VENUE), "symbol": (SYMBOL, nm.SYMBOL)}


class HaltsInForce:
    """Open halts and who obeys them, as tables of numbers; one for all families."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.rows = np.zeros((HALTS_MAX, COLUMNS), np.int64)
        # Of a halt and a gateway: what it obeys, since when.  38 MB if all were full; a page a halt.
        self.levels = np.zeros((HALTS_MAX, GATEWAYS_MAX), np.int8)
        self.since = np.zeros((HALTS_MAX, GATEWAYS_MAX), np.int64)
        self.gateway_of_host = np.zeros(GATEWAYS_MAX, np.int64)  # hosts that are gateways: their code as one
        self.survivors = np.zeros((SURVIVORS_MAX, 3), np.int64)  # SERIAL of the halt, id of the order
        self.one = np.zeros(2, np.int64)  # rows up to here may be in use; survivors
        self._forget_all()

    def _forget_all(self) -> None:
        self._serial = 0
        self._open: dict[str, dict[str, Any]] = {}  # what of each halt is needed here, and its SERIAL
        self._row_of: dict[str, int] = {}
        self._gateways: dict[str, None] = {}
        self._applied: dict[str, dict[str, tuple[int, int]]] = {}  # halt -> gateway -> level, since
        self._surviving: dict[str, list[str]] = {}  # halt -> ids of orders

    # -- what is asked --------------------------------------------------------------------------

    def used(self) -> Iterator[int]:
        """Rows of the open halts, in their order."""
        return (int(row) for row in np.flatnonzero(self.rows[: int(self.one[0]), SERIAL]))

    def scope(self, row: int) -> Scope:
        """Whom the halt of a row stops."""
        halt_id = next(halt_id for halt_id, own in self._row_of.items() if own == row)
        return Scope.of(self._open[halt_id]["scope"])

    def level(self, row: int) -> Level:
        return Level(int(self.rows[row, LEVEL]))

    # -- what is told ---------------------------------------------------------------------------

    def tell(self, payloads: Mapping[str, Mapping[str, Any]]) -> bool:
        """The open halts as they are; whether something changed.  A drill stops nobody."""
        live = {name: halt for name, halt in payloads.items() if halt.get("mode", "live") == "live"}
        gone = [halt_id for halt_id in self._open if halt_id not in live]
        new = [
            halt_id
            for halt_id, halt in live.items()
            if halt_id not in self._open or self._open[halt_id]["level"] != halt["level"]
        ]
        for halt_id in gone:
            self._close(halt_id)
        for halt_id in new:
            self._take(halt_id, live[halt_id])
        return bool(gone or new)

    def hear_hello(self, gateway: str) -> bool:
        """A gateway that must obey from here on; whether it is new."""
        if gateway in self._gateways:
            return False
        self._gateways[gateway] = None
        self._know(gateway)
        for halt_id in self._row_of:
            self._sum_up(halt_id)
        return bool(self._row_of)

    def hear_applied(
        self, halt_id: str, gateway: str, level: Level, at_ns: int, survivors: Collection[str]
    ) -> bool:
        """A gateway obeys a halt, at this level since `at_ns` by its clock; whether that is new."""
        if halt_id not in self._row_of:
            return False
        applied = self._applied.setdefault(halt_id, {})
        known = self._surviving.setdefault(halt_id, [])
        more = [order_id for order_id in survivors if order_id not in known]
        known += more
        is_higher = gateway not in applied or applied[gateway][0] < level
        if is_higher:
            applied[gateway] = (int(level), at_ns)
            self._obey(halt_id, gateway)
            self._sum_up(halt_id)
        self._list(halt_id, more)
        return is_higher or bool(more)

    # -- memory ---------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Plain values; the tables follow from them."""
        return {
            "serial": self._serial,
            "open": [[name, self._row_of.get(name, -1), halt] for name, halt in self._open.items()],
            "gateways": list(self._gateways),
            "applied": [
                [name, gateway, level, since]
                for name, gateways in self._applied.items()
                for gateway, (level, since) in gateways.items()
            ],
            "surviving": [[name, list(ids)] for name, ids in self._surviving.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        for row in self.used():
            self._clear(row)
        self.gateway_of_host[:] = 0
        self.one[:] = 0
        self._forget_all()
        self._serial = state["serial"]
        for gateway in state["gateways"]:
            self._gateways[gateway] = None
            self._know(gateway)
        for halt_id, row, halt in state["open"]:
            self._open[halt_id] = dict(halt)
            if row >= 0:
                self._row_of[halt_id] = row
                self._write(halt_id)
        for halt_id, gateway, level, since in state["applied"]:
            self._applied.setdefault(halt_id, {})[gateway] = (level, since)
            self._obey(halt_id, gateway)
        for halt_id, ids in state["surviving"]:
            self._surviving[halt_id] = list(ids)
            self._list(halt_id, ids)
        for halt_id in self._row_of:
            self._sum_up(halt_id)

    # -- tables ---------------------------------------------------------------------------------

    def _take(self, halt_id: str, halt: Mapping[str, Any]) -> None:
        known = self._open.get(halt_id)
        if known is None:
            self._serial += 1
        params = halt.get("params") or {}
        self._open[halt_id] = {
            "serial": known["serial"] if known else self._serial,
            "level": str(halt["level"]),
            "scope": dict(halt["scope"]),
            "at": int(halt["event_ts"]),
            "cap": min(params.get("messages_per_s") or 0, CAP_MAX),
            "until": int(halt.get("not_after") or 0),
        }
        if known is None:
            free = np.flatnonzero(self.rows[:, SERIAL] == 0)
            if len(free) == 0:
                return
            self._row_of[halt_id] = int(free[0])
        if halt_id in self._row_of:
            self._write(halt_id)
            self._sum_up(halt_id)

    def _write(self, halt_id: str) -> None:
        halt, row = self._open[halt_id], self._row_of[halt_id]
        cells = self.rows[row]
        cells[SERIAL], cells[OPENED_AT], cells[UNTIL] = halt["serial"], halt["at"], halt["until"]
        cells[LEVEL], cells[CAP] = int(Level[halt["level"].upper()]), round(halt["cap"] * UNIT)
        for kind, text in halt["scope"].items():
            if kind in lt.WHO_KINDS:
                cells[CONDITIONS + lt.WHO_KINDS.index(kind)] = self._names.code(WHO_NAMES[kind], text)
            elif kind == "side":
                cells[SIDE] = int(Side.__members__.get(text.upper(), NO_SIDE))
            elif kind == "parent":
                cells[PARENT_HI], cells[PARENT_LO] = id_hash(text)
            else:
                column, names = _OTHERS[kind]
                cells[column] = self._names.code(names, text)
        self.one[0] = max(row + 1, self.one[0])

    def _close(self, halt_id: str) -> None:
        halt = self._open.pop(halt_id)
        self._applied.pop(halt_id, None)
        self._surviving.pop(halt_id, None)
        row = self._row_of.pop(halt_id, None)
        if row is not None:
            kept = self.survivors[: int(self.one[1])]
            kept = kept[kept[:, 0] != halt["serial"]].copy()
            self.survivors[: len(kept)], self.one[1] = kept, len(kept)
            self._clear(row)

    def _clear(self, row: int) -> None:
        self.rows[row], self.levels[row], self.since[row] = 0, 0, 0

    def _know(self, gateway: str) -> None:
        code, host = self._names.code(nm.GATEWAY, gateway), self._names.code(nm.HOST, gateway)
        if code > nm.OTHER and host > nm.OTHER:
            self.gateway_of_host[host] = code

    def _obey(self, halt_id: str, gateway: str) -> None:
        self._know(gateway)
        code = self._names.code(nm.GATEWAY, gateway)
        if halt_id in self._row_of and code > nm.OTHER:
            level, since = self._applied[halt_id][gateway]
            self.levels[self._row_of[halt_id], code] = level
            self.since[self._row_of[halt_id], code] = since

    def _sum_up(self, halt_id: str) -> None:
        """What all gateways that must obey do obey; where none has said hello, those that obey."""
        cells, applied = self.rows[self._row_of[halt_id]], self._applied.get(halt_id, {})
        only = self._open[halt_id]["scope"].get("gateway")
        asked = [only] if only else (list(self._gateways) or list(applied))
        obeyed = [applied.get(gateway, (0, 0)) for gateway in asked] or [(0, 0)]
        cells[OBEYING] = len(applied)
        cells[ALL_LEVEL] = min(level for level, _ in obeyed)
        cells[ALL_AT] = max(since for _, since in obeyed) if cells[ALL_LEVEL] else 0

    def _list(self, halt_id: str, ids: Collection[str]) -> None:
        row = self._row_of.get(halt_id)
        if row is None:
            return
        for order_id in ids:
            if self.one[1] >= SURVIVORS_MAX:
                self.rows[row, OVERFLOWED] = 1
                return
            self.survivors[self.one[1]] = (self.rows[row, SERIAL], *id_hash(order_id))
            self.one[1] += 1


WHO_NAMES: Final = {kind: getattr(nm, kind.upper()) for kind in lt.WHO_KINDS}


def halts_of(view: View) -> HaltsInForce:
    """The halts that a family looks up; none at all where nobody tells it of any."""
    return HaltsInForce(view.names) if view.halts is None else view.halts


@inlined
def gateway_of(who64, who, gateway_of_host):
    """The gateway that orders leave by: the one they name, else their host, if it is one; 0: unknown."""
    gateway, host = who64[who, lt.W_GATEWAY], who64[who, lt.W_HOST]
    if gateway == 0 and 0 < host < gateway_of_host.size:
        gateway = gateway_of_host[host]
    return gateway if gateway < GATEWAYS_MAX else 0


@inlined
def is_inside(halt, who64, who, gateway, venue, symbol, side, parent_hi, parent_lo):
    """Whether a halt stops an order of this attribution; what the order does not carry holds."""
    for kind in range(lt.WHO_KEYS):
        wanted, own = halt[CONDITIONS + kind], who64[who, kind]
        if kind == lt.W_GATEWAY:
            own = gateway
        if wanted != 0 and own != 0 and wanted != own:
            return False
    if halt[VENUE] != 0 and venue != 0 and halt[VENUE] != venue:
        return False
    if halt[SYMBOL] != 0 and symbol != 0 and halt[SYMBOL] != symbol:
        return False
    if halt[SIDE] != 0 and side != 0 and halt[SIDE] != side:
        return False
    is_any = halt[PARENT_HI] == 0 and halt[PARENT_LO] == 0
    return is_any or (halt[PARENT_HI] == parent_hi and halt[PARENT_LO] == parent_lo)


@inlined
def level_at(halt, levels_of_halt, gateway):
    """The level that a halt is obeyed at where an order leaves by this gateway; 0: it is not."""
    return halt[ALL_LEVEL] if gateway == 0 else np.int64(levels_of_halt[gateway])


@inlined
def since_at(halt, since_of_halt, gateway):
    """Since when."""
    return halt[ALL_AT] if gateway == 0 else since_of_halt[gateway]
