"""Server-sent events: all at first, then what changed; nobody watches, nobody looks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import pytest
from page_client import run

from harness.page import feed as feed_module
from harness.page.feed import MOST_STREAMS, Feed, Shown, TooManyStreamsError


class Looked:
    """What a look finds; how often somebody looked."""

    def __init__(self) -> None:
        self.regions = {"head": "<h1>1</h1>", "steps": "<ol>\n</ol>"}
        self.count = 0
        self.fails = False

    def __call__(self) -> Shown:
        self.count += 1
        if self.fails:
            raise KeyError("planted")
        return Shown(view=None, regions=dict(self.regions))


def told(event: bytes) -> tuple[str, dict[str, Any]]:
    """(id, data) of one event, which is two lines and an empty one."""
    first, second, *rest = event.decode().split("\n")
    assert rest == ["", ""]
    assert first.startswith("id: ")
    assert second.startswith("data: ")
    return first.removeprefix("id: "), json.loads(second.removeprefix("data: "))


async def opened(feed: Feed, last: str | None = None) -> AsyncGenerator[bytes, None]:
    stream = feed.stream(last)
    assert (await anext(stream)).startswith(b"retry: ")
    return stream


def tried(work: Callable[[Feed, Looked], Coroutine[Any, Any, None]]) -> None:
    """With a feed that looks a hundred times a second."""

    async def whole() -> None:
        looked = Looked()
        feed = Feed(looked, every_s=0.01)
        await work(feed, looked)
        assert feed.watchers == 0
        assert not feed.looks

    run(whole())


def test_the_first_event_has_all_and_the_next_what_changed() -> None:
    """A line feed in a region ends no event."""

    async def work(feed: Feed, looked: Looked) -> None:
        stream = await opened(feed)
        number, first = told(await anext(stream))
        assert first["regions"] == looked.regions
        looked.regions["head"] = "<h1>2</h1>"
        following, second = told(await anext(stream))
        assert second["regions"] == {"head": "<h1>2</h1>"}
        assert following != number
        await stream.aclose()

    tried(work)


def test_who_comes_back_gets_what_changed_since_or_all() -> None:
    """By the id of the last event; an id of another server, or an old one, gets all."""

    async def work(feed: Feed, looked: Looked) -> None:
        kept, other = await opened(feed), await opened(feed)
        number, _ = told(await anext(kept))
        await anext(other)
        await other.aclose()
        back = await opened(feed, number)
        stranger = await opened(feed, "0-7")
        assert told(await anext(stranger))[1]["regions"] == looked.regions
        looked.regions["head"] = "2"
        assert told(await anext(back))[1]["regions"] == {"head": "2"}
        await anext(kept)
        old = await opened(feed, number)
        assert told(await anext(old))[1]["regions"] == looked.regions
        for stream in (kept, back, stranger, old):
            await stream.aclose()

    tried(work)


def test_nobody_looks_when_nobody_watches() -> None:
    """And again when somebody does: a stream after all had gone is told as the first was."""

    async def work(feed: Feed, looked: Looked) -> None:
        assert not feed.looks
        for _ in range(3):
            stream = await opened(feed)
            await anext(stream)
            looks = feed.looks
            await stream.aclose()
            assert (looks, feed.looks) == (True, False)
            looked.regions["head"] += "!"
        stopped = looked.count
        await asyncio.sleep(0.05)
        assert looked.count <= stopped + 1

    tried(work)


def test_one_look_is_for_all_who_watch() -> None:
    """However many they are, up to a bound."""

    async def work(feed: Feed, _looked: Looked) -> None:
        streams = [await opened(feed) for _ in range(MOST_STREAMS)]
        with pytest.raises(TooManyStreamsError):
            await opened(feed)
        got = [told(await anext(stream))[0] for stream in streams]
        assert len(set(got)) == 1
        for stream in streams:
            await stream.aclose()

    tried(work)


def test_a_quiet_stream_says_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment, which no page sees."""
    monkeypatch.setattr(feed_module, "HEARTBEAT_S", 0.02)

    async def work(feed: Feed, _looked: Looked) -> None:
        stream = await opened(feed)
        await anext(stream)
        assert await anext(stream) == b": still here\n\n"
        await stream.aclose()

    tried(work)


def test_streams_end_when_the_server_does() -> None:
    """At once, and none begins after."""

    async def work(feed: Feed, _looked: Looked) -> None:
        streams = [await opened(feed) for _ in range(3)]
        for stream in streams:
            await anext(stream)
        waiting = [asyncio.create_task(stream.__anext__()) for stream in streams]
        await asyncio.sleep(0)
        await feed.close()
        for task in waiting:
            with pytest.raises(StopAsyncIteration):
                await task
        late = await opened(feed)
        with pytest.raises(StopAsyncIteration):
            await anext(late)

    tried(work)


def test_a_look_that_fails_ends_the_streams_and_the_next_one_looks_again() -> None:
    """Browsers come back by themselves; nobody waits for ever."""

    async def work(feed: Feed, looked: Looked) -> None:
        looked.fails = True
        stream = await opened(feed)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        looked.fails = False
        again = await opened(feed)
        assert told(await anext(again))[1]["regions"] == looked.regions
        await again.aclose()

    tried(work)
