"""Prints the table of docs/lab.md: how long the lab takes to come, go and break, and what it uses.

`python -m benchmarks.lab [--rounds N]`, as root and with no lab up. Programs and images are built
first and not timed. Absolute times are of this machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psutil

from harness.drill.interruption import interruptible
from harness.drivers import process
from harness.drivers.clock import HostClock, sleep_until, wait_until
from harness.errors import SurroundingsError
from harness.faults.places import default_state_directory
from harness.lab import lab, network
from harness.lab.cache import cache_directory
from harness.lab.lab import Lab
from harness.lab.layout import Layout
from harness.lab.platform import INFRASTRUCTURE, install, primary
from harness.model.instant import NANOSECONDS_PER_SECOND
from harness.model.quantity import show_bytes

_CLOCK = HostClock()
_IDLE_S = 60
_FAILED_OVER_WITHIN_S = 180

# An order of the checkout, as a client outside the cluster sends it; the deadline is short, so that
# a server that went without a word costs half a second.
_ORDER = """
import json, sys, urllib.request
body = json.dumps({"id": sys.argv[2], "items": [{"sku": "a", "quantity": 1}]}).encode()
request = urllib.request.Request(sys.argv[1] + "/checkout", data=body, method="POST")
with urllib.request.urlopen(request, timeout=0.5) as answer:
    sys.exit(answer.status != 201)
"""

Row = tuple[str, str]


def main(arguments: Sequence[str]) -> int:
    """The exit code; the table goes to standard output."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args(arguments).rounds
    state = default_state_directory()
    rows: list[Row] = []
    with interruptible():
        try:
            _up(Layout(masters=1, workers=1, zones=1), state)  # builds what is not built
            lab.down(state)
            for layout in (Layout(masters=1), Layout()):
                rows += _coming_and_going(layout, state, rounds)
            rows += _with_platform(state, rounds)
        finally:
            lab.down(state)
    memory = psutil.virtual_memory().total
    sys.stdout.write(
        f"`python -m benchmarks.lab --rounds {rounds}` on {os.cpu_count()} cores, "
        f"{show_bytes(memory)}, Linux {platform.release()}; median (least to most).\n\n"
        "| what | measured |\n|---|---|\n"
    )
    sys.stdout.writelines(f"| {what} | {measured} |\n" for what, measured in rows)
    return 0


def _coming_and_going(layout: Layout, state: Path, rounds: int) -> list[Row]:
    size = f"{layout.masters} + {layout.workers}"
    ready, whole, gone = [], [], []
    for _ in range(rounds):
        begun_ns = _CLOCK.monotonic_ns()
        steps = _up(layout, state)
        whole.append(_since(begun_ns))
        ready.append(steps["all workers are Ready"])
        last = len(ready) == rounds
        used = _idle(state) if last else ""
        gone.append(_timed(lambda: lab.down(state)))
    return [
        (f"`lab up`, {size}: all workers Ready", _spread(ready)),
        (f"`lab up`, {size}: DNS, volumes and metrics, too", _spread(whole)),
        (f"idle, {size}", used),
        (f"`lab down`, {size}", _spread(gone)),
    ]


def _with_platform(state: Path, rounds: int) -> list[Row]:
    _up(Layout(), state)
    there = lab.find(state)
    took = _timed(lambda: install(there, "production", _say))
    rows = [
        ("`--overlay production` on a lab that is up", f"{took:.0f} s"),
        ("idle, 3 + 3 with the platform", _idle(state)),
    ]
    cut, back, failover = [], [], []
    for _ in range(rounds):
        pod = primary(there)
        node = there.kubectl.get("pod", pod, "-n", INFRASTRUCTURE)["spec"]["nodeName"]
        machine = there.layout.machine(node)
        begun_ns = _CLOCK.monotonic_ns()
        cut.append(_timed(partial(there.machines.power_cut, machine)))
        wait_until(
            partial(_has_another_primary, there, pod),
            within_s=_FAILED_OVER_WITHIN_S,
            what="another primary",
        )
        failover.append(_since(begun_ns))
        begun_ns = _CLOCK.monotonic_ns()
        there.machines.boot(machine)
        there.await_serving(machine)
        back.append(_since(begun_ns))
        # All three members again, and orders acknowledged, before the next one is taken away.
        wait_until(
            lambda: _members(there) == 2 and _acknowledged(there),
            within_s=600,
            what="the platform whole again",
            every_s=1,
        )
    return [
        *rows,
        ("`lab node kill`, a worker with a third of the platform", _spread(cut)),
        ("`lab node start`: Ready in its new boot", _spread(back)),
        ("PostgreSQL's primary killed with its node: another is primary", _spread(failover)),
    ]


def _primary(there: Lab) -> str:
    try:
        return primary(there)
    except SurroundingsError:
        return ""


def _has_another_primary(there: Lab, before: str) -> bool:
    return _primary(there) not in ("", before)


def _members(there: Lab) -> int:
    sql = "select count(*) from pg_stat_replication where state = 'streaming'"
    words = ("exec", "-n", INFRASTRUCTURE, _primary(there), "-c", "postgresql", "--")
    psql = ("psql", "-h", "/run/postgresql", "-U", "postgres", "-Atc", sql)
    done = there.kubectl.run(*words, *psql)
    return int(done.stdout) if done.returncode == 0 else 0


def _acknowledged(there: Lab) -> bool:
    service = there.kubectl.get("service", "checkout", "-n", "core-business-prod")
    url = f"http://{service['spec']['clusterIP']}:8000"
    inside = ("nsenter", f"--net={network.file_of(f'{network.PREFIX}outside')}")
    done = process.run(
        (*inside, sys.executable, "-c", _ORDER, url, str(uuid.uuid4())),
        directory=there.machines.directories.root,
        timeout_s=30,
    )
    return done.returncode == 0


def _up(layout: Layout, state: Path) -> dict[str, float]:
    """Brings a lab up; the seconds from its first step to each other one."""
    begun_ns: int | None = None
    steps: dict[str, float] = {}

    def narrate(step: str) -> None:
        nonlocal begun_ns
        begun_ns = begun_ns or _CLOCK.monotonic_ns()
        steps[step] = _since(begun_ns)
        _say(step)

    lab.up(layout, state, cache_directory(), narrate)
    return steps


def _idle(state: Path) -> str:
    """What a lab uses that nobody uses: memory, and cores over a minute."""
    groups = lab.find(state).machines.groups
    begun_ns, used_ns = _CLOCK.monotonic_ns(), groups.processor_ns()
    sleep_until(begun_ns + _IDLE_S * NANOSECONDS_PER_SECOND)
    cores = (groups.processor_ns() - used_ns) / (_CLOCK.monotonic_ns() - begun_ns)
    return f"{show_bytes(groups.memory_bytes())}, {cores:.2f} cores"


def _timed(call: Callable[[], object]) -> float:
    begun_ns = _CLOCK.monotonic_ns()
    call()
    return _since(begun_ns)


def _since(begun_ns: int) -> float:
    return (_CLOCK.monotonic_ns() - begun_ns) / NANOSECONDS_PER_SECOND


def _spread(values: Sequence[float]) -> str:
    middle = statistics.median(values)
    return f"{middle:.1f} s ({min(values):.1f} to {max(values):.1f})"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
