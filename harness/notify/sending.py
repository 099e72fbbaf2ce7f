"""Sends notices: to a webhook, to what speaks like Slack, by e-mail; secrets come from files."""

from __future__ import annotations

import hashlib
import hmac
import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import assert_never

import msgspec

from harness import __version__
from harness.drivers.http_post import post
from harness.errors import InputError, SurroundingsError
from harness.model.notice import Notice
from harness.ports import Clock
from harness.report.notice import render_slack, render_text, subject
from harness.settings import Email, Notify, Slack, Webhook

SMTP_S = 30.0
"""How long a mail server may take for each answer."""


def wanted(notify: Notify, notice: Notice) -> bool:
    """Whether somebody asked to be told of such an occasion."""
    return notice.occasion in notify.on


def send(notify: Notify, notice: Notice, clock: Clock) -> None:
    """Returns when it was taken. Raises InputError where a secret cannot be read, and
    SurroundingsError, which names no secret, where nobody took it.
    """
    try:
        match notify:
            case Webhook():
                _to_webhook(notify, notice, clock)
            case Slack():
                body = msgspec.json.encode({"text": render_slack(notice)})
                _post(_secret(notify.url_file), body, {}, notify.ca_file)
            case Email():
                _by_mail(notify, notice)
            case _:
                assert_never(notify)
    except (SurroundingsError, InputError) as error:
        raise type(error)(f"{named(notify)}: {error}", hint=error.hint) from error


def named(notify: Notify) -> str:
    """Which one it is, without what is secret of it."""
    match notify:
        case Webhook():
            return f"webhook of {notify.url_file}"
        case Slack():
            return f"Slack webhook of {notify.url_file}"
        case Email():
            return f"e-mail by {notify.server}:{notify.port}"
    assert_never(notify)


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What X-Harness-Signature says: HMAC-SHA-256 (RFC 2104) over the time, a dot and the body.

    The time is signed, so that a receiver can refuse what is sent again later.
    """
    return (
        "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    )


def _to_webhook(notify: Webhook, notice: Notice, clock: Clock) -> None:
    body = msgspec.json.encode(notice)
    headers = {}
    if notify.secret_file is not None:
        timestamp = str(int(clock.now().utc.timestamp()))
        key = _secret(notify.secret_file).encode()
        headers = {
            "X-Harness-Timestamp": timestamp,
            "X-Harness-Signature": signature(key, timestamp, body),
        }
    _post(_secret(notify.url_file), body, headers, notify.ca_file)


def _post(url: str, body: bytes, headers: dict[str, str], ca_file: Path | None) -> None:
    said = {"Content-Type": "application/json", "User-Agent": f"recovery-harness/{__version__}"}
    post(url, body, {**said, **headers}, ca_file=ca_file)


def _by_mail(notify: Email, notice: Notice) -> None:
    mail = EmailMessage()
    mail["Subject"] = subject(notice)
    mail["From"] = notify.sender
    mail["To"] = ", ".join(notify.to)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is told to us
    mail.set_content(render_text(notice))
    context = ssl.create_default_context(
        cafile=None if notify.ca_file is None else str(notify.ca_file)
    )
    try:
        with smtplib.SMTP(notify.server, notify.port, timeout=SMTP_S) as server:
            if notify.starttls:
                server.starttls(context=context)
            if notify.user is not None and notify.password_file is not None:
                server.login(notify.user, _secret(notify.password_file))
            server.send_message(mail)
    except smtplib.SMTPAuthenticationError as error:
        raise SurroundingsError(f"user {notify.user} was not let in: {error.smtp_code}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise SurroundingsError(f"{type(error).__name__}: {error}") from error


def _secret(path: Path) -> str:
    try:
        said = path.expanduser().read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror}", hint=f"ls -l {path}"
        ) from error
    if not said:
        raise InputError(f"{path}: is empty", hint=f"ls -l {path}")
    return said
