"""One host of a role: what is expected of it, what its live processes say, and every difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from detectors.event import Phase
from detectors.kernel import SECOND_NS
from monitor.core.roll_call import PHASE_WORDS, Heard, Voice

if TYPE_CHECKING:
    from detectors.fleet import FleetSettings, ManifestRow

AHEAD_NS_MAX: Final = 5 * SECOND_NS  # a time further ahead is not believed (contract, section 1)


@dataclass(frozen=True, slots=True)
class Standing:
    """One host: what is expected of it, what it says, and what is wrong."""

    host: str
    row: int | None  # of the manifest; None: nobody named it
    build_expected: str
    voices: tuple[Voice, ...]  # of processes that are alive, the latest first
    age_s: float | None  # since its last heartbeat; None: it was never heard
    phase: str
    problems: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        said = self.voices[0] if self.voices else None
        return {
            "host": self.host,
            "ready": not self.problems,
            "expected": self.build_expected,
            "build": said.build if said else None,
            "config_hash": (said.config_hash or None) if said else None,
            "flags": list(said.flags) if said and said.flags is not None else None,
            "age_s": None if self.age_s is None else round(self.age_s, 1),
            "rollout": self.phase or None,
            "problems": list(self.problems),
        }


def stand(
    fleet: FleetSettings,
    host: str,
    index: int,
    heard: Heard,
    now_ns: int,
    build: str,
    config_of: Mapping[str, str | None],
) -> Standing:
    row, rollout, voices = fleet.rows[index], heard.rollout, alive(fleet, heard, now_ns)
    expected = build or row.build
    if not build and rollout is not None and rollout.phase is Phase.DONE:
        expected = rollout.build
    problems: list[str] = []
    if not voices:
        problems.append(_silent(age_s_of(heard, now_ns)))
    if rollout is not None and rollout.phase in (Phase.PLANNED, Phase.STARTED):
        problems.append(f"its roll-out of {rollout.build} is {PHASE_WORDS[rollout.phase]} and not done")
    if len(voices) > 1:
        problems.append(f"{len(voices)} processes speak as this host")
    if heard.voices_lost:
        problems.append("said more builds than are kept")
    for voice in voices:
        problems += _wrong(row, voice, expected, config_of)
    phase = f"{rollout.build} {PHASE_WORDS[rollout.phase]}" if rollout is not None else ""
    return Standing(
        host, index, expected, voices, age_s_of(heard, now_ns), phase, tuple(dict.fromkeys(problems))
    )


def _wrong(
    row: ManifestRow, voice: Voice, expected: str, config_of: Mapping[str, str | None]
) -> Iterator[str]:
    """What one process says that is not expected of it."""
    if voice.build != expected:
        yield f"runs {voice.build}, expected {expected}"
    elif row.config_hash and voice.build == row.build:
        if voice.config_hash != row.config_hash:
            yield f"configuration {voice.config_hash or 'not said'}, expected {row.config_hash}"
    elif voice.config_hash != config_of.get(voice.build, voice.config_hash):
        agreed = config_of[voice.build]
        others = (
            "hosts of its build do not agree"
            if agreed is None
            else f"others of its build say {agreed or 'none'}"
        )
        yield f"configuration {voice.config_hash or 'not said'}, {others}"
    if row.flags is not None:
        if voice.flags is None:
            yield "does not say its flags"
        elif extra := sorted(set(voice.flags) - set(row.flags)):
            yield f"has flags that nobody declared: {', '.join(extra)}"
    if voice.role not in ("", row.role):
        yield f"says that it is a {voice.role}"


def alive(fleet: FleetSettings, heard: Heard, now_ns: int) -> tuple[Voice, ...]:
    within_ns = fleet.silent_warn_s * SECOND_NS
    live = [voice for voice in heard.voices.values() if -AHEAD_NS_MAX <= now_ns - voice.at_ns < within_ns]
    return tuple(sorted(live, key=lambda voice: (-voice.at_ns, voice.boot, voice.build)))


def age_s_of(heard: Heard, now_ns: int) -> float | None:
    return (now_ns - heard.beat_ns) / SECOND_NS if heard.beat_ns else None


def _silent(age_s: float | None) -> str:
    if age_s is None:
        return "was never heard"
    if age_s < 0:
        return f"says a time {-age_s:.0f} s ahead: when it was heard is not known"
    return f"was last heard {age_s:.0f} s ago"
