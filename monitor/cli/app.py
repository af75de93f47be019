"""The table of verbs.  A verb is imported light: what it needs, it imports when it runs."""

from __future__ import annotations

from typing import Final

import typer

from monitor.cli import people_verbs, ready_verb, settings_verbs, tuning, watch_verbs

app: Final = typer.Typer(
    name="knightwatch",
    help="Watches order and fill telemetry and halts what has gone wild before it ruins the firm.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(watch_verbs.demo)
app.command()(watch_verbs.run)
app.command()(settings_verbs.check)
app.command()(ready_verb.ready)
app.command()(watch_verbs.replay)
app.command()(watch_verbs.simulate)
app.command()(tuning.tune)
app.command()(people_verbs.halt)
app.command()(people_verbs.status)
app.command()(people_verbs.doctor)

audit: Final = typer.Typer(no_args_is_help=True, help="The audit trail.")
audit.command()(watch_verbs.verify)
app.add_typer(audit, name="audit")

config: Final = typer.Typer(no_args_is_help=True, help="The configuration and its keys.")
config.command()(settings_verbs.schema)
config.command()(settings_verbs.show)
config.command()(settings_verbs.keygen)
app.add_typer(config, name="config")

app.command()(settings_verbs.version)
