"""Events as people see them where no terminal is, and what the live view puts first."""

import io
import re
import time

import pytest
from rich.console import Console

from stackyard import ui
from stackyard.events import Event

EVENTS = (
    Event("started", "one/db", "create: not there"),
    Event("progress", "one/db", "connection refused", data={"blocked": False}),
    Event("progress", "one/api", "waits for the database (one/db)", data={"blocked": True}),
)


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [re.sub(r"^ +\d+\.\d  ", "", line) for line in capsys.readouterr().err.splitlines()]


def test_without_a_terminal_every_event_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with ui.reporter("build") as report:
        for event in (*EVENTS, Event("done", "one/db", "ready", 1.25)):
            report(event)
    assert told(capsys) == [
        "one/db: create: not there",
        "one/db: connection refused",
        "one/api: waits for the database (one/db)",
        "one/db: done, ready (1.2 s)",
    ]


def test_with_summaries_progress_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with ui.reporter("up", every=0.05) as report:
        for event in EVENTS:
            report(event)
        deadline = time.monotonic() + 5
        lines = told(capsys)
        while len(lines) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
            lines += told(capsys)
        report(Event("failed", "one/db", "ends again and again"))
    assert lines[:2] == [
        "one/db: create: not there",
        "still waiting for one/db (connection refused), 1 that wait for others",
    ]
    assert told(capsys)[-1] == "one/db: FAILED, ends again and again"


def test_a_summary_names_a_few(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ui._Summaries()
    lines.summary()
    for number in range(7):
        lines(Event("progress", f"one/c{number}"))
    lines(Event("done", "one/c0", "ready"))
    capsys.readouterr()
    lines.summary()
    assert told(capsys) == ["still waiting for one/c1, one/c2, one/c3, one/c4, 2 more"]


def test_json_output_gets_failures_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with ui.reporter("up", output="json", every=10) as report:
        for event in (*EVENTS, Event("failed", "one/api", "no")):
            report(event)
    assert told(capsys) == ["one/api: FAILED, no"]


def test_the_live_view_has_what_waits_for_others_last() -> None:
    console = Console(file=io.StringIO(), width=80, height=6)
    view = ui._View("up demo", console)
    for event in reversed(EVENTS):
        view.report(event)
    view.report(Event("progress", "two/api", "waits for the database (one/db)", data={"blocked": True}))
    console.print(view)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("up demo: 0 finished, 1 under way, 2 waiting, 0 s")
    assert [line.split()[0] for line in lines[1:]] == ["one/db", "one/api", "two/api"]
    assert all(len(line) <= 80 and line.endswith(" s") for line in lines[1:])


def test_the_live_view_says_how_many_have_no_room() -> None:
    console = Console(file=io.StringIO(), width=80, height=8)
    view = ui._View("up demo", console)
    for number in range(9):
        view.report(Event("progress", f"one/c{number}", "running"))
    console.print(view)
    assert console.file.getvalue().splitlines()[-1] == "… and 5 more"  # type: ignore[attr-defined]
