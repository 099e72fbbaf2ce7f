"""The checks of `make test`, in the environment that `make setup` made.

Sessions use that one environment (no copies): a clean machine installs everything once.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "imports", "unit", "servers", "journeys"]
nox.options.stop_on_first_error = True

BIN = Path(".venv/bin").resolve()
TWO_FILES_AT_A_TIME = ("--numprocesses=2", "--dist=loadfile")
"""Each file's servers are its own; most of the time is spent in waiting for them."""

_SOME_FAILED = 1
"""The exit code by which pytest means that it ran, and that tests failed."""


def _run(session: nox.Session, program: str, *arguments: str) -> None:
    session.run(str(BIN / program), *arguments, external=True)


def _on_real_servers(session: nox.Session, *arguments: str) -> None:
    """Runs tests, and those that failed once more: on a machine that others use, too, a server may
    be late in the wrong moment. What fails twice fails; what failed once stands above with all that
    pytest says of it, and is to be looked into.
    """
    tests = ("-m", "pytest", *arguments, *session.posargs)
    try:
        _run(session, "python", *tests)
    except nox.command.CommandFailed as failed:
        if failed.return_code != _SOME_FAILED:
            raise
        session.warn("tests failed, see above; these once more")
        _run(session, "python", *tests, "--last-failed", "--last-failed-no-failures=none")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and layout."""
    _run(session, "ruff", "check", ".")
    _run(session, "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    _run(session, "mypy")


@nox.session
def imports(session: nox.Session) -> None:
    """The direction of dependencies."""
    _run(session, "lint-imports")


@nox.session
def unit(session: nox.Session) -> None:
    """Unit tests, in a network namespace of their own without any interface: no sockets."""
    session.run(
        *("unshare", "--net", "--map-root-user"),
        *(str(BIN / "python"), "-m", "pytest", "--numprocesses=2", "tests/unit"),
        *session.posargs,
        external=True,
    )


@nox.session
def servers(session: nox.Session) -> None:
    """Each module against its real server."""
    _on_real_servers(session, *TWO_FILES_AT_A_TIME, "tests/servers")


@nox.session
def journeys(session: nox.Session) -> None:
    """Whole commands, as a user types them."""
    _on_real_servers(session, *TWO_FILES_AT_A_TIME, "tests/journeys")


@nox.session
def lab(session: nox.Session) -> None:
    """A real cluster with the documented platform, broken and mended; needs root."""
    # The first test compiles Kubernetes, where nothing did before; each wait has its own limit.
    _on_real_servers(session, "tests/lab", "--timeout=3000", "--durations=10")


@nox.session
def paper(session: nox.Session) -> None:
    """veraPDF, from Maven Central, says whether report.pdf conforms; needs Maven and a JDK."""
    _run(session, "python", "-m", "pytest", "tests/paper", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmark table of docs/benchmarks.md; ratios of one run."""
    _run(session, "python", "-m", "benchmarks", *session.posargs)


@nox.session
def expected(session: nox.Session) -> None:
    """Writes the expected outputs of renderers, and the schemas of reports/schema, anew."""
    session.run(
        *(str(BIN / "python"), "-m", "pytest", "-q", "tests/unit/report"),
        env={"UPDATE_EXPECTED": "1"},
        external=True,
    )
