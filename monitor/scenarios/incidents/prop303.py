"""303 Proprietary Trading, 8 May 2013: over 27,000 resend requests in less than two seconds.

Facts (CME 13-9440-BC, 19 December 2014): for a period of less than two seconds its system sent over 27,000
resend messages; the exchange closed the port and a gateway failed; up to 437 sessions of customers lost
about two thousand orders; no order of its own reached the market.

Assumptions (ours): 27,040 requests within 1.9 seconds, at 09:15:00; the port is closed 200 ms later.
"""

from __future__ import annotations

from typing import Final

from detectors.event import Kind
from monitor.scenarios.cast import Cast, around, at_ns
from monitor.scenarios.incident import Told, incident, told, within
from monitor.scenarios.stage import Stage, key_of
from monitor.scenarios.tape import Instrument

REQUESTS, LASTED_S = 27_040, 1.9
ONSET_NS: Final = at_ns("2013-05-08", "09:15:00", -5)
SPAN: Final = around(ONSET_NS, 45, 25)
CAST: Final = Cast.of("CME", "spreader", "P303")
INSTRUMENTS: Final = (
    Instrument("ESM3", 1_623.0, 0.25, 50, asset_class="future", adv=2_000_000, shares_out=None),
    Instrument("ZNM3", 132.9, 0.015625, 1_000, asset_class="future", adv=1_200_000, shares_out=None),
)


def _tell(seed: int, scale: float) -> Told:
    stage = CAST.stage("prop303", seed, scale, SPAN, INSTRUMENTS)
    _said(stage, SPAN[0] + 1_000_000, "logon")
    for nth in range(REQUESTS):
        _said(stage, within(ONSET_NS, LASTED_S * nth / REQUESTS), "resend_request")
    _said(stage, within(ONSET_NS, LASTED_S + 0.2), "logout")
    return told(stage, ONSET_NS, CAST.scopes, [("rate", within(ONSET_NS, 2))])


def _said(stage: Stage, ts: int, event: str) -> None:
    rogue, host = CAST.rogue, CAST.rogue.host.name
    key = key_of(rogue.account)
    stage.say(
        Kind.SESSION_EVENT, ts, key, "router", host=host, boot=stage.boot(host, ts), session=rogue.session,
        account=rogue.account, strategy=rogue.strategy, venue=rogue.venue, event=event, stream=key,
    )  # fmt: skip


POLICY: Final = CAST.policy(gross=100e6)
PROP303: Final = incident(
    "prop303", "over 27,000 resend requests in less than two seconds", SPAN, _tell, POLICY
)
