"""A timestamp service of `openssl ts`: answers as RFC 3161 says, with a key made for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

_CONFIGURATION = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
certs = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class TimestampService:
    """Its authority, its certificate, its answers."""

    def __init__(self, folder: Path, name: str = "A timestamp service") -> None:
        folder.mkdir()
        self._folder = folder
        self._settings = folder / "openssl.cnf"
        self._settings.write_text(_CONFIGURATION.format(folder=folder))
        (folder / "serial").write_text("01\n")
        self.root = folder / "root.pem"
        root_key, tsa_request = folder / "root.key", folder / "tsa.csr"
        config = ("-config", str(self._settings))
        new = ("-newkey", "rsa:2048", "-nodes")
        self._openssl(
            *("req", "-x509", *config, "-extensions", "root", *new, "-days", "30"),
            *("-subj", f"/CN={name}'s authority", "-keyout", str(root_key), "-out", str(self.root)),
        )
        self._openssl(
            *("req", "-new", *config, *new, "-subj", f"/CN={name}"),
            *("-keyout", str(folder / "tsa.key"), "-out", str(tsa_request)),
        )
        self._openssl(
            *("x509", "-req", "-in", str(tsa_request), "-days", "30"),
            *("-CA", str(self.root), "-CAkey", str(root_key), "-CAcreateserial"),
            *("-extfile", str(self._settings), "-extensions", "leaf"),
            *("-out", str(folder / "tsa.pem")),
        )

    def answer(self, request: bytes) -> bytes:
        """To a request of RFC 3161, in DER."""
        query, reply = self._folder / "query.tsq", self._folder / "reply.tsr"
        query.write_bytes(request)
        self._openssl(
            *("ts", "-reply", "-config", str(self._settings), "-section", "here"),
            *("-queryfile", str(query), "-out", str(reply)),
        )
        return reply.read_bytes()

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True)
