"""Which morning the tests read: until a few seconds into the incident, at a fifth of its flow."""

from monitor.scenarios.day import ONSET_NS, SECOND_NS

SEED, SCALE = 3, 0.2
UNTIL_NS = ONSET_NS + 12 * SECOND_NS
