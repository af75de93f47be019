"""Prometheus itself: a server that scrapes one target each second, and `promtool`'s judgement of a metrics page."""

import subprocess
from pathlib import Path
from typing import Any, Self

import httpx

from tests.real.parts import program
from tests.real.ports import free_port
from tests.real.server import Server

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: knightwatch
    static_configs: [{{targets: ["{target}"]}}]
"""


def promtool_check(page: str) -> str:
    """What `promtool check metrics` finds wrong with a page of metrics; empty when nothing is."""
    command = [program("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=page.encode(), capture_output=True, check=False, timeout=20)
    return (done.stdout + done.stderr).decode() if done.returncode != 0 else ""


class Prometheus:
    """`target` is host:port of a server with `/metrics`."""

    def __init__(self, folder: Path, target: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        home = folder / "prometheus"
        home.mkdir(parents=True)
        (home / "prometheus.yml").write_text(CONFIG.format(target=target))
        self.server = Server(
            "prometheus",
            [
                program("prometheus"),
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            home,
        )

    def __enter__(self) -> Self:
        self.server.start()
        self.server.wait_until(self._ready)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = httpx.get(
            f"{self.url}/api/v1/query", params={"query": expression}, timeout=5
        ).raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=1).is_success
        except httpx.TransportError:
            return False
