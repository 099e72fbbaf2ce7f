"""Decides where services' images come from, whether a name means one image for ever, and whether
anybody says that they were signed or scanned. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.answer import Answer
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.services import (
    CONTROLLERS,
    Service,
    each,
    over,
    said,
    services,
)
from harness.model.configuration import ImageEvidence, ImageRegistry, ImmutableImages
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict

_PUBLIC = frozenset(
    {"docker.io", "index.docker.io", "ghcr.io", "quay.io", "gcr.io", "registry.k8s.io"}
    | {"mcr.microsoft.com", "public.ecr.aws"}
)
"""Registries that anybody may pull from without an account of one's own."""

_ADVICE = (
    "kubectl get pods --all-namespaces -o jsonpath='{range .items[*]}{.spec.containers[*].image}"
    '{"\\n"}{end}\''
)


def registry_of(image: str) -> str:
    """The registry of an image's name: docker.io where it names none (distribution/reference,
    normalized names: the first part counts where it has a dot or a colon, or is localhost).
    """
    first, slash, _ = image.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return first if named else "docker.io"


def moves(image: str) -> bool:
    """Whether the name may mean another image tomorrow: no digest, and no tag but `latest`."""
    if "@sha256:" in image:
        return False
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return not colon or tag == "latest"


def judge_registry(
    run: ConformanceEvidence, target: Target, objective: ImageRegistry
) -> Iterator[Finding]:
    """The documented registry, or where none is documented any that is not public."""

    def problems(one: Service) -> Iterator[str]:
        for name, container in one.containers():
            registry = registry_of(container["image"])
            if objective.registry is not None and registry != objective.registry:
                yield f"container {name}: image of {registry}, expected {objective.registry}"
            elif objective.registry is None and registry in _PUBLIC:
                yield f"container {name}: image of {registry}, expected a private registry"

    yield over(
        run,
        target,
        each(services(run), problems),
        kinds=CONTROLLERS,
        what="registry of services' images",
        advice=_ADVICE,
    )


def judge_immutable(
    run: ConformanceEvidence, target: Target, _objective: ImmutableImages
) -> Iterator[Finding]:
    """No container's image may be another one tomorrow."""

    def problems(one: Service) -> Iterator[str]:
        for name, container in one.containers():
            if moves(container["image"]):
                yield f"container {name}: {container['image']}: its tag moves"

    yield over(
        run,
        target,
        each(services(run), problems),
        kinds=CONTROLLERS,
        what="names of services' images",
        advice=_ADVICE,
    )


def judge_evidence(
    run: ConformanceEvidence, target: Target, objective: ImageEvidence
) -> Iterator[Finding]:
    """Objects of the API do not say it: a signature is in the registry, a scan in its report."""
    found = services(run)
    by = " or ".join(objective.by)
    images = sorted({container["image"] for one in found for _, container in one.containers()})
    unread = run.unread(*CONTROLLERS)
    why = unread[0] if unread else f"no object of the cluster says so of {len(images)} images"
    advice = {
        "signature": "cosign verify --key KEY IMAGE",
        "scan": "trivy image IMAGE",
        "base": "docker buildx imagetools inspect IMAGE",
    }
    yield said(
        run,
        target,
        Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{objective.evidence} of services' images by {by}: {why}",
            detail=tuple(images[:10]),
            advice=advice[objective.evidence],
        ),
        kinds=CONTROLLERS,
    )


JUDGES: dict[type, JudgeFunction] = {
    ImageRegistry: judge_registry,
    ImmutableImages: judge_immutable,
    ImageEvidence: judge_evidence,
}
