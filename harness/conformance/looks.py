"""The looks beside that at the objects of the API, in the order in which they are made."""

from __future__ import annotations

from harness.conformance import configuration, connections, engines, health, tls
from harness.conformance.ground import ActiveLook

ACTIVE: tuple[ActiveLook, ...] = (
    connections.LOOK,
    tls.LOOK,
    health.LOOK,
    engines.LOOK,
    configuration.LOOK,
)
