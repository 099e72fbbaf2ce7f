"""How a command is run inside the lab's network. Nothing is run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.lab import lab
from harness.lab.directories import Directories
from harness.lab.entering import argv, environment
from harness.lab.lab import Lab
from harness.lab.layout import Layout
from harness.lab.record import Record

WORDS = ("kubectl", "get", "pods", "-l", "a in (b, c)", "$HOME", "--", "it's", "")


@pytest.fixture
def there() -> Lab:
    """A lab by its record only."""
    record = Record(
        layout=Layout(),
        phase="up",
        owner_pid=1,
        owner_started=0.0,
        boot_id="",
        api_port=17042,
        programs="/programs",
    )
    return lab._lab(Directories(Path("/state/my lab")), record)


def test_the_whole_command(there: Lab) -> None:
    """It enters the network of the machine outside, and has that machine's DNS."""
    assert argv(there, ("env",)) == (
        "nsenter",
        "--net=/run/netns/harness-lab-outside",
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount --bind "$0" "$(readlink -m /etc/resolv.conf)" && exec "$@"',
        "/state/my lab/machines/outside/resolv.conf",
        "env",
    )


def test_words_reach_the_command_as_they_are(there: Lab) -> None:
    """As arguments of the shell, which expands none of them."""
    words = argv(there, WORDS)
    assert words[-len(WORDS) :] == WORDS
    assert words[-len(WORDS) - 1] == "/state/my lab/machines/outside/resolv.conf"
    assert "kubectl" not in words[-len(WORDS) - 2]


def test_kubectl_is_the_lab_s_and_reaches_the_lab(
    there: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the user's own are; the rest of the surroundings stays."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("KUBECONFIG", "/home/user/production")
    monkeypatch.setenv("OWN", "kept")
    found = environment(there)
    assert found["PATH"] == "/state/my lab/bin:/usr/bin:/bin"
    assert found["KUBECONFIG"] == "/state/my lab/pki/inside.kubeconfig"
    assert found["OWN"] == "kept"
    assert found["KUBECACHEDIR"] == "/state/my lab/kubectl-cache"
    assert found["HTTPS_PROXY"] == ""
    assert os.environ["KUBECONFIG"] == "/home/user/production"
