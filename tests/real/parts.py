"""What the real tests need, whether it is there, and how to get it.

`python -m tests.real.parts` lists them; with `--get` it installs what it can (Debian packages as root or by sudo,
Kafka by Maven) and ends with status 1 if something is still missing.  It needs nothing but Python itself.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
# Beside the interpreter, so that `make clean` leaves it alone and a new .venv gets it again from Maven's own cache.
KAFKA_JARS = Path(os.environ.get("KNIGHTWATCH_KAFKA_JARS", HERE.parents[1] / ".venv" / "kafka-4.1.1"))


@dataclass(frozen=True)
class Part:
    programs: tuple[str, ...]
    packages: tuple[str, ...]  # Debian's names

    def found(self) -> bool:
        return all(program_path(program) for program in self.programs)


PARTS = {
    "kafka": Part(("java", "mvn"), ("openjdk-17-jre-headless", "maven")),
    "mosquitto": Part(("mosquitto", "mosquitto_passwd"), ("mosquitto",)),
    "alertmanager": Part(("prometheus-alertmanager", "amtool"), ("prometheus-alertmanager",)),
    "prometheus": Part(("prometheus", "promtool"), ("prometheus",)),
}


def program_path(program: str) -> str | None:
    """Debian puts servers where only root's PATH looks."""
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")


def program(name: str) -> str:
    path = program_path(name)
    assert path is not None, f"{name} is missing; a test that needs it is marked `real`"
    return path


def missing(part: str) -> str | None:
    """A sentence for the reader of a skipped or failed test; None when all is there."""
    wanted = PARTS[part]
    if part == "kafka" and program_path("java") and (KAFKA_JARS / "kafka_2.13-4.1.1.jar").exists():
        return None  # Maven was needed only to fetch it
    if part != "kafka" and wanted.found():
        return None
    return f"{part} is missing: `make real` gets it (on Debian: apt-get install {' '.join(wanted.packages)})"


def get() -> None:
    packages = [package for part in PARTS.values() if not part.found() for package in part.packages]
    if packages:
        _install(packages)
    if missing("kafka") and program_path("mvn"):
        subprocess.run(
            [
                *(program("mvn"), "-q", "-B", "-f", HERE / "pom.xml", "dependency:copy-dependencies"),
                *("-DincludeScope=runtime", f"-DoutputDirectory={KAFKA_JARS}"),
            ],
            check=False,
        )


def _install(packages: list[str]) -> None:
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (root and not shutil.which("sudo")):
        return
    # No service of theirs may start: the tests start their own, on their own ports.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
    ):
        subprocess.run([*root, *command], check=False, env=environment)


def main() -> int:
    if "--get" in sys.argv[1:]:
        get()
    gaps = [gap for part in PARTS if (gap := missing(part))]
    for part in PARTS:
        print(f"{part:<14}{missing(part) or 'here'}")
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main())
