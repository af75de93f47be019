"""What the real tests need, whether it is there, and how to get it.

`python -m tests.real.parts` lists them; with `--get` it installs what it can (Debian packages as root or by sudo,
Kafka by Maven) and ends with status 1 if something is still missing.  It needs nothing but Python itself.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
KAFKA_VERSION = (HERE / "pom.xml").read_text().partition("<kafka.version>")[2].partition("<")[0]
# Inside .venv: `make clean` leaves it alone, and a new .venv gets it again from Maven's own cache.
KAFKA_JARS = Path(
    os.environ.get("KNIGHTWATCH_KAFKA_JARS", HERE.parents[1] / ".venv" / f"kafka-{KAFKA_VERSION}")
)


@dataclass(frozen=True)
class Part:
    programs: tuple[str, ...]
    packages: tuple[str, ...]  # Debian's names
    jars: Path | None = None


PARTS = {
    "kafka": Part(("java",), ("default-jre-headless", "maven"), KAFKA_JARS),
    "mosquitto": Part(("mosquitto", "mosquitto_passwd"), ("mosquitto",)),
    "alertmanager": Part(("prometheus-alertmanager", "amtool"), ("prometheus-alertmanager",)),
    "faketime": Part(("faketime",), ("faketime",)),
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
    if all(map(program_path, wanted.programs)) and (wanted.jars is None or wanted.jars.is_dir()):
        return None
    return f"{part} is missing: `make real` gets it (on Debian: apt-get install {' '.join(wanted.packages)})"


def get() -> None:
    gaps = [part for part in PARTS if missing(part)]
    if "kafka" in gaps and all(map(program_path, ("java", "mvn"))):
        _copy_kafka()
        gaps.remove("kafka")
    if gaps:
        _install([package for part in gaps for package in PARTS[part].packages])
    if "kafka" in gaps and program_path("mvn"):
        _copy_kafka()


def _copy_kafka() -> None:
    """Whole or not at all: a folder that is there holds all of it."""
    KAFKA_JARS.parent.mkdir(parents=True, exist_ok=True)
    quiet_maven = [program("mvn"), "-q", "-B", "-Dstyle.color=never", "-f", str(HERE / "pom.xml")]
    with tempfile.TemporaryDirectory(dir=KAFKA_JARS.parent) as unfinished:
        where = f"-DoutputDirectory={unfinished}/jars"
        command = [*quiet_maven, "dependency:copy-dependencies", "-DincludeScope=runtime", where]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            Path(unfinished, "jars").rename(KAFKA_JARS)
        else:
            print(done.stdout, file=sys.stderr)


def _install(packages: list[str]) -> None:
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (root and not shutil.which("sudo")):
        return
    # RUNLEVEL=1: no service of theirs starts; the tests start their own, on their own ports.
    quietly = ["env", "RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    for words in (["update"], ["install", "--no-install-recommends", *packages]):
        subprocess.run([*root, *quietly, *words], check=False, stdout=subprocess.DEVNULL)


def main() -> int:
    if "--get" in sys.argv[1:]:
        get()
    gaps = [gap for part in PARTS if (gap := missing(part))]
    for part in PARTS:
        print(f"{part:<14}{missing(part) or 'here'}")
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main())
