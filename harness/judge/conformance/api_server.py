"""Decides by the API servers' own arguments who may do what, and how Secrets are stored. Pure.

They are seen where API servers run as pods, as kubeadm has it; a managed cluster hides them.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.answer import Answer
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.selectors import has, labels_of
from harness.judge.conformance.services import name_of, said
from harness.model.configuration import AccessControl, EncryptionAtRest
from harness.model.program_arguments import flags
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict

_LABELS = {"component": "kube-apiserver"}
"""Of the static pods that kubeadm makes."""

_AUTHORIZATION = "authorization-mode"
_AUTHORIZATION_FILE = "authorization-config"
_ENCRYPTION = "encryption-provider-config"
_KINDS = ("Pod",)
_ADVICE = "kubectl -n kube-system get pods -l component=kube-apiserver -o yaml"


def judge_access(
    run: ConformanceEvidence, target: Target, objective: AccessControl
) -> Iterator[Finding]:
    """The documented mode is one of theirs, and none of them is one that allows everything."""
    servers = _servers(run)
    wrong, hidden = [], []
    for name, given in servers.items():
        modes = given.get(_AUTHORIZATION, "").split(",")
        if _AUTHORIZATION_FILE in given:
            hidden.append(f"{name}: its modes are in a file: {given[_AUTHORIZATION_FILE]}")
        elif objective.mode not in modes or "AlwaysAllow" in modes:
            # AlwaysAllow where nothing is said (Kubernetes documentation, kube-apiserver).
            wrong.append(f"{name}: decides by {', '.join(filter(None, modes)) or 'AlwaysAllow'}")
    yield said(run, target, _answer(run, objective.mode, servers, wrong, hidden), kinds=_KINDS)


def judge_encryption(
    run: ConformanceEvidence, target: Target, objective: EncryptionAtRest
) -> Iterator[Finding]:
    """That API servers encrypt what they store is seen; by what, and how volumes are, is not."""
    servers = _servers(run)
    wrong = [
        f"{name}: stores Secrets as they are, without --{_ENCRYPTION}"
        for name, given in servers.items()
        if _ENCRYPTION not in given
    ]
    hidden = [
        f"{name}: encrypts, by which algorithm its file {given[_ENCRYPTION]} says"
        for name, given in servers.items()
        if _ENCRYPTION in given
    ]
    yield said(run, target, _answer(run, objective.algorithm, servers, wrong, hidden), kinds=_KINDS)


def _servers(run: ConformanceEvidence) -> dict[str, dict[str, str]]:
    return {
        name_of(one): flags(one["spec"])
        for one in run.of_kind("Pod", "kube-system")
        if has(_LABELS, labels_of(one))
    }


def _answer(
    run: ConformanceEvidence,
    expected: str,
    servers: dict[str, dict[str, str]],
    wrong: list[str],
    hidden: list[str],
) -> Answer:
    unread = run.unread(*_KINDS)
    if wrong:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{wrong[0]}, expected {expected}",
            detail=tuple(wrong[1:]),
            advice=_ADVICE,
        )
    if unread or not servers:
        why = unread[0] if unread else "no pod of the cluster is an API server"
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"arguments of API servers are not seen: {why}, expected {expected}",
            advice="ask who runs the masters, or look at how they start kube-apiserver",
        )
    if hidden:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{hidden[0]}, expected {expected}",
            detail=tuple(hidden[1:]),
        )
    return Answer(verdict=Verdict.PASS, headline=f"{len(servers)} API servers: {expected}")


JUDGES: dict[type, JudgeFunction] = {
    AccessControl: judge_access,
    EncryptionAtRest: judge_encryption,
}
