"""Removes the sockets that killed SeaweedFS servers leave outside their directory."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from harness.drivers.loopback import PORTS

SOCKETS = Path("/tmp")  # noqa: S108 - where SeaweedFS makes them, whatever it is told


def remove_dead_sockets() -> None:
    """Removes what killed regions of this user left in /tmp: sockets on which nobody listens.

    SeaweedFS makes them under fixed names (weed/command/server.go), so a region whose harness was
    killed leaves them outside its directory. Only ports that the harness chooses are looked at.
    """
    for path in SOCKETS.glob("seaweedfs-*-grpc-*.sock"):
        port = path.stem.rpartition("-")[2]
        with contextlib.suppress(OSError):
            if not port.isdigit() or int(port) not in PORTS or path.stat().st_uid != os.getuid():
                continue
            with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()
