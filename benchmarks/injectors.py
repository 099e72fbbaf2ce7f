"""Compares what sends HTTP requests: ours, Locust's two clients, and wrk; how late ours is.

`python -m benchmarks.injectors [--rounds N]` prints the table. All of a round runs in turn on one
processor against one nginx on another, so a busy machine slows all of them; what is compared is
requests per CPU second of the client, without those of its start.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np

from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.drivers.loopback import ADDRESS, free_ports, listens
from harness.errors import HarnessError, InputError, SurroundingsError
from harness.load.config import HttpRequest, InjectorConfig, InjectorReport
from harness.model.codec import to_json
from harness.model.load_profile import Arrivals, Profile, Stage
from harness.model.sample import DTYPE, Answer

_BODY = "0123456789" * 3 + "0123"
_CONNECTIONS = 50
_SECONDS = 3
_MORE_THAN_A_CORE_CAN = 150_000.0
_STEADY = 2_000.0
_STEADY_SECONDS = 5
_OURS = "our injector, all samples kept"
_FAST, _SLOW, _WRK = "Locust FastHttpUser", "Locust HttpUser", "wrk, one thread"


def main(arguments: Sequence[str]) -> int:
    """The exit code; the table goes to standard output."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.injectors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    try:
        print(table(chosen.rounds))  # noqa: T201 - the result
    except HarnessError as error:
        print(error, error.hint or "", sep="\n", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def table(rounds: int) -> str:
    """Runs all of it; the table, in Markdown.

    Raises InputError where a program or a second processor is missing.
    """
    for program, package in (("nginx", "nginx"), ("wrk", "wrk")):
        if shutil.which(program) is None:
            raise InputError(
                f"{program}: not found, needed for this benchmark",
                hint=f"make setup-bench  # or: apt-get install {package}",
            )
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        raise InputError(f"got {len(processors)} processor, expected one each for client and nginx")
    rates: dict[str, list[float]] = {_WRK: [], _OURS: [], _FAST: [], _SLOW: []}
    lags: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with _nginx(directory, processors[1]) as port, _on(processors[0]):
            for _ in range(rounds):
                rates[_WRK].append(_wrk(port, directory))
                rates[_OURS].append(_ours(port, directory))
                rates[_FAST].append(_locust("FastHttpUser", port, directory))
                rates[_SLOW].append(_locust("HttpUser", port, directory))
                lags.append(_lag(port, directory))
    return _shown(rates, lags)


def _shown(rates: dict[str, list[float]], lags: list[tuple[float, float]]) -> str:
    lines = ["| client | requests per CPU second | x FastHttpUser | x wrk |", "|---|---|---|---|"]
    for client, of_rounds in rates.items():
        low, middle, high = min(of_rounds), statistics.median(of_rounds), max(of_rounds)
        beside = " | ".join(
            f"{statistics.median(a / b for a, b in zip(of_rounds, rates[other], strict=True)):.2f}"
            for other in (_FAST, _WRK)
        )
        lines.append(f"| {client} | {middle:,.0f} ({low:,.0f} to {high:,.0f}) | {beside} |")
    lag = " and ".join(
        f"{quantile} {statistics.median(values):.3f} ms ({min(values):.3f} to {max(values):.3f})"
        for quantile, values in zip(("p50", "p99"), zip(*lags, strict=True), strict=True)
    )
    return "\n".join(
        [*lines, "", f"Our injector's lag at {_STEADY:,.0f} requests per second: {lag}."]
    )


@contextlib.contextmanager
def _on(processor: int) -> Iterator[None]:
    """This process on one processor, and all that it starts meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _nginx(directory: Path, processor: int) -> Iterator[int]:
    """One worker that answers at once, on one processor; its port."""
    (port,) = free_ports(1)
    file = directory / "nginx.conf"
    scratch = "\n".join(
        f"  {kind}_temp_path {directory}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file.write_text(
        f"""\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
{scratch}
  server {{
    listen {ADDRESS}:{port} backlog=4096;
    location / {{ default_type text/plain; return 200 "{_BODY}"; }}
  }}
}}
""",
        encoding="utf-8",
    )
    with _on(processor):
        child = process.start(
            ["nginx", "-c", file, "-p", directory, "-e", directory / "nginx.log"],
            directory=directory,
            log=directory / "nginx.log",
        )
    try:
        wait_until(lambda: listens(port), within_s=10, what="nginx")
        yield port
    finally:
        process.stop(child)


def _wrk(port: int, directory: Path) -> float:
    before = _children_cpu_s()
    said = _run(
        [
            "wrk", "--threads", "1", "--connections", str(_CONNECTIONS),
            "--duration", f"{_SECONDS}s", f"http://{ADDRESS}:{port}/",
        ],
        directory,
    )  # fmt: skip
    cpu_s = _children_cpu_s() - before
    counted = re.search(r"(\d+) requests in", said)
    if counted is None or "Socket errors" in said or "Non-2xx" in said:
        raise SurroundingsError(f"wrk: got {said!r}, expected a count and no errors")
    return int(counted[1]) / cpu_s


def _children_cpu_s() -> float:
    """Of the children that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _locust(kind: str, port: int, directory: Path) -> float:
    said = _run(
        [
            sys.executable, "-m", "benchmarks.locust_client", kind, f"http://{ADDRESS}:{port}",
            str(_SECONDS),
        ],
        directory,
    )  # fmt: skip
    requests, cpu_s = said.split()
    return int(requests) / float(cpu_s)


def _ours(port: int, directory: Path) -> float:
    """More than it can send is due at once, so that it is never idle."""
    reports, _ = _inject(port, directory, _MORE_THAN_A_CORE_CAN, timedelta(seconds=_SECONDS - 1))
    return (reports[-1].ended - reports[0].ended) / (reports[-1].cpu_s - reports[0].cpu_s)


def _lag(port: int, directory: Path) -> tuple[float, float]:
    """p50 and p99, in milliseconds."""
    _, samples = _inject(port, directory, _STEADY, timedelta(seconds=_STEADY_SECONDS))
    middle, late = np.percentile((samples["sent"] - samples["intended"]) / 1e6, [50, 99])
    return float(middle), float(late)


def _inject(
    port: int, directory: Path, rate: float, hold: timedelta
) -> tuple[list[InjectorReport], np.ndarray[tuple[int], np.dtype[np.void]]]:
    samples = directory / "load.samples"
    samples.unlink(missing_ok=True)
    config = directory / "injector.json"
    config.write_bytes(
        to_json(
            InjectorConfig(
                request=HttpRequest(
                    host=ADDRESS, port=port, expect_body=_BODY, timeout_s=60, connection_lasts_s=60
                ),
                profile=Profile(
                    profile="bench",
                    title="Benchmark",
                    stages=(Stage(rate=1.0, hold=hold),),
                    arrivals=Arrivals.EVEN,
                ),
                peak=rate,
                seed=1,
                samples=samples,
                connections=_CONNECTIONS,
            )
        )
    )
    said = _run([sys.executable, "-m", "harness.load.injector", str(config)], directory)
    reports = [msgspec.json.decode(line, type=InjectorReport) for line in said.splitlines()]
    found = np.fromfile(samples, DTYPE)
    right = int((found["answer"] == Answer.OK).sum())
    if right != reports[-1].scheduled:
        raise SurroundingsError(
            f"injector: got {right} right answers, expected {reports[-1].scheduled}"
        )
    return reports, found


def _run(argv: Sequence[str], directory: Path) -> str:
    done = process.run(
        argv, directory=directory, environment={"PYTHONPATH": str(Path.cwd())}, timeout_s=120
    )
    if done.returncode:
        raise SurroundingsError(f"{argv[0]}: {done.last_line()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
