"""What an order gateway imports: the switch to obey, and the words to answer with.

`Gate` verifies and latches halts and decides each order (`Order`, `Action` -> `Decision`);
`Voice` builds the signed `hello`, `ack` and `refusal`.  Neither reads a clock nor opens a
socket: subscribe to `risk/v1/{site}/#` and to the end of the Kafka topics, give every message to
`Gate.hear`, and publish each `Letter` on both roads.  What is open comes with the monitors'
`state`, so the halt topic need not be read from its beginning.
"""

from monitor.core.keyring import Keyring, Signer
from monitor.gateway.gate import Effect, Gate, Heard
from monitor.gateway.latches import Latches
from monitor.gateway.lease import LeasePolicy
from monitor.gateway.order import Action, Decision, Order
from monitor.gateway.reducing import Position
from monitor.gateway.voice import Voice

__all__ = [
    "Action",
    "Decision",
    "Effect",
    "Gate",
    "Heard",
    "Keyring",
    "Latches",
    "LeasePolicy",
    "Order",
    "Position",
    "Signer",
    "Voice",
]
