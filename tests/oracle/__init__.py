"""The second reader of the contract: slow, obvious, and in plain Python.

`event` (one record as it was told) -> `clock` (when that was) -> `ledger` (what it did) ->
`books` (what the ledger remembers and says).  Nothing here is shared with the code under test
but the names of the kinds of postings and of their notes.
"""
