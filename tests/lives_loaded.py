"""Imported once by the process that all `lives` are forked from: all that a start would load."""

from monitor import serve  # noqa: F401
from monitor.cli import main  # noqa: F401
from monitor.warm import warm_up

warm_up(["child_parent"])
