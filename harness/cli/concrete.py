"""Chooses the concrete restore tool, ledger and programs for a subject; nobody else does."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from harness.drivers.clock import HostClock
from harness.errors import HarnessError
from harness.model.subject import BarmanCloud, PgBackRest, RedisCluster, RedisServer, Subject
from harness.ports import Clock, Ledger, RestoreTool


def restore_tool(subject: Subject, clock: Clock) -> RestoreTool:
    """The restore tool that speaks the subject's backup format."""
    match subject:
        case PgBackRest():
            from harness.restore.pgbackrest import PgBackRestTool

            return PgBackRestTool(subject, clock)
        case BarmanCloud():
            from harness.restore.barman_cloud import BarmanCloudTool

            return BarmanCloudTool(subject, clock)
        case RedisServer():
            from harness.restore.redis_rdb import RedisServerTool

            return RedisServerTool(subject, clock)
        case RedisCluster():
            from harness.restore.redis_cluster import RedisClusterTool

            return RedisClusterTool(subject, clock)
    assert_never(subject)


def ledger_of(subject: Subject) -> Ledger:
    """The subject's ledger, or one that says that it has none."""
    from harness.ledger.access import SubjectLedger

    return SubjectLedger(subject, HostClock())


def postgres_programs() -> Path | None:
    """PostgreSQL's bin directory, None where it is not installed."""
    from harness.drivers.postgres import bin_directory

    try:
        return bin_directory()
    except HarnessError:
        return None
