"""Prometheus Alertmanager on loopback, alone (no gossip), and its alerts as `amtool` tells them to a person."""

import json
import subprocess
from pathlib import Path
from typing import Any, Self

import httpx

from tests.real.parts import program
from tests.real.ports import free_port
from tests.real.server import Server

CONFIG = """\
route:
  receiver: {receiver}
  group_by: [alertname, halt_id]
  group_wait: 0s
  group_interval: 1s
receivers:
  - name: nobody
  - name: hook
    webhook_configs:
      - url: {url}
        send_resolved: true
"""
NOWHERE = "http://127.0.0.1:9/"  # of a receiver that no route names


class Alertmanager:
    """`webhook_url`: who hears of an alert; without it nobody does, and `amtool` still sees it."""

    def __init__(self, folder: Path, *, webhook_url: str | None = None) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        home = folder / f"alertmanager-{port}"
        home.mkdir(parents=True)
        (home / "alertmanager.yml").write_text(
            CONFIG.format(receiver="hook" if webhook_url else "nobody", url=webhook_url or NOWHERE)
        )
        self.server = Server(
            "alertmanager",
            [
                program("prometheus-alertmanager"),
                "--config.file=alertmanager.yml",
                "--storage.path=data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            home,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def start(self) -> None:
        self.server.start()
        self.server.wait_until(self._ready)

    def kill9(self) -> None:
        self.server.kill9()

    async def restart(self) -> None:
        self.server.start()
        await self.server.ready_when(self._ready)

    def alerts(self, *matchers: str) -> list[dict[str, Any]]:
        """As `amtool alert query` lists them: those that fire, silenced ones left out."""
        command = [
            program("amtool"),
            f"--alertmanager.url={self.url}",
            "alert",
            "query",
            "-o",
            "json",
            *matchers,
        ]
        found: list[dict[str, Any]] = json.loads(
            subprocess.run(command, check=True, capture_output=True, timeout=10).stdout
        )
        return found

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=1).is_success
        except httpx.TransportError:
            return False
