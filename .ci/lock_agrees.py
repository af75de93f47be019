"""requirements.lock holds what pyproject.toml asks for, pinned, with hashes, and names no index."""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==(\S+)(.*?)(?=^\S|\Z)", re.DOTALL | re.MULTILINE)


def disagreements(project: str, lock: str) -> list[str]:
    asked = tomllib.loads(project)
    wanted = [
        *map(Requirement, asked["project"]["dependencies"]),
        *map(Requirement, asked["dependency-groups"]["dev"]),
        *map(Requirement, asked["build-system"]["requires"]),
    ]
    pinned = {canonicalize_name(name): version for name, version, _ in ENTRY.findall(lock)}
    found = [
        f"{name}=={version} has no hash"
        for name, version, rest in ENTRY.findall(lock)
        if "--hash=" not in rest
    ]
    for one in wanted:
        version = pinned.get(canonicalize_name(one.name))
        if version is None:
            found.append(f"{one} is not in it")
        elif not one.specifier.contains(version, prereleases=True):
            found.append(f"{one} is asked for, {version} is in it")
    if re.search(r"^\s*--(extra-)?index-url|^\s*--find-links|://", lock, re.MULTILINE):
        found.append("it names an index or an address")
    return found


if __name__ == "__main__":
    wrong = disagreements((ROOT / "pyproject.toml").read_text(), (ROOT / "requirements.lock").read_text())
    for sentence in wrong:
        print(f"requirements.lock: {sentence}; `make lock` resolves it anew", file=sys.stderr)
    sys.exit(1 if wrong else 0)
