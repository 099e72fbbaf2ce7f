"""`harness lab`: a Kubernetes cluster of its own on this machine, and ways to break it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.faults.places import default_state_directory

if TYPE_CHECKING:
    from harness.lab.lab import Lab
    from harness.lab.layout import Machine

_STATE = default_state_directory


@click.group("lab")
def command() -> None:
    """A real, highly available Kubernetes on this machine, made to be broken.

    \b
    harness lab up                      three masters, three workers, three zones
    harness lab up --overlay production the documented platform on it
    harness lab exec -- kubectl get nodes
    harness lab node kill worker-2      as a power cut does
    harness lab node start worker-2     and back again
    harness lab down                    nothing is left

    Every machine is a set of Linux namespaces with its own processes, disk and network address; no
    network of the lab leads out of it. Needs Linux and root, no Docker; elsewhere `kind` or `k3d`
    serve. docs/lab.md shows what runs where.
    """


@command.command("up")
@click.option("--masters", default=3, show_default=True, help="Control-plane members; odd.")
@click.option("--workers", default=3, show_default=True)
@click.option("--zones", default=3, show_default=True, help="Masters and workers get one in turn.")
@click.option(
    "--overlay",
    metavar="ENVIRONMENT",
    help="Also install the documented platform: dev, staging, production.",
)
def up(masters: int, workers: int, zones: int, overlay: str | None) -> None:
    """Make the lab and return when all of it is ready.

    The first time, Kubernetes is compiled and images are built, and both are kept in
    HARNESS_CACHE_DIR (else ~/.cache/harness); afterwards it takes about half a minute. A lab that
    is up already is left as it is; one that was left half made is cleaned away first.
    """
    from harness.drill.interruption import interruptible
    from harness.drivers.clock import HostClock
    from harness.lab import lab, platform
    from harness.lab.cache import cache_directory
    from harness.lab.layout import Layout
    from harness.report.progress import Narrator

    layout = Layout(masters=masters, workers=workers, zones=zones)
    with interruptible(), Narrator(HostClock()) as narrator:
        made = lab.up(layout, _STATE(), cache_directory(), narrator.step)
        if overlay is not None:
            platform.install(made, overlay, narrator.step)
    click.echo(f"the lab is up: {masters} masters, {workers} workers, {zones} zones")
    click.echo(f"API: https://127.0.0.1:{made.record.api_port}  (harness lab kubeconfig)")
    click.echo("look inside: harness lab exec -- kubectl get pods --all-namespaces")


@command.command("build")
@click.option("--kwok", is_flag=True, help="Only kwok: nodes without machines, for large numbers.")
def build(*, kwok: bool) -> None:
    """Build what `up` needs, and print where it is."""
    from harness.drill.interruption import interruptible
    from harness.drivers.clock import HostClock
    from harness.lab import lab, programs
    from harness.lab.cache import cache_directory
    from harness.report.progress import Narrator

    with interruptible(), Narrator(HostClock()) as narrator:
        if kwok:
            made = programs.build(cache_directory(), narrator.step, module=programs.KWOK)
        else:
            made, _ = lab.built(_STATE(), cache_directory(), narrator.step)
    click.echo(made)


@command.command("down")
def down() -> None:
    """Remove the lab, or what is left of one.

    Processes, networks, control groups, files; also after `up` was killed half way.
    """
    from harness.drill.interruption import interruptible
    from harness.lab import lab

    with interruptible():
        for line in lab.down(_STATE()) or ("there was no lab",):
            click.echo(line)


@command.command("status")
@options.as_json
def status(*, json: bool) -> None:
    """What runs, and how each machine is."""
    from harness.lab.lab import find
    from harness.lab.status import render, status_of
    from harness.model.codec import to_indented_json

    found = status_of(find(_STATE()))
    click.echo(to_indented_json(found) if json else render(found), nl=False)


@command.command("kubeconfig")
@click.option("--inside", is_flag=True, help="For use within the lab's network instead.")
def kubeconfig(*, inside: bool) -> None:
    """Print a kubeconfig with all rights.

    For tools on this machine: redirect it to a file.
    """
    from harness.lab.identities import ADMIN, INSIDE
    from harness.lab.lab import find

    directories = find(_STATE()).machines.directories
    file = directories.kubeconfig(INSIDE if inside else ADMIN)
    click.echo(file.read_text(encoding="utf-8"), nl=False)


@command.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD...")
def execute(words: tuple[str, ...]) -> None:
    """Run CMD inside the lab's network.

    It is beside the cluster there, with its DNS and kubectl: pod and Service addresses can be
    reached, and nothing outside the lab. The exit code is CMD's.
    """
    from harness.lab.entering import argv, environment
    from harness.lab.lab import find

    lab = find(_STATE())
    os.execvpe("nsenter", argv(lab, words), environment(lab))  # noqa: S606, S607 - who asks is root


@command.command("logs")
@click.argument("machine")
@click.option("--lines", default=20, show_default=True, help="Of each log.")
def logs(machine: str, lines: int) -> None:
    """Print the end of a machine's logs.

    `harness lab status` says where the files are.
    """
    from harness.lab.lab import find

    lab = find(_STATE())
    click.echo(lab.machines.log_tails(lab.layout.machine(machine), lines))


@command.group("node")
def node() -> None:
    """Break a machine, and put it right again."""


@command.group("zone")
def zone() -> None:
    """Break a zone, and put it right again."""


@node.command("kill")
@click.argument("name", metavar="NODE")
def node_kill(name: str) -> None:
    """Cut the power; the disk stays.

    Everything that runs on it is gone at once, without a word to its peers.
    """
    _each(name, lambda lab, machine: lab.machines.power_cut(machine), "is off")


@node.command("start")
@click.argument("name", metavar="NODE")
@click.option("--no-wait", is_flag=True, help="Return before it serves.")
def node_start(name: str, *, no_wait: bool) -> None:
    """Switch it on, and wait until it serves."""
    _each(name, lambda lab, machine: lab.machines.boot(machine), "is on")
    if not no_wait:
        _each(name, lambda lab, machine: lab.await_serving(machine), "serves")


@node.command("pause")
@click.argument("name", metavar="NODE")
def node_pause(name: str) -> None:
    """Stop all its processes where they are."""
    _each(name, lambda lab, machine: lab.machines.pause(machine), "is paused")


@node.command("partition")
@click.argument("name", metavar="NODE")
def node_partition(name: str) -> None:
    """Take the cable out; processes go on."""
    _each(name, lambda lab, machine: lab.machines.partition(machine), "is cut off")


@node.command("heal")
@click.argument("name", metavar="NODE")
def node_heal(name: str) -> None:
    """Undo pause and partition."""
    _each(name, lambda lab, machine: lab.machines.heal(machine), "runs and is connected")


@zone.command("kill")
@click.argument("name", metavar="ZONE")
def zone_kill(name: str) -> None:
    """Cut the power of all its machines: all cables first, then their processes."""
    from harness.lab.lab import changing

    with changing(_STATE()) as lab:
        for line in lab.machines.power_cut_all(lab.layout.in_zone(name)):
            click.echo(line)


@zone.command("start")
@click.argument("name", metavar="ZONE")
def zone_start(name: str) -> None:
    """Switch all its machines on again, and wait until they serve."""
    from harness.lab.lab import changing

    with changing(_STATE()) as lab:
        off = [one for one in lab.layout.in_zone(name) if not lab.machines.runs(one)]
        for machine in off:
            lab.machines.boot(machine)
        for machine in off:
            lab.await_serving(machine)
            click.echo(f"{machine.name} serves")


def _each(name: str, change: Callable[[Lab, Machine], None], what: str) -> None:
    from harness.drivers.clock import HostClock
    from harness.lab.lab import changing
    from harness.model.instant import NANOSECONDS_PER_SECOND

    with changing(_STATE()) as lab:
        machine = lab.layout.member(name)
        clock = HostClock()
        begun_ns = clock.monotonic_ns()
        change(lab, machine)
        took_s = (clock.monotonic_ns() - begun_ns) / NANOSECONDS_PER_SECOND
        click.echo(f"{machine.name} {what} ({took_s:.1f} s)")
