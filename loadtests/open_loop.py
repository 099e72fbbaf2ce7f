"""The open loop for Locust's own command line: `HARNESS_LOAD=CONFIG.json locust -f open_loop.py`.

What is sent, when and until when is in the config (loadtests/README.md), not in Locust's options:
the load ends when its profile does. `--headless`, `--csv` and the web page are as usual; with
`--master` and `--worker`, the config's `workers` says how many there are.
"""

# ruff: noqa: INP001 - a script of its own

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import locust
from locust.env import Environment
from locust.runners import Runner

from harness.decoding import read_json
from harness.errors import HarnessError
from harness.load.config import LocustConfig
from harness.load.locust_child import attach
from harness.load.locust_open_loop import OpenLoopShape, OpenLoopUser

__all__ = ["OpenLoopShape", "OpenLoopUser"]  # found by Locust in this file


def _attach(environment: Environment, runner: Runner, **_others: object) -> None:
    config = os.environ.get("HARNESS_LOAD")
    if config is None:
        sys.exit("HARNESS_LOAD: got nothing, expected a file; see loadtests/README.md")
    try:
        attach(environment, runner, read_json(Path(config), LocustConfig))
    except HarnessError as error:
        sys.exit(str(error))


_events: Any = locust.events  # has no types
_events.init.add_listener(_attach)
