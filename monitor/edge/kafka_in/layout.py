"""Tables between the client's batches and the compiled reader: what it is told, and what it answers."""

from __future__ import annotations

from typing import Final

# A row of `batches`: its records' bytes [BEGIN, END) and how many they are said to be (NOT_PLAIN: the
# client's parser is to decide), what their offsets and times count from, the time of all where the broker
# stamped them (APPENDED), and the offset below which records were read before.
BEGIN, END, COUNT, BASE_OFFSET, BASE_MS, LAST_MS, APPENDED, POSITION = range(8)
COLUMNS: Final = 8
NOT_PLAIN: Final = -1
RECORD_BYTES_MIN: Final = 7  # size, attributes, time, offset, key, value, headers: a byte each

# Rows of `places`: where a record's value lies, its offset and its time.
START, STOP, OFFSET, STAMP_MS = range(4)
PLACES: Final = 4

# Of `state`: the next batch, places filled.
BATCH, FILLED = range(2)
STATES: Final = 2
