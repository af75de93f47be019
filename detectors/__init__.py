"""What goes wild, and how it shows: pure detectors over columns of events.

The way of the data: `event` (columns of what was said) -> `ledger` (who owns it) ->
`posting` (columns of what it did) -> the families, one file each.  `contract` is what
both sides agree on, `kernel` the one place that compiles, `names` and `scope` the words.
"""
