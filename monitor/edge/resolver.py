"""Names become addresses in threads of their own, within a second; a name server that hangs holds up nothing.

asyncio asks by the pool of threads that everything else shares, where six questions that hang are a pool that
hangs, also at the end of the process.  Here each question has one thread that nobody waits for, however often
it is asked; late or refused, the addresses that it had before are taken.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any, Final

ANSWER_S_MAX: Final = 1.0
QUESTIONS_MAX: Final = 64  # names of brokers and pagers; a thread each while its question is open
KNOWN_MAX: Final = 1_024

Question = tuple[Any, ...]
Addresses = list[tuple[Any, ...]]


class ResolvingLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, but for how it asks for addresses."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[Question, asyncio.Future[Addresses]] = {}
        self._known: dict[Question, Addresses] = {}

    async def getaddrinfo(self, host: Any, port: Any, **kind: Any) -> Any:
        """As `socket.getaddrinfo`; `OSError` after a second without an answer."""
        question = (host, port, *sorted(kind.items()))
        asked = self._open.get(question)
        if asked is None:
            if len(self._open) >= QUESTIONS_MAX:
                raise OSError(f"{QUESTIONS_MAX} names wait for an address already, {host} is not asked for")
            asked = self._open[question] = self.create_future()
            asked.add_done_callback(lambda answer: self._answered(question, answer))
            threading.Thread(target=self._ask, args=(asked, host, port, kind), daemon=True).start()
        await asyncio.wait({asked}, timeout=ANSWER_S_MAX)
        if question in self._known and (not asked.done() or asked.exception() is not None):
            return self._known[question]
        if not asked.done():
            raise OSError(f"no address of {host} within {ANSWER_S_MAX:.0f} s")
        return asked.result()

    def _ask(self, asked: asyncio.Future[Addresses], host: Any, port: Any, kind: dict[str, Any]) -> None:
        """In a thread."""
        found: Addresses | OSError
        try:
            found = socket.getaddrinfo(host, port, **kind)
        except OSError as refused:
            found = refused
        if not self.is_closed():
            self.call_soon_threadsafe(_settle, asked, found)

    def _answered(self, question: Question, answer: asyncio.Future[Addresses]) -> None:
        del self._open[question]
        if answer.exception() is None:
            self._known.pop(question, None)
            self._known[question] = answer.result()
            if len(self._known) > KNOWN_MAX:
                del self._known[next(iter(self._known))]


def _settle(asked: asyncio.Future[Addresses], found: Addresses | OSError) -> None:
    if isinstance(found, OSError):
        asked.set_exception(found)
    else:
        asked.set_result(found)


async def addresses_of(host: str, port: int) -> Addresses:
    """For a client that connects in a thread and would ask there."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
