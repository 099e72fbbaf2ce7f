"""Gives out what a master has gathered, by HTTP, read only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gevent.pywsgi import WSGIServer  # type: ignore[import-untyped]

from harness.load.gathered import OUTCOME, Gathered
from harness.model.codec import to_json


@contextmanager
def giving_out(
    port: int, gathered: Callable[[], Gathered], files: Callable[[], Iterable[Path]]
) -> Iterator[None]:
    """`/load.json`, and each file of samples by its name, on all addresses of this machine."""

    def answer(environ: dict[str, Any], start: Callable[[str, list[Any]], None]) -> list[bytes]:
        wanted = environ["PATH_INFO"].lstrip("/")
        known = {path.name: path for path in files()}
        if wanted == OUTCOME:
            kind, content = "application/json", to_json(gathered())
        elif wanted in known:
            kind, content = "application/octet-stream", known[wanted].read_bytes()
        else:
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"no such file"]
        start("200 OK", [("Content-Type", kind), ("Content-Length", str(len(content)))])
        return [content]

    server = WSGIServer(("0.0.0.0", port), answer, log=None)  # noqa: S104 - a pod's
    server.start()
    try:
        yield
    finally:
        server.stop()
