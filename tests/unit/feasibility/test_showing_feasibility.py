"""`harness targets check --feasibility` without a cluster: what it reads, prints and ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from kubernetes_api import StandInApi
from scaled_service import put_service

from harness.cli.feasibility import (
    gather,
    measured_restores,
    read_lines,
    show_feasibility,
    with_cluster,
)
from harness.errors import InputError
from harness.feasibility import demands
from harness.feasibility.finding import Feasibility, Word
from harness.feasibility.ground import Ground
from harness.model.codec import from_json
from harness.model.target import Kind
from harness.targets import load_targets

TARGETS = Path(__file__).parents[3] / "targets"
JUDGED = Path(__file__).parents[2] / "histories" / "judged"

RTO = {
    "id": "rto",
    "covers": ["kubernetes", "postgresql"],
    "objective": {"kind": "recovery-time", "at_most": "PT10M"},
    "source": {"section": "Recovery", "quote": "rto: 10 minutes"},
}
WAVES = [
    {
        "id": f"wave-{number}",
        "covers": ["kubernetes"],
        "objective": {"kind": "sync-wave", "wave": number, "services": [], "takes": "PT5M"},
        "source": {"section": "Waves", "quote": f"wave {number}: 5 minutes"},
    }
    for number in range(3)
]
DOCUMENT = """# Recovery

```yaml
rto: 10 minutes
```

# Waves

- wave 0: 5 minutes
- wave 1: 5 minutes
"""


def written(folder: Path, *targets: object) -> Path:
    folder.mkdir(exist_ok=True)
    content = {"document": "d.md", "targets": list(targets)}
    (folder / "all.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def shown(
    targets: Path, *, document: Path | None = None, as_json: bool = False, runs: Path | None = None
) -> int:
    return show_feasibility(
        targets,
        document=document,
        environment=None,
        settings=Path("harness.toml"),
        suites_directory=Path("suites"),
        runs=runs,
        json=as_json,
    )


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "d.md"
    path.write_text(DOCUMENT, encoding="utf-8")
    return path


def test_one_target_alone_is_nothing_to_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and every rule says what it needs."""
    assert shown(written(tmp_path / "t", RTO)) == 2
    told = " ".join(capsys.readouterr().out.split())
    assert told.startswith("Nothing could be checked")
    assert told.count("nothing could be checked; needs") == 12
    assert "0 contradictions" not in told


def test_promises_that_can_be_kept_end_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two waves of 5 minutes are 10."""
    assert shown(written(tmp_path / "t", RTO, *WAVES[:2])) == 0
    assert capsys.readouterr().out.startswith("0 contradictions")


def test_a_contradiction_ends_with_1_and_quotes_its_lines(
    tmp_path: Path, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sum, the lines with their numbers, what to do; a line that is gone is told as such."""
    assert shown(written(tmp_path / "t", RTO, *WAVES), document=document) == 1
    told = capsys.readouterr().out
    assert told.startswith("1 contradiction and 0")
    flat = " ".join(told.split())
    assert "5 min wave 0 + 5 min wave 1 + 5 min wave 2 = 15 min > 10 min RTO" in flat
    assert "line 4 rto: 10 minutes [rto]" in flat
    assert "line 10 - wave 1: 5 minutes [wave-1]" in flat
    assert "says wave 2: 5 minutes: not in the document any more [wave-2]" in flat
    assert " do Give the rebuild a recovery time of its own" in flat


def test_json_has_all_that_was_compared(
    tmp_path: Path, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be read back as what it is, twice the same."""
    targets = written(tmp_path / "t", RTO, *WAVES)
    assert shown(targets, document=document, as_json=True) == 1
    first = capsys.readouterr().out
    assert shown(targets, document=document, as_json=True) == 1
    assert capsys.readouterr().out == first
    found = from_json(first.encode(), Feasibility)
    assert [one.word for one in found.of(Word.CONTRADICTION)] == [Word.CONTRADICTION]
    assert found.lines["rto"][0].line == 4
    assert json.loads(first)["grounds"]


def test_json_of_nothing_is_json_still(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The headline is for people, and not on standard output."""
    assert shown(written(tmp_path / "t", RTO), as_json=True) == 2
    told = capsys.readouterr()
    assert from_json(told.out.encode(), Feasibility).compared == 0
    assert "Nothing could be checked" in told.err


def test_the_documented_targets_contradict_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Those of this project, without any document at hand."""
    assert shown(TARGETS) == 1
    told = capsys.readouterr().out
    assert "Kubernetes default" in told
    assert "time-budgets-add/rto-rebuild-from-Git" in told


def test_a_document_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    """Named, with the reason."""
    with pytest.raises(InputError, match="no.md: cannot be read: No such file"):
        read_lines(load_targets(TARGETS), tmp_path / "no.md")


def test_bytes_that_are_no_text_stop_nothing(tmp_path: Path) -> None:
    """Their lines are found by what is left of them."""
    path = tmp_path / "d.md"
    path.write_bytes(b"# \xff Recovery\n\n```yaml\nrto: 10 minutes\n```\n")
    (rto,) = load_targets(written(tmp_path / "t", RTO))
    assert [one.line for one in read_lines((rto,), path)["rto"]] == [4]


def run_of(tmp_path: Path, name: str, environment: str = "staging") -> Path:
    """A run that was judged, as another environment's; its plan names its subjects' kinds."""
    source = JUDGED / name
    folder = tmp_path / "runs" / f"20260101T000000Z-weekly-{environment}"
    folder.mkdir(parents=True)
    for file in ("verdict.json", "plan.json"):
        content = (source / file).read_text(encoding="utf-8")
        judged = json.loads(content)
        judged["environment"] = environment
        (folder / file).write_text(json.dumps(judged), encoding="utf-8")
    return tmp_path / "runs"


def test_restores_are_measured_by_runs_of_three_sizes(tmp_path: Path) -> None:
    """The line that a run was extrapolated by, with the run's name."""
    restores, told = measured_restores(run_of(tmp_path, "passing"), "staging")
    found = {one.kind: one for one in restores}
    assert found[Kind.POSTGRESQL].fixed_s == 4.4
    assert found[Kind.POSTGRESQL].per_gb_s == 5.95
    assert "20260101T000000Z-weekly-staging" in told


def test_a_restore_that_was_measured_too_slow_is_a_contradiction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """643 s of 300: by the documented targets and the measured line."""
    assert shown(TARGETS, runs=run_of(tmp_path, "passing")) == 1
    flat = " ".join(capsys.readouterr().out.split())
    assert "4.4 s + 107.4 GB x 5.95 s/GB = 10 min 43 s > 5 min" in flat


def test_another_environment_s_restores_are_nobody_s(tmp_path: Path) -> None:
    """Nor are those of the practice platform, where no environment is asked for."""
    runs = run_of(tmp_path, "passing")
    assert measured_restores(runs, "production")[0] == ()
    practised = run_of(tmp_path / "p", "passing", "demo")
    assert measured_restores(practised, None)[0] == ()
    assert len(measured_restores(practised, "demo")[0]) == 2


def test_no_runs_are_no_measurement(tmp_path: Path) -> None:
    """Said, not left out; a verdict that is torn is told, too."""
    assert "no folder of runs" in measured_restores(None, None)[1]
    assert "none in" in measured_restores(tmp_path, None)[1]
    torn = tmp_path / "20260101T000000Z-weekly-staging"
    torn.mkdir()
    (torn / "verdict.json").write_text('{"format"', encoding="utf-8")
    restores, told = measured_restores(tmp_path, None)
    assert restores == ()
    assert "not read: " in told


def test_an_environment_without_a_cluster_has_kubernetes_defaults(tmp_path: Path) -> None:
    """They are named so in what is told."""
    settings = tmp_path / "harness.toml"
    settings.write_text(
        '[environments.staging]\nruns = "nowhere"\n'
        "[[environments.staging.subjects]]\n"
        'driver = "redis-rdb"\nid = "carts"\nprimary = { store = { bucket = "backups" } }\n',
        encoding="utf-8",
    )
    ground, told = gather((), environment="staging", settings=settings, runs=None)
    assert ground.settings is None
    assert "staging has none; Kubernetes' defaults" in told[0]


def test_a_cluster_is_asked_for_what_it_is_set_to() -> None:
    """Its quotas, what its controllers may grow to, and its periods; nothing is guessed."""
    api = StandInApi()
    put_service(api)
    targets = load_targets(TARGETS)
    ground, told = with_cluster(Ground(targets=targets), api.cluster(), (), None)
    assert ground.settings is not None
    assert ground.capacity is not None
    assert ground.timings is not None
    found = [one for one in demands.look(ground) if one.about.startswith("as deployed")]
    assert {one.word for one in found} == {Word.HOLDS}
    assert len(found) == 4
    assert "10 x 0.2 = 2 cores, 4 cores with one rollout, of 5 cores" in found[0].sum
    assert found[0].targets == ("quota-core-business-prod", "autoscaler-range")
    assert all(one.startswith("not read: ") for one in told)
