"""Locust as a client of its own process: 50 users who ask again at once, counted by Locust.

`python -m benchmarks.locust_client FastHttpUser|HttpUser URL SECONDS` prints requests and the CPU
seconds they took, without those of the start. Only such a process may import Locust, which patches
all that is in it.
"""

from __future__ import annotations

import sys
import time

import gevent  # type: ignore[import-untyped]
import locust
from locust.env import Environment

_USERS = 50
_FIRST_S = 1.0


def main(kind: str, url: str, seconds: float) -> None:
    """Prints one line."""
    base = {"FastHttpUser": locust.FastHttpUser, "HttpUser": locust.HttpUser}[kind]

    class Visitor(base):  # type: ignore[misc, valid-type]
        host = url

        @locust.task
        def visit(self) -> None:
            """The same page."""
            self.client.get("/")

    environment = Environment(user_classes=[Visitor])
    runner = environment.create_local_runner()
    runner.start(_USERS, spawn_rate=_USERS)
    gevent.sleep(_FIRST_S)
    total = environment.stats.total
    before, cpu_s = total.num_requests, time.process_time()
    gevent.sleep(seconds)
    requests, cpu_s = total.num_requests - before, time.process_time() - cpu_s
    if total.num_failures or not requests:
        sys.exit(f"{kind}: {total.num_failures} failures of {total.num_requests} requests")
    print(requests, cpu_s, flush=True)  # noqa: T201 - the result
    runner.quit()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
