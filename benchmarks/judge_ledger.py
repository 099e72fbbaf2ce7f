"""Times reading and classifying a ledger of a million operations or more, and its peak memory.

`python -m benchmarks.judge_ledger [OPERATIONS ...]`; each size runs in a process of its own, since
a peak never goes down again. Prints operations, seconds and peak MB.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from harness.drivers import process
from harness.drivers.clock import HostClock
from harness.ledger.classify import BeforeFault, OpClass, classify, loss
from harness.ledger.journal import (
    RECORD,
    Header,
    Type,
    checksums,
    encode_header,
    payload_of,
    read_journals,
)
from harness.ledger.rows import ROW, read_rows, write_rows
from harness.model.instant import Bracket, seconds

_CLIENTS = 4
_STEP_NS = 1_000_000
_SEED = 7


def write_ledger(directory: Path, operations: int) -> int:
    """Journals of `operations` acknowledged writes, and rows without the last 1 %; the fault."""
    rows = np.zeros(operations, ROW)
    each = operations // _CLIENTS
    for client in range(1, _CLIENTS + 1):
        seq = np.arange(1, each + 1, dtype=np.uint64)
        payload = np.fromiter(
            (payload_of(_SEED, client, int(number)) for number in seq), np.uint64, each
        )
        records = np.zeros(2 * each, RECORD)
        records["client"] = client
        for offset, kind in ((0, Type.INVOKE), (1, Type.OK)):
            part = records[offset::2]
            part["type"] = kind
            part["seq"] = seq
            part["payload"] = payload
            part["monotonic_ns"] = (seq * np.uint64(_STEP_NS)).astype(np.int64) + offset
            part["wall_ns"] = part["monotonic_ns"]
        records["server_us"][1::2] = records["monotonic_ns"][1::2] // 1_000
        records["checksum"] = checksums(records)
        header = Header(
            subject="orders",
            client=client,
            seed=_SEED,
            boot_id="boot",
            started=datetime(2026, 1, 1, tzinfo=UTC),
            server="benchmark",
            durability="none",
        )
        with (directory / f"client-{client:06d}.journal").open("wb") as file:
            file.write(encode_header(header))
            records.tofile(file)
        mine = rows[(client - 1) * each : client * each]
        mine["client"], mine["seq"], mine["payload"] = client, seq, payload
        mine["server_us"] = records["server_us"][1::2]
    kept = rows["seq"] <= each * 99 // 100
    # The order of a heap is not the order of the journals.
    write_rows(directory / "rows.npy", np.random.default_rng(_SEED).permutation(rows[kept]))
    return (each + 1) * _STEP_NS


def judge_ledger(directory: Path, fault_ns: int) -> tuple[int, float, float]:
    """(operations, seconds, peak MB) of reading and judging what `write_ledger` left."""
    clock = HostClock()
    started_ns = clock.monotonic_ns()
    journal = read_journals(directory)
    rows = read_rows(directory / "rows.npy")
    fault = Bracket(earliest_ns=fault_ns, latest_ns=fault_ns)
    found = classify(journal, rows, BeforeFault(until_ns=fault_ns))
    cost = loss(journal, found, fault, window_ns=60_000_000_000)
    taken_s = seconds(clock.monotonic_ns() - started_ns)
    if cost.records != found.count(OpClass.LOST) or cost.records * 100 != len(journal):
        raise AssertionError(f"got {cost.records} lost of {len(journal)}, expected 1 %")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    return len(journal), taken_s, peak_mb


def main(arguments: list[str]) -> None:
    """Measures each size in a child of its own and prints one line for it."""
    if arguments[:1] == ["--judge"]:
        operations, taken_s, peak_mb = judge_ledger(Path(arguments[1]), int(arguments[2]))
        print(f"{operations} operations {taken_s:.2f} s {peak_mb:.0f} MB")  # noqa: T201 - the result
        return
    for size in map(int, arguments or ["1000000"]):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
            fault_ns = write_ledger(Path(name), size)
            done = process.run(
                [sys.executable, "-m", "benchmarks.judge_ledger", "--judge", name, str(fault_ns)],
                directory=Path.cwd(),
                timeout_s=600,
            )
            print(done.stdout.strip() or done.last_line())  # noqa: T201 - the result


if __name__ == "__main__":
    main(sys.argv[1:])
