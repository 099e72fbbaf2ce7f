"""What `lab up` does where something does not come up: it says why, and takes down what it made."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HealError, SurroundingsError
from harness.lab import lab, network, requirements
from harness.lab import record as records
from harness.lab.cgroups import ControlGroups
from harness.lab.directories import Directories
from harness.lab.kubectl import Kubectl
from harness.lab.lab import Lab
from harness.lab.layout import Layout, Machine
from harness.lab.record import Record


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab by its files only: every machine wrote one line, the balancer another."""
    directories = Directories.below(tmp_path)
    made = lab._lab(
        directories,
        Record(
            layout=Layout(masters=1, workers=2, zones=1),
            phase="starting",
            owner_pid=1,
            owner_started=0.0,
            boot_id="",
            api_port=17000,
            programs="/programs",
        ),
    )
    for machine in made.layout.machines():
        directories.logs(machine.name).mkdir(parents=True)
        log = directories.logs(machine.name) / "kubelet.log"
        log.write_text(f"{machine.name} said this\n", encoding="utf-8")
    (directories.root / "balancer").mkdir()
    lab._balancer_log(made).write_text("no server available\n", encoding="utf-8")
    monkeypatch.setattr(Kubectl, "ready", lambda _: True)
    monkeypatch.setattr(Lab, "serves", lambda _, machine: machine.name != "worker-2")
    return made


def test_what_is_awaited_and_comes_is_enough(there: Lab) -> None:
    """An API that does not answer at first is asked again."""
    said: list[SurroundingsError | bool] = [SurroundingsError("no leader"), False, True]
    answers = iter(said)

    def condition() -> bool:
        answer = next(answers)
        if isinstance(answer, SurroundingsError):
            raise answer
        return answer

    lab._await(there, "three answers", 5, condition)
    assert next(answers, None) is None


def test_what_does_not_come_shows_the_logs_of_who_does_not_serve(there: Lab) -> None:
    """And of nobody else; the last answer of the API with them."""

    def condition() -> bool:
        raise SurroundingsError("kubectl get nodes: Unauthorized")

    with pytest.raises(SurroundingsError) as caught:
        lab._await(there, "all workers Ready", 0, condition)
    said = str(caught.value)
    assert said.startswith(
        "all workers Ready: not within 0 s; the last answer: kubectl get nodes: Unauthorized\n"
    )
    assert "worker-2 said this" in said
    assert "worker-1 said this" not in said
    assert "no server available" not in said


def test_an_api_that_does_not_answer_shows_the_balancer_s_log(
    there: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot be asked about is not said not to serve."""

    def serves(_: Lab, machine: Machine) -> bool:
        if machine.name.startswith("worker"):
            raise SurroundingsError("no API")
        return False

    monkeypatch.setattr(Kubectl, "ready", lambda _: False)
    monkeypatch.setattr(Lab, "serves", serves)
    with pytest.raises(SurroundingsError) as caught:
        lab._await(there, "the API", 0, lambda: False)
    assert "no server available" in str(caught.value)
    assert "master-1 said this" in str(caught.value)
    assert "worker-1 said this" not in str(caught.value)


@pytest.mark.parametrize("error", [SurroundingsError("a worker"), KeyboardInterrupt()])
def test_what_was_made_is_taken_down_whatever_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Once before, for what an earlier lab left, and once after; the error goes through."""
    taken: list[Path] = []

    def take_down(directories: Directories, _: ControlGroups) -> tuple[str, ...]:
        taken.append(directories.root)
        return ("a network namespace",)

    def fail(*_: object) -> Lab:
        raise error

    class Building:
        def __init__(self, *_: object) -> None: ...

        def disk(self, _: object) -> Path:
            return tmp_path

    monkeypatch.setattr(records, "_LOCK", tmp_path / "lock")
    for name in ("check", "check_kernel", "check_room"):
        monkeypatch.setattr(requirements, name, lambda *_: None)
    for name, stand_in in (
        ("build", lambda *_: tmp_path),
        ("sweep", lambda _: None),
        ("system_images", lambda _: ()),
        ("platform_images", lambda: ()),
        ("Builder", Building),
        ("free_ports", lambda _: (17000,)),
        ("_take_down", take_down),
        ("_make", fail),
    ):
        monkeypatch.setattr(lab, name, stand_in)
    state = tmp_path / "state"
    said: list[str] = []
    with pytest.raises(type(error)):
        lab.up(Layout(), state, tmp_path, said.append)
    assert taken == [Directories.below(state).root] * 2
    assert said == [
        "left behind by an earlier lab: a network namespace",
        "taken down again: a network namespace",
    ]


def test_what_cannot_be_taken_down_is_an_error_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5, which wins over all others."""

    def fail() -> tuple[str, ...]:
        raise SurroundingsError("ip: busy")

    monkeypatch.setattr(network, "namespaces", fail)
    with pytest.raises(HealError, match="ip: busy") as caught:
        lab._take_down(Directories.below(tmp_path), ControlGroups(tmp_path))
    assert caught.value.exit_code == 5
