"""The table of verbs.  A verb is imported light: what it needs, it imports when it runs.

Each has its line for the list here, whole at eighty columns; its own help says more.
"""

from __future__ import annotations

from typing import Final

import typer

from monitor.cli import people_verbs, ready_verb, settings_verbs, tuning, watch_verbs

# Verbs that the runbook's reader may look for and this version does not have: what holds until it does.
NOT_YET: Final = {
    "resume": "a latch stays shut until it is there; no restart, reload or clock opens one",
    "override": "mend the limit in the configuration's file; under an open halt no limit rises",
    "waive": "a gateway's own lease policy decides",
}

app: Final = typer.Typer(
    name="knightwatch",
    help="Watches order and fill telemetry and halts what has gone wild before it ruins the firm.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command(short_help="Watch Knight's morning of 2012 be stopped; nothing to set up")(watch_verbs.demo)
app.command(short_help="Watch a live feed and halt what goes wild, until SIGTERM")(watch_verbs.run)
app.command(short_help="Name every problem of a configuration, and what it cannot see")(settings_verbs.check)
app.command(short_help="The deploy gate: 0 only if a role's hosts are as declared")(ready_verb.ready)
app.command(short_help="Judge recordings as if they were live")(watch_verbs.replay)
app.command(short_help="Write a made-up morning; `simulate list` names them all")(watch_verbs.simulate)
app.command(short_help="Learn from recordings what ordinary days look like")(tuning.tune)
app.command(short_help="Stop a scope yourself, now; no monitor needs to be alive")(people_verbs.halt)
app.command(short_help="Say what is stopped, why, and what each gateway answered")(people_verbs.status)
app.command(short_help="Say what a restart would find now, and what it would lose")(people_verbs.doctor)

audit: Final = typer.Typer(no_args_is_help=True, help="The audit trail: verify it.")
audit.command(short_help="Prove that an audit trail is whole and unchanged")(watch_verbs.verify)
app.add_typer(audit, name="audit")

config: Final = typer.Typer(no_args_is_help=True, help="The configuration: its schema, its values, its keys.")
config.command(short_help="Print the JSON Schema of the configuration")(settings_verbs.schema)
config.command(short_help="Print a configuration with all its defaults filled in")(settings_verbs.show)
config.command(short_help="Make a key pair for a monitor, a gateway or a person")(settings_verbs.keygen)
app.add_typer(config, name="config")

app.command(short_help="Print what is installed, and the digest of what judges")(settings_verbs.version)
