"""Makes and cuts the lab's network: namespaces joined by one bridge, and no way out of them.

No interface of the lab is in the host's namespace and no namespace has a default route, so nothing
that runs in the lab can reach, or be reached from, anything but the lab.
"""

from __future__ import annotations

import json
from pathlib import Path

from harness.drivers import process
from harness.errors import SurroundingsError
from harness.lab.layout import (
    MACHINE_NETWORK,
    SERVICE_NETWORK,
    SWITCH_ADDRESS,
    Layout,
    Machine,
    Role,
)

PREFIX = "harness-lab-"
"""How all of a lab's network namespaces are called."""

SWITCH = f"{PREFIX}switch"
"""The namespace of the bridge that all machines are plugged into."""

_BRIDGE = "lab0"
_TIMEOUT_S = 30.0


def namespace(machine: Machine) -> str:
    """The network namespace of a machine, as `ip netns` names it."""
    return f"{PREFIX}{machine.name}"


def namespaces() -> tuple[str, ...]:
    """The namespaces of a lab that exist now."""
    named = Path("/run/netns")
    if not named.is_dir():
        return ()
    return tuple(sorted(path.name for path in named.iterdir() if path.name.startswith(PREFIX)))


def file_of(name: str) -> Path:
    """What `nsenter --net=` takes."""
    return Path("/run/netns") / name


def is_here(name: str) -> bool:
    """Whether this process is in that network namespace itself."""
    try:
        return file_of(name).stat().st_ino == Path("/proc/self/ns/net").stat().st_ino
    except OSError:
        return False


def make_switch() -> None:
    """Makes the bridge, in a namespace of its own."""
    _ip("netns", "add", SWITCH)
    _batch(
        SWITCH,
        f"link add {_BRIDGE} type bridge",
        f"address add {SWITCH_ADDRESS}/{MACHINE_NETWORK.prefixlen} dev {_BRIDGE}",
        f"link set {_BRIDGE} up",
        "link set lo up",
    )


def plug_in(machine: Machine, layout: Layout) -> None:
    """Makes a machine's namespace, its cable to the switch, and its routes to all pods.

    What there is of an earlier one goes first: a boot begins with no rules, routes or connections.
    """
    unplug(machine)
    name = namespace(machine)
    _ip("netns", "add", name)
    _batch(
        SWITCH,
        f"link add {_cable(machine)} type veth peer name eth0 netns {name}",
        f"link set {_cable(machine)} master {_BRIDGE} up",
    )
    others = (one for one in layout.of(Role.WORKER) if one.name != machine.name)
    _batch(
        name,
        "link set lo up",
        f"address add {machine.address}/{MACHINE_NETWORK.prefixlen} dev eth0",
        "link set eth0 up",
        *(f"route add {one.pod_network} via {one.address}" for one in others),
        # The kernel wants a route before kube-proxy's rules replace the address; what they do
        # not replace goes to the switch, which forwards nothing.
        f"route add {SERVICE_NETWORK} via {SWITCH_ADDRESS}",
    )
    settings = ["net.ipv4.ip_forward=1"] if machine.role is Role.WORKER else []
    for setting in settings:
        path = Path("/proc/sys") / setting.split("=")[0].replace(".", "/")
        _run("nsenter", f"--net={file_of(name)}", "sh", "-c", f"echo 1 >{path}")


def cut(machine: Machine) -> None:
    """Takes a machine's cable out: nothing comes or goes, without a word to its peers.

    Harmless where it has none.
    """
    if _has_cable(machine):
        _ip("-netns", SWITCH, "link", "set", _cable(machine), "down")


def mend(machine: Machine) -> None:
    """Puts the cable in again."""
    _ip("-netns", SWITCH, "link", "set", _cable(machine), "up")


def is_cut(machine: Machine) -> bool:
    """Whether the machine's cable is out, or its namespace gone."""
    done = _show(machine)
    return done.returncode != 0 or "UP" not in json.loads(done.stdout)[0]["flags"]


def unplug(machine: Machine) -> None:
    """Removes a machine's cable and its namespace; what it held in the kernel goes with them.

    The cable first and by name: the kernel takes a namespace apart some time after it was deleted,
    and until then the name would be taken. Harmless where there is nothing.
    """
    if _has_cable(machine):
        _ip("-netns", SWITCH, "link", "delete", _cable(machine))
    if namespace(machine) in namespaces():
        remove(namespace(machine))


def remove(name: str) -> None:
    """Removes a namespace and, with it, its interfaces, rules and routes."""
    _ip("netns", "delete", name)


def processes(name: str) -> tuple[int, ...]:
    """The processes whose network is that namespace."""
    done = _run("ip", "netns", "pids", name)
    return tuple(int(word) for word in done.stdout.split())


def _has_cable(machine: Machine) -> bool:
    return _show(machine).returncode == 0


def _show(machine: Machine) -> process.Completed:
    return process.run(
        ("ip", "-json", "-netns", SWITCH, "link", "show", _cable(machine)),
        directory=Path("/"),
        timeout_s=_TIMEOUT_S,
    )


def _cable(machine: Machine) -> str:
    """The switch's end; an interface's name has at most 15 bytes (IFNAMSIZ)."""
    return machine.name


def _batch(name: str, *commands: str) -> None:
    done = process.run(
        ("ip", "-netns", name, "-batch", "-"),
        directory=Path("/"),
        timeout_s=_TIMEOUT_S,
        stdin="\n".join(commands).encode(),
    )
    _refuse_failure(done)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*argv: str) -> process.Completed:
    done = process.run(argv, directory=Path("/"), timeout_s=_TIMEOUT_S)
    _refuse_failure(done)
    return done


def _refuse_failure(done: process.Completed) -> None:
    if done.returncode != 0:
        raise SurroundingsError(
            f"{' '.join(done.argv)}: {' '.join(done.stderr.split())}",
            hint="harness lab down  # then up again",
        )
