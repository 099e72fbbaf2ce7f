"""Prints the benchmark tables of docs/benchmarks.md: everything they compare ran in this one run.

`python -m benchmarks [--scale N] [--rounds N]`. Absolute times are of this machine: read the
ratios.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import psutil
from boto3.s3.transfer import TransferConfig

from benchmarks import injectors
from benchmarks.bare_restore import bare_restore
from harness.cli.planning import plan_for
from harness.cli.rehearsal import Rehearsal, rehearse
from harness.drill.interruption import interruptible
from harness.drivers import process, s3
from harness.drivers.clock import HostClock
from harness.drivers.loopback import free_ports
from harness.faults.places import Places, default_state_directory
from harness.faults.recover import recover
from harness.model.history import Phase
from harness.model.instant import seconds
from harness.model.judgement import RestoreSummary
from harness.model.quantity import show_bytes
from harness.model.subject import PgBackRest
from harness.model.suite import Level, Verification
from harness.practice.platform import BUCKET, Practice
from harness.report.progress import Narrator

_BIG_OBJECT_BYTES = 512 << 20
_CLOCK = HostClock()

Row = tuple[str, str, str, str]


def main(arguments: Sequence[str]) -> int:
    """The exit code; the table goes to standard output."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--scale", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    places = Places(default_state_directory())
    beside_others = injectors.table(chosen.rounds)
    rows: list[Row] = [*_help(chosen.rounds), *_judging()]
    with interruptible(), Narrator(_CLOCK) as narrator:
        recover(places)
        with (
            places.borrowed("bench") as place,
            Practice.running(place, chosen.scale, _CLOCK, narrator.step) as practice,
        ):
            rows = [
                *_restores(practice, places, narrator, chosen.rounds),
                *_fetches(practice, places, chosen.rounds),
                *rows,
            ]
    _print_table(rows, chosen.scale, chosen.rounds)
    print(f"\n{beside_others}")  # noqa: T201 - the result
    return 0


def _restores(practice: Practice, places: Places, narrator: Narrator, rounds: int) -> Iterator[Row]:
    """The drill and the bare restore in turn, each round on the same backup."""
    subject = practice.subjects[0]
    if not isinstance(subject, PgBackRest):
        raise TypeError(f"got {subject}, expected the PostgreSQL subject")
    plan = plan_for(
        "weekly-restore",
        "demo",
        Path("harness.toml"),
        Path("targets"),
        Path("suites"),
        seed=1,
        only=("latest-backup",),
        practice_subjects=(subject,),
    )
    levels = tuple(level for level in Level if level is not Level.INVARIANTS)
    plan = msgspec.structs.replace(
        plan, check_backups=False, verification=Verification(levels=levels)
    )
    drills: list[RestoreSummary] = []
    bare: list[float] = []
    with places.borrowed("runs") as runs:
        for _ in range(rounds):
            _, judgement = rehearse(
                plan,
                Rehearsal(
                    platform=practice,
                    places=places,
                    scratch=places,
                    narrator=narrator,
                    runs=runs.directory,
                    seed=1,
                    practice=True,
                ),
            )
            (summary,) = judgement.restores
            drills.append(summary)
            with places.borrowed("bare") as place:
                bare.append(
                    bare_restore(
                        subject, practice.postgres.endpoint, place.directory, free_ports(1)[0]
                    )
                )
    size = show_bytes(drills[-1].restored_bytes or 0)
    reached = [drill.rta_high_s or float("nan") for drill in drills]
    verified = [drill.verified_s or float("nan") for drill in drills]
    base = statistics.median(bare)
    yield ("bare pgbackrest restore, start, promote, write", f"{size}", _span(bare), "1")
    for name, values in (
        ("the drill's RTA (upper bound)", reached),
        ("the drill's time to verified (amcheck without heapallindexed)", verified),
    ):
        ratio = statistics.median(
            value / beside for value, beside in zip(values, bare, strict=True)
        )
        yield name, size, _span(values), f"{ratio:.2f} of the bare restore"
    parts = {
        "the fetch phase": [
            bar.end_s - bar.start_s
            for drill in drills
            for bar in drill.phases
            if bar.phase is Phase.FETCH
        ]
    } | {
        f"level {level}": [
            one.seconds for drill in drills for one in drill.levels if one.level is level
        ]
        for level in levels
    }
    for name, values in parts.items():
        yield f"of it, {name}", size, _span(values), f"{statistics.median(values) / base:.2f}"


def _fetches(practice: Practice, places: Places, rounds: int) -> Iterator[Row]:
    """One large object, by every way in turn; the tool's own best beside ours."""
    region = practice.regions.primary
    store = region.store(BUCKET, "bench", "backup")
    client = s3.connect(store)
    with places.borrowed("fetch") as place:
        big = place.directory / "big"
        with big.open("wb") as file:
            for _ in range(_BIG_OBJECT_BYTES >> 22):
                file.write(os.urandom(1 << 22))
        s3.put_file(client, store, "big", big)
        target = place.directory / "fetched"
        ways: dict[str, Callable[[], object]] = {
            "S3 fetch: 64 MiB ranges, 4 at once (ours)": lambda: s3.fetch(
                client, store, "big", target
            ),
            "S3 fetch: boto3's transfer manager, 64 MiB parts": lambda: s3.fetch(
                client, store, "big", target, strategy=s3.Strategy.TRANSFER_MANAGER
            ),
            "S3 fetch: AWS CRT client": lambda: s3.fetch(
                client, store, "big", target, strategy=s3.Strategy.CRT
            ),
            "S3 fetch: boto3 download_file, defaults": lambda: client.download_file(
                store.bucket, s3.full_key(store, "big"), str(target), Config=TransferConfig()
            ),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                target.unlink(missing_ok=True)
                started_ns = _CLOCK.monotonic_ns()
                way()
                taken[name].append(seconds(_CLOCK.monotonic_ns() - started_ns))
    size = show_bytes(_BIG_OBJECT_BYTES)
    base = next(iter(taken.values()))
    for name, values in taken.items():
        rate = show_bytes(_BIG_OBJECT_BYTES / statistics.median(values))
        ratio = statistics.median(a / b for a, b in zip(values, base, strict=True))
        yield name, size, f"{_span(values)} ({rate}/s)", f"{ratio:.2f} of ours"


def _judging() -> Iterator[Row]:
    """Each size in a process of its own; see benchmarks/judge_ledger.py."""
    for operations in (1_000_000, 10_000_000):
        done = process.run(
            [sys.executable, "-m", "benchmarks.judge_ledger", str(operations)],
            directory=Path.cwd(),
            timeout_s=600,
        )
        yield "reading and judging a ledger", f"{operations:,} operations", *_last(done.stdout)


def _last(text: str) -> tuple[str, str]:
    """Seconds and peak memory of the last line of judge_ledger's table."""
    words = text.split("\n")[-2].split()
    return f"{words[2]} s", f"{words[4]} MB at its peak"


def _help(rounds: int) -> Iterator[Row]:
    taken = []
    for _ in range(max(rounds, 5) + 1):
        started_ns = _CLOCK.monotonic_ns()
        process.run(
            [Path(sys.executable).with_name("harness"), "--help"],
            directory=Path.cwd(),
            timeout_s=60,
        )
        taken.append(seconds(_CLOCK.monotonic_ns() - started_ns))
    yield "harness --help", "", _span(taken[1:]), ""


def _span(values: Sequence[float]) -> str:
    """Median, and the least and the most."""
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


def _print_table(rows: Sequence[Row], scale: float, rounds: int) -> None:
    memory = show_bytes(psutil.virtual_memory().total)
    print(  # noqa: T201 - the result
        f"{os.cpu_count()} cores, {memory}, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}; practice platform at scale {scale:g}; median (least to "
        f"most) of {rounds} rounds\n"
    )
    print("| what | size | time | ratio |\n|---|---|---|---|")  # noqa: T201
    for row in rows:
        print(f"| {' | '.join(row)} |")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
