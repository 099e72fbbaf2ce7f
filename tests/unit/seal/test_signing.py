"""Envelopes: what is signed opens with its key and no other; bad keys are refused in words."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import NoEncryption
from sealed_runs import KeyPair

from harness.errors import InputError, SurroundingsError
from harness.seal.signing import (
    CommandSigner,
    create_key,
    open_envelope,
    read_public_key,
    read_signer,
    wrap,
)

PEM = serialization.Encoding.PEM


@pytest.fixture
def key(tmp_path: Path) -> KeyPair:
    return KeyPair(tmp_path)


def test_what_was_signed_opens(key: KeyPair) -> None:
    opened = open_envelope(wrap(b"said", key.signer), [key.public])
    assert opened.payload == b"said"
    assert opened.valid_for == (key.public.keyid,)


def test_another_key_vouches_for_nothing(key: KeyPair, tmp_path: Path) -> None:
    other = KeyPair(tmp_path, "other.pem")
    opened = open_envelope(wrap(b"said", key.signer), [other.public])
    assert (opened.valid_for, opened.forged_for) == ((), ())
    assert opened.signed_by == (key.public.keyid,)


def test_another_payload_under_the_same_signature_is_forged(key: KeyPair) -> None:
    envelope = json.loads(wrap(b"said", key.signer))
    envelope["payload"] = base64.b64encode(b"SAID").decode()
    opened = open_envelope(json.dumps(envelope, indent=2).encode() + b"\n", [key.public])
    assert (opened.valid_for, opened.forged_for) == ((), (key.public.keyid,))


@pytest.mark.parametrize("field", ["payload", "payloadType", "signatures"])
def test_an_envelope_that_is_none(key: KeyPair, field: str) -> None:
    envelope = json.loads(wrap(b"said", key.signer))
    del envelope[field]
    for content in (json.dumps(envelope).encode(), b"{", b"[]", b"null", b'{"payload": 1}'):
        with pytest.raises(ValueError, match=".+"):
            open_envelope(content, [key.public])


def test_something_beside_what_is_signed(key: KeyPair) -> None:
    """White space, a further field, a letter of base64 that says the same: none goes unseen."""
    content = wrap(b"said", key.signer)
    envelope = json.loads(content)
    for other in (
        content + b" ",
        json.dumps(envelope).encode(),
        json.dumps({**envelope, "more": 1}, indent=2).encode() + b"\n",
    ):
        with pytest.raises(ValueError, match="beside what is signed"):
            open_envelope(other, [key.public])


def test_the_same_signature_twice_is_no_envelope(key: KeyPair) -> None:
    envelope = json.loads(wrap(b"said", key.signer))
    envelope["signatures"] *= 2
    with pytest.raises(ValueError, match="Multiple"):
        open_envelope(json.dumps(envelope).encode(), [key.public])


def test_a_key_is_for_its_owner_alone_and_never_written_over(tmp_path: Path) -> None:
    private, public = create_key(tmp_path / "seal.pem")
    assert private.stat().st_mode & 0o777 == 0o600
    assert public == tmp_path / "seal.pem.pub"
    before = private.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        create_key(private)
    assert private.read_bytes() == before


def test_an_ecdsa_key_as_key_services_have_it(tmp_path: Path) -> None:
    made = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "ec.pem", tmp_path / "ec.pub"
    private.write_bytes(made.private_bytes(PEM, serialization.PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        made.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    content = wrap(b"said", read_signer(private))
    assert open_envelope(content, [read_public_key(public)]).valid_for


def test_keys_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for read in (read_signer, read_public_key):
        with pytest.raises(InputError, match="no such key"):
            read(path)
    path.write_text("nothing")
    for read in (read_signer, read_public_key):
        with pytest.raises(InputError, match="in PEM"):
            read(path)
    made = rsa.generate_private_key(65537, 2048)
    path.write_bytes(made.private_bytes(PEM, serialization.PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(InputError, match="expected Ed25519 or ECDSA"):
        read_signer(path)


SIGN = """
import base64, sys
from pathlib import Path
from harness.seal.signing import read_signer
signature = read_signer(Path(sys.argv[1])).sign(sys.stdin.buffer.read())
print(base64.b64encode(bytes.fromhex(signature.signature)).decode())
"""


def command(key: KeyPair, program: str, argument: Path) -> CommandSigner:
    return CommandSigner(command=(sys.executable, "-c", program, str(argument)), key=key.public)


def test_a_command_signs(key: KeyPair) -> None:
    content = wrap(b"said", command(key, SIGN, key.private))
    assert open_envelope(content, [key.public]).valid_for == (key.public.keyid,)


def test_a_command_that_signs_with_another_key_is_found_at_once(
    key: KeyPair, tmp_path: Path
) -> None:
    other = KeyPair(tmp_path, "other.pem")
    with pytest.raises(SurroundingsError, match="got no signature by key"):
        wrap(b"said", command(key, SIGN, other.private))


@pytest.mark.parametrize(
    ("program", "says"),
    [("import sys; sys.exit('no such key')", "no such key"), ("print('%%')", "no signature")],
)
def test_a_command_that_fails(key: KeyPair, program: str, says: str) -> None:
    with pytest.raises(SurroundingsError, match=says):
        wrap(b"said", command(key, program, key.private))


def test_a_command_that_is_not_there(key: KeyPair) -> None:
    with pytest.raises(SurroundingsError, match="no such program"):
        CommandSigner(command=("no-such-program",), key=key.public).sign(b"")
