"""`harness serve`: what it refuses before anything listens, and where the token is kept."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import serve
from harness.errors import HarnessError, InputError, RecordError, RefusedError
from harness.page.server import is_loopback, kept_token, listen, netloc


def served(*arguments: str) -> Result:
    return CliRunner().invoke(serve.command, [*arguments])


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "example.com", ""])  # noqa: S104
def test_other_addresses_are_refused(address: str) -> None:
    """Nothing listens; exit code 4."""
    error = served("--listen", address, "--port", "0").exception
    assert isinstance(error, RefusedError)
    assert "ssh -L" in str(error.hint)


@pytest.mark.parametrize(
    "arguments",
    [("--behind-proxy", "X-User"), ("--public-name", "x"), ("--public-name", "x", "--operate")],
)
def test_a_proxy_needs_its_header_and_its_name(arguments: tuple[str, ...]) -> None:
    """Without the one nobody is signed in, without the other no Host is known."""
    error = served(*arguments, "--port", "0").exception
    assert isinstance(error, InputError)
    assert "--public-name" in str(error.hint)


def test_wrong_files_are_named_before_anything_listens(tmp_path: Path) -> None:
    """A key that is none, targets that are torn."""
    (tmp_path / "key").write_text("none", encoding="ascii")
    error = served("--key", str(tmp_path / "key"), "--port", "0").exception
    assert isinstance(error, HarnessError)
    assert "no public key" in str(error)
    (tmp_path / "torn.yaml").write_text("{", encoding="ascii")
    error = served("--targets", str(tmp_path), "--port", "0").exception
    assert isinstance(error, InputError)
    assert "torn.yaml" in str(error)


def test_a_taken_port_says_what_to_type() -> None:
    """And leaves no socket behind."""
    with listen("127.0.0.1", 0) as first, socket.socket() as _:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match="cannot be listened at") as taken:
            listen("127.0.0.1", port)
        assert taken.value.hint is not None
        assert "--port 0" in taken.value.hint
    with pytest.raises(InputError, match="expected an IP address"):
        listen("localhost", 0)


def test_the_token_is_its_owners_for_as_long_as_the_server_runs(tmp_path: Path) -> None:
    """Whatever lay there before, and whoever could read that."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "page-8470.token").write_text("old", encoding="ascii")
    with kept_token(state, 8470, "new") as path:
        assert path.read_text(encoding="ascii") == "new\n"
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
    (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(RecordError, match="token"), kept_token(tmp_path / "file", 1, "x"):
        pass


def test_addresses() -> None:
    """As browsers write them, and which are of this machine only."""
    assert netloc("::1", 1) == "[::1]:1"
    assert netloc("127.0.0.1", 1) == "127.0.0.1:1"
    assert is_loopback("127.8.0.1")
    assert is_loopback("::1")
    assert not is_loopback("localhost")
    assert not is_loopback("192.0.2.1")


def test_help_teaches() -> None:
    """Examples, what it does not do, and where the token is."""
    text = served("--help").output
    for word in ("harness serve --operate", "ssh -L", "page-PORT.token", "judged from it", "8470"):
        assert word in " ".join(text.split())
