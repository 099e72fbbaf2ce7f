"""How long ago Secrets were written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from conformances import evidence, plan, promise, read, thing
from constructors import NOW
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.conformance.secret_age import judge
from harness.model.configuration import SecretRotation
from harness.model.verdict import Finding, Verdict

ROTATION = SecretRotation(at_most=timedelta(days=90))
TARGET = promise(ROTATION, "rotation")


def secret(name: str, created_days: float, *written_days: float, kind: str = "Opaque") -> Any:  # noqa: ANN401
    def at(days: float) -> str:
        return (NOW - timedelta(days=days)).isoformat()

    managed = [{"manager": "m", "operation": "Update", "time": at(days)} for days in written_days]
    made = thing(name, creationTimestamp=at(created_days), managedFields=managed)
    return {"metadata": made["metadata"], "type": kind}


def judged(*secrets: Any, hidden: bool = False) -> Finding:  # noqa: ANN401
    unread = {"Secret": read("Secret", forbidden=True, error="not allowed: secrets")}
    run = evidence(plan(TARGET), {"Secret": secrets}, hidden=unread if hidden else None)
    (found,) = judge(run, TARGET, ROTATION)
    assert found.id == "secret-rotation/rotation/secrets"
    return found


def test_no_secret_is_inconclusive_and_so_are_hidden_ones() -> None:
    assert judged().verdict is Verdict.INCONCLUSIVE
    found = judged(secret("a", 1), hidden=True)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.headline == "Secret: the account may not list them"


def test_a_secret_that_was_never_written_again() -> None:
    assert judged(secret("a", 89)).verdict is Verdict.PASS
    found = judged(secret("a", 89), secret("b", 91))
    assert found.verdict is Verdict.FAIL
    assert "1 of 2 Secrets are older" in found.headline
    assert "shop-prod/b" in found.headline


def test_one_that_was_rotated_in_place_is_as_young_as_its_content() -> None:
    assert judged(secret("a", 400, 200, 10)).verdict is Verdict.PASS


def test_releases_of_helm_hold_no_key() -> None:
    release = secret("r", 400, kind="helm.sh/release.v1")
    assert judged(release).verdict is Verdict.INCONCLUSIVE
    assert judged(release, secret("a", 1)).verdict is Verdict.PASS


@given(st.lists(st.floats(min_value=0, max_value=400), min_size=1, max_size=6))
def test_one_secret_more_never_makes_it_better(ages: list[float]) -> None:
    all_but_one = [secret(f"s{number}", age) for number, age in enumerate(ages)]
    before = judged(*all_but_one).verdict
    after = judged(*all_but_one, secret("more", 91)).verdict
    assert after is Verdict.FAIL
    assert before in (Verdict.PASS, Verdict.FAIL)
