"""The S3 driver against real servers that refuse, reset, redirect, stall and deny."""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.drivers import s3
from harness.drivers.loopback import free_ports
from harness.errors import DeadlineExceededError, StoreError
from harness.faults.places import Place
from harness.model.subject import ObjectStore
from harness.practice.object_store import Regions

QUICK = s3.Limits(connect_timeout_s=1, read_timeout_s=1, attempts=1)


def _moved(store: ObjectStore, endpoint_url: str) -> ObjectStore:
    return ObjectStore(
        bucket=store.bucket,
        prefix=store.prefix,
        endpoint_url=endpoint_url,
        ca_file=store.ca_file,
        path_style=True,
        credentials_file=store.credentials_file,
        profile=store.profile,
    )


@dataclass
class Proxy:
    """Passes bytes to and from a port; the first connections are reset after so many bytes."""

    target: int
    resets: list[int] = field(default_factory=list)
    port: int = 0
    accepted: int = 0
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        """Accepts until the listener is shut down."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            self._sockets += [client, server]
            limit = self.resets[self.accepted] if self.accepted < len(self.resets) else None
            self.accepted += 1
            self._spawn(client, server, None)
            self._spawn(server, client, limit)

    def _spawn(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        thread = threading.Thread(target=_pump, args=(source, sink, limit))
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Ends all connections."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()


def _pump(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
    """Copies to the end, or resets `sink` (RST, by a linger time of zero) after `limit` bytes."""
    passed = 0
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            if limit is not None and passed + len(chunk) > limit:
                sink.sendall(chunk[: limit - passed])
                sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sink.shutdown(socket.SHUT_RD)  # the other thread lets go of it
                sink.close()
                source.shutdown(socket.SHUT_RDWR)
                return
            sink.sendall(chunk)
            passed += len(chunk)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def _listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@contextlib.contextmanager
def _proxy(target: int, resets: list[int]) -> Iterator[Proxy]:
    proxy = Proxy(target=target, resets=resets)
    with _listening() as listener:
        proxy.port = listener.getsockname()[1]
        accepting = threading.Thread(target=proxy.serve, args=(listener,))
        accepting.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            proxy.close()


@contextlib.contextmanager
def _answering(
    status: int, headers: dict[str, str], body: bytes, announced: int | None = None
) -> Iterator[str]:
    """A plain HTTP server that always gives the same answer; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(announced or len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.close_connection = True

        do_GET = do_HEAD = do_PUT = _answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _error(code: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
        f"<Message>no more</Message></Error>"
    ).encode()


def test_a_wrong_bucket_is_named(regions: Regions, place: Place) -> None:
    """Reading, listing and asking say which bucket, and that it is the bucket."""
    store = regions.primary.store("no-such-bucket")
    client = s3.connect(store)
    with pytest.raises(s3.BucketMissingError, match="no-such-bucket"):
        list(s3.list_objects(client, store))
    with pytest.raises(s3.BucketMissingError, match="no-such-bucket"):
        s3.read(client, store, "k")
    with pytest.raises(s3.ObjectMissingError, match="no-such-bucket"):
        s3.fetch(client, store, "k", place.directory / "f")
    assert list(place.directory.iterdir()) == []


def test_unknown_and_wrong_credentials_are_told(
    regions: Regions, bucket: str, place: Place
) -> None:
    """An unknown access key and a wrong secret are denied; no secret is in the message."""
    access, _ = regions.primary.credentials("backup")
    file = place.directory / "credentials"
    secret = "this-is-not-the-secret"
    for key in ("AKUNKNOWN", access):
        file.write_text(f"[backup]\naws_access_key_id={key}\naws_secret_access_key={secret}\n")
        good = regions.primary.store(bucket)
        store = ObjectStore(
            bucket=bucket,
            endpoint_url=good.endpoint_url,
            ca_file=good.ca_file,
            path_style=True,
            credentials_file=file,
            profile="backup",
        )
        with pytest.raises(s3.StoreDeniedError, match="does not accept the credentials") as caught:
            list(s3.list_objects(s3.connect(store), store))
        assert secret not in str(caught.value)
        assert secret not in (caught.value.hint or "")


def test_expired_credentials_are_told(regions: Regions, bucket: str) -> None:
    """The store's ExpiredToken becomes words."""
    with _answering(400, {}, _error("ExpiredToken")) as url:
        store = _moved(regions.primary.store(bucket), url)
        with pytest.raises(s3.StoreDeniedError, match="have expired"):
            s3.read(s3.connect(store, QUICK), store, "k")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_told_and_not_followed(regions: Regions, bucket: str, status: int) -> None:
    """Credentials must not follow a Location; the message says where it pointed."""
    with _answering(status, {"Location": "https://elsewhere.invalid/"}, b"") as url:
        store = _moved(regions.primary.store(bucket), url)
        client = s3.connect(store, QUICK)
        with pytest.raises(StoreError, match=r"redirect to https://elsewhere\.invalid/"):
            s3.read(client, store, "k")
        with pytest.raises(StoreError, match="redirect"):
            s3.head(client, store, "k")


def test_a_store_that_fails_inside_is_told(regions: Regions, bucket: str) -> None:
    """A 503 that stays is an error after the attempts allowed."""
    with _answering(503, {}, _error("SlowDown")) as url:
        store = _moved(regions.primary.store(bucket), url)
        with pytest.raises(StoreError, match="HTTP 503 SlowDown: no more"):
            s3.read(s3.connect(store, QUICK), store, "k")


def test_a_refusing_endpoint_is_told(regions: Regions, bucket: str) -> None:
    """Nobody listens there."""
    store = _moved(regions.primary.store(bucket), f"https://localhost:{free_ports(1)[0]}")
    with pytest.raises(StoreError, match="refused or unknown host"):
        list(s3.list_objects(s3.connect(store, QUICK), store))


def test_a_silent_endpoint_is_given_up(regions: Regions, bucket: str) -> None:
    """It accepts and says nothing: given up after the read timeout, not waited for."""
    with _listening() as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
        store = _moved(regions.primary.store(bucket), url)
        with pytest.raises(StoreError, match="timed out"):
            s3.read(s3.connect(store, QUICK), store, "k")


def test_a_foreign_authority_is_not_trusted(regions: Regions, bucket: str) -> None:
    """Without the right CA file the certificate is refused, and nothing is sent."""
    good = regions.primary.store(bucket)
    store = ObjectStore(
        bucket=bucket,
        endpoint_url=good.endpoint_url,
        path_style=True,
        credentials_file=good.credentials_file,
        profile=good.profile,
    )
    with pytest.raises(StoreError, match="TLS failed"):
        list(s3.list_objects(s3.connect(store, QUICK), store))


@pytest.fixture
def large(regions: Regions, bucket: str) -> bytes:
    """An object `large` of 20 MB in the bucket; its content."""
    content = secrets.token_bytes(20_000_000)
    store = regions.primary.store(bucket)
    s3.put_bytes(s3.connect(store), store, "large", content)
    return content


def test_a_reset_half_way_is_made_good(
    regions: Regions, bucket: str, large: bytes, place: Place
) -> None:
    """Two connections are reset in the middle of the body; the file is whole all the same."""
    with _proxy(regions.primary.port, [7_000_000, 3_000_000]) as proxy:
        store = _moved(regions.primary.store(bucket), f"https://localhost:{proxy.port}")
        fetched = s3.fetch(s3.connect(store), store, "large", place.directory / "f")
        assert fetched == len(large)
        assert (place.directory / "f").read_bytes() == large
        assert proxy.accepted == 3


def test_resets_without_end_fail_loudly(
    regions: Regions, bucket: str, large: bytes, place: Place
) -> None:
    """Every connection is reset after 2 MB: an error that says how far it came, and no file."""
    with _proxy(regions.primary.port, [2_000_000] * 99) as proxy:
        store = _moved(regions.primary.store(bucket), f"https://localhost:{proxy.port}")
        with pytest.raises(StoreError, match=f"broke off 4 times.* of {len(large)}"):
            s3.fetch(s3.connect(store), store, "large", place.directory / "f")
        assert list(place.directory.iterdir()) == []


@pytest.mark.parametrize("strategy", list(s3.Strategy))
def test_every_strategy_brings_the_same_bytes(
    regions: Regions, bucket: str, large: bytes, place: Place, strategy: s3.Strategy
) -> None:
    """Ranges, the transfer manager and the Common Runtime client agree to the byte."""
    store = regions.primary.store(bucket, profile="drill")
    client = s3.connect(store)
    fetched = s3.fetch(client, store, "large", place.directory / "f", strategy=strategy)
    assert fetched == len(large)
    assert (place.directory / "f").read_bytes() == large
    with pytest.raises(s3.ObjectMissingError):
        s3.fetch(client, store, "absent", place.directory / "g", strategy=strategy)
    assert [path.name for path in place.directory.iterdir()] == ["f"]


@pytest.mark.parametrize("strategy", list(s3.Strategy))
def test_a_wrong_digest_leaves_no_file(
    regions: Regions, bucket: str, large: bytes, place: Place, strategy: s3.Strategy
) -> None:
    """A damaged object is refused whichever way it was fetched."""
    assert large
    store = regions.primary.store(bucket)
    with pytest.raises(StoreError, match="sha256"):
        s3.fetch(
            s3.connect(store),
            store,
            "large",
            place.directory / "f",
            sha256="0" * 64,
            strategy=strategy,
        )
    assert list(place.directory.iterdir()) == []


def test_a_short_body_of_a_real_server_is_no_success(
    regions: Regions, bucket: str, place: Place
) -> None:
    """100 bytes announced, 60 sent, then a polite end, each time."""
    headers = {"ETag": '"e"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    with _answering(200, headers, b"x" * 60, announced=100) as url:
        store = _moved(regions.primary.store(bucket), url)
        wanted = s3.Fetch(key="k", destination=place.directory / "f", size_bytes=100)
        with pytest.raises(StoreError):
            s3.fetch_all(s3.connect(store, QUICK), store, [wanted])
        assert list(place.directory.iterdir()) == []


def test_a_deadline_ends_a_stalled_fetch(regions: Regions, bucket: str, place: Place) -> None:
    """A deadline that has passed is DeadlineExceededError, not a StoreError."""
    store = regions.primary.store(bucket)
    client = s3.connect(store)
    s3.put_bytes(client, store, "k", b"x")
    with pytest.raises(DeadlineExceededError):
        s3.fetch(client, store, "k", place.directory / "f", None, 1)


def test_many_small_objects_arrive_under_their_prefix(
    regions: Regions, bucket: str, place: Place
) -> None:
    """Listed below a prefix, fetched by the listing, each with its own content."""
    store = regions.primary.store(bucket, prefix="/some/where/")
    client = s3.connect(store)
    content = {f"d/{number:03}": secrets.token_bytes(number) for number in range(60)}
    s3.in_parallel(lambda key: s3.put_bytes(client, store, key, content[key]), sorted(content))
    listed = list(s3.list_objects(client, store, "d/"))
    assert {each.key: each.size_bytes for each in listed} == {
        key: len(value) for key, value in content.items()
    }
    wanted = [
        s3.Fetch(
            key=each.key,
            destination=place.directory / Path(each.key).name,
            size_bytes=each.size_bytes,
            etag=each.etag,
        )
        for each in listed
    ]
    assert s3.fetch_all(client, store, wanted) == sum(range(60))
    for key, value in content.items():
        assert (place.directory / Path(key).name).read_bytes() == value


def test_an_object_that_was_overwritten_is_not_mixed(
    regions: Regions, bucket: str, place: Place
) -> None:
    """A fetch by an old listing is refused by the store itself (If-Match)."""
    store = regions.primary.store(bucket)
    client = s3.connect(store)
    s3.put_bytes(client, store, "k", b"old")
    listed = next(s3.list_objects(client, store))
    s3.put_bytes(client, store, "k", b"new")
    wanted = s3.Fetch(key="k", destination=place.directory / "f", size_bytes=3, etag=listed.etag)
    with pytest.raises(StoreError, match="changed while it was being read"):
        s3.fetch_all(client, store, [wanted])


def test_files_go_up_whole_and_come_down_whole(
    regions: Regions, bucket: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Multipart upload and ranged download of a file of several parts."""
    monkeypatch.setattr(s3, "_PART_BYTES", 5 * 1024 * 1024)
    source = place.directory / "source"
    source.write_bytes(secrets.token_bytes(17_000_000))
    store = regions.primary.store(bucket)
    client = s3.connect(store)
    s3.put_file(client, store, "k", source)
    assert s3.fetch(client, store, "k", place.directory / "f") == 17_000_000
    assert (place.directory / "f").read_bytes() == source.read_bytes()
    assert s3.read_range(client, store, "k", 16_999_990, 50) == source.read_bytes()[-10:]
