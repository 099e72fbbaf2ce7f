"""The practice platform's certificates: what a strict client accepts, and nothing else."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from harness.drivers.clock import HostClock
from harness.practice.certificates import Certificates, make_certificates


def _verify(certificates: Certificates, name: str, ago: timedelta = timedelta(0)) -> None:
    authority = x509.load_pem_x509_certificate(certificates.ca_file.read_bytes())
    server = x509.load_pem_x509_certificate(certificates.certificate_file.read_bytes())
    (
        verification.PolicyBuilder()
        .store(verification.Store([authority]))
        .time(HostClock().now().utc - ago)
        .build_server_verifier(x509.DNSName(name))
        .verify(server, [])
    )


def test_a_strict_verifier_accepts_localhost(tmp_path: Path) -> None:
    """A verifier of the web's rules (RFC 5280, CA/B) accepts the certificate for localhost."""
    _verify(make_certificates(tmp_path), "localhost")


def test_a_client_in_the_past_accepts_it(tmp_path: Path) -> None:
    """A client whose clock was moved back by a year, to take an old backup, accepts it, too."""
    _verify(make_certificates(tmp_path), "localhost", timedelta(days=365))


def test_another_name_is_refused(tmp_path: Path) -> None:
    """The certificate is for no other host."""
    with pytest.raises(verification.VerificationError):
        _verify(make_certificates(tmp_path), "example.org")


def test_another_authority_is_refused(tmp_path: Path) -> None:
    """Two platforms do not trust each other's certificates."""
    one, other = make_certificates(tmp_path / "a"), make_certificates(tmp_path / "b")
    mixed = Certificates(
        ca_file=one.ca_file, certificate_file=other.certificate_file, key_file=other.key_file
    )
    with pytest.raises(verification.VerificationError):
        _verify(mixed, "localhost")


def test_modes(tmp_path: Path) -> None:
    """The private key is readable by its owner alone, the authority's certificate by everybody."""
    made = make_certificates(tmp_path)
    assert stat.S_IMODE(made.key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.ca_file.stat().st_mode) == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "ca.crt",
        "server.crt",
        "server.key",
    ]
