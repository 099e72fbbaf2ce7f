"""All damage that the harness must find: what `calibrate` plants and `demo --break` shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from harness.errors import InputError
from harness.model.suite import Level
from harness.practice.damage import objects, rows, surroundings
from harness.practice.damage.damage import Damage
from harness.practice.damage.silence import Silence
from harness.practice.postgres import STANZA
from harness.practice.redis import CLUSTER

DAMAGES = (
    Damage(
        name="flipped-byte",
        title="one byte of a PostgreSQL backup object is another",
        subject=STANZA,
        planting=objects.flip_byte_of_backup,
    ),
    Damage(
        name="flipped-byte-redis",
        title="one byte of a shard's shipped AOF is another",
        subject=CLUSTER,
        planting=objects.flip_byte_of_aof,
    ),
    Damage(
        name="missing-wal",
        title="one archived WAL segment in the middle of the archive is gone",
        subject=STANZA,
        planting=objects.delete_segment,
    ),
    Damage(
        name="truncated-aof",
        title="the newest piece of a shard's shipped AOF lost its tail",
        subject=CLUSTER,
        planting=objects.cut_newest_part,
    ),
    Damage(
        name="wrong-passphrase",
        title="the passphrase that the drill is given is not the backups'",
        subject=STANZA,
        planting=surroundings.wrong_passphrase,
    ),
    Damage(
        name="old-backup",
        title="the newest backup is days old, the schedule is daily",
        subject=CLUSTER,
        planting=objects.forget_newest_backups,
    ),
    Damage(
        name="swapped-shards",
        title="the backup job filed two shards' data under each other's names",
        subject=CLUSTER,
        planting=objects.swap_shards,
        levels=(Level.STRUCTURE, Level.LEDGER),
        # The first shards' keys are never answered for.
        deadline=timedelta(seconds=30),
    ),
    Damage(
        name="ledger-deleted",
        title="an acknowledged row is gone from the database",
        subject=STANZA,
        planting=rows.delete_row,
    ),
    Damage(
        name="ledger-duplicated",
        title="a row is in the database twice",
        subject=STANZA,
        planting=rows.duplicate_row,
    ),
    Damage(
        name="ledger-altered",
        title="a row is not what was written",
        subject=STANZA,
        planting=rows.alter_row,
    ),
    Damage(
        name="ledger-foreign",
        title="a row is in the database that nobody wrote",
        subject=STANZA,
        planting=rows.insert_foreign_row,
    ),
    Damage(
        name="stalled-prober",
        title="the harness's own prober stands still for 3 s",
        subject=STANZA,
        planting=surroundings.stalled_prober,
    ),
    Damage(
        name="stopped-replication",
        title="the replication to the other region has stopped",
        subject=STANZA,
        planting=surroundings.stopped_replication,
    ),
)
"""Each shows in the run of a suite."""

SILENCES = (
    Silence(
        name="black-hole-2s",
        title="a cluster node cannot be reached for 2 s",
        subject=CLUSTER,
        duration=timedelta(seconds=2),
    ),
    Silence(
        name="black-hole-7s",
        title="a server cannot be reached for 7 s",
        subject=STANZA,
        duration=timedelta(seconds=7),
    ),
)
"""Each is measured by a prober of its own: no run of a suite watches a server that it did not
restore."""


def damage_named(name: str) -> Damage:
    """The damage of that name that a run shows; InputError where there is none."""
    for damage in DAMAGES:
        if damage.name == name:
            return damage
    known = ", ".join(damage.name for damage in DAMAGES)
    if any(silence.name == name for silence in SILENCES):
        raise InputError(
            f"damage: got {name}, which no run shows: it is a measurement; expected one of {known}",
            hint=f"harness calibrate --only {name}",
        )
    raise InputError(
        f"damage: got {name}, expected one of {known}", hint="harness demo --break list"
    )


def list_damages() -> Iterator[str]:
    """One line for each damage that a run shows."""
    width = max(len(damage.name) for damage in DAMAGES)
    for damage in DAMAGES:
        yield f"{damage.name:<{width}}  {damage.title}"
