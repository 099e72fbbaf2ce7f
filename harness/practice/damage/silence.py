"""Makes a server unreachable for an exactly known time while a prober of the harness looks.

The known-outage control of every measured recovery time (measure.md, "Self-calibration").
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import assert_never

import msgspec

from harness.drivers.clock import wait_until
from harness.drivers.postgres import connect
from harness.model.calibration import SilenceObserved
from harness.model.history import Observation
from harness.model.instant import nanoseconds
from harness.ports import Endpoint, Ledger, PostgresEndpoint, Prober, RedisEndpoint
from harness.practice.black_hole import BlackHole
from harness.practice.platform import Practice
from harness.practice.postgres import STANZA
from harness.practice.redis import CLUSTER

SUSTAINED = timedelta(seconds=2)
"""Right answers must have lasted so long before the silence, and again after it."""

_ANSWERS_WITHIN_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Silence:
    """A server that cannot be reached for a while."""

    name: str
    title: str
    subject: str
    duration: timedelta

    def observe(
        self, practice: Practice, ledger: Ledger, output: Path, directory: Path
    ) -> SilenceObserved:
        """Swallows all that goes to the server and back, between right answers.

        `directory` is a place for the prober, `output` its observations. Raises
        DeadlineExceededError where the server does not answer before it, or not after it.
        """
        endpoint = _endpoint(practice, self.subject)
        server = (
            (endpoint.host, endpoint.port)
            if isinstance(endpoint, PostgresEndpoint)
            else endpoint.nodes[0]
        )
        with BlackHole(server) as hole, contextlib.ExitStack() as after:
            after.callback(_remove_traces, endpoint)
            prober = ledger.begin_probing(_through(hole, endpoint), None, output, directory)
            after.callback(prober.stop)
            _await_answers(prober, "before it is silenced")
            began, ended = hole.swallow(nanoseconds(self.duration))
            _await_answers(prober, "after it was silenced")
        return SilenceObserved(
            began=began,
            ended=ended,
            observations=tuple(
                msgspec.json.decode(line, type=Observation)
                for line in output.read_bytes().splitlines()
            ),
            interval_ns=prober.interval_ns,
            timeout_ns=prober.timeout_ns,
        )


def _await_answers(prober: Prober, when: str) -> None:
    wait_until(
        lambda: prober.sustained(SUSTAINED),
        within_s=_ANSWERS_WITHIN_S,
        what=f"right answers {when}",
    )


def _endpoint(practice: Practice, subject: str) -> Endpoint:
    endpoints: dict[str, Endpoint] = {
        STANZA: practice.postgres.endpoint,
        CLUSTER: practice.redis.endpoint,
    }
    return endpoints[subject]


def _through(hole: BlackHole, endpoint: Endpoint) -> Endpoint:
    """The same endpoint by way of the relay; of a cluster, its first master only."""
    match endpoint:
        case PostgresEndpoint():
            host, port = hole.address
            return msgspec.structs.replace(endpoint, host=host, port=port)
        case RedisEndpoint():
            return msgspec.structs.replace(endpoint, nodes=(hole.address, *endpoint.nodes[1:]))
    assert_never(endpoint)


def _remove_traces(endpoint: Endpoint) -> None:
    """What probes write: in PostgreSQL a table of their own, in Redis nothing that stays."""
    if isinstance(endpoint, PostgresEndpoint):
        with connect(endpoint) as connection:
            connection.execute("DROP TABLE IF EXISTS harness_probe")
