"""Publishes the metrics of a run: a file for node exporter, a push for the Pushgateway."""

from __future__ import annotations

import os
import urllib.parse
from pathlib import Path

from harness.drivers.http_post import post
from harness.errors import InputError
from harness.faults.places import write_durably

_KEPT = "harness_evidence_kept"


def with_evidence(text: str, *, environment: str, suite: str, kept: bool | None) -> str:
    """The metrics of a run, and whether its evidence is where it should be.

    That is known when the run is sealed, and so cannot stand in its own metrics.prom. `kept` None:
    nobody asked for it to be kept, and there is no series.
    """
    if kept is None:
        return text
    labels = f'environment="{environment}",suite="{suite}"'
    return (
        f"{text}# HELP {_KEPT} Whether the last run's evidence is sealed and archived: 1 or 0.\n"
        f"# TYPE {_KEPT} gauge\n{_KEPT}{{{labels}}} {int(kept)}\n"
    )


def write_textfile(folder: Path, text: str, *, environment: str, suite: str) -> Path:
    """One file for each suite and environment, which node exporter's textfile collector reads.

    It appears at once, as the collector's documentation asks for. Raises InputError.
    """
    path = folder / f"harness-{environment}-{suite}.prom"
    try:
        write_durably(path, text.encode())
        path.chmod(0o644)  # the exporter is another user
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {os.strerror(error.errno or 0)}", hint=f"ls -ld {folder}"
        ) from error
    return path


def push(gateway: str, text: str, *, environment: str, suite: str, ca_file: Path | None) -> None:
    """Pushes by POST, which leaves metrics of other names alone: one that a run no longer has, such
    as its last success, stays (Pushgateway's README, "POST method").

    Raises InputError or SurroundingsError.
    """
    group = "/".join(
        urllib.parse.quote(part, safe="") for part in ("environment", environment, "suite", suite)
    )
    url = f"{gateway.rstrip('/')}/metrics/job/harness/{group}"
    post(url, text.encode(), {"Content-Type": "text/plain; version=0.0.4"}, ca_file=ca_file)
