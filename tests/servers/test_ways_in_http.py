"""Ways in by HTTP and the Kubernetes API, with real sockets: silence, drips, TLS, identities."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from harness.certificates import Authority
from harness.drivers.clock import HostClock
from harness.drivers.loopback import ADDRESS, free_ports
from harness.errors import InputError
from harness.model.history import Outcome
from harness.practice.black_hole import BlackHole
from harness.probes.config import HttpRequest, KubernetesRead
from harness.probes.main import probe_of
from harness.probes.open_loop import Probe

SECOND = 1_000_000_000
CLOCK = HostClock()
UID = "c01b5a2b-3ef2-4780-a33c-05f2f3c7aa25"


class Service(BaseHTTPRequestHandler):
    """Echoes an order, or drips an answer, or is an API server with one namespace."""

    protocol_version = "HTTP/1.1"
    released = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/drip":
            # Each byte comes in time for a timeout that counts anew.
            self.wfile.write(b"HTTP/1.1 201 Created\r\n")
            while not self.released.wait(0.05):
                self.wfile.write(b"x")
            return
        self._answer(201, body)

    def do_GET(self) -> None:
        if self.path != "/api/v1/namespaces/kube-system":
            self._answer(404, b"{}")
        elif self.headers.get("Authorization", "Bearer right") != "Bearer right":
            self._answer(401, b"{}")
        else:
            self._answer(200, json.dumps({"metadata": {"uid": UID}}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base's name
        pass


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, int]]:
    """The service on loopback."""
    server = ThreadingHTTPServer((ADDRESS, 0), Service)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Service.released.clear()
    try:
        yield server.server_address[:2]  # type: ignore[misc] # of an IPv4 socket: (host, port)
    finally:
        Service.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def ask(probe: Probe, within_ns: int = 5 * SECOND) -> tuple[Outcome, str]:
    return probe(0, CLOCK.monotonic_ns() + within_ns)


def order(address: tuple[str, int], path: str = "/checkout") -> Probe:
    """The checkout's probe."""
    return probe_of(
        HttpRequest(
            address=address,
            host="checkout",
            method="POST",
            path=path,
            body='{"id": "{id}"}',
            expect_status=201,
        )
    )


def test_an_order_is_answered() -> None:
    """A real exchange is right; a port where nobody listens is a failure."""
    with serving() as address:
        assert ask(order(address)) == (Outcome.OK, "")
    assert ask(order((ADDRESS, free_ports(1)[0])))[0] is Outcome.FAIL


def test_silence_and_drips_end_at_the_deadline() -> None:
    """No answer, and one that never ends, are indeterminate when their time is over."""
    with serving() as address:
        began_ns = CLOCK.monotonic_ns()
        assert ask(order(address, "/drip"), SECOND // 2)[0] is Outcome.INDETERMINATE
        assert CLOCK.monotonic_ns() - began_ns >= SECOND // 2
        with BlackHole(address) as relay:
            relay.stop_after(b"/checkout")
            outcome, detail = ask(order(relay.address), SECOND // 2)
            relay.let_through()
    assert (outcome, "no answer in time" in detail) == (Outcome.INDETERMINATE, True)


# -- the Kubernetes API ---------------------------------------------------------------------------


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of an API server that lets in who has a certificate of its authority."""
    authority = Authority("api")
    for name, pair in (
        ("server", authority.issue("api", hosts=(ADDRESS,))),
        ("client", authority.issue("probe", client=True)),
    ):
        pair.write(tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.crt"))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    with serving(tls) as (host, port):
        yield kubeconfig(tmp_path, f"https://{host}:{port}")


def kubeconfig(directory: Path, server: str, token: str | None = None) -> Path:
    """A kubeconfig whose current context is another one."""
    user = {
        "client-certificate": str(directory / "client.crt"),
        "client-key": str(directory / "client.key"),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "production",
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": server, "certificate-authority": str(directory / "ca.crt")},
            }
        ],
        "users": [{"name": "u", "user": user if token is None else user | {"token": token}}],
        "contexts": [{"name": "drill", "context": {"cluster": "c", "user": "u"}}],
    }
    file = directory / "kubeconfig"
    file.write_text(yaml.safe_dump(content))
    return file


def test_the_right_cluster_answers(api: Path) -> None:
    """A client certificate lets in; the namespace's identity is the cluster's."""
    probe = probe_of(KubernetesRead(kubeconfig=api, context="drill", uid=UID))
    assert [ask(probe) for _ in range(2)] == [(Outcome.OK, "")] * 2
    outcome, detail = ask(probe_of(KubernetesRead(kubeconfig=api, context="drill", uid="other")))
    assert outcome is Outcome.FAIL
    assert "the wrong cluster" in detail


def test_a_token_is_sent(api: Path) -> None:
    """A bearer token is sent where the kubeconfig has one; a refusal is a wrong answer."""
    server = yaml.safe_load(api.read_text())["clusters"][0]["cluster"]["server"]
    for token, outcome in (("right", Outcome.OK), ("wrong", Outcome.FAIL)):
        file = kubeconfig(api.parent, server, token)
        probe = probe_of(KubernetesRead(kubeconfig=file, context="drill", uid=UID))
        assert ask(probe)[0] is outcome


def test_a_server_of_another_authority_is_no_answer(api: Path) -> None:
    """Somebody in the middle is not believed."""
    (api.parent / "ca.crt").write_bytes(Authority("other").certificate)
    outcome, detail = ask(probe_of(KubernetesRead(kubeconfig=api, context="drill", uid=UID)))
    assert outcome is Outcome.FAIL
    assert "certificate verify failed" in detail


def test_a_context_that_is_not_there_is_refused(api: Path) -> None:
    """The context is named, and never the current one instead."""
    with pytest.raises(InputError, match="context nowhere"):
        probe_of(KubernetesRead(kubeconfig=api, context="nowhere", uid=UID))
