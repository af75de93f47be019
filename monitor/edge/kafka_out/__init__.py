"""What goes out on Kafka: halts, which nothing stands before, and dead letters, when there is time.

Each await has a deadline, each message stays until it is delivered.  The two have producers
of their own; `make_topics` makes what they write to, where that is missing and allowed.
"""

from monitor.edge.kafka_out.client import Outcome
from monitor.edge.kafka_out.dead_letters import DeadLetterBytes, DeadLetters
from monitor.edge.kafka_out.halts import KafkaOut
from monitor.edge.kafka_out.topics import make_topics

__all__ = ["DeadLetterBytes", "DeadLetters", "KafkaOut", "Outcome", "make_topics"]
