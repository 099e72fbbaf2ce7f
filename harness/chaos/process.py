"""Runs one experiment by Chaos Toolkit, in a process of its own; says itself what came of it.

What Chaos Toolkit calls `status` and `deviated` is no verdict: a run whose every action failed is
`completed`. The exit code comes from what the actions kept, from each activity of the journal, and
from the intents that are left.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import signal
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import yaml
from chaoslib import PayloadEncoder  # type: ignore[import-untyped]
from chaoslib.configuration import load_configuration  # type: ignore[import-untyped]
from chaoslib.exceptions import ChaosException  # type: ignore[import-untyped]
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment  # type: ignore[import-untyped]
from chaoslib.hypothesis import run_steady_state_hypothesis  # type: ignore[import-untyped]
from chaoslib.run import EventHandlerRegistry, RunEventHandler  # type: ignore[import-untyped]
from chaoslib.secret import load_secrets  # type: ignore[import-untyped]
from chaoslib.types import Strategy  # type: ignore[import-untyped]

from harness.chaos import context, control, facts
from harness.chaos.activity import failed, failures
from harness.chaos.context import ExperimentConfig
from harness.chaos.injector import current
from harness.chaos.rollback import open_intents, undo_all
from harness.decoding import read_json
from harness.drivers.clock import wait_until
from harness.errors import (
    DeadlineExceededError,
    HarnessError,
    HealError,
    InputError,
    RecordError,
    RefusedError,
    SurroundingsError,
)
from harness.faults.places import write_durably
from harness.model.history import HypothesisMeasured

_CONTROL = {
    "name": "the harness's guard",
    "provider": {"type": "python", "module": control.__name__},
}
_SETTINGS = {"runtime": {"rollbacks": {"strategy": "always"}}}
"""Of all places where a strategy can stand, the API reads this one only (chaoslib 1.44, run.py)."""

_STEADY_WITHIN_S = 240.0
"""From the end of the rollbacks: replicas catch up, containers end their back-off (up to 5 min of
it only after many restarts: Kubernetes documentation, Pod Lifecycle)."""

_SETTLES_WITHIN_S = 60.0
"""Before the method: a pod that an autoscaler took away ends in its grace period (30 s by default:
Kubernetes documentation, Pod Lifecycle); what is not steady after that is not about to be."""

_ASKS_EVERY_S = 1.0

_GRACEFUL = 20
"""The exit code by which Chaos Toolkit means: stop, and do the rollbacks (chaoslib, exit.py)."""

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)

Document = dict[str, Any]


def run(file: Path) -> int:
    """Performs the experiment that a configuration file describes; 0, or 128 and the signal that
    interrupted it, where all that was broken is put back.

    Raises InputError for a wrong configuration or experiment, RefusedError where guards keep it
    from beginning, HealError where something is still broken, SurroundingsError where an action
    failed or the hypothesis was not met before. Must be called in the main thread.
    """
    config = read_config(file)
    experiment = prepared(config)
    context.enter(config)
    handler = _Handler(config)
    settings = copy.deepcopy(_SETTINGS)
    try:
        run_experiment(
            copy.deepcopy(experiment),
            settings=settings,
            # After the method its own hypothesis would be looked at before the rollbacks: a node
            # that is still off is no finding. Ours is, after them.
            strategy=Strategy.BEFORE_METHOD,
            event_handlers=[handler],
        )
    except Exception as error:  # noqa: BLE001 - what escapes leaves rollbacks undone, and no journal
        failed(SurroundingsError(f"chaos toolkit: {error!r}"))
    finally:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        _put_back_what_is_left()
        if handler.method_began and not handler.signal:
            _await_steady_state(config, experiment, handler.journal)
        _write_journal(config.journal, handler.journal)
    _judge_activities(handler.journal)
    if failures():
        raise _worst()
    if handler.not_met is not None:
        raise SurroundingsError(
            f"hypothesis: not met before, nothing was broken: {handler.not_met}",
            hint="harness run game-day -e ENVIRONMENT  # when it is steady",
        )
    return 128 + handler.signal if handler.signal else 0


def read_config(file: Path) -> ExperimentConfig:
    """The configuration that the supervisor wrote; InputError where it is missing or wrong."""
    return read_json(file, ExperimentConfig)


def prepared(config: ExperimentConfig) -> Document:
    """The experiment as it is run: what was planned, with its overrides and our control.

    Raises InputError where it is not the file that was planned, or no valid experiment.
    """
    try:
        content = config.experiment.read_bytes()
    except OSError as error:
        raise InputError(f"{config.experiment}: cannot be read: {error.strerror}") from error
    got = hashlib.sha256(content).hexdigest()
    if got != config.digest:
        raise InputError(
            f"{config.experiment}: SHA-256 is {got}, expected {config.digest}: it was changed "
            "since it was planned",
            hint="harness plan game-day -e ENVIRONMENT",
        )
    experiment = _parsed(config.experiment, content)
    _override(experiment, config)
    if not (experiment.get("steady-state-hypothesis") or {}).get("probes"):
        # Chaos Toolkit calls that "just exploring", and runs the method.
        raise InputError(
            f"{config.experiment}: steady-state-hypothesis: got no probe, expected one or more: "
            "what was never steady cannot recover"
        )
    experiment["controls"] = [_CONTROL, *experiment.get("controls", [])]
    try:
        ensure_experiment_is_valid(experiment)
    except ChaosException as error:
        raise InputError(
            f"{config.experiment}: {error}", hint=f"chaos validate {config.experiment}"
        ) from error
    return experiment


class _Handler(RunEventHandler):  # type: ignore[misc]  # chaoslib has no types
    """Follows a run: makes SIGTERM work, keeps the journal, records hypotheses.

    Chaos Toolkit ignores every Exception of a handler; SystemExit passes, and interrupts the run.
    """

    def __init__(self, config: ExperimentConfig) -> None:
        self._config = config
        self.journal: Document | None = None
        self.signal = 0
        self.method_began = False
        self.not_met: str | None = None
        """What the hypothesis before the method missed."""

    def started(self, experiment: Document, journal: Document) -> None:  # noqa: ARG002 - theirs
        self.journal = journal
        # Chaos Toolkit's handler of SIGTERM raises an Exception, which the Python provider takes
        # for a failed activity, and the method goes on.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._interrupt)

    def start_hypothesis_before(self, experiment: Document) -> None:
        # Chaos Toolkit asks once. An autoscaler's pod on its way out would be the end of a trial.
        try:
            _ask_until_met(experiment, _SETTLES_WITHIN_S)
        except HarnessError as error:
            failed(error)
            raise SystemExit(_GRACEFUL) from error

    def hypothesis_before_completed(
        self,
        experiment: Document,  # noqa: ARG002 - theirs
        state: Document,
        journal: Document,  # noqa: ARG002 - theirs
    ) -> None:
        met, probes = _answers(state)
        if not met:
            self.not_met = "; ".join(probes) or "it has no probe"
        self._record("before", met, probes)

    def start_method(self, experiment: Document) -> None:  # noqa: ARG002 - theirs
        self.method_began = True
        try:
            context.require_guarded()
            if not control.heartbeat_of(self._config.journal).exists():
                raise RefusedError("the guard left no heartbeat, expected one")
        except HarnessError as error:
            failed(error)
            raise SystemExit(_GRACEFUL) from error

    def start_rollbacks(self, experiment: Document) -> None:  # noqa: ARG002 - theirs
        # A second signal would end the rollbacks: what is broken would stay so.
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        raise SystemExit(_GRACEFUL)

    def _record(self, when: str, met: bool, probes: tuple[str, ...]) -> None:  # noqa: FBT001
        try:
            _record_hypothesis(self._config, when, met=met, probes=probes)
        except RecordError as error:
            failed(error)
            raise SystemExit(_GRACEFUL) from error


def _await_steady_state(
    config: ExperimentConfig, experiment: Document, journal: Document | None
) -> None:
    """Asks the hypothesis again, after the rollbacks, until it is met or its time is over; the last
    answers are recorded.
    """
    state: Document = {}
    try:
        state = _ask_until_met(experiment, _STEADY_WITHIN_S)
    except HarnessError as error:
        failed(error)
    if journal is not None:
        journal.setdefault("steady_states", {})["after"] = state
    answered, probes = _answers(state)
    try:
        _record_hypothesis(config, "after", met=answered, probes=probes)
    except RecordError as error:
        failed(error)


def _ask_until_met(experiment: Document, within_s: float) -> Document:
    """The last answers to a hypothesis, asked until it is met or its time is over."""
    asked = copy.deepcopy(experiment)
    configuration = load_configuration(asked.get("configuration") or {}, {})
    secrets = load_secrets(asked.get("secrets") or {}, configuration)
    state: Document = {}

    def met() -> bool:
        nonlocal state
        state = run_steady_state_hypothesis(
            asked, configuration, secrets, None, EventHandlerRegistry()
        )
        return bool(state and state.get("steady_state_met"))

    with contextlib.suppress(DeadlineExceededError):  # the caller sees that it was not met
        wait_until(met, within_s=within_s, what="the steady state", every_s=_ASKS_EVERY_S)
    return state


def _record_hypothesis(
    config: ExperimentConfig, when: str, *, met: bool, probes: tuple[str, ...]
) -> None:
    facts.append(
        config.facts, HypothesisMeasured(trial=config.trial, when=when, met=met, probes=probes)
    )


def _answers(state: Mapping[str, Any] | None) -> tuple[bool, tuple[str, ...]]:
    """Whether a hypothesis was met, and each probe's answer; one without probes never is."""
    probes = (state or {}).get("probes") or []
    told = tuple(f"{one['activity']['name']}: {_answer(one)}" for one in probes)
    return bool(probes) and bool((state or {}).get("steady_state_met")), told


def _answer(run_of_activity: Mapping[str, Any]) -> str:
    """Its output; of one that raised, what it raised."""
    raised = run_of_activity.get("exception")
    if raised:
        last = [line for text in raised for line in str(text).splitlines() if line.strip()][-1]
        return last.strip()
    return str(run_of_activity.get("output"))


def _parsed(file: Path, content: bytes) -> Document:
    try:
        document = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise InputError(f"{file}: got no mapping, expected a Chaos Toolkit experiment")
    return document


def _override(experiment: Document, config: ExperimentConfig) -> None:
    """Chaos Toolkit ignores an override of what is not declared: it would run something else."""
    declared = experiment.get("configuration") or {}
    unknown = sorted(config.configuration.keys() - declared.keys())
    if unknown:
        raise InputError(
            f"{config.experiment}: configuration: got {', '.join(unknown)}, expected of "
            f"{', '.join(sorted(declared)) or 'nothing'}"
        )
    experiment["configuration"] = {**declared, **config.configuration}


def _put_back_what_is_left() -> None:
    """Where the run ended without its rollbacks: by an error that escaped, or a signal in them."""
    try:
        if open_intents(current()):
            undo_all()
    except HarnessError as error:
        if error not in failures():
            failed(error if isinstance(error, HealError | RefusedError) else HealError(str(error)))


def _judge_activities(journal: Mapping[str, Any] | None) -> None:
    """Actions of others keep no failures of their own: the journal tells."""
    if failures():
        return
    for part, kind in (("run", SurroundingsError), ("rollbacks", HealError)):
        for one in (journal or {}).get(part) or []:
            if one.get("status") == "failed":
                failed(kind(f"{one['activity']['name']}: {_answer(one)}"))


def _worst() -> HarnessError:
    """The failure that tells most: what is still broken, before what went wrong first."""
    healing = [one for one in failures() if isinstance(one, HealError)]
    return healing[0] if healing else failures()[0]


def _write_journal(file: Path, journal: Document | None) -> None:
    """Chaos Toolkit's journal, also of a run that was interrupted; nothing where none began."""
    if journal is None:
        return
    try:
        content = json.dumps(journal, indent=2, cls=PayloadEncoder, default=str)
        write_durably(file, content.encode())
    except (OSError, TypeError, ValueError) as error:
        failed(RecordError(f"{file}: the journal could not be written: {error}"))
