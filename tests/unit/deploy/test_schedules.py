"""What is scheduled is what there is: commands, settings, accounts, volumes, runbooks."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from harness.cli.main import cli
from harness.settings import load_environment

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SCHEDULE = DEPLOY / "schedule"
Object = dict[str, Any]


def documents(path: Path) -> list[Object]:
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


KUSTOMIZATION = documents(SCHEDULE / "kustomization.yaml")[0]
FOLDERS = (SCHEDULE, DEPLOY / "conformance")
OBJECTS = [
    one
    for folder in FOLDERS
    for name in documents(folder / "kustomization.yaml")[0]["resources"]
    if name.endswith(".yaml")
    for one in documents(folder / name)
]
CRON_JOBS = {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == "CronJob"}


def names(kind: str, namespace: str) -> set[str]:
    return {
        one["metadata"]["name"]
        for one in OBJECTS
        if one["kind"] == kind and one["metadata"].get("namespace") == namespace
    }


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command and its options as click understands them; an error where it does not."""
    context = click.Context(cli)
    command = cli.get_command(context, words[0])
    assert command is not None, words
    made = command.make_context(words[0], list(words[1:]))
    return words[0], made.params


@pytest.mark.parametrize("name", CRON_JOBS)
def test_a_cron_job_runs_a_suite_that_there_is(name: str) -> None:
    pod = CRON_JOBS[name]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    command, options = parsed(container["args"])
    assert command == "run"
    assert (ROOT / "suites" / f"{options['suite']}.yaml").is_file()
    assert options["suite"] == name
    load_environment(options["environment"], SCHEDULE / "harness.toml")


@pytest.mark.parametrize("name", CRON_JOBS)
def test_all_that_a_cron_job_refers_to_is_there(name: str) -> None:
    job = CRON_JOBS[name]
    namespace = job["metadata"]["namespace"]
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] in names("ServiceAccount", namespace)
    generated = {
        one["name"] for one in KUSTOMIZATION["configMapGenerator"] if one["namespace"] == namespace
    }
    volumes = {one["name"]: one for one in pod["volumes"]}
    assert volumes["settings"]["configMap"]["name"] in generated
    claim = volumes["evidence"]["persistentVolumeClaim"]["claimName"]
    assert claim in names("PersistentVolumeClaim", namespace)
    (container,) = pod["containers"]
    assert {one["name"] for one in container["volumeMounts"]} == set(volumes)
    for one in KUSTOMIZATION["configMapGenerator"]:
        assert all((SCHEDULE / file).is_file() for file in one["files"])


@pytest.mark.parametrize("name", CRON_JOBS)
def test_two_never_run_at_once_and_a_verdict_is_not_tried_again(name: str) -> None:
    spec = CRON_JOBS[name]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["timeZone"] == "Etc/UTC"
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_restores_need_nothing_of_the_api_and_reach_no_database() -> None:
    pod = CRON_JOBS["weekly-restore"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    bound = {
        subject["name"]
        for one in OBJECTS
        if one["kind"].endswith("RoleBinding")
        for subject in one["subjects"]
    }
    assert pod["serviceAccountName"] not in bound
    (policy,) = [
        one["spec"]
        for one in OBJECTS
        if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "weekly-restore"
    ]
    ports = {port["port"] for way in policy["egress"] for port in way["ports"]}
    assert ports == {53, 443}


def test_the_settings_name_files_that_are_mounted() -> None:
    text = (SCHEDULE / "harness.toml").read_text()
    folders = {str(Path(path).parent) for path in re.findall(r'"(/etc/[^"]+)"', text)}
    assert folders == {"/etc/harness", "/etc/harness-secrets"}
    kubeconfig = yaml.safe_load((SCHEDULE / "kubeconfig").read_text())
    environment = load_environment("production", SCHEDULE / "harness.toml")
    assert environment.kubernetes is not None
    assert [one["name"] for one in kubeconfig["contexts"]] == [environment.kubernetes.context]


def test_the_application_is_its_own() -> None:
    (application,) = documents(DEPLOY / "argocd/application.yaml")
    assert application["metadata"]["name"] == "rehearsals"
    assert application["spec"]["destination"]["namespace"] == "rehearsals"


# -- GitLab ---------------------------------------------------------------------------------------

PIPELINE = documents(DEPLOY / "gitlab/rehearsals.gitlab-ci.yml")[0]
JOBS = {name: one for name, one in PIPELINE.items() if isinstance(one, dict)}


def test_each_suite_of_the_pipeline_is_one() -> None:
    suites = set(re.findall(r'\$SUITE == "([\w-]+)"', json.dumps(JOBS).replace('\\"', '"')))
    suites |= {
        one["variables"]["SUITE"] for one in JOBS.values() if "SUITE" in one.get("variables", {})
    }
    assert suites == {"weekly-restore", "conformance", "pre-release-load"}
    assert all((ROOT / "suites" / f"{suite}.yaml").is_file() for suite in suites)


def test_groups_have_literal_names_and_what_cannot_tell_is_not_green() -> None:
    rehearsals = [one for one in JOBS.values() if one.get("extends") == ".rehearsal"]
    assert len(rehearsals) == 3
    assert all("$" not in one["resource_group"] for one in rehearsals)
    assert JOBS[".rehearsal"]["allow_failure"] == {"exit_codes": [3]}
    assert JOBS[".rehearsal"]["artifacts"]["when"] == "always"


def test_the_lines_of_the_pipeline_are_shell_and_commands_of_ours() -> None:
    lines = [
        line
        for one in JOBS.values()
        for key in ("script", "after_script")
        for line in one.get(key, ())
    ]
    assert lines
    for line in lines:
        subprocess.run(["bash", "-n", "-c", line], check=True)
        words = shlex.split(line)
        if words[0] == "harness":
            command = cli.get_command(click.Context(cli), words[1])
            assert command is not None
            options = {name for one in command.params for name in one.opts}
            assert {word for word in words[2:] if word.startswith("-")} <= options


# -- systemd --------------------------------------------------------------------------------------


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / "systemd" / name, encoding="utf-8")
    return parser


def test_the_unit_runs_its_suite_and_ends_it_as_ctrl_c_does() -> None:
    service = unit("harness@.service")["Service"]
    words = shlex.split(service["ExecStart"].replace("%i", "weekly-restore"))
    command, options = parsed([*words[1:], "--environment", "staging"])
    assert (command, options["suite"]) == ("run", "weekly-restore")
    assert service["KillSignal"] == "SIGINT"
    assert service["SuccessExitStatus"] == "3"
    timer = unit("harness@.timer")["Timer"]
    assert timer["Persistent"] == "yes"
    assert timer["OnCalendar"].endswith("UTC")


# -- alerts ---------------------------------------------------------------------------------------

ALERTS = [
    rule
    for group in documents(DEPLOY / "prometheus/rules.yaml")[0]["groups"]
    for rule in group["rules"]
    if "alert" in rule
]


@pytest.mark.parametrize("rule", ALERTS, ids=[rule["alert"] for rule in ALERTS])
def test_an_alert_says_what_to_type_and_where_to_read(rule: Object) -> None:
    told = rule["annotations"]
    assert set(told) == {"summary", "description", "next", "runbook"}
    assert (ROOT / told["runbook"]).is_file()
    words = told["next"].split()
    assert words[0] == "harness"
    assert cli.get_command(click.Context(cli), words[1]) is not None, told["next"]
    assert f"| {rule['alert']}" in (ROOT / "docs/schedules.md").read_text() or (
        f", {rule['alert']} |" in (ROOT / "docs/schedules.md").read_text()
    )
