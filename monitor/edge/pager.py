"""On-call is told once a cause; `submit()` never waits, and nothing here stands before a halt.

Alertmanager (API v2): every member gets every open page, `endsAt` 24 h ahead, again each
30 s, so that a member that was down learns it all; a page that is over is sent with
`endsAt` now.  A webhook gets each change of a page as one JSON document.  Both keep the
latest of each key, retry it under the same key for ever, and give each request a deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from monitor.core.commands import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

REQUEST_S_MAX: Final = 3.0
REPEAT_S: Final = 30.0
ENDS_AHEAD_NS: Final = 24 * 3_600 * 1_000_000_000
BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0)
RETRY_AFTER_S_MAX: Final = 60.0
# A page is some 2 KB: 1,000 are 2 MB.  Somebody with a thousand open causes is not helped by one more page;
# a halt takes the place of the oldest page that is none.
PAGES_MAX: Final = 1_000
LABEL_CHARS_MAX: Final = 256
ANNOTATION_CHARS_MAX: Final = 4_096
LABELS_MAX: Final = 24


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a page on one road."""

    ok: bool
    latency_s: float
    detail: str = ""


@dataclass(slots=True, eq=False)
class _Open:
    """A page that somebody has to be told of."""

    page: Page
    labels: dict[str, str]
    starts_ns: int
    since_s: float = field(default_factory=time.monotonic)
    ends_ns: int = 0  # 0: open
    told: set[int] = field(default_factory=set)  # members that know it as it is
    failed: bool = False  # somebody was told that it could not be delivered


class Alertmanager:
    """All members of one cluster; `run()` beside `submit()`."""

    def __init__(
        self, urls: Sequence[str], *, now_ns: Callable[[], int], on_settled: Callable[[str, Outcome], None]
    ) -> None:
        self._urls = tuple(urls)
        self._now_ns = now_ns
        self._on_settled = on_settled
        self._open: dict[str, _Open] = {}
        self._over: list[_Open] = []  # resolved, or under labels that changed: to be ended at every member
        self._news = [asyncio.Event() for _ in self._urls]
        self.refused = 0  # no room

    @property
    def waiting(self) -> int:
        """Pages that not one member knows as they are."""
        return sum(not page.told for page in (*self._open.values(), *self._over))

    def submit(self, page: Page) -> None:
        """A new page, a change of one, or its end."""
        known = self._open.pop(page.key, None)
        labels = _labels(page)
        if page.resolved:
            # Also one that was opened before a restart: its labels say which.
            self._end(known or _Open(page, labels, self._now_ns()), page)
        else:
            if known is not None and known.labels != labels:
                # Alertmanager knows an alert by its labels: under others it is another one.
                self._end(known, known.page)
            elif known is None and len(self._open) >= PAGES_MAX:
                lesser = _lesser(self._open, page)
                if lesser is None:
                    self.refused += 1
                    full = Outcome(ok=False, latency_s=0.0, detail=f"{PAGES_MAX} pages are open")
                    self._on_settled(page.key, full)
                    return
                self._end(lesser, lesser.page)
            starts_ns = known.starts_ns if known is not None else self._now_ns()
            self._open[page.key] = _Open(page, labels, starts_ns)
        for news in self._news:
            news.set()

    def plain(self) -> list[dict[str, Any]]:
        """What another life must know: the open pages, and ends that a member has not heard.

        Not the doubts about ourselves: another life has its own.
        """
        lasting = (page for page in self._open.values() if page.page.severity != "self")
        return [_plain(page) for page in (*self._over, *lasting)]

    def restore(self, pages: Iterable[Mapping[str, Any]]) -> None:
        """What an earlier life knew, before anything is submitted; every member is told of it again."""
        for known in map(_of_plain, pages):
            if known.ends_ns:
                self._over.append(known)
            else:
                self._open[known.page.key] = known

    def _end(self, known: _Open, page: Page) -> None:
        self._over.append(_Open(page, known.labels, known.starts_ns, ends_ns=self._now_ns()))
        del self._over[:-PAGES_MAX]

    async def run(self) -> None:
        """One loop a member, so that a dead one delays nobody."""
        async with (
            httpx.AsyncClient(timeout=REQUEST_S_MAX, trust_env=False) as http,
            asyncio.TaskGroup() as tasks,
        ):
            for member in range(len(self._urls)):
                tasks.create_task(self._tell(http, member))

    async def _tell(self, http: httpx.AsyncClient, member: int) -> None:
        failures, all_at_s = 0, 0.0
        news = self._news[member]
        while True:
            news.clear()
            everything = time.monotonic() >= all_at_s
            if everything:
                all_at_s = time.monotonic() + REPEAT_S
            pages = [
                page
                for page in (*self._over, *self._open.values())
                if member not in page.told or (everything and not page.ends_ns)
            ]
            wait_s = await self._post(http, member, pages, failures) if pages else 0.0
            if wait_s:
                failures, all_at_s = failures + 1, 0.0  # it may have forgotten all: tell it everything
                await asyncio.sleep(wait_s)
            else:
                failures = 0
                await _wait(news, max(0.0, all_at_s - time.monotonic()))

    async def _post(self, http: httpx.AsyncClient, member: int, pages: list[_Open], failures: int) -> float:
        """How long to wait before the next attempt; 0 if this one succeeded."""
        url = f"{self._urls[member]}/api/v2/alerts"
        alerts = [_alert(page, self._now_ns()) for page in pages]
        broken, wait_s = await _post(http, url, alerts, failures)
        if broken is None or len(pages) == 1 or " 400 " not in broken:
            self._note(pages, member, broken)
            return wait_s
        # One of them is not to its taste: the others shall not go down with it.
        for page, alert in zip(pages, alerts, strict=True):
            broken, _ = await _post(http, url, [alert], failures)
            self._note([page], member, broken)
        return wait_s

    def _note(self, pages: list[_Open], member: int, broken: str | None) -> None:
        for page in pages:
            latency_s = time.monotonic() - page.since_s
            if broken is None:
                if not page.told:
                    self._on_settled(page.page.key, Outcome(ok=True, latency_s=latency_s))
                page.told.add(member)
            elif not page.told and not page.failed:
                page.failed = True
                self._on_settled(page.page.key, Outcome(ok=False, latency_s=latency_s, detail=broken))
        self._over = [page for page in self._over if len(page.told) < len(self._urls)]


class Webhook:
    """One address that gets each change of each page; `run()` beside `submit()`."""

    def __init__(
        self,
        url: str,
        *,
        now_ns: Callable[[], int],
        on_settled: Callable[[str, Outcome], None],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url
        self._headers = dict(headers or {})
        self._now_ns = now_ns
        self._on_settled = on_settled
        self._queue: dict[str, _Open] = {}
        self._news = asyncio.Event()
        self.refused = 0  # no room

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def submit(self, page: Page) -> None:
        """Of a key that waits only the latest is kept."""
        full = page.key not in self._queue and len(self._queue) >= PAGES_MAX
        if full and _lesser(self._queue, page) is None:
            self.refused += 1
            no_room = Outcome(ok=False, latency_s=0.0, detail=f"{PAGES_MAX} pages are waiting")
            self._on_settled(page.key, no_room)
            return
        self._queue[page.key] = _Open(page, {}, self._now_ns())
        self._news.set()

    def plain(self) -> list[dict[str, Any]]:
        """What another life must know: what was not delivered, but for the doubts about ourselves."""
        return [_plain(waiting) for waiting in self._queue.values() if waiting.page.severity != "self"]

    def restore(self, pages: Iterable[Mapping[str, Any]]) -> None:
        """What an earlier life did not deliver, before anything is submitted."""
        self._queue |= {waiting.page.key: waiting for waiting in map(_of_plain, pages)}

    async def run(self) -> None:
        """Oldest first, one at a time, for ever."""
        failures = 0
        async with httpx.AsyncClient(timeout=REQUEST_S_MAX, headers=self._headers) as http:
            while True:
                self._news.clear()
                if not self._queue:
                    await self._news.wait()
                    continue
                # A halt before a page that can wait.
                key, waiting = min(self._queue.items(), key=lambda item: item[1].page.severity != "halt")
                broken, wait_s = await _post(http, self._url, _document(waiting), failures, key=key)
                latency_s = time.monotonic() - waiting.since_s
                if broken is None:
                    failures = 0
                    if self._queue.get(key) is waiting:
                        del self._queue[key]
                    self._on_settled(key, Outcome(ok=True, latency_s=latency_s))
                    continue
                failures += 1
                if self._queue.get(key) is waiting:
                    self._queue[key] = self._queue.pop(key)  # what is refused for ever stands before nobody
                if not waiting.failed:
                    waiting.failed = True
                    self._on_settled(key, Outcome(ok=False, latency_s=latency_s, detail=broken))
                await asyncio.sleep(wait_s)


async def _post(
    http: httpx.AsyncClient, url: str, document: Any, failures: int, *, key: str | None = None
) -> tuple[str | None, float]:
    """What was wrong, None for nothing; and how long to wait before the next attempt."""
    wait_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency-Key"] = quote(key, safe="")
    try:
        async with asyncio.timeout(REQUEST_S_MAX):
            answer = await http.post(url, content=json.dumps(document), headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as broken:
        return f"{_place(url)}: {type(broken).__name__} {broken}".strip(), wait_s
    if answer.is_success:
        return None, 0.0
    later = answer.headers.get("Retry-After", "")
    if later.isdecimal():
        wait_s = min(max(wait_s, float(later)), RETRY_AFTER_S_MAX)
    return f"{_place(url)}: {answer.status_code} {answer.text[:200]}", wait_s


def _alert(page: _Open, now_ns: int) -> dict[str, Any]:
    return {
        "labels": page.labels,
        "annotations": {
            "summary": page.page.summary[:ANNOTATION_CHARS_MAX],
            "details": json.dumps(page.page.details, default=str, ensure_ascii=False)[:ANNOTATION_CHARS_MAX],
        },
        "startsAt": _iso(page.starts_ns),
        "endsAt": _iso(page.ends_ns or now_ns + ENDS_AHEAD_NS),
    }


def _document(waiting: _Open) -> dict[str, Any]:
    page = waiting.page
    return {
        "key": page.key,
        "status": "resolved" if page.resolved else "firing",
        "severity": page.severity,
        "summary": page.summary,
        "labels": dict(page.labels),
        "details": json.loads(json.dumps(page.details, default=str), parse_constant=str),
        "at": _iso(waiting.starts_ns),
    }


def _labels(page: Page) -> dict[str, str]:
    """What an alert is known by: the cause, and what to route by."""
    labels = {"alertname": "Knightwatch", "cause": page.key, "severity": page.severity}
    for name, value in list(page.labels.items())[:LABELS_MAX]:
        labels.setdefault(re.sub(r"^(?=[0-9])|[^a-zA-Z0-9_]", "_", name), value)
    return {name: value[:LABEL_CHARS_MAX] for name, value in labels.items() if value}


def _plain(known: _Open) -> dict[str, Any]:
    page = known.page
    return {
        "key": page.key,
        "severity": page.severity,
        "summary": page.summary,
        "page_labels": dict(page.labels),
        "details": json.loads(json.dumps(page.details, default=str)),
        "resolved": page.resolved,
        "labels": known.labels,
        "starts": known.starts_ns,
        "ends": known.ends_ns,
    }


def _of_plain(told: Mapping[str, Any]) -> _Open:
    page = Page(
        told["key"], told["severity"], told["summary"], told["page_labels"], told["details"], told["resolved"]
    )
    return _Open(page, dict(told["labels"]), told["starts"], ends_ns=told["ends"])


def _lesser(pages: dict[str, _Open], page: Page) -> _Open | None:
    """Take out the oldest page that is no halt, to make room for one that is."""
    if page.severity != "halt":
        return None
    key = next((key for key, other in pages.items() if other.page.severity != "halt"), None)
    return None if key is None else pages.pop(key)


def _iso(at_ns: int) -> str:
    seconds, rest_ns = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000_000:03d}Z"


def _place(url: str) -> str:
    """Scheme, host and port: the rest of a webhook's address may be its secret."""
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}"


async def _wait(news: asyncio.Event, wait_s: float) -> None:
    # Not `wait_for`: in Python 3.11 it swallows a cancellation that comes together with the news.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await news.wait()
