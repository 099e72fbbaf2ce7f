"""`harness serve`: the page: runs, targets, coverage, and the run that goes on, in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options
from harness.faults.places import default_state_directory

PORT = 8470


@click.command("serve")
@click.option(
    "--runs",
    "runs_directory",
    type=click.Path(path_type=Path),
    show_default="the first environment's, else runs",
    help="Folder of the run directories.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=default_state_directory,
    show_default="HARNESS_STATE_DIR, else /var/tmp/harness-<uid>",
    help="Where the harness wrote down what it broke.",
)
@click.option(
    "-e",
    "--environment",
    "environments",
    multiple=True,
    metavar="NAME",
    show_default="those of the stored runs",
    help="Whose targets and coverage are shown; may be repeated.",
)
@options.settings
@options.documents
@options.profiles
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A public key that seals are verified with; may be repeated.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True)
@click.option("--listen", default="127.0.0.1", show_default=True, metavar="ADDRESS")
@click.option(
    "--operate", is_flag=True, help="Notes may be written, and the drill aborted; else read-only."
)
@click.option(
    "--behind-proxy",
    metavar="HEADER",
    help="A proxy on this machine signs people in and names them in that header.",
)
@click.option(
    "--public-name",
    metavar="NAME",
    help="With --behind-proxy: how browsers call it, as in https://NAME.",
)
def command(  # noqa: PLR0913 - one for each option
    runs_directory: Path | None,
    state: Path,
    environments: tuple[str, ...],
    settings: Path,
    targets_directory: Path,
    suites_directory: Path,
    profiles: Path,
    keys: tuple[Path, ...],
    port: int,
    listen: str,
    behind_proxy: str | None,
    public_name: str | None,
    *,
    operate: bool,
) -> int:
    """Show runs, targets, coverage and the run that goes on, in a browser, until Ctrl-C.

    \b
    harness serve                        prints an address that signs in; open it
    harness serve --operate              also: take notes, abort the drill
    harness serve --key seal.pem.pub     also: verify seals
    harness serve --behind-proxy X-Forwarded-User --public-name drills.example.com
                                         a proxy on this machine signs people in (OIDC)

    It is bound to this machine. From elsewhere, forward a port: ssh -L 8470:127.0.0.1:8470 HOST.
    Another address is refused but behind a proxy, and then only /healthz answers to other machines.
    The address that is printed holds a token; as long as the server runs it also stands in
    page-PORT.token of the state directory, for its owner only. Whoever has it may look.

    The page reads stored runs and touches no system. /live follows the run that goes on: its steps,
    what is broken, what clients find, the clocks. Nothing is judged from it.
    """
    import secrets

    from harness.cli.coverage import covered, runs_of
    from harness.drivers.clock import HostClock
    from harness.page.app import Page, Shelf
    from harness.page.guard import Access
    from harness.page.server import PageServer, is_loopback, kept_token, netloc, serve
    from harness.page.server import listen as take_port
    from harness.seal.signing import read_public_key
    from harness.targets import load_targets

    _refuse_unsafe(listen, behind_proxy, public_name, local=is_loopback(listen))
    targets = load_targets(targets_directory)  # before anything listens: a wrong file is named now
    public = tuple(read_public_key(path) for path in keys)
    runs = runs_directory or (runs_of(environments[0], settings) if environments else Path("runs"))
    taken = take_port(listen, port)
    with taken:
        port = int(taken.getsockname()[1])
        here = netloc(listen, port)
        own = {here, f"localhost:{port}"} if public_name is None else {public_name.lower()}
        scheme = "http" if public_name is None else "https"
        access = Access(
            hosts=frozenset(own),
            origins=frozenset(f"{scheme}://{host}" for host in own),
            token="" if behind_proxy is not None else secrets.token_urlsafe(32),
            proxy_header=behind_proxy,
            operate=operate,
            cookie=f"harness-{port}",
        )
        page = Page(
            shelf=Shelf(
                runs=runs,
                state=state,
                keys=public,
                environments=environments,
                cover=lambda names: (
                    covered(
                        targets,
                        names,
                        settings=settings,
                        suites_directory=suites_directory,
                        profiles=profiles,
                        folders=(runs,),
                    ),
                    targets,
                ),
            ),
            access=access,
            clock=HostClock(),
        )
        server = PageServer(page.app(), page.feed)
        if behind_proxy is not None:
            told = f"https://{public_name}/ by way of the proxy; it is awaited at {here}"
            serve(server, [taken], lambda: click.echo(told))
        else:
            with kept_token(state, port, access.token):
                told = f"http://{here}/sign-in?token={access.token}"
                serve(server, [taken], lambda: click.echo(told))
    click.echo("stopped", err=True)
    return 0


def _refuse_unsafe(
    listen: str, behind_proxy: str | None, public_name: str | None, *, local: bool
) -> None:
    """Raises RefusedError where others could reach what nobody signed them in for."""
    from harness.errors import InputError, RefusedError

    if not local and behind_proxy is None:
        raise RefusedError(
            f"--listen {listen}: other machines reach it, and the token would cross the network "
            "in the clear",
            hint="harness serve --behind-proxy HEADER --public-name NAME  # or: ssh -L",
        )
    if (behind_proxy is None) != (public_name is None):
        raise InputError(
            "got one of --behind-proxy and --public-name, expected both",
            hint="harness serve --behind-proxy X-Forwarded-User --public-name drills.example.com",
        )
