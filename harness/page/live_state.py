"""What the live page shows, from the facts and observations of the run that goes on. Pure.

Facts are taken in as they are read, in the order of their files; nothing is judged from it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from harness.model.conformance import ConformancePlan
from harness.model.history import (
    CleanedUp,
    Entry,
    Event,
    FaultInjected,
    Observation,
    Outcome,
    ProbesRecorded,
    RunEnded,
    TrialEnded,
    TrialStarted,
)
from harness.model.instant import NANOSECONDS_PER_SECOND, Bracket, nanoseconds
from harness.model.load_test import LoadPlan
from harness.model.plan import Plan, RunPlan, subjects
from harness.model.run import RunRecord
from harness.model.subscription import Published, Received, SubscriptionEvent
from harness.model.target import RecoveryTime
from harness.page.live_steps import Part, Stand, parts_of
from harness.page.live_view import (
    Around,
    Broken,
    ClockView,
    EventView,
    LaneView,
    Life,
    LiveView,
    Piece,
    StepView,
    Ticking,
    Way,
)
from harness.page.live_wording import told

WINDOW_NS = 10 * 60 * NANOSECONDS_PER_SECOND
"""What the strips show."""

SILENT_AFTER_NS = 3 * NANOSECONDS_PER_SECOND
"""A prober asks every 200 ms and waits a second: after so long nobody looks."""

HEARD_WITHIN_NS = NANOSECONDS_PER_SECOND
"""A message that a subscriber has not heard by then counts as not heard (harness.probes.config)."""

_EVENTS = 200
_SHOWN_EVENTS = 10


@dataclass(slots=True)
class Stretch:
    """A time in which all answers were alike."""

    start_ns: int
    end_ns: int
    right: bool


@dataclass(slots=True)
class Lane:
    """The answers of one client class, as they are read."""

    name: str
    subject: str
    stretches: deque[Stretch] = field(default_factory=deque)
    right_since_ns: int | None = None
    right_until_ns: int | None = None
    wrong_since_ns: int | None = None
    detail: str = ""
    last_ns: int = 0
    complete: bool = False
    """Its prober was stopped: that it says nothing more means nothing."""

    def right(self, started_ns: int, ended_ns: int) -> None:
        """Takes in a right answer."""
        self.wrong_since_ns = None
        if self.right_since_ns is None:
            self.right_since_ns = started_ns
        self.right_until_ns = max(self.right_until_ns or 0, ended_ns)
        self._extend(started_ns, ended_ns, right=True)

    def wrong(self, started_ns: int, ended_ns: int, detail: str) -> None:
        """Takes in a wrong answer, or none."""
        self.right_since_ns = self.right_until_ns = None
        self.wrong_since_ns = min(self.wrong_since_ns or started_ns, started_ns)
        self.detail = detail
        self._extend(started_ns, ended_ns, right=False)

    def _extend(self, started_ns: int, ended_ns: int, *, right: bool) -> None:
        self.complete = False
        self.last_ns = max(self.last_ns, ended_ns)
        last = self.stretches[-1] if self.stretches else None
        if last is not None and last.right is right and started_ns - last.end_ns < SILENT_AFTER_NS:
            last.end_ns = max(last.end_ns, ended_ns)
        else:
            if last is not None and not right:  # a timeout is known late: it began when it was sent
                last.end_ns = max(last.start_ns, min(last.end_ns, started_ns))
            self.stretches.append(Stretch(started_ns, ended_ns, right))
        while self.stretches[0].end_ns < self.last_ns - WINDOW_NS:
            self.stretches.popleft()

    def way(self, now_ns: int) -> Way:
        """What it finds."""
        if self.complete or now_ns - self.last_ns > SILENT_AFTER_NS:
            return Way.UNSEEN
        return Way.DOWN if self.wrong_since_ns is not None else Way.UP

    def since_ns(self, now_ns: int) -> int:
        """Since when it has been so."""
        match self.way(now_ns):
            case Way.UNSEEN:
                return self.last_ns
            case Way.DOWN:
                return self.wrong_since_ns or self.last_ns
            case Way.UP:
                return self.right_since_ns or self.last_ns


@dataclass(slots=True)
class _Messages:
    """What was published to a broker and is not yet known to be heard, for each subscriber."""

    waiting: dict[str, dict[int, int]] = field(default_factory=dict)
    """Subscriber -> number of a message -> when it was published."""


class LiveState:
    """Everything that was read of one run."""

    def __init__(self, record: RunRecord, plan: RunPlan) -> None:
        """Nothing has happened yet."""
        self.record = record
        self.plan = plan
        self._kinds = {} if isinstance(plan, ConformancePlan) else subjects(plan)
        self._facts: list[Event] = []
        self._events: deque[EventView] = deque(maxlen=_EVENTS)
        self._trial: str | None = None
        self._faults: dict[str, Bracket] = {}
        """Of the current or last trial: what was hit -> when."""

        self._all_faults: list[int] = []
        self._lost: dict[str, Broken] = {}
        self._lanes: dict[str, Lane] = {}
        self._lane_of: dict[str, Lane] = {}
        """By its file; a file has some thousands of lines."""

        self._messages: dict[str, _Messages] = {}
        self._last_ns = 0
        self._ended: RunEnded | None = None
        self._trials = _trials(plan)

    @property
    def last_ns(self) -> int:
        """The newest monotonic time that was read."""
        return max([self._last_ns, *(lane.last_ns for lane in self._lanes.values())])

    def take(self, entry: Entry) -> None:
        """Takes in the next fact of the history."""
        fact = entry.fact
        self._facts.append(fact)
        self._last_ns = max(self._last_ns, entry.at.monotonic_ns)
        line = told(fact)
        if line is not None:
            self._events.append(EventView(at=entry.at.utc, text=line.text, bad=line.bad))
        match fact:
            case TrialStarted():
                self._trial = fact.trial
                self._faults = {}
            case TrialEnded():
                self._trial = None
            case FaultInjected():
                if fact.bracket is not None:
                    self._faults.setdefault(fact.subject, fact.bracket)
                    self._all_faults.append(fact.bracket.earliest_ns)
                if isinstance(self.plan, Plan) and not fact.assumed:
                    self._lost[fact.subject] = Broken(
                        action=f"{fact.subject}: lost", since=fact.wall
                    )
            case CleanedUp():
                self._lost = {}
            case ProbesRecorded():
                lane = self._lane(fact.file)
                own = fact.probe_class.startswith(fact.subject)  # of a restore it names none
                lane.name = fact.probe_class if own else f"{fact.subject}: {fact.probe_class}"
                lane.complete = True
            case RunEnded():
                self._ended = fact
            case _:
                pass

    def observed(self, file: str, observation: Observation) -> None:
        """Takes in the next line of a prober's file."""
        lane = self._lane(file)
        if observation.outcome is Outcome.OK:
            lane.right(observation.started_ns, observation.ended_ns)
        else:
            lane.wrong(observation.started_ns, observation.ended_ns, observation.detail)

    def heard(self, file: str, event: SubscriptionEvent) -> None:
        """Takes in the next line of a broker's file."""
        messages = self._messages.setdefault(file, _Messages())
        match event:
            case Published():
                for subscriber, waiting in messages.waiting.items():
                    waiting[event.seq] = event.started_ns
                    self._give_up(file, subscriber, waiting, event.started_ns)
                    if event.outcome is Outcome.FAIL:
                        del waiting[event.seq]
                        lane = self._subscriber(file, subscriber)
                        lane.wrong(event.started_ns, event.ended_ns, event.detail)
            case Received():
                published_ns = messages.waiting.setdefault(event.subscriber, {}).pop(
                    event.seq, None
                )
                if published_ns is not None and event.at_ns - published_ns <= HEARD_WITHIN_NS:
                    self._subscriber(file, event.subscriber).right(published_ns, event.at_ns)
            case _:
                messages.waiting.setdefault(event.subscriber, {})

    def _give_up(self, file: str, subscriber: str, waiting: dict[int, int], now_ns: int) -> None:
        """Messages that can no longer be heard in time were not heard."""
        late = [seq for seq, sent_ns in waiting.items() if now_ns - sent_ns > HEARD_WITHIN_NS]
        for seq in late:
            sent_ns = waiting.pop(seq)
            self._subscriber(file, subscriber).wrong(
                sent_ns, sent_ns + HEARD_WITHIN_NS, "not heard"
            )

    def _subscriber(self, file: str, name: str) -> Lane:
        subject, _, _ = self._named(file).partition(": ")
        known = self._lanes.get(f"{subject}/{name}")
        if known is None:
            known = Lane(name=f"{subject}: heard by {name}", subject=subject)
            self._lanes[f"{subject}/{name}"] = known
        return known

    def _lane(self, file: str) -> Lane:
        """The lane of a file; the same class in another trial has the same one."""
        lane = self._lane_of.get(file)
        if lane is None:
            name = self._named(file)
            lane = self._lanes.setdefault(name, Lane(name=name, subject=name.partition(": ")[0]))
            self._lane_of[file] = lane
        return lane

    def place(self, file: str) -> tuple[int, str]:
        """Sorts files of observations by the order in which their trials are held: a class has one
        lane for all of them, and what is older goes in first.
        """
        trial = self._trial_of(file)
        return (self._trials.index(trial) if trial in self._trials else -1), file

    def _trial_of(self, file: str) -> str:
        """The trial whose name begins that of a file; empty: none's does."""
        return max((one for one in self._trials if file.startswith(f"{one}-")), key=len, default="")

    def _named(self, file: str) -> str:
        """`orders: write on a new connection` of `pod-delete-1-orders-write-on-a-new-…`: the name
        of a file has its trial and its class (harness.probes.of_workloads.file_name).
        """
        rest = file.removesuffix(".jsonl").removeprefix(f"{self._trial_of(file)}-")
        for subject in sorted(self._kinds, key=len, reverse=True):
            slug = re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")
            if rest == slug:
                return subject
            if rest.startswith(f"{slug}-"):
                return f"{subject}: {rest.removeprefix(f'{slug}-').replace('-', ' ')}"
        return rest

    def view(self, around: Around) -> LiveView:
        """The page at one moment."""
        now_ns, now = around.now.monotonic_ns, around.now.utc
        steps = self._steps()
        shown, before, after = _around_now(steps)
        window_ns = max(now_ns - WINDOW_NS, 0)
        return LiveView(
            run=self.record.run,
            suite=self.record.suite,
            environment=self.record.environment,
            started=self.record.started,
            now=now,
            elapsed_ns=max(0, nanoseconds((self.record.ended or now) - self.record.started)),
            life=around.life,
            written=around.written,
            trouble=around.trouble,
            doing=self._doing(steps, around.life),
            broken=(
                *(Broken(action=one.action, since=one.made) for one in around.intents),
                *(self._lost.values() if around.life is not Life.ENDED else ()),
            ),
            clocks=tuple(self._clocks(now_ns)),
            lanes=tuple(self._lane_view(lane, now_ns, window_ns) for lane in self._lanes.values()),
            window_from=now - timedelta(seconds=WINDOW_NS // NANOSECONDS_PER_SECOND),
            faults=tuple(
                _thousandths(at_ns, window_ns) for at_ns in self._all_faults if at_ns >= window_ns
            ),
            steps=shown,
            steps_before=before,
            steps_after=after,
            ledgers=tuple(around.ledgers),
            notes=tuple(reversed(around.notes)),
            events=tuple(reversed(self._events))[:_SHOWN_EVENTS],
        )

    def _doing(self, steps: Sequence[StepView], life: Life) -> str:
        if life is Life.ENDED or self._ended is not None:
            how = self._ended.interrupted if self._ended is not None else None
            return f"ended by {how}" if how else "ended"
        for step in steps:
            if step.stand is Stand.NOW:
                part = next((one for one in step.parts if one.stand is Stand.NOW), None)
                return step.title if part is None else f"{step.title}: {part.name}"
        if not self._facts:
            return "beginning"
        begun = any(step.stand is not Stand.NEXT for step in steps)
        return "between two steps" if begun else "before the first step"

    # --- steps -------------------------------------------------------------------------------

    def _steps(self) -> tuple[StepView, ...]:
        return tuple(
            StepView(name=name, title=title, stand=_stand(parts), parts=parts)
            for name, title, parts in parts_of(self.plan, self._facts)
        )

    # --- clocks ------------------------------------------------------------------------------

    def _clocks(self, now_ns: int) -> Iterator[ClockView]:
        """One for each subject that clients are seen to use, from the fault that is about it."""
        everything = [
            bracket
            for hit, bracket in self._faults.items()
            # Restores are of their trial's subjects, and a region that is away hits none of them.
            if hit not in self._kinds and not isinstance(self.plan, Plan)
        ]
        for subject in self._kinds:
            own = self._faults.get(subject)
            hits = [*everything, *([own] if own is not None else [])]
            lanes = [lane for lane in self._lanes.values() if lane.subject == subject]
            if hits and lanes:
                fault_ns = min(bracket.earliest_ns for bracket in hits)
                ticking, elapsed_ns = self._ticking(lanes, fault_ns, now_ns)
                yield ClockView(
                    subject=subject,
                    ticking=ticking,
                    elapsed_ns=elapsed_ns,
                    target_ns=self._rto_ns(subject),
                )

    def _ticking(
        self, lanes: Sequence[Lane], fault_ns: int, now_ns: int
    ) -> tuple[Ticking, int | None]:
        since = [lane.right_since_ns for lane in lanes]
        right = [one for one in since if one is not None]
        if len(right) == len(lanes):  # all are right, as far as they were last seen
            back_ns = max(right)
            seen_ns = min(lane.right_until_ns or 0 for lane in lanes)
            if seen_ns < fault_ns:
                return self._unless_unseen(lanes, fault_ns, now_ns)
            if back_ns <= fault_ns:
                return Ticking.UNHIT, None
            if seen_ns - back_ns >= self._sustained_ns:
                return Ticking.RECOVERED, back_ns - fault_ns
        return self._unless_unseen(lanes, fault_ns, now_ns)

    def _unless_unseen(
        self, lanes: Sequence[Lane], fault_ns: int, now_ns: int
    ) -> tuple[Ticking, int | None]:
        """A clock whose lanes are complete stands where they ended."""
        if all(lane.complete for lane in lanes):
            return Ticking.UNSEEN, max(max(lane.last_ns for lane in lanes) - fault_ns, 0)
        return Ticking.RUNNING, max(now_ns - fault_ns, 0)

    @property
    def _sustained_ns(self) -> int:
        """How long right answers must last; what the plan says, where it does."""
        if isinstance(self.plan, LoadPlan | ConformancePlan):
            return 5 * NANOSECONDS_PER_SECOND
        return nanoseconds(self.plan.sustained)

    def _rto_ns(self, subject: str) -> int | None:
        kind = self._kinds[subject]
        return min(
            (
                nanoseconds(target.objective.at_most)
                for target in self.plan.targets
                if isinstance(target.objective, RecoveryTime) and kind in target.covers
            ),
            default=None,
        )

    # --- strips ------------------------------------------------------------------------------

    def _lane_view(self, lane: Lane, now_ns: int, window_ns: int) -> LaneView:
        way = lane.way(now_ns)
        pieces = tuple(_pieces(lane.stretches, window_ns))
        wrong = [one for one in lane.stretches if not one.right and one.end_ns >= window_ns]
        return LaneView(
            name=lane.name,
            way=way,
            for_ns=max(0, now_ns - lane.since_ns(now_ns)) if lane.stretches else None,
            detail=lane.detail if way is Way.DOWN else "",
            pieces=pieces,
            described=f"{len(wrong)} times down in the last 10 minutes"
            if len(wrong) != 1
            else "once down in the last 10 minutes",
        )


def _trials(plan: RunPlan) -> tuple[str, ...]:
    return () if isinstance(plan, ConformancePlan) else tuple(trial.id for trial in plan.trials)


def _stand(parts: Sequence[Part]) -> Stand:
    """What its parts amount to."""
    stands = [part.stand for part in parts]
    if Stand.NOW in stands:
        return Stand.NOW
    if Stand.FAILED in stands:
        return Stand.FAILED
    return Stand.DONE if Stand.DONE in stands else Stand.NEXT


_STEPS_BEFORE = 2
_STEPS_AFTER = 3


def _around_now(steps: Sequence[StepView]) -> tuple[tuple[StepView, ...], int, int]:
    """The step that goes on with those beside it, and how many are left out on each side."""
    now = next(
        (number for number, step in enumerate(steps) if step.stand is Stand.NOW),
        next((number for number, step in enumerate(steps) if step.stand is Stand.NEXT), len(steps)),
    )
    first = max(0, now - _STEPS_BEFORE)
    last = min(len(steps), now + 1 + _STEPS_AFTER)
    return tuple(steps[first:last]), first, len(steps) - last


def _pieces(stretches: Sequence[Stretch], window_ns: int) -> Iterator[Piece]:
    for one in stretches:
        if one.end_ns < window_ns:
            continue
        start = _thousandths(one.start_ns, window_ns)
        end = _thousandths(one.end_ns, window_ns)
        # What was down for a moment must still be seen.
        width = max(end - start, 1 if one.right else 2)
        yield Piece(start=min(start, 1000 - width), width=width, right=one.right)


def _thousandths(at_ns: int, window_ns: int) -> int:
    return min(1000, max(0, (at_ns - window_ns) * 1000 // WINDOW_NS))
