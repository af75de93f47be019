"""Merrill Lynch's limits, as of 2014: five million shares of a stock that trades 79,000 a day.

Facts (SEC Release 34-78929, 26 September 2016): of the firm's pre-trade controls one let an order of up to
5 million shares pass for a stock whose average daily volume was about 79,000; such limits let several
erroneous orders through.

Nothing goes wrong in this stream: what is wrong is the policy that comes with it, and `check` says so when
it knows the volumes, which the recording has. Assumption (ours): everything else.
"""

from __future__ import annotations

from typing import Final

from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told
from monitor.scenarios.tape import Instrument

LIMIT_SHARES, ADV = 5_000_000, 79_000
MIDDLE_NS: Final = at_ns("2014-06-11", "10:30:00", -4)
SPAN: Final = around(MIDDLE_NS, 90, 90)
SYMBOL: Final = "THIN"
CAST: Final = Cast.of("NYSE", "dma", "CL9")
INSTRUMENTS: Final = (
    Instrument("BAC", 15.9, adv=80_000_000, shares_out=10_500_000_000),
    Instrument("GE", 27.0, adv=26_000_000, shares_out=10_000_000_000),
    Instrument(SYMBOL, 21.4, adv=ADV, shares_out=9_000_000),
)


def _tell(seed: int, scale: float) -> Told:
    return told(CAST.stage("merrill_limits", seed, scale, SPAN, INSTRUMENTS, lots=(300, 1)))


POLICY: Final = CAST.policy(gross=100e6, order_quantity=LIMIT_SHARES)
MERRILL_LIMITS: Final = incident(
    "merrill_limits",
    "five million shares may be sent of a stock that trades 79,000 a day",
    SPAN,
    _tell,
    POLICY,
)
