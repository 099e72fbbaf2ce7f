"""One experiment's process: begins only where it may, puts back always, says what came of it."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from drills import EXPERIMENTS, NODES, Drill, drill

from harness.chaos import activity, context, control, process
from harness.chaos import injector as injecting
from harness.drivers import clock, wholeness
from harness.drivers.kubernetes import Cluster
from harness.errors import HarnessError, HealError, InputError, RefusedError, SurroundingsError
from harness.model.codec import to_json
from harness.model.game_day import Caps
from harness.model.history import Event, FaultInjected, HypothesisMeasured, RolledBack

_BOTCHED = 99


def in_child(work: Callable[[], int]) -> int:
    """Its exit code, or minus the signal that killed it: signal handlers and the modules' state are
    the child's own.
    """
    pid = os.fork()
    if pid == 0:
        code = _BOTCHED
        try:
            code = work()
        except HarnessError as error:
            code = error.exit_code
        except BaseException:  # noqa: BLE001 - nothing of the child may come back
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def perform(made: Drill, *, settles_within_s: float = 0.0, steady_within_s: float = 5.0) -> int:
    """Runs a drill's experiment in this process."""
    injecting.enter(made.injector)
    process._SETTLES_WITHIN_S = settles_within_s
    process._STEADY_WITHIN_S = steady_within_s
    file = made.config.facts.with_name("config.json")
    file.write_bytes(to_json(made.config))
    return process.run(file)


def of(made: Drill, kind: type[Event]) -> list[Any]:
    return [one for one in made.facts() if isinstance(one, kind)]


def journal(made: Drill) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made.config.journal.read_bytes())
    return found


def changed(made: Drill, directory: Path, change: Callable[[dict[str, Any]], None]) -> Drill:
    """The same drill with another experiment, planned as it is."""
    from hashlib import sha256

    document = yaml.safe_load(made.config.experiment.read_bytes())
    change(document)
    file = directory / "experiment.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return made.set(experiment=file, digest=sha256(file.read_bytes()).hexdigest())


@pytest.fixture
def power_cut(tmp_path: Path) -> Drill:
    return drill(tmp_path, EXPERIMENTS / "node-power-cut.yaml", configuration={"node": "worker-2"})


# --- before anything is broken -------------------------------------------------------------------


def test_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        process.read_config(tmp_path / "none.json")
    (tmp_path / "torn.json").write_text('{"run": ')
    with pytest.raises(InputError, match=r"torn\.json"):
        process.read_config(tmp_path / "torn.json")


def test_an_experiment_that_was_changed_since_it_was_planned(power_cut: Drill) -> None:
    with pytest.raises(InputError, match="it was changed since it was planned"):
        process.prepared(msgspec.structs.replace(power_cut.config, digest="0" * 64))


def test_an_override_of_what_is_not_declared(power_cut: Drill) -> None:
    wrong = msgspec.structs.replace(power_cut.config, configuration={"nodes": "worker-1"})
    with pytest.raises(InputError, match="got nodes, expected of node"):
        process.prepared(wrong)


def test_an_invalid_experiment(power_cut: Drill, tmp_path: Path) -> None:
    made = changed(power_cut, tmp_path, lambda document: document.pop("title"))
    with pytest.raises(InputError, match="title"):
        process.prepared(made.config)


def test_our_control_comes_first(power_cut: Drill) -> None:
    experiment = process.prepared(power_cut.config)
    assert experiment["controls"][0]["provider"]["module"] == "harness.chaos.control"
    assert experiment["configuration"] == {"node": "worker-2"}


def test_a_hypothesis_that_is_not_met_breaks_nothing(power_cut: Drill) -> None:
    power_cut.injector.cluster.set_unschedulable("worker-1", True)
    before = list(power_cut.api.changes)
    assert in_child(lambda: perform(power_cut)) == SurroundingsError.exit_code
    (measured,) = of(power_cut, HypothesisMeasured)
    assert (measured.when, measured.met) == ("before", False)
    assert "worker-1 is cordoned" in measured.probes[-1]
    assert power_cut.api.changes == before
    assert not of(power_cut, FaultInjected)
    assert journal(power_cut)["status"] in {"failed", "completed"}  # neither is a verdict


def test_what_is_about_to_be_steady_is_waited_for(power_cut: Drill) -> None:
    """A pod on its way out after the trial before, a node just back: no reason to try nothing."""
    asked = wholeness.lacks_of_nodes

    def soon_well(cluster: Cluster) -> list[str]:
        lacks = asked(cluster)
        power_cut.injector.cluster.set_unschedulable("worker-1", False)
        return lacks

    def settle() -> int:
        power_cut.injector.cluster.set_unschedulable("worker-1", True)
        wholeness.lacks_of_nodes = soon_well
        process._ASKS_EVERY_S = 0.001
        return perform(power_cut, settles_within_s=30.0)

    assert in_child(settle) == 0
    before, _ = of(power_cut, HypothesisMeasured)
    assert (before.when, before.met) == ("before", True)
    assert of(power_cut, FaultInjected)


def test_an_experiment_without_a_probe_proves_no_steady_state(
    power_cut: Drill, tmp_path: Path
) -> None:
    def without(document: dict[str, Any]) -> None:
        document["steady-state-hypothesis"]["probes"] = []

    made = changed(power_cut, tmp_path, without)
    with pytest.raises(InputError, match="got no probe"):
        process.prepared(made.config)


@pytest.mark.parametrize(
    "why", ["an open intent", "another cluster", "a crash of the guard", "no guard at all"]
)
def test_the_guard_fails_closed(
    power_cut: Drill, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def crash() -> None:
        raise ZeroDivisionError

    match why:
        case "an open intent":
            monkeypatch.setattr(control, "open_intents", _one_left)
        case "another cluster":
            monkeypatch.setattr(injecting, "current", _another_cluster)
            monkeypatch.setattr(control, "current", _another_cluster)
        case "a crash of the guard":
            monkeypatch.setattr(control, "_let_begin", crash)
        case _:
            monkeypatch.delattr(control, "before_experiment_control")
    assert in_child(lambda: perform(power_cut)) in {3, 4}
    assert not power_cut.machines.off
    assert not of(power_cut, FaultInjected)
    assert not power_cut.api.changes


def _one_left(injector: injecting.Injector) -> tuple[Any, ...]:
    class Left:
        action = "power cut of worker-1"

    del injector
    return (Left(),)


def _another_cluster() -> injecting.Injector:
    raise RefusedError("context stand-in leads to another cluster")


# --- a whole run ---------------------------------------------------------------------------------


def test_a_run_breaks_holds_and_puts_back(power_cut: Drill) -> None:
    assert in_child(lambda: perform(power_cut)) == 0
    kinds = [type(one).__name__ for one in power_cut.facts()]
    assert kinds == [
        "HypothesisMeasured",
        "GuardsChecked",
        "FaultInjected",
        "RolledBack",
        "HypothesisMeasured",
    ]
    before, after = of(power_cut, HypothesisMeasured)
    assert (before.when, before.met, after.when, after.met) == ("before", True, "after", True)
    (fault,) = of(power_cut, FaultInjected)
    assert fault.subject == "node:worker-2"
    (back,) = of(power_cut, RolledBack)
    assert "boot-2" in back.witness
    assert not power_cut.injector.intents.open()
    assert [one["status"] for one in journal(power_cut)["run"]] == ["succeeded", "succeeded"]
    assert control.heartbeat_of(power_cut.config.journal).exists()


def test_a_refused_action_ends_the_method_without_a_hold(power_cut: Drill) -> None:
    from datetime import timedelta

    capped = power_cut.set(caps=Caps(nodes=0), deadline=timedelta(days=1))
    assert in_child(lambda: perform(capped)) == RefusedError.exit_code
    assert not of(capped, FaultInjected)
    assert [one["status"] for one in journal(capped)["run"]] == ["failed", "failed"]


def test_a_rollback_that_fails_wins_over_all_else(
    power_cut: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from harness.chaos import rollback
    from harness.faults.inverses import Healer

    def healer(**parts: Any) -> Healer:  # noqa: ANN401
        return Healer(**parts, within=timedelta(milliseconds=20), every_s=0.001)

    monkeypatch.setattr(rollback, "Healer", healer)
    power_cut.machines.never_back.add("worker-2")
    assert in_child(lambda: perform(power_cut, steady_within_s=0.0)) == HealError.exit_code
    assert [one.inverse.node for one in power_cut.injector.intents.open()] == ["worker-2"]  # type: ignore[union-attr]
    assert of(power_cut, RolledBack)[0].error is not None


def test_an_action_of_others_that_fails_is_told_by_the_journal(
    power_cut: Drill, tmp_path: Path
) -> None:
    def with_another(document: dict[str, Any]) -> None:
        document["method"].insert(
            0,
            {
                "type": "action",
                "name": "theirs",
                "provider": {
                    "type": "python",
                    "module": "json",
                    "func": "loads",
                    "arguments": {"s": "no json"},
                },
            },
        )

    made = changed(power_cut, tmp_path, with_another)
    assert in_child(lambda: perform(made)) == SurroundingsError.exit_code
    assert journal(made)["status"] == "completed"  # as Chaos Toolkit sees it
    assert not made.injector.intents.open()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_holds_puts_all_back(power_cut: Drill, number: signal.Signals) -> None:
    from datetime import timedelta

    held = power_cut.set(deadline=timedelta(minutes=5))

    def work() -> int:
        told = held.injector.config.facts
        original = clock.wait_until

        def interrupted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            if "release" in str(kwargs.get("what")):
                assert b"fault-injected" in told.read_bytes()
                os.kill(os.getpid(), number)
            return original(*args, **kwargs)

        from harness.chaos import hold

        hold.wait_until = interrupted  # type: ignore[attr-defined]
        return perform(held)

    assert in_child(work) == 128 + number
    assert of(held, FaultInjected)
    assert of(held, RolledBack)[0].error is None
    assert not held.injector.intents.open()
    assert journal(held)["status"] == "interrupted"


def test_a_second_signal_does_not_end_the_rollback(power_cut: Drill) -> None:
    def work() -> int:
        original = power_cut.machines.start

        def start(node: str) -> str:
            os.kill(os.getpid(), signal.SIGTERM)
            return original(node)

        power_cut.machines.start = start  # type: ignore[method-assign]
        return perform(power_cut)

    assert in_child(work) == 0
    assert of(power_cut, RolledBack)[0].error is None


def test_what_escapes_chaos_toolkit_is_put_back_all_the_same(
    power_cut: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As chaoslib 1.44 does where a tolerance is compared with None: no rollbacks, no journal."""
    from chaoslib import run as theirs  # type: ignore[import-untyped]

    def escapes(*_: object, **__: object) -> None:
        raise KeyError("arguments")

    monkeypatch.setattr(theirs, "run_rollback", escapes)
    assert in_child(lambda: perform(power_cut)) == SurroundingsError.exit_code
    assert of(power_cut, RolledBack)[0].error is None
    assert not power_cut.injector.intents.open()
    assert journal(power_cut)["run"]


def test_all_workers_stay_as_they_were(power_cut: Drill) -> None:
    """The child's changes are its own; what this process sees of them is on disk only."""
    assert in_child(lambda: perform(power_cut)) == 0
    assert {node.name for node in power_cut.injector.cluster.nodes()} == set(NODES)
    assert not activity.failures()
    context.guard_stands(stands=False)
