"""A browser's requests to the page, without sockets, and the directories it is shown."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import httpx
from securesystemslib.signer import Key

from harness.coverage.compose import Periods, RunsRead, cover
from harness.coverage.suites import Ground
from harness.drivers.clock import HostClock
from harness.model.coverage import Coverage
from harness.model.target import Target
from harness.page.app import Page, Shelf
from harness.page.guard import Access

HOST = "127.0.0.1:8470"
ORIGIN = f"http://{HOST}"
TOKEN = "the-token-of-this-test"

Answer = TypeVar("Answer")


def coverage_of(targets: Sequence[Target]) -> Callable[[Sequence[str]], Any]:
    """A coverage of no run."""

    def covered(environments: Sequence[str]) -> tuple[Coverage, Sequence[Target]]:
        made = cover(
            targets,
            RunsRead(ended=[], not_counted=[]),
            [],
            grounds=[Ground(name=one, restores=True, cluster=True) for one in environments],
            now=HostClock().now().utc,
            periods=Periods.of(targets),
            profiles={},
            clusters={},
        )
        return made, targets

    return covered


def page_of(
    folder: Path,
    *,
    operate: bool = False,
    keys: Sequence[Key] = (),
    proxy_header: str | None = None,
    targets: Sequence[Target] = (),
    host: str = HOST,
    origin: str = ORIGIN,
) -> Page:
    """The page of `folder`/runs and `folder`/state."""
    return Page(
        shelf=Shelf(
            runs=folder / "runs",
            state=folder / "state",
            cover=coverage_of(targets),
            keys=tuple(keys),
        ),
        access=Access(
            hosts=frozenset({host}),
            origins=frozenset({origin}),
            token="" if proxy_header else TOKEN,
            proxy_header=proxy_header,
            operate=operate,
        ),
        clock=HostClock(),
    )


@dataclass
class Browser:
    """Keeps cookies; sends Origin with forms, as browsers do."""

    page: Page
    peer: str = "127.0.0.1"
    base: str = ORIGIN
    headers: dict[str, str] = field(default_factory=dict)
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)
    more_headers: list[tuple[str, str]] = field(default_factory=list)
    """Names may be there twice."""

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self._ask("GET", path, headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        return self._ask("POST", path, {"origin": self.base, **headers}, data=fields)

    def ask(self, method: str, path: str, headers: dict[str, str], **more: Any) -> httpx.Response:  # noqa: ANN401
        """Exactly those headers, whatever a browser would send."""
        return self._ask(method, path, headers, **more)

    def signed_in(self) -> Browser:
        """By the address that was printed."""
        assert self.get(f"/sign-in?token={TOKEN}").status_code == 200
        return self

    def raw(self, path: str) -> tuple[int, bytes]:
        """GET of exactly that path, which no client has made tidy: status and content."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", HOST.encode()), (b"cookie", cookie.encode())],
            "client": (self.peer, 4711),
            "server": ("127.0.0.1", 8470),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401
            sent.append(message)

        run(self.page.app()(scope, receive, send))
        content = b"".join(one.get("body", b"") for one in sent[1:])
        return sent[0]["status"], content

    def form_token(self) -> str:
        """Of the forms of this session."""
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.get("/").text)
        if found is None:
            found = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.get("/live").text)
        assert found is not None
        return found[1]

    def _ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        **more: Any,  # noqa: ANN401
    ) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.page.app(), client=(self.peer, 4711))
            async with httpx.AsyncClient(
                transport=transport, base_url=self.base, cookies=self.cookies
            ) as client:
                named = {**self.headers, **headers}
                sent = [*named.items(), *self.more_headers]
                answer = await client.request(method, path, headers=sent, **more)
                self.cookies = client.cookies
                return answer

        return run(asked())


def run(work: Awaitable[Answer]) -> Answer:
    """To its end, in a loop of its own, within half a minute."""

    async def within() -> Answer:
        return await asyncio.wait_for(work, 30)

    return asyncio.run(within())


def other_token() -> str:
    """One that no session has."""
    return secrets.token_hex(32)
