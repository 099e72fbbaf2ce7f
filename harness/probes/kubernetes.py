"""Probes the Kubernetes API: reads the namespace kube-system, which must be the expected cluster's.

Without the parameter resourceVersion a GET is answered from etcd with the agreement of its
majority ("Kubernetes API Concepts", Semantics for get and list): an API server that is cut off
from it cannot answer right.
"""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import msgspec

from harness.drivers.bounded_http import (
    ConnectionLostError,
    NotConnectedError,
    NotHttpError,
    Request,
    ask,
)
from harness.errors import DeadlineExceededError, InputError, RefusedError
from harness.model.history import Outcome
from harness.probes.config import KubernetesRead

_PATH = "/api/v1/namespaces/kube-system"


class KubernetesProbe:
    """One read on a new connection; see open_loop.Probe."""

    def __init__(self, asked: KubernetesRead) -> None:
        """Reads the kubeconfig; InputError where it or its context is none."""
        from kubernetes.client import Configuration
        from kubernetes.config import load_kube_config
        from kubernetes.config.config_exception import ConfigException

        where = f"{asked.kubeconfig}, context {asked.context}"
        configuration = self._configuration = Configuration()
        try:
            load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(asked.kubeconfig),
                context=asked.context,
                client_configuration=configuration,
                persist_config=False,
            )
            url = urlsplit(str(configuration.host))
            self._tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
            if configuration.cert_file:
                self._tls.load_cert_chain(configuration.cert_file, configuration.key_file)
        except (ConfigException, OSError, ValueError) as error:
            raise InputError(f"{where}: {error}") from error
        if not configuration.verify_ssl or url.scheme != "https" or not url.hostname:
            raise RefusedError(f"{where}: got {configuration.host}, expected verified TLS")
        self._uid = asked.uid
        self._address = (url.hostname, url.port or 443)
        self._host = str(configuration.tls_server_name or url.hostname)
        self._path = url.path.rstrip("/") + _PATH

    def __call__(self, _slot: int, deadline_ns: int) -> tuple[Outcome, str]:
        """One probe."""
        try:
            answer = ask(
                Request(
                    address=self._address,
                    method="GET",
                    path=self._path,
                    host=self._host,
                    headers=self._credentials(),
                ),
                deadline_ns=deadline_ns,
                tls=self._tls,
            )
        except (NotConnectedError, NotHttpError) as error:
            return Outcome.FAIL, str(error)
        except (ConnectionLostError, DeadlineExceededError) as error:
            return Outcome.INDETERMINATE, str(error)
        if answer.status != 200:
            said = answer.body[:80].decode("utf-8", "replace")
            return Outcome.FAIL, f"got status {answer.status}, expected 200: {said}"
        uid = _uid(answer.body)
        if uid != self._uid:
            return Outcome.FAIL, f"got kube-system {uid}, expected {self._uid}: the wrong cluster"
        return Outcome.OK, ""

    def _credentials(self) -> dict[str, str]:
        """A bearer token, where the kubeconfig has one; renewed by its plugin when it expires."""
        # Asking for it has the plugin renew it.
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {} if token is None else {"Authorization": token}


class _Metadata(msgspec.Struct, frozen=True):
    uid: str = ""


class _Namespace(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()


def _uid(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Namespace).metadata.uid
    except msgspec.DecodeError:
        return "unreadable"
