"""The recorder of timelines as a process of its own, at an API on loopback that comes and goes."""

from __future__ import annotations

import json
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

import psutil
import pytest
import yaml
from kubernetes_api import UID, StandInApi
from scaled_service import EXCEEDED, NAMESPACE, SERVICE, autoscaler, deployment, put_service

from harness.certificates import Authority
from harness.drivers.clock import wait_until
from harness.errors import SurroundingsError
from harness.load.timeline import TimelineConfig, TimelineProcess, recording
from harness.model.autoscaling import Sighting
from harness.model.codec import from_json

ADDRESS = "127.0.0.1"
WITHIN_S = 60.0
INTERVAL_NS = 100_000_000


class Served(BaseHTTPRequestHandler):
    """The stand-in's answers, over HTTP; while it is `held`, there are none."""

    protocol_version = "HTTP/1.1"
    api: ClassVar[StandInApi]
    lock: ClassVar[threading.Lock]
    held: ClassVar[threading.Event]
    waiting: ClassVar[threading.Event]
    released: ClassVar[threading.Event]

    def do_GET(self) -> None:
        if self.held.is_set():
            self.waiting.set()
            self.released.wait(WITHIN_S)
            self.close_connection = True
            return
        asked = urlsplit(self.path)
        with self.lock:
            answer = self.api("GET", asked.path, query=dict(parse_qsl(asked.query)))
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def api() -> StandInApi:
    made = StandInApi()
    put_service(made)
    return made


@pytest.fixture
def config(api: StandInApi, tmp_path: Path) -> Iterator[TimelineConfig]:
    """What leads the recorder to the served API."""
    Served.api, Served.lock = api, threading.Lock()
    Served.held, Served.waiting, Served.released = (threading.Event() for _ in range(3))
    authority = Authority("api")
    authority.issue("api", hosts=(ADDRESS,)).write(tmp_path / "api.crt", tmp_path / "api.key")
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "api.crt", tmp_path / "api.key")
    server = ThreadingHTTPServer((ADDRESS, 0), Served)
    server.daemon_threads = True
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield TimelineConfig(
            kubeconfig=kubeconfig(tmp_path, f"https://{ADDRESS}:{server.server_address[1]}"),
            context="drill",
            uid=UID,
            service=SERVICE,
            output=tmp_path / "t.timeline.jsonl",
            interval_ns=INTERVAL_NS,
            usages_every_ns=3 * INTERVAL_NS,
        )
    finally:
        Served.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(directory: Path, server: str) -> Path:
    cluster = {"server": server, "certificate-authority": str(directory / "ca.crt")}
    file = directory / "kubeconfig"
    file.write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {"token": "of-a-test"}}],
                "contexts": [{"name": "drill", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    return file


def awaited(timeline: TimelineProcess, wanted: Callable[[Sighting], bool], what: str) -> Sighting:
    def newest() -> Sighting | None:
        seen = timeline.now()
        return seen if seen is not None and wanted(seen) else None

    return wait_until(newest, within_s=WITHIN_S, what=what)


def looks_in(config: TimelineConfig) -> list[Sighting]:
    """All of its file; fails where a line is not whole."""
    content = config.output.read_bytes()
    assert content.endswith(b"\n")
    return [from_json(line, Sighting) for line in content.splitlines()]


def test_what_happens_is_recorded_until_it_is_told_to_stop(
    api: StandInApi, config: TimelineConfig, tmp_path: Path
) -> None:
    with recording("drive-1", config, tmp_path) as timeline:
        awaited(timeline, lambda one: one.unread == {}, "a first look")
        with Served.lock:
            api.put("horizontalpodautoscalers", autoscaler(desired=4))
            api.put("deployments", deployment(replicas=4))
            api.put("events", EXCEEDED)
        awaited(timeline, lambda one: one.replicas == 4, "the new replicas")
    stopped = timeline.stop()
    looks = looks_in(config)
    assert (stopped.trial, stopped.file, stopped.error) == ("drive-1", "t.timeline.jsonl", None)
    assert stopped.looks == len(looks)
    assert all(before.ended_ns <= after.began_ns for before, after in pairwise(looks))
    assert [event.reason for one in looks for event in one.events] == ["FailedCreate"]
    assert {one.replicas for one in looks} == {1, 4}
    assert looks[0].usages is not None
    assert not psutil.pid_exists(timeline.pid)
    assert api.changes == []


def test_an_api_that_goes_away_in_the_middle_is_recorded_and_comes_back(
    api: StandInApi, config: TimelineConfig, tmp_path: Path
) -> None:
    with recording("t", config, tmp_path) as timeline:
        awaited(timeline, lambda one: one.unread == {}, "a first look")
        with Served.lock:
            api.away |= {"/api/v1", "/apis/apps/v1"}
        away = awaited(timeline, lambda one: {"pods", "replicas"} <= {*one.unread}, "the outage")
        assert (away.pods, away.replicas, away.quotas) == (None, None, None)
        assert away.endpoints == 1
        with Served.lock:
            api.away.clear()
        awaited(timeline, lambda one: one.unread == {}, "the end of the outage")
    assert timeline.stop().error is None


def test_it_ends_at_once_though_the_api_is_silent(config: TimelineConfig, tmp_path: Path) -> None:
    """SIGTERM cuts the look short: it would wait for seconds, and be killed in a line."""
    with recording("t", config, tmp_path) as timeline:
        awaited(timeline, lambda one: one.unread == {}, "a first look")
        Served.held.set()
        wait_until(Served.waiting.is_set, within_s=WITHIN_S, what="a look that waits")
        stopped = timeline.stop()
    assert stopped.error is None
    assert len(looks_in(config)) == stopped.looks


def test_another_cluster_is_not_looked_at(
    api: StandInApi, config: TimelineConfig, tmp_path: Path
) -> None:
    other = json.loads(json.dumps(api.get("namespaces", "kube-system")))
    other["metadata"]["uid"] = "another"
    api.put("namespaces", other)
    with recording("t", config, tmp_path) as timeline:

        def refused() -> str:
            try:
                timeline.now()
            except SurroundingsError as error:
                return str(error)
            return ""

        said = wait_until(refused, within_s=WITHIN_S, what="the refusal")
    assert "leads to cluster another" in said
    assert "exit code 4" in said
    assert timeline.stop().looks == 0
    assert not [one for one in api.requests if NAMESPACE in one]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_each_signal_ends_it_well(
    config: TimelineConfig, tmp_path: Path, number: signal.Signals
) -> None:
    with recording("t", config, tmp_path) as timeline:
        awaited(timeline, lambda one: one.unread == {}, "a first look")
        process = psutil.Process(timeline.pid)
        process.send_signal(number)
        wait_until(
            lambda: process.status() == psutil.STATUS_ZOMBIE, within_s=WITHIN_S, what="its end"
        )
    assert looks_in(config)
    # Not told by who started it: what it should have seen afterwards is missing.
    assert "ended with exit code 0" in str(timeline.stop().error)
