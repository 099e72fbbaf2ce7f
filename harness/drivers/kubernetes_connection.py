"""Sends requests to one API server of Kubernetes; the only module that opens a socket to it.

TLS is always verified, no proxy is asked, every request has a timeout, and the context is named by
who calls: never the kubeconfig's current one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from harness.errors import InputError, RefusedError, SurroundingsError

Untyped = Any
"""Of the official client, which says that it has types and leaves most functions without."""

_CONNECT_S = 2.0
_READ_S = 6.0
"""A page of 500 objects takes less than a second. Not longer: a connection to a master that was cut
off gives no answer at all, and the next one, to another master, does at once."""


class ConnectionBrokenError(SurroundingsError):
    """No answer came: refused, reset, timed out, or cut in the middle. A change that was asked for
    may or may not have been made.
    """


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said."""

    status: int
    body: bytes


class Transport(Protocol):
    """One request and its answer, whatever its status; raises ConnectionBrokenError."""

    server: str

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Asks once: nothing is repeated here."""
        ...


class Connection:
    """The official client's connections, without its generated calls: their models of answers
    change between its versions, and refuse what the server may say (kubernetes 37: delete_node).
    """

    def __init__(self, configuration: Untyped) -> None:
        from kubernetes import client

        untyped: Untyped = client
        configuration.proxy = None  # the environment's, which the client would take
        configuration.retries = False  # urllib3 would repeat DELETE and PUT, too
        self.server = str(configuration.host)
        self._client: Untyped = untyped.ApiClient(configuration)

    @classmethod
    def by_kubeconfig(cls, kubeconfig: Path, context: str) -> Connection:
        """As a context of a kubeconfig says.

        Raises InputError where the file or the context does not exist, and RefusedError where it
        would not verify the server.
        """
        from kubernetes import config
        from kubernetes.config.config_exception import ConfigException

        _check(kubeconfig, context)
        configuration = _configuration()
        untyped: Untyped = config
        try:
            untyped.load_kube_config(
                config_file=str(kubeconfig),
                context=context,
                client_configuration=configuration,
                persist_config=False,
            )
        except (ConfigException, OSError, ValueError) as error:
            raise InputError(f"{kubeconfig}, context {context}: {error}") from error
        return cls(configuration)

    @classmethod
    def in_cluster(cls) -> Connection:
        """As the ServiceAccount of the pod that this runs in; RefusedError outside of any pod."""
        from kubernetes import config
        from kubernetes.config.config_exception import ConfigException

        configuration = _configuration()
        untyped: Untyped = config
        try:
            untyped.load_incluster_config(client_configuration=configuration)
        except ConfigException as error:
            raise RefusedError(
                f"not in a pod of a cluster: {error}", hint="name a kubeconfig and a context"
            ) from error
        return cls(configuration)

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Answer:
        """As Transport."""
        import urllib3.exceptions
        from kubernetes.client.exceptions import ApiException

        verb, url, headers, content, _ = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(
                verb, url, headers, content, _request_timeout=(_CONNECT_S, _READ_S)
            )
            return Answer(int(response.status), bytes(response.read()))
        except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
            raise ConnectionBrokenError(
                f"{self.server}: {method} {path}: {_reason(error)}",
                hint=f"kubectl --server {self.server} get --raw /readyz",
            ) from error


def _configuration() -> Untyped:
    from kubernetes import client

    untyped: Untyped = client
    return untyped.Configuration()


def _check(kubeconfig: Path, context: str) -> None:
    """Refuses what the client would take silently."""
    try:
        content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{kubeconfig}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{kubeconfig}: got no mapping, expected a kubeconfig")
    contexts = {one.get("name"): one.get("context") for one in content.get("contexts") or ()}
    if context not in contexts:
        known = ", ".join(sorted(str(name) for name in contexts)) or "none"
        raise InputError(
            f"{kubeconfig}: no context {context!r}, it has {known}",
            hint=f"kubectl --kubeconfig {kubeconfig} config get-contexts",
        )
    name = (contexts[context] or {}).get("cluster")
    clusters = {one.get("name"): one.get("cluster") for one in content.get("clusters") or ()}
    cluster = clusters.get(name) or {}
    server = str(cluster.get("server", ""))
    if not server.startswith("https://"):
        raise RefusedError(f"{kubeconfig}, context {context}: got {server!r}, expected https://")
    if cluster.get("insecure-skip-tls-verify"):
        raise RefusedError(
            f"{kubeconfig}, context {context}: insecure-skip-tls-verify: nothing is broken behind "
            "an API server that nobody can know to be the right one",
            hint="give the cluster its certificate-authority",
        )
    if cluster.get("proxy-url"):
        raise InputError(f"{kubeconfig}, context {context}: proxy-url is not supported")


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."


def decoded(answer: Answer) -> dict[str, object]:
    """The JSON object of an answer; SurroundingsError where it is none."""
    try:
        content = json.loads(answer.body or b"{}")
    except ValueError as error:
        raise SurroundingsError(f"the API answered {answer.status} without JSON") from error
    if not isinstance(content, dict):
        raise SurroundingsError(f"the API answered {answer.status} with no JSON object")
    return content
