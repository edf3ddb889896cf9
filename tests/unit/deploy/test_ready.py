"""Readiness as a table of scenarios: what is seen at which second, and what is asked, told and given up then."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fakes import FakeEngine, inspected
from resolved_sites import TOY, resolved
from stackyard.deploy import wait
from stackyard.deploy.probes import ready
from stackyard.deploy.readiness import Question, Readiness
from stackyard.entrypoint.health import UNHEALTHY
from stackyard.errors import StackyardError
from stackyard.events import Event
from stackyard.plan.observed import Running
from stackyard.plan.resolved import Ask, ResolvedContainer, Waiting

OUTSIDE, INSIDE = Ask(tcp="192.0.2.10:80"), Ask(tcp="127.0.0.1:80")
TEMPLATE = next(each for each in resolved("toy", TOY).containers if each.name == "echo")
API, DATABASE, JOB, FAR = "one/api", "one/database", "one/migrate", "two/far"
TIME = Waiting("a time server", probe=Ask(tcp="192.0.2.99:123"))
DEADLINE = 60.0


def name(key: str) -> str:
    return f"toytest-{key.replace('/', '-')}"


def needs(key: str) -> Waiting:
    """A wait for a container of the site."""
    return Waiting(f"the {key.partition('/')[2]}", (name(key),))


def container(key: str, *waits: Waiting, job: bool = False, health: Ask | None = OUTSIDE) -> ResolvedContainer:
    node, _, own = key.partition("/")
    definition = TEMPLATE.definition.model_copy(update={"job": job})
    return replace(
        TEMPLATE, node=node, name=own, definition=definition, health=None if job else health, waits=waits, serves=False
    )


def runs(start: int = 1, **state: Any) -> Running:
    """A container that runs, in its `start`-th start."""
    return Running("id", "", "", {}, "running", started_at=f"start {start}", **state)


def ended(code: int, restarts: int = 0) -> Running:
    """A container that has ended, or that the engine is about to start again."""
    return Running("id", "", "", {}, "restarting" if restarts else "exited", exit_code=code, restarts=restarts)


@dataclass(frozen=True)
class At:
    """One second: what the engine shows and what was answered, by container; then everything that follows of it.

    What is not in ``seen`` is as it was.
    """

    second: float
    says: Sequence[str]
    """Questions, events, who is late (nobody, when there is no such line), and the end of the wait."""
    seen: Mapping[str, Running] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    containers: Sequence[ResolvedContainer]
    moments: Sequence[At]
    node: str | None = None
    stranded: Sequence[str] = ()


ALONE = [container(API)]
GONE = "failed one/api: ends again and again, {} times, code 2: last words"
SAID = "  | last words"

SCENARIOS = {
    "all ready: asked from outside, inside, or by the engine's own health check": Scenario(
        [container(API), container(DATABASE, health=INSIDE), container(FAR, health=INSIDE)],
        [
            At(
                0,
                [
                    "asks one/api",
                    "asks one/database inside",
                    "progress one/api: running",
                    "progress one/database: running",
                    "done two/far: ready",
                    "late one/api, one/database",
                ],
                {API: runs(), DATABASE: runs(), FAR: runs(health="healthy")},
            ),
            At(
                1,
                [
                    "asks one/api",
                    "progress one/api: connection refused",
                    "progress one/database: no answer",
                    "late one/api, one/database",
                ],
                answers={API: "connection refused", DATABASE: "no answer"},
            ),
            At(2.5, ["asks one/database inside", "done one/api: ready", "late one/database"], answers={API: ""}),
            At(3, ["done one/database: ready"], answers={DATABASE: ""}),
        ],
    ),
    "a container without a probe is ready when it has run for a while": Scenario(
        [container(API, health=None)],
        [
            At(0, ["progress one/api: running", "late one/api"], {API: runs()}),
            At(1, ["late one/api"]),
            At(2.5, ["done one/api: ready"]),
        ],
    ),
    "a container waits for another, and is not asked before": Scenario(
        [container(DATABASE), container(API, needs(DATABASE))],
        [
            At(
                0,
                [
                    "asks one/database",
                    "progress one/database: running",
                    "progress one/api: waits for the database (one/database), blocked",
                    "late one/database, one/api",
                ],
                {DATABASE: runs(), API: runs()},
            ),
            At(
                1,
                ["asks one/api", "done one/database: ready", "progress one/api: running", "late one/api"],
                answers={DATABASE: ""},
            ),
            At(2, ["done one/api: ready"], answers={API: ""}),
        ],
    ),
    "a job is awaited until it is done": Scenario(
        [container(JOB, job=True), container(API, needs(JOB))],
        [
            At(
                0,
                [
                    "progress one/migrate: to end",
                    "progress one/api: waits for the migrate (one/migrate), blocked",
                    "late one/migrate, one/api",
                ],
                {JOB: runs(), API: runs()},
            ),
            At(1, ["asks one/api", "done one/migrate", "progress one/api: running", "late one/api"], {JOB: ended(0)}),
            At(2, ["done one/api: ready"], answers={API: ""}),
        ],
    ),
    "a job that fails is not done": Scenario(
        [container(JOB, job=True)],
        [
            At(0, ["progress one/migrate: to end", "late one/migrate"], {JOB: runs()}),
            At(1, ["progress one/migrate: exited, code 3", "late one/migrate"], {JOB: ended(3)}),
            At(
                61,
                [
                    "late one/migrate",
                    "not ready within 60 s",
                    "one/migrate: exited, code 3",
                    SAID,
                    "hint: stackyard logs migrate --node one",
                ],
            ),
        ],
    ),
    "what crashes is told after three times, and given up after six": Scenario(
        ALONE,
        [
            At(0, ["asks one/api", "progress one/api: running", "late one/api"], {API: runs()}),
            At(1, ["progress one/api: restarting, code 2", "late one/api"], {API: ended(2, 2)}),
            At(2, [GONE.format(3), "late one/api"], {API: ended(2, 3)}),
            At(3, ["late one/api"], {API: ended(2, 5)}),
            At(
                4,
                [
                    "late one/api",
                    "one/api: restarting, code 2; it ended 6 times: last words",
                    SAID,
                    "hint: stackyard logs api --node one",
                ],
                {API: ended(2, 6)},
            ),
        ],
    ),
    "what crashed before the wait is told at once, and only counts from there": Scenario(
        ALONE,
        [
            At(0, ["progress one/api: restarting, code 2", GONE.format(3), "late one/api"], {API: ended(2, 9)}),
            At(1, ["late one/api"], {API: ended(2, 11)}),
        ],
    ),
    "restarts of one that runs again are forgiven": Scenario(
        ALONE,
        [
            At(0, ["asks one/api", "progress one/api: running", "late one/api"], {API: runs(restarts=9)}),
            At(1, ["done one/api: ready"], answers={API: ""}),
        ],
    ),
    "one that crashed must run for a while before its own answer counts": Scenario(
        [container(API, health=INSIDE)],
        [
            At(0, ["asks one/api inside", "progress one/api: running", "late one/api"], {API: runs()}),
            At(1, ["progress one/api: no", "late one/api"], {API: runs(2, restarts=1)}, {API: "no"}),
            At(2, ["late one/api"]),
            At(3.5, ["asks one/api inside", "late one/api"]),
            At(4, ["done one/api: ready"], answers={API: ""}),
        ],
    ),
    "ready is asked for again after a restart": Scenario(
        ALONE,
        [
            At(0, ["asks one/api", "progress one/api: running", "late one/api"], {API: runs()}),
            At(1, ["done one/api: ready"], answers={API: ""}),
            At(2, ["asks one/api", "progress one/api: running", "late one/api"], {API: runs(2)}),
            At(3, ["done one/api: ready"], answers={API: ""}),
        ],
    ),
    "the deadline names first what only waits for itself": Scenario(
        [container(DATABASE), container(API, needs(DATABASE))],
        [
            At(
                60,
                [
                    "asks one/database",
                    "progress one/database: running",
                    "progress one/api: waits for the database (one/database), blocked",
                    "late one/database, one/api",
                ],
                {DATABASE: runs(), API: runs()},
            ),
            At(
                60.5,
                [
                    "asks one/database",
                    "progress one/database: refused",
                    "late one/database, one/api",
                    "not ready within 60 s",
                    "one/database: refused",
                    SAID,
                    "one/api: waits for the database (one/database)",
                    "hint: stackyard logs database --node one",
                ],
                answers={DATABASE: "refused"},
            ),
        ],
    ),
    "what is not there has no last words": Scenario(
        ALONE,
        [
            At(
                61,
                [
                    "progress one/api: not there",
                    "late one/api",
                    "not ready within 60 s",
                    "one/api: not there",
                    "hint: stackyard logs api --node one",
                ],
                {},
            ),
        ],
    ),
    "one node alone: a wait for another that is not up is left, and told": Scenario(
        [container(FAR), container(API, needs(FAR)), container(DATABASE)],
        [
            At(
                0,
                [
                    "asks one/database",
                    "progress one/api: waits for the far (two/far), blocked",
                    "progress one/database: running",
                    "late one/database",
                ],
                {API: runs(), DATABASE: runs()},
            ),
            At(1, ["done one/database: ready"], answers={DATABASE: ""}),
        ],
        node="one",
        stranded=["note one/api: waits for the far (two/far), which is not up"],
    ),
    "one node alone: another that runs is waited for": Scenario(
        [container(FAR), container(API, needs(FAR))],
        [
            At(
                0,
                ["asks two/far", "progress one/api: waits for the far (two/far), blocked", "late one/api"],
                {FAR: runs(), API: runs()},
            ),
            At(1, ["asks one/api", "progress one/api: running", "late one/api"], answers={FAR: ""}),
            At(2, ["done one/api: ready"], answers={API: ""}),
        ],
        node="one",
    ),
    "what nobody of the site provides is asked for with its own probe": Scenario(
        [container(API, TIME)],
        [
            At(
                0,
                [
                    "asks one/api for a time server",
                    "progress one/api: waits for a time server, blocked",
                    "late one/api",
                ],
                {API: runs()},
            ),
            At(1, ["asks one/api for a time server", "late one/api"], answers={API: "refused"}),
            At(2, ["asks one/api", "progress one/api: running", "late one/api"], answers={API: ""}),
            At(3, ["done one/api: ready"], answers={API: ""}),
        ],
    ),
}


def asked(readiness: Readiness, second: float) -> Iterator[str]:
    for question in readiness.questions(second):
        key = readiness.watches[question.container].key
        where = f" for {question.wait}" if question.wait else "" if question.probe else " inside"
        assert question.probe in {None, OUTSIDE, TIME.probe}
        yield f"asks {key}{where}"


def told(event: Event, second: float) -> str:
    assert event.seconds == (second if event.kind == "done" else None)
    blocked = ", blocked" if event.data.get("blocked") else ""
    return f"{event.kind} {event.subject}" + (f": {event.message}{blocked}" if event.message else "")


def given_up(failure: StackyardError | None) -> list[str]:
    return [*failure.message.splitlines(), f"hint: {failure.hint}"] if failure else []


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_readiness(scenario: Scenario) -> None:
    readiness = Readiness(scenario.containers, scenario.node, 0.0, DEADLINE, lambda _name, _lines: ["last words"])
    there: dict[str, Running] = {}
    for at in scenario.moments:
        there |= {name(key): running for key, running in at.seen.items()}
        readiness.look(there)
        for key, seen in at.answers.items():
            readiness.answer(name(key), seen)
        said = [*asked(readiness, at.second), *(told(event, at.second) for event in readiness.events(at.second))]
        late = ", ".join(watch.key for watch in readiness.late)
        said += [f"late {late}"] if late else []
        said += given_up(readiness.failure(at.second))
        assert said == at.says, f"second {at.second}"
    assert [told(event, 0) for event in readiness.stranded()] == list(scenario.stranded)


def test_what_was_left_alone_is_told_only_when_it_is_not_ready() -> None:
    """The one that was changed is told; of the others the one that is not ready within seconds."""
    keys = [API, DATABASE, FAR]
    readiness = Readiness([container(key) for key in keys], None, 0.0, DEADLINE, lambda _name, _lines: [], {name(API)})
    readiness.look({name(key): runs() for key in keys})
    assert [told(event, 0) for event in readiness.events(0)] == ["progress one/api: running"]
    list(readiness.questions(0))
    for key, seen in ((API, ""), (DATABASE, ""), (FAR, "refused")):
        readiness.answer(name(key), seen)
    assert [told(event, 1) for event in readiness.events(1)] == ["done one/api: ready"]
    assert [told(event, 4) for event in readiness.events(4)] == ["progress two/far: refused"]
    list(readiness.questions(5))
    readiness.answer(name(FAR), "")
    assert [told(event, 5) for event in readiness.events(5)] == ["done two/far: ready"]


def test_the_code_of_a_failure_is_kept_while_the_next_start_runs() -> None:
    readiness = Readiness(ALONE, None, 0.0, DEADLINE, lambda _name, _lines: ["ValueError: no", ""])
    for seen in (runs(), ended(3, 2), runs(2, restarts=3)):
        readiness.look({name(API): seen})
        list(readiness.questions(0))
    (event,) = [each for each in readiness.events(1) if each.kind == "failed"]
    assert event.message == "ends again and again, 3 times, code 3: ValueError: no"


def test_what_it_means_is_told_with_what_was_seen() -> None:
    sick = replace(container(API), unhealthy="Nothing starts; free disk space.")
    readiness = Readiness([sick, container(JOB, job=True)], None, 0.0, 5.0, lambda _name, _lines: ["a line"])
    readiness.look({name(API): runs(), name(JOB): runs()})
    list(readiness.questions(0))
    readiness.answer(name(API), "refused")
    assert given_up(readiness.failure(6)) == [
        "not ready within 5 s",
        "one/api: refused",
        "  Nothing starts; free disk space.",
        "  | a line",
        "one/migrate: to end",
        "  | a line",
        "hint: stackyard logs api --node one",
    ]


def test_what_serves_an_endpoint_is_asked_whatever_the_engine_checked() -> None:
    readiness = Readiness([SERVER], None, 0.0, 5.0, lambda _name, _lines: [])
    readiness.look({name(API): runs(health="healthy")})
    assert list(readiness.questions(3)) == [Question(name(API))]
    assert [watch.key for watch in readiness.late] == [API]


def at(seconds_ago: float, **state: Any) -> Callable[[], Running]:
    def made() -> Running:
        started = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        return replace(runs(**state), started_at=started.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    return made


INNER = container(API, health=INSIDE)
SERVER = replace(INNER, serves=True)


@pytest.mark.parametrize(
    ("one", "seen", "afresh", "lacks"),
    [
        (INNER, lambda: None, False, "not there"),
        (INNER, lambda: ended(3), False, "exited, code 3"),
        (INNER, at(60, health="healthy"), False, ""),
        (INNER, at(60, health="healthy"), True, "no: full"),
        (SERVER, at(60, health="healthy"), False, "no: full"),
        (INNER, at(60, health="failing"), False, "no: full"),
        (INNER, at(3, health="healthy", restarts=4), False, "started again within the last 10 s, 4 times in all"),
        (INNER, at(60, health="healthy", restarts=4), False, ""),
        (container(JOB, job=True), at(9), False, "has not ended yet"),
        (container(JOB, job=True), lambda: ended(0), False, ""),
        (container(API, health=None), at(0), False, "runs for less than 2 s"),
        (container(API, health=None), at(9), False, ""),
    ],
)
def test_what_one_look_tells(
    one: ResolvedContainer, seen: Callable[[], Running | None], afresh: bool, lacks: str
) -> None:
    engine = FakeEngine({"exec": (1, f"x{UNHEALTHY}no: full")})
    running = seen()
    there = {one.full_name: running} if running else {}
    assert ready(engine, [one], there, afresh=afresh) == {one.full_name: lacks}


def test_a_yes_of_before_a_later_start_of_what_it_comes_through_does_not_count() -> None:
    through = replace(INNER, health=Ask(through=(name(DATABASE), name(FAR))))
    there = {name(API): at(60, health="healthy")(), name(DATABASE): replace(at(20)(), name="database")}
    engine = FakeEngine({"exec": (1, f"x{UNHEALTHY}no: old")})
    assert ready(engine, [through], there) == {name(API): "no: old"}
    assert "--after" in engine.calls[-1]
    assert f"database={there[name(DATABASE)].began}" in engine.calls[-1]
    there[name(FAR)] = at(70)()  # one that does the same was there all the time
    assert ready(engine, [through], there) == {name(API): ""}


def test_who_was_ready_must_be_so_again_after_what_it_comes_through_was_started() -> None:
    readiness = Readiness([replace(INNER, health=Ask(through=(name(DATABASE),)))], None, 0.0, 5.0, lambda _name, _: [])
    there = {name(API): at(60, health="healthy")(), name(DATABASE): replace(at(80)(), name="database")}
    readiness.look(there)
    assert list(readiness.questions(1)) == []
    assert readiness.late == []
    again = replace(at(2)(), name="database")
    readiness.look({**there, name(DATABASE): again})
    (question,) = readiness.questions(2)
    assert question == Question(name(API), after=f"database={again.began}")
    assert [watch.key for watch in readiness.late] == [API]
    readiness.answer(name(API), "")
    assert readiness.late == []


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        ({}, ""),
        ({"Status": "healthy", "Log": [{"ExitCode": 1}, {"ExitCode": 0}]}, "healthy"),
        ({"Status": "healthy", "Log": [{"ExitCode": 0}, {"ExitCode": 1}]}, "failing"),
        ({"Status": "starting", "Log": []}, "starting"),
    ],
)
def test_the_last_check_of_the_engine_counts(health: dict[str, Any], expected: str) -> None:
    shown = inspected("toytest", "one", "api")
    shown["State"]["Health"] = health
    engine = FakeEngine({"container inspect": json.dumps([shown])})
    assert wait.inspect(engine, ["x"])["toytest-one-api"].health == expected


def waiting(deadline: float) -> Readiness:
    return Readiness(ALONE, None, time.monotonic(), deadline, FakeEngine().logs)


def test_the_loop_asks_and_tells_until_all_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["refused", ""])
    monkeypatch.setattr(wait, "ask", lambda _probe: next(answers))
    monkeypatch.setattr(wait, "inspect", lambda _engine, names: {each: runs() for each in names})
    monkeypatch.setattr(wait, "TICK", 0.0)
    events: list[Event] = []
    wait.until_ready(FakeEngine(), waiting(60), events.append)
    assert [(each.kind, each.message) for each in events if each.message != "running"] == [
        ("progress", "refused"),
        ("done", "ready"),
    ]


def test_the_loop_ends_when_there_is_no_hope(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "inspect", lambda _engine, _names: {})
    with pytest.raises(StackyardError, match="not ready within 0 s\none/api: not there"):
        wait.until_ready(FakeEngine(), waiting(0), lambda _event: None)


def test_what_a_container_waits_for_itself_is_told_and_is_the_cause() -> None:
    """Ten seconds after it could be ready; a job that waits for it is not blamed."""
    said = "stackyard: waiting for the pool, at most 60 s: exit code 1: refused"
    both = [container(API), container(JOB, job=True)]
    readiness = Readiness(both, None, 0.0, DEADLINE, lambda _name, _lines: [said])
    readiness.look({name(API): runs(), name(JOB): runs()})
    readiness.answer(name(API), "it does not exist")
    first = {event.subject: event.message for event in readiness.events(1.0)}
    assert first == {API: "it does not exist", JOB: "to end"}
    assert list(readiness.events(10.9)) == []
    assert [(event.subject, event.message) for event in readiness.events(11.0)] == [
        (API, "waits for the pool: refused")
    ]
    failure = readiness.failure(DEADLINE + 1)
    assert failure is not None
    assert failure.message.splitlines()[1] == f"{API}: waits for the pool: refused"
