"""What a process that injects load is told, and what it says while it does."""

from __future__ import annotations

import enum
from pathlib import Path

import msgspec

from harness.model.load_profile import Profile


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class HttpRequest(_Value, frozen=True, kw_only=True):
    """What is asked again and again, and which answer is right."""

    host: str
    """Name or address. A name is resolved by the generator, again for every new connection."""

    port: int
    path: str = "/"
    method: str = "GET"
    headers: dict[str, str] = {}
    body: str | None = None
    """`{id}` in it becomes a new UUID for each request."""

    expect_status: int = 200
    expect_body: str = ""
    """What the body must contain."""

    tls: bool = False
    ca_file: Path | None = None
    """PEM; None: the system's authorities."""

    timeout_s: float = 10.0
    """From the intended beginning; beyond it the request is a TIMEOUT, at `timeout_s`."""

    connection_lasts_s: float = 10.0
    """About so long (a quarter more or less) a connection is kept, then a new one takes its place.
    A balancer below HTTP, as a Kubernetes Service is, chooses a pod per connection: pods that were
    added would get nothing of what comes on old ones."""


class InjectorConfig(_Value, frozen=True, kw_only=True):
    """One injector: its share of a schedule, and where its samples go."""

    request: HttpRequest
    profile: Profile
    peak: float
    """Requests per second at a rate of 1.0, of all workers together."""

    seed: int
    """Of Poisson arrivals; the same for all workers: each takes every `workers`-th arrival."""

    samples: Path
    """Made by the injector (harness.model.sample)."""

    worker: int = 0
    workers: int = 1
    connections: int = 1000
    """At most; a request that finds none free waits, and its wait is in its response time."""

    begin_ns: int = 0
    """CLOCK_MONOTONIC of this machine: the schedule's zero. 0: as soon as it is ready."""


class InjectorReport(_Value, frozen=True, kw_only=True):
    """One line on the injector's standard output: at its beginning, each second, at its end."""

    began_ns: int
    """Monotonic: the schedule's zero, thus of the samples."""

    elapsed_s: float
    scheduled: int
    """All that this worker has to send, from beginning to end."""

    sent: int
    ended: int
    """Answered or given up; each has its sample."""

    wrong: int
    """Of those, not OK."""

    longest_lag_s: float
    """Of all so far."""

    cpu_s: float
    """CPU time of the process so far, user and system."""

    done: bool = False
    """The last line: all of the samples is on disk."""

    error: str | None = None
    """In the last line: why the schedule was not finished, as `stopped by SIGTERM`."""


class Role(enum.StrEnum):
    """What a Locust process is."""

    ALONE = "alone"
    """Conducts, with its one injector."""

    MASTER = "master"
    """Conducts workers, and injects nothing."""

    WORKER = "worker"
    """Has one injector, and does as its master says."""


class LocustConfig(_Value, frozen=True, kw_only=True):
    """One Locust process: `python -m harness.load.locust_child CONFIG.json`."""

    role: Role
    injector: InjectorConfig
    """What is sent. Of a master: `workers` is how many it waits for, and samples that are sent to
    it go beside `samples`, as `<its stem>-<worker>.samples`."""

    locustfile: Path | None = None
    """A user's own: its users wait for answers, and the profile's rates are shares of `peak` users.
    None: the open loop."""

    master_host: str = "127.0.0.1"
    """Where a worker finds its master."""

    listens_on: str = "127.0.0.1"
    """Address on which a master listens to workers; `*`: on all."""

    master_port: int = 5557
    awaits_workers_s: float = 60.0
    """From a master's start to the last of its workers; beyond it there is no load."""

    web_host: str = "127.0.0.1"
    web_port: int | None = None
    """Of Locust's web page, while the load lasts; None: none. A worker has none."""

    sends_samples: bool = False
    """Workers give their samples to the master through Locust's own channel: they share no disk."""

    results_port: int | None = None
    """Where a master gives out what it gathered, on all of its addresses, when the load is over."""

    keeps_results_s: float = 600.0
    """So long it does, and then ends."""
