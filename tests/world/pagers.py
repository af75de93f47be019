"""Who is paged: an HTTP client that answers, is late, refuses, or never answers at all."""

from __future__ import annotations

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any, Self

import httpx as real


class Pagers:
    """The other end of all pagers."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.mood = "well"  # "failing", "stuck"
        self.taken = 0


class AsyncClient:
    """What `monitor.edge.pager` asks of httpx's."""

    pagers: Pagers

    def __init__(self, **_: Any) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def post(self, url: str, *, content: str, headers: Any) -> Any:
        pagers = self.pagers
        if pagers.mood == "stuck":
            await asyncio.Event().wait()
        await asyncio.sleep(pagers.chance.uniform(0.001, 0.2))
        if pagers.mood == "failing":
            if pagers.chance.random() < 0.5:
                raise real.ConnectError("refused")
            headers = {"Retry-After": "2"}
            return SimpleNamespace(is_success=False, status_code=429, text="slow down", headers=headers)
        pagers.taken += 1
        return SimpleNamespace(is_success=True, status_code=200, text="", headers={})


class httpx:  # noqa: N801  # stands where the module stands
    """The library's names, with our client."""

    AsyncClient = AsyncClient
    HTTPError = real.HTTPError
    InvalidURL = real.InvalidURL
    URL = real.URL
