"""A policy is enforced where what it refuses is refused, and what it allows comes about."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from conformances import evidence, plan, promise
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.conformance.connections import judge
from harness.model.configuration import Flow, NetworkPolicyAllows
from harness.model.conformance import ConnectionTried
from harness.model.verdict import Finding, Verdict

SHOP, DATA, OUTSIDE = "shop-prod", "infrastructure", "harness-drill"
POLICY = NetworkPolicyAllows(
    namespace=SHOP,
    app="checkout",
    ingress=Flow(namespaces=(SHOP,), ports=(8000,)),
    egress=Flow(namespaces=(DATA,), ports=(6379,)),
)
TARGET = promise(POLICY, "checkout-policy")


def tried(
    source: tuple[str, str],
    destination: tuple[str, str],
    port: int,
    *,
    connected: bool | None,
    refused: bool = False,
) -> ConnectionTried:
    """One try; a destination's address is made of its place."""
    namespace, app = destination
    return ConnectionTried(
        source_namespace=source[0],
        source_app=source[1],
        destination=f"{namespace}-{app}:{port}",
        destination_namespace=namespace,
        destination_app=app,
        port=port,
        connected=connected,
        refused=refused,
    )


def named(source: tuple[str, str], *, connected: bool | None) -> ConnectionTried:
    """A name that was to be resolved."""
    return tried(source, ("", ""), 53, connected=connected)


CHECKOUT, STRANGER, FRIEND = (SHOP, "checkout"), (OUTSIDE, ""), (SHOP, "")
REDIS, API = (DATA, "redis"), ("default", "")

ENFORCED = (
    tried(CHECKOUT, REDIS, 6379, connected=True),
    tried(CHECKOUT, API, 443, connected=False),
    tried(STRANGER, API, 443, connected=True),
    tried(FRIEND, CHECKOUT, 8000, connected=True),
    tried(STRANGER, CHECKOUT, 8000, connected=False),
    named(CHECKOUT, connected=True),
    named(STRANGER, connected=True),
)


def judged(facts: Sequence[ConnectionTried]) -> dict[str, Finding]:
    """The findings by their last part."""
    run = evidence(plan(TARGET, looks=("connections",)), facts=facts)
    return {one.id.rpartition("/")[2]: one for one in judge(run, TARGET, POLICY)}


def changed(number: int, **fields: object) -> list[ConnectionTried]:
    """What is enforced, but for one try."""
    facts = list(ENFORCED)
    facts[number] = msgspec.structs.replace(facts[number], **fields)
    return facts


def verdicts(found: dict[str, Finding]) -> tuple[Verdict, ...]:
    """Of egress, ingress and DNS."""
    return tuple(found[f"enforced-{one}"].verdict for one in ("egress", "ingress", "dns"))


P, F, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def test_nothing_tried_is_inconclusive() -> None:
    """Without a try nothing is known of any direction."""
    found = judged([])
    assert verdicts(found) == (INCONCLUSIVE,) * 3
    assert all(one.advice for one in found.values())


def test_a_look_that_was_not_made_says_so() -> None:
    """The suite leaves it out."""
    run = evidence(plan(TARGET), facts=())
    assert {one.headline.partition(": ")[2] for one in judge(run, TARGET, POLICY)} == {
        "the suite does not look at connections"
    }


def test_an_enforced_policy_passes() -> None:
    """Allowed connections came about, others did not."""
    found = judged(ENFORCED)
    assert verdicts(found) == (P, P, P)
    assert found["enforced-egress"].headline == (
        "checkout in shop-prod, egress: 1 of 1 connections that are allowed came about, 1 of 1 "
        "others did not"
    )


def test_what_must_be_refused_and_connects_fails_once() -> None:
    """The API is reached from the policy's pod: that is named, and ingress is another matter."""
    found = judged(changed(1, connected=True))
    assert verdicts(found) == (F, P, P)
    assert "default-:443" in found["enforced-egress"].headline
    assert "not enforced" in found["enforced-egress"].headline


def test_a_stranger_who_gets_in_fails() -> None:
    """Of ingress."""
    assert verdicts(judged(changed(4, connected=True))) == (P, F, P)


def test_what_is_allowed_and_does_not_connect_fails() -> None:
    """Redis listens, and does not answer the service that may ask it."""
    found = judged(changed(0, connected=False, detail="timed out"))
    assert verdicts(found)[0] is F
    assert "expected it to be allowed (timed out)" in found["enforced-egress"].headline


def test_refused_by_a_destination_that_is_closed_to_all_was_reached() -> None:
    """The packet was let through: nobody else got in either."""
    facts = changed(1, connected=False, refused=True)
    facts[2] = msgspec.structs.replace(facts[2], connected=False, refused=True)
    assert verdicts(judged(facts))[0] is F


def test_refused_by_a_destination_that_lets_others_in_is_the_policys() -> None:
    """Some network plugins reject instead of dropping."""
    assert verdicts(judged(changed(1, connected=False, refused=True)))[0] is P


def test_silence_to_everybody_proves_nothing() -> None:
    """The API answers nobody: it may be away."""
    found = judged(changed(2, connected=False))
    assert verdicts(found)[0] is INCONCLUSIVE
    assert "its silence says nothing" in found["enforced-egress"].headline


def test_a_pod_that_reaches_nothing_proves_nothing() -> None:
    """A stranger without any network is not kept out by a policy."""
    facts = [*changed(2, connected=False)]
    facts[6] = named(STRANGER, connected=False)
    found = judged(facts)
    assert found["enforced-ingress"].verdict is INCONCLUSIVE
    assert "reached nothing at all" in found["enforced-ingress"].headline


def test_a_port_that_nobody_listens_on_is_a_gap() -> None:
    """Without a try of all that is allowed, it is not known."""
    found = judged(ENFORCED[1:])
    assert found["enforced-egress"].verdict is INCONCLUSIVE
    assert any("port 6379 with infrastructure was not tried" in one for one in lines(found))


def test_without_anything_to_refuse_it_is_not_known() -> None:
    """All that was tried is allowed."""
    found = judged([ENFORCED[0], ENFORCED[3]])
    assert verdicts(found)[:2] == (INCONCLUSIVE, INCONCLUSIVE)


def test_what_could_not_be_tried_is_inconclusive() -> None:
    """The pod was not admitted."""
    found = judged(changed(0, connected=None, detail="exceeded quota"))
    assert found["enforced-egress"].verdict is INCONCLUSIVE
    assert "exceeded quota" in found["enforced-egress"].headline


def test_no_dns_for_the_service_alone_fails() -> None:
    """Others resolve names: the policy is what keeps the service from it."""
    found = judged(changed(5, connected=False))
    assert found["enforced-dns"].verdict is F
    assert "the documented policy allows no DNS" in found["enforced-dns"].detail


def test_no_dns_for_anybody_is_inconclusive() -> None:
    """It is away."""
    facts = changed(5, connected=False)
    facts[6] = named(STRANGER, connected=False)
    assert verdicts(judged(facts))[2] is INCONCLUSIVE


def test_dns_beyond_the_documented_policy_is_said() -> None:
    """It passes, and somebody must know why."""
    assert "allows no DNS" in judged(ENFORCED)["enforced-dns"].detail[0]


def lines(found: dict[str, Finding]) -> list[str]:
    """All that is told."""
    return [line for one in found.values() for line in (one.headline, *one.detail)]


@given(st.permutations(ENFORCED))
def test_the_order_of_tries_says_nothing(facts: Sequence[ConnectionTried]) -> None:
    """Pods end in any order."""
    assert verdicts(judged(facts)) == (P, P, P)


@given(st.sets(st.sampled_from([1, 4]), min_size=1))
def test_more_holes_never_make_it_better(numbers: set[int]) -> None:
    """Each connection that must not be keeps its direction failed."""
    facts = list(ENFORCED)
    for number in numbers:
        facts[number] = msgspec.structs.replace(facts[number], connected=True)
    found = verdicts(judged(facts))
    assert (found[0] is F) == (1 in numbers)
    assert (found[1] is F) == (4 in numbers)
