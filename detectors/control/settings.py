"""The settings of the family, each with the sentence that the configuration prints above it."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.contract import setting


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """What a change of a control means where its number alone does not say."""

    lower_is_looser: tuple[str, ...] = setting(
        (), 'Keys of controls that a lower number loosens; * stands for anything: ["*.min_tick"].'
    )
    deploys_in_incident: bool = setting(True, "Roll-outs and roll-backs in the scope of an open halt page.")
    restarts_in_incident: bool = setting(True, "So do processes that begin anew there.")
