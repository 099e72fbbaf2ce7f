"""The TCP load balancer before the API servers: its configuration. Pure.

It runs on the host and reaches into the lab's network by HAProxy's `namespace` keyword (HAProxy
configuration manual, bind and server options), so that the API can be called from the host's
loopback address, and nothing else of the lab can.
"""

from __future__ import annotations

from harness.lab.layout import API_PORT, SWITCH_ADDRESS, Layout, Role


def configuration(layout: Layout, switch: str, port: int) -> str:
    """HAProxy's file; `switch` names the lab's network namespace, `port` is on loopback."""
    servers = "\n".join(
        f"  server {master.name} {master.address}:{API_PORT} namespace {switch} check check-ssl "
        "verify none"
        for master in layout.of(Role.MASTER)
    )
    return f"""\
global
  maxconn 2000

defaults
  mode tcp
  timeout connect 2s
  # Watches are silent for minutes: the API server ends them, not the balancer.
  timeout client 1h
  timeout server 1h

frontend api
  bind 127.0.0.1:{port}
  bind {SWITCH_ADDRESS}:{API_PORT} namespace {switch}
  default_backend masters

backend masters
  balance leastconn
  option httpchk GET /readyz
  default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""
