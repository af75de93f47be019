"""The baseline that a configuration names: read, verified, of this build and site; or a named problem.

baseline_of(config)  ->  Baseline (an empty one where none is named), or ConfigError
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from monitor.core.baseline import Baseline, known
from monitor.core.envelope import ENVELOPE_BYTES_MAX, Ignored, open_envelope
from monitor.core.keyring import Role
from monitor.edge.exchange import NoCalendar, opens_ns, sessions_ns
from monitor.edge.keys import KeyProblem, load_keyring
from monitor.settings.problems import ConfigError, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from monitor.settings.config import Config

SIGNERS: Final = (Role.MONITOR, Role.RISK)  # who may say what is usual


def build() -> str:
    """The program that learns and uses baselines; another one may count and mask differently."""
    try:
        return metadata.version("knightwatch")
    except metadata.PackageNotFoundError:
        return "source"


def opens_of(config: Config) -> NDArray[np.int64] | None:
    """When sessions open, by the exchange's calendar; None where none is named: a day is UTC's."""
    if not config.telemetry.calendar:
        return None
    try:
        return opens_ns(config.telemetry.calendar)
    except NoCalendar as wrong:
        raise ConfigError(config.source, [Problem("telemetry.calendar", str(wrong))]) from wrong


def sessions_of(config: Config) -> dict[str, NDArray[np.int64]]:
    """Opens and closes of every calendar that a manifest names.  Raises `ConfigError`."""
    found: dict[str, NDArray[np.int64]] = {}
    for family, one in config.detectors.items():
        for n, row in enumerate(getattr(one.settings, "manifest", ())):
            name = row.get("calendar", "")
            try:
                found |= {name: sessions_ns(name)} if name and name not in found else {}
            except NoCalendar as wrong:
                key = f"detectors.{family}.manifest[{n}].calendar"
                raise ConfigError(config.source, [Problem(key, str(wrong))]) from wrong
    return found


def baseline_of(config: Config) -> Baseline:
    """Read the file that `telemetry.baseline_file` names.  Raises `ConfigError`."""
    path, opens = config.telemetry.baseline_file, opens_of(config)
    if path is None:
        return Baseline()

    def refuse(what: str, write: str = "") -> NoReturn:
        raise ConfigError(config.source, [Problem("telemetry.baseline_file", f"{path} {what}", write)])

    try:
        with path.open("rb") as file:
            raw = file.read(ENVELOPE_BYTES_MAX + 1)
        keyring = load_keyring(config.keys.pinned_keys_file)
    except OSError as broken:
        refuse(f"cannot be read ({broken.strerror})", "learn one: knightwatch tune RECORDING...")
    except KeyProblem as wrong:
        refuse(f"cannot be verified: {wrong}")
    opened = open_envelope(raw, keyring)
    if isinstance(opened, Ignored):
        refuse(f"is refused: {opened.why} ({opened.detail})", "learn it anew, or pin its signer")
    if not any(key.role in SIGNERS for key in opened.signers):
        refuse(f"is signed by {opened.signers[0].who}, a {opened.signers[0].role}", "let a monitor learn it")
    try:
        told = known(opened.payload, opens, tuple(key.who for key in opened.signers))
    except ValueError as wrong:
        refuse(str(wrong))
    if told.build != build():
        refuse(f"was learned by build {told.build}, this is {build()}", "learn it anew with this build")
    if told.calendar != config.telemetry.calendar:
        ours = config.telemetry.calendar or "empty"
        refuse(
            f"was learned by calendar {told.calendar or 'none'}, telemetry.calendar is {ours}",
            "learn it anew",
        )
    if (told.site, told.env) != (config.site, config.env):
        refuse(f"is of {told.site}/{told.env}, not of {config.site}/{config.env}")
    return told
