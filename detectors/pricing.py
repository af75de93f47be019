"""What a quantity is worth: position x reference price x multiplier x fx, never a running sum.

    price  =  the symbol's last confirmed mark, else an own last fill, else a price that an order or a
              position said; none of them: the number is missing, and whoever asks must say so

A mark within 20 % of the confirmed one, or of the symbol's last fill, is confirmed at once.  One further
away waits until a fill, or a second mark, within 20 % of it: one bad tick values nothing.  The first mark
of a symbol that has no other price counts.  A price of 0 is no price; a negative one counts by its size.

>>> symbols = np.zeros((3, SYMBOL), np.int64)
>>> [marked(symbols, 2, px * UNIT, 0.2) for px in (10, 11, 99)], symbols[2, Y_MARK] // UNIT
([True, True, False], np.int64(11))
>>> marked(symbols, 2, 98 * UNIT, 0.2), symbols[2, Y_MARK] // UNIT
(True, np.int64(98))
>>> worth(-3 * UNIT, rate_of(20 * UNIT, 50 * UNIT, UNIT)) / MONEY
-3000.0
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import event as ev
from detectors import names as nm
from detectors import posting as po
from detectors.contract import Int64Array
from detectors.event import MONEY, NONE, UNIT
from detectors.kernel import compiled, inlined
from detectors.names import Names
from detectors.posting import PostingKind

# A symbol, by its code.  Prices 1e-8, 0: none; Y_MULTIPLIER 1e-8, 0: one; Y_HEAD: first of its cells.
(Y_MARK, Y_WAITING, Y_FILL, Y_MULTIPLIER, Y_CURRENCY, Y_HEAD) = range(6)
SYMBOL: Final = 6
SYMBOLS_MAX: Final = 1 << 16  # as many as have a name: 3 MB

# A currency, by its code: dollars for one unit, 1e-8, 0: nobody said; whether it is known to be the dollar.
(F_USD, F_KNOWN) = range(2)
CURRENCY: Final = 2
F_OTHER, F_DOLLAR = 1, 2
CURRENCIES_MAX: Final = 1 << 10  # as many as have a name

PX_MAX: Final = 9.0e18  # 1e-8: what int64 holds
WORTH_MAX: Final = 4.0e18  # in 1e-4 dollars: 400 trillion; beyond it a value stays there


@inlined
def is_near(px, reference, share):
    """Whether a price lies within a share of another that is there."""
    return reference != 0 and abs(float(px) - float(reference)) <= share * abs(float(reference))


@compiled
def marked(symbols, symbol, px, share):
    """A mark was told; whether it is confirmed, and the reference now."""
    if px == NONE or px == 0:
        return False
    mark, waiting, fill = symbols[symbol, Y_MARK], symbols[symbol, Y_WAITING], symbols[symbol, Y_FILL]
    is_first = mark == 0 and waiting == 0 and fill == 0
    if is_first or is_near(px, mark, share) or is_near(px, fill, share) or is_near(px, waiting, share):
        symbols[symbol, Y_MARK] = px
        symbols[symbol, Y_WAITING] = 0
        return True
    symbols[symbol, Y_WAITING] = px
    return False


@inlined
def filled_at(symbols, symbol, px, share):
    """A fill was told; whether it confirms a mark that waited."""
    symbols[symbol, Y_FILL] = px
    waiting = symbols[symbol, Y_WAITING]
    if waiting == 0 or not is_near(px, waiting, share):
        return False
    symbols[symbol, Y_MARK] = waiting
    symbols[symbol, Y_WAITING] = 0
    return True


@inlined
def currency_asked(currencies, postings, i, rows):
    """A currency that nobody said yet whether it is the dollar; 0 if there is none in this reference."""
    currency = 0
    if postings[i, po.KIND] == PostingKind.RATED:
        currency = postings[i, po.VENUE]
    elif postings[i, po.KIND] == PostingKind.INSTRUMENT:
        currency = rows[postings[i, po.ROW], ev.CURRENCY]
    return currency if currency > nm.OTHER and currencies[currency, F_KNOWN] == 0 else 0


def answer_currency(names: Names, currencies: Int64Array, currency: int) -> None:
    """Say whether a currency is the dollar, which needs no rate."""
    is_dollar = names.text(nm.CURRENCY, currency) == "USD"
    currencies[currency, F_KNOWN] = F_DOLLAR if is_dollar else F_OTHER
    if is_dollar:
        currencies[currency, F_USD] = UNIT


@inlined
def is_reference(kind):
    """Whether a posting is a price, a rate or an instrument: it concerns everybody who holds the symbol."""
    return PostingKind.MARKED <= kind <= PostingKind.INSTRUMENT


@inlined
def instrument_told(symbols, postings, i, rows):
    """What one unit of a symbol stands for; returns the symbol, 0 if it has no name."""
    symbol, row = postings[i, po.SYMBOL], postings[i, po.ROW]
    if symbol <= nm.OTHER:
        return 0
    multiplier = rows[row, ev.MULTIPLIER]
    symbols[symbol, Y_MULTIPLIER] = multiplier if multiplier != NONE else 0
    symbols[symbol, Y_CURRENCY] = rows[row, ev.CURRENCY]
    return symbol


@inlined
def rate_told(currencies, postings, i):
    """Dollars for one unit of a currency; returns the currency if its rate is another now, else 0."""
    currency, usd = postings[i, po.VENUE], postings[i, po.PX]
    is_said = currency > nm.OTHER and usd != NONE and usd > 0 and currencies[currency, F_USD] != usd
    if not is_said or currencies[currency, F_KNOWN] == F_DOLLAR:
        return 0
    currencies[currency, F_USD] = usd
    return currency


@inlined
def rate_of(px, multiplier, usd):
    """What 1e-8 of a unit is worth, in 1e-4 dollars; 0.0 if a number is missing."""
    return abs(float(px)) * float(multiplier) * float(usd) * (MONEY / (float(UNIT) * UNIT * UNIT * UNIT))


@inlined
def multiplier_of(symbols, symbol):
    """The instrument's multiplier, 1 where nobody said."""
    return symbols[symbol, Y_MULTIPLIER] if symbols[symbol, Y_MULTIPLIER] != 0 else UNIT


@inlined
def dollars_for_one(symbols, symbol, rates):
    """Dollars for one unit of the symbol's currency, 1e-8; 0: nobody said."""
    currency = symbols[symbol, Y_CURRENCY]
    return rates[currency, F_USD] if currency != 0 else UNIT


@inlined
def in_dollars(px, symbols, symbol, rates):
    """A price as dollars for one unit of its symbol; a currency that nobody rated counts one for one."""
    usd = dollars_for_one(symbols, symbol, rates)
    one = (float(multiplier_of(symbols, symbol)) / UNIT) * (float(usd if usd != 0 else UNIT) / UNIT)
    return px if one == 1.0 else np.int64(np.rint(min(max(float(px) * one, -PX_MAX), PX_MAX)))


@inlined
def units_told(symbols, currencies, postings, i, rows):
    """A rate or an instrument was told; returns the currency that must be asked about first, else 0."""
    asked = currency_asked(currencies, postings, i, rows)
    if asked == 0 and postings[i, po.KIND] == PostingKind.INSTRUMENT:
        instrument_told(symbols, postings, i, rows)
    elif asked == 0:
        rate_told(currencies, postings, i)
    return asked


@inlined
def worth(quantity, rate):
    """A signed value in 1e-4 dollars, rounded to the nearest, saturating."""
    value = float(quantity) * rate
    return np.int64(np.rint(min(max(value, -WORTH_MAX), WORTH_MAX)))
