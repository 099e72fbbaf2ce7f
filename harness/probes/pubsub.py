"""`python -m harness.probes.pubsub --config FILE.json`: one publisher and its subscribers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.probes.main import until_told
from harness.probes.subscriptions import keep_subscribed, read_config


def main(arguments: Sequence[str]) -> int:
    """`--config FILE`: publishes and subscribes until told to stop; the exit code."""
    if len(arguments) != 2 or arguments[0] != "--config":
        print("usage: python -m harness.probes.pubsub --config FILE.json", file=sys.stderr)  # noqa: T201
        return 2
    return until_told(lambda told: keep_subscribed(read_config(Path(arguments[1])), told))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
