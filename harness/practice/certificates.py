"""The practice platform's own certificate authority and the server certificate made by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.certificates import Authority, write
from harness.drivers.loopback import ADDRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Where a certificate authority and one server certificate made by it are."""

    ca_file: Path
    """PEM, readable by everybody: clients verify against it."""

    certificate_file: Path
    """PEM, for `localhost` and 127.0.0.1."""

    key_file: Path
    """PEM, mode 0600, of the user who made it."""


def make_certificates(directory: Path, more_hosts: Sequence[str] = ()) -> Certificates:
    """Makes an authority and a server certificate in `directory`; the former's key is not kept.

    `more_hosts` are names and addresses beside `localhost` by which the server is called.
    """
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    authority = Authority("Practice platform CA")
    made = Certificates(
        ca_file=directory / "ca.crt",
        certificate_file=directory / "server.crt",
        key_file=directory / "server.key",
    )
    write(made.ca_file, authority.certificate, 0o644)
    authority.issue("localhost", hosts=("localhost", ADDRESS, *more_hosts)).write(
        made.certificate_file, made.key_file
    )
    return made
