"""A Locust process: conducts a load, or is a worker; `python -m harness.load.locust_child CONFIG`.

Always a process of its own. Locust patches sockets, TLS and threads of the process that imports it,
and has to be the first to import them: after the Kubernetes client it does not even load. It is
imported by this module and others that are named `locust_...`, which nothing else imports.

Standard output has the reports of this process's share, a line of JSON each (InjectorReport); what
a locustfile prints goes to standard error.
"""

from __future__ import annotations

import locust  # isort: skip - before anything that imports sockets

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped]
import msgspec
import numpy as np
from locust import argument_parser, runners
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import MasterRunner, Runner, WorkerRunner
from locust.util.load_locustfile import load_locustfile

from harness.decoding import read_json
from harness.errors import HarnessError, InputError, SurroundingsError
from harness.load.config import HttpRequest, InjectorReport, LocustConfig, Role
from harness.load.gathered import Gathered
from harness.load.locust_closed_loop import ProfileShape, RequestsShare
from harness.load.locust_conducting import Alone, Conductor, Master, Worker, samples_of
from harness.load.locust_open_loop import OpenLoopShape, OpenLoopUser
from harness.load.locust_results import giving_out
from harness.load.locust_statistics import show
from harness.load.sample_blocks import GrowingSamples
from harness.load.share import InjectorShare, Share
from harness.load.zero import instant_of
from harness.model.codec import to_json
from harness.model.sample import DTYPE

Untyped = Any
"""Locust has types for what it is told, and none for its events."""

_ENDS_WITHIN_S = 30.0
"""From the last user's end to the last samples of all workers."""

_SENDS_WITHIN_S = 20.0
_REPORTS_EVERY_S = 1.0
_STOPS_WITHIN_S = 2.0
_LOOKS_EVERY_S = 0.1

_INDEX = "JOB_COMPLETION_INDEX"
"""Of a pod of an indexed Job (Kubernetes documentation, Jobs, completion mode)."""


class Attached:
    """What was added to a Locust environment: a share, a conductor, or both."""

    def __init__(self, config: LocustConfig, tell: Callable[[InjectorReport], None]) -> None:
        """`tell` gets each report of the share."""
        self.config = config
        self.share: Share | None = None
        self.conductor: Conductor | None = None
        self.master: Master | None = None
        self.worker: Worker | None = None
        self._tell = tell

    def to(self, environment: Environment, runner: Runner) -> None:
        """Adds what a runner of that kind needs."""
        runners.WORKER_REPORT_INTERVAL = _REPORTS_EVERY_S
        if isinstance(runner, MasterRunner):
            self.master = Master(environment, runner, self.config)
            self.conductor = self.master
        else:
            self.share = self._share_of(environment)
            events: Untyped = environment.events
            events.test_stop.add_listener(self._stop)
            if isinstance(runner, WorkerRunner):
                self.worker = Worker(
                    environment, runner, self.share, sends_samples=self.config.sends_samples
                )
            else:
                self.conductor = Alone(self.share)
        OpenLoopUser.share = self.share
        OpenLoopShape.conductor = self.conductor

    def _share_of(self, environment: Environment) -> Share:
        injector = self.config.injector
        if self.config.locustfile is not None:
            return RequestsShare(injector, environment.events, self._tell, gevent.spawn)
        shown = GrowingSamples(injector.samples)
        request = injector.request

        def take(report: InjectorReport) -> None:
            samples = np.frombuffer(shown.fresh(), dtype=DTYPE)
            show(
                environment.stats,
                request.method,
                request.path,
                samples,
                instant_of(report.began_ns),
            )
            self._tell(report)

        return InjectorShare(injector, Path.cwd(), take, gevent.spawn)

    def _stop(self, **_of_the_event: object) -> None:
        if self.share is not None:
            self.share.stop()


def attach(environment: Environment, runner: Runner, config: LocustConfig) -> Attached:
    """Adds an open loop to an environment that Locust's own command line has made.

    Each worker is the one that Locust numbers it, and has a file of samples of its own. Reports go
    nowhere: Locust shows them.
    """
    index = getattr(runner, "worker_index", 0)
    injector = msgspec.structs.replace(
        config.injector, worker=index, samples=samples_of(config.injector.samples, index).absolute()
    )
    attached = Attached(msgspec.structs.replace(config, injector=injector), lambda _report: None)
    attached.to(environment, runner)
    return attached


class _Process:
    """This process, as its config says."""

    def __init__(self, config: LocustConfig, tell: Callable[[InjectorReport], None]) -> None:
        """Raises InputError where the locustfile cannot be loaded."""
        self._config = config
        self._stopped: str | None = None
        self._over = False
        users: list[type[locust.User]] = [OpenLoopUser]
        shape: Untyped = OpenLoopShape
        if config.locustfile is not None:
            users = _users_of(config.locustfile)
            shape = _shape_of(config)
        self._environment = Environment(
            user_classes=users,
            shape_class=None if config.role is Role.WORKER else shape(),
            events=locust.events,
            host=_url(config.injector.request),
            stop_timeout=_STOPS_WITHIN_S,
            parsed_options=_options(config),
        )
        self._attached = Attached(config, tell)

    def run(self) -> None:
        """To its end; raises HarnessError where that is not the load's."""
        environment, config = self._environment, self._config
        events: Untyped = environment.events
        runner = self._runner()
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, self._told_to_stop, number)
        self._attached.to(environment, runner)
        if self._attached.conductor is not None:
            ProfileShape.conductor = self._attached.conductor
        web: Untyped = None
        if config.web_port is not None and config.role is not Role.WORKER:
            web = environment.create_web_ui(config.web_host, config.web_port)
        events.init.fire(environment=environment, runner=runner, web_ui=web)
        try:
            if isinstance(runner, WorkerRunner):
                self._work(runner)
            else:
                self._conduct(runner)
        finally:
            events.quitting.fire(environment=environment, reverse=True)
            runner.quit()
            if web is not None:
                web.stop()

    def _runner(self) -> Runner:
        config = self._config
        runners.WORKER_REPORT_INTERVAL = _REPORTS_EVERY_S
        try:
            match config.role:
                case Role.ALONE:
                    return self._environment.create_local_runner()
                case Role.MASTER:
                    return self._environment.create_master_runner(
                        config.listens_on, config.master_port
                    )
                case Role.WORKER:
                    return self._environment.create_worker_runner(
                        config.master_host, config.master_port
                    )
        except (RPCError, OSError) as error:
            where = f"{config.master_host}:{config.master_port}"
            raise SurroundingsError(f"Locust's {config.role}, {where}: {error}") from error

    def _told_to_stop(self, number: int) -> None:
        self._stopped = f"stopped by {signal.Signals(number).name}"
        if self._environment.runner is not None:
            self._environment.runner.quit()

    # --- a worker ----------------------------------------------------------------------------

    def _work(self, runner: WorkerRunner) -> None:
        """Until the master says that it is over, or until its share failed."""
        share, worker = self._attached.share, self._attached.worker
        if share is None or worker is None:
            raise SurroundingsError("a worker without a share")
        while len(runner.greenlet) and share.failure is None:
            gevent.sleep(_LOOKS_EVERY_S)
        share.stop()
        with gevent.Timeout(_SENDS_WITHIN_S, False):
            while len(runner.greenlet) and not worker.all_sent:
                gevent.sleep(_LOOKS_EVERY_S)
        _require_whole(share)

    # --- who conducts ------------------------------------------------------------------------

    def _conduct(self, runner: Runner) -> None:
        master, share = self._attached.master, self._attached.share
        if master is None:
            self._shape(runner)
            if share is not None:
                share.stop()
                _require_whole(share)
            return
        port = self._config.results_port
        with contextlib.ExitStack() as stack:
            if port is not None:
                stack.enter_context(giving_out(port, self._gathered, master.files))
            master.await_workers()
            self._shape(runner)
            if self._stopped is None:
                runner.stop()
                master.await_end(_ENDS_WITHIN_S)
            self._over = True
            for lost in master.lost():
                print(lost, file=sys.stderr)  # noqa: T201
            if port is not None and self._stopped is None and master.failure is None:
                runner.quit()  # workers have nothing more to do
                with gevent.Timeout(self._config.keeps_results_s, False):
                    while self._stopped is None:
                        gevent.sleep(_LOOKS_EVERY_S)
        if master.failure is not None:
            raise SurroundingsError(master.failure)

    def _shape(self, runner: Runner) -> None:
        runner.start_shape()
        if runner.shape_greenlet is not None:
            runner.shape_greenlet.join()

    def _gathered(self) -> Gathered:
        master = self._attached.master
        if master is None:
            raise SurroundingsError("only a master gathers")
        return Gathered(
            over=self._over,
            zero=master.zero,
            reports={str(one): each for one, each in master.tracking.reports().items()},
            lost=master.lost(),
            files=tuple(path.name for path in master.files()),
            error=master.failure or self._stopped,
        )


def _require_whole(share: Share) -> None:
    if share.failure is not None:
        raise SurroundingsError(share.failure)
    if share.report is None:
        raise SurroundingsError("the load did not begin")


def _users_of(locustfile: Path) -> list[type[locust.User]]:
    """A user's own classes, by Locust's own loader."""
    if not locustfile.is_file():
        raise InputError(f"{locustfile}: no such file")
    try:
        users, _shapes = load_locustfile(str(locustfile.absolute()))
    except Exception as error:
        raise InputError(
            f"{locustfile}: cannot be loaded: {type(error).__name__}: {error}",
            hint=f"locust -f {locustfile} --list",
        ) from error
    if not users:
        raise InputError(f"{locustfile}: has no User class", hint=f"locust -f {locustfile} --list")
    return list(users.values())


def _shape_of(config: LocustConfig) -> type[ProfileShape]:
    class Shape(ProfileShape):
        profile = config.injector.profile
        peak = config.injector.peak

    return Shape


def _options(config: LocustConfig) -> object:
    """As Locust's own command line has them: a locustfile may ask for its own, and their defaults.

    No file of options is read: what is injected is in the config.
    """
    if config.locustfile is None:
        return None
    parser = argument_parser.get_parser(default_config_files=[])
    return parser.parse_args(["--host", _url(config.injector.request)])


def _url(request: HttpRequest) -> str:
    return f"{'https' if request.tls else 'http'}://{request.host}:{request.port}"


def _of_this_pod(config: LocustConfig) -> LocustConfig:
    """A pod of an indexed Job is the worker that its index says; one file tells all of them."""
    index = os.environ.get(_INDEX)
    if index is None:
        return config
    injector = msgspec.structs.replace(config.injector, worker=int(index))
    return msgspec.structs.replace(config, role=Role.WORKER, injector=injector)


def main(arguments: Sequence[str]) -> int:
    """`CONFIG.json`: the exit code."""
    if len(arguments) != 1:
        print("usage: python -m harness.load.locust_child CONFIG.json", file=sys.stderr)  # noqa: T201
        return 2
    reports = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(report: InjectorReport) -> None:
        # Nobody reads any more: who started this is gone, and ends what it left.
        with contextlib.suppress(OSError):
            os.write(reports, to_json(report) + b"\n")

    try:
        _Process(_of_this_pod(read_json(Path(arguments[0]), LocustConfig)), tell).run()
    except HarnessError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
