"""Decides, never does: no clock, no socket, no random number, no log.

`inputs` (facts) -> `decode` -> `engine` -> `commands` (verbs); `ladder` and `scopes` are
its tables, `messages` the words of the halt loop, `snapshot` its memory as one value.
"""
