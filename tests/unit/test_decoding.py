"""Input files that are wrong are refused with file, path, got and expected."""

from datetime import timedelta
from pathlib import Path

import pytest

from harness.decoding import read_toml, read_yaml
from harness.errors import InputError
from harness.model.suite import Suite
from harness.model.target import RecoveryTime, TargetFile
from harness.settings import load_environment, scratch_directories
from harness.suites import load_suite
from harness.targets import load_targets

TARGET = """\
document: deployment-architecture.md
targets:
  - id: rto
    covers: [postgresql]
    objective: {{kind: recovery-time, {objective}}}
    source: {{section: High Availability, quote: "< 5 minutes"}}
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_no_target_at_all_is_refused(tmp_path: Path) -> None:
    """A folder without targets would judge nothing and look well."""
    with pytest.raises(InputError, match="got no target, expected targets"):
        load_targets(tmp_path)


def test_a_duration_with_a_unit_is_read(tmp_path: Path) -> None:
    """PT5M is five minutes."""
    path = write(tmp_path / "t.yaml", TARGET.format(objective="at_most: PT5M"))
    (target,) = read_yaml(path, TargetFile).targets
    assert target.objective == RecoveryTime(at_most=timedelta(minutes=5))


def test_a_number_without_a_unit_is_refused_with_its_place(tmp_path: Path) -> None:
    """A bare 300 names file, path, got and expected, and how to write it."""
    path = write(tmp_path / "t.yaml", TARGET.format(objective="at_most: 300"))
    with pytest.raises(InputError) as refused:
        read_yaml(path, TargetFile)
    assert str(refused.value) == (
        f"{path}: $.targets[0].objective.at_most: Expected `duration`, got `int`"
    )
    assert refused.value.hint is not None
    assert "PT5M" in refused.value.hint


def test_an_unknown_key_is_refused_with_its_place(tmp_path: Path) -> None:
    """A misspelt key is not silently without effect."""
    path = write(tmp_path / "t.yaml", TARGET.format(objective="at_most: PT5M, at_moist: PT1M"))
    with pytest.raises(InputError, match=r"\$\.targets\[0\]\.objective: .*at_moist"):
        read_yaml(path, TargetFile)


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    """PyYAML alone would keep the last and say nothing."""
    path = write(tmp_path / "t.yaml", "document: a\ndocument: b\ntargets: []\n")
    with pytest.raises(InputError, match="key `document` is given twice"):
        read_yaml(path, TargetFile)


def test_a_target_given_twice_is_refused(tmp_path: Path) -> None:
    """Two targets of one id would hide one another."""
    for name in ("a.yaml", "b.yaml"):
        write(tmp_path / name, TARGET.format(objective="at_most: PT5M"))
    with pytest.raises(
        InputError, match=r"b\.yaml: target `rto` is given twice, first in .*a\.yaml"
    ):
        load_targets(tmp_path)


@pytest.mark.parametrize("text", ["a: [", "\x00"])
def test_what_is_no_yaml_is_refused(tmp_path: Path, text: str) -> None:
    """A torn file names itself."""
    path = write(tmp_path / "t.yaml", text)
    with pytest.raises(InputError, match="not YAML"):
        read_yaml(path, TargetFile)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The path is named, without a traceback."""
    with pytest.raises(InputError, match="no such file"):
        read_toml(tmp_path / "harness.toml", Suite)


def test_an_unknown_suite_names_the_known_ones(tmp_path: Path) -> None:
    """A typing error ends with what could have been typed."""
    write(tmp_path / "weekly-restore.yaml", "")
    with pytest.raises(InputError, match="expected one of .*: weekly-restore"):
        load_suite("weekly", tmp_path)


def test_a_suite_without_a_scenario_is_refused(tmp_path: Path) -> None:
    """Nothing tried is nothing proved."""
    write(tmp_path / "empty.yaml", "suite: empty\nkind: restores\ntitle: Empty\nscenarios: []\n")
    with pytest.raises(InputError, match="suite empty has no scenario"):
        load_suite("empty", tmp_path)


SETTINGS = """\
[[environments.staging.subjects]]
driver = "redis-rdb"
id = "carts"
primary = {{ store = {{ bucket = "backups" }} }}
{more}
"""


def test_an_environment_is_read(tmp_path: Path) -> None:
    """A subject is known by its driver."""
    path = write(tmp_path / "harness.toml", SETTINGS.format(more=""))
    (subject,) = load_environment("staging", path).subjects
    assert subject.id == "carts"


def test_the_scratch_disks_of_all_environments_are_known(tmp_path: Path) -> None:
    """Each once; an environment without one, and a missing file, have none."""
    path = tmp_path / "harness.toml"
    assert scratch_directories(path) == ()
    disk = 'scratch = "/srv/scratch"\n'
    tables = (f"[environments.{name}]\nsubjects = []\n" for name in "abc")
    path.write_text(disk.join([*tables]), encoding="utf-8")
    assert scratch_directories(path) == (Path("/srv/scratch"),)


def test_an_unknown_environment_names_the_known_ones(tmp_path: Path) -> None:
    """There is no default environment."""
    path = write(tmp_path / "harness.toml", SETTINGS.format(more=""))
    with pytest.raises(InputError, match="got 'prod', expected demo, lab or one of .*: staging"):
        load_environment("prod", path)


def test_the_built_in_environment_cannot_be_redefined(tmp_path: Path) -> None:
    """`demo` may be broken; nobody's own environment may take that name."""
    path = write(tmp_path / "harness.toml", SETTINGS.replace("staging", "demo").format(more=""))
    with pytest.raises(InputError, match="the name is a built-in's"):
        load_environment("staging", path)


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    """As in targets: file, path, and the key."""
    path = write(tmp_path / "harness.toml", SETTINGS.format(more='stanza = "x"'))
    with pytest.raises(InputError, match=r"\$\.environments.*subjects.*stanza"):
        load_environment("staging", path)
