"""Guards, intent, mutation, witness, fact: in this order, and whatever fails is told."""

from __future__ import annotations

import pytest
from drills import Drill

from harness.chaos import context
from harness.chaos.injector import Fault, Witnessed, current, enter
from harness.errors import DeadlineExceededError, RefusedError, SurroundingsError
from harness.model.blow import Blow
from harness.model.fault import HealNode, Nothing
from harness.model.game_day import Caps
from harness.model.history import FaultInjected, GuardsChecked
from harness.model.instant import Bracket

POD = frozenset({"shop/checkout-1"})
BLOW = Blow(action="a test", pods=POD)


def fault(name: str, done: list[str], **changed: object) -> Fault:
    def strike() -> Witnessed:
        done.append(name)
        return Bracket(earliest_ns=1, latest_ns=2), "a witness"

    parts = {"subject": f"pod:{name}", "action": name, "inverses": (Nothing(),), "strike": strike}
    return Fault(**{**parts, **changed})  # type: ignore[arg-type]


def injected(drill: Drill) -> list[FaultInjected]:
    return [one for one in drill.facts() if isinstance(one, FaultInjected)]


def test_nothing_is_broken_without_a_drill() -> None:
    enter(None)
    context._current = None
    with pytest.raises(RefusedError, match="no drill is going on"):
        current()


def test_nothing_is_broken_without_the_guard(the_drill: Drill) -> None:
    context.guard_stands(stands=False)
    done: list[str] = []
    with pytest.raises(RefusedError, match="no guard watches this experiment"):
        the_drill.injector.inject(BLOW, [fault("one", done)])
    assert not done
    assert not the_drill.injector.intents.open()


def test_a_blow_at_nothing_is_refused(the_drill: Drill) -> None:
    done: list[str] = []
    with pytest.raises(RefusedError, match="selects nothing"):
        the_drill.injector.inject(Blow(action="nothing"), [fault("one", done)])
    assert not done


def test_beyond_the_cap_nothing_is_written_down_or_touched(the_drill: Drill) -> None:
    capped = the_drill.set(caps=Caps(pods_of_namespace=0))
    done: list[str] = []
    with pytest.raises(RefusedError, match="cap pods_of_namespace = 0"):
        capped.injector.inject(BLOW, [fault("one", done)])
    assert not done
    assert not the_drill.injector.intents.open()
    (guards,) = the_drill.facts()
    assert isinstance(guards, GuardsChecked)
    assert guards.refused
    assert not guards.passed


def test_a_silent_api_breaks_nothing(the_drill: Drill) -> None:
    the_drill.api.breaks = 1_000
    done: list[str] = []
    with pytest.raises(SurroundingsError):
        the_drill.injector.inject(BLOW, [fault("one", done)])
    assert not done


def test_the_intent_is_on_disk_before_the_first_mutation(the_drill: Drill) -> None:
    open_then: list[int] = []

    def strike() -> Witnessed:
        open_then.append(len(the_drill.injector.intents.open()))
        return Bracket(earliest_ns=1, latest_ns=2), "a witness"

    done: list[str] = []
    faults = [fault("one", done, strike=strike), fault("two", done, strike=strike)]
    said = the_drill.injector.inject(BLOW, faults)
    assert open_then == [2, 2]
    assert said == ("one: a witness", "two: a witness")
    assert {one.subject for one in injected(the_drill)} == {"pod:one", "pod:two"}
    (intent, _) = the_drill.injector.intents.open()
    assert (intent.run, intent.trial, intent.environment) == ("run-1", "trial-1", "practice")


def test_what_is_looked_for_is_bracketed_by_the_call_and_the_first_sight(the_drill: Drill) -> None:
    clock = the_drill.injector.clock
    looks: list[int] = []

    def seen() -> str | None:
        looks.append(clock.monotonic_ns())
        return "it is gone" if len(looks) == 3 else None

    before = clock.monotonic_ns()
    unseen = fault("one", [], strike=lambda: None, seen=seen)
    the_drill.injector.inject(BLOW, [unseen])
    (fact,) = injected(the_drill)
    assert fact.bracket is not None
    assert before <= fact.bracket.earliest_ns <= looks[0]
    assert looks[2] <= fact.bracket.latest_ns
    assert fact.witness == "it is gone"


def test_an_api_that_is_silent_for_a_moment_is_asked_again(the_drill: Drill) -> None:
    answers: list[str | None] = [None, "gone"]

    def seen() -> str | None:
        answer = answers.pop(0)
        if answer is None:
            raise SurroundingsError("reset")
        return answer

    the_drill.injector.inject(BLOW, [fault("one", [], strike=lambda: None, seen=seen)])
    assert [one.witness for one in injected(the_drill)] == ["gone"]


def test_a_fault_that_does_nothing_is_recorded_without_a_bracket(the_drill: Drill) -> None:
    unseen = fault("one", [], strike=lambda: None, within_s=0.0)
    with pytest.raises(DeadlineExceededError, match="seen by a witness"):
        the_drill.injector.inject(BLOW, [unseen])
    (fact,) = injected(the_drill)
    assert (fact.bracket, fact.witness) == (None, "")
    assert the_drill.injector.intents.open()


def test_one_that_fails_does_not_hide_the_other(the_drill: Drill) -> None:
    def fails() -> Witnessed:
        raise SurroundingsError("helper pod: no")

    done: list[str] = []
    with pytest.raises(SurroundingsError, match="helper pod: no"):
        the_drill.injector.inject(BLOW, [fault("one", done, strike=fails), fault("two", done)])
    brackets = {one.subject: one.bracket for one in injected(the_drill)}
    assert brackets["pod:one"] is None
    assert brackets["pod:two"] is not None


def test_what_a_provider_refuses_leaves_nothing_to_undo(the_drill: Drill) -> None:
    def refuses() -> Witnessed:
        raise RefusedError("it is a managed node")

    refused = fault(
        "one",
        [],
        strike=refuses,
        inverses=(HealNode(node="worker-1"),),
        refuses_untouched=True,
    )
    with pytest.raises(RefusedError, match="a managed node"):
        the_drill.injector.inject(BLOW, [refused])
    assert not the_drill.injector.intents.open()
    assert not injected(the_drill)


def test_a_right_that_is_missing_in_the_middle_leaves_the_intent(the_drill: Drill) -> None:
    def refuses() -> Witnessed:
        raise RefusedError("not allowed: get pods/log")

    with pytest.raises(RefusedError):
        the_drill.injector.inject(BLOW, [fault("one", [], strike=refuses)])
    assert the_drill.injector.intents.open()
