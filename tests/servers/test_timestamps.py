"""A timestamp service over HTTP, by `openssl ts`: asked, down, refusing, and answering others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sealed_runs import KeyPair, SetClock, make_run
from timestamp_service import TimestampService

from harness.cli.sealing import seal_as_set
from harness.drivers.loopback import ADDRESS
from harness.errors import SurroundingsError
from harness.seal import timestamps
from harness.seal.statement import TIMESTAMP
from harness.seal.verifying import verify_run
from harness.settings import Sealing

Answer = Callable[[bytes], tuple[int, bytes]]


@contextmanager
def served(answer: Answer) -> Iterator[str]:
    """The address of a service that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/timestamp-query"
            status, body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer((ADDRESS, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{ADDRESS}:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> TimestampService:
    return TimestampService(tmp_path_factory.mktemp("authority") / "tsa")


def test_a_run_is_sealed_with_the_services_timestamp(
    service: TimestampService, tmp_path: Path
) -> None:
    """`verify` then tells when, by the service's clock and not ours."""
    key, run = KeyPair(tmp_path), make_run(tmp_path / "runs")
    with served(lambda request: (200, service.answer(request))) as url:
        clock = SetClock(run.read_run_record().started)
        seal_as_set(run, Sealing(key=key.private, timestamp=url), clock)
    found = verify_run(run.path, [key.public], [timestamps.read_root(service.root)])
    assert found.holds
    assert found.timestamp is not None
    assert found.timestamp > clock.utc


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda _: (503, b"later"), "503"),
        (lambda _: (200, b"<html>sign in</html>"), "got no timestamp response"),
        (lambda _: (200, b""), "got no timestamp response"),
    ],
)
def test_a_service_that_gives_none_is_told_and_the_run_sealed_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: Answer, says: str
) -> None:
    key, run = KeyPair(tmp_path), make_run(tmp_path / "runs")
    with served(answer) as url:
        clock = SetClock(run.read_run_record().started)
        seal_as_set(run, Sealing(key=key.private, timestamp=url), clock)
    told = capsys.readouterr().err
    assert "sealed without a timestamp" in told
    assert says in told
    found = verify_run(run.path, [key.public])
    assert found.holds
    assert "no timestamp" in found.notes[0]
    assert not (run.path / TIMESTAMP).exists()


def test_a_service_that_is_away_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, run = KeyPair(tmp_path), make_run(tmp_path / "runs")
    with served(lambda _: (200, b"")) as url:
        pass  # from here on nobody listens there
    clock = SetClock(run.read_run_record().started)
    seal_as_set(run, Sealing(key=key.private, timestamp=url), clock)
    assert "sealed without a timestamp" in capsys.readouterr().err
    assert verify_run(run.path, [key.public]).holds


def test_an_answer_to_another_request_is_not_taken(service: TimestampService) -> None:
    """A service, or whoever is between, that plays an earlier answer again."""
    kept: list[bytes] = []

    def once(request: bytes) -> tuple[int, bytes]:
        if not kept:
            kept.append(service.answer(request))
        return 200, kept[0]

    with served(once) as url:
        timestamps.ask(url, b"the first seal")
        with pytest.raises(SurroundingsError, match="answered another request"):
            timestamps.ask(url, b"the second seal")
        with pytest.raises(SurroundingsError, match="answered another request"):
            timestamps.ask(url, b"the first seal")  # whose nonce is another one
