"""Whatever happens at whichever step, a trial heals, says so, and leaves a whole history."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.drill.conduct import Surroundings, conduct
from harness.drill.recorder import Recorder
from harness.drivers.clock import HostClock
from harness.errors import HealError, Interrupted, RestoreError
from harness.faults.places import Places
from harness.model.history import (
    Backup,
    CatalogueRead,
    CleanedUp,
    Event,
    FaultInjected,
    LedgerCopied,
    LedgerReadBack,
    LogsKept,
    Outcome,
    Phase,
    RestoreEnded,
    RunEnded,
    StepFailed,
    TrialEnded,
    VerificationEnded,
)
from harness.model.instant import Bracket
from harness.model.plan import Plan, Trial
from harness.model.subject import ObjectStore, RedisRepository, RedisServer, Region
from harness.model.suite import Level, Loss, PointChoice, Verification
from harness.model.target import Kind, RecoveryPoint, Target
from harness.ports import (
    CheckFact,
    Endpoint,
    PhaseProgress,
    RedisEndpoint,
    Restored,
    Scratch,
    Watch,
)
from harness.store import RunDirectory

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
STORE = RedisRepository(store=ObjectStore(bucket="backups"))


class Stop(Exception):  # noqa: N818 - raised where a test wants it
    """Raised by the script, at the step under test."""


@dataclass
class World:
    """Counts every call of a port, and raises at the chosen one."""

    raise_at: int | None = None
    error: BaseException = field(default_factory=lambda: RestoreError("no such backup"))
    calls: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    leaks: tuple[str, ...] = ()

    def call(self, name: str) -> None:
        self.calls.append(name)
        if self.raise_at is not None and len(self.calls) == self.raise_at:
            raise self.error


class Told:
    def advance(self, done_bytes: int, total_bytes: int | None = None) -> None: ...
    def note(self, text: str) -> None: ...


class Silent:
    def step(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def trial_started(self, trial: str, index: int, count: int) -> None: ...

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[PhaseProgress]:
        yield Told()


class Probe:
    probe_class = "redis-write"
    interval_ns = 100_000_000
    timeout_ns = 1_000_000_000

    def __init__(self, world: World, output: Path) -> None:
        self.world = world
        self.world.running.add("prober")
        output.write_text("", encoding="ascii")

    def begun(self) -> bool:
        self.world.call("begun")
        return True

    def sustained(self, at_least: timedelta) -> bool:
        self.world.call("sustained")
        return True

    def stop(self) -> None:
        self.world.running.discard("prober")


class Diary:
    def __init__(self, world: World) -> None:
        self.world = world

    def begin_probing(
        self,
        endpoint: Endpoint,
        before: datetime | None,
        output: Path,
        directory: Path,
    ) -> Probe:
        self.world.call("begin_probing")
        return Probe(self.world, output)

    def steady(self, window: timedelta) -> bool:
        self.world.call("steady")
        return True

    def read_back(self, trial: str, endpoint: Endpoint, file: Path) -> LedgerReadBack:
        self.world.call("read_back")
        return LedgerReadBack(trial=trial, subject="carts", file=file.name, rows=3, server="x")

    def copy_journals(self, directory: Path) -> LedgerCopied | None:
        return LedgerCopied(subject="carts", files=("a.journal",))


class Tool:
    def __init__(self, world: World) -> None:
        self.world = world

    def discover(self, region: Region) -> CatalogueRead:
        self.world.call("discover")
        backup = Backup(label="b", kind="snapshot", started=NOW, stopped=NOW, size_bytes=1)
        return CatalogueRead(
            subject="carts",
            region=region,
            backups=(backup,),
            now=NOW,
            oldest_point=NOW - timedelta(days=31),
            newest_point=NOW,
        )

    def check(self, region: Region) -> Iterator[CheckFact]:
        self.world.call("check")
        yield self.discover(region)

    def endpoint(self, region: Region, scratch: Scratch) -> Endpoint:
        self.world.call("endpoint")
        return RedisEndpoint(nodes=(("127.0.0.1", scratch.ports[0]),), cluster=False)

    def restore(
        self, region: Region, point: datetime | None, scratch: Scratch, watch: Watch
    ) -> Restored:
        self.world.running.add("server")
        (scratch.directory / "server.log").write_text("ready", encoding="ascii")
        with watch.phase(Phase.FETCH) as progress:
            self.world.call("fetch")
            progress.advance(10)
        self.world.call("start")
        return Restored(
            scratch=scratch,
            endpoint=self.endpoint(region, scratch),
            ended=RestoreEnded(trial=scratch.trial, subject="carts", backup="b", target_time=point),
        )

    def verify(
        self,
        restored: Restored,
        verification: Verification,
        level: Level,
    ) -> VerificationEnded:
        self.world.call("verify")
        return VerificationEnded(
            trial=restored.scratch.trial,
            subject="carts",
            level=level,
            outcome=Outcome.OK,
            started_ns=1,
            ended_ns=2,
            examined=1,
            detail="",
        )

    def logs(self, scratch: Scratch) -> tuple[Path, ...]:
        return tuple(scratch.directory.glob("*.log"))

    def remove(self, scratch: Scratch) -> tuple[str, ...]:
        self.world.running.discard("server")
        return self.world.leaks


class Stage:
    inflicts = True

    def __init__(self, world: World) -> None:
        self.world = world

    def lose(self, subject: str) -> tuple[Bracket, str]:
        self.world.lost.add(subject)
        self.world.call("lose")
        return Bracket(earliest_ns=1, latest_ns=2), "port refuses"

    def give_back(self, subject: str) -> str:
        self.world.lost.discard(subject)
        return f"gave {subject} back"

    def lose_region(self, region: Region) -> tuple[Bracket, str]:
        self.world.lost.add(region)
        self.world.call("lose_region")
        return Bracket(earliest_ns=1, latest_ns=2), "port refuses"

    def give_back_region(self, region: Region) -> str:
        self.world.lost.discard(region)
        return f"gave {region} back"


def plan_of(point: PointChoice = PointChoice.RANDOM_SECOND) -> Plan:
    return Plan(
        suite="weekly",
        environment="demo",
        check_backups=True,
        sustained=timedelta(seconds=1),
        verification=Verification(levels=(Level.OBJECTS, Level.LEDGER)),
        subjects=(RedisServer(id="carts", primary=STORE),),
        targets=(),
        trials=(
            Trial(
                id="whole-carts-1",
                scenario="whole",
                title="t",
                subjects=("carts",),
                point=point,
                region=Region.PRIMARY,
                loss=Loss.INFLICTED,
                primary_region_dead=True,
                deadline=timedelta(seconds=2),
                seed=7,
            ),
        ),
        blast_radius=(),
    )


def perform(tmp_path: Path, world: World, plan: Plan | None = None) -> tuple[Event, ...]:
    """Conducts the plan in that world, whatever it raises, and returns the recorded facts."""
    plan = plan or plan_of()
    run = RunDirectory.create(tmp_path / "runs", plan.suite, plan.environment, NOW)
    run.write(run.plan, plan)
    places = Places(tmp_path / "state")
    try:
        with Recorder(run.history, HostClock()) as record:
            conduct(
                plan,
                Surroundings(
                    tools={"carts": Tool(world)},
                    ledgers={"carts": Diary(world)},
                    platform=Stage(world),
                    places=places,
                    scratch=places,
                    clock=HostClock(),
                    record=record,
                    narrator=Silent(),
                    run=run,
                    free_ports=lambda count: tuple(range(15_000, 15_000 + count)),
                ),
            )
    finally:
        world.calls.append("end")
        assert places.declared() == ()
    return tuple(entry.fact for entry in run.read_history().entries)


def facts(tmp_path: Path) -> tuple[Event, ...]:
    """What the only run below the folder recorded."""
    run = RunDirectory.find(None, tmp_path / "runs")
    return tuple(entry.fact for entry in run.read_history().entries)


def of_kind(found: tuple[Event, ...], kind: type) -> list[Event]:
    return [fact for fact in found if isinstance(fact, kind)]


def test_a_clean_trial_records_all_and_puts_all_back(tmp_path: Path) -> None:
    """The whole course, in its order."""
    world = World()
    found = perform(tmp_path, world)
    assert not world.lost
    assert not world.running
    assert [type(fact).__name__ for fact in found] == [
        "CatalogueRead",
        "CatalogueRead",
        "TrialStarted",
        "FaultInjected",
        "FaultInjected",
        "PhaseEnded",
        "RestoreEnded",
        "ProbesRecorded",
        "LedgerReadBack",
        "VerificationEnded",
        "VerificationEnded",
        "LogsKept",
        "CleanedUp",
        "TrialEnded",
        "LedgerCopied",
        "RunEnded",
    ]
    assert found[-1] == RunEnded(interrupted=None)


def test_the_ledger_is_read_back_before_any_level_may_restart_the_server(tmp_path: Path) -> None:
    """The plan lists it last; it is done first."""
    levels = of_kind(perform(tmp_path, World()), VerificationEnded)
    assert [level.level for level in levels] == [Level.LEDGER, Level.OBJECTS]  # type: ignore[union-attr]


def test_the_same_seed_chooses_the_same_second(tmp_path: Path) -> None:
    """And it lies within the window, on a whole second."""
    chosen = set()
    for name in ("a", "b"):
        (ended,) = of_kind(perform(tmp_path / name, World()), RestoreEnded)
        assert isinstance(ended, RestoreEnded)
        chosen.add(ended.target_time)
    (moment,) = chosen
    assert moment is not None
    assert NOW - timedelta(days=31) < moment <= NOW
    assert moment.microsecond == 0


STEPS = 15
"""Calls of ports in a clean trial: discover, check, discover | discover, endpoint, begin_probing,
begun | lose_region, lose | fetch, start, endpoint, sustained | read_back, verify."""


def test_the_number_of_steps_is_current(tmp_path: Path) -> None:
    """The tests below interrupt at each of them."""
    world = World()
    perform(tmp_path, world)
    assert len(world.calls) - 1 == STEPS


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_an_error_at_any_step_is_recorded_and_healed(tmp_path: Path, step: int) -> None:
    """The run goes on to its end; the error is a fact."""
    world = World(raise_at=step)
    found = perform(tmp_path, world)
    assert not world.lost
    assert not world.running
    errors = [fact for fact in of_kind(found, RestoreEnded) if getattr(fact, "error", None)]
    assert errors or of_kind(found, StepFailed) or world.calls[step - 1] == "sustained"
    assert of_kind(found, CleanedUp)
    assert isinstance(found[-1], RunEnded)


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_an_interruption_at_any_step_heals_and_is_recorded(tmp_path: Path, step: int) -> None:
    """Ctrl-C: everything is put back, the history says that it was cut off."""
    import signal

    world = World(raise_at=step, error=Interrupted(signal.SIGINT))
    with pytest.raises(Interrupted):
        perform(tmp_path, world)
    assert not world.lost
    assert not world.running
    assert facts(tmp_path)[-1] == RunEnded(interrupted="SIGINT")


def test_what_a_restore_that_failed_said_is_kept_before_its_place_is_removed(
    tmp_path: Path,
) -> None:
    """The next morning there is something to read, below the run."""
    world = World(raise_at=STEPS - 5)  # "fetch"
    found = perform(tmp_path, world)
    assert world.calls[STEPS - 6] == "fetch"
    assert of_kind(found, LogsKept) == [
        LogsKept(
            trial="whole-carts-1",
            subject="carts",
            files=("artefacts/whole-carts-1-carts/server.log",),
        )
    ]
    run = RunDirectory.find(None, tmp_path / "runs")
    assert (run.artefacts / "whole-carts-1-carts" / "server.log").read_text("ascii") == "ready"


def test_a_log_that_cannot_be_kept_does_not_keep_anything_from_being_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, for one."""

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.store.Masker.copy", full)
    world = World()
    found = perform(tmp_path, world)
    assert not world.lost
    assert not world.running
    assert not of_kind(found, LogsKept)
    assert of_kind(found, CleanedUp)


def test_a_loss_waits_for_a_steady_ledger(tmp_path: Path) -> None:
    """Without one it could not be seen; a point in time does not need it."""
    import msgspec

    rpo = Target(
        id="rpo",
        covers=(Kind.REDIS,),
        objective=RecoveryPoint(at_most=timedelta(minutes=1)),
        source=None,
        note="for this test",
    )
    for point, waits in ((PointChoice.LATEST, True), (PointChoice.RANDOM_SECOND, False)):
        world = World()
        plan = msgspec.structs.replace(plan_of(point), targets=(rpo,))
        perform(tmp_path / point, world, plan)
        assert ("steady" in world.calls) is waits


def test_a_leak_stops_the_run_loudly(tmp_path: Path) -> None:
    """What is left behind is named, and no further trial is begun."""
    world = World(leaks=("process 1 in restore",))
    with pytest.raises(HealError, match="process 1 in restore"):
        perform(tmp_path, world)
    found = facts(tmp_path)
    assert not of_kind(found, TrialEnded)
    (cleaned,) = of_kind(found, CleanedUp)
    assert isinstance(cleaned, CleanedUp)
    assert cleaned.leaks == ("process 1 in restore",)


def test_an_assumed_loss_touches_nothing(tmp_path: Path) -> None:
    """The plan of an environment that may not be broken."""
    import msgspec

    plan = plan_of()
    trial = msgspec.structs.replace(plan.trials[0], loss=Loss.ASSUMED, primary_region_dead=False)
    world = World()
    found = perform(tmp_path, world, msgspec.structs.replace(plan, trials=(trial,)))
    assert "lose" not in world.calls
    (fault,) = of_kind(found, FaultInjected)
    assert isinstance(fault, FaultInjected)
    assert fault.assumed
    assert fault.bracket is not None
