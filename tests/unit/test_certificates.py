"""Certificates by an authority of our own: what a strict verifier accepts, and nothing else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.certificates import Authority, KeyPair, signing_keys, write
from harness.drivers.clock import HostClock

HOSTS = ("api.example", "10.0.0.7", "localhost")
SUBJECTS: tuple[x509.DNSName | x509.IPAddress, ...] = (
    x509.DNSName("api.example"),
    x509.IPAddress(ip_address("10.0.0.7")),
    x509.DNSName("localhost"),
)


@pytest.fixture(scope="module")
def authority() -> Authority:
    """One for all tests: it never changes."""
    return Authority("test")


def loaded(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate)


def verify(
    authority: Authority, pair: KeyPair, subject: x509.DNSName | x509.IPAddress, days: float = 0
) -> None:
    """As a client does, so many days from now."""
    trusted = x509.load_pem_x509_certificate(authority.certificate)
    (
        verification.PolicyBuilder()
        .store(verification.Store([trusted]))
        .time(HostClock().now().utc + timedelta(days=days))
        .build_server_verifier(subject)
        .verify(loaded(pair), [])
    )


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: str(subject.value))
def test_a_server_is_accepted_by_each_of_its_names(
    authority: Authority, subject: x509.DNSName | x509.IPAddress
) -> None:
    """DNS names and addresses, by the web's rules (RFC 5280, CA/B)."""
    verify(authority, authority.issue("server", hosts=HOSTS), subject)


def test_another_name_is_refused(authority: Authority) -> None:
    """Neither a name that it has not, nor its common name."""
    pair = authority.issue("server.example", hosts=HOSTS)
    for name in ("other.example", "server.example"):
        with pytest.raises(verification.VerificationError):
            verify(authority, pair, x509.DNSName(name))
    with pytest.raises(verification.VerificationError):
        verify(authority, pair, x509.IPAddress(ip_address("10.0.0.8")))


def test_an_address_is_no_dns_name(authority: Authority) -> None:
    """Clients look for addresses among addresses only."""
    names = loaded(authority.issue("server", hosts=HOSTS)).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.IPAddress) == [ip_address("10.0.0.7")]
    assert names.value.get_values_for_type(x509.DNSName) == ["api.example", "localhost"]


def test_another_authority_is_refused(authority: Authority) -> None:
    """Though it has the same name."""
    pair = Authority("test").issue("server", hosts=HOSTS)
    with pytest.raises(verification.VerificationError):
        verify(authority, pair, SUBJECTS[0])
    trusted = x509.load_pem_x509_certificate(authority.certificate)
    with pytest.raises(InvalidSignature):
        loaded(pair).verify_directly_issued_by(trusted)


@pytest.mark.parametrize("days", [-399, 399])
def test_a_client_whose_clock_was_moved_by_a_year_accepts_it(
    authority: Authority, days: float
) -> None:
    """To take an old backup, clocks are moved back."""
    verify(authority, authority.issue("server", hosts=HOSTS), SUBJECTS[0], days)


@pytest.mark.parametrize("days", [-401, 401])
def test_no_certificate_is_for_ever(authority: Authority, days: float) -> None:
    """One that leaked ends."""
    with pytest.raises(verification.VerificationError):
        verify(authority, authority.issue("server", hosts=HOSTS), SUBJECTS[0], days)


@pytest.mark.parametrize(
    ("hosts", "client", "usages"),
    [
        (HOSTS, False, [ExtendedKeyUsageOID.SERVER_AUTH]),
        ((), True, [ExtendedKeyUsageOID.CLIENT_AUTH]),
        (HOSTS, True, [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
    ],
    ids=["server", "client", "both"],
)
def test_a_certificate_is_for_what_was_asked(
    authority: Authority,
    hosts: tuple[str, ...],
    usages: list[x509.ObjectIdentifier],
    *,
    client: bool,
) -> None:
    """A server's does not prove who calls, and a client's serves nothing."""
    extensions = loaded(authority.issue("x", hosts=hosts, client=client)).extensions
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == usages
    assert ("subjectAltName" in [one.oid._name for one in extensions]) == bool(hosts)


def test_a_client_s_certificate_is_refused_for_a_server(authority: Authority) -> None:
    """Though its common name is the server's."""
    with pytest.raises(verification.VerificationError):
        verify(authority, authority.issue("localhost", client=True), x509.DNSName("localhost"))


def test_who_a_certificate_is_for(authority: Authority) -> None:
    """Kubernetes reads the user from the common name and the groups from organizations."""
    subject = loaded(
        authority.issue("system:node:worker-1", organizations=("a", "b"), client=True)
    ).subject
    common_names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [one.value for one in common_names] == ["system:node:worker-1"]
    assert [one.value for one in organizations] == ["a", "b"]


def test_who_was_certified_can_certify_nobody(authority: Authority) -> None:
    """The authority may, and nobody below it may pass that on."""
    trusted = x509.load_pem_x509_certificate(authority.certificate)
    own = trusted.extensions.get_extension_for_class(x509.BasicConstraints).value
    issued = loaded(authority.issue("x", client=True)).extensions
    assert (own.ca, own.path_length) == (True, 0)
    assert issued.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert issued.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False


def test_keys_fit_their_certificates(authority: Authority) -> None:
    """The authority's, and that of a pair; two pairs have two keys."""
    one, other = authority.issue("x", client=True), authority.issue("x", client=True)
    trusted = x509.load_pem_x509_certificate(authority.certificate)
    for key, certificate in (
        (one.key, loaded(one)),
        (other.key, loaded(other)),
        (authority.key, trusted),
    ):
        assert load_pem_private_key(key, None).public_key() == certificate.public_key()
    assert one.key != other.key
    assert loaded(one).serial_number != loaded(other).serial_number


def test_a_pair_does_not_show_its_key(authority: Authority) -> None:
    """Where it is printed, by a traceback for instance."""
    assert "PRIVATE" not in repr(authority.issue("x", client=True))


def test_what_the_private_key_signs_the_public_one_verifies() -> None:
    """And another pair's does not."""
    private, public = signing_keys()
    key, own = load_pem_private_key(private, None), load_pem_public_key(public)
    other = load_pem_public_key(signing_keys()[1])
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(own, ec.EllipticCurvePublicKey)
    assert isinstance(other, ec.EllipticCurvePublicKey)
    signature = key.sign(b"token", ec.ECDSA(SHA256()))
    own.verify(signature, b"token", ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        other.verify(signature, b"token", ec.ECDSA(SHA256()))


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """What the user's shell would take from modes."""
    mask = int(request.param)
    before = os.umask(mask)
    yield mask
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_modes_of_a_pair(authority: Authority, tmp_path: Path) -> None:
    """The key is readable by its owner alone, the certificate by everybody, whatever the umask."""
    pair = authority.issue("x", client=True)
    pair.write(tmp_path / "x.crt", tmp_path / "x.key")
    assert (tmp_path / "x.crt").read_bytes() == pair.certificate
    assert (tmp_path / "x.key").read_bytes() == pair.key
    assert stat.S_IMODE((tmp_path / "x.crt").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "x.key").stat().st_mode) == 0o600


def test_writing_again_leaves_nothing_of_before(tmp_path: Path) -> None:
    """Neither content nor a mode that was wider."""
    path = tmp_path / "key"
    path.write_bytes(b"longer than what comes")
    path.chmod(0o666)
    write(path, b"short", 0o600)
    assert path.read_bytes() == b"short"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
