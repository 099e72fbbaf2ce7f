"""The configuration of the load balancer before the API servers: the whole of it."""

from __future__ import annotations

from harness.lab.balancer import configuration
from harness.lab.layout import Layout


def test_the_whole_configuration() -> None:
    """Three masters; taken on the host's loopback and, inside the lab, on the switch's address."""
    assert (
        configuration(Layout(masters=3), "harness-lab-switch", 17042)
        == """\
global
  maxconn 2000

defaults
  mode tcp
  timeout connect 2s
  # Watches are silent for minutes: the API server ends them, not the balancer.
  timeout client 1h
  timeout server 1h

frontend api
  bind 127.0.0.1:17042
  bind 10.89.0.1:6443 namespace harness-lab-switch
  default_backend masters

backend masters
  balance leastconn
  option httpchk GET /readyz
  default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
  server master-1 10.89.0.11:6443 namespace harness-lab-switch check check-ssl verify none
  server master-2 10.89.0.12:6443 namespace harness-lab-switch check check-ssl verify none
  server master-3 10.89.0.13:6443 namespace harness-lab-switch check check-ssl verify none
"""
    )


def test_one_line_for_each_master() -> None:
    """And none for other machines."""
    for masters in (1, 5):
        text = configuration(Layout(masters=masters, workers=4), "switch", 1)
        servers = [line for line in text.splitlines() if line.startswith("  server ")]
        assert [line.split()[1] for line in servers] == [
            f"master-{number + 1}" for number in range(masters)
        ]
