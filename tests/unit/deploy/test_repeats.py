"""A crash loop's log is told once."""

import pytest

from stackyard.deploy.repeats import collapsed, reason, waits
from stackyard.entrypoint.waits import wait

TRACE = ["12:00:{n:02} start, process {n}", "Traceback", "  File x", "  File x", "OSError: no 0x{n:04x}"]


def starts(count: int) -> list[str]:
    return [line.format(n=n) for n in range(count) for line in TRACE]


def test_the_last_block_is_shown_once_with_its_count() -> None:
    assert collapsed(starts(6), 15) == [*starts(6)[-5:], "(these 5 lines 6 times)"]


def test_the_begin_of_one_more_is_left_out() -> None:
    lines = starts(6)
    assert collapsed([*lines, *starts(7)[30:32]], 15) == collapsed(lines, 15)


def test_what_came_before_is_kept_as_far_as_there_is_room() -> None:
    assert collapsed(["first words", *starts(3)], 15)[0] == "first words"
    assert collapsed(["first words", *starts(3)], 5) == [*starts(3)[-5:], "(these 5 lines 3 times)"]


@pytest.mark.parametrize("lines", [[], ["one"], ["one", "two", "three"], starts(1)[:3]])
def test_without_repetition_nothing_changes(lines: list[str]) -> None:
    assert collapsed(lines, 15) == lines
    assert collapsed(lines, 2) == lines[-2:]


def test_one_line_again_and_again() -> None:
    assert collapsed(["begin", *["no"] * 5], 15) == ["begin", "no", "(this line 5 times)"]


NOVA = "2026-11-25 22:04:56.727 7 ERROR nova "
LOST = "nova.exception.InvalidConfiguration: No local node identity found. Refusing to start!"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # oslo.log: every line of the traceback has the prefix, and the last is empty.
        (
            [
                "2026-11-25 22:04:56.724 7 WARNING nova.virt.libvirt.host [None req-2c13 - - - - - -] not supported",
                f"{NOVA}Traceback (most recent call last):",
                f'{NOVA}  File "/opt/stackyard/container/daemon.py", line 24, in <module>',
                f"{NOVA}    sys.exit(main())",
                f"{NOVA}             ~~~~^^",
                f"{NOVA}{LOST}",
                NOVA.strip(),
            ],
            LOST,
        ),
        # Plain Python, with something after it, and one exception while another is handled.
        (
            [
                "Traceback (most recent call last):",
                '  File "x.py", line 1, in <module>',
                "KeyError: 'a'",
                "",
                "During handling of the above exception, another exception occurred:",
                "",
                "Traceback (most recent call last):",
                '  File "x.py", line 3, in <module>',
                "ValueError: no number",
                "the end",
            ],
            "ValueError: no number",
        ),
        # Not Python: what calls itself an error is rather the reason than what comes after it.
        (
            [
                "2026-11-25 22:00:00 0 [ERROR] InnoDB: Operating system error number 28 in a file operation.",
                "2026-11-25 22:00:00 0 [Note] Plugin 'InnoDB' is disabled.",
            ],
            "InnoDB: Operating system error number 28 in a file operation.",
        ),
        (["starting", "I give up", ""], "I give up"),
        ([NOVA, ""], ""),
        ([], ""),
    ],
)
def test_the_line_that_tells_why(lines: list[str], expected: str) -> None:
    assert reason(lines) == expected


def test_what_an_entrypoint_waits_for_is_read_from_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """At once and once a minute, whatever it says between."""
    answers = iter(["exit code 1: refused", "exit code 1: no, really", None])
    times = iter([0.0, 61.0, 62.0, 63.0])
    wait("the pool", lambda: next(answers), 300, clock=lambda: next(times), sleep=lambda _: None)
    first, second, there = capsys.readouterr().err.splitlines()
    assert waits([NOVA, first]) == "waits for the pool: refused"
    assert waits([first, second]) == "waits for the pool: refused"
    assert waits([first, there]) == waits([first, NOVA]) == waits([]) == ""
