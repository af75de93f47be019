"""Section 1 of the contract as a table: every field, its type, its column; every kind, what it needs.

The judge, the scanner and the reader of column tables all work from this one table.

* The JSON *type* of a named field is checked in every event of a known kind.
* Its *value* (list of words, sign, length) is checked, and kept, where it is a common field or one of
  its kind's own.  A field that its kind does not have is ignored once its type is right.
* Of a kind that is not known only the common fields are checked: a later version may mean something
  else by the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors import event as ev
from detectors import names as nm

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECORD_BYTES_MAX: Final = 65_536
DEPTH_MAX: Final = 16
FLAGS_MAX: Final = 32
ID_BYTES_MAX: Final = 64
REASON_BYTES_MAX: Final = 512
DAY_NS: Final = 86_400_000_000_000


class Type(IntEnum):
    """What a value must be, and what becomes of it."""

    KIND = 0  # string, one of the kinds
    INTEGER = 1  # integral number within int64, as it is
    NUMBER = 2  # number, to fixed point 1e-8
    BOOLEAN = 3  # true or false, to a bit of BITS
    NAME = 4  # string of 1 to 64 bytes, to the code of a name
    TEXT = 5  # string, to the code of a name
    ID = 6  # string of 1 to 64 bytes, to a 128-bit hash in two columns
    WORD = 7  # string out of a list
    DATE = 8  # string YYYY-MM-DD, to days since the epoch
    FLAGS = 9  # array of strings, to the code of the set
    ANY = 10  # whatever it is, to the code of its text


class Sign(IntEnum):
    """Which numbers are allowed."""

    ANY = 0
    NOT_NEGATIVE = 1
    POSITIVE = 2


@dataclass(frozen=True, slots=True)
class Field:
    """One field.  `column` is -1 where its value is checked and not kept."""

    name: str
    type: Type
    column: int
    more: int = 0  # Sign of a number, bit of a boolean, kind of a name, index of a list of words
    bytes_max: int = RECORD_BYTES_MAX


WORDS: Final[tuple[tuple[str, ...], ...]] = tuple(
    tuple(word.name.lower() for word in words)
    for words in (
        ev.Source, ev.Side, ev.Origin, ev.OrderType, ev.Tif, ev.Multileg, ev.ReasonClass,
        ev.SessionEvent, ev.Phase,
    )
)  # fmt: skip
SOURCES, SIDES, ORIGINS, ORDER_TYPES, TIFS, MULTILEGS, REASON_CLASSES, SESSION_EVENTS, PHASES = range(9)
KIND_NAMES: Final = tuple(kind.name.lower() for kind in ev.Kind)[1:]


def _name(name: str, column: int, kind: int) -> Field:
    return Field(name, Type.NAME, column, kind, ID_BYTES_MAX)


def _id(name: str, column: int) -> Field:
    return Field(name, Type.ID, column, 0, ID_BYTES_MAX)


COMMON: Final = (
    Field("kind", Type.KIND, ev.KIND),
    Field("ts", Type.INTEGER, ev.TS, Sign.POSITIVE),
    Field("arrival_ts", Type.INTEGER, ev.ARRIVAL, Sign.POSITIVE),
    Field("source", Type.WORD, ev.SOURCE, SOURCES),
    _name("host", ev.HOST, nm.HOST),
    _name("build", ev.BUILD, nm.BUILD),
    Field("boot", Type.TEXT, ev.BOOT, nm.BOOT),
    Field("seq", Type.INTEGER, ev.SEQ),
    Field("stream", Type.TEXT, ev.STREAM, nm.STREAM),
    Field("trade_date", Type.DATE, ev.TRADE_DATE),
    _name("account", ev.ACCOUNT, nm.ACCOUNT),
    _name("strategy", ev.STRATEGY, nm.STRATEGY),
    _name("algo", ev.ALGO, nm.ALGO),
    _name("trader", ev.TRADER, nm.TRADER),
    _name("desk", ev.DESK, nm.DESK),
    _name("client", ev.CLIENT, nm.CLIENT),
    _name("entity", ev.ENTITY, nm.ENTITY),
    _name("gateway", ev.GATEWAY, nm.GATEWAY),
    _name("session", ev.SESSION, nm.SESSION),
    _name("venue", ev.VENUE, nm.VENUE),
    _name("symbol", ev.SYMBOL, nm.SYMBOL),
    Field("currency", Type.TEXT, ev.CURRENCY, nm.CURRENCY),
    Field("side", Type.WORD, ev.SIDE, SIDES),
    Field("origin", Type.WORD, ev.ORIGIN, ORIGINS),
    Field("poss_dup", Type.BOOLEAN, ev.BITS, ev.Bit.POSS_DUP),
    Field("poss_resend", Type.BOOLEAN, ev.BITS, ev.Bit.POSS_RESEND),
)
OWN: Final = (
    _id("parent_id", ev.PARENT_HI),
    _id("order_id", ev.ORDER_HI),
    _id("orig_order_id", ev.ORIG_HI),
    _id("exec_id", ev.EXEC_HI),
    _id("exec_ref_id", ev.EXEC_REF_HI),
    _id("match_id", ev.MATCH),
    _id("venue_order_id", -1),
    Field("qty", Type.NUMBER, ev.QTY, Sign.POSITIVE),  # of a `position` any sign, see SIGNED
    Field("price", Type.NUMBER, ev.PRICE),  # spreads, power and oil have traded at zero and below
    Field("stop_price", Type.NUMBER, ev.STOP_PRICE),
    Field("last_qty", Type.NUMBER, ev.LAST_QTY, Sign.POSITIVE),
    Field("last_px", Type.NUMBER, ev.LAST_PX),
    Field("cum_qty", Type.NUMBER, ev.CUM_QTY, Sign.NOT_NEGATIVE),
    Field("leaves_qty", Type.NUMBER, ev.LEAVES_QTY, Sign.NOT_NEGATIVE),
    Field("order_type", Type.WORD, ev.ORDER_TYPE, ORDER_TYPES),
    Field("tif", Type.WORD, ev.TIF, TIFS),
    Field("multileg", Type.WORD, ev.MULTILEG, MULTILEGS),
    Field("reason_class", Type.WORD, ev.REASON_CLASS, REASON_CLASSES),
    Field("reason", Type.TEXT, ev.REASON, nm.REASON, REASON_BYTES_MAX),
    Field("flags", Type.FLAGS, ev.FLAGS, nm.FLAG_SET),
    Field("conditional", Type.BOOLEAN, ev.BITS, ev.Bit.CONDITIONAL),
    Field("suspended", Type.BOOLEAN, ev.BITS, ev.Bit.SUSPENDED),
    Field("count", Type.INTEGER, ev.COUNT, Sign.NOT_NEGATIVE),
    Field("event", Type.WORD, ev.EVENT, SESSION_EVENTS),
    Field("phase", Type.WORD, ev.PHASE, PHASES),  # which of them, the kind says: see PHASES_OF
    Field("role", Type.TEXT, ev.ROLE, nm.ROLE),
    Field("config_hash", Type.TEXT, ev.CONFIG_HASH, nm.CONFIG_HASH),
    Field("clock_bound_ns", Type.INTEGER, ev.CLOCK_BOUND, Sign.NOT_NEGATIVE),
    Field("actor", Type.TEXT, ev.ACTOR, nm.ACTOR),
    Field("ticket", Type.TEXT, ev.TICKET, nm.TICKET),
    Field("key", Type.TEXT, ev.KEY, nm.KEY),
    Field("before", Type.ANY, ev.BEFORE, nm.VALUE),
    Field("after", Type.ANY, ev.AFTER, nm.VALUE),
    Field("multiplier", Type.NUMBER, ev.MULTIPLIER, Sign.POSITIVE),
    Field("asset_class", Type.TEXT, ev.ASSET_CLASS, nm.ASSET_CLASS),
    Field("tick", Type.NUMBER, ev.TICK, Sign.NOT_NEGATIVE),
    Field("adv", Type.NUMBER, ev.ADV, Sign.NOT_NEGATIVE),
    Field("shares_out", Type.NUMBER, ev.SHARES_OUT, Sign.NOT_NEGATIVE),
    Field("negative_price_ok", Type.BOOLEAN, ev.BITS, ev.Bit.NEGATIVE_PRICE_OK),
    Field("usd", Type.NUMBER, ev.USD, Sign.POSITIVE),
    Field("as_of", Type.INTEGER, ev.AS_OF, Sign.NOT_NEGATIVE),
)
FIELDS: Final = COMMON + OWN
FIELD_OF: Final = {field.name: index for index, field in enumerate(FIELDS)}
KIND_FIELD: Final = FIELD_OF["kind"]
TS_FIELD: Final = FIELD_OF["ts"]
TRADE_DATE_FIELD: Final = FIELD_OF["trade_date"]

# What a kind needs | what it may also have, besides the common fields.
_TABLE: Final = """
parent_new      parent_id account symbol side qty           | price flags
parent_replace  parent_id qty                               | price
parent_suspend  parent_id suspended                         |
parent_fill     parent_id last_qty                          | last_px cum_qty
parent_done     parent_id                                   | reason
order_new       order_id account symbol side qty            | parent_id price stop_price order_type tif flags conditional multileg
order_ack       order_id                                    | venue_order_id
order_reject    order_id                                    | reason
replace_request order_id orig_order_id                      | qty price
cancel_request  order_id orig_order_id                      | qty price
order_replace   order_id orig_order_id                      | qty price
order_cancel    order_id                                    | reason_class
cancel_reject   order_id                                    | orig_order_id reason
order_restate   order_id leaves_qty                         | reason
fill            exec_id order_id last_qty last_px           | cum_qty leaves_qty parent_id multileg match_id
fill_bust       exec_ref_id                                 | exec_id
fill_correct    exec_ref_id last_qty last_px                | exec_id
session_event   session event                               | reason count
error           host reason                                 | count
heartbeat       host build                                  | config_hash flags role clock_bound_ns
deploy          host build                                  | role phase actor ticket
limit_change    actor reason                                | key before after
instrument      symbol                                      | multiplier asset_class tick adv shares_out negative_price_ok
mark            symbol price                                | adv shares_out
fx              currency usd                                |
position        account symbol qty as_of                    | price
session_phase   venue phase                                 |
"""  # noqa: E501
KINDS: Final = len(KIND_NAMES) + 1  # with UNKNOWN, code 0
_NEEDS: dict[str, tuple[str, ...]] = {}
_MAY: dict[str, tuple[str, ...]] = {}
for _line in _TABLE.strip().splitlines():
    _needs, _, _may = _line.partition("|")
    _kind, *_fields = _needs.split()
    _NEEDS[_kind] = tuple(_fields)
    _MAY[_kind] = tuple(_may.split())
assert tuple(_NEEDS) == KIND_NAMES, "the table is in the order of event.Kind"

REQUIRED: Final = ((), *(tuple(FIELD_OF[name] for name in _NEEDS[kind]) for kind in KIND_NAMES))
# HAS[kind, field]: the field is common or the kind's own; its value is checked and kept.
HAS: Final = np.zeros((KINDS, len(FIELDS)), np.bool_)
HAS[:, : len(COMMON)] = True
for _code, _kind in enumerate(KIND_NAMES, 1):
    for _field in (*_NEEDS[_kind], *_MAY[_kind]):
        HAS[_code, FIELD_OF[_field]] = True
SIGNED: Final = (int(ev.Kind.POSITION), FIELD_OF["qty"])
PHASES_OF: Final = {
    int(ev.Kind.SESSION_PHASE): range(int(ev.Phase.PRE_OPEN), int(ev.Phase.HALTED) + 1),
    int(ev.Kind.DEPLOY): range(int(ev.Phase.PLANNED), int(ev.Phase.ROLLED_BACK) + 1),
}

# A row that says nothing: absent names and ids are 0, absent numbers NONE, defaults as the contract has them.
TEMPLATE: Final = np.zeros(ev.COLUMNS, np.int64)
for _column in (
    ev.SEQ, ev.QTY, ev.PRICE, ev.STOP_PRICE, ev.LAST_QTY, ev.LAST_PX, ev.CUM_QTY, ev.LEAVES_QTY, ev.COUNT,
    ev.CLOCK_BOUND, ev.AS_OF, ev.MULTIPLIER, ev.ADV, ev.SHARES_OUT, ev.USD, ev.TICK,
):  # fmt: skip
    TEMPLATE[_column] = ev.NONE
TEMPLATE[ev.SOURCE] = ev.Source.ROUTER
TEMPLATE[ev.ORIGIN] = ev.Origin.ELECTRONIC
TEMPLATE[ev.MULTILEG] = ev.Multileg.SINGLE
TEMPLATE[ev.REASON_CLASS] = ev.ReasonClass.REQUESTED
TEMPLATE.setflags(write=False)


def template_rows(count: int) -> NDArray[np.int64]:
    """Rows that say nothing."""
    rows = np.empty((count, ev.COLUMNS), np.int64)
    rows[:] = TEMPLATE
    return rows
