"""Notices and metrics at real receivers: HTTP, mail with STARTTLS and sign-in, a Pushgateway."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from judged_runs import judged

from harness.drivers import http_post, process
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.loopback import ADDRESS, free_ports
from harness.errors import InputError, SurroundingsError
from harness.model.notice import Notice
from harness.notify.composing import compose
from harness.notify.metrics import push
from harness.notify.sending import send, signature
from harness.practice.certificates import Certificates, make_certificates
from harness.report.openmetrics import render_metrics
from harness.settings import Email, Slack, Webhook

CLOCK = HostClock()


@dataclass
class Received:
    """What a receiver was sent, and its address."""

    url: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiver(
    answers: Callable[[int], int] = lambda _: 200, tls: Certificates | None = None
) -> Iterator[Received]:
    """An HTTP server that answers its n-th request with `answers(n)`."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.requests.append((self.path, dict(self.headers), body))
            self.send_response(answers(len(received.requests)))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer((ADDRESS, 0), Handler)
    scheme, host = "http", ADDRESS
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate_file, tls.key_file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme, host = "https", "localhost"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    received.url = f"{scheme}://{host}:{server.server_port}/services/SECRET?token=HIDDEN"
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once; how long they wait is no matter of these tests."""
    monkeypatch.setattr(http_post, "_PAUSES_S", (0.01, 0.01))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def notice() -> Notice:
    return compose(
        judged("failing"), path="/srv/runs/x", before=None, last_success=None, not_kept=None
    )


def secret(folder: Path, content: str, name: str = "url") -> Path:
    path = folder / name
    path.write_text(f"{content}\n")
    return path


def test_a_webhook_gets_json_that_it_can_verify(notice: Notice, tmp_path: Path) -> None:
    with receiver() as received:
        hook = Webhook(
            url_file=secret(tmp_path, received.url),
            secret_file=secret(tmp_path, "shared", "secret"),
        )
        send(hook, notice, CLOCK)
    ((path, headers, body),) = received.requests
    assert path == "/services/SECRET?token=HIDDEN"
    assert json.loads(body)["verdict"] == "FAIL"
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Harness-Signature"] == signature(
        b"shared", headers["X-Harness-Timestamp"], body
    )


def test_slack_gets_its_text_over_tls(
    notice: Notice, tmp_path: Path, certificates: Certificates
) -> None:
    with receiver(tls=certificates) as received:
        slack = Slack(url_file=secret(tmp_path, received.url), ca_file=certificates.ca_file)
        send(slack, notice, CLOCK)
        # ... and not where nobody vouches for the receiver.
        with pytest.raises(SurroundingsError, match="certificate verify failed"):
            send(Slack(url_file=slack.url_file), notice, CLOCK)
    ((_, _, body),) = received.requests
    assert list(json.loads(body)) == ["text"]
    assert json.loads(body)["text"].startswith("*FAIL: weekly-restore on demo*\n```\n")


def test_it_is_tried_again_where_that_may_help(notice: Notice, tmp_path: Path) -> None:
    with receiver(lambda number: 503 if number < 3 else 200) as received:
        send(Slack(url_file=secret(tmp_path, received.url)), notice, CLOCK)
    assert len(received.requests) == 3


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (403, 1), (500, 3), (429, 3)])
def test_what_nobody_took_is_told_without_its_secret(
    notice: Notice, tmp_path: Path, status: int, attempts: int
) -> None:
    with receiver(lambda _: status) as received:
        slack = Slack(url_file=secret(tmp_path, received.url))
        with pytest.raises(SurroundingsError, match=f"answered {status}") as told:
            send(slack, notice, CLOCK)
    assert len(received.requests) == attempts
    assert "SECRET" not in str(told.value)
    assert "HIDDEN" not in str(told.value)


def test_nobody_there_and_no_address_are_told(notice: Notice, tmp_path: Path) -> None:
    with receiver() as gone:
        pass
    with pytest.raises(SurroundingsError, match="Slack webhook of"):
        send(Slack(url_file=secret(tmp_path, gone.url)), notice, CLOCK)
    for wrong in ("ftp://SECRET", "SECRET", "http://"):
        with pytest.raises(InputError, match="got no address") as told:
            send(Slack(url_file=secret(tmp_path, wrong)), notice, CLOCK)
        assert "SECRET" not in str(told.value)
    with pytest.raises(InputError, match="is empty"):
        send(Slack(url_file=secret(tmp_path, "")), notice, CLOCK)
    with pytest.raises(InputError, match="cannot be read"):
        send(Slack(url_file=tmp_path / "none"), notice, CLOCK)


class _Mailbox:
    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        mail = BytesParser(policy=default).parsebytes(content)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"


@pytest.fixture
def mail(certificates: Certificates) -> Iterator[tuple[_Mailbox, int]]:
    """A mail server that asks for STARTTLS, then for a user and a password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate_file, certificates.key_file)

    def authenticate(*arguments: object) -> AuthResult:
        given = arguments[-1]
        assert isinstance(given, LoginPassword)
        right = (given.login, given.password) == (b"harness", b"right")
        return AuthResult(success=right, handled=False)

    mailbox = _Mailbox()
    (port,) = free_ports(1)
    controller = Controller(
        mailbox,
        hostname=ADDRESS,
        port=port,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )
    controller.start()
    try:
        yield mailbox, port
    finally:
        controller.stop()


def test_mail_is_taken_after_starttls_and_sign_in(
    notice: Notice, tmp_path: Path, certificates: Certificates, mail: tuple[_Mailbox, int]
) -> None:
    mailbox, port = mail
    email = Email(
        server="localhost",
        port=port,
        sender="harness@example.com",
        to=("ada@example.com", "grace@example.com"),
        user="harness",
        password_file=secret(tmp_path, "right", "password"),
        ca_file=certificates.ca_file,
    )
    send(email, notice, CLOCK)
    (got,) = mailbox.mails
    assert got["Subject"] == "FAIL: weekly-restore on demo"
    assert got["To"] == "ada@example.com, grace@example.com"
    body = got.get_content()
    assert "sessions lost 2,210 of 9,876 acknowledged writes" in body
    wrong = secret(tmp_path, "wrong", "password")
    with pytest.raises(SurroundingsError, match="user harness was not let in") as told:
        send(email, notice, CLOCK)
    assert "wrong" not in str(told.value)
    assert wrong.is_file()


def test_mail_to_a_server_that_nobody_vouches_for_is_not_sent(
    notice: Notice, mail: tuple[_Mailbox, int]
) -> None:
    mailbox, port = mail
    email = Email(server="localhost", port=port, sender="a@example.com", to=("b@example.com",))
    with pytest.raises(SurroundingsError, match="certificate verify failed"):
        send(email, notice, CLOCK)
    assert mailbox.mails == []


@pytest.fixture
def pushgateway(tmp_path: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    url = f"http://{ADDRESS}:{port}"
    child = process.start(
        ["prometheus-pushgateway", f"--web.listen-address={ADDRESS}:{port}"],
        directory=tmp_path,
        log=tmp_path / "pushgateway.log",
    )

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/-/ready", timeout=1).is_success
        except httpx.HTTPError:
            return False

    try:
        wait_until(answers, within_s=30, what="the Pushgateway")
        yield url
    finally:
        process.stop(child)


def test_a_failed_run_does_not_make_the_last_success_forgotten(pushgateway: str) -> None:
    """Pushed after a PASS, then after a run without any success on record."""
    words = {"environment": "demo", "suite": "weekly-restore"}
    push(pushgateway, render_metrics(judged("passing")), ca_file=None, **words)
    push(pushgateway, render_metrics(judged("nothing")), ca_file=None, **words)
    said = httpx.get(f"{pushgateway}/metrics").text
    series = {line.partition("{")[0]: line for line in said.splitlines() if "harness_" in line}
    assert 'suite="weekly-restore"' in series["harness_last_success_timestamp_seconds"]
    verdicts = [line for line in said.splitlines() if line.startswith("harness_verdict{")]
    assert [line.endswith(" 1") for line in verdicts if 'verdict="INCONCLUSIVE"' in line] == [True]


def test_a_push_that_is_refused_is_told(pushgateway: str) -> None:
    with pytest.raises(SurroundingsError, match="answered 400"):
        push(pushgateway, "no metrics\n", environment="e", suite="s", ca_file=None)
