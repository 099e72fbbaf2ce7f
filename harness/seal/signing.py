"""Signs and opens DSSE envelopes: keys in files, or a command that asks whoever keeps the key."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import CryptoSigner, Key, Signature, SSlibKey

from harness.drivers import process
from harness.errors import InputError, SurroundingsError
from harness.seal.statement import PAYLOAD_TYPE, Statement, decode

COMMAND_S = 60
"""How long a command may take to sign: a key service asks nobody."""


class Sign(Protocol):
    """Whoever signs."""

    def sign(self, payload: bytes) -> Signature:
        """Of the envelope's pre-authentication encoding (DSSE v1.0.2, PAE)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What an envelope holds, and who signed it."""

    payload: bytes
    payload_type: str
    signed_by: tuple[str, ...]
    """Ids of keys that it names as signers, known or not."""

    valid_for: tuple[str, ...]
    """Those of them that are known and whose signature is right."""

    forged_for: tuple[str, ...]
    """Those of them that are known and whose signature is wrong."""


def create_key(path: Path) -> tuple[Path, Path]:
    """Makes an Ed25519 key (RFC 8032): the private one at `path`, the public one beside it, `.pub`.

    Raises InputError where one of the two is there already, or cannot be written.
    """
    public = path.with_name(f"{path.name}.pub")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    shown = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for file, content, mode in ((path, secret, 0o600), (public, shown, 0o644)):
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError as error:
            raise InputError(f"{file}: is there already", hint=f"ls -l {file}") from error
        except OSError as error:
            raise InputError(f"{file}: cannot be written: {error.strerror}") from error
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
    return path, public


def read_signer(path: Path) -> CryptoSigner:
    """A private key in PEM without a passphrase: Ed25519, or ECDSA as key services have it.

    Raises InputError.
    """
    try:
        key = serialization.load_pem_private_key(_content(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{path}: got no private key in PEM without a passphrase: {error}",
            hint=f"harness seal --new-key {path}",
        ) from error
    if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise InputError(f"{path}: got {type(key).__name__}, expected Ed25519 or ECDSA")
    return CryptoSigner(key)


def read_public_key(path: Path) -> SSlibKey:
    """A public key in PEM; raises InputError."""
    try:
        key = serialization.load_pem_public_key(_content(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{path}: got no public key in PEM: {error}",
            hint="openssl pkey -in PRIVATE -pubout -out PUBLIC",
        ) from error
    if not isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey):
        raise InputError(f"{path}: got {type(key).__name__}, expected Ed25519, ECDSA or RSA")
    return SSlibKey.from_crypto(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSigner:
    """A command that signs: the bytes on its standard input, base64 of the signature on its output.

    For keys that never leave a key service. What it signed is checked with the public key, so that
    a seal that nobody can verify is never written.
    """

    command: Sequence[str]
    key: Key

    def sign(self, payload: bytes) -> Signature:
        """Raises SurroundingsError where the command fails, or signs with another key."""
        done = process.run(self.command, directory=Path.cwd(), timeout_s=COMMAND_S, stdin=payload)
        what = f"signing command {self.command[0]}"
        if done.returncode:
            raise SurroundingsError(f"{what}: exit code {done.returncode}: {done.last_line()}")
        try:
            signature = Signature(self.key.keyid, base64.b64decode(done.stdout).hex())
            self.key.verify_signature(signature, payload)
        except (ValueError, SecureSystemsError) as error:
            raise SurroundingsError(
                f"{what}: got no signature by key {self.key.keyid[:12]}: {error}"
            ) from error
        return signature


def wrap(payload: bytes, signer: Sign) -> bytes:
    """A signed envelope's file (DSSE v1.0.2, JSON)."""
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    signature = signer.sign(envelope.pae())
    envelope.signatures[signature.keyid] = signature
    return _written(envelope)


def open_envelope(content: bytes, keys: Sequence[Key]) -> Opened:
    """Opens an envelope; ValueError where it is none. No signature is taken on trust."""
    try:
        envelope = Envelope.from_dict(json.loads(content))
    except (KeyError, TypeError, AttributeError, SecureSystemsError) as error:
        raise ValueError(f"no DSSE envelope: {error!r}") from error
    if _written(envelope) != content:
        # Nothing signed is another, and yet its file is: that of no sealer, or of a later hand.
        raise ValueError("it is not written as a seal is: there is something beside what is signed")
    known = {key.keyid: key for key in keys}
    valid, forged = [], []
    for keyid, signature in envelope.signatures.items():
        if keyid in known:
            try:
                known[keyid].verify_signature(signature, envelope.pae())
                valid.append(keyid)
            except SecureSystemsError:
                forged.append(keyid)
    return Opened(
        payload=envelope.payload,
        payload_type=envelope.payload_type,
        signed_by=tuple(envelope.signatures),
        valid_for=tuple(valid),
        forged_for=tuple(forged),
    )


def _written(envelope: Envelope) -> bytes:
    return json.dumps(envelope.to_dict(), indent=2).encode() + b"\n"


def read_statement(opened: Opened) -> Statement:
    """What an envelope states of a run; ValueError where it states something else."""
    if opened.payload_type != PAYLOAD_TYPE:
        raise ValueError(f"got a payload of {opened.payload_type}, expected {PAYLOAD_TYPE}")
    return decode(opened.payload)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such key", hint=f"harness seal --new-key {path.with_suffix('')}"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
