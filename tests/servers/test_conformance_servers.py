"""The looks of a conformance check at real servers: TLS, Redis, PostgreSQL, HTTP, nc, and Git."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.certificates import Authority
from harness.conformance import configuration, engines, health
from harness.conformance.connections import Destination, read_out, script
from harness.conformance.handshake import Handshake, Protocol, handshake
from harness.conformance.probe_pods import Said, Source
from harness.conformance.tls import tried
from harness.drivers import postgres, process, redis
from harness.drivers.loopback import ADDRESS, free_ports
from harness.faults.places import Place
from harness.model.cluster import Pod
from harness.model.conformance import EngineAsked, TlsTried
from harness.model.workload import HttpWorkload, PostgresqlWorkload, RedisWorkload
from harness.ports import PostgresEndpoint

SHOP = HttpWorkload(id="checkout", namespace="n", pods="app=c", service="c")
GET = Protocol(question=b"GET / HTTP/1.0\r\n\r\n")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers 503 with the words of a service that is not ready."""

    def do_GET(self) -> None:
        """Any path."""
        body = b'{"ready": false, "away": {"postgresql": "no answer"}}'
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
        """Nothing."""


class Server(http.server.ThreadingHTTPServer):
    """One that says nothing of clients that give up a handshake, as most do here."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """They are what is tried."""


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None) -> Iterator[tuple[str, int]]:
    """A server of HTTP, or of HTTPS; its address."""
    with Server((ADDRESS, 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield (ADDRESS, server.server_address[1])
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Whose certificates the servers show."""
    return Authority("conformance")


@pytest.fixture
def certificate(place: Place, authority: Authority) -> tuple[Path, Path]:
    """Of a server on loopback, and its key."""
    files = place.directory / "server.crt", place.directory / "server.key"
    authority.issue("server", hosts=[ADDRESS]).write(*files)
    return files


def accepting(
    certificate: tuple[Path, Path],
    lowest: ssl.TLSVersion,
    highest: ssl.TLSVersion,
    clients: ssl.VerifyMode = ssl.CERT_NONE,
    authority: Authority | None = None,
) -> ssl.SSLContext:
    """A server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = lowest, highest
    if authority is not None:
        context.load_verify_locations(cadata=authority.certificate.decode())
    context.verify_mode = clients
    return context


@pytest.mark.parametrize(
    ("lowest", "highest", "accepted"),
    [
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, {"TLS 1.3"}),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, {"TLS 1.2", "TLS 1.3"}),
        (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, {"TLS 1.0", "TLS 1.1"}),
    ],
)
def test_the_versions_that_a_server_accepts_are_found(
    certificate: tuple[Path, Path],
    lowest: ssl.TLSVersion,
    highest: ssl.TLSVersion,
    accepted: set[str],
) -> None:
    """Those, and no other; and that it does not answer without TLS."""
    with serving(accepting(certificate, lowest, highest)) as address:
        found = {one.version: one for one in tried("checkout", SHOP, address)}
    assert {version for version, one in found.items() if one.accepted} == accepted
    assert all(one.accepted is not None for version, one in found.items() if version)
    assert not found[""].plain
    shown = found[max(accepted)]
    assert shown.certificate_not_before is not None
    assert shown.certificate_not_before < (shown.certificate_not_after or "")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_without_a_certificate_is_kept_out_where_one_is_required(
    certificate: tuple[Path, Path], authority: Authority, version: ssl.TLSVersion
) -> None:
    """In the handshake by TLS 1.2, after it by TLS 1.3: the version is accepted all the same."""
    found = shake(certificate, authority, version, ssl.CERT_REQUIRED)
    assert (found.accepted, found.certificate_wanted, found.certificate_required) == (
        True,
        True,
        True,
    )


def test_the_refusal_of_a_server_that_resets_the_connection_is_read_all_the_same(
    certificate: tuple[Path, Path], authority: Authority
) -> None:
    """More is asked than the connection holds: the reset always comes while it is being sent."""
    long = Protocol(question=GET.question + bytes(1 << 24))
    found = shake(certificate, authority, ssl.TLSVersion.TLSv1_3, ssl.CERT_REQUIRED, long)
    assert (found.accepted, found.certificate_required) == (True, True)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_without_a_certificate_is_let_in_where_one_is_only_asked_for(
    certificate: tuple[Path, Path], authority: Authority, version: ssl.TLSVersion
) -> None:
    """That one is asked for can be seen by TLS 1.2 only."""
    found = shake(certificate, authority, version, ssl.CERT_OPTIONAL)
    assert (found.accepted, found.certificate_required) == (True, False)
    assert found.certificate_wanted is (True if version is ssl.TLSVersion.TLSv1_2 else None)


def shake(
    certificate: tuple[Path, Path],
    authority: Authority,
    version: ssl.TLSVersion,
    clients: ssl.VerifyMode,
    protocol: Protocol = GET,
) -> Handshake:
    """With a server that verifies its clients so."""
    name = {ssl.TLSVersion.TLSv1_2: "TLS 1.2", ssl.TLSVersion.TLSv1_3: "TLS 1.3"}[version]
    context = accepting(certificate, version, version, clients, authority)
    with serving(context) as address:
        return handshake(address, name, protocol)


def test_a_server_without_tls_answers_plainly() -> None:
    """No version is accepted."""
    with serving(None) as address:
        found = {one.version: one for one in tried("checkout", SHOP, address)}
    assert found[""].plain
    assert not any(one.accepted for version, one in found.items() if version)


def test_nobody_there_is_not_known() -> None:
    """A closed port accepts nothing, and refuses no version."""
    facts = list(tried("checkout", SHOP, (ADDRESS, free_ports(1)[0])))
    assert {one.accepted for one in facts} == {None}
    assert not any(one.plain for one in facts)


def test_an_answer_of_readiness_is_kept_with_its_body() -> None:
    """503 is an answer; a closed port is none."""
    with serving(None) as (host, port):
        question = health.Question("n", "checkout", "checkout-1", host, port, "/health/ready")
        found = health.ask(question)
    assert (found.status, "postgresql" in found.body) == (503, True)
    gone = health.ask(question)
    assert (gone.status, gone.body) == (None, "")
    assert gone.detail


def test_nc_tells_open_ports_from_closed_ones(place: Place) -> None:
    """By the busybox that helper pods have."""
    closed = free_ports(1)[0]
    with serving(None) as (host, port):
        destinations = [Destination(host, port, "n"), Destination(host, closed, "n")]
        done = process.run(
            ["busybox", "sh", "-c", script(destinations)], directory=place.directory, timeout_s=30
        )
    opened, refused = read_out(Source("n", ""), destinations, Said(done.stdout, None))
    assert (opened.connected, opened.refused) == (True, False)
    assert (refused.connected, refused.refused) == (False, True)


def pod(address: str) -> Pod:
    """A pod at an address of this machine."""
    return Pod(
        namespace="n",
        name="one",
        uid="u",
        node="w",
        address=address,
        phase="Running",
        ready=True,
        terminating=False,
        owner="StatefulSet/one",
        labels={},
    )


def test_a_redis_says_what_it_is_and_that_it_has_no_tls(place: Place) -> None:
    """No cluster, an append-only file, no snapshots."""
    port = free_ports(1)[0]
    server = redis.start_server(place.directory / "redis", port, options={"appendonly": "yes"})
    carts = RedisWorkload(id="carts", namespace="n", pods="app=r", service="r", port=port)
    try:
        redis.await_ready(server)
        said = engines.ask(carts, [pod(ADDRESS)])
        found = {one.version: one for one in tried("carts", carts, (ADDRESS, port))}
    finally:
        redis.kill_server(server)
    assert said is not None
    assert (said.version or "").startswith("7.")
    assert (said.facts["cluster_enabled"], said.facts["aof_enabled"]) == ("0", "1")
    assert said.facts["save"] == ""
    assert found[""].plain
    assert not any(one.accepted for version, one in found.items() if version)


@pytest.mark.parametrize("lines", ["host all all all trust", "hostssl all all all trust"])
def test_a_postgresql_says_what_it_is_and_whether_it_answers_without_tls(
    place: Place, certificate: tuple[Path, Path], lines: str
) -> None:
    """`ssl = on` offers TLS; pg_hba.conf decides whether it is needed."""
    said, found = postgresql(place, certificate, lines)
    assert said.version is not None
    assert said.version.startswith("15.")
    assert (said.facts["primaries"], said.facts["replicas"], said.facts["ssl"]) == ("1", "0", "on")
    assert {version for version, one in found.items() if version and one.accepted} == {"TLS 1.3"}
    assert found["TLS 1.3"].client_certificate_required is False
    assert found[""].plain is lines.startswith("host ")


def postgresql(
    place: Place, certificate: tuple[Path, Path], lines: str
) -> tuple[EngineAsked, dict[str, TlsTried]]:
    """What a server with TLS 1.3 and these lines of pg_hba.conf says."""
    user, programs = postgres.server_user("postgres"), postgres.bin_directory()
    postgres.own(place.directory, user)
    data, port = place.directory / "data", free_ports(1)[0]
    postgres.initialise(data, bin_directory=programs, user=user)
    hba = data / "pg_hba.conf"
    hba.write_text(f"{lines}\n", encoding="ascii")
    for file in certificate:
        postgres.own(file, user)
    identifier = postgres.read_control(data, bin_directory=programs)["Database system identifier"]
    server = postgres.start_server(
        data,
        bin_directory=programs,
        log=place.directory / "postgresql.log",
        user=user,
        settings={
            "listen_addresses": ADDRESS,
            "port": str(port),
            "unix_socket_directories": str(place.directory),
            "ssl": "on",
            "ssl_cert_file": str(certificate[0]),
            "ssl_key_file": str(certificate[1]),
            "ssl_min_protocol_version": "TLSv1.3",
        },
    )
    orders = PostgresqlWorkload(id="orders", namespace="n", pods="app=p", service="p", port=port)
    try:
        postgres.await_accepting(
            server,
            PostgresEndpoint(
                host=ADDRESS,
                port=port,
                database="postgres",
                user="postgres",
                system_identifier=identifier,
            ),
        )
        said = engines.ask(orders, [pod(ADDRESS)])
        facts = {one.version: one for one in tried("orders", orders, (ADDRESS, port))}
    finally:
        postgres.kill_server(server)
    assert said is not None
    return said, facts


class Repository:
    """A Git repository of a test, with a keyring of its own."""

    def __init__(self, place: Place) -> None:
        self.directory = place.directory / "gitops"
        self.keys = place.directory / "keys"
        self.directory.mkdir()
        self.keys.mkdir(mode=0o700)
        self.git("init", "--quiet", "--initial-branch=main")

    def run(self, *words: str) -> str:
        """A program in it; what it printed."""
        names = {"NAME": "Me", "EMAIL": "me@example.org"}
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in names.items()
        }
        done = process.run(
            words,
            directory=self.directory,
            environment={"GNUPGHOME": str(self.keys), **who},
            timeout_s=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def git(self, *words: str) -> str:
        """Git, without this user's settings of signatures."""
        return self.run("git", "-c", "commit.gpgsign=false", *words)

    def make_key(self) -> None:
        """Without a passphrase."""
        self.run(
            *("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key"),
            *("Me <me@example.org>", "ed25519", "sign", "never"),
        )

    def end(self) -> None:
        """Ends the agent, which has the keyring open."""
        self.run("gpgconf", "--kill", "all")


@pytest.fixture
def repository(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """One, whose keyring is also that of the look."""
    made = Repository(place)
    monkeypatch.setenv("GNUPGHOME", str(made.keys))
    yield made
    made.end()


def test_commits_and_their_signatures_are_counted(repository: Repository) -> None:
    """One of two is signed; the dates are the committers'."""
    repository.make_key()
    repository.git("commit", "--quiet", "--allow-empty", "-m", "unsigned")
    repository.git("commit", "--quiet", "--allow-empty", "-m", "signed", "-S")
    found = configuration.read(str(repository.directory))
    assert (found.commits, found.signed, found.unverifiable, found.detail) == (2, 1, 0, "")
    assert found.oldest is not None
    assert found.oldest <= (found.newest or "")


def test_signatures_by_keys_that_are_not_here_are_not_called_good(
    repository: Repository, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor bad."""
    repository.make_key()
    repository.git("commit", "--quiet", "--allow-empty", "-m", "signed", "-S")
    other = place.directory / "other"
    other.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(other))
    found = configuration.read(str(repository.directory))
    assert (found.commits, found.signed, found.unverifiable) == (1, 0, 1)


def test_a_repository_without_commits_or_none_at_all_says_why(
    repository: Repository, place: Place
) -> None:
    """No error: a fact with its reason."""
    empty = configuration.read(str(repository.directory))
    missing = configuration.read(str(place.directory / "missing"))
    assert (empty.commits, missing.commits) == (0, 0)
    assert "main" in empty.detail or "commit" in empty.detail
    assert "is no directory" in missing.detail


def test_a_shallow_clone_is_said(repository: Repository, place: Place) -> None:
    """What is older is not in it."""
    for word in ("one", "two"):
        repository.git("commit", "--quiet", "--allow-empty", "-m", word)
    clone = place.directory / "clone"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.directory}", str(clone))
    found = configuration.read(str(clone))
    assert found.commits == 1
    assert "shallow" in found.detail
