"""Makes certificate authorities, and certificates by them, for servers and clients of our own."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
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
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """One certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)

    def write(self, certificate_file: Path, key_file: Path) -> None:
        """Writes the certificate readable by everybody, the key by this user only."""
        write(certificate_file, self.certificate, 0o644)
        write(key_file, self.key, 0o600)


class Authority:
    """A certificate authority; its key lives in this object only.

    Its certificates carry the extensions of RFC 5280 section 4.2.1 that OpenSSL's strict checks
    ask for (basic constraints, key usage, both key identifiers).
    """

    def __init__(self, common_name: str) -> None:
        """Makes a new key (ECDSA P-256) and a certificate signed by itself."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(common_name)
        self._now = HostClock().now().utc
        certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(certificate_authority=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(_PEM)
        """PEM: what peers verify against."""

    @property
    def key(self) -> bytes:
        """PEM of the private key, for a server that issues certificates itself."""
        return _private(self._key)

    def issue(
        self,
        common_name: str,
        *,
        organizations: Sequence[str] = (),
        hosts: Sequence[str] = (),
        client: bool = False,
    ) -> KeyPair:
        """A new key and its certificate.

        `hosts` are the DNS names and IP addresses of a server (none: no server); `client` lets it
        prove who calls. Kubernetes reads user and groups from common name and organizations
        (Kubernetes documentation, Authenticating, X509 client certificates).
        """
        if not hosts and not client:
            raise ValueError(f"{common_name}: a certificate for neither a server nor a client")
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] if hosts else []
        if client:
            usages.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        builder = (
            self._builder(_name(common_name, organizations), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(certificate_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return KeyPair(certificate=certificate.public_bytes(_PEM), key=_private(key))

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _VALID_AROUND_NOW)
            .not_valid_after(self._now + _VALID_AROUND_NOW)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(issuer, critical=False)
        )


def signing_keys() -> tuple[bytes, bytes]:
    """A new private key (ECDSA P-256) and its public half, PEM, to sign tokens with."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _private(key), public


def write(path: Path, content: bytes, mode: int) -> None:
    """Writes with the mode set before the content, whatever the umask is."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


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
