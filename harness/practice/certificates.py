"""Makes the practice platform's own certificate authority and its server certificate."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.drivers.clock import HostClock

# A year before and after: a client whose clock is moved back to take an old backup (libfaketime)
# must still find the certificate valid.
_VALID_AROUND_NOW = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Where a certificate authority and one server certificate made by it are."""

    ca_file: Path
    """PEM, readable by everybody: clients verify against it."""

    certificate_file: Path
    """PEM, for `localhost` and 127.0.0.1."""

    key_file: Path
    """PEM, mode 0600, of the user who made it."""


def make_certificates(directory: Path) -> Certificates:
    """Makes a new authority and server certificate in `directory`; the authority's key is not kept.

    Both carry the extensions of RFC 5280 section 4.2.1 that OpenSSL's strict checks ask for (basic
    constraints, key usage, both key identifiers).
    """
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    now = HostClock().now().utc
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Practice platform CA")])
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _VALID_AROUND_NOW)
            .not_valid_after(now + _VALID_AROUND_NOW)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
                critical=False,
            )
        )

    ca = (
        builder(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(certificate_authority=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    addresses = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        builder(name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(certificate_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    made = Certificates(
        ca_file=directory / "ca.crt",
        certificate_file=directory / "server.crt",
        key_file=directory / "server.key",
    )
    pem = serialization.Encoding.PEM
    _write(made.ca_file, ca.public_bytes(pem), 0o644)
    _write(made.certificate_file, certificate.public_bytes(pem), 0o644)
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(made.key_file, private, 0o600)
    return made


def _key_usage(*, certificate_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificate_authority,
        key_cert_sign=certificate_authority,
        crl_sign=certificate_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Writes with the mode set before the content, whatever the umask is."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
