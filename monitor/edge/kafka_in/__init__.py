"""Records come in from Kafka: raw bytes, offsets and the broker's times; nothing is skipped in silence.

`KafkaIn.run()` keeps a client alive and knows where to read; `KafkaIn.read()` yields what came:
`Chunk`s of records, and the facts that explain every offset that will not come.
"""

from monitor.edge.kafka_in.facts import Bearings, Fact, Gap, Key, Lag, Source, Started
from monitor.edge.kafka_in.part import Chunk, Part
from monitor.edge.kafka_in.reader import KafkaIn

__all__ = ["Bearings", "Chunk", "Fact", "Gap", "KafkaIn", "Key", "Lag", "Part", "Source", "Started"]
