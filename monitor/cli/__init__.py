"""The command line: verbs are thin, the work is done by the shells that they call.

`main` is the one door (statuses, signals, one JSON document), `app` the table of verbs,
`settings_verbs`, `watch_verbs` and `people_verbs` the verbs themselves, `output` what they print.
"""

from monitor.cli.door import main

__all__ = ["main"]
