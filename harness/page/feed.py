"""Gives the live page to whoever watches, as server-sent events; looks only while somebody does.

Each event holds the regions of the page that changed since the one before, as HTML; the first one
of a stream holds all, so that a stream may begin or begin again at any time (HTML Living Standard,
section 9.2, server-sent events).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

from harness.model.codec import to_json
from harness.page.live_view import LiveView, news

_log = logging.getLogger(__name__)

MOST_STREAMS = 32
LOOK_EVERY_S = 1.0
HEARTBEAT_S = 15.0
"""A comment: proxies cut a connection that says nothing for a minute."""

RECONNECT_MS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The live page at one moment."""

    view: LiveView | None
    regions: Mapping[str, str]
    """Name -> HTML."""


class TooManyStreamsError(Exception):
    """More people watch than this server lets in."""


class Feed:
    """One look a second for all who watch."""

    def __init__(self, look: Callable[[], Shown], *, every_s: float = LOOK_EVERY_S) -> None:
        """`look` may take its time: it is called in a thread, never twice at once."""
        self._look_once = look
        self._alone = threading.Lock()  # a look whose waiter was cancelled goes on in its thread
        self._every_s = every_s
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._shown: Shown | None = None
        self._said: tuple[str, ...] = ()
        self._changed = asyncio.Condition()
        self._watchers = 0
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def watchers(self) -> int:
        """How many streams are open."""
        return self._watchers

    @property
    def looks(self) -> bool:
        """Whether it reads the run every second."""
        return self._looking is not None

    async def now(self) -> Shown:
        """The page as it is now, for who loads it."""
        return await asyncio.to_thread(self._look)

    def _look(self) -> Shown:
        with self._alone:
            return self._look_once()

    async def stream(self, last_event_id: str | None) -> AsyncGenerator[bytes, None]:
        """The events for one watcher, until the server stops; raises TooManyStreamsError.

        Who comes back with the id of the newest event gets the next one.
        """
        if self._watchers >= MOST_STREAMS:
            raise TooManyStreamsError
        self._watchers += 1
        try:
            if self._looking is None and not self._closed:
                self._looking = asyncio.create_task(self._keep_looking())
            yield f"retry: {RECONNECT_MS}\n\n".encode()
            async for event in self._events(last_event_id):
                yield event
        finally:
            self._watchers -= 1
            if self._watchers == 0:
                self._stop_looking()

    async def _events(self, last_event_id: str | None) -> AsyncGenerator[bytes, None]:
        sent: dict[str, str] = {}
        seen = self._number if last_event_id == self._id else -1
        if seen >= 0 and self._shown is not None:
            sent = dict(self._shown.regions)
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._wait_for_another_than(seen)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            shown = self._shown
            if self._looking is None or shown is None:
                return  # the server stops, or a look failed: whoever watches comes back
            seen = self._number
            fresh = {name: html for name, html in shown.regions.items() if sent.get(name) != html}
            sent = dict(shown.regions)
            if fresh:
                # JSON has no line feed of its own: one line is one event.
                data = to_json(
                    {
                        "run": "" if shown.view is None else shown.view.run,
                        "life": "" if shown.view is None else shown.view.life,
                        "regions": fresh,
                        "said": self._said,
                    }
                ).decode()
                yield f"id: {self._id}\ndata: {data}\n\n".encode()

    async def _wait_for_another_than(self, seen: int) -> None:
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._looking is None or (self._shown is not None and self._number != seen)
            )

    @property
    def _id(self) -> str:
        return f"{self._epoch}-{self._number}"

    async def _keep_looking(self) -> None:
        try:
            while True:
                shown = await self.now()
                if self._shown is None or shown.regions != self._shown.regions:
                    before = self._shown.view if self._shown is not None else None
                    async with self._changed:
                        self._said = () if shown.view is None else news(before, shown.view)
                        self._shown = shown
                        self._number += 1
                        self._changed.notify_all()
                await asyncio.sleep(self._every_s)
        except Exception:  # noqa: BLE001 - whatever it is must not leave the streams waiting for ever
            _log.exception("the run that goes on could not be looked at")
            self._stop_looking()
            async with self._changed:
                self._changed.notify_all()

    def _stop_looking(self) -> None:
        if self._looking is not None and self._looking is not asyncio.current_task():
            self._looking.cancel()
        self._looking = None

    async def close(self) -> None:
        """Ends every stream at once: the server stops."""
        self._closed = True
        self._stop_looking()
        async with self._changed:
            self._changed.notify_all()
