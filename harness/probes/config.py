"""What a prober is told: where to ask, how often, and which acknowledged write must be there."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.drivers.redis import OPEN, Access
from harness.errors import InputError
from harness.ledger.naming import LEDGER, check_name
from harness.model.codec import from_json
from harness.model.game_day import Way
from harness.ports import PostgresEndpoint, RedisEndpoint

INTERVAL_NS = 100_000_000
TIMEOUT_NS = 1_000_000_000

PROBE = "harness_probe"


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Sentinel(_Value, frozen=True, kw_only=True):
    """One acknowledged write of the ledger that every right answer must contain."""

    client: int
    seq: int
    payload: int
    """As the journal has it: 0 to 2^64 - 1."""


class _Asked(_Value, frozen=True, kw_only=True, tag_field="ask"):
    pass


class _WithLedger(_Asked, frozen=True, kw_only=True):
    sentinels: tuple[Sentinel, ...] = ()
    """An empty server answers too: without these it counts as recovered."""

    ledger: str = LEDGER
    """Name of the ledger that the sentinels are of."""

    def __post_init__(self) -> None:
        check_name(self.ledger)


class PostgresWrite(_WithLedger, frozen=True, kw_only=True, tag="postgresql-write"):
    """A row committed by the primary."""

    endpoint: PostgresEndpoint
    kept: bool = False
    """True: on connections that are kept as long as they work, as a pool does."""

    table: str = PROBE
    """Made where it is not there; `remove_table` takes it away again."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.table)


class PostgresRead(_WithLedger, frozen=True, kw_only=True, tag="postgresql-read"):
    """A read on a new connection that a replica answers.

    From a primary it is a wrong answer: at the address of the replicas that is one which another
    has replaced, or which is about to be.
    """

    endpoint: PostgresEndpoint


class RedisWrite(_WithLedger, frozen=True, kw_only=True, tag="redis-write"):
    """A key set and read on every master, each on a new connection; the cluster is whole."""

    endpoint: RedisEndpoint
    access: Access = OPEN


class RedisShardWrite(_WithLedger, frozen=True, kw_only=True, tag="redis-shard-write"):
    """A key set and read at the master of one shard, found as clients find it."""

    endpoint: RedisEndpoint
    first_slot: int
    last_slot: int
    """A range of slots of the shard, both ends included."""

    access: Access = OPEN
    keys: str = PROBE
    """Prefix of the keys that it sets, and deletes with the same request."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.keys)


class HttpRequest(_Asked, frozen=True, kw_only=True, tag="http"):
    """A request on a new connection, answered with the status and the id that belong to it."""

    address: tuple[str, int]
    host: str
    method: str = "GET"
    path: str = "/"
    body: str | None = None
    """`{id}` in it, and in the path, becomes a new UUID, which the answer must contain."""

    expect_status: int = 200
    version_field: str | None = None
    """Field of a right answer, a JSON object, that becomes the observation's detail."""


class KubernetesRead(_Asked, frozen=True, kw_only=True, tag="kubernetes-read"):
    """The namespace kube-system, read on a new connection with etcd's agreement."""

    kubeconfig: Path
    context: str
    uid: str
    """Of that namespace: another one is another cluster."""


Asked = PostgresWrite | PostgresRead | RedisWrite | RedisShardWrite | HttpRequest | KubernetesRead


class ProbeConfig(_Value, frozen=True, kw_only=True):
    """One way in: what is asked, how often, and where the answers go."""

    probe_class: str
    """Names it in the record: `orders: write on a new connection`."""

    ask: Asked
    output: Path
    """Where the observations go, one JSON line each, in the order in which they end."""

    interval_ns: int = INTERVAL_NS
    timeout_ns: int = TIMEOUT_NS
    """After which a probe is INDETERMINATE."""

    subject: str = ""
    way: Way | None = None
    """Both of a game day."""

    def __post_init__(self) -> None:
        if self.interval_ns < 1_000_000 or self.timeout_ns < self.interval_ns:
            raise ValueError(
                f"got interval_ns={self.interval_ns}, timeout_ns={self.timeout_ns}, "
                "expected an interval of 1 ms or more and no timeout below it"
            )


class ProberConfig(_Value, frozen=True, kw_only=True):
    """The file that `python -m harness.probes --config FILE` reads."""

    probes: tuple[ProbeConfig, ...]
    stop_file: Path | None = None
    """The prober also ends when this file is there."""

    def __post_init__(self) -> None:
        if not self.probes:
            raise ValueError("got no probe, expected one or more")
        outputs = [probe.output for probe in self.probes]
        if len(set(outputs)) != len(outputs):
            raise ValueError(f"got one output twice: {', '.join(map(str, outputs))}")


def read_config(file: Path) -> ProberConfig:
    """Reads a prober's configuration; InputError with the path within the file."""
    try:
        return from_json(file.read_bytes(), ProberConfig)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{file}: {error}", hint="python -m harness.probes --help") from error
